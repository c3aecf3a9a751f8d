"""A table each of layers, losses, optimizers, schedules and initial weights; how two results are compared.

Every test of the mathematics runs over these tables. `test_cases.py` fails for a kind without a case, and for
an option that no case sets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.recipe import Recipe
from twofold.recipe import layers as spec
from twofold.recipe import training as part
from twofold.recipe.base import Part
from twofold.streams import stream

DTYPES = ("float64", "float32")

# Both sides add the same numbers in another order. Elements of the tables are of size 1, sums have fewer
# than 2^6 terms: 2^6 roundings of 1e-16 (float64) or 6e-8 (float32), relative to the largest.
CLOSE = {"float64": {"rtol": 1e-12, "atol": 1e-14}, "float32": {"rtol": 1e-5, "atol": 4e-6}}


def assert_same(ours: Any, theirs: Any, name: str = "") -> None:
    """Equal in shape, in dtype, and in value up to the rounding of that dtype."""
    assert ours.shape == theirs.shape, name
    assert ours.dtype == theirs.dtype, name
    np.testing.assert_allclose(ours, theirs, **CLOSE[str(ours.dtype)], err_msg=name)


def assert_bits(ours: Arrays, theirs: Arrays) -> None:
    """Equal names in equal order, and bit for bit the same arrays."""
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype, name
        np.testing.assert_array_equal(array, theirs[name], err_msg=name, strict=True)


def kinds(union: Any) -> dict[str, type[Part]]:
    """The models that a recipe's union admits, by their `kind`."""
    members = get_args(get_args(union)[0])
    return {member.model_fields["kind"].default: member for member in members}


def normal(name: str, shape: tuple[int, ...]) -> Array:
    return stream(0, f"cases {name}").normal(size=shape)


@dataclass(frozen=True)
class LayerCase:
    name: str
    spec: spec.LayerSpec
    shape: tuple[int, ...]
    """Of the input, with the batch."""
    change: Callable[[Array], Array] = lambda x: x
    """From standard normal inputs to the inputs of the case."""
    replicas: int | None = None
    smooth: bool = True
    """False where the input lies on a kink, at which no difference quotient is a derivative."""
    scale: float = 1.0
    """Of the parameters. A loop over time multiplies with W_hh at every step, and rounding with it."""
    trains: bool = True
    """False where the layer has too few numbers to train on: a batch of one has no variance."""

    @property
    def kind(self) -> str:
        return self.spec.kind  # pyright: ignore[reportAttributeAccessIssue]

    def x(self, dtype: str = "float64") -> Array:
        return self.change(normal(f"{self.name} x", self._stacked(self.shape))).astype(dtype)

    def dy(self, dtype: str = "float64") -> Array:
        output = (self.shape[0], *self.spec.output_shape(self.shape[1:]))
        return normal(f"{self.name} dy", self._stacked(tuple(size or 0 for size in output))).astype(dtype)

    def params(self, dtype: str = "float64") -> dict[str, Array]:
        shapes = self.spec.parameter_shapes(self.shape[1:])
        return {
            name: (self.scale * normal(f"{self.name} {name}", self._stacked(_known(shape)))).astype(dtype)
            for name, shape in shapes.items()
        }

    def buffers(self, dtype: str = "float64") -> dict[str, Array]:
        """Running statistics: means of any sign, variances above 0."""
        shapes = self.spec.buffer_shapes(self.shape[1:])
        drawn = {n: normal(f"{self.name} {n}", tuple(size or 0 for size in shape)) for n, shape in shapes.items()}
        return {n: (np.exp(a) if n == "running_var" else a).astype(dtype) for n, a in drawn.items()}

    def held(self, dtype: str = "float64") -> dict[str, Array]:
        """What the layer is given: parameters and running statistics."""
        return {**self.params(dtype), **self.buffers(dtype)}

    def mask(self) -> Array | None:
        """What dropout keeps; `None` for a layer that wants no mask."""
        shape = self.spec.mask_shape(self.shape[1:])
        return None if shape is None else normal(f"{self.name} mask", self.shape) > 0.3

    def _stacked(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self.replicas is None else (self.replicas, *shape)


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(size or 0 for size in shape)


def _half_zero(x: Array) -> Array:
    return np.where(x > 0, x, 0.0)


def _saturated(x: Array) -> Array:
    return x * 30


def _extreme(x: Array) -> Array:
    return np.where(x > 0, 1e3, -1e3)


def _whole(x: Array) -> Array:
    """Whole numbers from -1 to 1: most windows hold their largest several times."""
    return np.clip(np.rint(x), -1, 1)


def _numbers(x: Array) -> Array:
    """Whole numbers from 0 to 6, and a half above each, so that a small step changes none."""
    return np.clip(np.floor(np.abs(x) * 4), 0, 6) + 0.5


def _thousands(x: Array) -> Array:
    return x * 1e3


LAYERS = [
    LayerCase("dense", spec.Dense(units=3), (4, 5)),
    LayerCase("dense without bias", spec.Dense(units=3, bias=False), (4, 5)),
    LayerCase("dense of one sample", spec.Dense(units=3), (1, 5)),
    LayerCase("dense of one input", spec.Dense(units=7), (6, 1)),
    LayerCase("dense to one unit", spec.Dense(units=1), (6, 3)),
    LayerCase("dense one by one by one", spec.Dense(units=1), (1, 1)),
    LayerCase("dense square", spec.Dense(units=5), (5, 5)),
    LayerCase("dense wide", spec.Dense(units=2), (3, 61)),
    LayerCase("dense with an axis between", spec.Dense(units=3), (4, 7, 5)),
    LayerCase("dense with two axes between, without bias", spec.Dense(units=3, bias=False), (3, 2, 7, 5)),
    LayerCase("dense replicas", spec.Dense(units=3), (5, 2), replicas=4),
    LayerCase("dense replicas without bias", spec.Dense(units=3, bias=False), (5, 2), replicas=3),
    LayerCase("dense replicas with an axis between", spec.Dense(units=2), (5, 3, 7), replicas=3),
    LayerCase("conv2d", spec.Conv2d(channels=4, kernel=3), (2, 3, 5, 7)),
    LayerCase("conv2d as in VGG", spec.Conv2d(channels=4, kernel=3, padding=1), (2, 3, 6, 6)),
    LayerCase("conv2d without bias", spec.Conv2d(channels=4, kernel=3, bias=False), (2, 3, 5, 7)),
    LayerCase("conv2d of one image", spec.Conv2d(channels=2, kernel=5), (1, 1, 8, 8)),
    LayerCase("conv2d of one pixel", spec.Conv2d(channels=5, kernel=1), (3, 2, 5, 3)),
    LayerCase("conv2d to one pixel", spec.Conv2d(channels=2, kernel=(5, 3)), (3, 2, 5, 3)),
    LayerCase("conv2d of one pixel in, padded", spec.Conv2d(channels=2, kernel=3, padding=1), (3, 2, 1, 1)),
    LayerCase("conv2d with stride", spec.Conv2d(channels=3, kernel=3, stride=2, padding=1), (2, 2, 7, 8)),
    LayerCase("conv2d with a stride past the kernel", spec.Conv2d(channels=3, kernel=2, stride=3), (2, 2, 8, 9)),
    LayerCase("conv2d unequal", spec.Conv2d(channels=3, kernel=(3, 2), stride=(1, 2), padding=(0, 1)), (2, 2, 5, 6)),
    LayerCase("conv2d dilated", spec.Conv2d(channels=2, kernel=3, dilation=2, padding=2), (2, 2, 6, 7)),
    LayerCase(
        "conv2d dilated, unequal", spec.Conv2d(channels=2, kernel=3, dilation=(1, 3), padding=(1, 2)), (2, 2, 4, 7)
    ),
    LayerCase("conv2d as a whitening", spec.Conv2d(channels=8, kernel=2, initial="whitening"), (2, 1, 5, 4)),
    LayerCase("conv2d in groups", spec.Conv2d(channels=6, kernel=3, groups=2, padding=1), (2, 4, 5, 5)),
    LayerCase("conv2d a channel a group", spec.Conv2d(channels=6, kernel=3, groups=3, bias=False), (2, 3, 5, 4)),
    LayerCase("conv2d with more padding than kernel", spec.Conv2d(channels=2, kernel=2, padding=4), (2, 2, 3, 3)),
    LayerCase(
        "conv2d with everything",
        spec.Conv2d(channels=4, kernel=(3, 2), stride=(2, 1), padding=(2, 1), dilation=(2, 3), groups=2),
        (3, 4, 9, 8),
    ),
    LayerCase("max_pool2d", spec.MaxPool2d(kernel=2), (2, 3, 6, 8)),
    LayerCase("max_pool2d of odd sizes", spec.MaxPool2d(kernel=2), (2, 3, 5, 7)),
    LayerCase("max_pool2d overlapping, as in VGG", spec.MaxPool2d(kernel=3, stride=2, padding=1), (2, 3, 8, 8)),
    LayerCase("max_pool2d overlapping, of odd sizes", spec.MaxPool2d(kernel=3, stride=2, padding=1), (2, 3, 7, 5)),
    LayerCase("max_pool2d of one image", spec.MaxPool2d(kernel=3, stride=1, padding=1), (1, 1, 4, 4)),
    LayerCase("max_pool2d of one pixel", spec.MaxPool2d(kernel=3, stride=2, padding=1), (2, 2, 1, 1)),
    LayerCase("max_pool2d unequal", spec.MaxPool2d(kernel=(3, 2), stride=(2, 1), padding=(1, 0)), (2, 3, 6, 5)),
    LayerCase("max_pool2d dilated", spec.MaxPool2d(kernel=3, stride=1, padding=1, dilation=2), (2, 3, 6, 7)),
    LayerCase("max_pool2d dilated, unequal", spec.MaxPool2d(kernel=2, dilation=(2, 3)), (2, 3, 7, 9)),
    LayerCase("max_pool2d rounding up", spec.MaxPool2d(kernel=3, stride=2, ceil_mode=True), (2, 3, 6, 8)),
    LayerCase(
        "max_pool2d rounding up, the last window dropped",
        spec.MaxPool2d(kernel=2, stride=3, padding=1, ceil_mode=True),
        (2, 3, 4, 7),
    ),
    LayerCase("max_pool2d of ties", spec.MaxPool2d(kernel=3, stride=2, padding=1), (2, 3, 8, 8), _whole, smooth=False),
    LayerCase("max_pool2d of zeros", spec.MaxPool2d(kernel=2), (2, 3, 4, 4), lambda x: x * 0, smooth=False),
    LayerCase("avg_pool2d", spec.AvgPool2d(kernel=2), (2, 3, 6, 8)),
    LayerCase("avg_pool2d of odd sizes", spec.AvgPool2d(kernel=2), (2, 3, 5, 7)),
    LayerCase("avg_pool2d overlapping", spec.AvgPool2d(kernel=3, stride=2, padding=1), (2, 3, 7, 6)),
    LayerCase(
        "avg_pool2d, the padding left out",
        spec.AvgPool2d(kernel=3, stride=2, padding=1, count_include_pad=False),
        (2, 3, 7, 6),
    ),
    LayerCase("avg_pool2d unequal", spec.AvgPool2d(kernel=(3, 1), stride=(1, 2)), (1, 2, 6, 5)),
    LayerCase("global_avg_pool2d", spec.GlobalAvgPool2d(), (3, 4, 5, 7)),
    LayerCase("global_avg_pool2d of one pixel", spec.GlobalAvgPool2d(), (1, 4, 1, 1)),
    LayerCase("batch_norm of vectors", spec.BatchNorm(), (6, 4)),
    LayerCase("batch_norm of images", spec.BatchNorm(), (3, 4, 5, 3)),
    LayerCase("batch_norm of one image", spec.BatchNorm(), (1, 4, 5, 3)),
    LayerCase("batch_norm of two vectors", spec.BatchNorm(), (2, 3)),
    LayerCase("batch_norm of one vector", spec.BatchNorm(), (1, 3), trains=False),
    LayerCase("batch_norm of one pixel", spec.BatchNorm(), (1, 3, 1, 1), trains=False),
    LayerCase("batch_norm without affine", spec.BatchNorm(affine=False), (3, 4, 5, 3)),
    LayerCase("batch_norm of another eps and momentum", spec.BatchNorm(eps=0.1, momentum=0.6), (6, 4)),
    LayerCase("batch_norm that forgets", spec.BatchNorm(momentum=1.0), (3, 2, 3, 3)),
    # Of zeros every mean is exact. Of another constant only rounding is left to normalize, 1 / √ε = 316 times as large.
    LayerCase("batch_norm of zeros", spec.BatchNorm(), (5, 4), lambda x: x * 0, smooth=False),
    LayerCase("layer_norm of vectors", spec.LayerNorm(), (6, 4)),
    LayerCase("layer_norm of images", spec.LayerNorm(), (3, 4, 5, 3)),
    LayerCase("layer_norm over the last axis", spec.LayerNorm(axes=1), (3, 4, 5)),
    LayerCase("layer_norm over two axes", spec.LayerNorm(axes=2), (3, 4, 5, 3)),
    LayerCase("layer_norm of one sample without affine", spec.LayerNorm(affine=False), (1, 7)),
    LayerCase("layer_norm of another eps", spec.LayerNorm(eps=0.1), (6, 4)),
    *(
        replace(case, scale=0.3)
        for kind in (spec.Rnn, spec.Lstm, spec.Gru)
        for name in [kind.model_fields["kind"].default]
        for case in (
            LayerCase(name, kind(units=4), (5, 6, 3)),
            LayerCase(f"{name} after every step", kind(units=4, output="every"), (5, 6, 3)),
            LayerCase(f"{name} without bias", kind(units=3, bias=False), (4, 5, 2)),
            LayerCase(f"{name} of one number a step", kind(units=5), (4, 7, 1)),
            LayerCase(f"{name} of one step", kind(units=3), (4, 1, 2)),
            LayerCase(f"{name} of one sample", kind(units=3, output="every"), (1, 4, 2)),
            LayerCase(f"{name} of one unit", kind(units=1), (3, 4, 2)),
            LayerCase(f"{name} half saturated", kind(units=4), (5, 6, 3), lambda x: x * 4),
            LayerCase(f"{name} replicas", kind(units=4), (5, 6, 3), replicas=3),
            LayerCase(f"{name} replicas of one number a step", kind(units=4, output="every"), (5, 6, 1), replicas=2),
            # How W_hh begins changes no pass: the table of initial weights looks at it.
            LayerCase(f"{name} begun elsewhere", kind(units=2, initial_hh="orthogonal", gain_hh=0.5), (2, 3, 2)),
        )
    ),
    LayerCase("rnn of relu", spec.Rnn(units=4, nonlinearity="relu"), (5, 6, 3)),
    LayerCase("rnn of relu, after every step", spec.Rnn(units=4, nonlinearity="relu", output="every"), (5, 6, 3)),
    LayerCase("lstm that remembers from the start", spec.Lstm(units=2, forget_bias=1.0), (2, 3, 2)),
    LayerCase("embedding", spec.Embedding(num_embeddings=7, units=3), (5, 4), _numbers),
    LayerCase("embedding of one number", spec.Embedding(num_embeddings=7, units=2), (1, 1), _numbers),
    LayerCase("embedding of one vector", spec.Embedding(num_embeddings=9, units=1), (3, 2), _numbers),
    LayerCase("embedding replicas", spec.Embedding(num_embeddings=7, units=3), (5, 4), _numbers, replicas=3),
    LayerCase("leaky_relu", spec.LeakyRelu(), (4, 5)),
    LayerCase("leaky_relu of another slope", spec.LeakyRelu(negative_slope=0.3), (3, 2, 5, 7)),
    LayerCase("leaky_relu of exact zeros", spec.LeakyRelu(), (9, 11), _half_zero, smooth=False),
    LayerCase("elu", spec.Elu(), (4, 5)),
    LayerCase("elu of another alpha", spec.Elu(alpha=0.3), (3, 2, 5, 7)),
    LayerCase("elu saturated", spec.Elu(), (9, 7), _saturated),
    LayerCase("elu of exact zeros", spec.Elu(), (9, 11), _half_zero, smooth=False),
    LayerCase("gelu", spec.Gelu(), (4, 5)),
    LayerCase("gelu saturated", spec.Gelu(), (9, 7), _saturated),
    LayerCase("gelu, approximate", spec.Gelu(approximate="tanh"), (4, 5)),
    LayerCase("gelu, approximate and saturated", spec.Gelu(approximate="tanh"), (9, 7), _saturated),
    LayerCase("silu", spec.Silu(), (4, 5)),
    LayerCase("silu saturated", spec.Silu(), (9, 7), _saturated),
    LayerCase("silu of images", spec.Silu(), (3, 2, 5, 7)),
    LayerCase("relu", spec.Relu(), (4, 5)),
    LayerCase("relu of images", spec.Relu(), (3, 2, 5, 7)),
    LayerCase("relu of exact zeros", spec.Relu(), (9, 11), _half_zero, smooth=False),
    LayerCase("relu of zeros of both signs", spec.Relu(), (3, 5), lambda x: np.copysign(0.0, x), smooth=False),
    LayerCase("sigmoid", spec.Sigmoid(), (4, 5)),
    LayerCase("sigmoid of one sample", spec.Sigmoid(), (1, 3)),
    LayerCase("sigmoid saturated", spec.Sigmoid(), (9, 7), _saturated),
    LayerCase("sigmoid at its ends", spec.Sigmoid(), (3, 5), _extreme),
    LayerCase("tanh", spec.Tanh(), (4, 5)),
    LayerCase("tanh of images", spec.Tanh(), (3, 2, 5, 7)),
    LayerCase("tanh saturated", spec.Tanh(), (9, 7), _saturated),
    LayerCase("tanh at its ends", spec.Tanh(), (3, 5), _extreme),
    LayerCase("softmax", spec.Softmax(), (4, 5)),
    LayerCase("softmax of one sample", spec.Softmax(), (1, 3)),
    LayerCase("softmax of one class", spec.Softmax(), (4, 1)),
    LayerCase("softmax with an axis between", spec.Softmax(), (4, 7, 5)),
    LayerCase("softmax of large logits", spec.Softmax(), (9, 5), _thousands),
    LayerCase("softmax of equal logits", spec.Softmax(), (3, 5), lambda x: x * 0 + 7),
    LayerCase("dropout", spec.Dropout(), (9, 11)),
    LayerCase("dropout of a third", spec.Dropout(p=0.3), (9, 11)),
    LayerCase("dropout of nearly all", spec.Dropout(p=0.9), (31, 11)),
    LayerCase("dropout of images", spec.Dropout(p=0.25), (3, 2, 5, 7)),
    LayerCase("dropout of nothing, without a mask", spec.Dropout(p=0.0), (9, 11)),
    LayerCase("flatten of images", spec.Flatten(), (4, 3, 5, 7)),
    LayerCase("flatten of one image", spec.Flatten(), (1, 1, 8, 8)),
    LayerCase("flatten of vectors", spec.Flatten(), (4, 5)),
]


@dataclass(frozen=True)
class LossCase:
    name: str
    spec: part.CrossEntropy | part.MeanSquared
    shape: tuple[int, int]
    """Batch and classes."""
    scale: float

    def outputs(self, dtype: str = "float64") -> Array:
        return (normal(f"{self.name} outputs", self.shape) * self.scale).astype(dtype)

    def target(self) -> Array:
        return stream(0, f"cases {self.name} target").integers(self.shape[1], size=self.shape[0])


LOSSES = [
    LossCase(f"{name}: {shape[0]} of {shape[1]} classes, outputs of size {scale:g}", spec, shape, scale)
    for name, spec in {
        "cross_entropy": part.CrossEntropy(),
        "cross_entropy, summed": part.CrossEntropy(reduction="sum"),
        "cross_entropy, smoothed": part.CrossEntropy(label_smoothing=0.2),
        "cross_entropy, smoothed and summed": part.CrossEntropy(label_smoothing=0.1, reduction="sum"),
        "mean_squared": part.MeanSquared(),
        "mean_squared, summed": part.MeanSquared(reduction="sum"),
    }.items()
    for shape, scale in [
        ((5, 3), 1.0),
        ((1, 3), 1.0),
        ((7, 2), 1.0),
        ((4, 1), 1.0),
        ((61, 10), 1.0),
        ((9, 5), 1e3),
        ((9, 5), 1e-3),
    ]
]


OPTIMIZERS: dict[str, Any] = {
    "sgd": part.Sgd(lr=0.1),
    "sgd with decay": part.Sgd(lr=0.1, weight_decay=0.1),
    "sgd clipped": part.Sgd(lr=0.1, max_norm=4.0),
    "sgd with momentum": part.Sgd(lr=0.1, momentum=0.9),
    "sgd with momentum and decay": part.Sgd(lr=0.1, momentum=0.5, weight_decay=0.1),
    "sgd with nesterov": part.Sgd(lr=0.1, momentum=0.9, nesterov=True),
    "sgd with everything": part.Sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1, max_norm=4.0),
    "sgd with decay of weights": part.Sgd(lr=0.1, weight_decay=0.1, decayed="weights"),
    "sgd with momentum and decay of weights": part.Sgd(lr=0.1, momentum=0.5, weight_decay=0.1, decayed="weights"),
    "adam": part.Adam(lr=0.01),
    "adam with decay": part.Adam(lr=0.01, weight_decay=0.1),
    "adam with decay of weights": part.Adam(lr=0.01, weight_decay=0.1, decayed="weights"),
    "adam with other betas": part.Adam(lr=0.01, betas=(0.5, 0.9)),
    "adam without memory": part.Adam(lr=0.01, betas=(0.0, 0.0)),
    "adam with a large eps": part.Adam(lr=0.01, eps=0.1),
    "adam clipped": part.Adam(lr=0.01, max_norm=4.0),
    "adamw": part.Adamw(lr=0.01),
    "adamw with decay": part.Adamw(lr=0.1, weight_decay=0.3),
    "adamw with decay of weights": part.Adamw(lr=0.1, weight_decay=0.3, decayed="weights"),
    "adamw without decay": part.Adamw(lr=0.01, weight_decay=0.0),
    "adamw with everything": part.Adamw(lr=0.01, weight_decay=0.1, betas=(0.5, 0.9), eps=0.1, max_norm=4.0),
    "rmsprop": part.Rmsprop(lr=0.01),
    "rmsprop with decay": part.Rmsprop(lr=0.01, weight_decay=0.1),
    "rmsprop with decay of weights": part.Rmsprop(lr=0.01, weight_decay=0.1, decayed="weights"),
    "rmsprop with another alpha": part.Rmsprop(lr=0.01, alpha=0.5),
    "rmsprop without memory": part.Rmsprop(lr=0.01, alpha=0.0),
    "rmsprop with a large eps": part.Rmsprop(lr=0.01, eps=0.1),
    "rmsprop clipped": part.Rmsprop(lr=0.01, max_norm=4.0),
}


@dataclass(frozen=True)
class ScheduleCase:
    spec: Any
    steps: int = 40
    steps_per_epoch: int = 1


SCHEDULES = {
    "constant": ScheduleCase(part.Constant()),
    "step by epoch": ScheduleCase(part.StepDecay(step_size=3), 40, 4),
    "step by step": ScheduleCase(part.StepDecay(step_size=7, gamma=0.5, unit="step")),
    "exponential by epoch": ScheduleCase(part.Exponential(gamma=0.97), 41, 5),
    "exponential by step": ScheduleCase(part.Exponential(gamma=0.9, unit="step")),
    "cosine": ScheduleCase(part.Cosine()),
    "cosine that ends before the training": ScheduleCase(part.Cosine(t_max=15, eta_min=0.01)),
    "cosine longer than the training": ScheduleCase(part.Cosine(t_max=100)),
    "cosine by epoch": ScheduleCase(part.Cosine(unit="epoch"), 43, 5),
    "linear": ScheduleCase(part.Linear()),
    "linear that ends before the training": ScheduleCase(part.Linear(end_factor=0.1, total_iters=15)),
    "linear warm-up": ScheduleCase(part.Linear(start_factor=0.01, end_factor=1.0, total_iters=10)),
    "linear by epoch": ScheduleCase(part.Linear(end_factor=0.5, unit="epoch"), 43, 5),
    "one_cycle": ScheduleCase(part.OneCycle()),
    "one_cycle in straight lines": ScheduleCase(part.OneCycle(anneal_strategy="linear")),
    "one_cycle with every option": ScheduleCase(
        part.OneCycle(pct_start=0.45, div_factor=5.0, final_div_factor=10.0, anneal_strategy="linear"), 37
    ),
    "one_cycle with a late top": ScheduleCase(part.OneCycle(pct_start=0.95), 8),
    "one_cycle too short to rise": ScheduleCase(part.OneCycle(), 3),
    "one_cycle of one step": ScheduleCase(part.OneCycle(), 1),
}


INITIALS: dict[str, Any] = {
    "default": part.DefaultInitial(),
    "normal": part.Normal(),
    "normal, narrow": part.Normal(std=0.1),
    "glorot": part.Glorot(),
    "glorot, normal": part.Glorot(distribution="normal"),
    "glorot for tanh": part.Glorot(gain=5 / 3),
    "he": part.He(),
    "he, uniform": part.He(distribution="uniform"),
    "he for linear units": part.He(gain=1.0),
    "orthogonal": part.Orthogonal(),
    "orthogonal, scaled": part.Orthogonal(gain=math.sqrt(2)),
    "dirac": part.Dirac(),
    "zeros": part.Zeros(),
}


def recipe(
    layers: list[dict[str, Any]], *, inputs: int = 3, training: Mapping[str, Any] | None = None, **parts: Any
) -> Recipe:
    """A recipe of vectors of `inputs` numbers, in float64 on the processor, in batches of 8 for 12 steps."""
    features = tuple(f"x{index}" for index in range(inputs))
    data = {"source": "csv", "path": "none.csv", "label": "y", "features": features}
    settings = {"dtype": "float64", "device": "cpu", "batch_size": 8, "steps": 12, **(training or {})}
    return Recipe.model_validate({"data": data, "layers": layers, "training": settings, **parts})


def dense(units: int, **options: Any) -> dict[str, Any]:
    return {"kind": "dense", "units": units, **options}


RELU, TANH, SIGMOID, SOFTMAX, FLATTEN = ({"kind": kind} for kind in ("relu", "tanh", "sigmoid", "softmax", "flatten"))
THIRD = {"kind": "dropout", "p": 0.3}
