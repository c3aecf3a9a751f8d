"""Ctrl-C, SIGTERM and SIGHUP as a flag that is read where it does no harm: nothing is raised inside others' code.

A signal's handler notes its number. What trains reads it between steps, where what was recorded can be kept; elsewhere
there is nothing to keep, and the process ends at once. A thread sees to it that neither a long product nor a library
that waits can hold a process back: when nobody has read the flag within `GRACE` seconds, the process ends with the
status that the signal has, and what lies in its folder can be gone on with.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn, TypeAlias, final

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")
Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None
"""A signal's handler: a function, or one of the system's defaults."""
GRACE = 1.5
"""Seconds within which the flag is read, or the process ends."""
ORDERLY = 10.0
"""Seconds within which it has ended once the flag was read: time to write the record of a run."""
SHOW_CURSOR = "\x1b[?25h"


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: `kill`, `timeout`, a batch system whose time is over, a terminal that was closed."""


@final
class Ear:
    """The signals of a process while a command runs."""

    def __init__(self) -> None:
        self.number = 0
        """The first signal that came; 0 while none has."""
        self.read = False
        """Whether the flag was read: somebody is then ending the command in order."""
        self.mode: str = "end"
        """`end` at once; `flag`: somebody reads it between steps; `raise`: somebody waits for other processes."""
        self.then = ""
        """What the message ends with when the process ends at once."""
        self.over = threading.Event()
        """Whether the command has ended without a signal."""

    def hear(self, number: int, frame: FrameType | None) -> None:
        """The handler. Only the first signal counts: `timeout` sends two."""
        if self.number:
            return
        self.number = number
        if self.mode == "end":
            self.end()
        if self.mode == "raise":
            self.check()

    def check(self) -> None:
        """Raise the exception of the signal that came, once; called where nothing foreign is at work."""
        if self.number and not self.read:
            self.read = True
            raise KeyboardInterrupt if self.number == signal.SIGINT else Terminated

    def end(self) -> NoReturn:
        """End the process at once, with the status of its signal: 128 plus its number. Buffered output is lost."""
        with suppress(Exception):
            if sys.stderr is not None:
                cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
                os.write(2, f"{cursor}\nerror: interrupted{self.then}\n".encode(errors="replace"))
        os._exit(128 + self.number)

    def watch(self, handle: int) -> None:
        """In a thread: end the process where nobody else does in time. The system writes each signal to `handle`."""
        numbers = {getattr(signal, name) for name in SIGNALS if hasattr(signal, name)}
        with open(handle, "rb", buffering=0), suppress(OSError):
            while came := os.read(handle, 1):
                if came[0] in numbers:
                    break
            else:
                return
            began = time.monotonic()
            while time.monotonic() - began < (ORDERLY if self.read else GRACE):
                if self.over.wait(0.05):
                    return
            self.number = self.number or came[0]
            self.end()


_ear: Ear | None = None


def check() -> None:
    """Read the flag: raises `KeyboardInterrupt` where the process was told to end."""
    if _ear is not None:
        _ear.check()


def told_to_end() -> int:
    """The signal that told the process to end; 0 where none did."""
    return 0 if _ear is None else _ear.number


def deafen(instead: signal.Handlers = signal.SIG_IGN) -> None:
    """Stop hearing signals, for a process that ends by itself and says why, or leaves signals to another library."""
    if _ear is None:
        return
    _ear.over.set()
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) == _ear.hear:
            signal.signal(number, instead)


@contextmanager
def listening() -> Iterator[None]:
    """Hear the signals while the context lasts; the first context of a process counts.

    A signal that is ignored, or has a handler already, is left alone. In any thread but the main one nothing is heard.
    """
    global _ear
    if _ear is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _ear = ear = Ear()
    before = dict[int, Handler]()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    earlier = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            before[number] = signal.signal(number, ear.hear)
    threading.Thread(target=ear.watch, args=(reading,), daemon=True, name="signals").start()
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) == ear.hear:
                # A second signal may be on its way, and Python, as it ends, gives back every answer but this one.
                signal.signal(number, signal.SIG_IGN if ear.number else handler)
        signal.set_wakeup_fd(earlier)
        if not ear.number:
            _ear = None
            ear.over.set()
        os.close(writing)


@contextmanager
def heard(mode: str, then: str = "") -> Iterator[Callable[[], int]]:
    """A context for code that ends in order after a signal; gives a function for the signal that came, 0 for none.

    `mode` and `then` are those of `Ear`.
    """
    with listening():
        ear = _ear
        if ear is None:  # another thread: nobody tells it to end
            yield lambda: 0
            return
        before = ear.mode, ear.then
        ear.mode, ear.then = mode, then
        try:
            yield lambda: ear.number
        finally:
            ear.mode, ear.then = before
