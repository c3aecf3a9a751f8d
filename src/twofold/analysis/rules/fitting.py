"""Under-fitting and over-fitting: accuracies with their sampling error, losses with their course."""

from __future__ import annotations

import math
from typing import Any

from twofold.analysis.curves import curves
from twofold.analysis.results import gaps, held_out_shares
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.arrays import Array
from twofold.runs import Run

SIGMAS = 3.0
"""Standard errors that a difference must exceed: by chance one in 700 does on one side."""
GAP = 0.05
"""Training accuracy minus held-out accuracy below which there is nothing to mend, however sure the difference is."""
LEARNED = 0.5
"""The share of what a constant answer gets wrong that a network must have learned on the training samples."""
STILL_FALLING = 0.05
"""The share of its whole fall that a training loss which is not done makes in the last fifth of the evaluations."""

LEARNED_NOTHING = Statement(
    "learned_nothing",
    "Nothing learned",
    "the {split:split} accuracy is {held:.4f}, {training_accuracy} is {train:.4f}: both are within chance of the "
    "{base:.4f} that the most frequent class as every answer would score. The training loss went from {first:loss} to "
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
FITS = Statement(
    "learned",
    "Fit",
    "{training_accuracy} is {train:.4f}; the training loss went from {first:loss} to {last:loss}",
)
OVER_FITS = Statement(
    "over_fits",
    "Over-fitting",
    "{training_accuracy} is {train:.4f} and {split:split} accuracy {held:.4f}: a gap of {gap:.4f}, {sigmas:.1f} times "
    "its standard error of {error:.4f}",
    fault=True,
)
NO_GAP = Statement(
    "no_gap",
    "Gap",
    "{training_accuracy} is {train:.4f} and {split:split} accuracy {held:.4f}, a difference of {gap:.4f} with a "
    "standard error of {error:.4f}: no over-fitting that counts",
)


def standard_error(accuracy: float, samples: int) -> float:
    """Standard error of an accuracy over `samples` answers: √(p (1 − p) / n), with p drawn a little to the middle.

    p = (k + 2) / (n + 4), so that an accuracy of 1 has an error too. Agresti & Coull, Approximate is better
    than "exact" for interval estimation of binomial proportions (1998).
    """
    p = (accuracy * samples + 2) / (samples + 4)
    return math.sqrt(p * (1 - p) / (samples + 4))


def judged(run: Run, split: str) -> int:
    """How many samples the accuracy of a split is measured on."""
    samples, most = run.record.data.samples[split], run.recipe.training.evaluate_samples
    return min(most, samples) if most and split == "train" else samples


def drawn_anew(run: Run) -> dict[str, int]:
    """How many `others` stand for the training samples where these are drawn anew at every step; else nothing."""
    return {"others": judged(run, "train")} if run.recipe.data.endless else {}


def learned(run: Run, engine: str) -> float | None:
    """The share of what a constant answer gets wrong that the engine answers right on the training samples.

    The constant answer is the most frequent class. `None` where the engine has not finished, or there is nothing to
    learn.
    """
    shares = held_out_shares(run)
    if engine not in run.engines or shares is None or shares.max() >= 1:
        return None
    base = float(shares.max())
    return (run.record.engines[engine].train_accuracy - base) / (1 - base)


def still_falling(loss: Array) -> bool:
    """Whether the last fifth of the evaluations brings more than `STILL_FALLING` of the whole fall of the loss."""
    fall = loss[0] - loss.min()
    before = loss[: max(1, len(loss) - len(loss) // 5 - 1)].min()
    return bool(fall > 0 and before - loss[-1] > STILL_FALLING * fall)


def under_fitting(run: Run) -> list[Finding]:
    """How well each engine answers its training samples: no better than chance, less than half, or well."""
    losses = {curve.engine: curve.loss for curve in curves(run) if curve.split == "train"}
    return [
        finding
        for engine in run.engines
        if engine in losses and (finding := _fit(run, engine, losses[engine])) is not None
    ]


def _fit(run: Run, engine: str, loss: Array) -> Finding | None:
    """`None` where there is nothing to learn, and where enough is learned although the loss rose."""
    share = learned(run, engine)
    shares = held_out_shares(run)
    if share is None or shares is None:
        return None
    base = float(shares.max())
    split = run.record.data.held_out
    accuracy = run.record.engines[engine].train_accuracy
    held_out = run.record.engines[engine].accuracy(split)
    numbers: dict[str, Any] = {"train": accuracy, "base": base, "share": share, "split": split, **drawn_anew(run)}
    numbers |= {"first": float(loss[0]), "last": float(loss[-1]), "falling": still_falling(loss)}
    if share >= LEARNED:
        return Finding(FITS, engine, "curves", numbers) if loss[-1] < loss[0] else None
    chance = {part: base + SIGMAS * standard_error(base, judged(run, part)) for part in ("train", split)}
    if held_out is not None and held_out <= chance[split] and accuracy <= chance["train"]:
        return Finding(LEARNED_NOTHING, engine, "curves", numbers | {"held": held_out})
    return Finding(UNDER_FITS, engine, "curves", numbers)


def over_fitting(run: Run) -> list[Finding]:
    """The gap between training and held-out accuracy, with its standard error."""
    evaluations = {(curve.engine, curve.split): len(curve.x) for curve in curves(run)}
    findings = []
    for gap in gaps(run):
        error = math.hypot(
            standard_error(gap.train, judged(run, "train")), standard_error(gap.held_out, judged(run, gap.split))
        )
        numbers = {"split": gap.split, "train": gap.train, "held": gap.held_out, "gap": gap.size, "error": error}
        numbers |= drawn_anew(run)
        over = gap.size >= GAP and gap.size > SIGMAS * error
        count = evaluations.get((gap.engine, gap.split), 0)
        figure = "gap" if count > 2 else "curves" if count else ""
        findings.append(Finding(OVER_FITS if over else NO_GAP, gap.engine, figure, numbers))
    return findings


RULES = (
    Rule(
        "Under-fitting",
        (LEARNED_NOTHING, UNDER_FITS, FITS),
        under_fitting,
        "What there is to learn is the share of samples that the most frequent class as every answer gets wrong. A "
        "network under-fits where it has learned less than {LEARNED} of that on its *training* samples; where besides "
        "its training *and* its held-out accuracy are within {SIGMAS} standard errors of that constant answer, it has "
        "learned nothing. The loss is still falling where the last fifth of the evaluations brings more than "
        "{STILL_FALLING} of its whole fall. Where samples are drawn anew at every step, training accuracy, here and "
        "below, is that of others drawn once like those.",
        {"LEARNED": LEARNED, "SIGMAS": SIGMAS, "STILL_FALLING": STILL_FALLING},
        "Goodfellow, Bengio & Courville, *Deep Learning* (2016), 5.2 and 11.4.",
    ),
    Rule(
        "Over-fitting: the gap",
        (OVER_FITS, NO_GAP),
        over_fitting,
        "Training minus held-out accuracy is at least {GAP} and more than {SIGMAS} standard errors of this difference. "
        "An accuracy p over n samples has the error √(p (1 − p) / n), with two right and two wrong answers added, so "
        "that a p of 1 has an error too.",
        {"GAP": GAP, "SIGMAS": SIGMAS},
        'Agresti & Coull, *Approximate is better than "exact" for interval estimation of binomial proportions* (1998).',
    ),
)
