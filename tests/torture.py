"""Which rows of a table the suite runs, where all of them would take long."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def short_form(rows: Iterable[Any], kept: Collection[Any]) -> list[Any]:
    """The rows as parameters: those kept are run by `make test`, the others by `make torture`."""
    return [row if row in kept else pytest.param(*_values(row), marks=pytest.mark.torture) for row in rows]


def _values(row: object) -> tuple[object, ...]:
    return row if isinstance(row, tuple) else (row,)
