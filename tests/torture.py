"""Which rows of a table the suite runs, where all of them would take long."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import pytest


def short_form(rows: Iterable[str], kept: Collection[str]) -> list[object]:
    """The rows as parameters: those kept are run by `make test`, the others by `make torture`."""
    return [row if row in kept else pytest.param(row, marks=pytest.mark.torture) for row in rows]
