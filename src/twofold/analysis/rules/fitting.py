"""Under-fitting and over-fitting: accuracies with their sampling error, losses with their course."""

from __future__ import annotations

from typing import Any

import numpy as np

from twofold.analysis.curves import counted, curves
from twofold.analysis.results import constant_score
from twofold.analysis.rules.over_fitting import GAP
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.analysis.rules.sampling import SIGMAS, drawn_anew, judged, standard_error
from twofold.arrays import Array
from twofold.runs import Run

LEARNED = 0.5
"""The share of what a constant answer gets wrong that a network must have learned on the training samples."""
NEAR = 0.03
"""Accuracy by which a network may stay behind what its samples allow."""
NEARLY = 0.7
"""The share of what there was to learn below which a loss that still falls is told."""
FEWEST_MOMENTS = 8
"""Evaluations of a course whose end can be told from its beginning."""
STILL_FALLING = 0.05
"""The share of its whole fall that a training loss which is not done makes in the last fifth of the evaluations."""

LEARNED_NOTHING = Statement(
    "learned_nothing",
    "Nothing learned",
    "the {split:split} accuracy is {held:.4f}, {training_accuracy} is {train:.4f}: both are within chance of the "
    "{base:.4f} that the most frequent class as every answer would score. The training loss went from {first:loss} "
    "to "
    "{last:loss} and {falling:falling}",
    fault=True,
)
UNDER_FITS = Statement(
    "under_fits",
    "Under-fitting",
    "{training_accuracy} is {train:.4f}, where the most frequent class as every answer would score {base:.4f}: "
    "only {share:.0%} of what there was to learn. The training loss went from {first:loss} to {last:loss} and "
    "{falling:falling}",
    fault=True,
)
NOTHING_ON_TRAINING = Statement(
    "learned_nothing_held_none",
    "Nothing learned",
    "{training_accuracy} is {train:.4f}, within chance of the {base:.4f} that the most frequent class as every "
    "answer "
    "would score. The training loss went from {first:loss} to {last:loss} and {falling:falling}",
    fault=True,
)
CLOSE_TO_LIMIT = Statement(
    "close_to_limit",
    "Fit",
    "{training_accuracy} is {train:.4f}, close to what these samples allow: {limit}. The most frequent class as "
    "every "
    "answer would score {base:.4f}; the training loss went from {first:loss} to {last:loss} and {falling:falling}",
)
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
FITS = Statement(
    "learned",
    "Fit",
    "{training_accuracy} is {train:.4f}; the training loss went from {first:loss} to {last:loss}",
)


def learned(run: Run, engine: str) -> float | None:
    """The share of what a constant answer gets wrong that the engine answers right on the training samples.

    The constant answer is the most frequent class; of numbers to predict the mean, so that the share is R². `None`
    where the engine has not finished, or there is nothing to learn.
    """
    base = constant_score(run)
    if engine not in run.engines or base is None or base >= 1:
        return None
    quality = run.record.engines[engine].quality("train")
    return None if quality is None else (quality - base) / (1 - base)


def still_falling(loss: Array) -> bool:
    """Whether the last fifth of the evaluations brings more than `STILL_FALLING` of the whole fall of the loss."""
    fall = loss[0] - loss.min()
    before = loss[: max(1, len(loss) - len(loss) // 5 - 1)].min()
    return bool(fall > 0 and before - loss[-1] > STILL_FALLING * fall)


def under_fitting(run: Run) -> list[Finding]:
    """How well each engine answers its training samples: no better than chance, less than half, or well."""
    losses = {curve.engine: curve.loss for curve in curves(run) if curve.split == "train"}
    if run.record.data.task == "regression":
        return []
    return [
        finding
        for engine in run.engines
        if engine in losses and (finding := _fit(run, engine, losses[engine])) is not None
    ]


def _fit(run: Run, engine: str, loss: Array) -> Finding | None:
    """`None` where there is nothing to learn, and where enough is learned although the loss rose."""
    share, base = learned(run, engine), constant_score(run)
    accuracy = run.record.engines[engine].train_accuracy
    if share is None or base is None or accuracy is None:
        return None
    split = run.record.data.held_out
    held_out = run.record.engines[engine].accuracy(split)
    numbers: dict[str, Any] = {"train": accuracy, "base": base, "share": share, "split": split, **drawn_anew(run)}
    numbers |= {"first": float(loss[0]), "last": float(loss[-1]), "falling": still_falling(loss)}
    if share >= LEARNED:
        return Finding(FITS, engine, "curves", numbers) if loss[-1] < loss[0] else None
    if limit := _limit(run, accuracy, held_out):
        return Finding(CLOSE_TO_LIMIT, engine, "curves", numbers | {"limit": limit})
    chance = {part: base + SIGMAS * standard_error(base, judged(run, part)) for part in ("train", split)}
    if split == "train" and accuracy <= chance["train"]:
        return Finding(NOTHING_ON_TRAINING, engine, "curves", numbers)
    if held_out is not None and held_out <= chance[split] and accuracy <= chance["train"]:
        return Finding(LEARNED_NOTHING, engine, "curves", numbers | {"held": held_out})
    return Finding(UNDER_FITS, engine, "curves", numbers)


def _limit(run: Run, accuracy: float, held_out: float | None) -> str:
    """What keeps any network from scoring more on such samples; nothing where the yardsticks are beyond it."""
    data = run.record.data
    base = 1.0 if (score := constant_score(run)) is None else score
    if accuracy <= base + SIGMAS * standard_error(base, judged(run, "train")):  # nothing learned is never a limit
        return ""
    if data.ceiling is not None and data.ceiling < 1 and accuracy >= data.ceiling - NEAR:
        return f"equal rows of different classes let nothing score above {data.ceiling:.4f} on them"
    if data.neighbours is None or held_out is None or data.held_out == "train":
        return ""
    error = standard_error(held_out, judged(run, data.held_out))
    if held_out >= data.neighbours - max(NEAR, error):
        return (
            f"a vote of nearest neighbours scores {data.neighbours:.4f} on the held-out samples, the network "
            f"{held_out:.4f}"
        )
    return ""


def late_course(run: Run) -> list[Finding]:
    """A loss that still falls at the end of a training that has learned little, and an accuracy that fell there."""
    findings = list[Finding]()
    for curve in curves(run):
        if run.record.data.task == "regression" or curve.split != "train" or curve.engine not in run.engines:
            continue
        share, count = learned(run, curve.engine), len(curve.loss)
        if count < FEWEST_MOMENTS or share is None or not np.isfinite(curve.loss).all():
            continue
        unit = counted(run)
        best = int(np.argmax(curve.quality))
        fall = float(curve.quality[best] - curve.quality[-1])
        error = standard_error(float(curve.quality[best]), judged(run, "train"))
        base = 1.0 if (score := constant_score(run)) is None else score
        begun = count - max(1, count // 5) - 1
        gone = float(curve.x[-1] - curve.x[begun])
        slope = float(curve.loss[begun] - curve.loss[-1]) / gone if gone > 0 else 0.0
        if share < NEARLY and still_falling(curve.loss) and slope > 0 and not _limited(run, curve.engine):
            more = max(1, round(float(curve.loss[-1]) / 2 / slope))
            a_unit = f"an {unit}" if unit[0] in "aeiou" else f"a {unit}"
            numbers = {"slope": slope, "last": float(curve.loss[-1]), "more": more, "unit": f"{unit}s"}
            findings.append(Finding(STILL_LEARNING, curve.engine, "curves", numbers | {"a_unit": a_unit}))
        elif fall > max(2 * GAP * (1 - base), SIGMAS * error) and curve.loss[-1] > 1.5 * curve.loss.min():
            numbers = {"best": float(curve.quality[best]), "at": float(curve.x[best]), "unit": unit}
            findings.append(Finding(ENDED_WORSE, curve.engine, "curves", numbers | {"train": float(curve.quality[-1])}))
    return findings


def _limited(run: Run, engine: str) -> bool:
    result = run.record.engines[engine]
    accuracy = result.train_accuracy
    return accuracy is not None and bool(_limit(run, accuracy, result.accuracy(run.record.data.held_out)))


RULES = (
    Rule(
        "Under-fitting",
        (LEARNED_NOTHING, NOTHING_ON_TRAINING, UNDER_FITS, CLOSE_TO_LIMIT, FITS),
        under_fitting,
        "What there is to learn is the share of samples that the most frequent class as every answer gets wrong. A "
        "network under-fits where it has learned less than {LEARNED} of that on its *training* samples; where "
        "besides "
        "its training *and* its held-out accuracy are within {SIGMAS} standard errors of that constant answer, it "
        "has "
        "learned nothing. The loss is still falling where the last fifth of the evaluations brings more than "
        "{STILL_FALLING} of its whole fall. It does not under-fit where its samples allow no more: equal rows of "
        "different classes bound what can be scored, and a vote of the 15 nearest training samples shows how easy "
        "the "
        "held-out ones are; within {NEAR} of either, or a standard error, the data are the limit. Where samples "
        "are drawn anew at every step, training accuracy, here and "
        "below, is that of others drawn once like those.",
        {"LEARNED": LEARNED, "SIGMAS": SIGMAS, "STILL_FALLING": STILL_FALLING, "NEAR": NEAR},
        "Goodfellow, Bengio & Courville, *Deep Learning* (2016), 5.2 and 11.4; Cover & Hart, *Nearest neighbor "
        "pattern "
        "classification* (1967).",
    ),
    Rule(
        "The end of the course",
        (STILL_LEARNING, ENDED_WORSE),
        late_course,
        "Of at least {FEWEST_MOMENTS} evaluations the last fifth still brings more than {STILL_FALLING} of the whole "
        "fall of the training loss, and less than {NEARLY} of what there was to learn is learned. Or training "
        "accuracy "
        "ends below its best by more than {SIGMAS} standard errors and a tenth of what there was to learn, with a "
        "loss "
        "of half as much again as the lowest.",
        {"FEWEST_MOMENTS": FEWEST_MOMENTS, "NEARLY": NEARLY, "STILL_FALLING": STILL_FALLING, "SIGMAS": SIGMAS},
    ),
)
