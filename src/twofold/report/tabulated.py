"""The tables of a page as rows of text, for CSV files and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import final


@dataclass
class PageTable:
    """A table: its caption and its rows, the head among them; a cell over several columns stands in the first."""

    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)
    head: int = 0
    """How many rows are its head."""

    def csv_text(self) -> str:
        """The rows as CSV."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self._square())
        return text.getvalue()

    def latex_text(self, latex: Callable[[str], str]) -> str:
        """The table as LaTeX, with booktabs; `latex` writes a cell."""
        rows = self._square()
        lines = [" & ".join(map(latex, row)) + r" \\" for row in rows]
        columns = "l" * (len(rows[0]) if rows else 1)
        body = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", *lines[: self.head], r"\midrule", *lines[self.head :]]
        return "\n".join([*body, r"\bottomrule", r"\end{tabular}", ""])

    def _square(self) -> list[list[str]]:
        width = max(map(len, self.rows), default=0)
        return [row + [""] * (width - len(row)) for row in self.rows]


def page_tables(html: str) -> list[PageTable]:
    """Every table of a page that has a caption, in order."""
    reader = _Reader()
    reader.feed(html)
    return [table for table in reader.tables if table.caption]


@final
class _Reader(HTMLParser):
    """Collects tables; one inside a cell is part of the cell's text, and drawings are left out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables = list[PageTable]()
        self._depth = 0
        self._drawing = 0
        self._over: list[int] = []
        """For each column, how many more rows a cell of a row above reaches down."""
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self._drawing += tag == "svg"
        self._depth += tag == "table"
        if tag == "table" and self._depth == 1:
            self.tables.append(PageTable())
            self._over = []
        if self._depth != 1:
            self._space()
        elif tag == "caption":
            self._text = []
        elif tag == "tr":
            self.tables[-1].rows.append([])
            self._fill()
        elif tag in {"td", "th"}:
            self._cell = {name: int(value or 1) for name, value in attrs if name in {"colspan", "rowspan"}}
            self._text = []
        else:
            self._space()

    def handle_endtag(self, tag: str) -> None:
        self._drawing -= tag == "svg"
        self._depth -= tag == "table"
        if self._depth != 1:
            return
        if tag == "caption":
            self.tables[-1].caption = self._words()
        elif tag in {"td", "th"}:
            self._end_cell()
        elif tag == "thead":
            self.tables[-1].head = len(self.tables[-1].rows)

    def handle_data(self, data: str) -> None:
        if self._text is not None and not self._drawing:
            self._text.append(data)

    def _space(self) -> None:
        if self._text is not None:
            self._text.append(" ")

    def _words(self) -> str:
        text = " ".join("".join(self._text or []).split())
        self._text = None
        return text

    def _end_cell(self) -> None:
        row, span = self.tables[-1].rows[-1], self._cell.get("colspan", 1)
        rows_left = self._cell.get("rowspan", 1) - 1
        start = len(row)
        row += [self._words(), *[""] * (span - 1)]
        self._over += [0] * (len(row) - len(self._over))
        for column in range(start, len(row)):
            self._over[column] = rows_left
        self._fill()

    def _fill(self) -> None:
        """Add empty cells where a cell of a row above reaches down."""
        row = self.tables[-1].rows[-1]
        while len(row) < len(self._over) and self._over[len(row)] > 0:
            self._over[len(row)] -= 1
            row.append("")
