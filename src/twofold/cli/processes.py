"""`--processes`: a command that trains, in several processes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from twofold.recipe import Recipe

NAME = "--processes"

ProcessesOption = Annotated[
    int | None,
    typer.Option(
        NAME,
        min=1,
        metavar="N",
        help="Share each batch out among N processes of this machine: for a recipe with training.shards. The bytes are "
        "those of one process.",
        show_default=False,
    ),
]


def join_or_start(count: int | None, recipe: Callable[[], Recipe]) -> None:
    """Start the processes of `--processes N`, or compute for the leading one where this is a follower; then exit.

    Returns only where this process is to run the command itself: the only one, or the leading one.
    """
    from twofold.errors import GroupError
    from twofold.train import shards

    if shards.follows():
        try:
            shards.follow()
        except GroupError:  # the leading process says so, or nobody is left to
            raise typer.Exit(1) from None
        raise typer.Exit
    if count is None or count == 1 or shards.processes() > 1:
        return
    shards.check_processes(recipe(), count)
    from twofold.train.shards.launching import launch

    raise typer.Exit(launch(count, without_option(sys.argv[1:])))


def without_option(words: Sequence[str]) -> list[str]:
    """The words of the command line without `--processes N`."""
    others, skipped = list[str](), False
    for word in words:
        if skipped:
            skipped = False
        elif word == NAME:
            skipped = True
        elif not word.startswith(f"{NAME}="):
            others.append(word)
    return others
