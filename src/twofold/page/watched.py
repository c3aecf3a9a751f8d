"""The events of an ordinary run as events of the page: a run that the page makes, or `twofold run --page`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final

from twofold.engines import TITLES
from twofold.page.course import summary
from twofold.page.duties import FRAME
from twofold.plain import finite
from twofold.setup.events import Evaluated, Noted, Prepared, Progressed, Started


@final
class Watched:
    """Takes what happens in a run, and tells it in events of the page."""

    def __init__(self, tell: Callable[[str, object], object], interrupt: Callable[[], None] = lambda: None) -> None:
        """`interrupt` is called between steps, and raises where the run is to stop."""
        self._tell, self._interrupt = tell, interrupt
        self._engine, self._steps, self._last_told = "", 0, 0.0

    def __call__(self, event: object) -> None:
        """Tell one event of the run."""
        match event:
            case Prepared(what, done, total):
                self._interrupt()
                self._job(what, done, total)
            case Started(what, steps):
                self._engine, self._steps = what, steps
                self._job(TITLES.get(what, what), 0, steps)
            case Progressed(step, loss):
                self._interrupt()
                if loss is not None:
                    self._tell("loss", {"engine": self._engine, "points": [[step, finite(loss)]]})
                self._job(TITLES.get(self._engine, self._engine), step, self._steps)
            case Evaluated():
                self._tell("row", {"engine": self._engine, **summary(event)})
            case Noted(text):
                self._tell("note", {"text": text})

    def _job(self, what: str, step: int, steps: int) -> None:
        now = time.monotonic()
        if now - self._last_told >= FRAME or step == steps:
            self._last_told = now
            self._tell("job", {"status": "finishing", "what": what, "step": step, "steps": steps})
