"""The learning rate, judged by what the loss does and how large the updates are beside the weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.analysis.curves import curves
from twofold.analysis.rules.fitting import LEARNED, learned
from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement
from twofold.analysis.rules.units import DEAD
from twofold.analysis.signal_curves import SignalCurve, signal_curves
from twofold.arrays import Array
from twofold.runs import Run

RISE = 0.25
"""The share of the loss before training by which the training loss must rise above an earlier value."""
RISEN_SHARE = 0.1
"""The share of the evaluations that must be that high; the last one alone is enough, a spike before it is not."""
RATIO = 1e-3
"""‖update‖ / ‖weight‖ of a rate that fits, as a rule of thumb."""
RATIO_HIGH = 0.1
"""A hundred times that: a step changes a weight by a tenth of itself."""
RATIO_LOW = 1e-4
"""A tenth of it: a thousand steps in one direction do not change a weight by a tenth of itself."""
KILLED = 0.9
"""The share of a layer's units that must be dead after training for the rate to be blamed."""

OTHER_CAUSES = frozenset(
    [
        "inputs_alike",
        "unscaled",
        "outlier",
        "inputs_large",
        "inputs_small",
        "weights_large",
        "weights_small",
        "weights_zero",
        "decays",
        "drops_out",
        "clipped",
    ]
)
"""Kinds of statements that name another cause: where one of them is true, the rate is not blamed."""

STOPPED = Statement(
    "stopped",
    "Divergence",
    "the loss was no finite number any more at step {step}",
    fault=True,
)
DIVERGED = Statement(
    "diverged",
    "Rate too high",
    "the rate of {lr} is too high for these gradients",
    fault=True,
    unless=OTHER_CAUSES,
)
DIVERGED_BY_STEPS = Statement(
    "diverged_by_steps",
    "Rate too high",
    "with the rate of {lr} a step had changed `{name}` by {ratio:two} of its size at step {ratio_step}, where about "
    "{RATIO} is usual",
    fault=True,
    unless=OTHER_CAUSES,
)
HIGH_BY_LOSS = Statement(
    "rate_high_by_loss",
    "Rate too high",
    "the training loss went up again from {lowest:loss} to {highest:loss}, and ended at {last:loss}; with the rate "
    "of "
    "{lr} a step changed `{name}` by {ratio:two} of its size at step {ratio_step}, where about {RATIO} is usual",
    fault=True,
    unless=OTHER_CAUSES,
)
HIGH_BY_UNITS = Statement(
    "rate_high_by_units",
    "Rate too high",
    "training itself put layer {layer} to sleep, {dead_first:.0%} of its units before, {dead_last:.0%} after it; "
    "with the rate of {lr} a step changed `{name}` by {ratio:two} of its size at step {ratio_step}, where about "
    "{RATIO} is usual",
    fault=True,
)
LOW = Statement(
    "rate_low",
    "Rate too low",
    "the updates are at most {largest_ratio:two} of the weights in size (median over training), where about {RATIO} "
    "is usual, and the training loss came from {first:loss} to {last:loss} only",
    fault=True,
    unless=OTHER_CAUSES,
)
FITTING_RATE = Statement(
    "rate_fits",
    "Learning rate",
    "the updates are {smallest_ratio:two} to {largest_ratio:two} of the weights in size (medians over training, "
    "layer by layer); about {RATIO} is usual, and no loss or layer shows a rate that is too high or too low",
    unless=OTHER_CAUSES,
)


def rates(run: Run) -> list[Finding]:
    """Whether each engine's rate was too high, too low, or fits; an older run folder tells only of divergence."""
    losses = {curve.engine: curve.loss for curve in curves(run) if curve.split == "train"}
    ratio_curves = [curve for curve in signal_curves(run, "ratio") if (curve.value > 0).any()]
    findings = list[Finding]()
    for engine in run.recipe.training.engines:
        ratios = [curve for curve in ratio_curves if curve.engine == engine]
        step = _failed_at(run, engine)
        if step is not None:
            findings.append(Finding(STOPPED, engine, "", {"step": step}))
            findings += [_diverged(run, engine, ratios)] if step else []  # before the first step no rate is to blame
        elif ratios and engine in losses:
            findings += _judged(run, engine, losses[engine], ratios)
    return findings


def _failed_at(run: Run, engine: str) -> int | None:
    failure = run.record.failure
    return failure.step if failure and failure.engine == engine else None


def _diverged(run: Run, engine: str, ratios: Sequence[SignalCurve]) -> Finding:
    numbers = {"lr": run.recipe.optimizer.lr}
    largest = max(ratios, key=lambda curve: curve.value.max(), default=None)
    if largest is None:
        return Finding(DIVERGED, engine, "", numbers)
    figure = "signals" if len(largest.step) > 1 else ""
    return Finding(DIVERGED_BY_STEPS, engine, figure, numbers | _largest_step(largest))


def _judged(run: Run, engine: str, loss: Array, ratios: Sequence[SignalCurve]) -> list[Finding]:
    """Too high, too low, or a rate that fits; none of them where little was learned and the steps are of some size."""
    largest = max(ratios, key=lambda curve: curve.value.max())
    medians = [float(np.median(curve.value[curve.value > 0])) for curve in ratios]
    numbers: dict[str, Fact] = {"first": float(loss[0]), "last": float(loss[-1]), "lr": run.recipe.optimizer.lr}
    numbers |= {"smallest_ratio": min(medians), "largest_ratio": max(medians), **_largest_step(largest)}
    if largest.value.max() >= RATIO_HIGH:
        if risen(loss):
            return [Finding(HIGH_BY_LOSS, engine, "curves", numbers | _rise(loss))]
        if asleep := _killed(run, engine):
            numbers |= {"dead_first": float(asleep.value[0]), "dead_last": float(asleep.value[-1])}
            return [Finding(HIGH_BY_UNITS, engine, "units", numbers, asleep.layer)]
    share = learned(run, engine)
    if share is None or share >= LEARNED:
        return [Finding(FITTING_RATE, engine, "signals", numbers)]
    return [Finding(LOW, engine, "signals", numbers | {"share": share})] if max(medians) < RATIO_LOW else []


def risen(loss: Array) -> bool:
    """Whether the training loss went far above what it had been, at the end or again and again."""
    high = loss > np.fmin.accumulate(loss) + RISE * loss[0]
    return bool(high[-1] or high.mean() >= RISEN_SHARE)


def _rise(loss: Array) -> dict[str, float]:
    """The loss where it was furthest above what it had been, and that earlier value."""
    before = np.fmin.accumulate(loss)
    place = int(np.nanargmax(loss - before))
    return {"lowest": float(before[place]), "highest": float(loss[place])}


def _killed(run: Run, engine: str) -> SignalCurve | None:
    """A layer that training itself put to sleep, so that no gradient passes it any more."""
    for curve in signal_curves(run, "dead"):
        if curve.engine == engine and curve.value[0] < DEAD and curve.value[-1] >= KILLED:
            return curve
    return None


def _largest_step(curve: SignalCurve) -> dict[str, object]:
    place = int(curve.value.argmax())
    name = f"{curve.layer}.{curve.part}"
    return {"name": name, "ratio": float(curve.value[place]), "ratio_step": int(curve.step[place])}


RULES = (
    Rule(
        "Rate too high",
        (STOPPED, DIVERGED, DIVERGED_BY_STEPS, HIGH_BY_LOSS, HIGH_BY_UNITS),
        rates,
        "The loss was no finite number any more; or a step changed a weight by {RATIO_HIGH} of its size or more "
        "(‖ΔW‖ / ‖W‖) **and** that did harm: the training loss lies more than {RISE} of the loss before training "
        "above "
        "an earlier value at the end or in {RISEN_SHARE} of the evaluations, or at least {KILLED} of a layer’s units "
        "are dead that were not before (fewer than {DEAD} of them). A large step alone is no fault.",
        {
            "RATIO": RATIO,
            "RATIO_HIGH": RATIO_HIGH,
            "RISE": RISE,
            "RISEN_SHARE": RISEN_SHARE,
            "KILLED": KILLED,
            "DEAD": DEAD,
        },
        "Karpathy, CS231n, *Neural Networks Part 3* (Stanford, 2015): about {RATIO} is usual.",
    ),
    Rule(
        "Rate too low",
        (LOW,),
        rates,
        "The median over training of ‖ΔW‖ / ‖W‖ is below {RATIO_LOW} for every weight **and** the network under-fits "
        "(less than {LEARNED}). A small step alone is no fault: at the end of a training it is usual.",
        {"RATIO": RATIO, "RATIO_LOW": RATIO_LOW, "LEARNED": LEARNED},
        "As above.",
    ),
    Rule(
        "Rate that fits",
        (FITTING_RATE,),
        rates,
        "None of the two rules above, where signals were recorded and the network does not under-fit: of one that "
        "has "
        "learned less than {LEARNED}, nothing is said of a rate to which no rule applies.",
        {"RATIO": RATIO, "LEARNED": LEARNED},
        "As above.",
    ),
)
