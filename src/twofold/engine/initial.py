"""Initial parameters: drawn once, in float64, outside the engines, and given to both.

Fans are PyTorch's: of a weight (out, in), fan_in = in and fan_out = out.
"""

from __future__ import annotations

import math
from functools import singledispatch

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from twofold.arrays import Array
from twofold.errors import UserError
from twofold.recipe import Model, Network
from twofold.recipe.base import Pair
from twofold.recipe.parameters import (
    Bias,
    Constant,
    GateBias,
    GateWeight,
    Kernel,
    Parameters,
    StandardNormal,
    Start,
    Vectors,
    Weight,
)
from twofold.recipe.training import DefaultInitial, Dirac, Glorot, He, Initial, Normal, Orthogonal, Zeros
from twofold.streams import stream

WHITENING_EPSILON = 5e-4
"""ε, added to the eigenvalues: directions in which images hardly differ are not blown up. Jordan's value."""
WHITENED_AT_ONCE = 64
"""Images whose patches are taken at once."""


def initial_parameters(model: Model, images: Array | None = None) -> dict[str, Array]:
    """Every parameter of the model's network by its full name, in float64; see `drawn_parameters`."""
    return drawn_parameters(model.network, model.initial, model.seed, images)


def drawn_parameters(network: Network, initial: Initial, seed: int, images: Array | None = None) -> dict[str, Array]:
    """Every parameter of a network by its full name, in float64.

    A layer draws from its own stream, so that a longer network begins like the shorter one. `images` are training
    samples as the network sees them, for a convolution that begins as their whitening.

    Raises `UserError` where such a convolution finds none.
    """
    parameters, kernels = dict[str, Array](), 0
    for node in network.nodes:
        declared = node.spec.parameters(node.input_shape)
        drawn = _drawn(declared, initial, stream(seed, f"initial {node.name}"))
        for name, parameter in declared.items():
            match parameter.start:
                case Kernel() as kernel:
                    if isinstance(initial, Dirac) and kernels:
                        _pass_on(drawn[name], kernel.groups)
                    if kernel.whitens:
                        _whiten(drawn[name], kernel, images)
                    kernels += 1
                case GateWeight(scheme="orthogonal" | "identity") as gates:
                    rng = stream(seed, f"initial {node.name} {name}")
                    drawn[name] = gates.gain * _length_keeping(gates, len(drawn[name]) // gates.units, rng)
                case GateBias(kept_for=int(longest)) as gates:
                    _set_time_scales(drawn[name], gates, longest, stream(seed, f"initial {node.name} {name}"))
        parameters |= {f"{node.name}.{name}": array for name, array in drawn.items()}
    return parameters


def _drawn(parameters: Parameters, initial: Initial, rng: np.random.Generator) -> dict[str, Array]:
    """The parameters of one layer, in their order, all from one stream."""
    shapes = {name: _resolved_shape(parameter.shape) for name, parameter in parameters.items()}
    fan_in = math.prod(shapes.get("weight", ())[1:])
    return {name: _value(parameter.start, initial, shapes[name], fan_in, rng) for name, parameter in parameters.items()}


def _value(start: Start, initial: Initial, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    """The initial value of one parameter, in a layer whose `weight` has this fan_in."""
    match start:
        case Weight() | Kernel():
            return _weight(initial, shape, fan_in, rng)
        case Bias():
            return _bias(initial, shape, fan_in, rng)
        case Constant(value):
            return np.full(shape, value)
        case StandardNormal():
            return np.zeros(shape) if isinstance(initial, Zeros) else rng.normal(size=shape)
        case Vectors():
            drawn = np.zeros(shape) if isinstance(initial, Zeros) else rng.normal(0, start.std, shape)
            drawn[0] = 0
            return drawn
        case GateWeight():
            return start.gain * _by_gate(start.units, initial, shape, rng)
        case GateBias():
            return _by_gate(start.units, initial, shape, rng) + np.repeat(start.added, start.units)


def _by_gate(units: int, initial: Initial, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Weights or biases of all gates: by default from U(−1/√units, 1/√units), as `torch.nn.RNN`; else gate by gate."""
    if isinstance(initial, DefaultInitial | Dirac):
        return _weight(DefaultInitial(), shape, units, rng)
    rows, *inputs = shape
    draw, fan_in = (_weight, inputs[0]) if inputs else (_bias, 0)
    return np.concatenate([draw(initial, (units, *inputs), fan_in, rng) for _ in range(rows // units)])


def _length_keeping(start: GateWeight, gates: int, rng: np.random.Generator) -> Array:
    """One identity or random orthogonal matrix per gate, stacked by rows: none changes the length of a vector."""
    square = (start.units, start.units)
    if start.scheme == "identity":
        return np.concatenate([np.eye(*square) for _ in range(gates)])
    return np.concatenate([_weight(Orthogonal(), square, start.units, rng) for _ in range(gates)])


def _set_time_scales(bias: Array, start: GateBias, longest: int, rng: np.random.Generator) -> None:
    """Set the biases so that a unit keeps the share σ(log u) = u / (1 + u) of its memory at a step, u from U(1, T − 1).

    The unit forgets in about 1 + u steps. In place; the input and the forget gate of an LSTM share u. Tallec and
    Ollivier (2018).
    """
    scales = np.log(rng.uniform(1, longest - 1, start.units))
    for block, sign in zip(bias.reshape(-1, start.units), start.chrono, strict=True):
        if sign:
            block[:] = sign * scales


def _pass_on(weight: Array, groups: int) -> None:
    """Make each group's first kernels pass one channel through unchanged, in place."""
    out, channels, rows, columns = weight.shape
    for group in weight.reshape(groups, out // groups, channels, rows, columns):
        count = min(len(group), channels)
        group[:count] = 0
        group[range(count), range(count), rows // 2, columns // 2] = 1


def _whiten(weight: Array, start: Kernel, images: Array | None) -> None:
    """The first kernels become filters that whiten the patches of the images, in place."""
    if images is None:
        raise UserError('`initial = "whitening"` wants training images; there are none here: leave it out')
    filters = whitening_filters(images, start.kernel, start.dilation)[: len(weight) // 2]
    both = np.concatenate([filters, -filters])
    weight[: len(both)] = both


def whitening_filters(images: Array, kernel: Pair, dilation: Pair = (1, 1)) -> Array:
    """v / √(λ + ε) for each eigenvector v of E[p pᵀ], p a patch of an image; those of large eigenvalues λ come first.

    From (n, c, h, w) to (c · rows · columns, c, rows, columns), float64. The filters' outputs on the images have mean
    square 1, less where λ is near ε, and no two of them correlate: all directions are learned at one rate. The sign of
    v is such that its largest element is positive.

    Source: Page, How to train your ResNet, 2018, and Jordan, 94 % on CIFAR-10 in 3.29 seconds, 2024; frozen there.
    """
    size = images.shape[1] * math.prod(kernel)
    moment, count = np.zeros((size, size)), 0
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    for start in range(0, len(images), WHITENED_AT_ONCE):
        part = images[start : start + WHITENED_AT_ONCE].astype(np.float64)
        patches = sliding_window_view(part, reach, axis=(2, 3))[..., :: dilation[0], :: dilation[1]]
        columns = patches.transpose(1, 4, 5, 0, 2, 3).reshape(size, -1)
        moment += columns @ columns.T
        count += columns.shape[1]
    values, vectors = np.linalg.eigh(moment / count)
    rows = vectors.T[::-1]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    scaled = rows * np.sign(largest) / np.sqrt(np.maximum(values[::-1, None], 0) + WHITENING_EPSILON)
    return scaled.reshape(size, images.shape[1], *kernel)


def initial_buffers(model: Model) -> dict[str, Array]:
    """Every running statistic of the model's network by its full name, in float64."""
    return drawn_buffers(model.network)


def drawn_buffers(network: Network) -> dict[str, Array]:
    """Every running statistic by its full name, in float64: means 0, variances 1."""
    shapes = network.buffers.items()
    return {name: np.full(_resolved_shape(shape), float(name.endswith("running_var"))) for name, shape in shapes}


def _resolved_shape(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    assert None not in shape, "the sizes that only the data know are resolved before anything is drawn"
    return tuple(size for size in shape if size is not None)


@singledispatch
def _weight(initial: Initial, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    raise TypeError(f"no initial weights {initial!r}")


@_weight.register(Dirac)
@_weight.register(DefaultInitial)
def _(initial: DefaultInitial | Dirac, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    bound = 1 / math.sqrt(fan_in)
    return rng.uniform(-bound, bound, shape)


@_weight.register
def _(initial: Normal, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    return rng.normal(0, initial.std / math.sqrt(fan_in), shape)


@_weight.register
def _(initial: Glorot, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    fan_out = shape[0] * math.prod(shape[2:])
    return _centred(initial.distribution, initial.gain * math.sqrt(2 / (fan_in + fan_out)), shape, rng)


@_weight.register
def _(initial: He, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    return _centred(initial.distribution, initial.gain / math.sqrt(fan_in), shape, rng)


@_weight.register
def _(initial: Orthogonal, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    """Q of a QR decomposition; the signs of R's diagonal make it uniform. Saxe et al. (2013)."""
    rows, columns = shape[0], math.prod(shape[1:])
    normal = rng.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    q *= np.sign(np.diag(r))
    return initial.gain * (q if rows >= columns else q.T).reshape(shape)


@_weight.register
def _(initial: Zeros, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    return np.zeros(shape)


def _bias(initial: Initial, shape: tuple[int, ...], fan_in: int, rng: np.random.Generator) -> Array:
    if isinstance(initial, DefaultInitial | Dirac):
        return _weight(initial, shape, fan_in, rng)
    return np.zeros(shape)


def _centred(distribution: str, std: float, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    if distribution == "normal":
        return rng.normal(0, std, shape)
    bound = math.sqrt(3) * std
    return rng.uniform(-bound, bound, shape)
