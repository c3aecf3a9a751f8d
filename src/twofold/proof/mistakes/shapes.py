"""The mistakes of softmax, dropout and flatten."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Making, Scene, number, rows
from twofold.proof.mistakes.layer import Plain


@final
class Softmax(Plain):
    """y = exp(x) / Σ exp(x),  dx = y (dy − Σ dy y), with switches."""

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Array]:
        """The cache is y."""
        on = self.on
        axis = 0 if "over_the_batch" in on else tuple(range(x.ndim)) if "over_everything" in on else -1
        x = -x if "of_minus_x" in on else x
        top = 0 if "no_maximum" in on else np.real(x).max(axis=axis, keepdims=True)
        e = np.exp(x - top)
        y = e if "not_normalized" in on else e / e.sum(axis=axis, keepdims=True)
        if "sum_of_each_class" in on:
            y = e / e.sum(axis=0, keepdims=True)
        if "sum_of_everything" in on:
            y = e / e.sum()
        if "divided_by_the_largest" in on:
            y = e / np.real(e).max(axis=axis, keepdims=True)
        if "mean_in_place_of_sum" in on:
            y = e / e.mean(axis=axis, keepdims=True)
        return (np.log(y) if "log" in on else y), y

    def backward(self, params: Arrays, cache: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """The Jacobian diag(y) − y yᵀ times dy."""
        on, y = self.on, cache
        if "diagonal_alone" in on:
            return dy * y * (1 - y), {}
        if "passes_dy" in on:
            return dy + 0 * y, {}
        if "times_y_alone" in on:
            return dy * y, {}
        inner = dy if "sum_without_y" in on else dy * y
        axis = 0 if "sum_over_the_batch" in on else -1
        total = (
            inner.mean(axis=axis, keepdims=True) if "mean_of_products" in on else inner.sum(axis=axis, keepdims=True)
        )
        if "sum_over_everything" in on:
            total = inner.sum()
        if "sum_added" in on:
            return y * (dy + total), {}
        if "without_y_before" in on:
            return dy - total, {}
        if "without_y_before_the_sum" in on:
            return y * dy - total, {}
        if "outer_alone" in on:
            return -y * total, {}
        return -y * (dy - total) if "wrong_sign" in on else y * (dy - total), {}


@final
class Dropout(Plain):
    """y = x · m / (1 − p) in training, y = x else, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.p = number(making.settings, "p", 0.5)

    def _factor(self) -> float:
        on, keep = self.on, 1 - self.p
        table = {
            "not_scaled": 1.0,
            "scaled_down": keep,
            "scaled_by_p": 1 / self.p if self.p else 1.0,
            "times_p": self.p,
        }
        return next((factor for switch, factor in table.items() if switch in on), 1 / keep)

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Array]:
        """The cache is the scale of each element."""
        on, mask = self.on, scene.arrays.get("mask")
        if not scene.training and not ("drops_in_evaluation" in on and mask is not None):
            factor = 1 - self.p if "scaled_in_evaluation" in on or "classic" in on else 1.0
            return x * factor, np.full(x.shape, factor)
        passing = np.ones(x.shape) if mask is None else mask.astype(float)
        if "mask_inverted" in on and not scene.facts.get("own_mask"):
            passing = 1 - passing
        if "one_mask_for_the_batch" in on:
            passing = np.broadcast_to(passing[:1], passing.shape)
        if "identity" in on:
            return x + 0.0, np.ones(x.shape)
        scale = passing * (1.0 if "classic" in on else self._factor())
        return x * scale, scale

    def backward(self, params: Arrays, cache: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """dy times the scale."""
        on, scale = self.on, cache
        if "passes_all" in on:
            return dy + 0 * scale, {}
        if "back_not_scaled" in on:
            return dy * (scale != 0), {}
        if "back_scaled_alone" in on:
            return dy * scale.max(), {}
        if "back_scaled_twice" in on:
            return dy * scale * scale.max(), {}
        if "back_inverted" in on:
            return dy * (scale == 0) * scale.max(), {}
        return dy * scale, {}


@final
class Flatten(Plain):
    """(n, c, h, w) → (n, c h w) in memory order, with switches."""

    def _ordered(self, x: Array) -> Array:
        on = self.on
        if "channels_last" in on:
            return np.moveaxis(x, 1, -1)
        if "width_before_height" in on and x.ndim == 4:
            return x.swapaxes(-1, -2)
        return x.transpose(0, *range(x.ndim - 1, 0, -1)) if "column_order" in on else x

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, tuple[int, ...]]:
        """The cache is the shape of x."""
        if "samples_mixed" in self.on:
            return x.T.reshape(len(x), -1), x.shape
        return self._ordered(x).reshape(len(x), -1), x.shape

    def backward(self, params: Arrays, cache: tuple[int, ...], dy: Array) -> tuple[Array, dict[str, Array]]:
        """Back to the shape of x."""
        on, shape = self.on, cache
        if "back_column_order" in on:
            return dy.reshape(shape[0], *shape[:0:-1]).transpose(0, *range(len(shape) - 1, 0, -1)), {}
        if "back_channels_last" in on and len(shape) > 2:
            return np.moveaxis(dy.reshape(shape[0], *shape[2:], shape[1]), -1, 1), {}
        if "back_samples_mixed" in on:
            return dy.reshape(-1).reshape(shape, order="F"), {}
        return dy.reshape(shape), {}


SOFTMAX = rows(
    "softmax",
    "The axis and the sum.",
    ("over_the_batch", "Softmax is taken over the batch (axis 0), where it is over the classes, the last axis "
                       "(dim=-1).",
     "What does each row sum to?"),
    ("over_everything", "Softmax is taken over the whole array (the axis is missing), where it is over the last axis.",
     "What does each row sum to?"),
    ("sum_of_each_class", "exp(x) is divided by the sum over the batch (axis 0), where it is by that over the classes.",
     "Along which axis is the sum?"),
    ("sum_of_everything", "exp(x) is divided by the sum over the whole array: the axis of the sum is missing.",
     "Along which axis is the sum?"),
    ("no_maximum", "The maximum is not subtracted before exp: large inputs overflow to infinity and NaN.",
     "What is exp(1000)?"),
    ("not_normalized", "exp(x) is not divided by its sum.", "What does each row sum to?"),
    ("divided_by_the_largest", "exp(x) is divided by its largest element, where it is by its sum.",
     "What does each row sum to?"),
    ("mean_in_place_of_sum", "exp(x) is divided by its mean, where it is by its sum.", "What does each row sum to?"),
    ("of_minus_x", "exp(−x) stands where exp(x) belongs.", "Which class gets the largest probability?"),
    ("log", "The logarithm of softmax is given, where softmax itself is.", "What does each row sum to?"),
    ("diagonal_alone", "dx is dy · y (1 − y), the diagonal of the Jacobian alone: the terms between classes are "
                       "missing, dx = y (dy − Σ dy y).", "Does y of one class depend on x of another?"),
    ("passes_dy", "dx is dy: the Jacobian of softmax is left out.", "Is the loss's gradient taken with respect to x?"),
    ("times_y_alone", "dx is dy · y: the sum Σ dy y is missing, dx = y (dy − Σ dy y).",
     "What do the rows of dx sum to?"),
    ("sum_without_y", "The sum is Σ dy where it is Σ dy y: dx = y (dy − Σ dy y).", "What stands under the sum?"),
    ("sum_over_the_batch", "The sum Σ dy y runs over the batch (axis 0), where it runs over the classes (axis −1).",
     "Along which axis?"),
    ("sum_over_everything", "The sum Σ dy y runs over the whole array: the axis is missing.", "Along which axis?"),
    ("mean_of_products", "The mean of dy y stands where its sum belongs.", "Sum or mean?"),
    ("sum_added", "Σ dy y is added where it is subtracted: dx = y (dy − Σ dy y).", "Which sign?"),
    ("without_y_before", "The factor y before the bracket is missing: dx = y (dy − Σ dy y).",
     "What multiplies the bracket?"),
    ("without_y_before_the_sum", "The factor y before the sum is missing: dx = y dy − y Σ dy y.",
     "What multiplies the bracket?"),
    ("outer_alone", "dx is −y Σ dy y: the diagonal term y dy is missing.", "What is ∂y_i/∂x_i?"),
    ("wrong_sign", "dx has the wrong sign: y (Σ dy y − dy), where it is y (dy − Σ dy y).", "Which sign?"),
)  # fmt: skip

DROPOUT = rows(
    "dropout",
    "The mask and its scale, in training and in evaluation.",
    ("not_scaled", "What is kept is not scaled by 1/(1 − p) in training.", "Is the mean of y that of x?"),
    ("scaled_down", "What is kept is multiplied by 1 − p, where it is divided by it.", "Is the mean of y that of x?"),
    ("scaled_by_p", "What is kept is divided by p, where it is by 1 − p.", "What is p: dropped, or kept?"),
    ("times_p", "What is kept is multiplied by p, where it is divided by 1 − p.", "What is p: dropped, or kept?"),
    ("drops_in_evaluation", "Elements are dropped in evaluation too, where y = x.", "Does the layer know its mode?"),
    ("scaled_in_evaluation", "y is multiplied by 1 − p in evaluation, where y = x: the scale was already in training.",
     "Where does the scale stand?"),
    ("classic", "The classic, not inverted, form: not scaled in training, and multiplied by 1 − p in evaluation.",
     "Where does the scale stand?"),
    ("mask_inverted", "The mask is inverted: what was to be kept is dropped (p is taken for the share that is kept).",
     "What is p: dropped, or kept?"),
    ("one_mask_for_the_batch", "One mask serves the whole batch, where every sample has its own.",
     "What shape is the mask?"),
    ("identity", "Nothing is dropped in training.", "Does the layer know its mode?"),
    ("passes_all", "dx is dy: the mask and its scale are left out on the way back.", "What is the slope where y = 0?"),
    ("back_not_scaled", "dx is masked and not scaled by 1/(1 − p).", "What is the slope where x was kept?"),
    ("back_scaled_alone", "dx is scaled by 1/(1 − p) and not masked.", "What is the slope where y = 0?"),
    ("back_scaled_twice", "dx is scaled by 1/(1 − p) twice.", "What is the slope where x was kept?"),
    ("back_inverted", "The mask is inverted on the way back.", "What is the slope where y = 0?"),
)  # fmt: skip

FLATTEN = rows(
    "flatten",
    "The order in which the numbers are read.",
    ("channels_last", "The channels come last: (N, H, W, C) is flattened, where (N, C, H, W) is in its own order.",
     "Which number comes second?"),
    ("width_before_height", "Height and width are swapped before flattening.", "Which number comes second?"),
    ("column_order", "The numbers are read in column order (order='F'), where they are in row order.",
     "Which number comes second?"),
    ("samples_mixed", "The samples are mixed: the batch is not the first axis when the array is reshaped.",
     "Does row 0 hold sample 0?"),
    ("back_column_order", "dx is reshaped in column order (order='F'), where it is in row order.",
     "Is y's order dx's?"),
    ("back_channels_last", "dx is reshaped as (N, H, W, C), where y was read from (N, C, H, W).", "Is y's order dx's?"),
    ("back_samples_mixed", "dx mixes the samples: the batch is not the first axis when it is reshaped.",
     "Does row 0 hold sample 0?"),
)  # fmt: skip
