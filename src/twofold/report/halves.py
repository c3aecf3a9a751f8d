"""The drawings of a page made in two processes at once: a page is mostly the time that matplotlib takes."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from markupsafe import Markup

from twofold.report.beside import processors
from twofold.report.drawing import Panel, Picture

FEWEST = 4
"""Drawings that are worth a second process."""
TICKET, MOST = 2, 2_000
"""Bytes of a ticket, and how many find room in a pipe of one page of memory."""


def may_fork() -> bool:
    """Whether a copy of this process may draw: on Linux, with a processor to spare, no other thread and no PyTorch."""
    alone = threading.active_count() == 1 and "torch" not in sys.modules
    return sys.platform == "linux" and processors() > 1 and alone


@contextmanager
def drawing_beside(pictures: Sequence[Picture]) -> Iterator[None]:
    """Around what else a page needs: every panel and legend is drawn, in a forked process meanwhile and then in both.

    The drawings are those of one process. What the other does not bring back, whatever became of it, is drawn when the
    page asks for it; where there may be no other, everything is.
    """
    drawings = [part for picture in pictures for part in (*picture.panels, picture)]
    if len(drawings) < FEWEST or not may_fork():
        yield
        return
    tickets = _tickets(len(drawings))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            drawn = {place: _texts(drawings[place]) for place in _drawn_by_lot(tickets)}
            with os.fdopen(writing, "wb") as file:
                file.write(json.dumps(drawn).encode())
        finally:
            os._exit(0)  # nothing of this process is to be ended twice
    os.close(writing)
    try:
        yield
        for place in _drawn_by_lot(tickets):
            _texts(drawings[place])
    finally:
        for _ in _drawn_by_lot(tickets):  # where the block has failed: nobody wants the rest
            pass
        os.close(tickets)
        with os.fdopen(reading, "rb") as file:
            content = file.read()
        os.waitpid(child, 0)
    _take(drawings, content)


def _tickets(count: int) -> int:
    """A pipe that holds the place of every drawing: whichever process reads it draws that one."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(b"".join(place.to_bytes(TICKET, "big") for place in range(min(count, MOST))))
    return reading


def _drawn_by_lot(tickets: int) -> Iterator[int]:
    """The places that fall to this process, until there are no more."""
    while ticket := os.read(tickets, TICKET):
        yield int.from_bytes(ticket, "big")


def _texts(drawing: Panel | Picture) -> list[str]:
    """What is drawn of a panel, or of a picture's legend."""
    return [drawing.svg] if isinstance(drawing, Panel) else [sign for sign, _ in drawing.keys]


def _take(drawings: Sequence[Panel | Picture], content: bytes) -> None:
    try:
        brought = json.loads(content)
    except ValueError:  # the other process ended early
        return
    for place, texts in brought.items():
        drawing = drawings[int(place)]
        if isinstance(drawing, Panel):
            vars(drawing)["svg"] = Markup(texts[0])
        else:
            names = [key.name for key in drawing.legend]
            vars(drawing)["keys"] = tuple(zip(map(Markup, texts), names, strict=True))
