"""Train recipes without a run folder: the points of a study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twofold.api.building import build_engine, few_threads, initial_state, resolved
from twofold.api.scoring import scorer
from twofold.data import Batches, Dataset, load_data
from twofold.recipe import Recipe
from twofold.runs import SCORES
from twofold.training import Row, Validation, train


@dataclass(frozen=True)
class Point:
    """What a training gave: the scores of the weights that it kept, or why it failed."""

    scores: dict[str, float | None]
    """`test_accuracy` and the others, by the names of `twofold.runs.SCORES`; empty after a failure."""
    seconds: float
    """Of training alone."""
    steps: int
    history: tuple[Row, ...]
    """Every evaluation, the first before training."""
    failure: str = ""
    """Why there are no scores, in a sentence."""


def train_points(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Train each recipe in one engine, from its own seed; a loss that diverges is a point's failure and raises nothing.

    Raises `DataError` or `UserError` where a recipe cannot be trained at all.
    """
    points, dataset = list[Point](), None
    for before, recipe in zip((None, *recipes), recipes, strict=False):
        if dataset is None or before is None or before.data != recipe.data:
            dataset = load_data(recipe.data)
        points.append(_lone(resolved(recipe, dataset), dataset.astype(recipe.training.dtype), engine))
    return points


def _lone(recipe: Recipe, dataset: Dataset, engine: str) -> Point:
    built, history = build_engine(engine, recipe), list[Row]()
    built.load(initial_state(recipe))
    batches = Batches(recipe, dataset.train)
    validation = Validation(recipe.training.keep == "best", recipe.training.patience)
    with few_threads(recipe, len(dataset.train)), np.errstate(all="ignore"):
        outcome = train(built, batches, scorer(recipe, dataset), history.append, lambda step, loss: None, validation)
    failure = outcome.failure
    said = f"the loss became {failure.loss} at step {failure.step}" if failure else ""
    scores = {} if failure else {key: getattr(outcome.row, key) for key in SCORES}
    return Point(scores, outcome.seconds, outcome.steps, tuple(history), said)
