"""A recipe for samples handed over in memory, and the data set that they become."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twofold.data.arrays import LabelledArrays, labelled_arrays, numbered_arrays
from twofold.data.checking import checked
from twofold.data.dataset import Dataset
from twofold.data.splits import hold_out, hold_out_numbers
from twofold.errors import DataError
from twofold.recipe import Recipe
from twofold.recipe.data import Arrays, DataSpec
from twofold.recipe.fit import misfits
from twofold.recipe.network import infer
from twofold.recipe.task import Task


def hand_over(recipe: Recipe, data: object) -> tuple[Recipe, Dataset]:
    """The recipe with what it keeps of `data`, a pair `(X, y)`, and the data set.

    Whatever source the recipe names is replaced by `arrays`; the share held out, the seed and how samples are
    standardized stay as the recipe has them.

    Raises `DataError` for samples or classes that are wrong by themselves, or that the recipe's network does not take.
    """
    task = task_of_pair(recipe, data)
    arrays = labelled_arrays(data) if task == "classification" else numbered_arrays(data, task)
    spec = _described(recipe.data, arrays)
    _check_fit(recipe, spec, arrays)
    try:
        if task == "classification":
            dataset = hold_out(arrays.x, arrays.y, arrays.classes, spec, spec.test)
        else:
            dataset = hold_out_numbers(arrays.x, arrays.y, arrays.targets, spec, spec.test)
    except DataError as error:
        raise DataError(f"`data`: {error}") from None
    dataset = checked(replace(dataset, features=arrays.features), "data").standardized(spec.standardize)
    if task == "regression" and spec.scale_target:
        dataset = dataset.with_scaled_targets()
    return recipe.model_copy(update={"data": spec}), dataset


def task_of_pair(recipe: Recipe, data: object) -> Task:
    """The task that the recipe's loss sets for a pair `(X, y)`.

    `mean_squared` means numbers where `y` has several columns, or the network one output.
    """
    match recipe.loss.targets:
        case "classes":
            return "classification"
        case "numbers":
            return "regression"
        case "labels":
            return "multi_label"
        case "classes or numbers":
            shape = np.shape(data[1]) if isinstance(data, tuple | list) and len(data) == 2 else ()
            several = len(shape) == 2 and shape[1] > 1
            return "regression" if several or recipe.network.classes == 1 else "classification"


def not_handed_over(spec: Arrays) -> DataError:
    """The `DataError` for a recipe whose samples must be handed over in memory and are not."""
    sizes = " x ".join(map(str, spec.shape))
    answers = f"of {spec.classes} classes" if spec.classes else f"with {len(spec.targets)} to predict"
    return DataError(
        f"this recipe names no data: its samples, {sizes} numbers each {answers}, are handed over in "
        "memory. From Python give them as data=(X, y), as in twofold.run(recipe, data=(X, y)); on the command line set "
        "[data] to a source of such samples (`twofold adopt FILE --data RECIPE` takes a recipe's)."
    )


def _described(data: DataSpec, arrays: LabelledArrays) -> Arrays:
    """The table `data` that a recipe keeps of the samples, with what it said of its data before."""
    test = getattr(data, "test", None)  # a share; of palindromes a number of them
    return Arrays(
        test=test if isinstance(test, float) else Arrays.model_fields["test"].default,
        validation=data.validation,
        standardize=data.standardize,
        seed=data.seed,
        shape=arrays.x.shape[1:],
        classes=len(arrays.classes) or None,
        names=arrays.classes or None,
        numbers=arrays.targets or None,
        scale_target=getattr(data, "scale_target", True),
        features=arrays.features or None,
        fingerprint=arrays.fingerprint,
    )


def _check_fit(recipe: Recipe, spec: Arrays, arrays: LabelledArrays) -> None:
    """Raises `DataError` with every rule between samples and network that is broken, and what to set."""
    _, faults = infer(spec.sample_shape, recipe.layers, spec.class_count, spec.targets)
    wrong = [(fault.rule, fault.remedy) for fault in faults]
    if not wrong:
        broken = misfits(spec, recipe.layers, recipe.augmentation, recipe.training, recipe.schedule)
        wrong = [(misfit.rule, misfit.remedy) for misfit in broken]
    if wrong:
        rules = "\n".join(f"  {rule}. {remedy}".rstrip() for rule, remedy in wrong)
        raise DataError(
            f"`data`: samples of the shape {arrays.x.shape[1:]} and {_answers(arrays)} do not fit the "
            f"recipe `{recipe.name}`:\n{rules}"
        )


def _answers(arrays: LabelledArrays) -> str:
    return f"{len(arrays.classes)} classes" if arrays.classes else f"{len(arrays.targets)} numbers to predict"
