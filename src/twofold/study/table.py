"""`results.csv`: one row for each point, appended while a study runs and put into the grid's order when it ends."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, final

from twofold.runs import SCORES, write_whole
from twofold.study.folder import RESULTS
from twofold.study.kept import Kept, point_files, read_point
from twofold.study.spec import Axis

CARRIED = ("carried_before", "carried_after")
"""Columns that a study of recurrent networks has."""
NOTHING_CARRIED = ","
"""The empty cells of these columns, for a point that has no such numbers."""
LAST = ("seconds", "steps", "failure", "id")
"""The columns after the scores."""


@final
class Table:
    """The rows of the points that there are, as text: a hundred thousand of them take some 40 MB."""

    def __init__(
        self,
        folder: Path,
        fields: Sequence[str],
        cells: Callable[[Kept], list[object]],
        order: Mapping[str, int],
        scores: Sequence[str] = SCORES,
    ) -> None:
        """`fields` are the first columns, `cells` gives their values for a point; `scores` are the columns after these.

        `order` has the place of every point's row by the point's name, and may grow.
        """
        self._folder = folder
        self._path = folder / RESULTS
        self._fields = fields
        self._cells = cells
        self._order = order
        self._scores = scores
        self._rows: dict[int, tuple[str, str, str]] = {}
        self._carries = False
        self._file: TextIO | None = None

    def add(self, points: Iterable[Kept]) -> None:
        """A row for each point; appended to the file while it is followed."""
        for point in points:
            row = self._row(point)
            self._rows[self._order[point.id]] = row
            self._carries |= row[1] != NOTHING_CARRIED
            if self._file:
                self._file.write(_joined(row, True))
        if self._file:
            self._file.flush()

    def __len__(self) -> int:
        return len(self._rows)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Rows are appended as they come while the context lasts; then the whole table stands in the grid's order."""
        self._follow()
        try:
            yield
        finally:
            self._finish()

    def _follow(self) -> None:
        write_whole(self._path, self._text(True).encode())
        self._file = self._path.open("a", encoding="utf-8", newline="")

    def _finish(self) -> None:
        """The whole table in one move. A stop may have come between a point's file and its row."""
        lacking = {name for name, place in self._order.items() if place not in self._rows}
        files = [path for path in point_files(self._folder) if path.stem in lacking] if lacking else []
        self.add(point for path in files if (point := read_point(path)))
        if self._file:
            self._file.close()
            self._file = None
        write_whole(self._path, self._text(self._carries).encode())

    def _text(self, carries: bool) -> str:
        head = (_line([*self._fields, "seed", "status", *self._scores]), _line(CARRIED), _line(LAST))
        rows = [head, *(self._rows[place] for place in sorted(self._rows))]
        return "".join(_joined(row, carries) for row in rows)

    def _row(self, point: Kept) -> tuple[str, str, str]:
        flow = point.flow or {}
        return (
            _line([*self._cells(point), point.seed, point.status, *(point.scores.get(name) for name in self._scores)]),
            _line([flow.get(name) for name in CARRIED]) if flow else NOTHING_CARRIED,
            _line([point.seconds, point.steps, point.failure, point.id]),
        )


def cell(value: object) -> object:
    """The value as a cell of a table: a number or a text as it is, a list or a table as JSON."""
    return json.dumps(value) if isinstance(value, list | tuple | Mapping) else value


def grid_cells(axes: Sequence[Axis]) -> Callable[[Kept], list[object]]:
    """A function that gives the values of a point of a grid as cells; of an axis with a fraction all are fractions."""
    forms = [
        float if axis.numeric and any(isinstance(value, float) for value in axis.values) else cell for axis in axes
    ]
    return lambda point: [form(value) for form, value in zip(forms, point.values, strict=True)]


def _line(cells: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _joined(row: tuple[str, str, str], carries: bool) -> str:
    start, middle, end = row
    return f"{start},{middle},{end}\n" if carries else f"{start},{end}\n"
