"""What samples show of themselves before any training: inputs that are alike, columns that give the class away.

A network cannot mend its data, and a run that fails by them looks like one that fails by its rate. What is measured
here costs some milliseconds, is kept in the record, and is judged by the rules of the analysis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Dataset, Split

MOST_ROWS = 2000
"""Training samples of which each is voted on by its neighbours, and rows whose columns are looked at by pairs."""
MOST_NUMBERS = 1024
"""Numbers of a sample up to which neighbours are sought."""
MOST_COLUMNS = 2000
"""Columns that are looked at one by one."""
VOTES = 15
SUREST = 4
"""One in so many votes counts among the surest."""
FEW = 200
"""One value in so many may be an outlier: more of them are a part of the data."""
BESIDE_NOTHING = 1e-12
"""The share of the largest spread below which a column is constant but for rounding."""
ROWS_AT_ONCE = 4096


class Vote(NamedTuple):
    """How often a class that neighbours vote for is not the sample's own: of one class, over training samples."""

    label: int
    samples: int
    wrong: float
    """The share of samples whose own class is another, of those for which neighbours vote for this class."""
    surest: int
    surest_wrong: float
    """The same where the vote is clearest."""


class Traits(NamedTuple):
    """What was measured; `None` or empty where it was not, or where there is none."""

    size: float | None = None
    """Root mean square of what a network sees of the first samples."""
    distinct: int | None = None
    """How many training samples are different from each other."""
    shared: int | None = None
    """Held-out samples that equal a training sample."""
    chance: float | None = None
    """Of how many rows one equals a row by chance, were the columns independent: 0 where values hardly repeat."""
    widest: str = ""
    """The column whose values spread most, and how many times as far as the median of the others."""
    widest_times: float | None = None
    outlier: str = ""
    """A column of which one value in 200 at most lies far from all others: how many times their whole range."""
    outlier_value: float | None = None
    outlier_times: float | None = None
    copy: str = ""
    """A column whose values stand apart by class: the gap between two classes over the spread within them."""
    copy_times: float | None = None
    row_number: str = ""
    """A column of values that are all different and equally far apart, as row numbers are."""
    row_number_tells: float | None = None
    """How often the next row by that column is of the same class."""
    votes: tuple[Vote, ...] = ()
    """By the class that is voted for."""


def traits(dataset: Dataset) -> Traits:
    """Measured on the samples as a network sees them; of those that are drawn anew at every step their size alone."""
    train, (name, held_out) = dataset.train, dataset.held_out
    with np.errstate(all="ignore"):
        size = float(np.sqrt(np.square(train[:MOST_ROWS].floats(), dtype=np.float64).mean()))
        facts: dict[str, Any] = {"size": size if np.isfinite(size) else None}
        if train.draw is not None:
            return Traits(**facts)
        rows = {_row(x) for x in _rows(train)}
        facts["distinct"] = len(rows)
        if name != "train":
            facts["shared"] = sum(_row(x) in rows for x in _rows(held_out))
        if train.x.ndim == 2 and train.x.dtype.kind == "f" and train.x.shape[1] <= MOST_COLUMNS:
            facts |= _columns(dataset)
        facts["votes"] = votes(train)
    return Traits(**facts)


def _rows(split: Split) -> Iterator[Array]:
    for start in range(0, len(split), ROWS_AT_ONCE):
        yield from np.ascontiguousarray(split.x[start : start + ROWS_AT_ONCE])


def _row(x: Array) -> int:
    """Two samples that are alike have it alike; others but once in 2⁶⁴."""
    return hash(x.tobytes())


def _columns(dataset: Dataset) -> dict[str, Any]:
    """What the columns of a table show, one by one and beside each other."""
    train = dataset.train
    parts = [split for _, split in dataset.splits()]
    everything, classes = np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts])
    facts: dict[str, Any] = {"chance": _chance(train.x[:MOST_ROWS])}
    std = train.x.std(axis=0, dtype=np.float64)
    varied = np.flatnonzero(std > BESIDE_NOTHING * std.max())

    def named(column: int) -> str:
        return dataset.features[column] if dataset.features else str(column + 1)

    if len(varied) > 1:
        widest = int(std.argmax())
        others = np.median(std[varied[varied != widest]])
        facts |= {"widest": named(widest), "widest_times": float(std[widest] / others)}
    for column in varied.tolist():
        values = train.x[:, column].astype(np.float64)
        if (outlier := _outlier(values)) and outlier[1] > (facts.get("outlier_times") or 0):
            value, times = outlier
            facts |= {"outlier": named(column), "outlier_value": _raw(dataset, column, value), "outlier_times": times}
        apart = _apart(values, train.y)
        if len(varied) > 1 and apart > (facts.get("copy_times") or 0):
            facts |= {"copy": named(column), "copy_times": min(apart, 1e9)}
        if len(varied) > 1 and "row_number" not in facts and _counts(everything[:, column]):
            order = np.argsort(everything[:, column], kind="stable")
            tells = float((classes[order][1:] == classes[order][:-1]).mean())
            facts |= {"row_number": named(column), "row_number_tells": tells}
    return facts


def _raw(dataset: Dataset, column: int, value: float) -> float:
    """The value as the table has it."""
    done = dataset.standardization
    if done is None:
        return value
    shift, divisor = (np.broadcast_to(part, dataset.train.x.shape[1:])[column] for part in done)
    return float(value * divisor + shift)


def _chance(x: Array) -> float:
    """The chance that two rows are equal, were the columns independent: Π_j Σ_v p_j(v)²."""
    chance = 1.0
    for column in x.T:
        _, counts = np.unique(column, return_counts=True)
        chance *= float((counts / len(column)) @ (counts / len(column)))
    return chance


def _outlier(values: Array) -> tuple[float, float] | None:
    """The value furthest from the median, and its distance from the others in ranges of theirs, where these vary."""
    distance = np.abs(values - np.median(values))
    few = max(1, len(values) // FEW)
    order = np.argsort(distance, kind="stable")
    rest = values[order[:-few]]
    if len(rest) < VOTES or len(np.unique(rest)) < 3:  # rare signs of a kind: most of such a column is one value
        return None
    spread = float(np.ptp(rest))
    furthest = float(values[order[-1]])
    beyond = max(furthest - float(rest.max()), float(rest.min()) - furthest)
    return (furthest, beyond / spread) if spread > 0 else None


def _apart(values: Array, y: Array) -> float:
    """The smallest gap between two classes' values over the largest spread within one; 0 where they overlap."""
    counts = np.bincount(y)
    present = np.flatnonzero(counts)
    if len(present) < 2:
        return 0.0
    low, high = np.full(len(counts), np.inf), np.full(len(counts), -np.inf)
    np.minimum.at(low, y, values)
    np.maximum.at(high, y, values)
    order = present[np.argsort(low[present])]
    gap = float((low[order[1:]] - high[order[:-1]]).min())
    within = float((high[present] - low[present]).max())
    return 0.0 if gap <= 0 else gap / within if within > 0 else np.inf


def _counts(values: Array) -> bool:
    """Whether the values are all different and nearly all as far apart as the two nearest: rows may have been left out."""
    ordered = np.sort(values.astype(np.float64))
    steps = np.diff(ordered)
    if len(steps) < VOTES or steps.min() <= 0:
        return False
    step = float(np.median(steps))
    return bool((np.abs(steps - step) < 0.05 * step).mean() > 0.8)


def votes(train: Split) -> tuple[Vote, ...]:
    """Each training sample is voted on by its nearest others; columns count alike, as standardized ones."""
    if len(train) < 4 * VOTES or train.x[0].size > MOST_NUMBERS or int(train.y.max()) >= MOST_ROWS:
        return ()
    chosen = np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(np.int64)
    x = train.x[chosen].reshape(len(chosen), -1).astype(np.float64)
    std = x.std(axis=0)
    x = np.nan_to_num(x / np.where((std > 0) & np.isfinite(std), std, 1))
    x -= x.mean(axis=0)
    squares = (x**2).sum(axis=1)
    distances = squares[:, None] - 2 * x @ x.T + squares[None]
    np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, VOTES - 1, axis=1)[:, :VOTES]
    y = train.y[chosen]
    counts = np.zeros((len(y), int(y.max()) + 1), np.int64)
    for column in nearest.T:
        counts[np.arange(len(y)), y[column]] += 1
    label, strength = counts.argmax(axis=1), counts.max(axis=1)
    return tuple(_vote(int(one), strength[label == one], y[label == one] != one) for one in np.unique(label))


def _vote(label: int, strength: Array, wrong: Array) -> Vote:
    surest = strength >= np.sort(strength)[-max(1, len(strength) // SUREST)]
    return Vote(label, len(wrong), float(wrong.mean()), int(surest.sum()), float(wrong[surest].mean()))
