"""Drift: whether a column's distribution differs between the rows that a run is judged on and its training rows."""

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
"""Rows of each part that are compared, at most."""
MOST_COLUMNS = 300
FEW_VALUES = 12
"""Different values up to which a column is compared value by value."""
EXPECTED = 5.0
"""Expected rows of a level in the smaller part below which rare levels are pooled: with fewer, the test statistic no
longer follows χ²."""


def drifts(dataset: Dataset, columns: Sequence[Variable], order: str | None) -> list[Drift]:
    """The test of each column, and of the target; without the column `order`, which differs between parts by design."""
    train, (_, held) = dataset.train, dataset.held_out
    first, second = (_sampled_rows(len(split), name) for split, name in ((train, "train"), (held, "held")))
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
    """The parts of a column that are tested: a number, and whether it is missing; of a date only its first part."""
    start, stop = column.place.start, column.place.stop
    match column.fitted:
        case FittedNumber() if stop - start > 1:
            return [(column.name, slice(start, start + 1)), (f"{column.name} missing", slice(start + 1, stop))]
        case FittedDate():
            return [(column.name, slice(start, start + 1))]
    return [(column.name, column.place)]


def _sampled_rows(rows: int, part: str) -> Array:
    """At most `MOST_ROWS` of the rows of a part, chosen at random, the same ones each time; ascending."""
    return np.sort(stream(0, f"drift, {part}").permutation(rows)[:MOST_ROWS])


def compared(name: str, first: Array, second: Array, levels: bool = False) -> list[Drift]:
    """The test of two draws of a column, (rows, numbers): by χ² for few values, else by Kolmogorov and Smirnov's test.

    Empty for a constant column. With `levels`, values are codes and always compared by χ², however many there are.
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
    """Counts (two parts, levels) in which all levels that are too rare are pooled into one."""
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
