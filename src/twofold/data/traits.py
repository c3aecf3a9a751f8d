"""Facts about samples before any training: inputs that are alike, columns that give the class away.

A network cannot mend its data, and a run that fails because of them looks like one that fails because of its learning
rate. What is measured here costs some milliseconds, is kept in the record, and is judged by the rules of the analysis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Dataset, Split, divisors
from twofold.plain import Parsed

MOST_ROWS = 2000
"""Training samples, at most, on which neighbours vote, and by which size and chance are measured."""
MOST_NUMBERS = 1024
"""Numbers of a sample, at most, for neighbours to be sought."""
MOST_COLUMNS = 2000
"""Columns, at most, for each to be examined."""
FEWEST = 3
"""Outliers that even a small table may have."""
VOTES = 15
SUREST = 4
"""One in so many votes counts among the surest: a quarter."""
FEW = 100
"""One value in so many, three at least, may be an outlier: more of them are a part of the data."""
BESIDE_NOTHING = 1e-12
"""The share of the largest spread below which a column is constant but for rounding."""
ROWS_AT_ONCE = 4096


Facts = dict[str, Parsed]
"""Facts by the field names of `twofold.runs.samples.Traits`; what was not measured is left out.

- `size`: root mean square of what a network sees of the first training samples
- `distinct`, `contradicting`: how many training samples are different from each other, and how many equal one of
  another class
- `shared`: how many held-out samples equal a training sample
- `chance`: the chance that one row equals another, were the columns independent; about 0 where values hardly repeat
- `widest`, `widest_times`: the column whose values spread most, and how many times as far as the median of the others
- `outlier`, `outlier_value`, `outlier_times`: a column with a few far values, the furthest of them, and its distance
  from the others in multiples of their range
- `copy_of_class`, `copy_times`: a column whose values are separated by class, and the smallest gap between two classes
  over the largest spread within one
- `row_number`, `row_number_tells`: a column of values that are all different and equally far apart, as row numbers are,
  and how often the next row by it is of the same class
- `votes`: for each class that neighbours vote for, its number (`label`), the `samples` that they vote for it on, the
  share of these whose class is another (`wrong`), and the same two for the surest votes: `surest`, `surest_wrong`
"""


def traits(dataset: Dataset) -> Facts:
    """The facts of a data set, as a network sees it; where every step draws new samples, their size alone."""
    train, (name, held_out) = dataset.train, dataset.held_out
    if dataset.sequences:  # a step that is not there is as good as one of zeros, for whoever compares samples
        train, held_out = (replace(split, x=np.nan_to_num(split.x)) for split in (train, held_out))
        dataset = replace(dataset, train=train)
    with np.errstate(all="ignore"):
        codes = dataset.code_columns
        numbers = train[:MOST_ROWS].floats()[..., codes:]
        facts: Facts = {"size": float(np.sqrt(np.square(numbers, dtype=np.float64).mean()))} if numbers.size else {}
        if train.draw is not None:
            return _finite(facts)
        labelled, rows = train.y.ndim == 1 and train.y.dtype.kind in "iu", list(_rows(train))
        different = set(rows)
        facts["distinct"] = len(different)
        if name != "train":
            facts["shared"] = sum(row in different for row in _rows(held_out))
        if (
            train.x.ndim == 2
            and not dataset.sequences
            and train.x.dtype.kind == "f"
            and train.x.shape[1] <= MOST_COLUMNS
        ):
            facts |= _columns(dataset, labelled)
        if labelled:
            classes = _classes_by_row(rows, train.y)
            facts["contradicting"] = sum(len(classes[row]) > 1 for row in rows)
            coded = codes or (dataset.alphabet and train.x.ndim == 2)
            facts["votes"] = [] if coded else votes(train)  # codes have no distances
    return _finite(facts)


def _finite(facts: Facts) -> Facts:
    """The facts without those that overflowed."""
    return {key: value for key, value in facts.items() if not isinstance(value, float) or math.isfinite(value)}


def _rows(split: Split) -> Iterator[int]:
    """A hash of each sample: equal samples have equal ones, different samples only once in 2⁶⁴."""
    for start in range(0, len(split), ROWS_AT_ONCE):
        part = np.ascontiguousarray(split.x[start : start + ROWS_AT_ONCE])
        for x in part + part.dtype.type(0):  # no −0
            yield hash(x.tobytes())


def _classes_by_row(rows: Sequence[int], y: Array) -> dict[int, set[int]]:
    classes = dict[int, set[int]]()
    for row, label in zip(rows, y.tolist(), strict=True):
        classes.setdefault(row, set()).add(label)
    return classes


def _columns(dataset: Dataset, labelled: bool) -> Facts:
    """The facts about the columns of a table."""
    train = dataset.train
    parts = [split for _, split in dataset.splits()]
    facts: Facts = {"chance": _chance(train.x[:MOST_ROWS])}
    std = train.x.std(axis=0, dtype=np.float64)
    std[: dataset.code_columns] = 0  # codes have no spread and no outliers
    varied = np.flatnonzero(std > BESIDE_NOTHING * std.max())

    def named(column: int) -> str:
        return dataset.features[column] if dataset.features else str(column + 1)

    if len(varied) > 1:
        widest = int(std.argmax())
        others = np.median(std[varied[varied != widest]])
        facts |= {"widest": named(widest), "widest_times": float(std[widest] / others)}
    for column in varied.tolist():
        outlier = _outlier(train.x[:, column].astype(np.float64))
        if outlier and outlier[1] > facts.get("outlier_times", 0):
            value, times = outlier
            facts |= {"outlier": named(column), "outlier_value": _raw(dataset, column, value), "outlier_times": times}
    if labelled and len(varied) > 1:
        facts |= _telling(np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]), varied, named)
    return facts


def _telling(x: Array, y: Array, varied: Array, named: Callable[[int], str]) -> Facts:
    """Columns that tell the class by themselves, over all samples: copies of it, and numbers of rows in its order."""
    facts: Facts = {}
    for column in varied.tolist():
        values = x[:, column].astype(np.float64)
        times = min(_apart(values, y), 1e9)
        if times > facts.get("copy_times", 0):
            facts |= {"copy_of_class": named(column), "copy_times": times}
        if "row_number" not in facts and _counts_rows(values):
            order = y[np.argsort(values, kind="stable")]
            facts |= {"row_number": named(column), "row_number_tells": float((order[1:] == order[:-1]).mean())}
    return facts


def _raw(dataset: Dataset, column: int, value: float) -> float:
    """A value of a column as it was before standardization."""
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
    """The value furthest from the median, and its distance from the others in multiples of their range."""
    distance = np.abs(values - np.median(values))
    few = max(FEWEST, len(values) // FEW)
    order = np.argsort(distance, kind="stable")
    rest = values[order[:-few]]
    if len(rest) < VOTES or len(np.unique(rest)) < 3:  # one value and rare marks of a kind, no outliers
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


def _counts_rows(values: Array) -> bool:
    """Whether the values count rows: all different and nearly all equally far apart, as some rows may be missing."""
    ordered = np.sort(values.astype(np.float64))
    steps = np.diff(ordered)
    if len(steps) < VOTES or steps.min() <= 0:
        return False
    step = float(np.median(steps))
    return bool((np.abs(steps - step) < 0.05 * step).mean() > 0.8)


def votes(train: Split) -> list[Facts]:
    """The votes of each training sample's nearest others on its class; every column counts alike. See `Facts`."""
    if len(train) < 4 * VOTES or train.x[0].size > MOST_NUMBERS or int(train.y.max()) >= MOST_ROWS:
        return []
    chosen = np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).astype(np.int64)
    x = train.x[chosen].reshape(len(chosen), -1).astype(np.float64)
    x = np.nan_to_num(x / divisors(x.std(axis=0), x.mean(axis=0), len(x)))
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
    return [_vote(int(voted), strength[label == voted], y[label == voted] != voted) for voted in np.unique(label)]


def _vote(label: int, strength: Array, wrong: Array) -> Facts:
    surest = strength >= np.sort(strength)[-max(1, len(strength) // SUREST)]
    return {
        "label": label,
        "samples": len(wrong),
        "wrong": float(wrong.mean()),
        "surest": int(surest.sum()),
        "surest_wrong": float(wrong[surest].mean()),
    }
