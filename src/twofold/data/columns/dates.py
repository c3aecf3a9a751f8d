"""A column of dates after fitting: its parts as numbers, cyclic ones as sine and cosine."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from twofold.arrays import Array
from twofold.data.columns.column import FittedColumn, Numbers, refused
from twofold.data.columns.faults import Refused, in_recipe
from twofold.data.columns.frame import Cells
from twofold.data.columns.values import moments
from twofold.recipe.columns import DatePart

TURN = {"month": 12, "day": 31, "weekday": 7, "hour": 24, "minute": 60}
"""The period of each cyclic part of a date."""


class FittedDate(FittedColumn):
    """The parts of a date as numbers: cyclic ones as sine and cosine, others as (part − mean) / standard deviation."""

    kind: Literal["date"] = "date"
    format: str | None
    parts: Annotated[tuple[DatePart, ...], Field(strict=False)]
    cyclic: bool
    fill: int
    """The date that takes the place of a missing one, in seconds since 1970."""
    shifts: Numbers
    divisors: Numbers
    refuses_missing: bool

    def outputs(self) -> tuple[str, ...]:
        return tuple(f"{self.name} {name}" for part in self.parts for name in self._names(part))

    def _names(self, part: str) -> tuple[str, ...]:
        return (f"{part} sin", f"{part} cos") if self.cyclic and part in TURN else (part,)

    def encode(self, cells: Cells, out: Array) -> list[Refused]:
        dates, wrong = moments(cells, self.format)
        how = f" as {self.format}" if self.format else ""
        rule = f"holds no date{how}: {{cell}}"
        faults = refused(self.name, wrong, rule, in_recipe(self.name, "date", format="%d.%m.%Y"))
        if self.refuses_missing:
            rows = np.setdiff1d(np.flatnonzero(np.isnat(dates)), wrong)
            faults += refused(self.name, rows, "is empty", in_recipe(self.name, "date", missing="median"))
        dates = np.where(np.isnat(dates), np.datetime64(self.fill, "s"), dates)
        at = 0
        for part, shift, divisor in zip(self.parts, self.shifts, self.divisors, strict=True):
            values = part_of(dates, part)
            if self.cyclic and part in TURN:
                angles = 2 * np.pi * np.arange(TURN[part]) / TURN[part]  # a table: the same bytes in every row
                out[:, at], out[:, at + 1] = np.sin(angles)[values.astype(int)], np.cos(angles)[values.astype(int)]
                at += 2
            else:
                out[:, at] = (values - shift) / divisor
                at += 1
        return faults


def part_of(dates: Array, part: str) -> Array:
    """One part of dates of whole seconds, as float64: days since 1970, the year, or a cyclic part counted from 0."""
    seconds = dates.astype("datetime64[s]").astype(np.int64)
    days = np.floor_divide(seconds, 86400)
    match part:
        case "days":
            return seconds / 86400.0
        case "year":
            return dates.astype("datetime64[Y]").astype(np.int64) + 1970.0
        case "month":
            return (dates.astype("datetime64[M]").astype(np.int64) % 12).astype(np.float64)
        case "day":
            return (dates.astype("datetime64[D]") - dates.astype("datetime64[M]")).astype(np.int64).astype(np.float64)
        case "weekday":
            return ((days + 3) % 7).astype(np.float64)  # 1970 began on a Thursday; 0 is Monday
        case "hour":
            return ((seconds - days * 86400) // 3600).astype(np.float64)
    return ((seconds - days * 86400) // 60 % 60).astype(np.float64)
