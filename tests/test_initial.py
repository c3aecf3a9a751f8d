"""Initial weights: distributions like `torch.nn.init`'s, drawn once and given to both engines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor, nn

from cases import INITIALS, RELU, assert_bits, dense, recipe
from engines import numpy_engine, torch_engine
from twofold import verify
from twofold.arrays import Array
from twofold.data import Split
from twofold.engine import Scaling, State
from twofold.engine.initial import WHITENING_EPSILON, initial_buffers, initial_parameters, whitening_filters
from twofold.errors import UserError
from twofold.probe.passage import pass_through
from twofold.setup import building
from twofold.torch_engine.stack import torch_module

OUT, IN = 300, 200
each_initial = pytest.mark.parametrize("name", INITIALS)


def drawn(spec: Any, layers: list[dict[str, Any]], seed: int = 0, inputs: int = IN) -> dict[str, Array]:
    return initial_parameters(recipe(layers, inputs=inputs, initial=spec, training={"seed": seed}).model)


def by_torch(spec: Any, weight: Tensor) -> None:
    """Fill as PyTorch does; `gain` of its He variant stands for a nonlinearity there."""
    init = nn.init
    fills: dict[str, Callable[[], Any]] = {
        "default": lambda: init.kaiming_uniform_(weight, a=math.sqrt(5)),
        "normal": lambda: init.normal_(weight, 0, spec.std / math.sqrt(weight.shape[1])),
        "glorot": lambda: {"uniform": init.xavier_uniform_, "normal": init.xavier_normal_}[spec.distribution](
            weight, spec.gain
        ),
        "he": lambda: {"uniform": init.kaiming_uniform_, "normal": init.kaiming_normal_}[spec.distribution](
            weight, nonlinearity="relu" if spec.gain > 1 else "linear"
        ),
        "orthogonal": lambda: init.orthogonal_(weight, spec.gain),
        "dirac": lambda: init.kaiming_uniform_(weight, a=math.sqrt(5)),
        "zeros": lambda: init.zeros_(weight),
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fills[spec.kind]()


@each_initial
def test_weights_are_distributed_as_pytorchs(name: str) -> None:
    """Kolmogorov and Smirnov's test, 60,000 numbers each: it sees another form, and a scale 4 % off."""
    theirs = torch.empty(OUT, IN, dtype=torch.float64)
    by_torch(INITIALS[name], theirs)
    ours = drawn(INITIALS[name], [dense(OUT), dense(2)])["0.weight"]
    assert ks_2samp(ours.ravel(), theirs.numpy().ravel()).pvalue > 0.01
    assert ours.std() == pytest.approx(theirs.std().item(), rel=0.01)


@pytest.mark.parametrize(("name", "scale"), [("he", 1.04), ("he, uniform", 1.0)])
def test_the_comparison_of_distributions_sees_another_one(name: str, scale: float) -> None:
    ours = drawn(INITIALS[name], [dense(OUT), dense(2)])["0.weight"]
    theirs = torch.empty(OUT, IN, dtype=torch.float64)
    by_torch(INITIALS["he"], theirs)
    assert ks_2samp(scale * ours.ravel(), theirs.numpy().ravel()).pvalue < 0.01


@pytest.mark.parametrize(
    ("name", "bound"),
    [
        ("default", 1 / math.sqrt(IN)),
        ("glorot", math.sqrt(6 / (IN + OUT))),
        ("glorot for tanh", 5 / 3 * math.sqrt(6 / (IN + OUT))),
        ("he, uniform", math.sqrt(6 / IN)),
    ],
)
def test_uniform_weights_reach_their_bound_and_never_pass_it(name: str, bound: float) -> None:
    weight = drawn(INITIALS[name], [dense(OUT), dense(2)])["0.weight"]
    assert 0.999 * bound < np.abs(weight).max() <= bound


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (6, 6), (1, 4), (4, 1)], ids=str)
@pytest.mark.parametrize("name", ["orthogonal", "orthogonal, scaled"])
def test_orthogonal_weights_are(name: str, shape: tuple[int, int]) -> None:
    rows, columns = shape
    W = drawn(INITIALS[name], [dense(rows), dense(2)], inputs=columns)["0.weight"]
    assert W.shape == shape
    product = W @ W.T if rows <= columns else W.T @ W
    np.testing.assert_allclose(product, INITIALS[name].gain ** 2 * np.eye(min(shape)), atol=1e-14)


def test_orthogonal_weights_are_uniform() -> None:
    """Without the signs of R's diagonal, the diagonal of Q leans to one side: Householder's choice."""
    corner = [
        drawn(INITIALS["orthogonal"], [dense(2), dense(2)], seed, inputs=2)["0.weight"][0, 0] for seed in range(400)
    ]
    assert abs(np.mean(corner)) < 4 * math.sqrt(0.5 / 400)


def test_default_biases_are_drawn_from_the_weights_fan_in() -> None:
    ours = drawn(INITIALS["default"], [dense(3000), dense(2)], inputs=9)["0.bias"]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = nn.Linear(9, 3000).bias.detach().numpy()
    assert 0.99 / 3 < np.abs(ours).max() <= 1 / 3
    assert ks_2samp(ours, theirs).pvalue > 0.01


@pytest.mark.parametrize("name", [name for name in INITIALS if name not in {"default", "dirac"}])
def test_other_biases_are_zero(name: str) -> None:
    assert not drawn(INITIALS[name], [dense(4), RELU, dense(2)])["0.bias"].any()


@each_initial
def test_both_engines_get_the_same_arrays(name: str) -> None:
    built = recipe([dense(5), RELU, dense(4, bias=False), RELU, dense(2)], initial=INITIALS[name])
    parameters = initial_parameters(built.model)
    assert {array.dtype for array in parameters.values()} == {np.dtype(np.float64)}
    for engine in (
        numpy_engine(built),
        torch_engine(built),
    ):
        engine.load(State(parameters))
        assert_bits(engine.state().parameters, parameters)


@each_initial
def test_a_layer_does_not_feel_the_layers_after_it(name: str) -> None:
    short = drawn(INITIALS[name], [dense(5), RELU, dense(2)])
    long = drawn(INITIALS[name], [dense(5), RELU, dense(7), dense(6), dense(2)])
    assert_bits(
        {key: long[key] for key in ("0.weight", "0.bias")},
        {key: short[key] for key in ("0.weight", "0.bias")},
    )


@pytest.mark.parametrize("name", [name for name in INITIALS if name != "zeros"])
def test_layers_and_seeds_differ(name: str) -> None:
    layers = [dense(4), RELU, dense(4), RELU, dense(2)]
    first, second = (drawn(INITIALS[name], layers, seed, inputs=4) for seed in (0, 1))
    assert not np.array_equal(first["0.weight"], first["2.weight"])
    assert not np.array_equal(first["0.weight"], second["0.weight"])
    assert_bits(drawn(INITIALS[name], layers, 1, inputs=4), second)


@pytest.mark.parametrize(("channels", "groups"), [(6, 1), (3, 1), (2, 1), (6, 3)], ids=str)
@pytest.mark.parametrize("kernel", [3, (1, 5)], ids=str)
def test_dirac_kernels_pass_their_channel_on(channels: int, groups: int, kernel: Any) -> None:
    """As PyTorch's on the first outputs; the first convolution, and outputs beyond the inputs, are the default's."""
    conv = {"kind": "conv2d", "channels": 3, "kernel": kernel, "padding": 2}
    layers = [conv, RELU, {**conv, "channels": channels, "groups": groups}, {"kind": "flatten"}, dense(10)]
    pictures = {"data": {"source": "digits"}}
    ours = initial_parameters(recipe(layers, initial={"kind": "dirac"}, **pictures).model)
    default = initial_parameters(recipe(layers, **pictures).model)
    each, inputs = channels // groups, 3 // groups
    wanted = torch.tensor(default["2.weight"])
    for group in range(groups):
        first = wanted[group * each : group * each + min(each, inputs)]
        nn.init.dirac_(first)
    np.testing.assert_array_equal(ours["2.weight"], wanted.numpy())
    assert_bits(
        {k: ours[k] for k in ("0.weight", "0.bias", "2.bias")},
        {k: default[k] for k in ("0.weight", "0.bias", "2.bias")},
    )


def test_normalization_begins_as_the_identity() -> None:
    group = {"kind": "group_norm", "num_groups": 2}
    norms = [{"kind": "batch_norm"}, dense(3), {"kind": "layer_norm"}, dense(4), group, dense(2)]
    built = recipe(norms, initial={"kind": "normal", "std": 3.0})
    parameters = initial_parameters(built.model) | initial_buffers(built.model)
    for name in ("0.weight", "2.weight", "4.weight", "0.running_var"):
        assert (parameters[name] == 1).all()
    for name in ("0.bias", "2.bias", "4.bias", "0.running_mean"):
        assert (parameters[name] == 0).all()


@pytest.mark.parametrize("name", INITIALS)
def test_learned_slopes_begin_at_a_quarter_whatever_the_weights_do(name: str) -> None:
    layers = [dense(4), {"kind": "prelu"}, {"kind": "prelu", "num_parameters": 4, "init": -0.5}, dense(2)]
    parameters = drawn(INITIALS[name], layers)
    np.testing.assert_array_equal(parameters["1.weight"], [0.25])
    np.testing.assert_array_equal(parameters["2.weight"], [-0.5] * 4)
    assert nn.PReLU().weight.item() == 0.25


WHITE = {"kind": "conv2d", "channels": 24, "kernel": 2, "initial": "whitening"}


def pictures(count: int = 300, channels: int = 3, size: tuple[int, int] = (9, 8)) -> Array:
    """Smooth noise: neighbours correlate, and so do channels."""
    rough = np.random.default_rng(5).normal(size=(count, channels, size[0] + 2, size[1] + 2))
    smooth = rough[..., 1:-1, 1:-1] + (rough[..., :-2, 1:-1] + rough[..., 1:-1, 2:]) / 2
    return smooth + smooth.mean(axis=1, keepdims=True)


def white(images: Array, **settings: Any) -> dict[str, Array]:
    layers = [{**WHITE, **settings}, {"kind": "flatten"}, dense(10)]
    data = {"source": "cifar10"} if images.shape[1] == 3 else {"source": "digits"}
    return initial_parameters(recipe(layers, data=data).model, images)


@pytest.mark.parametrize("count", [1, 63, 300], ids=str)
@pytest.mark.parametrize(("kernel", "dilation"), [((2, 2), (1, 1)), ((3, 1), (1, 1)), ((2, 3), (2, 1))], ids=str)
def test_whitening_filters_give_uncorrelated_numbers_of_one_size(
    kernel: tuple[int, int], dilation: tuple[int, int], count: int
) -> None:
    """Through PyTorch's convolution: E[y yᵀ] is diagonal, λ / (λ + ε) for PyTorch's eigenvalues λ of E[p pᵀ]."""
    images = pictures(count)
    filters = whitening_filters(images, kernel, dilation)
    x = torch.from_numpy(images)
    patches = nn.functional.unfold(x, kernel, dilation).transpose(0, 1).flatten(1)
    values = torch.linalg.eigvalsh(patches @ patches.T / patches.shape[1]).flip(0)
    y = nn.functional.conv2d(x, torch.from_numpy(filters), dilation=dilation).transpose(0, 1).flatten(1)
    wanted = torch.diag(values / (values + WHITENING_EPSILON))
    torch.testing.assert_close(y @ y.T / y.shape[1], wanted, rtol=0, atol=1e-9)


def test_whitening_filters_are_one_choice_of_two_signs() -> None:
    rows = whitening_filters(pictures(), (2, 2)).reshape(12, -1)
    assert (rows.max(axis=1) == np.abs(rows).max(axis=1)).all()


def test_a_direction_that_images_lack_is_not_blown_up() -> None:
    filters = whitening_filters(np.repeat(pictures(channels=1), 3, axis=1), (1, 1)).reshape(3, 3)
    np.testing.assert_allclose(np.linalg.norm(filters[1:], axis=1), WHITENING_EPSILON**-0.5, rtol=1e-6)


@pytest.mark.parametrize("channels", [24, 7, 40, 1], ids=str)
def test_a_first_convolution_begins_as_filters_and_their_opposites(channels: int) -> None:
    """As many pairs as there is room for, the largest eigenvalues first; channels beyond are the recipe's."""
    images = pictures()
    ours, plain = white(images, channels=channels), white(images, channels=channels, initial="recipe")
    pairs = min(channels // 2, 12)
    filters = whitening_filters(images, (2, 2))[:pairs]
    np.testing.assert_array_equal(ours["0.weight"][:pairs], filters)
    np.testing.assert_array_equal(ours["0.weight"][pairs : 2 * pairs], -filters)
    np.testing.assert_array_equal(ours["0.weight"][2 * pairs :], plain["0.weight"][2 * pairs :])
    assert not ours["0.bias"].any()
    assert_bits({"2.weight": ours["2.weight"]}, {"2.weight": plain["2.weight"]})


def test_whitening_wants_training_images() -> None:
    built = recipe([WHITE, {"kind": "flatten"}, dense(10)], data={"source": "digits"})
    with pytest.raises(UserError, match='`initial = "whitening"` wants training images; there are none here'):
        initial_parameters(built.model)
    with pytest.raises(UserError, match="wants training images"):
        torch_module([WHITE], (3, 8, 8))


@pytest.mark.parametrize(("samples", "taken"), [(3, [0, 1, 2]), (10, [0, 2, 5, 7])], ids=str)
def test_whitening_looks_at_samples_from_first_to_last(
    samples: int, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the network sees them: bytes are scaled."""
    monkeypatch.setattr(building, "WHITENING_NUMBERS", 4 * 3 * 32 * 32)
    x = np.random.default_rng(0).integers(0, 256, (samples, 3, 32, 32), np.uint8)
    scaling = Scaling(np.float32(np.full((3, 1, 1), 9.0)), np.float32(np.full((3, 1, 1), 50.0)))
    built = recipe([WHITE, {"kind": "flatten"}, dense(10)], data={"source": "cifar10"})
    state = building.initial_state(built.model, Split(x, np.zeros(samples, int), scaling))
    seen = (x[taken].astype(np.float32) - 9) / 50
    np.testing.assert_array_equal(state.parameters["0.weight"], initial_parameters(built.model, seen)["0.weight"])


@pytest.mark.parametrize("data", [{"source": "digits"}, {"source": "cifar10", "samples": 500}], ids=str)
def test_both_engines_agree_from_a_whitening_on(data: dict[str, Any]) -> None:
    layers = [{**WHITE, "channels": 64, "kernel": 3, "padding": 1}, RELU, {"kind": "flatten"}, dense(10)]
    built = recipe(layers, data=data, optimizer={"kind": "sgd", "lr": 0.01})
    assert verify(built, steps=3).agrees
    weight = pass_through(built).parameters["0.weight"]
    count = weight[0].size
    np.testing.assert_array_equal(weight[:count], -weight[count : 2 * count])
