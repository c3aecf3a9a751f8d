"""Gradients that fade or grow on their way back, through layers and through time."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from twofold.analysis.rules.fitting import SOLVED, learned
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.analysis.signal_curves import SignalCurve, signal_curves
from twofold.analysis.through_time import FADED, time_flows
from twofold.runs import Run

DYING = 1e-6
"""The share of its largest norm below which a gradient is gone."""
BURST = 1e4
"""The norm of a weight's gradient above which it explodes, whatever the norms of others are."""
DEPTH = 0.01
"""Below this share of the last layer's gradient a layer's gradient vanishes; over its inverse it explodes."""

FADES_IN_DEPTH = Statement(
    "fades_in_depth",
    "Vanishing gradient",
    "through the layers: the gradient of layer {layer}’s weight is {share:two} times that of layer {beside}’s "
    "(median over training; norms {here} and {there})",
    fault=True,
)
GROWS_IN_DEPTH = Statement(
    "grows_in_depth",
    "Exploding gradient",
    "through the layers: the gradient of layer {layer}’s weight is {share:.3g} times that of layer {beside}’s "
    "(median over training; norms {here} and {there}); the inputs or the weights on the way are too large",
    fault=True,
)
EVEN_IN_DEPTH = Statement(
    "even_in_depth",
    "Gradients",
    "they neither vanish nor explode through the layers: norms from {least} to {most} (medians over training)",
)
DIES_OUT = Statement(
    "dies_out",
    "Vanishing gradient",
    "the gradient of layer {layer}’s weight fell to {least} of its largest norm of {most}: nothing trains it any more",
    fault=True,
)
BURSTS = Statement(
    "bursts",
    "Exploding gradient",
    "the gradient of layer {layer}’s weight reached a norm of {most} at step {at:,}, where its median is {median}",
    fault=True,
)
VANISHES = Statement(
    "vanishes",
    "Vanishing gradient",
    "through time: of the last step’s gradient only a share of {carried} reaches the first of {steps} steps after "
    "training, a factor of {factor} a step, and {before} before; what stands first cannot be learned from it",
    fault=True,
)
EXPLODES = Statement(
    "explodes",
    "Exploding gradient",
    "through time: on its way to the first of {steps} steps the gradient grows {carried} times after training, a "
    "factor of {factor} a step, and {before} times before",
    fault=True,
)
EXPLODES_AT_START = Statement(
    "explodes_at_start",
    "Exploding gradient",
    "through time: before training the gradient grows {before} times on its way to the first of {steps} steps, and "
    "{carried} times after: the recurrent weights are too large to begin with; a smaller gain, or clipping of the "
    "gradient, is the first thing to try",
    fault=True,
)
OVERFLOWS = Statement(
    "overflows",
    "Exploding gradient",
    "through time: on its way to the first of {steps} steps the gradient leaves the numbers that can be written",
    fault=True,
)
CARRIED = Statement(
    "carried",
    "Gradient through time",
    "{carried} times the last step’s reaches the first of {steps} steps after training, {before} times before",
)


def through_depth(run: Run) -> list[Finding]:
    """The gradient of each weight beside that of the last layer, by the median over training."""
    curves = signal_curves(run, "gradient")
    findings = list[Finding]()
    for engine in dict.fromkeys(curve.engine for curve in curves):
        own = [curve for curve in curves if curve.engine == engine]
        if len({curve.layer for curve in own}) < 2:
            continue
        norms = [float(np.median(curve.value)) for curve in own]
        if (fault := _fault_in_depth(own)) or (fault := _fault_over_time(run, engine, own)):
            findings.append(fault)
        elif engine in run.engines and min(norms) > 0 and all(_is_steady(curve) for curve in own):
            numbers = {"least": min(norms), "most": max(norms)}
            findings.append(Finding(EVEN_IN_DEPTH, engine, "signals", numbers))
    return findings


def _is_steady(curve: SignalCurve) -> bool:
    """Whether the norm is finite and above 0 at every moment: only then is it said that nothing happens."""
    return bool(np.isfinite(curve.value).all() and curve.value.min() > DYING * curve.value.max())


def _fault_over_time(run: Run, engine: str, curves: Sequence[SignalCurve]) -> Finding | None:
    """A gradient that is gone at the end although the task is not learned, or that exploded at some moment."""
    share = learned(run, engine)
    for curve in curves:
        finite = np.isfinite(curve.value)
        most = float(curve.value[finite].max()) if finite.any() else math.inf
        at = int(curve.step[int(np.argmax(np.where(finite, curve.value, np.inf)))])
        if not finite.all() or most > BURST:
            numbers = {"most": most if finite.all() else math.inf, "at": at, "median": _median(curve)}
            return Finding(BURSTS, engine, "signals", numbers, curve.layer)
        if share is not None and share < SOLVED and most > 0 and curve.value[-_last(curve) :].max() < DYING * most:
            numbers = {"least": float(curve.value[-_last(curve) :].max() / most), "most": most}
            return Finding(DIES_OUT, engine, "signals", numbers, curve.layer)
    return None


def _last(curve: SignalCurve) -> int:
    """How many moments count as a curve's end: a single one may be a step at which every unit was dropped."""
    return max(3, len(curve.value) // 5)


def _fault_in_depth(curves: Sequence[SignalCurve]) -> Finding | None:
    """The first layer whose gradient fades or grows beside the last layer's: it is the furthest from the loss."""
    last = curves[-1]
    for curve in curves[:-1]:
        if curve.layer == last.layer or len(curve.value) != len(last.value):
            continue
        both = (curve.value > 0) & (last.value > 0)
        share = float(np.median(curve.value[both] / last.value[both])) if both.any() else 1.0
        if DEPTH <= share <= 1 / DEPTH:
            continue
        numbers = {"share": share, "beside": last.layer, "here": _median(curve), "there": _median(last)}
        statement = FADES_IN_DEPTH if share < DEPTH else GROWS_IN_DEPTH
        return Finding(statement, curve.engine, "signals", numbers, curve.layer)
    return None


def _median(curve: SignalCurve) -> float:
    return float(np.median(curve.value[curve.value > 0])) if (curve.value > 0).any() else 0.0


def through_steps(run: Run) -> list[Finding]:
    """The gradient through time in layers that are read at their last step; others get one from above at every step."""
    findings = list[Finding]()
    faults = {"vanishes": VANISHES, "explodes": EXPLODES, "overflows": OVERFLOWS}
    faults |= {"explodes at start": EXPLODES_AT_START, "overflows at start": EXPLODES_AT_START}
    for flow in time_flows(run):
        if flow.every or flow.gradient.shape[1] < 2:
            continue
        verdict, share = flow.verdict(flow.after), learned(run, flow.engine)
        begun = flow.verdict(0)
        if begun in ("explodes", "overflows") and verdict not in ("explodes", "overflows"):
            verdict = f"{begun} at start"
        numbers = {"carried": float(flow.carried[flow.after]), "before": float(flow.carried[0])}
        numbers |= {"steps": flow.gradient.shape[1], "factor": flow.factor(flow.after), "share": share}
        solved = share is not None and share >= SOLVED
        statement = CARRIED if verdict == "is carried" else None if solved else faults.get(verdict)
        if statement:
            findings.append(Finding(statement, flow.engine, f"through-time-{flow.layer}", numbers, flow.layer))
    return findings


RULES = (
    Rule(
        "Gradient through the layers",
        (FADES_IN_DEPTH, GROWS_IN_DEPTH, DIES_OUT, BURSTS, EVEN_IN_DEPTH),
        through_depth,
        "The norm of a weight’s gradient over that of the last layer’s, median over the moments recorded, is below "
        "{DEPTH}: it vanishes; above 1 / {DEPTH}: it explodes. The layer that is furthest from the loss is named. "
        "At single moments: a norm "
        "above {BURST} or none explodes; one that has fallen to {DYING} of its largest is gone, a fault where less "
        "than "
        "{SOLVED} of what there is to learn is learned.",
        {"DEPTH": DEPTH, "BURST": BURST, "DYING": DYING, "SOLVED": SOLVED},
        "Glorot & Bengio (2010), as above; Bengio, Simard & Frasconi, *Learning long-term dependencies with gradient "
        "descent is difficult* (1994).",
    ),
    Rule(
        "Gradient through time",
        (VANISHES, EXPLODES, EXPLODES_AT_START, OVERFLOWS, CARRIED),
        through_steps,
        "‖∂L/∂h(1)‖ / ‖∂L/∂h(T)‖ of a recurrent layer that is read at its last step, after training, is below "
        "{FADED}: "
        "it vanishes; above 1 / {FADED}: it explodes; before training too. It is a fault where the task is not "
        "learned all the same (less "
        "than {SOLVED} of what there is to learn, on the training samples).",
        {"FADED": FADED, "SOLVED": SOLVED},
        "Pascanu, Mikolov & Bengio, *On the difficulty of training recurrent neural networks* (2013).",
    ),
)
