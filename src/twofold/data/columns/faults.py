"""The message about cells that a column cannot take: cell by cell if they are few, else column by column."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from twofold.arrays import Array
from twofold.data.cells import MOST_CELL, MOST_FAULTS
from twofold.data.columns.frame import Cells, Frame, shown
from twofold.errors import DataError
from twofold.recipe.columns import ColumnSpec


class Refused(NamedTuple):
    """Cells of one column that break a rule."""

    column: str
    rows: Array
    rule: str
    """What is wrong: the end of a sentence that begins with the column's name; `{cell}` is the text of the cell."""
    remedy: str
    """What to write, in the recipe or in the file."""


def quoted(text: str) -> str:
    """A cell in quotes, cut where it is long."""
    return f'"{text[:MOST_CELL]}{"..." if len(text) > MOST_CELL else ""}"'


def in_recipe(name: str, kind: str, **options: object) -> str:
    """The line of a recipe that says what a column is: `columns."my age" = { kind = "number", missing = "mean" }`."""
    key = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
    if not options:
        return f'columns.{key} = "{kind}"'
    texts = {option: json.dumps(value, ensure_ascii=False) for option, value in {"kind": kind, **options}.items()}
    return f"columns.{key} = {{ {', '.join(f'{option} = {text}' for option, text in texts.items())} }}"


def either(lines: Sequence[str]) -> str:
    """A sentence: write one of these lines in the recipe, or the first on the command line."""
    first = lines[0].replace("'", "'\\''")
    return f"In the recipe, under [data]: {' or '.join(lines)}\n  On the command line: --set 'data.{first}'"


def stated_in_recipe(name: str, specs: Sequence[ColumnSpec]) -> list[str]:
    """One line of a recipe for each kind that a column may be."""
    return [
        in_recipe(name, **{"kind": type(spec).model_fields["kind"].default, **spec.model_dump(exclude_defaults=True)})
        for spec in specs
    ]


def refuse(frame: Frame, faults: Sequence[Refused]) -> None:
    """Raises `DataError` where there are faults."""
    if not faults:
        return
    count = sum(len(fault.rows) for fault in faults)
    if count <= MOST_FAULTS or len(faults) == 1:
        cells = [(int(row), fault) for fault in faults for row in fault.rows[:MOST_FAULTS]]
        cells.sort(key=lambda cell: cell[0])
        lines = [
            f"{frame.place(row)}: column `{fault.column}` {_filled_rule(frame, fault, row)}" for row, fault in cells
        ]
        lines = lines[:MOST_FAULTS] + ([f"and {count - MOST_FAULTS:,} more"] if count > MOST_FAULTS else [])
    else:
        lines = [_summary(frame, fault) for fault in faults[:MOST_FAULTS]]
        lines += [f"and {len(faults) - MOST_FAULTS} more columns"] if len(faults) > MOST_FAULTS else []
    remedies = list(dict.fromkeys(fault.remedy for fault in faults if fault.remedy))[:MOST_FAULTS]
    raise DataError("\n".join([*lines, *(f"  {remedy}" for remedy in remedies)]))


def _filled_rule(frame: Frame, fault: Refused, row: int) -> str:
    """The rule with the text of the cell in this row."""
    cells: Cells | None = frame.columns.get(fault.column)
    return fault.rule.replace("{cell}", quoted(shown(cells, row)) if cells is not None else "")


def _summary(frame: Frame, fault: Refused) -> str:
    first = int(fault.rows[0])
    rule = _filled_rule(frame, fault, first)
    return f"{frame.place(first)}: column `{fault.column}` {rule} ({len(fault.rows):,} of {frame.rows:,} rows)"
