"""The answers of a table's network to the rows held out, and the curves by which they are judged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.runs import Run
from twofold.runs.evidence import evidence
from twofold.runs.names import DEVIATIONS
from twofold.setup.outputs import probabilities

BINS = 10
CROWDED = 0.8
"""The share of all answers in one bin above which bins of equal width say nothing."""


@dataclass(frozen=True)
class Judged:
    """Answers of one engine, (rows, outputs), and the true ones."""

    engine: str
    answers: Array
    """Probabilities of classes or labels, or numbers in their unit."""
    target: Array
    names: tuple[str, ...]
    """The names of the classes, the labels or the numbers."""


def table_answers(run: Run) -> Judged | None:
    """The answers of the first engine that ended; `None` where samples are no table, or outputs no probabilities."""
    arrays, data = evidence(run), run.record.data
    if data.source not in ("csv", "arrays", "table"):
        return None
    for engine in run.engines:
        outputs = arrays.get(f"{engine}.outputs")
        if outputs is None:
            continue
        if data.task == "regression":
            return Judged(engine, arrays[f"{engine}.predicted"].astype(np.float64), arrays["target"], data.targets)
        p = probabilities(run.recipe.model, outputs)
        if p is not None and np.isfinite(p).all():
            return Judged(engine, p, arrays["target"], data.classes or data.targets)
    return None


@dataclass(frozen=True)
class Roc:
    """One class, or label, against the rest: false and true positive rate at every threshold, each from 0 to 1."""

    name: str
    false_positives: Array
    true_positives: Array
    area: float
    """The chance that a row of the class has a higher probability of it than a row of the rest."""


def roc_curves(judged: Judged, task: str) -> list[Roc]:
    """The curve of the second of two classes; else one for each class or label that some rows have and some do not."""
    places = [1] if task == "classification" and len(judged.names) == 2 else range(len(judged.names))
    curves = list[Roc]()
    for place in places:
        positive = judged.target == place if task == "classification" else judged.target[:, place] > 0.5
        if positive.any() and not positive.all():
            curves.append(roc(judged.names[place], judged.answers[:, place], positive))
    return curves


def roc(name: str, score: Array, positive: Array) -> Roc:
    """The ROC curve over all thresholds, equal scores at once. Fawcett, An introduction to ROC analysis (2006)."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    true = np.append(0, np.cumsum(positive[order])[last]) / positive.sum()
    false = np.append(0, np.cumsum(~positive[order])[last]) / (~positive).sum()
    return Roc(name, false, true, float(np.trapezoid(true, false)))


@dataclass(frozen=True)
class Bin:
    """Answers of nearly the same probability."""

    begin: float
    end: float
    count: int
    probability: float
    """The mean of the probabilities."""
    share: float
    """The share of the answers that came true."""
    low: float
    """The ends of the share's 95 % interval (Wilson, 1927)."""
    high: float


def calibration_bins(p: Array, right: Array) -> list[Bin]:
    """Probabilities in ten bins of equal width, empty ones left out, each with the share that came true (`right`).

    Where nearly all lie in one bin, those of a rare class for instance, the bins hold equal numbers of answers instead.
    """
    edges = np.linspace(0, 1, BINS + 1)
    if np.histogram(p, edges)[0].max() > CROWDED * len(p):
        edges = np.unique(np.quantile(p, edges))
    place = np.clip(np.searchsorted(edges, p, side="right") - 1, 0, max(0, len(edges) - 2))
    bins = list[Bin]()
    for number in range(max(1, len(edges) - 1)):
        inside = place == number
        if count := int(inside.sum()):
            share = float(right[inside].mean())
            low, high = wilson(share, count)
            begin, end = float(edges[number]), float(edges[min(number + 1, len(edges) - 1)])
            bins.append(Bin(begin, end, count, float(p[inside].mean()), share, low, high))
    return bins


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share p of n = `count`: (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)."""
    square = DEVIATIONS**2 / count
    middle = (share + square / 2) / (1 + square)
    half = DEVIATIONS * math.sqrt(share * (1 - share) / count + square / (4 * count)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)


def judged_probabilities(judged: Judged, task: str) -> tuple[Array, Array, str]:
    """The probabilities to judge, whether each came true, and in words what they are probabilities of."""
    if task == "multi_label":
        return judged.answers.ravel(), judged.target.ravel() > 0.5, "each label"
    if len(judged.names) == 2:
        return judged.answers[:, 1], judged.target == 1, f"class {judged.names[1]}"
    return judged.answers.max(axis=1), judged.answers.argmax(axis=1) == judged.target, "the class that is answered"
