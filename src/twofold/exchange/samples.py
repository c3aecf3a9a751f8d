"""The sample, the shape and the name that a user gives `adopt`: one rule for each, whatever the model is."""

from __future__ import annotations

import math

import numpy as np

from twofold.arrays import Array, all_finite
from twofold.errors import AdoptError, UserError
from twofold.plain import Samples
from twofold.recipe.recipe import NAME, NAME_RULE
from twofold.recipe.stack import plain_shape

MOST_NUMBERS = 3 * 10**7
"""Numbers of one sample that is drawn; a batch of them has to stay in memory."""


def numbers_of(sample: Samples) -> Array:
    """A batch of finite numbers, (N, ...), as float64 or int64 in memory of its own. Raises `AdoptError` for others."""
    try:
        if hasattr(sample, "detach"):  # NumPy takes a tensor from the processor, without gradients and of its own types
            sample = sample.detach().cpu()
            sample = sample.double() if sample.is_floating_point() else sample
        x = np.asarray(sample)
    except Exception as error:  # whatever NumPy and PyTorch raise for lists and tensors without numbers
        raise AdoptError(f"`sample` must be a batch of numbers, (N, ...); {str(error)[:200]}") from error
    if x.dtype.kind not in "fiu" or (x.dtype.kind == "u" and x.max(initial=0) > np.iinfo(np.int64).max):
        raise AdoptError(f"`sample` must hold numbers; got {x.dtype}")
    if x.ndim < 2 or 0 in x.shape:
        raise AdoptError(
            f"`sample` must be a batch, (N, ...) with N of at least 1; got {x.shape}",
            nearest="For one sample x it is x[None]",
        )
    with np.errstate(over="ignore"):
        x = x.astype(np.float64 if x.dtype.kind == "f" else np.int64, order="C")
    if not all_finite(x):
        raise AdoptError("`sample` holds NaN or infinity")
    return x


def checked_shape(shape: Samples) -> tuple[int, ...] | None:
    """The shape of one sample as plain numbers. Raises `UserError` for anything but whole numbers of at least 1."""
    if shape is None:
        return None
    sizes = plain_shape(shape)
    if math.prod(sizes) > MOST_NUMBERS:
        raise UserError(f"`shape` must hold at most {MOST_NUMBERS:,} numbers; got {sizes}, {math.prod(sizes):,}")
    return sizes


def check_name(name: Samples) -> None:
    """Raises `UserError` for a recipe's name that cannot be that of a folder; an empty one is none."""
    if not isinstance(name, str) or (name and not NAME.fullmatch(name)):
        raise UserError(f"{NAME_RULE}; got {str(name)[:60]!r}")
