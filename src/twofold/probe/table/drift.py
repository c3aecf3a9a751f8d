"""Whether a column is another one among the rows that a run is judged on than among those that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset
from twofold.data.columns.fitted import FittedCategory, FittedDate, FittedNumber, FittedText
from twofold.probe.table.judge import Variable
from twofold.runs.table import Drift
from twofold.streams import stream

MOST_ROWS = 20_000
"""Rows of each part that are compared."""
MOST_COLUMNS = 300
FEW_VALUES = 12
"""Different values up to which a column is compared value by value."""
EXPECTED = 5.0
"""Rows of a level to be expected in the smaller part, below which rare levels are compared as one: the distribution of
the statistic is χ²'s no further."""


def drifts(dataset: Dataset, columns: Sequence[Variable], order: str | None) -> list[Drift]:
    """Each column, and what is answered, tested by itself; the one that orders the rows differs by what it is."""
    train, (_, held) = dataset.train, dataset.held_out
    first, second = (_some(len(split), name) for split, name in ((train, "train"), (held, "held")))
    tested = list[Drift]()
    for column in columns[:MOST_COLUMNS]:
        if column.name != order and not isinstance(column.fitted, FittedText):
            for name, place in _parts(column):
                levels = isinstance(column.fitted, FittedCategory)
                tested += compared(name, train.x[first][:, place], held.x[second][:, place], levels)
    targets = [train.y[first].reshape(len(first), -1), held.y[second].reshape(len(second), -1)]
    for at in range(targets[0].shape[1]):
        name = dataset.targets[at] if dataset.targets else "the class"
        tested += compared(name, targets[0][:, at : at + 1], targets[1][:, at : at + 1])
    return tested


def _parts(column: Variable) -> list[tuple[str, slice]]:
    """What is tested by itself: a number and whether it is missing; of a date, whose parts go together, the first."""
    start, stop = column.place.start, column.place.stop
    match column.fitted:
        case FittedNumber() if stop - start > 1:
            return [(column.name, slice(start, start + 1)), (f"{column.name} missing", slice(start + 1, stop))]
        case FittedDate():
            return [(column.name, slice(start, start + 1))]
    return [(column.name, column.place)]


def _some(rows: int, part: str) -> Array:
    return np.sort(stream(0, f"drift, {part}").permutation(rows)[:MOST_ROWS])


def compared(name: str, first: Array, second: Array, levels: bool = False) -> list[Drift]:
    """Two draws of one column, (rows, numbers): of few values by χ², else by Kolmogorov's and Smirnov's test.

    Nothing of a column that is constant. `levels`: a code is no quantity, however many of them there are.
    """
    from scipy.stats import chi2_contingency, ks_2samp

    first, second = first + first.dtype.type(0), second + second.dtype.type(0)  # no −0
    both = np.ascontiguousarray(np.concatenate([first, second]))
    keys = both.view(np.dtype((np.void, both.dtype.itemsize * both.shape[1])))[:, 0]
    _, codes = np.unique(keys, return_inverse=True)
    values = int(codes.max()) + 1
    if values < 2:
        return []
    if values > FEW_VALUES and both.shape[1] == 1 and not levels:
        distance, p = map(float, ks_2samp(first[:, 0], second[:, 0], method="asymp"))
        return [Drift(column=name, test="kolmogorov_smirnov", distance=distance, p=p)]
    parts = (codes[: len(first)], codes[len(first) :])
    counts = pooled(np.stack([np.bincount(part, minlength=values) for part in parts]))
    if counts.shape[1] < 2:
        return []
    shares = counts / counts.sum(axis=1, keepdims=True)
    p = float(np.asarray(chi2_contingency(counts, correction=False)[1]))
    return [Drift(column=name, test="chi_squared", distance=float(np.abs(shares[0] - shares[1]).sum() / 2), p=p)]


def pooled(counts: Array) -> Array:
    """Counts (two parts, levels) with all levels as one that are too rare, and the most frequent kept apart."""
    expected = counts.sum(axis=0) * counts.sum(axis=1).min() / counts.sum()
    rare = expected < EXPECTED
    if not rare.any():
        return counts
    rest = counts[:, rare].sum(axis=1, keepdims=True)
    frequent = counts[:, ~rare]
    if rest.sum() * counts.sum(axis=1).min() / counts.sum() < EXPECTED and frequent.shape[1]:
        frequent = frequent.copy()
        frequent[:, frequent.sum(axis=0).argmin()] += rest[:, 0]
        return frequent
    return np.concatenate([frequent, rest], axis=1)
