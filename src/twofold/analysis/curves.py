"""Loss and accuracy, or R², while training went on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twofold.arrays import Array
from twofold.runs import Run

SPLITS = ("train", "validation", "test")
FEWEST = 3
"""Fewest evaluations of a curve of gaps."""


@dataclass(frozen=True)
class Curve:
    """Loss and quality of one engine on one split; the arrays have an element for each evaluation."""

    engine: str
    split: str
    x: Array
    """Epochs or steps: see `counted`."""
    loss: Array
    quality: Array
    """Accuracy, or R² of numbers to predict."""


@dataclass(frozen=True)
class Lowest:
    """Where the loss of a split was lowest, and where it ended: beyond the lowest, the network over-fits."""

    engine: str
    split: str
    at: float
    loss: float
    end: float
    last: float


def counted(run: Run) -> Literal["epoch", "step"]:
    """The unit in which the recipe counts the length of training."""
    return "epoch" if run.recipe.training.steps is None else "step"


def curves(run: Run, unit: Literal["epoch", "step"] | None = None) -> list[Curve]:
    """The curve of every engine and split with at least two evaluations, engines in the recipe's order.

    Their x counts in `unit`; where it is left out, in what the recipe counts in.
    """
    table, unit = run.evaluations, unit or counted(run)
    drawn = []
    for engine in run.recipe.training.engines:
        rows = table.where(table["engine"] == engine)
        for split in SPLITS:
            loss, quality = (rows[f"{split}_{key}"] for key in ("loss", run.record.data.quality))
            if len(rows) > 1 and not np.isnan(quality).all():
                drawn.append(Curve(engine, split, rows[unit], loss, quality))
    return drawn


def lowest_loss(curve: Curve) -> Lowest | None:
    """The lowest point of a curve's loss; `None` where no loss is finite."""
    if not np.isfinite(curve.loss).any():
        return None
    index = int(np.nanargmin(np.where(np.isfinite(curve.loss), curve.loss, np.nan)))
    at, end = float(curve.x[index]), float(curve.x[-1])
    return Lowest(curve.engine, curve.split, at, float(curve.loss[index]), end, float(curve.loss[-1]))


@dataclass(frozen=True)
class Distance:
    """How far two engines' curves are ever apart, over all evaluations and splits that both have."""

    loss: float
    quality: float


def distance(curves: Sequence[Curve]) -> Distance | None:
    """How far the curves of two engines are ever apart; `None` unless there are two."""
    engines = list(dict.fromkeys(curve.engine for curve in curves))
    if len(engines) < 2:
        return None
    first, second = ({c.split: c for c in curves if c.engine == engine} for engine in engines[:2])
    pairs = [(first[split], second[split]) for split in first if split in second]

    def furthest(quantity: str) -> float:
        gaps = []
        for a, b in pairs:
            shared = min(len(a.x), len(b.x))
            gap = np.abs(getattr(a, quantity)[:shared] - getattr(b, quantity)[:shared])
            gaps.append(gap[np.isfinite(gap)].max(initial=0.0))
        return float(max(gaps, default=0.0))

    return Distance(furthest("loss"), furthest("quality"))


@dataclass(frozen=True)
class GapCurve:
    """Training accuracy, or R², minus that on a split that was held out, with an element for each evaluation."""

    engine: str
    split: str
    x: Array
    gap: Array

    @property
    def largest(self) -> tuple[float, float]:
        """Where the gap was largest, and how large."""
        index = int(self.gap.argmax())
        return float(self.x[index]), float(self.gap[index])


def gap_curves(curves: Sequence[Curve]) -> list[GapCurve]:
    """Per engine with at least three evaluations: training against validation, else against test."""
    gaps = []
    for engine in dict.fromkeys(curve.engine for curve in curves):
        splits = {curve.split: curve for curve in curves if curve.engine == engine}
        held = splits.get("validation", splits.get("test"))
        if held and "train" in splits and len(held.x) >= FEWEST:
            gaps.append(GapCurve(engine, held.split, held.x, splits["train"].quality - held.quality))
    return gaps
