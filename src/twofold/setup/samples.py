"""Samples to try a network on: those of its recipe, or random ones where these are not at hand."""

from __future__ import annotations

from twofold.data import Dataset, at_hand, random_data
from twofold.errors import DataError
from twofold.recipe import Recipe
from twofold.setup.building import Watcher, prepare


def found_data(recipe: Recipe, watcher: Watcher, samples: int) -> tuple[Recipe, Dataset, str]:
    """The recipe with what its data know, the data, and whether they are `real` or so many `random` samples.

    Raises `DataError` where the data are missing and the shape of a sample stands in them alone.
    """
    if at_hand(recipe.data):
        return *prepare(recipe, watcher), "real"
    if None in recipe.network.input_shape:
        path = getattr(recipe.data, "path", "the file")
        raise DataError(
            f"no file {path}, and how many features it holds is not known; put it there, or name them: "
            '--set \'data.features=["a", "b"]\''
        )
    return recipe, random_data(recipe.model, samples, recipe.data.seed), "random"
