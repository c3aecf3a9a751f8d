"""A plain table of the page: a caption, a head, rows of text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PlainTable:
    """Rows of text under a head; the first cell of a row names it."""

    label: str
    """What a screen reader announces the table as."""
    caption: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: frozenset[int] = frozenset()
    """The columns that are set as numbers."""
