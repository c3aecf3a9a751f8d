"""What every command shares: its two ways to be told less, JSON, and complaints."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]


def examples(*commands: str) -> str:
    """The end of a help in Markdown: each command is a paragraph of its own, to be pasted."""
    return "\n\n".join(["Examples:", *(f"`{command}`" for command in commands)])


def print_json(value: Any) -> None:
    """One value on standard output."""
    typer.echo(json.dumps(value, allow_nan=False))


def complain(message: str) -> None:
    """What went wrong, on standard error."""
    typer.echo(typer.style("error: ", fg="red", bold=True) + message, err=True)
