"""The origin of a table's numbers, for reports: the kind of each column, what is missing, the rows held out."""

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
    """What a report tells of a table as it was read."""

    kinds: Mapping[str, ColumnSpec]
    """The kind of each column, including columns that are left out."""
    reasons: Mapping[str, str]
    """By column, a remark that its owner may not expect: why it is left out, for instance."""
    missing: Mapping[str, int]
    """By feature, the number of training rows in which it is missing."""
    held: Frame
    """The rows that the run is judged on, as the file has them; only the features."""
    order: str | None = None
    """The column by which the rows were put in order; its values therefore differ from part to part."""
    grouped: bool = False
    """Whether whole groups were held out, whose rows are not independent draws."""


def origin_of(plan: Plan, frame: Frame, train: Array, held: Frame) -> Origin:
    """The origin of a frame's numbers: `train` are its training rows, `held` has those that the run is judged on."""
    features = {column.name for column in plan.features}
    return Origin(
        {column.name: column.spec for column in plan.columns},
        {column.name: text for column in plan.columns if (text := column.note or column.warning)},
        {column.name: _absent(frame, column.name, column.spec, train) for column in plan.features},
        Frame({name: cells for name, cells in held.columns.items() if name in features}, held.rows, held.place, ""),
    )


def _absent(frame: Frame, name: str, spec: ColumnSpec, rows: Array) -> int:
    """The number of cells that are missing, or hold a word that stands for a missing value."""
    cells = part(frame.columns[name], rows)
    count = int(missing(cells).sum())
    words = getattr(spec, "absent", ())
    if words and isinstance(cells, Words):
        count += int(np.isin(cells.codes, [at for at, level in enumerate(cells.levels) if level in words]).sum())
    return count
