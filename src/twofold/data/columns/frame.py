"""A table in memory before it becomes numbers: columns of numbers, words and dates, with missing cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from twofold.arrays import Array

EXACT = 1 << 53
"""The limit up to which float64 tells whole numbers apart."""


class Words(NamedTuple):
    """A column of words: `codes` has the place of each cell's word among `levels`, −1 for a missing cell."""

    codes: Array
    levels: tuple[str, ...]

    def at(self, rows: Array) -> Words:
        """The cells of some rows."""
        return Words(self.codes[rows], self.levels)

    def counts(self) -> Array:
        """How many cells hold each level."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.levels))

    def trimmed(self) -> Words:
        """The same cells without the levels that none of them holds."""
        held = np.flatnonzero(self.counts())
        codes = np.where(self.codes < 0, -1, np.searchsorted(held, self.codes))
        return Words(codes, tuple(self.levels[at] for at in held))


Cells: TypeAlias = Array | Words
"""A column: float64 with NaN, int64 or uint64, datetime64 with NaT, or words."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Columns by name, all of one length, and where each row stands in its file."""

    columns: Mapping[str, Cells]
    rows: int
    place: Callable[[int], str]
    """From a row's number to its place in a message: `table.csv:12`."""
    source: str
    """The name of the table: its file, or `data`."""
    notes: tuple[str, ...] = ()
    """Sentences on what its owner may not expect: how the file was read."""
    repeated: frozenset[str] = frozenset()
    """Names that stand in the header more than once."""

    def __repr__(self) -> str:
        return f"<Frame {self.source}: {self.rows:,} rows, {len(self.columns)} columns>"

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in their order."""
        return tuple(self.columns)

    def at(self, rows: Array) -> Frame:
        """Some of the rows, in that order."""
        place = self.place
        chosen = {name: part(cells, rows) for name, cells in self.columns.items()}
        return replace(self, columns=chosen, rows=len(rows), place=lambda row: place(int(rows[row])))

    def only(self, rows: Array) -> Frame:
        """Some of the rows, as if there were no others: words that only the others hold are gone too."""
        chosen = self.at(rows)
        trimmed = {
            name: cells.trimmed() if isinstance(cells, Words) else cells for name, cells in chosen.columns.items()
        }
        return replace(chosen, columns=trimmed)


def part(cells: Cells, rows: Array) -> Cells:
    """Some of the cells of a column."""
    return cells.at(rows) if isinstance(cells, Words) else cells[rows]


def missing(cells: Cells) -> Array:
    """Which cells are missing, (rows,)."""
    if isinstance(cells, Words):
        return cells.codes < 0
    if cells.dtype.kind == "f":
        return np.isnan(cells)
    return np.isnat(cells) if cells.dtype.kind == "M" else np.zeros(len(cells), bool)


def number_text(value: float | int) -> str:
    """A number as the name of a level: `1` for 1.0, else with as many digits as tell it from others."""
    return str(int(value)) if abs(value) < EXACT and value == int(value) else repr(float(value))


def words_of(cells: Cells) -> Words:
    """Any column as words; numbers by their value, so that 1 and 1.0 are one level."""
    if isinstance(cells, Words):
        return cells
    absent = missing(cells)
    values, codes = np.unique(cells[~absent], return_inverse=True)
    if cells.dtype.kind == "M":
        levels = tuple(str(value) for value in values.astype("datetime64[s]"))
    elif cells.dtype.kind in "iu":
        levels = tuple(str(int(value)) for value in values)
    else:
        levels = tuple(number_text(float(value)) for value in values)
    placed = np.full(len(cells), -1, np.int64)
    placed[~absent] = codes
    return Words(placed, levels)


def shown(cells: Cells, row: int) -> str:
    """A cell as a message repeats it; empty where nothing stands there."""
    if isinstance(cells, Words):
        return cells.levels[cells.codes[row]] if cells.codes[row] >= 0 else ""
    return "" if missing(cells[row : row + 1])[0] else str(cells[row])


def with_clean_levels(codes: Array, levels: list[str], literal: bool = False) -> Words:
    """Words with their levels stripped and sorted; levels that stand for no value become missing cells.

    If the words are `literal`, none but the empty one stands for no value.
    """
    from twofold.data.names import MISSING

    stripped = [level.strip() for level in levels]
    absent = {""} if literal else MISSING
    meaningful = sorted({level for level in stripped if level.lower() not in absent})
    at = {level: place for place, level in enumerate(meaningful)}
    new = np.array([at.get(level, -1) for level in stripped] or [-1], np.int64)
    return Words(np.where(codes < 0, -1, new[codes]), tuple(meaningful))
