"""Ctrl-C and SIGTERM end a training in order: what was recorded is kept, and the message says how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from twofold.cli.output import complain


class Terminated(KeyboardInterrupt):
    """SIGTERM: `kill`, `timeout`, a batch system whose time is over, a machine that is switched off."""


@contextmanager
def interruptible(then: str = "") -> Iterator[None]:
    """Around what trains: exit status 130 after Ctrl-C, 143 after SIGTERM, and a message, which ends with `then`."""
    with _sigterm_heard():
        try:
            yield
        except KeyboardInterrupt as interrupt:
            complain("; ".join(["interrupted", *getattr(interrupt, "__notes__", [])]) + then)
            number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
            raise typer.Exit(128 + number) from None


@contextmanager
def _sigterm_heard() -> Iterator[None]:
    """As `Terminated`; only the first, since `timeout` sends two and the second would end the writing of the record.

    Where it is ignored or somebody else's, and in any thread but the first, it stays as it is.
    """
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is stop:  # else the process is about to end, and a second may be on its way
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
