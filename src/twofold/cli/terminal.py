"""The terminal as an output boundary: no text of users is ever markup, nor obeyed, and no number is cut."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from twofold.printable import printable

WIDE = 10_000
"""Characters: wider than any table."""


class Terminal(Console):
    """A console on which square brackets and colons are themselves, control characters are shown as their codes, and a
    table is as wide as its numbers want: a narrow terminal wraps its lines, which reads badly, but cuts none."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of anything printed, with control characters replaced by their codes."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)

    def print(self, *objects: object, **settings: Any) -> None:
        """Print as rich does, on a line widened where a table would be cut."""
        tables = [item for item in objects if isinstance(item, Table)]
        needed = max(map(self._narrowest, tables), default=0)
        if needed <= self.width:
            super().print(*objects, **settings)
            return
        width, self.width = self.width, needed
        try:
            super().print(*objects, **settings)
        finally:
            self.width = width

    def _narrowest(self, table: Table) -> int:
        """The least width in characters at which no column that must not wrap is cut."""
        wide = self.options.update(width=WIDE)
        _, right, _, left = table.padding
        total = 1 + len(table.columns) * (1 + left + right)
        for column in table.columns:
            sizes = [Measurement.get(self, wide, cell) for cell in (column.header, *column.cells)]
            widths = [size.maximum if column.no_wrap else size.minimum for size in sizes]
            total += max((*widths, column.min_width or 0))
        return total
