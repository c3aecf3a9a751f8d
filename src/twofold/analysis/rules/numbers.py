"""Numbers to predict: how much of their variance is learned, and how much of that holds on new samples."""

from __future__ import annotations

import math

import numpy as np

from twofold.analysis.curves import curves
from twofold.analysis.rules.fitting import LEARNED, still_falling
from twofold.analysis.rules.over_fitting import GAP
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.analysis.rules.sampling import SIGMAS
from twofold.arrays import Array
from twofold.runs import Run
from twofold.runs.evidence import evidence, predicted
from twofold.streams import stream
from twofold.train.metrics import metrics_of

RESAMPLES = 200
"""Bootstrap samples from which the standard error of R² is computed."""
FEWEST = 3
"""Samples below which there is no such error: any two draws of different ones out of two have the same R²."""

NOTHING = Statement(
    "numbers_nothing_learned",
    "Nothing learned",
    "R² on the training samples is {train:.4f}: the network predicts them no better than their mean does, which has 0. "
    "The training loss went from {first:loss} to {last:loss} and {falling:falling}",
    fault=True,
)
UNDER = Statement(
    "numbers_under_fitted",
    "Under-fitting",
    "R² on the training samples is {train:.4f}: of their variance less than half is learned. The training loss went "
    "from {first:loss} to {last:loss} and {falling:falling}. Nothing here says whether the features hold more",
    fault=True,
)
LEARNT = Statement(
    "numbers_learned",
    "Fit",
    "R² on the training samples is {train:.4f}; the training loss went from {first:loss} to {last:loss}",
)
OVER = Statement(
    "numbers_over_fitted",
    "Over-fitting",
    "R² is {train:.4f} on the training samples and {held:.4f} on the {split:split} samples: a gap of {gap:.4f}, "
    "{sigmas:.1f} times the standard error of the latter, {error:.4f}",
    fault=True,
)
NO_GAP = Statement(
    "numbers_no_gap",
    "Gap",
    "R² is {train:.4f} on the training samples and {held:.4f} on the {split:split} samples, a difference of {gap:.4f}; "
    "the standard error of the latter is {error:.4f}: no over-fitting that counts",
)


def fit(run: Run) -> list[Finding]:
    """How much of the variance of the training samples each engine has learned."""
    if run.record.data.task != "regression":
        return []
    losses = {curve.engine: curve.loss for curve in curves(run) if curve.split == "train"}
    findings = list[Finding]()
    for engine, result in run.record.engines.items():
        train, loss = result.train_r2, losses.get(engine)
        if train is None or loss is None:
            continue
        numbers = {"train": train, "first": float(loss[0]), "last": float(loss[-1]), "falling": still_falling(loss)}
        statement = NOTHING if train <= 0 else UNDER if train < LEARNED else LEARNT
        findings.append(Finding(statement, engine, "curves", numbers))
    return findings


def r_squared_error(target: Array, answers: Array) -> float:
    """The standard error of R², the mean over the targets, by bootstrap over these samples; NaN where none is known.

    The draws are the same each time, and taken one by one: all of them together would be too large for memory. A target
    that is the same in every sample has an R² without an error.
    """
    varies = (target != target[:1]).any(axis=0)
    if len(target) < FEWEST or not varies.any():
        return math.nan
    r_squared = metrics_of("regression", answers[:, varies].astype(np.float64), target[:, varies])["r2"]
    rng, samples, drawn = stream(0, "standard error of R²"), len(target), list[float]()
    with np.errstate(all="ignore"):
        for _ in range(RESAMPLES):
            times = np.bincount(rng.integers(samples, size=samples), minlength=samples)
            drawn.append(float(r_squared(times[None].astype(np.float64))[0]))
        usual = np.array(drawn)[np.isfinite(drawn)]  # in a draw of equal rows alone there is no R²
        return float(np.std(usual, ddof=1)) * varies.sum() / len(varies) if len(usual) > 1 else math.nan


def gap(run: Run) -> list[Finding]:
    """R² on the training samples minus that on those held out, beside the standard error of the latter.

    Nothing is told where that error is not known: of one or two samples, or of targets that do not vary.
    """
    if run.record.data.task != "regression":
        return []
    answers, target, split = predicted(run), evidence(run).get("target"), run.record.data.held_out
    findings = list[Finding]()
    for engine, result in run.record.engines.items():
        train, held = result.train_r2, result.quality(split)
        if split == "train" or target is None or train is None or held is None or engine not in answers:
            continue
        error = r_squared_error(target, answers[engine])
        if not (math.isfinite(error) and error > 0):
            continue
        numbers = {"split": split, "train": train, "held": held, "gap": train - held, "error": error}
        over = train - held >= GAP and train - held > SIGMAS * error
        findings.append(Finding(OVER if over else NO_GAP, engine, "curves", numbers))
    return findings


RULES = (
    Rule(
        "Numbers to predict: the fit",
        (NOTHING, UNDER, LEARNT),
        fit,
        "R² is the share of the variance of the numbers that is predicted: 1 − Σ (t − y)² / Σ (t − mean)². The mean as "
        "every answer has 0. Of the training samples less than {LEARNED} is called under-fitting.",
        {"LEARNED": LEARNED},
    ),
    Rule(
        "Numbers to predict: the gap",
        (OVER, NO_GAP),
        gap,
        "R² on the training samples minus R² on those held out is at least {GAP} and more than {SIGMAS} standard "
        "errors of the latter, from {RESAMPLES} bootstrap samples of them.",
        {"GAP": GAP, "SIGMAS": SIGMAS, "RESAMPLES": RESAMPLES},
        "Efron & Tibshirani, *An Introduction to the Bootstrap* (1993).",
    ),
)
