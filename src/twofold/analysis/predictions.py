"""What was predicted for the samples that were held out."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.recipe import Recipe
from twofold.recipe.layers import Softmax
from twofold.recipe.training import CrossEntropy
from twofold.runs import EVIDENCE, Run


def evidence(run: Run) -> Arrays:
    """The run's evidence; empty where the run ended before it was written."""
    return run.evidence if (run.path / EVIDENCE).is_file() else {}


def predicted(run: Run) -> dict[str, Array]:
    """The predicted classes over the held-out samples, by engine, for those engines that finished."""
    arrays = evidence(run)
    return {engine: arrays[f"{engine}.predicted"] for engine in run.engines if f"{engine}.predicted" in arrays}


def probabilities(recipe: Recipe, outputs: Array) -> Array | None:
    """From the outputs of the last layer to probabilities, (samples, classes).

    `None` where the outputs are none and stand for none: under the squared error they may leave [0, 1].
    """
    if isinstance(recipe.loss, CrossEntropy):  # it applies softmax itself, whatever the last layer is
        z = outputs.astype(np.float64)
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return outputs.astype(np.float64) if isinstance(recipe.layers[-1], Softmax) else None


def measured(recipe: Recipe, outputs: Array) -> tuple[Array, str]:
    """The outputs as probabilities where they stand for such, else as they are; and the word for what they are."""
    p = probabilities(recipe, outputs)
    return (outputs, "output") if p is None else (p, "probability")
