"""Every layer of the NumPy engine against PyTorch's own module, and against central differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from cases import DTYPES, LAYERS, LayerCase, assert_bits, assert_same, named_by_docstring, normal
from twofold.arrays import Array, Arrays
from twofold.errors import UserError
from twofold.numpy_engine.layer import TRAINING, Layer, Mode, Tracking
from twofold.numpy_engine.layers import LAYERS as BUILD


def _norm(spec: Any, x: Array) -> nn.Module:
    kind = nn.BatchNorm2d if x.ndim == 4 else nn.BatchNorm1d
    return kind(x.shape[1], eps=spec.eps, momentum=spec.momentum, affine=spec.affine)


class Read(nn.Module):
    """PyTorch's own recurrent layer, and what is read of it."""

    def __init__(self, spec: Any, x: Array) -> None:
        super().__init__()
        kind, size = getattr(nn, spec.kind.upper()), (x.shape[-1], spec.units)
        options = {"nonlinearity": spec.nonlinearity} if spec.kind == "rnn" else {}
        self.layer = kind(*size, bias=spec.bias, batch_first=True, **options)
        self.output = spec.output

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)[0]
        return {"every": y, "mean": y.mean(1), "last": y[:, -1]}[self.output]


class Looked(nn.Module):
    """PyTorch's own table of vectors."""

    def __init__(self, spec: Any, x: Array) -> None:
        super().__init__()
        self.layer = nn.Embedding(spec.num_embeddings, spec.units)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.long())


class Beside(nn.ModuleList):
    """PyTorch's own tables of vectors, a column each, and what stands behind their codes."""

    def __init__(self, spec: Any, x: Array) -> None:
        super().__init__(nn.Embedding(*size) for size in zip(spec.num_embeddings, spec.units, strict=True))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        vectors = [table(x[..., column].long()) for column, table in enumerate(self)]
        return torch.cat([*vectors, x[..., len(self) :]], dim=-1)


def named(module: nn.Module) -> dict[str, str]:
    """PyTorch's name of each parameter, by the name that it has in a recipe's network."""
    if isinstance(module, Beside):
        return {f"weight_{name.removesuffix('.weight')}": name for name, _ in module.named_parameters()}
    return {name.removeprefix("layer.").removesuffix("_l0"): name for name, _ in module.named_parameters()}


MODULES: dict[str, Callable[[Any, Array], nn.Module]] = {
    "dense": lambda spec, x: nn.Linear(x.shape[-1], spec.units, bias=spec.bias),
    "conv2d": lambda spec, x: nn.Conv2d(
        x.shape[1], spec.channels, spec.kernel, spec.stride, spec.padding, spec.dilation, spec.groups, spec.bias
    ),
    "max_pool2d": lambda spec, x: nn.MaxPool2d(
        spec.kernel, spec.stride, spec.padding, spec.dilation, ceil_mode=spec.ceil_mode
    ),
    "avg_pool2d": lambda spec, x: nn.AvgPool2d(
        spec.kernel, spec.stride, spec.padding, count_include_pad=spec.count_include_pad
    ),
    "global_avg_pool2d": lambda spec, x: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "batch_norm": _norm,
    "layer_norm": lambda spec, x: nn.LayerNorm(
        x.shape[-spec.axes :] if spec.axes else x.shape[1:], eps=spec.eps, elementwise_affine=spec.affine
    ),
    "rnn": Read,
    "lstm": Read,
    "gru": Read,
    "embedding": Looked,
    "embed_columns": Beside,
    "group_norm": lambda spec, x: nn.GroupNorm(spec.num_groups, x.shape[1], spec.eps, spec.affine),
    "softmax": lambda spec, x: nn.Softmax(dim=-1),
}


def reference(case: LayerCase) -> nn.Module:
    """The module that the kind's docstring names, with the case's settings: right, whatever the torch engine builds.

    `MODULES` has those that take the sizes of their input too, or other names for their settings.
    """
    if case.kind in MODULES:
        one = case.x() if case.replicas is None else case.x()[0]
        return MODULES[case.kind](case.spec, one)
    return named_by_docstring(case.spec, nn)(**case.spec.model_dump(exclude={"kind"}))


def passes(cases: Iterable[LayerCase]) -> pytest.MarkDecorator:
    """Each case in both modes, as far as it can be trained on."""
    pairs = [(case, training) for case in cases for training in (True, False) if case.trains or not training]
    names = [f"{case.name}, {'training' if training else 'evaluation'}" for case, training in pairs]
    return pytest.mark.parametrize(("case", "training"), pairs, ids=names)


each_pass = passes(LAYERS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


class Passed(NamedTuple):
    """One way forward and back."""

    y: Array
    dx: Array
    grads: Arrays
    mask: Array | None
    buffers: Arrays


def built(case: LayerCase) -> Layer:
    return BUILD[type(case.spec)](case.spec)


def mode_of(case: LayerCase, training: bool) -> Mode:
    """In evaluation the mask is there as well, and means nothing."""
    return Mode(training, case.mask())


def by_numpy(case: LayerCase, dtype: str, mode: Mode) -> Passed:
    params, layer = case.held(dtype), built(case)
    y, cache = layer.forward(params, case.x(dtype), mode)
    dx, grads = layer.backward(params, cache, case.dy(dtype))
    assert dx is not None
    buffers = case.buffers(dtype)
    if isinstance(layer, Tracking):
        buffers |= layer.running(params, cache)
    return Passed(y, dx, grads, mode.mask, buffers)


def by_torch(case: LayerCase, x: Array, params: Arrays, dy: Array, training: bool) -> Passed:
    """PyTorch's module and autograd; the mask is the one that PyTorch drew."""
    module = reference(case).to(getattr(torch, str(x.dtype))).train(training)
    names = named(module)
    held = {names[name]: array for name, array in params.items()} | case.buffers(str(x.dtype))
    module.load_state_dict({name: torch.tensor(array) for name, array in held.items()}, strict=False)
    tensor = torch.tensor(x, requires_grad=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        kept = (module(torch.ones_like(tensor)) != 0).numpy() if case.kind == "dropout" else None
        torch.manual_seed(1)
        y = module(tensor)
    sources = [tensor, *module.parameters()]
    dx, *grads = torch.autograd.grad(y, sources, torch.tensor(dy), materialize_grads=True)
    buffers = {name: module.get_buffer(name).numpy() for name in case.buffers()}
    by_name = {name: gradient.numpy() for name, gradient in zip(names, grads, strict=True)}
    return Passed(y.detach().numpy(), dx.numpy(), by_name, kept, buffers)


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
    return Passed(np.stack([one.y for one in passed]), np.stack([one.dx for one in passed]), grads, None, {})


@each_pass
@each_dtype
def test_forward_and_backward_equal_pytorch(case: LayerCase, dtype: str, training: bool) -> None:
    theirs = replicas_by_torch(case, dtype, training)
    ours = by_numpy(case, dtype, Mode(True, theirs.mask) if training else mode_of(case, training))
    assert_same(ours.y, theirs.y, "y")
    assert_same(ours.dx, theirs.dx, "dx")
    assert ours.grads.keys() == theirs.grads.keys()
    for name, gradient in theirs.grads.items():
        assert_same(ours.grads[name], gradient, name)
    for name, statistic in theirs.buffers.items():
        assert_same(ours.buffers[name], statistic, name)


@passes(case for case in LAYERS if case.smooth)
def test_backward_equals_central_differences(case: LayerCase, training: bool) -> None:
    """⟨∂L/∂a, v⟩ for L = ⟨y, dy⟩, one random direction v for the input and one for each parameter."""
    layer, mode, dy = built(case), mode_of(case, training), case.dy()
    at = {"x": case.x(), **case.params()}
    passed = by_numpy(case, "float64", mode)

    def loss(name: str, shift: Array) -> float:
        moved = {**at, name: at[name] + shift}
        x = moved.pop("x")
        return float((layer.forward({**case.buffers(), **moved}, x, mode)[0] * dy).sum())

    for name, gradient in {"x": passed.dx, **passed.grads}.items():
        v, epsilon = normal(f"direction {name}", at[name].shape), 1e-5
        measured = (loss(name, epsilon * v) - loss(name, -epsilon * v)) / (2 * epsilon)
        # Sums of about 100 numbers of size 1 are rounded to 1e-14; divided by epsilon that is 1e-9.
        assert (gradient * v).sum() == pytest.approx(measured, rel=1e-6, abs=1e-8), name


@each_pass
def test_nothing_given_is_modified(case: LayerCase, training: bool) -> None:
    mode = mode_of(case, training)
    given = {"x": case.x(), "dy": case.dy(), **case.held()} | ({"mask": mode.mask} if mode.mask is not None else {})
    before = {name: array.copy() for name, array in given.items()}
    params = {name: given[name] for name in case.held()}
    y, cache = built(case).forward(params, given["x"], mode)
    y_before = y.copy()
    built(case).backward(params, cache, given["dy"])
    assert_bits({**given, "y": y}, {**before, "y": y_before})


@each_pass
def test_twice_gives_the_same(case: LayerCase, training: bool) -> None:
    """Nothing is kept on the layer: a second pass on the same object sees none of the first."""
    layer, mode, params = built(case), mode_of(case, training), case.held()
    first, cache = layer.forward(params, case.x(), mode)
    first_back = layer.backward(params, cache, case.dy())
    layer.forward(params, np.flip(case.x(), -1).copy(), mode)
    second, cache = layer.forward(params, case.x(), mode)
    second_back = layer.backward(params, cache, case.dy())
    assert_bits(
        {"y": first, "dx": first_back[0], **first_back[1]},
        {"y": second, "dx": second_back[0], **second_back[1]},
    )


@pytest.mark.parametrize("case", [case for case in LAYERS if case.params() and case.trains], ids=lambda case: case.name)
def test_the_first_layer_saves_its_input_gradient(case: LayerCase) -> None:
    """It may give none; what it gives is the same."""
    _, cache = built(case).forward(case.held(), case.x(), TRAINING)
    dx, grads = built(case).backward(case.held(), cache, case.dy(), wants_dx=False)
    _, wanted = built(case).backward(case.held(), cache, case.dy())
    assert dx is None or "norm" in case.kind
    assert_bits(grads, wanted)


@pytest.mark.parametrize("case", [case for case in LAYERS if not case.trains], ids=lambda case: case.name)
def test_one_number_a_channel_has_no_variance_to_train_with(case: LayerCase) -> None:
    with pytest.raises(UserError, match="`batch_norm` in training needs more than one number a channel; got 1 x 3"):
        built(case).forward(case.held(), case.x(), TRAINING)


@pytest.mark.parametrize("case", [case for case in LAYERS if case.x().ndim == 4], ids=lambda case: case.name)
@pytest.mark.parametrize("order", [(1, 2, 3, 0), (0, 2, 3, 1)], ids=["samples innermost", "channels innermost"])
def test_the_order_of_the_memory_changes_nothing(case: LayerCase, order: tuple[int, ...]) -> None:
    """Samples innermost, as the layers give them, channels, or the columns, as data come; up to the order of sums."""
    mode = Mode(case.trains, case.mask())
    plain = built(case).forward(case.held(), case.x(), mode)
    turned = np.ascontiguousarray(case.x().transpose(order)).transpose(np.argsort(order))
    other = built(case).forward(case.held(), turned, mode)
    assert_same(other[0], plain[0], "y")
    dx, grads = built(case).backward(case.held(), other[1], case.dy())
    wanted_dx, wanted = built(case).backward(case.held(), plain[1], case.dy())
    assert_same(dx, wanted_dx, "dx")
    for name, gradient in wanted.items():
        assert_same(grads[name], gradient, name)


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


@pytest.mark.parametrize("case", [case for case in LAYERS if case.kind == "conv2d"], ids=lambda case: case.name)
def test_a_product_for_each_element_is_the_convolution(case: LayerCase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of small planes with many channels, taken for all: strides, dilation, padding, groups."""
    layer, params, x, dy = BUILD[type(case.spec)](case.spec), case.params(), case.x(), case.dy()
    y, cache = layer.forward(params, x, TRAINING)
    dx, grads = layer.backward(params, cache, dy)
    monkeypatch.setattr("twofold.numpy_engine.conv.MANY_CHANNELS", 1)
    monkeypatch.setattr("twofold.numpy_engine.conv.SMALL_PLANE", 1 << 20)
    y_each, cache_each = layer.forward(params, x, TRAINING)
    dx_each, grads_each = layer.backward(params, cache_each, dy)
    assert_same(y_each, y, "y")
    assert_same(dx_each, dx, "dx")
    for name, gradient in grads.items():
        assert_same(grads_each[name], gradient, name)
