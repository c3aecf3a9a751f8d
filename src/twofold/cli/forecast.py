"""A forecast of how long a command will take, from its pace so far; told once, where it is more than a minute."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final

from twofold.setup.events import Began, Evaluated, PointDone, Progressed, Started

SETTLING = 2
"""`Progressed` events at the start that the pace leaves out: the first steps fill caches and build kernels."""
LOOK_SECONDS = 3.0
"""Seconds of training, or of a study, over which the pace is measured."""
WORTH_TELLING = 60.0
"""Seconds: a forecast of less is not told."""


@final
class Forecast:
    """Takes the events of a command; gives a line once for each training or study that will take over a minute more.

    Seconds left = steps left · seconds per step + evaluations left · seconds of the last evaluation.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start("", 0, 0)
        self._told = True  # nothing to forecast before a start

    def __call__(self, event: object) -> str | None:
        """The forecast in words, at the first event from which it can be made; else `None`."""
        match event:
            case Started(what, steps, evaluations):
                self._start(what, steps, evaluations)
            case Evaluated():
                self._evaluation = self._since_last()
            case Progressed(step):
                return self._progressed(step)
            case Began(done, total):
                self._start("points", total, 0, done)
            case PointDone(done):
                return self._point(done)
        return None

    def _start(self, what: str, total: int, evaluations: int, done: int = 0) -> None:
        self._what, self._total, self._evaluations, self._first = what, total, evaluations, done
        self._settling = SETTLING
        self._training = self._evaluation = 0.0
        self._told = False
        self._last = self._clock()

    def _since_last(self) -> float:
        before, self._last = self._last, self._clock()
        return self._last - before

    def _progressed(self, step: int) -> str | None:
        seconds = self._since_last()
        if self._settling:
            self._settling -= 1
            self._first = step
            return None
        self._training += seconds
        if self._told or self._training < LOOK_SECONDS or step <= self._first:
            return None
        left = self._total - step
        evaluations = self._evaluations * left / self._total
        taken = step - self._first
        pace = "step" if taken == 1 else f"{taken:,} steps"
        seconds = left * self._training / taken + evaluations * self._evaluation
        return self._tell(seconds, f"{self._what}: about {{}} to go, at the pace of its first {pace}")

    def _point(self, done: int) -> str | None:
        self._training += self._since_last()
        if self._told or self._training < LOOK_SECONDS or done <= self._first:
            return None
        seconds = (self._total - done) * self._training / (done - self._first)
        return self._tell(seconds, "points: at most about {} to go, at the pace of the first ones")

    def _tell(self, seconds: float, sentence: str) -> str | None:
        self._told = True
        return sentence.format(duration(seconds)) if seconds >= WORTH_TELLING else None


def duration(seconds: float) -> str:
    """A rounded length of time in words: `4 minutes`, `1 hour 20 minutes`, `3 days`."""
    minutes = round(seconds / 60)
    if minutes < 60:
        return _counted(max(minutes, 1), "minute")
    hours, rest = divmod(round(minutes, -1), 60)  # to ten minutes
    if hours < 10:
        return " ".join(filter(None, (_counted(hours, "hour"), _counted(rest, "minute") if rest else "")))
    return _counted(round(seconds / 3600), "hour") if hours < 48 else _counted(round(seconds / 86400), "day")


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
