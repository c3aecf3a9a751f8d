"""Where a training begins: the size of the initial weights, and the loss that they give."""

from __future__ import annotations

import math

from twofold.analysis.rules.fitting import NEARLY, SOLVED, learned
from twofold.analysis.rules.rule import Finding, Rule, Statement, borne
from twofold.analysis.signal_curves import signal_curves
from twofold.recipe.losses import CrossEntropy
from twofold.runs import Run

INITIAL_LOSS = 3.0
"""Times ln(classes), the loss of equal probabilities: above it, initial weights or inputs are too large."""
USUAL = "0.6 to 1.4"
"""The factors by which the default, Glorot's and He's initial weights change the size of a signal."""
WEIGHTS_SMALL, WEIGHTS_LARGE = 0.1, 3.0
"""Factors by which initial weights change the size of a signal, below and above which none of the usual ones do."""

WEIGHTS_ZERO = Statement(
    "weights_zero",
    "Initial weights",
    "every weight begins at 0: all units of a layer get the same gradient and stay alike, or none at all. Draw them at "
    "random",
    fault=True,
)
SMALL_WEIGHTS = Statement(
    "weights_small",
    "Initial weights",
    "the weights of layer {layer} begin so small that they shrink a signal to {factor:two} of its size, where usual "
    "ones give {usual}: outputs and gradients are next to nothing at first. Raise the recipe’s initial weights",
    fault=True,
)
LARGE_WEIGHTS = Statement(
    "weights_large",
    "Initial weights",
    "the weights of layer {layer} begin so large that they raise a signal to {factor:two} times its size, where usual "
    "ones give {usual}. Lower the recipe’s initial weights",
    fault=True,
)
SMALL_BORNE, LARGE_BORNE = borne(SMALL_WEIGHTS), borne(LARGE_WEIGHTS)
STARTS_HIGH = Statement(
    "starts_high",
    "Initial loss",
    "before training the loss is {loss:loss}, where equal probabilities would have {even:loss}: the network is sure of "
    "answers before it has seen any",
    fault=True,
)
STARTS_HIGH_BORNE = borne(STARTS_HIGH)


def initial_weights(run: Run) -> list[Finding]:
    """What the first weights do to a signal: ‖W‖ / √(rows), which is std · √fan_in."""
    findings = list[Finding]()
    for engine in run.recipe.training.engines:
        share, factors = learned(run, engine), _factors(run, engine)
        in_spite = share is not None and share >= NEARLY
        if not factors:
            continue
        if not any(factors.values()):
            findings.append(Finding(WEIGHTS_ZERO, engine))
            continue
        smallest, largest = min(factors, key=factors.__getitem__), max(factors, key=factors.__getitem__)
        if factors[largest] > WEIGHTS_LARGE:
            numbers = {"factor": factors[largest], "usual": USUAL}
            findings.append(Finding(LARGE_BORNE if in_spite else LARGE_WEIGHTS, engine, "", numbers, largest))
        elif factors[smallest] < WEIGHTS_SMALL and smallest != list(factors)[-1]:
            numbers = {"factor": factors[smallest], "usual": USUAL}
            findings.append(Finding(SMALL_BORNE if in_spite else SMALL_WEIGHTS, engine, "", numbers, smallest))
    return findings


def _factors(run: Run, engine: str) -> dict[str, float]:
    """By layer, the factor of the weights that multiply its input; an embedding's table and W_hh do not."""
    nodes = {node.name: node for node in run.recipe.network.nodes}
    factors = dict[str, float]()
    for curve in signal_curves(run, "weight"):
        if curve.engine != engine or curve.part not in ("weight", "weight_ih_l0") or curve.step[0] != 0:
            continue
        if curve.kind == "embedding":
            continue
        rows = nodes[curve.layer].parameters[curve.part][0]
        assert rows is not None
        factors[curve.layer] = float(curve.value[0]) / math.sqrt(rows)
    return factors


def initial_loss(run: Run) -> list[Finding]:
    """The loss before training beside ln C, that of equal probabilities. Karpathy, A recipe (2019)."""
    rows = run.evaluations.where(run.evaluations["step"] == 0)
    if not isinstance(run.recipe.loss, CrossEntropy) or run.recipe.loss.reduction != "mean":
        return []
    even = math.log(len(run.record.data.classes))
    findings = list[Finding]()
    for engine, loss in zip(rows["engine"].tolist(), rows["train_loss"].tolist(), strict=True):
        share = learned(run, engine)
        if not loss <= INITIAL_LOSS * even:
            in_spite = share is not None and share >= SOLVED
            findings.append(
                Finding(STARTS_HIGH_BORNE if in_spite else STARTS_HIGH, engine, "", {"loss": loss, "even": even})
            )
    return findings


RULES = (
    Rule(
        "Initial weights",
        (WEIGHTS_ZERO, LARGE_WEIGHTS, LARGE_BORNE, SMALL_WEIGHTS, SMALL_BORNE),
        initial_weights,
        "Initial weights multiply the size of a signal by about their standard deviation times √fan_in, which is "
        "‖W‖ over the root of its rows: a factor above {WEIGHTS_LARGE}, one below {WEIGHTS_SMALL} in any layer but the "
        "last, or 0 in all. A fault where less than {NEARLY} of what there is to learn is learned, or the loss stopped "
        "being finite.",
        {"NEARLY": NEARLY, "WEIGHTS_LARGE": WEIGHTS_LARGE, "WEIGHTS_SMALL": WEIGHTS_SMALL},
        "He, Zhang, Ren & Sun, *Delving deep into rectifiers* (2015), 2.2.",
    ),
    Rule(
        "Loss before training",
        (STARTS_HIGH, STARTS_HIGH_BORNE),
        initial_loss,
        "It is more than {INITIAL_LOSS} times ln C, the cross-entropy of equal probabilities for C classes. A "
        "fault where less than {SOLVED} of what there is to learn is learned.",
        {"INITIAL_LOSS": INITIAL_LOSS, "SOLVED": SOLVED},
        "Karpathy, *A recipe for training neural networks* (2019).",
    ),
)
