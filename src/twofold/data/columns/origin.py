"""Where the numbers of a table come from: what each column was taken for, what is missing, the rows held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.frame import Frame, Words, missing, part
from twofold.data.columns.plan import Plan
from twofold.recipe.columns import ColumnSpec


@dataclass(frozen=True, eq=False)
class Origin:
    """A table as it was read, as far as a report wants to tell of it."""

    kinds: Mapping[str, ColumnSpec]
    """What each column was taken for, those that are left out among them."""
    reasons: Mapping[str, str]
    """What was found out of a column that its owner may not expect: why it is left out, for instance."""
    missing: Mapping[str, int]
    """Training rows in which a feature is missing."""
    held: Frame
    """The rows of the part that the run is judged on, as the file has them: its features alone."""
    order: str | None = None
    """The column by which the rows were put in order, so that it is another one in every part."""
    grouped: bool = False
    """Whether whole groups were held out, whose rows are no independent draws."""


def origin_of(plan: Plan, frame: Frame, train: Array, held: Frame) -> Origin:
    """What is kept of a frame whose rows `train` are trained on, and of the frame with the rows that are judged on."""
    features = {column.name for column in plan.features}
    return Origin(
        {column.name: column.spec for column in plan.columns},
        {column.name: text for column in plan.columns if (text := column.note or column.warning)},
        {column.name: _absent(frame, column.name, column.spec, train) for column in plan.features},
        Frame({name: cells for name, cells in held.columns.items() if name in features}, held.rows, held.place, ""),
    )


def _absent(frame: Frame, name: str, spec: ColumnSpec, rows: Array) -> int:
    """How many cells hold nothing, or a word that stands for nothing."""
    cells = part(frame.columns[name], rows)
    count = int(missing(cells).sum())
    words = getattr(spec, "absent", ())
    if words and isinstance(cells, Words):
        count += int(np.isin(cells.codes, [at for at, level in enumerate(cells.levels) if level in words]).sum())
    return count
