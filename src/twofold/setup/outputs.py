"""What a network's outputs stand for."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.recipe import Model
from twofold.recipe.activations import Softmax

SMALLEST = 1e-15
"""A probability below it counts as this: the logarithm of 0 is not finite. As in scikit-learn for float64."""


def probabilities(model: Model, outputs: Array) -> Array | None:
    """The outputs of the last layer as probabilities, (samples, classes).

    `None` where the outputs are no probabilities and no logits: under the squared error they may leave [0, 1].
    """
    if model.loss.targets == "labels":
        with np.errstate(over="ignore"):  # e^710 is infinite, and the probability 0
            return 1 / (1 + np.exp(-outputs.astype(np.float64)))
    if model.loss.takes_logits:  # whatever the last layer is
        z = outputs.astype(np.float64)
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return outputs.astype(np.float64) if isinstance(model.layers[-1], Softmax) else None


def measured(model: Model, outputs: Array) -> tuple[Array, str]:
    """Probabilities where the outputs stand for them, else the outputs; and the word: `probability` or `output`."""
    p = probabilities(model, outputs)
    return (outputs, "output") if p is None else (p, "probability")
