"""How far a study is: who watches it, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twofold.setup.building import Silent
from twofold.study.folder import Kept
from twofold.study.result import best_words


class StudyWatcher(Protocol):
    """Whoever shows how far a study is."""

    def data(self, what: str, done: int, total: int) -> None:
        """Published data are being prepared, once for all processes."""
        ...

    def began(self, done: int, total: int) -> None:
        """So many points of all were there before."""
        ...

    def finished(self, done: int, words: str) -> None:
        """So many points are there now; `words` say how many failed and the best so far."""
        ...

    def note(self, text: str) -> None:
        """A damaged point, a process that died."""
        ...


class Unwatched(Silent):
    """A watcher that shows nothing."""

    def began(self, done: int, total: int) -> None:
        """Nothing."""

    def finished(self, done: int, words: str) -> None:
        """Nothing."""


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

    def tell(self, points: Sequence[Kept], watcher: StudyWatcher) -> None:
        """Count points, and tell each to who watches."""
        for point in points:
            self.add(point)
            watcher.finished(self.done, self.words)

    @property
    def words(self) -> str:
        """`best test accuracy 0.9850, 2 failed`."""
        failed = f"{self.failed} failed" if self.failed else ""
        return ", ".join(part for part in (best_words(self.metric, self.best), failed) if part)
