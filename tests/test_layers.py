"""Every layer of the NumPy engine against PyTorch's own module, and against central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from cases import DTYPES, LAYERS, LayerCase, assert_bits, assert_same, normal
from twofold.arrays import Array, Arrays
from twofold.numpy_engine.engine import LAYERS as BUILD
from twofold.numpy_engine.layer import TRAINING, Layer, Mode

MODULES: dict[str, Callable[[Any, int], nn.Module]] = {
    "dense": lambda spec, inputs: nn.Linear(inputs, spec.units, bias=spec.bias),
    "relu": lambda spec, inputs: nn.ReLU(),
    "sigmoid": lambda spec, inputs: nn.Sigmoid(),
    "tanh": lambda spec, inputs: nn.Tanh(),
    "softmax": lambda spec, inputs: nn.Softmax(dim=-1),
    "dropout": lambda spec, inputs: nn.Dropout(spec.p),
    "flatten": lambda spec, inputs: nn.Flatten(),
}

each_layer = pytest.mark.parametrize("case", LAYERS, ids=lambda case: case.name)
each_mode = pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


class Passed(NamedTuple):
    """One way forward and back."""

    y: Array
    dx: Array
    grads: Arrays
    mask: Array | None


def built(case: LayerCase) -> Layer:
    return BUILD[type(case.spec)](case.spec)


def mode_of(case: LayerCase, training: bool) -> Mode:
    """In evaluation the mask is there as well, and means nothing."""
    return Mode(training, case.mask())


def by_numpy(case: LayerCase, dtype: str, mode: Mode) -> Passed:
    params = case.params(dtype)
    y, cache = built(case).forward(params, case.x(dtype), mode)
    dx, grads = built(case).backward(params, cache, case.dy(dtype))
    assert dx is not None
    return Passed(y, dx, grads, mode.mask)


def by_torch(case: LayerCase, x: Array, params: Arrays, dy: Array, training: bool) -> Passed:
    """PyTorch's module and autograd; the mask is the one that PyTorch drew."""
    module = MODULES[case.kind](case.spec, x.shape[-1]).to(getattr(torch, str(x.dtype))).train(training)
    module.load_state_dict({name: torch.tensor(array) for name, array in params.items()})
    tensor = torch.tensor(x, requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        kept = (module(torch.ones_like(tensor)) != 0).numpy() if case.kind == "dropout" else None
        torch.manual_seed(1)
        y = module(tensor)
    dx, *grads = torch.autograd.grad(y, [tensor, *module.parameters()], torch.tensor(dy))
    names = [name for name, _ in module.named_parameters()]
    return Passed(y.detach().numpy(), dx.numpy(), {n: g.numpy() for n, g in zip(names, grads, strict=True)}, kept)


def replicas_by_torch(case: LayerCase, dtype: str, training: bool) -> Passed:
    """Each replica through a module of its own."""
    x, params, dy = case.x(dtype), case.params(dtype), case.dy(dtype)
    if case.replicas is None:
        return by_torch(case, x, params, dy, training)
    passed = [
        by_torch(case, x[r], {name: array[r] for name, array in params.items()}, dy[r], training)
        for r in range(case.replicas)
    ]
    grads = {name: np.stack([one.grads[name] for one in passed]) for name in params}
    return Passed(np.stack([one.y for one in passed]), np.stack([one.dx for one in passed]), grads, None)


@each_layer
@each_dtype
@each_mode
def test_forward_and_backward_equal_pytorch(case: LayerCase, dtype: str, training: bool) -> None:
    theirs = replicas_by_torch(case, dtype, training)
    ours = by_numpy(case, dtype, Mode(True, theirs.mask) if training else mode_of(case, training))
    assert_same(ours.y, theirs.y, "y")
    assert_same(ours.dx, theirs.dx, "dx")
    assert ours.grads.keys() == theirs.grads.keys()
    for name, gradient in theirs.grads.items():
        assert_same(ours.grads[name], gradient, name)


@pytest.mark.parametrize("case", [case for case in LAYERS if case.smooth], ids=lambda case: case.name)
@each_mode
def test_backward_equals_central_differences(case: LayerCase, training: bool) -> None:
    """⟨∂L/∂a, v⟩ for L = ⟨y, dy⟩, one random direction v for the input and one for each parameter."""
    layer, mode, dy = built(case), mode_of(case, training), case.dy()
    at = {"x": case.x(), **case.params()}
    passed = by_numpy(case, "float64", mode)

    def loss(name: str, shift: Array) -> float:
        moved = {**at, name: at[name] + shift}
        x = moved.pop("x")
        return float((layer.forward(moved, x, mode)[0] * dy).sum())

    for name, gradient in {"x": passed.dx, **passed.grads}.items():
        v, epsilon = normal(f"direction {name}", at[name].shape), 1e-5
        measured = (loss(name, epsilon * v) - loss(name, -epsilon * v)) / (2 * epsilon)
        # Sums of about 100 numbers of size 1 are rounded to 1e-14; divided by epsilon that is 1e-9.
        assert (gradient * v).sum() == pytest.approx(measured, rel=1e-6, abs=1e-8), name


@each_layer
@each_mode
def test_nothing_given_is_modified(case: LayerCase, training: bool) -> None:
    mode = mode_of(case, training)
    given = {"x": case.x(), "dy": case.dy(), **case.params()} | ({"mask": mode.mask} if mode.mask is not None else {})
    before = {name: array.copy() for name, array in given.items()}
    params = {name: given[name] for name in case.params()}
    y, cache = built(case).forward(params, given["x"], mode)
    y_before = y.copy()
    built(case).backward(params, cache, given["dy"])
    assert_bits({**given, "y": y}, {**before, "y": y_before})


@each_layer
@each_mode
def test_twice_gives_the_same(case: LayerCase, training: bool) -> None:
    """Nothing is kept on the layer: a second pass on the same object sees none of the first."""
    layer, mode, params = built(case), mode_of(case, training), case.params()
    first, cache = layer.forward(params, case.x(), mode)
    first_back = layer.backward(params, cache, case.dy())
    layer.forward(params, case.x() * 2 + 1, mode)
    second, cache = layer.forward(params, case.x(), mode)
    second_back = layer.backward(params, cache, case.dy())
    assert_bits(
        {"y": first, "dx": first_back[0], **first_back[1]},
        {"y": second, "dx": second_back[0], **second_back[1]},
    )


@pytest.mark.parametrize("case", [case for case in LAYERS if case.params()], ids=lambda case: case.name)
def test_the_first_layer_saves_its_input_gradient(case: LayerCase) -> None:
    _, cache = built(case).forward(case.params(), case.x(), TRAINING)
    dx, grads = built(case).backward(case.params(), cache, case.dy(), wants_dx=False)
    _, wanted = built(case).backward(case.params(), cache, case.dy())
    assert dx is None
    assert_bits(grads, wanted)


@pytest.mark.parametrize("case", [case for case in LAYERS if case.kind == "dropout"], ids=lambda case: case.name)
def test_dropout_without_a_mask_is_the_identity(case: LayerCase) -> None:
    y, cache = built(case).forward({}, case.x(), TRAINING)
    dx, _ = built(case).backward({}, cache, case.dy())
    assert_bits({"y": y, "dx": dx}, {"y": case.x(), "dx": case.dy()})


def test_a_shape_that_does_not_fit_its_annotation_is_refused() -> None:
    """The annotations are executed: otherwise every shape in the equations is a promise nobody keeps."""
    from twofold.numpy_engine.losses import cross_entropy

    with pytest.raises(Exception, match="cross_entropy"):
        cross_entropy(np.zeros((3, 2)), np.zeros(4, dtype=np.int64))
