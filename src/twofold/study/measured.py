"""Whether a recipe's trainings have the score by which they are to be judged."""

from __future__ import annotations

from twofold.recipe import Recipe
from twofold.recipe.data import Images


def of_another_task(metric: str, recipe: Recipe) -> str:
    """Why a recipe never has the score `metric`: it predicts numbers and not classes, or the other way round."""
    numbers = recipe.task == "regression"
    if metric.endswith("loss") or numbers == metric.endswith("r2"):
        return ""
    wanted, predicted = ("classes", "numbers") if numbers else ("numbers", "classes")
    return f"`{metric}` is of {wanted}; `{recipe.loss.kind}` predicts {predicted}"


def without_samples(metric: str, recipe: Recipe) -> str:
    """Why a recipe's data have no samples for the score `metric`."""
    split = metric.partition("_")[0]
    # A folder of images may have samples of its own for it.
    if split == "train" or isinstance(recipe.data, Images) or getattr(recipe.data, split, True):
        return ""
    return f"`{metric}` wants {split} samples; there are none"
