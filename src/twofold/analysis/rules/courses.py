"""How a course of training ended: still falling, or thrown back."""

from __future__ import annotations

import numpy as np

from twofold.analysis.curves import Curve, counted, curves
from twofold.analysis.results import constant_score
from twofold.analysis.rules.fitting import NEARLY, SOLVED, STILL_FALLING, learned, limit, still_falling
from twofold.analysis.rules.over_fitting import GAP
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.analysis.rules.sampling import SIGMAS, judged, standard_error
from twofold.runs import Run

FEWEST_MOMENTS = 5
"""Fewest evaluations of a course whose end can be told from its beginning."""
STEEP = 0.15
"""The share of a loss's whole fall above which its last fifth is steep; that of a straight line is 0.2."""
A_UNIT = {"epoch": "an epoch", "step": "a step"}

STILL_LEARNING = Statement(
    "still_learning",
    "Still learning at the end",
    "the training loss fell by {slope:.2g} {a_unit} over the last fifth of the training, and is {last:loss}: at that "
    "slope half of what is left takes {more:,} {unit} more, and a larger rate fewer",
    fault=True,
)
ENDED_WORSE = Statement(
    "fell_at_the_end",
    "A fall near the end",
    "training accuracy was {best:.4f} at {unit} {at:,g} and ended at {train:.4f}: the last steps undid what was "
    "learned",
    fault=True,
)


def late_course(run: Run) -> list[Finding]:
    """A loss that still falls at the end of a training that has learned little, and an accuracy that fell there."""
    findings = list[Finding]()
    for curve in curves(run) if run.record.data.task == "classification" else ():
        share = learned(run, curve.engine)
        if curve.split != "train" or share is None or not np.isfinite(curve.loss).all():
            continue
        if len(curve.loss) < FEWEST_MOMENTS:
            continue
        if (falling := _falling(run, curve, share)) is not None:
            findings.append(falling)
        elif (fallen := _fallen(run, curve)) is not None:
            findings.append(fallen)
    return findings


def _falling(run: Run, curve: Curve, share: float) -> Finding | None:
    """The finding that an engine was still learning at its end, by the slope of the last fifth; `None` if not."""
    start = len(curve.loss) - -(-len(curve.loss) // 5) - 1
    time, last = float(curve.x[-1] - curve.x[start]), float(curve.loss[-1])
    slope = (float(curve.loss[start]) - last) / time if time > 0 else 0.0
    steep = slope * time > STEEP * float(curve.loss[0] - curve.loss.min())
    little = share < NEARLY or (share < SOLVED and steep)
    if not (little and slope > 0 and still_falling(curve.loss)) or limited(run, curve.engine):
        return None
    unit = counted(run)
    numbers = {"slope": slope, "last": last, "more": max(1, round(last / 2 / slope)), "unit": f"{unit}s"}
    return Finding(STILL_LEARNING, curve.engine, "curves", numbers | {"a_unit": A_UNIT[unit]})


def _fallen(run: Run, curve: Curve) -> Finding | None:
    """The finding that training accuracy ended far below its best; `None` if it did not."""
    best, score = int(np.argmax(curve.quality)), constant_score(run)
    base = 1.0 if score is None else score
    fall = float(curve.quality[best] - curve.quality[-1])
    error = standard_error(float(curve.quality[best]), judged(run, "train"))
    if fall <= max(2 * GAP * (1 - base), SIGMAS * error) or curve.loss[-1] <= 1.5 * curve.loss.min():
        return None
    numbers = {"best": float(curve.quality[best]), "at": float(curve.x[best]), "unit": counted(run)}
    return Finding(ENDED_WORSE, curve.engine, "curves", numbers | {"train": float(curve.quality[-1])})


def limited(run: Run, engine: str) -> bool:
    """Whether the samples allow no more than the engine has learned."""
    result = run.record.engines[engine]
    accuracy = result.train_accuracy
    return accuracy is not None and bool(limit(run, accuracy, result.accuracy(run.record.data.held_out)))


RULES = (
    Rule(
        "The end of the course",
        (STILL_LEARNING, ENDED_WORSE),
        late_course,
        "Of at least {FEWEST_MOMENTS} evaluations the last fifth still brings more than {STILL_FALLING} of the whole "
        "fall of the training loss, and less than {NEARLY} of what there was to learn is learned; or more than "
        "{STEEP}, and less than {SOLVED} is. Or training accuracy ends below its best by more than {SIGMAS} standard "
        "errors and a tenth of what there was to learn, with a loss of half as much again as the lowest.",
        {
            "FEWEST_MOMENTS": FEWEST_MOMENTS,
            "NEARLY": NEARLY,
            "STILL_FALLING": STILL_FALLING,
            "STEEP": STEEP,
            "SOLVED": SOLVED,
            "SIGMAS": SIGMAS,
        },
    ),
)
