"""Answers at every step of a sequence."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.engine import NO_ANSWER
from twofold.recipe.columns import Table
from twofold.runs import Run


def by_step(x: Array, flat: Array) -> Array:
    """Answers (steps of all sequences, ...), one after another, as (sequences, steps, ...); padded steps have none."""
    is_step = ~np.isnan(x if x.ndim == 2 else x[..., 0])
    nothing = NO_ANSWER if flat.dtype.kind == "i" else np.nan
    y = np.full((*is_step.shape, *flat.shape[1:]), nothing, flat.dtype)
    y[is_step] = flat
    return y


def table_of(run: Run) -> Table:
    """The spec of the table that a run was trained on, with the run's task."""
    spec = run.recipe.samples
    assert isinstance(spec, Table)
    return spec
