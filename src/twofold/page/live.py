"""A page of an ordinary run, while it lasts: the same curves, and nothing that could change it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twofold.page.desk import Desk, Opening
from twofold.page.serving import Serving
from twofold.page.watched import Watched
from twofold.recipe import Recipe, dump
from twofold.setup.events import Watcher

PATIENCE = 10.0
"""Seconds within which the server answers."""


@contextmanager
def live_page(recipe: Recipe, runs: Path) -> Iterator[tuple[str, Watcher]]:
    """A page that serves in a thread: its address, and who is to be told of the run's events."""
    desk = Desk(Opening(dump(recipe), recipe.name, runs), live=True)
    serving, ready = Serving(desk, None), threading.Event()
    thread = threading.Thread(target=serving.run, args=(ready.set,), kwargs={"hears": False}, daemon=True)
    thread.start()
    ready.wait(PATIENCE)
    try:
        yield serving.address, Watched(desk.tell)
    finally:
        serving.stop()
        thread.join(PATIENCE)
