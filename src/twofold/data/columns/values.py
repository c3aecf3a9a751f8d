"""Cells as numbers and as dates, and which cells are neither."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.frame import Cells, Words, missing, words_of
from twofold.data.names import PLAIN
from twofold.recipe.columns import Number

FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S.%f",
    "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%y",
    "%d/%m/%y",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %b %Y",
    "%d %B %Y",
    "%b %d %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%Y-%m",
    "%b %Y",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%d %H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S.%f%z",
)
"""The formats of dates that are tried, the plainest first."""


def parsed(text: str, spec: Number) -> float:
    """The number that a text writes in the way that `spec` states for its column; NaN if it writes none."""
    if spec.sign:
        text = text.removeprefix(spec.sign).removesuffix(spec.sign).strip()
    if spec.thousands:
        text = (
            text.replace(spec.thousands, "").replace("\u00a0", "")
            if spec.thousands == " "
            else text.replace(spec.thousands, "")
        )
    if spec.decimal == ",":
        text = text.replace(",", ".")
    if not PLAIN.fullmatch(text):
        return np.nan
    value = float(text)
    return value if np.isfinite(value) else np.nan


def quantities(cells: Cells, spec: Number) -> tuple[Array, Array]:
    """The numbers of a column, (rows,), NaN for all other cells; and the rows of those that are not missing."""
    if not isinstance(cells, Words):
        if cells.dtype.kind == "M":
            return np.full(len(cells), np.nan), np.flatnonzero(~missing(cells))
        values = cells.astype(np.float64)
        infinite = np.isinf(values)
        return np.where(infinite, np.nan, values), np.flatnonzero(infinite)
    absent = set(spec.absent)
    levels = np.array([np.nan if level in absent else parsed(level, spec) for level in cells.levels] or [np.nan])
    wrong = np.array([np.isnan(value) for value in levels])
    wrong &= np.array([level not in absent for level in cells.levels] or [False])
    inside = cells.codes >= 0
    values = np.where(inside, levels[cells.codes], np.nan)
    return values, np.flatnonzero(inside & wrong[cells.codes])


def moments(cells: Cells, form: str | None) -> tuple[Array, Array]:
    """The dates of a column as datetime64[s], NaT for missing cells; and the rows of cells that are neither.

    Times with a zone are those of UTC.
    """
    if not isinstance(cells, Words):
        if cells.dtype.kind == "M":
            return cells.astype("datetime64[s]"), np.array([], np.int64)
        cells = words_of(cells)
    dates = date_levels(cells.levels, form or date_format(cells.levels) or FORMATS[0])
    inside = cells.codes >= 0
    never = np.datetime64("NaT", "s")
    values = np.where(inside, dates[cells.codes], never) if len(dates) else np.full(len(cells.codes), never)
    return values, np.flatnonzero(inside & np.isnat(values))


def date_levels(levels: Sequence[str], form: str) -> Array:
    """Texts as dates, NaT for those that do not parse."""
    import pandas as pd

    dates = pd.to_datetime(pd.Series(list(levels), dtype=object), format=form, errors="coerce", utc="%z" in form)
    if "%z" in form:
        dates = dates.dt.tz_localize(None)
    return dates.to_numpy().astype("datetime64[s]")


def date_format(levels: Sequence[str]) -> str | None:
    """The first format in which all texts are dates; `None` if there is none."""
    forms = date_formats(levels)
    return forms[0] if forms else None


def date_formats(levels: Sequence[str]) -> list[str]:
    """Every format in which all texts are dates."""
    few = list(levels[:: max(1, len(levels) // 50)])
    if not few or not all(any(letter.isdigit() for letter in level) and 6 <= len(level) <= 40 for level in few):
        return []
    likely = [form for form in FORMATS if not np.isnat(date_levels(few, form)).any()]
    return [form for form in likely if not np.isnat(date_levels(levels, form)).any()]
