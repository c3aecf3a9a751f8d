"""`twofold handin`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from twofold.cli.interrupts import interruptible
from twofold.cli.output import JsonOption, QuietOption, examples, print_json, say

EXAMPLE = examples("twofold handin student.toml --init", "twofold handin student.toml")


def handin(
    file: Annotated[
        Path, typer.Argument(metavar="STUDENT.toml", help="Name, number, trainings and texts of each part.")
    ],
    init: Annotated[bool, typer.Option("--init", help="Write that file, to be filled in, and nothing else.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the document and its runs; `handin` beside the file where left out."
        ),
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Print the report by an installed Chromium.")] = True,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Make one document of a whole assignment: train what is missing, write and print the report, pack the ZIP file.

    Stop it when you like: the same command goes on where it was.
    """
    if init:
        from twofold.handin.starting import write_start

        say(f"{write_start(file)}: fill it in, then `twofold handin {quote(str(file))}`")
        return
    from twofold.cli import progress
    from twofold.handin.making import hand_in

    then = f". The same command goes on:\n  {shlex.join(['twofold', *sys.argv[1:]])}"
    with interruptible(then), progress.shown(not (quiet or as_json)) as watcher:
        files = hand_in(file, out=out, pdf=pdf, watcher=watcher)
    if as_json:
        print_json(files.to_json())
    elif not quiet:
        for path in filter(None, (files.report, files.pdf, files.archive)):
            say(str(path))
