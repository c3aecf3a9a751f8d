"""What holds a training back on purpose, and may hold it back too much: weight decay, dropout, clipping."""

from __future__ import annotations

import numpy as np

from twofold.analysis.rules.fitting import NEARLY, learned
from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.analysis.signal_curves import signal_curves
from twofold.recipe.dense import Dropout
from twofold.recipe.optimizers import Adamw, Sgd
from twofold.runs import Run

SHRUNK = 0.5
"""The share of its first norm up to which a weight has shrunk: decay pulls it down faster than it learns."""
PULL = 0.5
"""Decay's part of the gradient over that of the loss, from which on decay decides."""
DROPPED = 0.65
"""The share of dropped units from which on too few are left at a step."""
FEWEST_UNITS = 3
"""Fewest units that must be left at a step, on average."""
CUT = 0.01
"""The share of a gradient left by clipping, below which steps are too small to learn from."""

DECAYS = Statement(
    "decays",
    "Weight decay",
    "{decay:g} is too strong: it shrank the weights to {shrunk:two} of what they began with, and its part of the "
    "gradient is {pull:two} times that of the loss. Lower it",
    fault=True,
)
DROPS_OUT = Statement(
    "drops_out",
    "Dropout",
    "layer {layer} leaves {left:.2g} of {units:unit} on at a step (p = {p:g}): too few to learn from. Lower p",
    fault=True,
)
CLIPPED = Statement(
    "clipped",
    "Clipping",
    "optimizer.max_norm = {most:g} leaves {left:two} of the gradient (median over training): the steps are too small "
    "to learn from. Raise it",
    fault=True,
)


def restraints(run: Run) -> list[Finding]:
    """Which of weight decay, dropout and clipping are too strong, in a network that has learned little."""
    findings = list[Finding]()
    for engine in run.engines:
        share = learned(run, engine)
        if share is None or share >= NEARLY:
            continue
        findings += [*_decay(run, engine), *_dropout(run, engine), *_clipping(run, engine)]
    return findings


def _decay(run: Run, engine: str) -> list[Finding]:
    """Judged by the weights at the end: shrunk, or held where decay pulls as hard as the loss does."""
    decay = run.recipe.optimizer.weight_decay
    weights = [curve for curve in signal_curves(run, "weight") if curve.engine == engine and curve.value[0] > 0]
    gradients = {(c.layer, c.part): c.value for c in signal_curves(run, "gradient") if c.engine == engine}
    if not decay or not weights:
        return []
    shrunk = float(np.median([curve.value[-1] / curve.value[0] for curve in weights]))
    norm = sum(float(curve.value[-1]) ** 2 for curve in weights) ** 0.5
    ends = [gradients[place][-1] for curve in weights if (place := (curve.layer, curve.part)) in gradients]
    slope = sum(float(end) ** 2 for end in ends) ** 0.5
    pull = decay * norm / slope if slope > 0 else float("inf")
    held = shrunk < 1 and pull >= PULL and not isinstance(run.recipe.optimizer, Adamw)
    if shrunk > SHRUNK and not held:
        return []
    return [Finding(DECAYS, engine, "signals", {"decay": decay, "shrunk": shrunk, "pull": min(pull, 1e9)})]


def _dropout(run: Run, engine: str) -> list[Finding]:
    findings = list[Finding]()
    for node in run.recipe.network.nodes:
        if not isinstance(node.spec, Dropout):
            continue
        shape = node.output_shape
        units = (shape[0] if len(shape) == 3 else shape[-1:][0]) or 0
        left = (1 - node.spec.p) * units
        if node.spec.p >= DROPPED or left < FEWEST_UNITS:
            numbers = {"p": node.spec.p, "units": units, "left": left}
            findings.append(Finding(DROPS_OUT, engine, "", numbers, node.name))
    return findings


def _clipping(run: Run, engine: str) -> list[Finding]:
    """How much of the gradient clipping leaves, under SGD only: an adaptive optimizer divides by what is left."""
    most = run.recipe.optimizer.max_norm
    if most is None or not isinstance(run.recipe.optimizer, Sgd):
        return []
    own = [curve.value for curve in signal_curves(run, "gradient") if curve.engine == engine]
    if not own or len({len(values) for values in own}) > 1:
        return []
    norm = float(np.median(np.sqrt(np.square(own).sum(axis=0))))
    left = most / norm if norm > 0 else 1.0
    return [Finding(CLIPPED, engine, "signals", {"most": most, "left": left})] if left < CUT else []


RULES = (
    Rule(
        "Restraints that are too strong",
        (DECAYS, DROPS_OUT, CLIPPED),
        restraints,
        "Less than {NEARLY} of what there is to learn is learned, and: weight decay shrank the median weight to "
        "{SHRUNK} of its beginning, or kept it below that and pulls at the end with {PULL} of the loss’s own gradient "
        "or more; or a dropout drops {DROPPED} of its units, or leaves fewer than {FEWEST_UNITS} on average; or "
        "clipping leaves SGD less than {CUT} of the gradient.",
        {
            "NEARLY": NEARLY,
            "SHRUNK": SHRUNK,
            "PULL": PULL,
            "DROPPED": DROPPED,
            "FEWEST_UNITS": FEWEST_UNITS,
            "CUT": CUT,
        },
        "Goodfellow, Bengio & Courville, *Deep Learning* (2016), 7.1, 7.12 and 10.11.1.",
    ),
)
