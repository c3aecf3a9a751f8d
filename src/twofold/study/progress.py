"""How far a study is, and the events that tell it; data and notes are those of `twofold.setup.events`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from twofold.setup.events import Watcher
from twofold.study.folder import Kept
from twofold.study.result import best_words


@dataclass(frozen=True, slots=True)
class Began:
    """A study begins: so many of its points were there before."""

    method: ClassVar = "began"
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PointDone:
    """So many points are there now; `words` say how many failed, and the best so far."""

    method: ClassVar = "finished"
    done: int
    words: str


class State:
    """How far a study is, and how good so far."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.done = 0
        self.failed = 0
        self.best: float | None = None

    def add(self, point: Kept) -> None:
        """Count a point."""
        self.done += 1
        self.failed += point.status == "failed"
        score = point.scores.get(self.metric)
        if score is not None:
            better = min if self.metric.endswith("loss") else max
            self.best = score if self.best is None else better(self.best, score)

    def tell(self, points: Sequence[Kept], watch: Watcher) -> None:
        """Count points, and tell each to who watches."""
        for point in points:
            self.add(point)
            watch(PointDone(self.done, self.words))

    @property
    def words(self) -> str:
        """`best test accuracy 0.9850, 2 failed`."""
        failed = f"{self.failed} failed" if self.failed else ""
        return ", ".join(part for part in (best_words(self.metric, self.best), failed) if part)
