"""The curves of a training in bounded memory: where there are too many points, two neighbours become one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

from twofold.arrays import FLOOR, largest
from twofold.plain import finite

MOST = 2000
"""Points of a curve at most."""
A_FRAME = 16
"""Points that one frame adds at most."""

Point = list[float | None]
"""A point stands for some steps in a row: the last of them; each engine's mean loss over them; the largest gap."""


def loss_gap(losses: list[float]) -> float | None:
    """How far the engines' losses of one step are apart, relative to the first; `None` for one engine."""
    if len(losses) < 2:
        return None
    return abs(losses[0] - losses[1]) / max(abs(losses[0]), FLOOR)


@final
class Bucket:
    """The steps since the last frame."""

    def __init__(self, engines: int) -> None:
        self._engines = engines
        self._steps = list[tuple[int, list[float], float | None]]()

    def add(self, step: int, losses: list[float]) -> None:
        """One step of every engine."""
        self._steps.append((step, losses, loss_gap(losses)))

    def take(self) -> list[Point]:
        """Empty the bucket into at most `A_FRAME` points."""
        steps, self._steps = self._steps, []
        size = -(-len(steps) // A_FRAME) or 1
        return [self._point(steps[start : start + size]) for start in range(0, len(steps), size)]

    def _point(self, steps: list[tuple[int, list[float], float | None]]) -> Point:
        means = [sum(losses[i] for _, losses, _ in steps) / len(steps) for i in range(self._engines)]
        gaps = [gap for _, _, gap in steps if gap is not None]
        return [steps[-1][0], *map(finite, means), finite(largest(gaps)) if gaps else None]


@final
@dataclass
class Curves:
    """What a tab that opens later is told of the training so far."""

    points: list[Point] = field(default_factory=list)
    rows: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    """The evaluations by engine."""
    losses: dict[str, list[list[float | None]]] = field(default_factory=dict)
    """Steps and losses by engine, where engines are trained one after the other."""

    def add(self, points: list[Point]) -> None:
        """Add the points of a frame."""
        self.points += points
        if len(self.points) > MOST:
            self.points = [*map(_merged, self.points[::2], self.points[1::2])] + (
                self.points[-1:] if len(self.points) % 2 else []
            )

    def add_losses(self, engine: str, points: list[list[float | None]]) -> None:
        """Add losses of one engine, each as [step, loss]."""
        self.losses[engine] = [*self.losses.get(engine, ()), *points]
        if len(self.losses[engine]) > MOST:
            self.losses[engine] = self.losses[engine][::2]

    def evaluated(self, engine: str, row: dict[str, object]) -> None:
        """Add an evaluation of one engine; of too many, every other one goes."""
        rows = self.rows.setdefault(engine, [])
        rows.append(row)
        if len(rows) > MOST:
            self.rows[engine] = [rows[0], *rows[2::2]]


def _merged(first: Point, second: Point) -> Point:
    """The mean losses and the larger gap of two points."""
    means = [None if a is None or b is None else (a + b) / 2 for a, b in zip(first[1:-1], second[1:-1], strict=True)]
    gaps = [gap for gap in (first[-1], second[-1]) if gap is not None]
    return [second[0], *means, max(gaps) if gaps else None]
