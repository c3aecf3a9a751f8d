"""The feature columns of a CSV file as numbers, and the message about cells that are no numbers."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.data.csv_file import listed
from twofold.data.names import COMMA, GROUPED, NO_NUMBERS, PLAIN
from twofold.errors import DataError
from twofold.recipe.data import Csv

MOST_FAULTS = 10
"""Faults that a message lists one by one; where there are more, it tells them by column."""
MOST_CELL = 60
"""Characters of a cell that a message repeats."""


@dataclass
class _Column:
    """The faulty cells of one column: the first few, and how many of which kind."""

    name: str
    first: list[tuple[int, str]] = field(default_factory=list)
    """Lines and texts."""
    empty: int = 0
    words: int = 0

    def add(self, line: int, text: str) -> None:
        if len(self.first) < MOST_FAULTS:
            self.first.append((line, text))
        if text:
            self.words += 1
        else:
            self.empty += 1


@final
class Cells:
    """Collects the numbers of the feature columns row by row, and the cells that are no numbers."""

    def __init__(self, spec: Csv, features: tuple[str, ...]) -> None:
        self.spec, self.features = spec, features
        self.rows = 0
        self._values = array("d")
        self._columns: dict[str, _Column] = {}
        self._unlabelled = _Column(spec.labels[0])

    def add(self, line: int, cells: Sequence[str]) -> None:
        """Add the features of a row, in their order."""
        self.rows += 1
        try:
            values = list(map(float, cells))
        except ValueError:
            values = self._with_faults(line, cells)
        else:
            text = "".join(cells)
            # float() takes more than a table may write: 1_000, digits of other scripts, nan, 1e999
            if not text.isascii() or "_" in text or not math.isfinite(sum(values)):
                values = self._with_faults(line, cells)
        self._values.extend(values)

    def without_label(self, line: int, text: str) -> None:
        """Note a row that names no class."""
        self._unlabelled.add(line, text)

    def _with_faults(self, line: int, cells: Sequence[str]) -> list[float]:
        values = []
        for name, text in zip(self.features, cells, strict=True):
            value = float(text) if PLAIN.fullmatch(text) else math.nan
            if not math.isfinite(value):
                self._columns.setdefault(name, _Column(name)).add(line, text)
            values.append(value)
        return values

    def numbers(self) -> Array:
        """All features, (rows, features). Raises `DataError` for cells that are no numbers, or rows without class."""
        if self._columns or self._unlabelled.first:
            raise DataError("\n".join(self._faults()))
        return np.frombuffer(self._values, np.float64).reshape(self.rows, len(self.features))

    def _faults(self) -> list[str]:
        columns = list(self._columns.values())
        count = sum(column.words + column.empty for column in (*columns, self._unlabelled))
        if count <= MOST_FAULTS or len(columns) + bool(self._unlabelled.first) == 1:
            faults = [
                (line, f"{self.spec.path}:{line}: column `{column.name}` {number_rule(text)}")
                for column in columns
                for line, text in column.first
            ]
            faults += [
                (line, f"{self.spec.path}:{line}: column `{self.spec.labels[0]}` {_label_rule(text)}")
                for line, text in self._unlabelled.first
            ]
            more = [f"and {count - MOST_FAULTS} more"] if count > MOST_FAULTS else []
            return [text for _, text in sorted(faults, key=lambda fault: fault[0])] + more + self._remedy()
        lines = [self._summary(column) for column in columns[:MOST_FAULTS]]
        if len(columns) > MOST_FAULTS:
            lines.append(f"and {len(columns) - MOST_FAULTS} more columns")
        if self._unlabelled.first:
            line, text = self._unlabelled.first[0]
            missing = self._unlabelled.empty + self._unlabelled.words
            what = f' ("{text[:MOST_CELL]}")' if text else ""
            lines.append(
                f"{self.spec.path}:{line}: column `{self.spec.labels[0]}`: {missing:,} of {self.rows:,} rows have no "
                f"class{what}, the first in line {line}; give every sample a class, or remove the row"
            )
        return lines + self._remedy()

    def _summary(self, column: _Column) -> str:
        line, _ = column.first[0]
        parts = []
        if column.words:
            where, text = next((line, text) for line, text in [*column.first, (0, "")] if text or not line)
            example = f', the first "{text[:MOST_CELL]}" in line {where}' if where else ""
            parts.append(f"{column.words:,} of {self.rows:,} cells are no numbers{example}{_advice(text)}")
        if column.empty:
            where = next((line for line, text in column.first if not text), 0)
            place = f", the first in line {where}" if where else ""
            parts.append(f"{column.empty:,} of {self.rows:,} cells are empty{place}; fill them in or remove the rows")
        return f"{self.spec.path}:{line}: column `{column.name}`: {'; '.join(parts)}"

    def _remedy(self) -> list[str]:
        """What to do about columns with words or with many faults: name the features, or write words as 0 and 1."""
        bad = {
            column.name
            for column in self._columns.values()
            if len(column.first) > 1 or (column.words + column.empty) * 2 >= self.rows
        }
        if not bad or self.spec.features:
            return []
        beside = (*self.spec.labels, self.spec.weight)
        rest = [name for name in self.features if name not in self._columns and name not in beside]
        if not rest:
            return [
                "No column holds numbers alone: write words as columns of 0 and 1, as pandas.get_dummies(frame, "
                "dtype=int) does."
            ]
        column = "Where this column is no feature" if len(self._columns) == 1 else "Where these columns are no features"
        return [
            f"{column}, name the features in the recipe, under [data]:\n  features = {listed(rest)}",
            "Words that are a feature become columns of 0 and 1 by pandas.get_dummies(frame, dtype=int).",
        ][: 2 if any(column.words for column in self._columns.values()) else 1]


def _label_rule(text: str) -> str:
    if text:
        return f'is missing ("{text}"); give every sample a class, or remove the row'
    return "is empty; give every sample a class"


def number_rule(text: str) -> str:
    """The rule that a cell breaks if it is no finite number."""
    if not text:
        return "is empty; fill the value in or remove the row"
    if text.lower().lstrip("+-") in NO_NUMBERS:
        return f"must be finite; got {text}"
    if PLAIN.fullmatch(text):
        return f"must be finite; got {text[:MOST_CELL]}, which is beyond float64"
    return f'must be a number; got "{text[:MOST_CELL]}"{_advice(text)}'


def _advice(text: str) -> str:
    """What to do with the comma of a number: `16,800` may be either."""
    if GROUPED.fullmatch(text):
        plain = text.replace(",", "")
        if text.count(",") > 1 or "." in text:
            return f"; leave the commas out: {plain}"
        return f"; leave the comma out where it groups thousands, {plain}, or write a point where it is a decimal comma"
    if COMMA.fullmatch(text):
        return f"; write a decimal point for the comma: {text.replace(',', '.')}"
    if text.endswith("%"):
        return "; write it without the sign"
    return ""
