"""Ctrl-C and SIGTERM end a training in order: what was recorded is kept, and the message says how to go on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from twofold.cli.output import complain
from twofold.errors import GroupError, TwofoldError
from twofold.interrupts import Terminated, deafen, heard

GOES_ON = "; `twofold resume RUN` goes on from the newest checkpoint of its folder"


@contextmanager
def interruptible(then: str = "", *, waits: bool = False) -> Iterator[None]:
    """Let a signal end a training in order, with a message; exit status 130 for Ctrl-C, 143 SIGTERM, 129 SIGHUP.

    `then` ends the message. With `waits`, for a command that waits for other processes, a signal raises at once;
    without, it sets a flag, which the watcher of the training reads between steps.
    """
    with heard("raise" if waits else "flag", then or GOES_ON) as signal_number:
        try:
            yield
        except KeyboardInterrupt as interrupt:
            complain("; ".join(["interrupted", *getattr(interrupt, "__notes__", [])]) + then)
            default = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
            raise typer.Exit(128 + (signal_number() or default)) from None
        except GroupError as error:  # the process that started the group now ends the others, this one too
            deafen()
            complain(str(error))
            raise typer.Exit(error.exit_status) from None
        except TwofoldError:
            raise
        except Exception as error:  # another library may have turned the interrupt into an exception of its own
            if not signal_number():
                raise
            complain(f"interrupted{then or GOES_ON}")
            raise typer.Exit(128 + signal_number()) from error
        if number := signal_number():  # it came at the very end, and nobody read it
            complain(f"interrupted when all was done{then}")
            raise typer.Exit(128 + number)
