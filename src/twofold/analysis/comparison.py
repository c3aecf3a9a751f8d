"""Runs side by side: on which samples they are judged, which is better, by how much, and whether chance could do it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np

from twofold.analysis.curves import SPLITS, Curve, counted, curves
from twofold.runs import Run
from twofold.runs.evidence import evidence, predicted

LEVEL = 0.05
"""The p below which a difference is not put down to chance."""


@dataclass(frozen=True)
class Paired:
    """Two runs' answers for the same samples, of one engine."""

    engine: str
    first: int
    """The place among the runs, as is `second`."""
    second: int
    samples: int
    right: tuple[int, int]
    only_first: int
    """Samples that the first answers right and the second wrong."""
    only_second: int

    @property
    def difference(self) -> float:
        """Accuracy of the first minus that of the second."""
        return (self.only_first - self.only_second) / self.samples

    @property
    def error(self) -> float:
        """Standard error of the difference: the samples are a draw, and both runs answer the same ones.

        √(b + c − (b − c)²/n) / n, where b and c are the samples that only one of the two answers right.
        """
        b, c, n = self.only_first, self.only_second, self.samples
        return math.sqrt(b + c - (b - c) ** 2 / n) / n

    @property
    def p(self) -> float:
        """How often chance alone makes a difference this large: McNemar's test, exact, two-sided."""
        from scipy.stats import binomtest

        discordant = self.only_first + self.only_second
        return float(binomtest(self.only_first, discordant).pvalue) if discordant else 1.0


@dataclass(frozen=True)
class Reached:
    """When a run first reached a training accuracy; `at` is in epochs or steps, as its curve."""

    run: int
    """The place among the runs."""
    at: float


def names(runs: Sequence[Run]) -> list[str]:
    """The names of the runs' folders, with as many folders before them as make all names different."""
    paths = [run.path.resolve() for run in runs]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        endings = [str(Path(*path.parts[-depth:])) for path in paths]
        if len(set(endings)) == len(endings):
            return endings
    return [str(path) for path in paths]


def same_task(runs: Sequence[Run]) -> bool:
    """Whether all runs learn one task: the same source, the same classes or targets, palindromes of one length."""
    tasks = [_task(run) for run in runs]
    return all(task == tasks[0] for task in tasks)


def _task(run: Run) -> tuple[object, ...]:
    facts = run.record.data
    return facts.source, facts.title, facts.classes, facts.task, facts.targets, getattr(run.recipe.data, "length", None)


def same_samples(first: Run, second: Run) -> bool:
    """Whether both were judged on the same held-out samples, as far as the folders tell.

    The same split of the same source, as many samples, the same class of each, and the first ones the same, number for
    number.
    """
    a, b = evidence(first), evidence(second)
    if not same_task([first, second]) or not {"target", "preview"} <= a.keys() & b.keys():
        return False
    held_out = first.record.data.held_out
    return (
        held_out == second.record.data.held_out
        and held_out != "train"
        and np.array_equal(a["target"], b["target"])
        and np.array_equal(a["preview"], b["preview"])
    )


def paired(runs: Sequence[Run], first: int, second: int, engine: str) -> Paired | None:
    """Two runs' answers beside each other.

    `None` where the engine has not finished in both, the samples are not the same, or no classes are answered.
    """
    answers = [predicted(runs[index]).get(engine) for index in (first, second)]
    if runs[first].record.data.task != "classification":
        return None
    if answers[0] is None or answers[1] is None or not same_samples(runs[first], runs[second]):
        return None
    target = evidence(runs[first])["target"]
    a, b = answers[0] == target, answers[1] == target
    counts = (int((a & ~b).sum()), int((b & ~a).sum()))
    return Paired(engine, first, second, len(target), (int(a.sum()), int(b.sum())), *counts)


def against_best(runs: Sequence[Run], engine: str) -> list[Paired]:
    """The best run on the held-out samples against each of the others; empty where not all can be compared."""
    answers = [predicted(run).get(engine) for run in runs]
    if any(run.record.data.task != "classification" for run in runs):
        return []
    if any(answer is None for answer in answers) or not all(same_samples(a, b) for a, b in combinations(runs, 2)):
        return []
    target = evidence(runs[0])["target"]
    best = int(np.argmax([(answer == target).sum() for answer in answers]))
    return [pair for other in range(len(runs)) if other != best and (pair := paired(runs, best, other, engine))]


def common_unit(runs: Sequence[Run]) -> Literal["epoch", "step"]:
    """Epochs where every recipe counts its training in them, else steps, which every run has."""
    return "epoch" if all(counted(run) == "epoch" for run in runs) else "step"


def common_splits(runs: Sequence[Run]) -> list[str]:
    """`train`, and the split that all hold out: `validation`, else `test`, else none."""
    have = [run.record.data.samples for run in runs]
    held_out = next((split for split in SPLITS[1:] if all(samples.get(split) for samples in have)), None)
    return ["train", held_out] if held_out else ["train"]


def all_curves(runs: Sequence[Run]) -> list[list[Curve]]:
    """The curves of each run, against epochs or steps, whichever all runs have."""
    unit = common_unit(runs)
    return [curves(run, unit) for run in runs]


def epoch_steps(run: Run) -> int:
    """The steps of one epoch."""
    samples = run.record.data.samples["train"]
    return math.ceil(samples / run.recipe.training.batch(samples))


def reached(curves_of_runs: Sequence[Sequence[Curve]], engine: str) -> tuple[float, list[Reached]] | None:
    """The lowest of the training accuracies that the runs end at, and when each first had it.

    `None` where a run has no curve of this engine.
    """
    ours = [next((c for c in own if (c.engine, c.split) == (engine, "train")), None) for own in curves_of_runs]
    if not ours or any(curve is None for curve in ours):
        return None
    curves_ = [curve for curve in ours if curve is not None]
    level = min(float(curve.quality[-1]) for curve in curves_)
    at = [float(curve.x[int(np.argmax(curve.quality >= level))]) for curve in curves_]
    return level, [Reached(run, x) for run, x in enumerate(at)]


def same_machine(runs: Sequence[Run]) -> bool:
    """Whether the times can be compared: the same platform, processors, threads and devices."""
    keys = ("platform", "processors", "blas_threads", "torch_threads")
    facts = [run.record.circumstances for run in runs]
    shared = set[str].intersection(*(set(run.engines) for run in runs))
    return all(
        all(getattr(fact, key) == getattr(facts[0], key) for key in keys)
        and all(fact.devices.get(engine) == facts[0].devices.get(engine) for engine in shared)
        for fact in facts
    )
