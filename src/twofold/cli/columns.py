"""`twofold columns`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.output import JsonOption, examples, print_json
from twofold.printable import one_line

if TYPE_CHECKING:
    from twofold.data.columns.looking import TableFacts

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


def _print(facts: TableFacts) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from twofold.cli.views import console, print_note

    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("column", "kind", "missing", "distinct", "range", "examples"):
        table.add_column(heading, justify="right" if heading in ("missing", "distinct") else "left", overflow="fold")
    for column in facts.columns:
        kind = {"label": f"label: {column.kind}", "left out": "left out"}.get(column.role, column.kind)
        cells = [column.name, kind, f"{column.missing or '–'}", f"{column.distinct:,}", column.range]
        table.add_row(*(Text(one_line(cell)) for cell in (*cells, ", ".join(column.examples))))
    console.print(f"{facts.rows:,} rows, {len(facts.columns):,} columns")
    console.print(table)
    console.print(Text("lines of a recipe, under [data]:"))
    for column in facts.columns:
        console.print(Text(f"  {one_line(column.recipe)}"))
    if facts.layer:
        console.print(Text("the first of its layers, for the columns of many levels:"))
        console.print(Text(f"  {one_line(facts.layer)}"), soft_wrap=True)
    for column in facts.columns:
        for warning in column.warnings:
            print_note(f"column `{column.name}` {warning}")
    for warning in (*facts.notes, *facts.warnings):
        print_note(warning)
