"""How well any model can answer the samples, judged by their equal rows and by their nearest neighbours.

A network with a low accuracy may be too small, or its data may not allow more. Two yardsticks tell these cases apart.
Equal rows of different classes set a ceiling: nothing that sees the row alone answers both. And a vote of the nearest
training samples, which needs no training, is right on as many held-out samples as the data make easy: its error is at
most twice the least that is possible (Cover & Hart, Nearest neighbor pattern classification, 1967, for one neighbour
and samples without end; a vote of several is nearer to the least where classes overlap).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Dataset, divisors

NEIGHBOURS = 15
MOST_NUMBERS = 200
"""Numbers of a sample, at most, for these measurements: with more, nearest neighbours are far."""
MOST_TRAIN, MOST_HELD_OUT = 4000, 1000
"""Samples that are compared, at most: 4 million distances, some 50 ms."""


MOST_COUNTS = 1 << 26
"""Counts, of samples times classes, above which no ceiling is measured: they would take half a gigabyte."""


class Limits(NamedTuple):
    """Two yardsticks of the data; `None` where not measured, as for images, sequences, texts and numbers to predict."""

    ceiling: float | None
    """The training accuracy of the best answer to each distinct row: 1 where no row stands in two classes."""
    neighbours: float | None
    """The held-out accuracy of a vote of the nearest training samples."""


def limits(dataset: Dataset) -> Limits:
    """The yardsticks of a data set, measured on some thousands of its samples at most."""
    train, (name, held_out) = dataset.train, dataset.held_out
    if (
        dataset.targets
        or dataset.sequences
        or dataset.alphabet
        or train.draw is not None
        or train.x.dtype == np.uint8
        or train.x[0].size > MOST_NUMBERS
    ):
        return Limits(None, None)
    x = train.x.reshape(len(train), -1)
    ceiling = _ceiling(x, train.y)
    if name == "train" or dataset.code_columns:  # codes have no distances
        return Limits(ceiling, None)
    held = held_out.x.reshape(len(held_out), -1)[:MOST_HELD_OUT]
    return Limits(ceiling, _neighbours(x[:MOST_TRAIN], train.y[:MOST_TRAIN], held, held_out.y[: len(held)]))


def _ceiling(x: Array, y: Array) -> float | None:
    """The share of samples with the most frequent class among the rows equal to theirs; `None` if too many to count."""
    _, row = np.unique(x, axis=0, return_inverse=True)
    row = row.reshape(-1)
    if len(x) * (int(y.max()) + 1) >= MOST_COUNTS:
        return None
    counts = np.zeros((int(row.max()) + 1, int(y.max()) + 1), np.int64)
    np.add.at(counts, (row, y), 1)
    return float(counts.max(axis=1).sum() / len(x))


def _neighbours(x: Array, y: Array, held: Array, target: Array) -> float:
    """The accuracy of a vote of the nearest `x` on each of `held`. Columns count alike, as standardized ones."""
    with np.errstate(all="ignore"):
        scale = divisors(x.std(axis=0, dtype=np.float64), x.mean(axis=0, dtype=np.float64), len(x))
        x, held = np.nan_to_num(x / scale), np.nan_to_num(held / scale)
        squares = (held**2).sum(axis=1)[:, None] - 2 * held @ x.T + (x**2).sum(axis=1)[None]
    count = min(NEIGHBOURS, max(1, len(x) // 10))
    nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
    votes = np.zeros((len(held), int(y.max()) + 1), np.int64)
    for column in range(count):
        votes[np.arange(len(held)), y[nearest[:, column]]] += 1
    return float((votes.argmax(axis=1) == target).mean())
