"""The results of each engine, how far they agree, and how far training is from the samples held out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.runs import Run, scores_of_task
from twofold.runs.evidence import evidence, predicted


@dataclass(frozen=True)
class Result:
    """A row of the table of results."""

    engine: str
    scores: dict[str, float | None]
    """By the names in `runs.scores_of_task`; `None` for a split without samples."""
    seconds: float
    """Training time so far in seconds, without evaluation."""
    steps: int
    finished: bool
    """Whether the engine finished; else the numbers are those of the last recorded evaluation."""

    @property
    def step_microseconds(self) -> float | None:
        """Mean time of one step; `None` where none was taken."""
        return self.seconds / self.steps * 1e6 if self.steps else None


@dataclass(frozen=True)
class Agreement:
    """How far two finished engines agree on the samples held out."""

    split: str
    samples: int
    right: dict[str, int]
    """How many samples each engine gets right."""
    different: int
    """For how many samples they predict different classes."""

    @property
    def difference(self) -> int:
        """How many more samples the one engine gets right than the other."""
        return max(self.right.values()) - min(self.right.values())

    @property
    def within_one(self) -> bool:
        """Whether their accuracies differ by at most one sample."""
        return self.difference <= 1


@dataclass(frozen=True)
class Times:
    """Two training times, by name."""

    faster: str
    slower: str
    ratio: float
    """Time of the slower one over that of the faster one."""


@dataclass(frozen=True)
class Gap:
    """Training against a split that was held out, at the end of training."""

    engine: str
    split: str
    train: float
    held_out: float

    @property
    def size(self) -> float:
        """Training accuracy, or R², minus the held-out one."""
        return self.train - self.held_out


@dataclass(frozen=True)
class Ending:
    """Where a finished engine stopped, and which weights the run kept."""

    engine: str
    steps: int
    planned: int
    kept_step: int
    """The step after which the kept weights were reached."""


def results(run: Run) -> list[Result]:
    """The result of every engine that has begun, in the recipe's order."""
    return [result for engine in run.recipe.training.engines if (result := _result(run, engine))]


def agreement(run: Run) -> Agreement | None:
    """How far two engines agree in the classes of held-out samples; `None` unless two have finished."""
    classes = predicted(run)
    if len(classes) < 2 or run.record.data.task != "classification":
        return None
    target = evidence(run)["target"]
    first, second, *_ = classes.values()
    right = {engine: int((predictions == target).sum()) for engine, predictions in classes.items()}
    return Agreement(run.record.data.held_out, len(target), right, int((first != second).sum()))


def times(run: Run) -> Times | None:
    """The training times of two engines; `None` unless two have finished."""
    return times_of({engine: result.seconds for engine, result in run.record.engines.items()})


def times_of(seconds: Mapping[str, float]) -> Times | None:
    """The fastest and the slowest by name; `None` unless there are two times above 0."""
    if len(seconds) < 2 or min(seconds.values()) <= 0:
        return None
    faster, slower = min(seconds, key=seconds.__getitem__), max(seconds, key=seconds.__getitem__)
    return Times(faster, slower, seconds[slower] / seconds[faster])


def endings(run: Run) -> list[Ending]:
    """How each engine that finished ended; without `kept_step` in the record, the last weights are those kept."""
    planned = run.recipe.training.length(run.record.data.samples["train"])
    return [Ending(engine, result.steps, planned, result.kept) for engine, result in run.record.engines.items()]


def gaps(run: Run) -> list[Gap]:
    """Per finished engine: training against validation, else against test; none where nothing is held out."""
    gaps = list[Gap]()
    for engine, result in run.record.engines.items():
        for split in ("validation", "test"):
            train, held_out = result.quality("train"), result.quality(split)
            if train is not None and held_out is not None:
                gaps.append(Gap(engine, split, train, held_out))
                break
    return gaps


def held_out_shares(run: Run) -> Array | None:
    """The share of each class among the samples held out: the largest is what a constant answer scores."""
    target = evidence(run).get("target")
    if target is None or not len(target) or run.record.data.task != "classification":
        return None
    return np.bincount(target, minlength=len(run.record.data.classes)) / len(target)


def constant_score(run: Run) -> float | None:
    """The accuracy or R² of the best constant answer on the samples held out; `None` where there are none.

    The best constant answer is the most frequent class; for each label, the more frequent of 0 and 1; the mean of
    numbers.
    """
    target = evidence(run).get("target")
    if target is None or not len(target):
        return None
    match run.record.data.task:
        case "regression":
            return 0.0
        case "multi_label":
            share = target.mean(axis=0)
            return float(np.maximum(share, 1 - share).mean())
        case "classification":
            shares = held_out_shares(run)
            return None if shares is None else float(shares.max())


def furthest_apart(run: Run) -> Array | None:
    """The largest distance of two engines' numbers for each target, in its unit; `None` unless two have finished."""
    numbers = predicted(run)
    if len(numbers) < 2 or run.record.data.task != "regression":
        return None
    first, second, *_ = numbers.values()
    return np.abs(first - second).max(axis=0)


def _result(run: Run, engine: str) -> Result | None:
    if engine in run.record.engines:
        recorded = run.record.engines[engine]
        scores = {key: getattr(recorded, key) for key in scores_of_task(run.record.data.task)}
        return Result(engine, scores, recorded.seconds, recorded.steps, True)
    rows = run.evaluations.where(run.evaluations["engine"] == engine)
    if not len(rows):
        return None
    last = rows.last()
    scores = {key: None if math.isnan(last[key]) else last[key] for key in scores_of_task(run.record.data.task)}
    return Result(engine, scores, last["seconds"], int(last["step"]), False)
