"""Means over seeds with their intervals, of a study's table. Pure: a table in, tables and numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95
VANISHED = 1e-45
"""What stands for 0 among logarithms: the smallest number of float32."""


LARGEST = math.log(1e45)
"""Of logarithms that are drawn."""


class Interval(NamedTuple):
    """A mean, and where 95 % of such intervals hold the true one; of one value there is no interval: NaN."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """A metric along one axis, of the points with one value of another."""

    value: Any
    """Of the other axis; `None` where there is none."""
    x: tuple[Any, ...]
    """The axis' values with at least one finished point."""
    intervals: tuple[Interval, ...]
    dots: tuple[tuple[float, ...], ...]
    """One of each seed, at each x."""


def interval(values: Sequence[float]) -> Interval:
    """Student's interval of the mean, x̄ ± t s / √n with n − 1 degrees of freedom."""
    from scipy.stats import t

    n = len(values)
    mean = math.fsum(values) / n if n else math.nan
    if n < 2:
        return Interval(mean, math.nan, math.nan)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * deviation / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def summary(table: pd.DataFrame, fields: Sequence[str], metric: str) -> pd.DataFrame:
    """One row a combination of the fields, in the table's order: over its seeds the metric's mean and interval.

    `seeds` counts the points that have the metric, `failed` those that have failed.
    """
    import pandas as pd

    rows = []
    for values, part in _combinations(table, fields):
        scores: Any = part[metric].dropna()
        failed: Any = part["status"] == "failed"
        rows.append(
            {
                **dict(zip(fields, values, strict=True)),
                "seeds": len(scores),
                "failed": int(failed.sum()),
                **interval(scores.tolist())._asdict(),
                "lowest": scores.min(),
                "highest": scores.max(),
                "seconds": part["seconds"].mean(),
            }
        )
    columns = [*fields, "seeds", "failed", *Interval._fields, "lowest", "highest", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def series_along(
    table: pd.DataFrame, field: str | None, by: str | None, metric: str, geometric: bool = False
) -> list[Series]:
    """The metric along the field `field`, a series for each value of the field `by`.

    What differs in other fields is averaged for each seed first; the interval is that of the mean over seeds. With
    `geometric` all of it is done with logarithms, as becomes what spans decades.
    """
    found = []
    if geometric:
        values: Any = table[metric]
        table = table.assign(**{metric: values.clip(lower=VANISHED).map(math.log)})
    for (value,), part in _combinations(table, [by]) if by else [((None,), table)]:
        places: dict[Any, list[float]] = {}
        for (x,), rows in _combinations(part, [field]) if field else [((None,), part)]:
            scores: Any = rows.dropna(subset=[metric]).groupby("seed", sort=False)[metric].mean()
            if len(scores):
                places[x] = scores.tolist()
        intervals = tuple(interval(scores) for scores in places.values())
        found.append(Series(value, tuple(places), intervals, tuple(map(tuple, places.values()))))
    return [_raised(series) if geometric else series for series in found if series.x]


def _raised(series: Series) -> Series:
    """From logarithms back to numbers."""
    intervals = tuple(Interval(*map(_exp, found)) for found in series.intervals)
    return Series(series.value, series.x, intervals, tuple(tuple(map(_exp, dots)) for dots in series.dots))


def _exp(value: float) -> float:
    """The interval of two seeds may end far beyond any number."""
    return math.exp(min(value, LARGEST))


def _combinations(table: pd.DataFrame, fields: Sequence[str]) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    if not len(table):
        return []
    if not fields:
        return [((), table)]
    groups: Any = table.groupby(list(fields), sort=False, dropna=False)
    return [(tuple(value.item() if hasattr(value, "item") else value for value in key), part) for key, part in groups]
