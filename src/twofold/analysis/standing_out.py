"""Classes that are confused more often than by chance, and what two engines differ in."""

from __future__ import annotations

import math

import numpy as np

from twofold.analysis import thresholds as t
from twofold.analysis.confusion import confusion
from twofold.analysis.finding import Finding
from twofold.analysis.fitting import learned
from twofold.analysis.signals import courses
from twofold.probe.predictions import evidence, predicted
from twofold.runs import Run
from twofold.train.signals import DIGITS

RESOLUTION = 10.0 ** (1 - DIGITS)
"""Two norms that are written alike differ by less than this share of themselves: a one in the last digit."""


def confusions(run: Run) -> list[Finding]:
    """The pair of classes with the most mistakes, where mistakes spread evenly over all pairs would not give so many.

    A pair then has a Poisson number of them, its mean all mistakes over the number of pairs.
    """
    from scipy.special import pdtrc  # of Poisson's distribution; scipy.stats takes a second to import

    found = list[Finding]()
    for each in confusion(run):
        classes = len(each.classes)
        if classes < 3 or (learned(run, each.engines[0]) or 0.0) < t.LEARNED:
            continue  # where nothing is learned the answers are, and not the classes, what is confused
        counts = each.counts.copy()
        np.fill_diagonal(counts, 0)
        true, taken = np.unravel_index(int(counts.argmax()), counts.shape)
        count, even = int(counts[true, taken]), each.wrong / (classes * (classes - 1))
        if count >= t.FEWEST_MISTAKES and pdtrc(count - 1, even) * classes * (classes - 1) < t.STANDS_OUT:
            names = {"true": each.classes[true], "taken": each.classes[taken]}
            numbers = {
                **names,
                "count": count,
                "wrong": each.wrong,
                "expected": even,
                "samples": int(each.samples[true]),
            }
            figure = f"confusion-{'-'.join(each.engines)}"
            found += [Finding("confused", engine, False, figure, numbers) for engine in each.engines]
    return found


def engines_apart(run: Run) -> list[Finding]:
    """When the weights of two engines part, and whether one answers better than the other beyond chance."""
    first, *others = run.recipe.training.engines
    if not others:
        return []
    other, found = others[0], list[Finding]()
    pairs = {(course.layer, course.part): course for course in courses(run, "weight") if course.engine == first}
    gaps = dict[int, tuple[float, str]]()
    for course in courses(run, "weight"):
        mine = pairs.get((course.layer, course.part))
        if course.engine != other or mine is None:
            continue
        shared = min(len(mine.value), len(course.value))
        a, b = mine.value[:shared], course.value[:shared]
        for step, gap in zip(course.step, np.abs(a - b) / np.maximum(np.maximum(a, b), 1e-300), strict=False):
            gaps[int(step)] = max(gaps.get(int(step), (0.0, "")), (float(gap), f"{course.layer}.{course.part}"))
    if gaps:
        apart = [step for step in sorted(gaps) if gaps[step][0] > t.APART]
        gap, name = max(gaps.values())
        numbers = {"gap": gap, "name": name, "moments": len(gaps), "step": apart[0] if apart else None}
        kind = "part" if apart else "together" if gap else "alike"
        found.append(Finding(kind, other, False, "signals", numbers | {"resolution": RESOLUTION}))
    return found + _better(run)


def _better(run: Run) -> list[Finding]:
    """McNemar's test: of the samples that one engine alone gets right, chance gives each half."""
    classes = predicted(run)
    if len(classes) < 2:
        return []
    target = evidence(run)["target"]
    (first, a), (second, b), *_ = classes.items()
    one, two = int(((a == target) & (b != target)).sum()), int(((b == target) & (a != target)).sum())
    if abs(one - two) <= t.SIGMAS * math.sqrt(one + two):
        return []
    better = first if one > two else second
    return [Finding("better", better, True, "", {"alone": max(one, two), "other": min(one, two)})]
