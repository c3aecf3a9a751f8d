"""`twofold columns`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import JsonOption, examples, print_json
from twofold.printable import one_line

if TYPE_CHECKING:
    from twofold.data.columns.looking import ColumnFacts, TableFacts

EXAMPLE = examples("twofold columns table.csv --label species", "twofold columns table.csv --json")


def columns(
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A CSV, Parquet or Arrow file, packed or not.")],
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column to answer: leaks and repeated rows are then looked for."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="How the file is read, as `data.header=false`."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say of each column of a table what it is taken for, what it holds, and the lines of a recipe; warn of traps."""
    from twofold.cli import progress
    from twofold.cli.interrupts import interruptible
    from twofold.data.columns.looking import look
    from twofold.setup.defaults import table_spec
    from twofold.setup.events import telling

    spec = table_spec(table, label, settings or ())
    with interruptible(), progress.shown(not as_json) as watcher:
        facts = look(spec, label, telling(watcher))
    if as_json:
        print_json(facts.to_json())
    else:
        _print(facts)


MOST_SHOWN = 200
"""Columns that are printed; nobody reads more, and `--json` has all of them."""
MOST_WARNINGS = 50
"""Warnings about single columns that are printed."""


def _print(facts: TableFacts) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from twofold.cli.views import console

    shown, more = _shown(facts)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("column", "kind", "missing", "distinct", "range", "examples"):
        table.add_column(heading, justify="right" if heading in ("missing", "distinct") else "left", overflow="fold")
    for column in shown:
        kind = f"label: {column.kind}" if column.role == "label" else _kind(column)
        cells = [column.name, kind, f"{column.missing or '–'}", f"{column.distinct:,}", column.range]
        table.add_row(*(Text(one_line(cell)) for cell in (*cells, ", ".join(column.examples))))
    console.print(f"{facts.rows:,} rows, {len(facts.columns):,} columns")
    console.print(table)
    if more:
        console.print(Text(f"{more}; `--json` prints all of them\n"))
    console.print(Text("lines of a recipe, under [data]:"))
    for column in shown:
        console.print(Text(f"  {one_line(column.recipe)}"))
    if facts.layer:
        console.print(Text("the first of its layers, for the columns of many levels:"))
        console.print(Text(f"  {one_line(facts.layer)}"), soft_wrap=True)
    _print_warnings(facts)


def _shown(facts: TableFacts) -> tuple[list[ColumnFacts], str]:
    """The columns to print, the label always among them, and a line that counts the others by kind."""
    first = facts.columns[:MOST_SHOWN]
    shown = [*first, *(column for column in facts.columns[MOST_SHOWN:] if column.role == "label")]
    kinds = Counter(map(_kind, facts.columns))
    kinds.subtract(map(_kind, shown))
    parts = [f"{count:,} {kind}" for kind, count in kinds.most_common() if count]
    left = len(facts.columns) - len(shown)
    return shown, f"and {left:,} columns more: {', '.join(parts)}" if left else ""


def _kind(column: ColumnFacts) -> str:
    """What a column is taken for, as it is printed."""
    return column.role if column.role == "left out" else column.kind


def _print_warnings(facts: TableFacts) -> None:
    from twofold.cli.views import print_note

    warnings = [f"column `{column.name}` {warning}" for column in facts.columns for warning in column.warnings]
    for warning in warnings[:MOST_WARNINGS]:
        print_note(warning)
    if len(warnings) > MOST_WARNINGS:
        print_note(f"{len(warnings) - MOST_WARNINGS:,} warnings more of single columns; `--json` prints all of them")
    for warning in (*facts.notes, *facts.warnings):
        print_note(warning)
