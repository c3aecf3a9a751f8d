"""How a recipe is judged: loss and accuracy on every split, in the way that its training table says; what its
network's outputs stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset, Views
from twofold.engine import Engine
from twofold.numpy_engine import LOSSES
from twofold.recipe import Model, Recipe
from twofold.recipe.activations import Softmax
from twofold.recipe.training import CrossEntropy
from twofold.runs import SCORES
from twofold.runs.history import HistoryRow
from twofold.setup.needed import evaluation_batch
from twofold.train.loop import Evaluate, Score, evaluate, judged_splits


def evaluation(recipe: Recipe) -> dict[str, Any]:
    """What `evaluate` and `predictions` are told of a recipe."""
    return {"views": views(recipe), "batch": evaluation_batch(recipe.network)}


def views(recipe: Recipe) -> Views:
    """How the recipe looks at an image that is judged."""
    return Views(recipe.training.flip_test, recipe.training.shift_test)


def scorer(recipe: Recipe, dataset: Dataset) -> Evaluate:
    """Loss and accuracy of an engine on each split; of the training samples on as many as the recipe says."""
    loss, how = LOSSES[recipe.loss.kind], evaluation(recipe)
    splits = judged_splits(dataset, recipe.training.evaluate_samples)

    def score(engine: Engine) -> dict[str, Score]:
        return {name: evaluate(engine, split, loss, **how) for name, split in splits.items()}

    return score


def scores_of(row: HistoryRow) -> dict[str, float | None]:
    """Of an evaluation, by the names that a run and a study keep."""
    return {key: getattr(row, key) for key in SCORES}


def probabilities(model: Model, outputs: Array) -> Array | None:
    """From the outputs of the last layer to probabilities, (samples, classes).

    `None` where the outputs are none and stand for none: under the squared error they may leave [0, 1].
    """
    if isinstance(model.loss, CrossEntropy):  # it applies softmax itself, whatever the last layer is
        z = outputs.astype(np.float64)
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    return outputs.astype(np.float64) if isinstance(model.layers[-1], Softmax) else None


def measured(model: Model, outputs: Array) -> tuple[Array, str]:
    """The outputs as probabilities where they stand for such, else as they are; and the word for what they are."""
    p = probabilities(model, outputs)
    return (outputs, "output") if p is None else (p, "probability")
