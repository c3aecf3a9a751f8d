"""Over-fitting: the gap between training and held-out accuracy with its standard error."""

from __future__ import annotations

import math

from twofold.analysis.curves import curves
from twofold.analysis.results import Gap, gaps
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.analysis.rules.sampling import SIGMAS, drawn_anew, judged, standard_error
from twofold.runs import Run

GAP = 0.05
"""Training accuracy minus held-out accuracy below which there is nothing to mend, however sure the difference is."""


UNJUDGED = Statement(
    "over_fitting_unjudged",
    "Over-fitting",
    "it could not be judged: no samples were held out (data.test and data.validation), and training accuracy, "
    "{train:.4f}, says nothing of new samples",
)


OVER_FITS = Statement(
    "over_fits",
    "Over-fitting",
    "{training_accuracy} is {train:.4f} and {split:split} accuracy {held:.4f}: a gap of {gap:.4f}, {sigmas:.1f} "
    "times "
    "its standard error of {error:.4f}",
    fault=True,
)


NO_GAP = Statement(
    "no_gap",
    "Gap",
    "{training_accuracy} is {train:.4f} and {split:split} accuracy {held:.4f}, a difference of {gap:.4f} with a "
    "standard error of {error:.4f}: no over-fitting that counts",
)


def unjudged(run: Run) -> list[Finding]:
    """The finding that over-fitting could not be judged, where nothing was held out."""
    if run.record.data.held_out != "train" or run.record.data.task == "regression":
        return []
    return [
        Finding(UNJUDGED, engine, "", {"train": result.train_accuracy}) for engine, result in run.record.engines.items()
    ]


def gap_error(run: Run, gap: Gap) -> float:
    """The standard error of the difference of the two accuracies."""
    train = standard_error(gap.train, judged(run, "train"))
    return math.hypot(train, standard_error(gap.held_out, judged(run, gap.split)))


def apart(run: Run, gap: Gap) -> bool:
    """Whether training accuracy is above the held-out one by more than chance and by so much that it matters."""
    return gap.size >= GAP and gap.size > SIGMAS * gap_error(run, gap)


def over_fitting(run: Run) -> list[Finding]:
    """The gap between training and held-out accuracy, with its standard error."""
    evaluations = {(curve.engine, curve.split): len(curve.x) for curve in curves(run)}
    findings = []
    for gap in gaps(run) if run.record.data.task != "regression" else ():
        error = gap_error(run, gap)
        numbers = {"split": gap.split, "train": gap.train, "held": gap.held_out, "gap": gap.size, "error": error}
        numbers |= drawn_anew(run)
        count = evaluations.get((gap.engine, gap.split), 0)
        figure = "gap" if count > 2 else "curves" if count else ""
        findings.append(Finding(OVER_FITS if apart(run, gap) else NO_GAP, gap.engine, figure, numbers))
    return findings


RULES = (
    Rule(
        "Over-fitting without held-out samples",
        (UNJUDGED,),
        unjudged,
        "No samples are held out for a test or a validation.",
        {},
    ),
    Rule(
        "Over-fitting: the gap",
        (OVER_FITS, NO_GAP),
        over_fitting,
        "Training minus held-out accuracy is at least {GAP} and more than {SIGMAS} standard errors of this "
        "difference. "
        "An accuracy p over n samples has the error √(p (1 − p) / n), with two right and two wrong answers added, so "
        "that a p of 1 has an error too.",
        {"GAP": GAP, "SIGMAS": SIGMAS},
        'Agresti & Coull, *Approximate is better than "exact" for interval estimation of binomial proportions* (1998).',
    ),
)
