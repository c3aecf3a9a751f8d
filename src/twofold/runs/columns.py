"""A CSV file of a run as columns of arrays, read without pandas, whose import would delay a report."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twofold.arrays import Array


@dataclass(frozen=True)
class Columns:
    """Columns of one length by name: texts as they stand, numbers as float64, NaN where a cell is empty."""

    by_name: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.by_name[name]

    def __len__(self) -> int:
        return len(next(iter(self.by_name.values()), ()))

    def where(self, rows: Array) -> Columns:
        """The rows for which the mask is true."""
        return Columns({name: column[rows] for name, column in self.by_name.items()})

    def last(self) -> dict[str, float]:
        """The numbers of the last row, by column."""
        return {name: float(column[-1]) for name, column in self.by_name.items() if column.dtype.kind == "f"}


def read_columns(path: Path, texts: Collection[str]) -> Columns:
    """The columns of a CSV file with a heading; those named in `texts` are kept as text."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return Columns(
        {
            name: np.array(cells) if name in texts else _numbers(cells)
            for name, cells in zip(names, columns, strict=True)
        }
    )


def _numbers(cells: Collection[str]) -> Array:
    return np.array([float(cell) if cell else np.nan for cell in cells], np.float64)
