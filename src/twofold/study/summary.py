"""Means over seeds with their intervals, of a study's table. Pure: a table in, tables and numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from twofold.plain import Parsed

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
VANISHED = 1e-45
"""What stands for 0 among logarithms: the smallest number of float32."""


LARGEST = math.log(1e45)
"""The largest logarithm that is drawn."""


class Interval(NamedTuple):
    """A mean with its 95 % interval, from `low` to `high`; these are NaN for a single value."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """A metric along one axis, of the points with one value of another."""

    value: Parsed
    """Value of the other axis; `None` where there is none."""
    x: tuple[Parsed, ...]
    """The axis' values with at least one finished point."""
    intervals: tuple[Interval, ...]
    dots: tuple[tuple[float, ...], ...]
    """At each x the values of the seeds."""


def interval(values: Sequence[float]) -> Interval:
    """Student's interval of the mean, x̄ ± t s / √n with n − 1 degrees of freedom."""
    n = len(values)
    middle = mean(values) if n else math.nan
    if n < 2:
        return Interval(middle, math.nan, math.nan)
    # Where a training nearly diverged, a deviation is a number and its square is none.
    deviation = math.hypot(*(value - middle for value in values)) / math.sqrt(n - 1)
    half = _quantile(n - 1) * deviation / math.sqrt(n)
    return Interval(middle, middle - half, middle + half)


def mean(values: Sequence[float]) -> float:
    """The mean of at least one value, also where their sum is beyond any float."""
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        return math.fsum(value / len(values) for value in values)


@cache
def _quantile(freedom: int) -> float:
    """The (1 + 0.95) / 2 quantile of Student's t with `freedom` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2))


def summary(table: pd.DataFrame, fields: Sequence[str], metric: str) -> pd.DataFrame:
    """One row for each combination of the fields, in the table's order: the metric's mean over seeds with its interval.

    `seeds` counts the points that have the metric, `failed` those that have failed.
    """
    import pandas as pd

    rows = []
    for values, part in _combinations(table, fields, (metric, "status", "seconds")):
        scores = [score for score in part[metric] if not _lacks(score)]
        rows.append(
            {
                **dict(zip(fields, values, strict=True)),
                "seeds": len(scores),
                "failed": sum(status == "failed" for status in part["status"]),
                **interval(scores)._asdict(),
                "lowest": min(scores, default=math.nan),
                "highest": max(scores, default=math.nan),
                "seconds": math.fsum(part["seconds"]) / len(part["seconds"]),
            }
        )
    columns = [*fields, "seeds", "failed", *Interval._fields, "lowest", "highest", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def series_along(
    table: pd.DataFrame, field: str | None, by: str | None, metric: str, geometric: bool = False
) -> list[Series]:
    """The metric along the field `field`, a series for each value of the field `by`.

    What differs in other fields is averaged for each seed first; the interval is that of the mean over seeds. With
    `geometric` all of it is done with logarithms, for values that span decades.
    """
    lines = []
    if geometric:
        table = table.assign(**{metric: table[metric].clip(lower=VANISHED).map(math.log)})
    fields = [name for name in (by, field) if name]
    series: dict[object, dict[object, list[float]]] = {}
    for key, part in _combinations(table, fields, (metric, "seed")):
        scores = _means_by_seed(part["seed"], part[metric])
        if scores:
            series.setdefault(key[0] if by else None, {})[key[-1] if field else None] = scores
    for value, places in series.items():
        intervals = tuple(interval(scores) for scores in places.values())
        lines.append(Series(value, tuple(places), intervals, tuple(map(tuple, places.values()))))
    return [_raised(line) if geometric else line for line in lines]


def _means_by_seed(seeds: Sequence[int], scores: Sequence[float]) -> list[float]:
    """The mean of each seed's scores, the seeds in the order in which they come."""
    by_seed: dict[int, list[float]] = {}
    for seed, score in zip(seeds, scores, strict=True):
        if not _lacks(score):
            by_seed.setdefault(seed, []).append(score)
    return [mean(values) for values in by_seed.values()]


def _lacks(score: float | None) -> bool:
    return score is None or math.isnan(score)


def _raised(series: Series) -> Series:
    """The series with its logarithms turned back into numbers."""
    intervals = tuple(Interval(*map(_exp, bounds)) for bounds in series.intervals)
    return Series(series.value, series.x, intervals, tuple(tuple(map(_exp, dots)) for dots in series.dots))


def _exp(value: float) -> float:
    """e to the power of a value, cut off: the interval of two seeds may end far beyond any number."""
    return math.exp(min(value, LARGEST))


Cells: TypeAlias = tuple[object, ...]
"""Values of some columns of a row."""


def _combinations(
    table: pd.DataFrame, fields: Sequence[str], columns: Sequence[str]
) -> list[tuple[Cells, dict[str, list[Parsed]]]]:
    """The columns of the rows of each combination of the fields' values, in the order in which they come.

    As plain lists: with a frame for each of ten thousand settings, pandas takes a minute.
    """
    keys = list(zip(*(table[field].tolist() for field in fields), strict=True)) if fields else [()] * len(table)
    parts: dict[Cells, dict[str, list[Parsed]]] = {}
    cells = [table[column].tolist() for column in columns]
    for key, *row in zip(keys, *cells, strict=True):
        part = parts.setdefault(key, {column: [] for column in columns})
        for column, value in zip(columns, row, strict=True):
            part[column].append(value)
    return list(parts.items())
