"""Partial dependence: the mean answer over some rows when one column holds the same value in all of them.

Friedman, *Greedy function approximation: a gradient boosting machine* (2001), 8.2. If a column is correlated with
others, the changed rows may be ones that never occur: the curve says what the network answers, not what is true.
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
"""Columns that get a curve: the most important ones."""
BACKGROUND = 300
"""Rows that the mean answer is taken over."""
POINTS = 20
"""Values of a number: quantiles of the rows held out, from the 2.5th to the 97.5th per cent."""
MOST_LEVELS = 12
MISSING = "(missing)"


class Grid(NamedTuple):
    """Values of one column, and each as the network sees it, (values, numbers of the column)."""

    encoded: Array
    at: tuple[float, ...] | None = None
    levels: tuple[str, ...] = ()
    dates: bool = False


def dependence(judge: Judge, column: Variable) -> Dependence | None:
    """The partial dependence on a column; `None` for free text, and for a column with a single value."""
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
    """The grid of a plain column of numbers: quantiles, in the column's own unit."""
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
            levels = (*column.false[:1], *column.true[:1])  # a recipe may name none of one of them
            words = Words(np.arange(len(levels)), levels)
            return Grid(_encoded(column, words), levels=words.levels)
        case FittedOrdinal():
            words = Words(np.arange(len(column.levels)), column.levels)
            return Grid(_encoded(column, words), levels=words.levels)
        case FittedCategory():
            return _of_levels(column, cells)
    return None


def _of_levels(column: FittedCategory, cells: Cells) -> Grid:
    """The grid of a column of levels: the most frequent ones, and the missing value if it is a level of its own."""
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
    """Different values that occur, from the 2.5th to the 97.5th percentile."""
    if not len(values):
        return values
    return np.unique(np.quantile(values, np.linspace(0.025, 0.975, POINTS), method="nearest"))
