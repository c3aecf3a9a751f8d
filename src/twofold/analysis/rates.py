"""The learning rate, judged by what the loss does and how large the updates are beside the weights."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from twofold.analysis import thresholds as t
from twofold.analysis.curves import curves
from twofold.analysis.finding import Finding
from twofold.analysis.fitting import learned
from twofold.analysis.signals import Course, courses
from twofold.arrays import Array
from twofold.recipe.training import CrossEntropy
from twofold.runs import Run


def rates(run: Run) -> list[Finding]:
    """Too high, too low, or between; of an older run folder nothing but a loss that was no number."""
    found, losses = list[Finding](), {curve.engine: curve.loss for curve in curves(run) if curve.split == "train"}
    for engine in run.recipe.training.engines:
        ratios = [course for course in courses(run, "ratio") if course.engine == engine and (course.value > 0).any()]
        if failure := _failure(run, engine):
            found.append(_diverged(run, engine, failure, ratios))
        elif ratios and engine in losses:
            found += _judged(run, engine, losses[engine], ratios)
    return found


def initial_loss(run: Run) -> list[Finding]:
    """The loss before training beside ln C, that of equal probabilities. Karpathy, A recipe (2019)."""
    found, rows = list[Finding](), run.history[run.history["step"] == 0]
    if not isinstance(run.recipe.loss, CrossEntropy) or run.recipe.loss.reduction != "mean":
        return found
    even = math.log(len(run.record["data"]["classes"]))
    for engine, loss in zip(rows["engine"], rows["train_loss"], strict=True):
        if loss > t.INITIAL_LOSS * even:
            found.append(Finding("starts_high", engine, True, "", {"loss": float(loss), "even": even}))
    return found


def _failure(run: Run, engine: str) -> int | None:
    failure = run.record.get("failure") or {}
    return failure.get("step") if failure.get("engine") == engine else None


def _diverged(run: Run, engine: str, step: int, ratios: Sequence[Course]) -> Finding:
    numbers = {"step": step, "lr": run.recipe.optimizer.lr}
    largest = max(ratios, key=lambda course: course.value.max(), default=None)
    if largest is None:
        return Finding("diverged", engine, True, "", numbers)
    numbers |= _of(largest)
    return Finding("diverged_by_steps", engine, True, "signals" if len(largest.step) > 1 else "", numbers)


def _judged(run: Run, engine: str, loss: Array, ratios: Sequence[Course]) -> list[Finding]:
    """Too high, too low, or a rate that fits; none of them where little was learned and the steps are of some size."""
    largest = max(ratios, key=lambda course: course.value.max())
    medians = [float(np.median(course.value[course.value > 0])) for course in ratios]
    numbers = {"first": float(loss[0]), "last": float(loss[-1])}
    numbers |= {"smallest_ratio": min(medians), "largest_ratio": max(medians), **_of(largest)}
    numbers |= {"lr": run.recipe.optimizer.lr}
    if largest.value.max() >= t.RATIO_HIGH:
        if risen(loss):
            return [Finding("rate_high_by_loss", engine, True, "curves", numbers | _rise(loss))]
        if asleep := _killed(run, engine):
            return [Finding("rate_high_by_units", engine, True, "units", numbers | _units_of(asleep), asleep.layer)]
    share = learned(run, engine)
    if share is None or share >= t.LEARNED:
        return [Finding("rate_fits", engine, False, "signals", numbers)]
    low = Finding("rate_low", engine, True, "signals", numbers | {"share": share})
    return [low] if max(medians) < t.RATIO_LOW else []


def risen(loss: Array) -> bool:
    """Whether the training loss went far above what it had been, at the end or again and again."""
    high = loss > np.fmin.accumulate(loss) + t.RISE * loss[0]
    return bool(high[-1] or high.mean() >= t.RISEN_SHARE)


def _rise(loss: Array) -> dict[str, float]:
    """Where the loss was furthest above what it had been: that, and the loss there."""
    before = np.fmin.accumulate(loss)
    place = int(np.nanargmax(loss - before))
    return {"lowest": float(before[place]), "highest": float(loss[place])}


def _killed(run: Run, engine: str) -> Course | None:
    """A layer that training itself put to sleep, and no gradient passes any more."""
    for course in courses(run, "dead"):
        if course.engine == engine and course.value[0] < t.DEAD and course.value[-1] >= t.KILLED:
            return course
    return None


def _units_of(course: Course) -> dict[str, float]:
    return {"dead_first": float(course.value[0]), "dead_last": float(course.value[-1])}


def _of(course: Course) -> dict[str, object]:
    place = int(course.value.argmax())
    name = f"{course.layer}.{course.part}"
    return {"name": name, "ratio": float(course.value[place]), "ratio_step": int(course.step[place])}
