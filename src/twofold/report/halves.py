"""The drawings of a page made in two processes at once: a page is mostly the time that matplotlib takes."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence

from markupsafe import Markup

from twofold.report.beside import processors
from twofold.report.drawing import Panel, Picture

FEWEST = 4
"""Drawings that are worth a second process."""


def may_fork() -> bool:
    """Whether a copy of this process may draw: on Linux, with a processor to spare, no other thread and no PyTorch."""
    alone = threading.active_count() == 1 and "torch" not in sys.modules
    return sys.platform == "linux" and processors() > 1 and alone


def draw_in_halves(pictures: Sequence[Picture]) -> None:
    """Draw every panel and legend; a forked process makes every other one. The drawings are those of one process.

    What the other process does not bring back, whatever became of it, is drawn when the page asks for it.
    """
    drawings = [part for picture in pictures for part in (*picture.panels, picture)]
    if len(drawings) < FEWEST or not may_fork():
        return
    there, here = drawings[1::2], drawings[::2]
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as file:
                file.write(json.dumps([_texts(drawing) for drawing in there]).encode())
        finally:
            os._exit(0)  # nothing of this process is to be ended twice
    os.close(writing)
    try:
        for drawing in here:
            _texts(drawing)
    finally:
        with os.fdopen(reading, "rb") as file:
            content = file.read()
        os.waitpid(child, 0)
    _take(there, content)


def _texts(drawing: Panel | Picture) -> list[str]:
    """What is drawn of a panel, or of a picture's legend."""
    return [drawing.svg] if isinstance(drawing, Panel) else [sign for sign, _ in drawing.keys]


def _take(drawings: Sequence[Panel | Picture], content: bytes) -> None:
    try:
        brought = json.loads(content)
    except ValueError:  # the other process ended early
        return
    for drawing, texts in zip(drawings, brought, strict=True):
        if isinstance(drawing, Panel):
            vars(drawing)["svg"] = Markup(texts[0])
        else:
            names = [key.name for key in drawing.legend]
            vars(drawing)["keys"] = tuple(zip(map(Markup, texts), names, strict=True))
