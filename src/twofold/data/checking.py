"""The last check of samples before training, wherever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array, all_finite
from twofold.engine import NO_ANSWER
from twofold.errors import DataError

if TYPE_CHECKING:
    from twofold.data.dataset import Dataset, Split


def checked(dataset: Dataset, source: str) -> Dataset:
    """The data set itself, if every sample of it can be trained on.

    Raises `DataError` for no samples, lengths that differ, labels that are no classes, features or targets that are
    not finite, and training samples whose weights are all 0.
    """
    for name in ("train", "validation", "test"):
        if dataset.targets:
            _check_numbers(getattr(dataset, name), dataset.targets, source, name)
        else:
            _check_labels(getattr(dataset, name), len(dataset.classes), source, name)
    if not len(dataset.train):
        raise DataError(f"{source}: the train set holds no sample; hold out less, or add samples.")
    _check_answers(dataset, source)
    check_finite(dataset, source)
    return dataset


def _check_answers(dataset: Dataset, source: str) -> None:
    """Raises `DataError` for a split without any answer, and for training samples whose weights are all 0."""
    for name, split in dataset.splits():
        if not len(split.answers):
            raise DataError(
                f"{source}: no step of the {name} set has an answer. Give some one, or hold out other sequences."
            )
    weights = dataset.train.weights
    if weights is not None and not weights.any():
        raise DataError(
            f"{source}: every sample of the train set has the weight 0: there is nothing to learn. Give some of them "
            "a weight above 0, or hold out others."
        )


def _check_labels(split: Split, class_count: int, source: str, name: str) -> None:
    """Raises `DataError` unless each sample has one class."""
    y = split.y
    if len(split.x) != len(y):
        raise DataError(f"{source}: the {name} set holds {len(split.x)} samples and {len(y)} labels; give each one.")
    if y.dtype.kind not in "iu":
        raise DataError(f"{source}: the labels of the {name} set must be whole numbers from 0; got {y.dtype}.")
    if len(wrong := np.argwhere(((y < 0) | (y >= class_count)) & (y != NO_ANSWER if split.each_step else True))):
        at = tuple(wrong[0])
        raise DataError(
            f"{source}: sample {at[0]} of the {name} set has label {y[at]}; it must be 0 to {class_count - 1}. "
            "Correct the label or remove the sample."
        )


def _check_numbers(split: Split, targets: Sequence[str], source: str, name: str) -> None:
    """Raises `DataError` unless each sample has as many finite numbers as there are targets."""
    steps = split.x.shape[1:2] if split.each_step else ()
    if split.y.shape != (len(split.x), *steps, len(targets)):
        raise DataError(f"{source}: the {name} set holds targets of {split.y.shape} for {len(split.x)} samples.")
    if not all_finite(split.answers):
        sample, at = (int(i) for i in np.argwhere(~np.isfinite(split.y))[0])
        raise DataError(
            f"{source}: sample {sample} of the {name} set has {split.y[sample, at]} as `{targets[at]}`; "
            "a number to predict must be finite. Fill the value in, or remove the sample."
        )


def check_finite(dataset: Dataset, source: str, remedy: str = "Remove the sample or fill the value in.") -> None:
    """Raises `DataError` at the first NaN or infinity."""
    for name, split in dataset.splits():
        if split.scaling or all_finite(split.x):
            continue
        if dataset.sequences and all_finite(split.x[_is_present(split.x)]):
            continue
        sample, *where = np.argwhere(~np.isfinite(split.x))[0]
        value = split.x[(sample, *where)]
        raise DataError(
            f"{source}: sample {sample} of the {name} set holds {value} at {_column(dataset, where)}; every feature "
            f"must be finite. {remedy}"
        )


def _is_present(x: Array) -> Array:
    """Which steps of sequences are present, (samples, steps): missing ones are NaN."""
    return ~np.isnan(x if x.ndim == 2 else x[..., 0])


def check_squares(dataset: Dataset, dtype: str) -> None:
    """Raises `DataError` at the first feature whose square is beyond the type."""
    most = float(np.sqrt(np.finfo(dtype).max))
    for name, split in dataset.splits():
        x = split.x[_is_present(split.x)] if dataset.sequences else split.x
        if not len(split) or -most <= x.min() <= x.max() <= most:
            continue
        sample, *where = np.argwhere(np.abs(split.x) > most)[0]
        wider = "Set training.dtype = float64, or" if dtype == "float32" else "Scale the data down, or set"
        raise DataError(
            f"the data as {dtype}: sample {sample} of the {name} set holds {split.x[(sample, *where)]:g} at "
            f"{_column(dataset, where)}; a feature must be at most {most:.2g} in size, or its square is beyond "
            f'{dtype}. {wider} data.standardize = "feature".'
        )


def _column(dataset: Dataset, where: Sequence[int]) -> str:
    return dataset.features[where[-1]] if dataset.features else str(tuple(int(i) for i in where))


def check_labels(y: Array, names: Sequence[str], source: str) -> None:
    """Raises `DataError` for a label that is neither 0 nor 1."""
    if len(wrong := np.argwhere((y != 0) & (y != 1))):
        sample, at = (int(i) for i in wrong[0])
        raise DataError(
            f"{source}: row {sample + 1} has {y[sample, at]:g} as `{names[at]}`; `binary_cross_entropy` takes "
            "labels, 1 where a sample has it and 0 where not."
        )


def check_order(x: object, y: object) -> None:
    """Raises `DataError` where two objects of pandas hold the same rows in another order."""
    first, second = getattr(x, "index", None), getattr(y, "index", None)
    if not (hasattr(first, "equals") and hasattr(second, "equals")) or first.equals(second):  # pyright: ignore
        return
    if sorted(map(str, first)) == sorted(map(str, second)):  # pyright: ignore[reportArgumentType]
        raise DataError("`X` and `y` hold the same rows in another order; give y.loc[X.index].")
