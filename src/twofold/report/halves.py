"""The drawings of a page made by two processes at once: drawing takes most of the time of a page."""

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
"""Fewest drawings that are worth a second process."""
TICKET, MOST = 2, 2_000
"""Bytes of a ticket, and the most tickets: a pipe holds at least 4,096 bytes, one page of memory."""


def may_fork() -> bool:
    """Whether a copy of this process may draw: on Linux, with a processor to spare, no other thread and no PyTorch."""
    alone = threading.active_count() == 1 and "torch" not in sys.modules
    return sys.platform == "linux" and processors() > 1 and alone


@contextmanager
def drawing_beside(pictures: Sequence[Picture]) -> Iterator[None]:
    """Draw every panel and legend: a forked process draws while the context lasts, then both processes do.

    The drawings are the same as those of one process. What the other process does not bring back, because it ended
    early or may not be forked, is drawn when the page asks for it.
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
            drawn = {place: _draw(drawings[place]) for place in _tickets_drawn(tickets)}
            with os.fdopen(writing, "wb") as file:
                file.write(json.dumps(drawn).encode())
        finally:
            os._exit(0)  # nothing of this process is to be ended twice
    os.close(writing)
    try:
        yield
        for place in _tickets_drawn(tickets):
            _draw(drawings[place])
    finally:
        for _ in _tickets_drawn(tickets):  # where the block has failed, the other process is to find no more tickets
            pass
        os.close(tickets)
        with os.fdopen(reading, "rb") as file:
            content = file.read()
        os.waitpid(child, 0)
    _take(drawings, content)


def _tickets(count: int) -> int:
    """A pipe with the place of every drawing as a ticket: the process that reads a ticket makes that drawing."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(b"".join(place.to_bytes(TICKET, "big") for place in range(min(count, MOST))))
    return reading


def _tickets_drawn(tickets: int) -> Iterator[int]:
    """The places that fall to this process, until there are no more."""
    while ticket := os.read(tickets, TICKET):
        yield int.from_bytes(ticket, "big")


def _draw(drawing: Panel | Picture) -> list[str]:
    """The SVG of a panel, or those of a picture's legend; both are kept by the object."""
    return [drawing.svg] if isinstance(drawing, Panel) else [sign for sign, _ in drawing.keys]


def _take(drawings: Sequence[Panel | Picture], content: bytes) -> None:
    """Give the drawings that the other process has made to their panels and pictures."""
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
