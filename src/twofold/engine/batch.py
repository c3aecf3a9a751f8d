"""The batch of one training step: inputs as numbers or bytes, answers, learning rate, masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from twofold.arrays import Array


class Scaling(NamedTuple):
    """The scaling from stored bytes to a network's inputs: (x − shift) / divisor, both broadcast against a sample."""

    shift: Array
    divisor: Array

    def astype(self, dtype: DTypeLike) -> Scaling:
        """The same scaling, to numbers of another type."""
        return Scaling(self.shift.astype(dtype, copy=False), self.divisor.astype(dtype, copy=False))

    def apply(self, x: Array) -> Array:
        """The scaled samples as a new array, of the type of `shift` and `divisor`."""
        scaled = x.astype(self.shift.dtype)
        if self.shift.any():
            scaled -= self.shift
        scaled /= self.divisor
        return scaled


class Batch(NamedTuple):
    """Everything that one training step needs beside the state: drawn outside the engines and given to both."""

    x: Array
    """Inputs, (batch, *sample): numbers, or bytes with a `scaling`. Sequences shorter than the longest end in steps of
    NaN: see `lengths_of`."""
    target: Array
    """Classes as int64, (batch,); or numbers to predict, or labels as 0 and 1, (batch, outputs). If every step of a
    sequence has an answer of its own, (batch, steps) or (batch, steps, outputs): see `answered`."""
    lr: float | Array
    """The learning rate of this step; for replicas one each, (replicas, 1)."""
    masks: Mapping[str, Array]
    """The elements that dropout keeps, as booleans (batch, *sample), by the name of the layer."""
    step: int
    """Counted from 0."""
    ema: float = 0.0
    """The weight of the past in the moving average of the weights."""
    scaling: Scaling | None = None
    """How `x` becomes what the network sees, if it holds bytes; else `None`."""
    weight: Array | None = None
    """The weight of each sample in the loss, (batch,); `None` if the data have no weights."""
    radius: Array | None = None
    """How far each sample is moved towards a higher loss before the step, (batch,): x + radius · g / ‖g‖ with
    g = ∂loss/∂x at the weights before the step; `None` if samples are trained on as they are."""


NO_ANSWER = -100
"""The class of a step that has no answer: PyTorch's `ignore_index`."""


def lengths_of(x: Array, lead: int = 0) -> Array | None:
    """The number of steps of each sequence, (*lead, batch); `None` if every sequence has all steps.

    A missing step is NaN in its first number, and in all others. So the lengths travel with the samples, and padding is
    never taken for data: sequences are shuffled, cut and joined as one array.
    """
    first = x if x.ndim == 2 + lead else x[..., 0]
    if not first.shape[-1] or not np.isnan(first[..., -1]).any():
        return None
    return np.count_nonzero(~np.isnan(first), axis=-1)


def answered(target: Array) -> Array:
    """Which steps have an answer, (batch, steps): a class, or numbers that are not NaN."""
    return target >= 0 if target.dtype.kind in "iu" else ~np.isnan(target[..., 0])


def floats(batch: Batch, dtype: np.dtype) -> Array:
    """The inputs of a batch as numbers of type `dtype`, scaled if they are bytes."""
    return batch.x.astype(dtype, copy=False) if batch.scaling is None else batch.scaling.astype(dtype).apply(batch.x)
