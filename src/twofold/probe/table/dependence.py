"""Partial dependence: the mean answer over some rows when one column holds the same value in all of them.

Friedman, *Greedy function approximation: a gradient boosting machine* (2001), 8.2. Where a column goes with others the
rows may be ones that never occur: the curve says what the network answers, not what is so.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset
from twofold.data.columns.encoding import NUMBER
from twofold.data.columns.fitted import (
    Fitted,
    FittedBoolean,
    FittedCategory,
    FittedDate,
    FittedNumber,
    FittedOrdinal,
)
from twofold.data.columns.frame import Cells, Words, words_of
from twofold.data.columns.values import moments, quantities
from twofold.probe.table.importance import some_rows
from twofold.probe.table.judge import Judge, Variable
from twofold.runs.table import Dependence

LEADING = 6
"""Columns, the most important ones."""
BACKGROUND = 300
"""Rows that the mean is over."""
POINTS = 20
"""Values of a number: quantiles of the rows held out, from the 2.5th to the 97.5th per cent."""
MOST_LEVELS = 12
MISSING = "(missing)"


class Grid(NamedTuple):
    """Values of one column, and what the network sees of each, (values, numbers of the column)."""

    encoded: Array
    at: tuple[float, ...] | None = None
    levels: tuple[str, ...] = ()
    dates: bool = False


def dependence(judge: Judge, column: Variable) -> Dependence | None:
    """`None` of free text, and where a column holds one value only."""
    grid = _grid(judge.dataset, column)
    if grid is None or len(grid.encoded) < 2:
        return None
    x = judge.x[some_rows(judge, BACKGROUND)]
    answers = list[tuple[float, ...]]()
    for numbers in grid.encoded:
        changed = x.copy()
        changed[:, column.place] = numbers
        answers.append(tuple(map(float, judge.in_unit(judge.answers(changed)).mean(axis=0))))
    return Dependence(column=column.name, at=grid.at, levels=grid.levels, dates=grid.dates, answers=tuple(answers))


def _grid(dataset: Dataset, column: Variable) -> Grid | None:
    if column.fitted is None:
        return _of_plain(dataset, column.place.start)
    assert dataset.origin is not None
    return _of_column(column.fitted, dataset.origin.held.columns[column.name])


def _of_plain(dataset: Dataset, feature: int) -> Grid:
    """Quantiles of a column of numbers, in their own unit where they were standardized."""
    values = _quantiles(dataset.held_out[1].floats()[:, feature])
    shift, divisor = 0.0, 1.0
    if (done := dataset.standardization) is not None:
        shift, divisor = (float(np.broadcast_to(part, dataset.train.x.shape[1:])[feature]) for part in done)
    return Grid(values[:, None], tuple(float(value * divisor + shift) for value in values.astype(np.float64)))


def _of_column(column: Fitted, cells: Cells) -> Grid | None:
    match column:
        case FittedNumber():
            values, _ = quantities(cells, column.spec)
            chosen = _quantiles(values[~np.isnan(values)])
            return Grid(_encoded(column, chosen), tuple(map(float, chosen)))
        case FittedDate():
            dates, _ = moments(cells, column.format)
            seconds = _quantiles(dates[~np.isnat(dates)].astype(np.int64))
            return Grid(_encoded(column, seconds.astype("datetime64[s]")), tuple(map(float, seconds)), dates=True)
        case FittedBoolean():
            words = Words(np.arange(2), (column.false[0], column.true[0]))
            return Grid(_encoded(column, words), levels=words.levels)
        case FittedOrdinal():
            words = Words(np.arange(len(column.levels)), column.levels)
            return Grid(_encoded(column, words), levels=words.levels)
        case FittedCategory():
            return _of_levels(column, cells)
    return None


def _of_levels(column: FittedCategory, cells: Cells) -> Grid:
    """The most frequent levels, and the missing value where it is a level of its own."""
    words = words_of(cells)
    often = dict(zip(words.levels, words.counts().tolist(), strict=True))
    names = sorted(column.levels, key=lambda name: -often.get(name, 0))[:MOST_LEVELS]
    codes = np.arange(len(names))
    if column.absent:
        codes = np.append(codes, -1)
    levels = (*names, MISSING) if column.absent else tuple(names)
    return Grid(_encoded(column, Words(codes, tuple(names))), levels=levels)


def _encoded(column: Fitted, cells: Cells) -> Array:
    rows = len(cells.codes) if isinstance(cells, Words) else len(cells)
    out = np.empty((rows, len(column.outputs())), NUMBER)
    column.encode(cells, out)
    return out


def _quantiles(values: Array) -> Array:
    """Different values from the 2.5th to the 97.5th per cent, each one that occurs."""
    if not len(values):
        return values
    return np.unique(np.quantile(values, np.linspace(0.025, 0.975, POINTS), method="nearest"))
