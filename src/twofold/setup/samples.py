"""Samples to try a network on, those of its recipe or random ones; and whether they are the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from twofold.data import Dataset, at_hand, random_data
from twofold.errors import DataError
from twofold.recipe import Recipe
from twofold.recipe.columns import Table
from twofold.recipe.data import Arrays
from twofold.setup.building import prepare, with_class_weights
from twofold.setup.events import Watcher


def found_data(
    recipe: Recipe, watch: Watcher, samples: int, data: object = None
) -> tuple[Recipe, Dataset, Literal["real", "random"]]:
    """The recipe with what its data know, the data, and whether they are `real` or so many `random` samples.

    A pair `(X, y)` handed over as `data` takes the place of the recipe's source.

    Raises `DataError` where the data are missing and the shape of a sample stands in them alone.
    """
    if data is not None or at_hand(recipe.data):
        return *prepare(recipe, watch, data), "real"
    if None in recipe.network.input_shape:
        path = getattr(recipe.data, "path", "the file")
        raise DataError(
            f"no file {path}, and how many features it holds is not known; put it there, or name them: "
            '--set \'data.features=["a", "b"]\''
        )
    dataset = random_data(recipe.model, samples, recipe.data.seed, recipe.task)
    return with_class_weights(recipe, dataset), dataset, "random"


def data_again(recipe: Recipe, watcher: Watcher, data: object, folder: Path, call: str) -> tuple[Recipe, Dataset]:
    """The data that a run in a folder was trained on, loaded or handed over again; `call` is who asks for them.

    Raises `DataError` where they were handed over in memory and now are not, or the other way round.
    """
    spec = recipe.data
    in_memory = isinstance(spec, Arrays) or (isinstance(spec, Table) and spec.path is None)
    if in_memory and data is None:
        raise DataError(
            f"the samples of {folder} were handed over in memory, and the folder does not hold them; hand them over "
            f'again: twofold.{call}("{folder}", data=(X, y)).'
        )
    if data is not None and not in_memory:
        raise DataError(
            f"{folder} was trained on its recipe's own data (source `{getattr(recipe.data, 'source', '')}`); leave "
            f'`data` out: twofold.{call}("{folder}").'
        )
    return prepare(recipe, watcher, data)


def is_table(dataset: Dataset, source: str) -> bool:
    """Whether a sample is a row of a user's own columns."""
    train = dataset.train
    rows = train.x.ndim == 2 and train.draw is None and not dataset.sequences
    return rows and source in ("csv", "arrays", "table")
