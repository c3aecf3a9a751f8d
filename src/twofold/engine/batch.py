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
    """Inputs, (batch, *sample): numbers, or bytes with a `scaling`."""
    target: Array
    """Classes as int64, (batch,); numbers to predict, or 0 and 1 of labels, (batch, outputs)."""
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


def floats(batch: Batch, dtype: np.dtype) -> Array:
    """The inputs as numbers of the type."""
    return batch.x.astype(dtype, copy=False) if batch.scaling is None else batch.scaling.astype(dtype).apply(batch.x)
