"""Permutation importance: how much worse the answers are when one column's cells are shuffled among the rows.

A user's column is shuffled as a whole, with all the numbers that it became. The rows are held-out ones, so that what a
network merely knows by heart does not count. Breiman, *Random forests* (2001), 10; Fisher, Rudin & Dominici, *All
models are wrong, but many are useful* (2019). Columns that tell the same seem less important than they are: when one is
shuffled, the other remains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.probe.table.judge import Judge, Variable
from twofold.runs.names import DEVIATIONS
from twofold.runs.table import Importance
from twofold.streams import stream

MOST_ROWS, FEWEST_ROWS = 1000, 100
MOST_COLUMNS = 200
REPEATS, FEWEST_REPEATS = 10, 3
WORK = 8e9
"""Multiply-adds of all shufflings together: some seconds of one core."""


class Sized(NamedTuple):
    """How many rows are used, and how often each column is shuffled."""

    rows: int
    repeats: int


def sized(judge: Judge, columns: int) -> Sized:
    """As many rows and shufflings as `WORK` allows: few for a large network with many columns."""
    work = max(1, judge.recipe.network.count or 1) * columns
    held = len(judge.x)
    rows = min(held, MOST_ROWS, max(FEWEST_ROWS, int(WORK / (work * REPEATS))))
    return Sized(rows, max(FEWEST_REPEATS, min(REPEATS, int(WORK / (work * rows)))))


def some_rows(judge: Judge, count: int) -> Array:
    """Places of `count` held-out rows, chosen at random, the same ones each time."""
    return np.sort(stream(0, "rows of a table").permutation(len(judge.x))[:count])


def importances(judge: Judge, columns: Sequence[Variable], size: Sized) -> list[Importance]:
    """The importance of each column with its 95 % interval, the largest first.

    With d[r, i] the rise of the loss of row i in shuffling r, the value is the mean of d, and its variance that of the
    rows' means over the number of rows, plus that of the shufflings' means over their number.
    """
    rows = some_rows(judge, size.rows)
    x = judge.x[rows]
    plain = judge.losses(judge.answers(x), rows)
    measured = list[Importance]()
    for number, column in enumerate(columns[:MOST_COLUMNS]):
        rng, rises = stream(0, "importance", number), np.empty((size.repeats, len(rows)))
        for repeat in range(size.repeats):
            shuffled = x.copy()
            shuffled[:, column.place] = x[rng.permutation(len(x)), column.place]
            rises[repeat] = judge.losses(judge.answers(shuffled), rows) - plain
        measured.append(_importance(column.name, rises))
    return sorted(measured, key=lambda importance: -importance.value)


def _importance(name: str, rises: Array) -> Importance:
    repeats, rows = rises.shape
    variance = rises.mean(axis=1).var(ddof=1) / repeats
    if rows > 1:
        variance += rises.mean(axis=0).var(ddof=1) / rows
    value, half = float(rises.mean()), DEVIATIONS * float(np.sqrt(variance))
    return Importance(column=name, value=value, low=value - half, high=value + half)
