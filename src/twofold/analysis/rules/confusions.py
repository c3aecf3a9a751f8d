"""Classes that are confused more often than mistakes that are spread evenly would be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twofold.analysis.confusion import Confusion, confusion
from twofold.analysis.rules.fitting import LEARNED, learned
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.runs import Run

STANDS_OUT = 1e-3
"""The chance, over all pairs of classes, that mistakes spread evenly over them would give one pair so many."""
FEWEST_MISTAKES = 5
"""The least number of mistakes of a pair that stands out."""

CONFUSED = Statement(
    "confused",
    "Confusion",
    "{count} of the {wrong} mistakes are {true} taken for {taken}, of {samples} samples of that class; spread "
    "evenly over all pairs of classes they would be {expected} a pair",
)


def confusions(run: Run) -> list[Finding]:
    """The pair of classes with the most mistakes, where mistakes spread evenly over all pairs would not give so many.

    Nothing where less than half is learned: there the answers are confused, and not the classes.
    """
    findings = list[Finding]()
    for matrix in confusion(run):
        if len(matrix.classes) < 3 or (learned(run, matrix.engines[0]) or 0.0) < LEARNED:
            continue
        if numbers := _standing_out(matrix):
            figure = f"confusion-{'-'.join(matrix.engines)}"
            findings += [Finding(CONFUSED, engine, figure, numbers) for engine in matrix.engines]
    return findings


def _standing_out(matrix: Confusion) -> dict[str, Any]:
    """The numbers of the most frequent mistake; none where it does not stand out.

    A pair has a Poisson number of mistakes, its mean all mistakes over the number of pairs.
    """
    pairs = len(matrix.classes) * (len(matrix.classes) - 1)
    counts = matrix.counts.copy()
    np.fill_diagonal(counts, 0)
    true, taken = np.unravel_index(int(counts.argmax()), counts.shape)
    count, even = int(counts[true, taken]), matrix.wrong / pairs
    if count < FEWEST_MISTAKES or poisson_tail(count, even) * pairs >= STANDS_OUT:
        return {}
    return {
        "true": matrix.classes[true],
        "taken": matrix.classes[taken],
        "count": count,
        "wrong": matrix.wrong,
        "expected": even,
        "samples": int(matrix.samples[true]),
    }


def poisson_tail(count: int, mean: float) -> float:
    """P(X ≥ count) for a Poisson X: 1 − Σ_{i < count} e^−mean meanⁱ / i!, to the last digits of 1."""
    if not mean:
        return float(count <= 0)
    return max(0.0, 1 - math.fsum(math.exp(i * math.log(mean) - mean - math.lgamma(i + 1)) for i in range(count)))


RULES = (
    Rule(
        "Confusions",
        (CONFUSED,),
        confusions,
        "Of three classes or more, the pair (true, taken for) with the most mistakes: at least {FEWEST_MISTAKES}, "
        "and "
        "so many that mistakes spread evenly over all pairs would give any of them that many with a chance of less "
        "than {STANDS_OUT}: a Poisson tail times the number of pairs. Looked at where {LEARNED} is learned. No "
        "fault: "
        "it says where to look.",
        {"FEWEST_MISTAKES": FEWEST_MISTAKES, "STANDS_OUT": STANDS_OUT, "LEARNED": LEARNED},
        "Bonferroni’s bound.",
        of_training=False,
    ),
)
