"""The mistakes of a leaky ReLU whose slope is learned."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Scene, rows
from twofold.proof.mistakes.layer import Plain


@final
class Prelu(Plain):
    """y = x where x > 0, else a x;  da = Σ dy x over x ≤ 0, for each slope, with switches."""

    def _slope(self, a: Array, x: Array) -> Array:
        if "slope_fixed" in self.on:
            a = np.full(a.shape, 0.25)
        if "slope_of_the_first" in self.on:
            a = np.full(a.shape, a[0])
        return a.reshape(1, -1, *(1,) * (x.ndim - 2)) if len(a) > 1 else a

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Array]:
        """The cache is x."""
        a, off = self._slope(params["weight"], x), np.real(x) <= 0
        if "blocks_forward" in self.on:
            return np.where(off, 0 * x, x), x
        if "slope_everywhere" in self.on:
            return a * x, x
        if "sign_turned" in self.on:
            a = -a
        return np.where(off, a * x, x), x

    def backward(self, params: Arrays, cache: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """dx and da."""
        on, x, weight = self.on, cache, params["weight"]
        a = self._slope(weight, x)
        slope = np.where(
            x > 0, 1, 0 if "blocks" in on else 1 if "passes_all" in on else -a if "sign_turned" in on else a
        )
        if "at_zero" in on:
            slope = np.where(x >= 0, 1, a)
        terms = dy * x * (x <= 0)
        if "da_over_all" in on:
            terms = dy * x
        if "da_of_positive" in on:
            terms = dy * x * (x > 0)
        if "da_without_dy" in on:
            terms = x * (x <= 0)
        if "da_without_x" in on:
            terms = dy * (x <= 0)
        if "da_with_slope" in on:
            terms = terms * a
        axes = (0, *range(2, x.ndim)) if len(weight) > 1 else tuple(range(x.ndim))
        da = terms.mean(axis=axes) if "da_averaged" in on else terms.sum(axis=axes)
        if "da_by_batch" in on:
            da = da / len(x)
        if "da_zero" in on:
            da = 0 * da
        return dy * slope, {"weight": np.reshape(da, weight.shape)}


PRELU = [
    *rows(
        "prelu",
        "The slope of negative x.",
        ("slope_fixed", "The slope is fixed at 0.25, its value at the start, where it is the learned weight.",
         "Which a?"),
        ("slope_of_the_first", "The first channel's slope serves all channels.", "Which a for channel 1?"),
        ("blocks_forward", "Negative x gives 0 (a plain ReLU), where it gives a x.", "What is y at x = −2?"),
        ("slope_everywhere", "a x is given for positive x too.", "What is y at x = 2?"),
        ("sign_turned", "Negative x gives −a x, where it gives a x.", "What is y at x = −2?"),
        ("blocks", "dx is 0 where x < 0; the slope there is a.", "What is the slope at x = −2?"),
        ("passes_all", "dx is dy: the slope a is left out where x < 0.", "What is the slope at x = −2?"),
        ("at_zero", "The slope at exactly 0 is 1 where it is a, as in PyTorch.", "What is the slope at 0?"),
    ),
    *rows(
        "prelu",
        "The gradient of the slope.",
        ("da_over_all", "The slope's gradient sums dy x over all x, where only x ≤ 0 counts.", "Which x meet a?"),
        ("da_of_positive", "The slope's gradient sums dy x over positive x, where only x ≤ 0 counts.",
         "Which x meet a?"),
        ("da_without_dy", "The slope's gradient does not use dy: it is Σ x, where it is Σ dy x.",
         "Where does dy enter?"),
        ("da_without_x", "The slope's gradient does not use x: it is Σ dy, where it is Σ dy x.",
         "Where does x enter?"),
        ("da_with_slope", "The slope's gradient is multiplied by a.", "What is ∂(a x)/∂a?"),
        ("da_averaged", "The slope's gradient is the mean, where it is the sum.", "Sum or mean?"),
        ("da_by_batch", "The slope's gradient is divided by the batch size (1/N), where it is summed.", "Sum or mean?"),
        ("da_zero", "The slope gets no gradient: it never learns.", "Is da ever written?"),
    ),
]  # fmt: skip
