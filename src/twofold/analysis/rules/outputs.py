"""What the last layer does to the loss that judges it."""

from __future__ import annotations

from twofold.analysis.rules.rule import Finding, Rule, Statement
from twofold.runs import Run

SQUASHING = ("softmax", "sigmoid", "tanh", "relu", "dropout")
"""Kinds of a last layer before cross-entropy, which takes the logarithm of its own softmax."""

SQUASHED = Statement(
    "squashed",
    "The last layer",
    "`{kind}` stands before the cross-entropy, which takes a softmax of what it is given: outputs between its bounds "
    "cannot say how sure they are, and their gradients shrink. Leave the last layer out; predictions have "
    "probabilities "
    "all the same",
    fault=True,
)


def last_layer(run: Run) -> list[Finding]:
    """A last layer that squashes the numbers of which cross-entropy takes its own softmax."""
    kind = run.recipe.layers[-1].kind
    if run.recipe.loss.kind != "cross_entropy" or kind not in SQUASHING:
        return []
    name = run.recipe.network.nodes[-1].name
    return [Finding(SQUASHED, engine, "", {"kind": kind}, name) for engine in run.engines]


RULES = (
    Rule(
        "The last layer",
        (SQUASHED,),
        last_layer,
        "The loss is cross-entropy, and the last layer `softmax`, `sigmoid`, `tanh`, `relu` or `dropout`.",
        {},
        "Goodfellow, Bengio & Courville, *Deep Learning* (2016), 6.2.2.",
    ),
)
