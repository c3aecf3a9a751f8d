"""What every command shares: the options `--json` and `--quiet`, JSON on standard output, and error messages."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from twofold.engines import ENGINES
from twofold.plain import without_nan
from twofold.printable import printable

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, and nothing else.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")]


class EngineChoice(StrEnum):
    """What `--engine` takes where one engine is meant."""

    vars().update({engine: engine for engine in ENGINES})


class EnginesChoice(StrEnum):
    """What `--engine` takes where two may be."""

    vars().update({engine: engine for engine in (*ENGINES, "both")})


MOST_MESSAGE = 60_000
"""Characters of a complaint, at most: with what surrounds it less than 64 KB."""


def examples(*commands: str) -> str:
    """The end of a help in Markdown: each command is a paragraph of its own, to be pasted."""
    return "\n\n".join(["Examples:", *(f"`{command}`" for command in commands)])


def print_json(value: object) -> None:
    """Print a value as one line of JSON on standard output. NaN and infinity become `null`."""
    typer.echo(json.dumps(without_nan(value), allow_nan=False))


def complain(message: str) -> None:
    """Print an error message on standard error, cut to MOST_MESSAGE characters."""
    text = printable(message)
    if len(text) > MOST_MESSAGE:
        text = f"{text[:MOST_MESSAGE]}\n... and {len(text) - MOST_MESSAGE:,} more characters"
    typer.echo(typer.style("error: ", fg="red", bold=True) + text, err=True)


def say(text: str) -> None:
    """Print a text on standard output, control characters as their codes."""
    typer.echo(printable(text))
