"""Answers at every step of a sequence."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.engine import NO_ANSWER
from twofold.recipe.columns import Table
from twofold.runs import Run


def by_step(x: Array, flat: Array) -> Array:
    """Answers of all steps that there are, one after another, as (sequences, steps, ...), and none at the others."""
    there = ~np.isnan(x if x.ndim == 2 else x[..., 0])
    nothing = NO_ANSWER if flat.dtype.kind == "i" else np.nan
    y = np.full((*there.shape, *flat.shape[1:]), nothing, flat.dtype)
    y[there] = flat
    return y


def table_of(run: Run) -> Table:
    """The table that a run was trained on, told what was asked of it."""
    spec = run.recipe.samples
    assert isinstance(spec, Table)
    return spec
