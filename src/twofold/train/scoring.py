"""Scoring an engine as a recipe's `training` table says: loss and accuracy, or R², on every split."""

from __future__ import annotations

from twofold.data import Dataset, Views
from twofold.engine import Engine
from twofold.numpy_engine import reported_loss
from twofold.plain import Parsed
from twofold.recipe import Recipe
from twofold.runs import SCORES, scores_of_task
from twofold.runs.history import HistoryRow
from twofold.setup.needed import evaluation_batch
from twofold.train.loop import Evaluate, Score, evaluate, judged_splits


def evaluation(recipe: Recipe) -> dict[str, Parsed]:
    """The recipe's keyword arguments for `evaluate` and `predictions`."""
    return {"views": Views.of(recipe.training), "batch": evaluation_batch(recipe.network)}


def scorer(recipe: Recipe, dataset: Dataset) -> Evaluate:
    """A function that scores an engine on each split; of the training samples on as many as the recipe says."""
    loss, how = reported_loss(recipe.loss), evaluation(recipe)
    task = recipe.task
    splits = judged_splits(dataset, recipe.training.evaluate_samples)

    def score(engine: Engine) -> dict[str, Score]:
        return {name: evaluate(engine, split, loss, task=task, **how) for name, split in splits.items()}

    return score


def scores_of(row: HistoryRow) -> dict[str, float | None]:
    """The scores of an evaluation, by the names that a run and a study keep."""
    names = SCORES if row.train_accuracy is not None else scores_of_task("regression")
    return {key: getattr(row, key) for key in names}
