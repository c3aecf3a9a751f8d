"""Samples in memory, in splits for training, validation and test, and their standardization."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array, all_finite, digest
from twofold.data.checking import check_finite, check_squares
from twofold.engine import Scaling, answered
from twofold.errors import DataError

if TYPE_CHECKING:
    from twofold.data.columns.encoding import FittedColumns
    from twofold.data.columns.origin import Origin

BYTES_AT_ONCE = 1000
"""Samples whose bytes are turned into float64 at a time."""


Draw = Callable[[np.random.Generator, int, float], tuple[Array, Array]]
"""A function that draws inputs and classes, from a generator, their number, and the share of training that is over."""


@dataclass(frozen=True, repr=False)
class Split:
    """Inputs (samples, *sample) and their classes (samples,), as int64 from 0; or numbers or labels (samples, outputs).

    Images are kept as bytes, a quarter of the memory; `scaling` says what a network sees of them.
    """

    x: Array
    y: Array
    scaling: Scaling | None = None
    draw: Draw | None = None
    """If set, every step draws new samples by it; x and y are then a few samples for evaluation."""
    weight: Array | None = None
    """The weight of each sample in the loss of a training, (samples,); `None`: all count alike."""

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        return f"<Split: {len(self):,} samples of {self.x.shape[1:]} as {self.x.dtype}>"

    def __getitem__(self, index: Array | slice) -> Split:
        weight = None if self.weight is None else self.weight[index]
        return Split(self.x[index], self.y[index], self.scaling, weight=weight)

    def floats(self) -> Array:
        """The inputs as a network sees them: bytes are scaled."""
        return self.x if self.scaling is None else self.scaling.apply(self.x)

    @property
    def each_step(self) -> bool:
        """Whether every step of a sequence has an answer of its own: y is (samples, steps), or (..., outputs)."""
        return self.y.ndim == (2 if self.y.dtype.kind in "iu" else 3)

    @property
    def answers(self) -> Array:
        """The answers, (answers,) or (answers, outputs): one of every sample, or of every step that has an answer."""
        return self.y[answered(self.y)] if self.each_step else self.y

    @property
    def weights(self) -> Array | None:
        """The weight of each of `answers`; `None` if all count alike."""
        if self.weight is None or not self.each_step:
            return self.weight
        return self.weight[answered(self.y)]


@dataclass(frozen=True)
class Dataset:
    """The samples of a run. `validation` and `test` may be empty; `features` names the columns of a table."""

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    features: tuple[str, ...] = ()
    title: str = ""
    """The full name of a published set: CIFAR-10 (JPEG copies)."""
    standardization: Scaling | None = None
    """The standardization that the inputs went through; `None` for bytes, to which the `scaling` of their splits will
    be applied."""
    notes: tuple[str, ...] = ()
    """Sentences on what was done to the samples that their owner may not expect."""
    targets: tuple[str, ...] = ()
    """The names of the numbers to predict or of the labels, one an output; empty where samples have classes."""
    target_scaling: Scaling | None = None
    """The scaling that numbers to predict went through: output · `divisor` + `shift` is in their own unit."""
    columns: FittedColumns | None = None
    """The columns of a table as fitted to its training rows; `features` names the numbers that they became."""
    origin: Origin | None = None
    """Where the numbers of a table come from, if there are fitted columns."""
    alphabet: str = ""
    """The characters of a text, in the order of the classes."""
    bits: int | None = None
    """How many bits are used of the 16 that images have a pixel; `None` where no image has so many."""
    sequences: bool = False
    """Whether samples are sequences of a table; shorter ones are padded with NaN."""

    @property
    def code_columns(self) -> int:
        """How many numbers at the beginning of a row are codes of levels, not quantities."""
        return len(self.columns.embedded) if self.columns else 0

    def splits(self) -> Iterator[tuple[str, Split]]:
        """The splits that hold samples, by name."""
        for name in ("train", "validation", "test"):
            split: Split = getattr(self, name)
            if len(split):
                yield name, split

    @property
    def held_out(self) -> tuple[str, Split]:
        """The samples to be judged on: the test set, else the validation set, else the training set."""
        return list(self.splits())[-1]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every sample and class: the same data, and the same split of them."""
        arrays = {f"{name}.{part}": getattr(split, part) for name, split in self.splits() for part in "xy"}
        weights = {f"{name}.weight": split.weight for name, split in self.splits() if split.weight is not None}
        return digest(arrays | weights)

    def astype(self, dtype: str) -> Dataset:
        """The same samples as numbers of another type; no copy where they are that already. Bytes stay bytes.

        Raises `DataError` for a feature that the type cannot hold, or whose square it cannot: gradients are products of
        features and their norms sums of squares, so that training would end in infinity.
        """
        if self.train.y.dtype.kind == "f" and self.train.y.dtype != dtype:
            return replace(self, **{name: _numbers(split, dtype) for name, split in self.splits()}).astype(dtype)
        if self.train.scaling:
            return self._scaled(self.train.scaling.astype(dtype))
        if self.train.x.dtype == dtype:
            check_squares(self, dtype)
            return self
        with np.errstate(over="ignore"):
            converted = self._map(lambda x: x.astype(dtype, copy=False))
        remedy = f"it is too large for {dtype}. Set training.dtype = float64, or data.standardize."
        check_finite(converted, f"the data as {dtype}", remedy)
        check_squares(converted, dtype)
        return converted

    def _map(self, change: Callable[[Array], Array]) -> Dataset:
        return replace(self, **{name: _changed(split, change) for name, split in self.splits()})

    def _scaled(self, scaling: Scaling) -> Dataset:
        return replace(self, **{name: replace(split, scaling=scaling) for name, split in self.splits()})

    def standardized(self, how: str) -> Dataset:
        """The data set with inputs (x − mean) / standard deviation of the training samples; a constant becomes 0."""
        if how == "none":
            return self
        x = self.train.x
        axis = {"global": None, "channel": (0, *range(2, x.ndim)), "feature": 0}[how]
        if self.train.scaling:
            return self._scaled(Scaling(*_byte_statistics(x, axis)))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = _without_samples_axis(x.mean(axis=axis, dtype=np.float64, keepdims=True))
            std = _without_samples_axis(x.std(axis=axis, dtype=np.float64, keepdims=True))
        if not (all_finite(std) and all_finite(mean)):
            raise DataError(
                "the data cannot be standardized: their squares are too large for float64. Scale them down."
            )
        scaling = Scaling(mean, divisors(std, mean, x.size // std.size)).astype(x.dtype)
        return replace(self._map(lambda x: (x - scaling.shift) / scaling.divisor), standardization=scaling)

    def with_scaled_targets(self, scaling: Scaling | None = None) -> Dataset:
        """The data set with targets (y − mean) / standard deviation of the training samples.

        If `scaling` is given, targets are scaled by it instead, as those of an earlier training were. Raises
        `DataError` for numbers so large that they have no finite mean or standard deviation.
        """
        scaling = scaling or _target_statistics(self.train, self.targets)
        scaled = {name: replace(split, y=scaling.apply(split.y)) for name, split in self.splits()}
        return replace(self, **scaled, target_scaling=scaling)


def _target_statistics(train: Split, names: Sequence[str]) -> Scaling:
    """Mean and standard deviation of each target; a sample of weight 2 counts as two."""
    y = train.answers.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = np.average(y, axis=0, weights=train.weights)
        std = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=train.weights))
    for place in np.flatnonzero(~np.isfinite(mean + std)).tolist():
        largest = float(np.abs(y[:, place]).max())
        raise DataError(
            f"`{names[place]}`: a number to predict must be small enough for a mean and a standard deviation in "
            f"float64; the largest is {largest:.3g} in size. Divide all of them by it."
        )
    return Scaling(mean, divisors(std, mean, len(y)))


def divisors(std: Array, mean: Array, count: int) -> Array:
    """Standard deviations of `count` values to divide by; 1 for values that are constant but for the mean's rounding.

    The bound on that rounding is the one of scikit-learn's `StandardScaler`: count · ε · |mean|.
    """
    rounding = count * np.finfo(np.float64).eps * np.abs(mean)
    return np.where((std > rounding) & np.isfinite(std), std, 1.0)


def _numbers(split: Split, dtype: str) -> Split:
    """Targets and weights as numbers of a type. Raises `DataError` for one that the type cannot hold."""
    with np.errstate(over="ignore"):
        weight = None if split.weight is None else split.weight.astype(dtype)
        numbers = replace(split, y=split.y.astype(dtype), weight=weight)
    if not (all_finite(numbers.answers) and (weight is None or all_finite(weight))):
        what = "a weight" if all_finite(numbers.answers) else "a number to predict"
        raise DataError(
            f"the data as {dtype}: {what} is too large for {dtype}. Set training.dtype = float64, or scale it down."
        )
    return numbers


def _changed(split: Split, change: Callable[[Array], Array]) -> Split:
    """The split with its inputs changed, including those that are drawn later."""
    if (draw := split.draw) is None:
        return replace(split, x=change(split.x))

    def changed(rng: np.random.Generator, samples: int, progress: float) -> tuple[Array, Array]:
        x, y = draw(rng, samples, progress)
        return change(x), y

    return replace(split, x=change(split.x), draw=changed)


def _without_samples_axis(statistic: Array) -> Array:
    """A statistic without the axis of samples, so that it broadcasts against one sample."""
    return np.asarray(statistic)[0]


def _byte_statistics(x: Array, axis: int | tuple[int, ...] | None) -> tuple[Array, Array]:
    """Mean and standard deviation of bytes, from sums that float64 holds exactly, a part at a time."""
    total = squares = np.zeros((), np.float64)
    for start in range(0, len(x), BYTES_AT_ONCE):
        part = x[start : start + BYTES_AT_ONCE].astype(np.float64)
        total = total + part.sum(axis=axis, keepdims=True)
        squares = squares + np.square(part, out=part).sum(axis=axis, keepdims=True)
    count = x.size / total.size
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 0))
    std[std == 0] = 1  # sums of bytes are exact, and so is the 0 of a constant
    return _without_samples_axis(mean), _without_samples_axis(std)


def images(x: Array, y: Array) -> Split:
    """Images as bytes (samples, channels, height, width), which a network sees divided by 255."""
    shape = (1,) * (x.ndim - 1)
    return Split(x, y, Scaling(np.zeros(shape), np.full(shape, 255.0)))
