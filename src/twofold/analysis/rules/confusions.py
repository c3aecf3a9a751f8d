"""Classes that are confused more often than mistakes that are spread evenly would be."""

from __future__ import annotations

import math

import numpy as np

from twofold.analysis.confusion import Confusion, confusion
from twofold.analysis.rules.fitting import LEARNED, SOLVED, learned
from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement, borne
from twofold.analysis.rules.sampling import SIGMAS
from twofold.recipe.data import Palindromes
from twofold.runs import Run
from twofold.runs.evidence import evidence, predicted

STANDS_OUT = 1e-3
"""The chance, over all pairs of classes, that mistakes spread evenly over them would give one pair so many."""
FEWEST_MISTAKES = 5
"""The least number of mistakes of a pair that stands out."""
FEWEST_IN_ORDER = 5
"""Fewest classes in an order: among fewer, too many are neighbours of each other."""
MOSTLY = 0.5
"""The share of mistakes that must be a class beside the right one."""

CONFUSED = Statement(
    "confused",
    "Confusion",
    "{count} of the {wrong} mistakes are {true} taken for {taken}, of {samples} samples of that class; spread "
    "evenly over all pairs of classes they would be {expected} a pair",
)
NEIGHBOURS = Statement(
    "neighbours",
    "Confusion",
    "{count:,} of the {wrong:,} mistakes are a class beside the right one in their order, {even:.0%} of them would be "
    "by chance: the classes lie along a line",
)
AS_NUMBERS = Statement(
    "digits_as_numbers",
    "Digits as numbers",
    "{count:,} of the {wrong:,} mistakes are the digit beside the right one, {even:.0%} of them would be by chance: "
    'digits enter as numbers, in which 3 is nearly 4. data.encoding = "one_hot" tells them apart',
    fault=True,
)
AS_NUMBERS_BORNE = borne(AS_NUMBERS)


def neighbours(run: Run) -> list[Finding]:
    """Whether mistakes are mostly the class before or after the right one."""
    findings = list[Finding]()
    numbered = isinstance(run.recipe.data, Palindromes) and run.recipe.data.encoding == "number"
    for engine, predictions in predicted(run).items():
        target = evidence(run)["target"]
        classes, wrong = len(run.record.data.classes), target != predictions
        count, total = int((np.abs(target - predictions) == 1).sum()), int(wrong.sum())
        if classes < FEWEST_IN_ORDER or count < FEWEST_MISTAKES:
            continue
        even = 2 / classes
        if (count - even * total) <= SIGMAS * math.sqrt(even * (1 - even) * total) or count < MOSTLY * total:
            continue
        solved = (learned(run, engine) or 0.0) >= SOLVED
        statement = (AS_NUMBERS_BORNE if solved else AS_NUMBERS) if numbered else NEIGHBOURS
        findings.append(Finding(statement, engine, "", {"count": count, "wrong": total, "even": even}))
    return findings


def confusions(run: Run) -> list[Finding]:
    """The pair of classes with the most mistakes, where mistakes spread evenly over all pairs would not give so many.

    Empty where less than half is learned: there all answers are confused, and not single classes.
    """
    findings = list[Finding]()
    for matrix in confusion(run):
        if len(matrix.classes) < 3 or (learned(run, matrix.engines[0]) or 0.0) < LEARNED:
            continue
        if numbers := _standing_out(matrix):
            figure = f"confusion-{'-'.join(matrix.engines)}"
            findings += [Finding(CONFUSED, engine, figure, numbers) for engine in matrix.engines]
    return findings


def _standing_out(matrix: Confusion) -> dict[str, Fact]:
    """The numbers of the most frequent mistake; empty where it does not stand out.

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
    """P(X ≥ count) for a Poisson X: 1 − Σ_{i < count} e^−mean meanⁱ / i!, exact to about 1e-16 of 1."""
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
    Rule(
        "Classes in order",
        (AS_NUMBERS, AS_NUMBERS_BORNE, NEIGHBOURS),
        neighbours,
        "Of {FEWEST_IN_ORDER} classes or more, {MOSTLY} of the mistakes are the class before or after the right one, "
        "and more than chance gives by {SIGMAS} standard errors. A fault where digits enter as numbers and less than "
        "{SOLVED} is learned.",
        {"FEWEST_IN_ORDER": FEWEST_IN_ORDER, "MOSTLY": MOSTLY, "SIGMAS": SIGMAS, "SOLVED": SOLVED},
        of_training=False,
    ),
)
