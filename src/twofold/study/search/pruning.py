"""Which values a trial must reach at which evaluation, so as not to be stopped.

The thresholds are computed from the trials before it when a trial is handed out, and go with it: a worker decides
alone, on any engine, and a search that is repeated stops the same trials at the same steps. The rules are those of
Optuna's `MedianPruner` and `HyperbandPruner`, but that a trial is not compared with those that run beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from twofold.runs.history import HistoryRow
from twofold.study.search.spec import Search

STARTUP_TRIALS = 5
"""Trials that must have finished before the median stops any."""
REDUCTION = 3
"""One trial in REDUCTION goes beyond a rung."""
LEAST_RUNG = 1
"""Evaluations before the first rung."""


class Curve(NamedTuple):
    """The metric of a trial at its evaluations, the one before training left out."""

    number: int
    values: Sequence[float]
    complete: bool
    """Whether it was trained to its end."""


class Stop(NamedTuple):
    """Goes with a trial to its worker: at the evaluation of a threshold, the best value so far must be as good."""

    metric: str
    maximizes: bool
    thresholds: dict[int, float]
    """By the number of an evaluation, counted from 1 after that before training. Steps would not do: with another
    size of batches the same evaluation is at another step."""

    def __call__(self, history: Sequence[HistoryRow]) -> bool:
        """Whether a training with these evaluations is to be stopped."""
        threshold = self.thresholds.get(len(history) - 1)
        if threshold is None:
            return False
        values = [value for row in history[1:] if (value := getattr(row, self.metric)) is not None]
        finite = [value for value in values if math.isfinite(value)]
        if not finite:
            return True
        return max(finite) < threshold if self.maximizes else min(finite) > threshold


def stop_of(search: Search, number: int, before: Sequence[Curve]) -> Stop | None:
    """The thresholds of a trial by those before it; `None` where nothing is pruned."""
    if search.pruner == "none":
        return None
    rule = _median if search.pruner == "median" else _hyperband
    return Stop(search.metric, search.maximizes, rule(search.maximizes, number, before))


def _median(maximizes: bool, number: int, before: Sequence[Curve]) -> dict[int, float]:
    """At every evaluation the median of what the finished trials had there."""
    finished = [curve for curve in before if curve.complete]
    if len(finished) < STARTUP_TRIALS:
        return {}
    columns: dict[int, list[float]] = {}
    for curve in finished:
        for number, value in enumerate(curve.values, start=1):
            if math.isfinite(value):
                columns.setdefault(number, []).append(value)
    return {number: median(values) for number, values in columns.items()}


def _hyperband(maximizes: bool, number: int, before: Sequence[Curve]) -> dict[int, float]:
    """At each rung of the trial's bracket, the worst value among the best third, which go beyond the rung."""
    evaluations = max((len(curve.values) for curve in before), default=0)
    brackets = _rungs(evaluations) + 1
    bracket = number % brackets
    rivals = [curve for curve in before if curve.number % brackets == bracket]
    thresholds = {}
    for rung in range(_rungs(evaluations) - bracket):
        place = LEAST_RUNG * REDUCTION ** (rung + bracket) - 1
        reached = [curve for curve in rivals if len(curve.values) > place]
        values = sorted((_best(curve.values[: place + 1], maximizes) for curve in reached), reverse=maximizes)
        if values:
            through = max(1, (len(values) + 1) // REDUCTION)
            thresholds[place + 1] = values[min(through, len(values)) - 1]
    return thresholds


def _rungs(evaluations: int) -> int:
    """How many rungs, after 1, 3, 9 ... evaluations, a training of this many evaluations has below its end."""
    rungs = 0
    while LEAST_RUNG * REDUCTION**rungs < evaluations:
        rungs += 1
    return rungs


def _best(values: Sequence[float], maximizes: bool) -> float:
    worst = -math.inf if maximizes else math.inf
    finite = [value for value in values if math.isfinite(value)]
    return (max if maximizes else min)(finite, default=worst)
