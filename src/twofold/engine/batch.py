"""What one step is taken on: inputs as numbers or bytes, classes, rate, masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from twofold.arrays import Array


class Scaling(NamedTuple):
    """From bytes to what a network sees: (x − shift) / divisor, where both stand beside a sample."""

    shift: Array
    divisor: Array

    def astype(self, dtype: DTypeLike) -> Scaling:
        """The same, to numbers of another type."""
        return Scaling(self.shift.astype(dtype, copy=False), self.divisor.astype(dtype, copy=False))

    def apply(self, x: Array) -> Array:
        """The scaled samples as a new array, of the type of `shift` and `divisor`."""
        scaled = x.astype(self.shift.dtype)
        if self.shift.any():
            scaled -= self.shift
        scaled /= self.divisor
        return scaled


class Batch(NamedTuple):
    """What one step is taken on, drawn outside the engines and given to both."""

    x: Array
    """Inputs, (batch, *sample): numbers, or bytes with a `scaling`. Of sequences that are shorter than the longest the
    steps that are not there are NaN: see `lengths_of`."""
    target: Array
    """Classes as int64, (batch,); numbers to predict, or 0 and 1 of labels, (batch, outputs). Where every step has an
    answer of its own, (batch, steps) and (batch, steps, outputs): see `answered`."""
    lr: float | Array
    """The learning rate of this step; of replicas one each, (replicas, 1)."""
    masks: Mapping[str, Array]
    """The elements that dropout keeps, as booleans (batch, *sample), by the name of the layer."""
    step: int
    """Counted from 0."""
    ema: float = 0.0
    """The weight of the past in the moving average of the weights."""
    scaling: Scaling | None = None
    """From bytes to what the network sees, where the bytes came as they are."""
    weight: Array | None = None
    """The weight of each sample in the loss, (batch,), where the data have them."""


NO_ANSWER = -100
"""The class of a step that has no answer: PyTorch's `ignore_index`."""


def lengths_of(x: Array, lead: int = 0) -> Array | None:
    """How many steps each sequence has, (*lead, batch), where some have fewer than the batch is long; else `None`.

    A step that is not there is NaN in its first number, and in all others. So the lengths travel with the samples, and
    none is taken for data by mistake: sequences are shuffled, cut and joined as one array.
    """
    first = x if x.ndim == 2 + lead else x[..., 0]
    if not first.shape[-1] or not np.isnan(first[..., -1]).any():
        return None
    return np.count_nonzero(~np.isnan(first), axis=-1)


def answered(target: Array) -> Array:
    """Which steps have an answer, (batch, steps): a class, or numbers that are not NaN."""
    return target >= 0 if target.dtype.kind in "iu" else ~np.isnan(target[..., 0])


def floats(batch: Batch, dtype: np.dtype) -> Array:
    """The inputs as numbers of the type."""
    return batch.x.astype(dtype, copy=False) if batch.scaling is None else batch.scaling.astype(dtype).apply(batch.x)
