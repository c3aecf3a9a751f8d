"""How far a study is, and how good so far."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.setup.events import PointDone, Watcher
from twofold.study.kept import Kept
from twofold.study.result import best_words


class State:
    """The points of a study that are there, and the best of them."""

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
        """Count points, and tell the watcher of each."""
        for point in points:
            self.add(point)
            watch(PointDone(self.done, self.words))

    @property
    def words(self) -> str:
        """How good so far, in words: `best test accuracy 0.9850, 2 failed`."""
        failed = f"{self.failed} failed" if self.failed else ""
        return ", ".join(part for part in (best_words(self.metric, self.best), failed) if part)
