"""Units that pass no gradient: dead ones of ReLU, saturated ones of functions that flatten out."""

from __future__ import annotations

from collections.abc import Sequence

from twofold.analysis.rules.fitting import SOLVED, learned
from twofold.analysis.rules.rule import Fact, Finding, Rule, Statement
from twofold.analysis.signal_curves import SignalCurve, kept_step, signal_curves
from twofold.recipe.layer import Asleep
from twofold.recipe.recurrent import Recurrent
from twofold.runs import Run
from twofold.runs.history import PROBE, SATURATED

DEAD = 0.5
"""The share of a layer's units whose death is a fault. Healthy trainings stay below: docs/benchmarks/healthy.md."""
SATURATED_START = 0.5
"""The share of outputs whose saturation before training is a fault: usual initial weights saturate hardly any."""

DEAD_UNITS = Statement(
    "dead",
    "Dead units",
    "{after:.0%} of the {units:unit} of layer {layer} (`{kind}`) are 0 for every sample of the probe, "
    "{before:.0%} before training: no gradient passes them",
    fault=True,
)
FEW_DEAD = Statement(
    "awake",
    "Dead units",
    "few: at most {after:.0%} of a layer’s units, of the {units} of layer {layer} (`{kind}`)",
)
ALL_AWAKE = Statement(
    "all_awake",
    "Dead and saturated units",
    "there are none: every unit passes a gradient for some sample of the probe",
)
SATURATED_AT_START = Statement(
    "saturated_at_start",
    "Saturated units",
    "{share_before:.0%} of the outputs of layer {layer} ({named}) are saturated before any training: the weights "
    "before it are too large",
    fault=True,
)
STUCK = Statement(
    "stuck",
    "Saturated units",
    "{after:.0%} of the {units:unit} of layer {layer} ({named}) are saturated for every sample of the probe, "
    "{before:.0%} before training: next to no gradient passes them",
    fault=True,
)
FEW_SATURATED = Statement(
    "unsaturated",
    "Saturated units",
    "few are so for every sample: at most {after:.0%} of a layer’s units, of the {units} of layer {layer} (`{kind}`)",
)


def sleeping(run: Run) -> list[Finding]:
    """Dead and saturated units, layer by layer but the last; where there is no fault, the largest share."""
    last = run.recipe.network.nodes[-1].name
    saturated = {_place(curve): curve for curve in signal_curves(run, "saturated")}
    asleep = [curve for curve in signal_curves(run, "dead") if curve.layer != last]
    findings = list[Finding]()
    for engine in dict.fromkeys(curve.engine for curve in asleep):
        own = [curve for curve in asleep if curve.engine == engine]
        faults = [fault for curve in own if (fault := _fault(run, curve, saturated.get(_place(curve)))) is not None]
        findings += faults or [_awake(run, engine, own)]
    return findings


def _fault(run: Run, dead: SignalCurve, saturated: SignalCurve | None) -> Finding | None:
    """What is wrong with a layer: dead units where these sleep when off, else saturated ones; `None` if nothing."""
    step = kept_step(run, dead.engine)
    after = dead.at(step)
    numbers: dict[str, Fact] = {"before": float(dead.value[0]), "after": after, "gate": dead.part, "kind": dead.kind}
    numbers |= {"units": _units(run, dead.layer)}
    if _sleeps_when_off(run, dead.layer):
        return Finding(DEAD_UNITS, dead.engine, "units", numbers, dead.layer) if after >= DEAD else None
    assert saturated is not None
    numbers |= {"share_before": float(saturated.value[0]), "share_after": saturated.at(step)}
    share = learned(run, dead.engine)
    if saturated.value[0] >= SATURATED_START and (share is None or share < SOLVED):
        return Finding(SATURATED_AT_START, dead.engine, "units", numbers, dead.layer)
    return Finding(STUCK, dead.engine, "units", numbers, dead.layer) if after >= DEAD else None


def _awake(run: Run, engine: str, own: Sequence[SignalCurve]) -> Finding:
    """The largest share of sleeping units among the layers of an engine, or that there is none."""
    step = kept_step(run, engine)
    most = max(own, key=lambda curve: curve.at(step))
    share = most.at(step)
    if not share:
        return Finding(ALL_AWAKE, engine, "units")
    numbers = {"after": share, "units": _units(run, most.layer), "kind": most.kind}
    return Finding(
        FEW_DEAD if _sleeps_when_off(run, most.layer) else FEW_SATURATED, engine, "units", numbers, most.layer
    )


def _sleeps_when_off(run: Run, layer: str) -> bool:
    """Whether the layer's units are dead where they are off, as those of ReLU, and not where they are saturated."""
    return Asleep.OFF in run.recipe.network.nodes[int(layer)].spec.watched().values()


def _units(run: Run, layer: str) -> int | None:
    node = run.recipe.network.nodes[int(layer)]
    if isinstance(node.spec, Recurrent):
        return node.spec.units
    return node.output_shape[0] if len(node.output_shape) == 3 else node.output_shape[-1]


def _place(curve: SignalCurve) -> tuple[str, str, str]:
    return curve.engine, curve.layer, curve.part


RULES = (
    Rule(
        "Dead units",
        (DEAD_UNITS, FEW_DEAD, ALL_AWAKE),
        sleeping,
        "A ReLU unit, of images a channel, is dead where it is 0 for each of the first {PROBE} training samples, in "
        "evaluation mode: no gradient passes it. A layer has the fault where at least {DEAD} of its units are dead "
        "under the weights that the run keeps. [Healthy trainings](benchmarks/healthy.md) stay far below.",
        {"DEAD": DEAD, "PROBE": PROBE},
        "Lu, Shin, Su & Karniadakis, *Dying ReLU and initialization* (2019).",
    ),
    Rule(
        "Saturated units",
        (SATURATED_AT_START, STUCK, FEW_SATURATED),
        sleeping,
        "An output is saturated where |tanh| or |2σ − 1| is above {SATURATED}: the slope is below a tenth of the "
        "largest. A layer or gate has the fault where at least {SATURATED_START} of its outputs are so "
        "before training, or at least {DEAD} of its units for every one of the {PROBE} samples after it. The last "
        "layer may saturate.",
        {"SATURATED": SATURATED, "SATURATED_START": SATURATED_START, "DEAD": DEAD, "PROBE": PROBE},
        "Glorot & Bengio, *Understanding the difficulty of training deep feedforward neural networks* (2010).",
    ),
)
