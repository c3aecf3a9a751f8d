"""What two engines differ in: the norms of their weights, and which answers better."""

from __future__ import annotations

import numpy as np

from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement
from twofold.analysis.signal_curves import signal_curves
from twofold.runs import Run
from twofold.runs.agreement import PARTED as PARTED_SHARE
from twofold.runs.agreement import SIGMAS, PartedByRounding, beyond_chance
from twofold.runs.evidence import evidence, predicted
from twofold.runs.history import DIGITS

APART = 0.01
"""The share of its norm from which on a weight of the two engines is said to part."""
RESOLUTION = 10.0 ** (1 - DIGITS)
"""The share of themselves by which two norms with the same recorded digits may differ: one in the last digit."""

ROUNDING = 1e-4
"""The share of its norm up to which a weight differs by rounding alone, before the engines part."""

PART = Statement(
    "part",
    "The engines",
    "the norms of their weights part: from step {step} on they differ by more than {APART:.0%}, at most by "
    "{gap:two} of themselves (`{name}`)",
    about_both=True,
)
STAY_TOGETHER = Statement(
    "together",
    "The engines",
    "the norms of their weights stay together: at {moments:moment} they differ by at most {gap:two} of themselves "
    "(`{name}`)",
    about_both=True,
)
ALIKE = Statement(
    "alike",
    "The engines",
    "the norms of their weights stay together: at {moments:moment} they differ by less than {resolution} of "
    "themselves, the last digit that is recorded",
    about_both=True,
)
BETTER = Statement(
    "better",
    "The engines",
    "it answers better than the other, beyond chance: {alone} samples it alone gets right, {other} the other alone",
    fault=True,
)
PARTED = Statement(
    "parted_by_rounding",
    "The engines",
    "it alone answers {alone} held-out samples right, the other alone {other}: their weights were alike until they "
    "parted at step {step:,}, as rounding parts two trainings that a small difference leads apart. From there on "
    "they "
    "are two trainings and neither engine is the better one; `twofold verify` compares them step by step",
)
PARTED_PROVED = Statement(
    "parted_by_rounding_proved",
    "The engines",
    "it alone answers {alone} held-out samples right, the other alone {other}. They were parted by rounding at step "
    "{step:,}; neither is better: in lock-step from the state before it, in float64, they differ by at most {gap:.1e} "
    "at every stage. This training raises a difference {growth:.2f} times a step. {twin}",
)


def _twin(parted: PartedByRounding) -> str:
    """A sentence on when a twin that began one last bit away parted from the NumPy engine."""
    if parted.twin_step is None:
        return "A twin of the NumPy engine that began one last bit away had not parted from it by then"
    return f"A twin of the NumPy engine that began one last bit away parted from it at step {parted.twin_step:,}"


def parting(run: Run) -> list[Finding]:
    """Whether and when the norms of the weights of two engines part."""
    first, *others = run.recipe.training.engines
    gaps = _gaps(run, first, others[0]) if others else {}
    if not gaps:
        return []
    apart = [step for step in sorted(gaps) if gaps[step][0] > APART]
    gap, name = max(gaps.values())
    statement = PART if apart else STAY_TOGETHER if gap else ALIKE
    numbers = {"gap": gap, "name": name, "moments": len(gaps), "step": apart[0] if apart else None}
    return [Finding(statement, others[0], "signals", numbers | {"resolution": RESOLUTION})]


def _gaps(run: Run, first: str, other: str) -> dict[int, tuple[float, str]]:
    """The largest relative gap of two engines' norms at each step, and the weight that has it."""
    curves = signal_curves(run, "weight")
    own = {(curve.layer, curve.part): curve for curve in curves if curve.engine == first}
    gaps = dict[int, tuple[float, str]]()
    for curve in curves:
        mine = own.get((curve.layer, curve.part))
        if curve.engine != other or mine is None:
            continue
        shared = min(len(mine.value), len(curve.value))
        a, b = mine.value[:shared], curve.value[:shared]
        for step, gap in zip(curve.step, np.abs(a - b) / np.maximum(np.maximum(a, b), 1e-300), strict=False):
            gaps[int(step)] = max(gaps.get(int(step), (0.0, "")), (float(gap), f"{curve.layer}.{curve.part}"))
    return gaps


def better(run: Run) -> list[Finding]:
    """McNemar's test: of the samples that one engine alone gets right, chance gives each half."""
    classes = predicted(run)
    if len(classes) < 2 or run.record.data.task != "classification":
        return []
    target = evidence(run)["target"]
    (first, a), (second, b), *_ = classes.items()
    first_alone = int(((a == target) & (b != target)).sum())
    second_alone = int(((b == target) & (a != target)).sum())
    if not beyond_chance(first_alone, second_alone):
        return []
    numbers: dict[str, Fact] = {"alone": max(first_alone, second_alone), "other": min(first_alone, second_alone)}
    if (proved := run.record.parted) is not None and proved.lockstep.agrees:
        numbers |= {"step": proved.step, "growth": proved.growth, "twin": _twin(proved)}
        numbers |= {"gap": max((gap or 0.0 for gap in proved.lockstep.largest.values()), default=0.0)}
        return [Finding(PARTED_PROVED, first if first_alone > second_alone else second, "signals", numbers)]
    gaps = _gaps(run, first, second)
    apart = [step for step in sorted(gaps) if gaps[step][0] > APART]
    before = [gaps[step][0] for step in sorted(gaps) if apart and 0 < step < apart[0]]
    if before and min(before) <= ROUNDING:
        return [
            Finding(PARTED, first if first_alone > second_alone else second, "signals", numbers | {"step": apart[0]})
        ]
    return [Finding(BETTER, first if first_alone > second_alone else second, "", numbers)]


RULES = (
    Rule(
        "The engines apart",
        (PART, STAY_TOGETHER, ALIKE),
        parting,
        "The norms of a weight in the two engines differ by more than {APART} of the larger. No fault: rounding "
        "grows "
        "in a training that runs free. Whether the engines compute the same is for `twofold verify` to say.",
        {"APART": APART},
        of_training=False,
    ),
    Rule(
        "One engine better",
        (BETTER, PARTED, PARTED_PROVED),
        better,
        "Of the held-out samples, b are answered right by one engine alone and c by the other alone: |b − c| is more "
        "than {SIGMAS} √(b + c). A run of both engines then looks for the step at which they parted: both are trained "
        "again until a parameter is apart by {PARTED} of its size, and compared in lock-step from the state before it. "
        "In a run folder without that the norms of the weights must have been within {ROUNDING} of each other after "
        "some steps, before they parted.",
        {"SIGMAS": SIGMAS, "PARTED": PARTED_SHARE, "ROUNDING": ROUNDING},
        "McNemar, *Note on the sampling error of the difference between correlated proportions* (1947).",
        of_training=False,
    ),
)
