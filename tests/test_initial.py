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
from twofold.arrays import Array
from twofold.engine import State
from twofold.initial import initial_buffers, initial_parameters
from twofold.numpy_engine import NumpyEngine
from twofold.torch_engine import TorchEngine

OUT, IN = 300, 200
each_initial = pytest.mark.parametrize("name", INITIALS)


def drawn(spec: Any, layers: list[dict[str, Any]], seed: int = 0, inputs: int = IN) -> dict[str, Array]:
    return initial_parameters(recipe(layers, inputs=inputs, initial=spec, training={"seed": seed}))


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
    parameters = initial_parameters(built)
    assert {array.dtype for array in parameters.values()} == {np.dtype(np.float64)}
    for engine in (NumpyEngine(built), TorchEngine(built)):
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
    ours = initial_parameters(recipe(layers, initial={"kind": "dirac"}, **pictures))
    default = initial_parameters(recipe(layers, **pictures))
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
    norms = [{"kind": "batch_norm"}, dense(3), {"kind": "layer_norm"}, dense(2)]
    built = recipe(norms, initial={"kind": "normal", "std": 3.0})
    parameters = initial_parameters(built) | initial_buffers(built)
    for name in ("0.weight", "2.weight", "0.running_var"):
        assert (parameters[name] == 1).all()
    for name in ("0.bias", "2.bias", "0.running_mean"):
        assert (parameters[name] == 0).all()
