"""From the settings of a source to its samples."""

from __future__ import annotations

import gzip
import os
from functools import singledispatch
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from twofold.arrays import Array
from twofold.data.checking import checked
from twofold.data.dataset import Dataset, Split
from twofold.data.drawn import random_inputs
from twofold.data.folders import load_images
from twofold.data.handed import not_handed_over
from twofold.data.images import load_published, published_at_hand
from twofold.data.palindromes import load_palindromes
from twofold.data.points import blobs, circles, moons, xor
from twofold.data.published import Progress, silent
from twofold.data.room import check_room
from twofold.data.splits import hold_out
from twofold.data.tables import load_csv
from twofold.data.text import load_text
from twofold.recipe import Model
from twofold.recipe.base import elements
from twofold.recipe.columns import Table
from twofold.recipe.data import (
    Arrays,
    Blobs,
    CharacterText,
    Circles,
    Classification,
    Csv,
    DataSpec,
    Digits,
    Images,
    Moons,
    Palindromes,
    PublishedImages,
    Xor,
)
from twofold.recipe.source import Task
from twofold.streams import stream

BYTES_OF_A_SAMPLE, BYTES_OF_A_NUMBER = 120, 8
"""Memory while samples are drawn and split; measured: 109 for a point, 5 to 6 for each number of a palindrome."""


def load_data(spec: DataSpec, progress: Progress = silent) -> Dataset:
    """The samples of a source: split, standardized, finite.

    Raises `DataError` for data that are not what they should be.
    """
    _check_samples(spec)
    return completed(spec, _load(spec, progress))


def completed(spec: DataSpec, dataset: Dataset) -> Dataset:
    """The data set of a source after it was read: checked, and scaled as `spec` says."""
    checked(dataset, getattr(spec, "path", getattr(spec, "source", "data")))
    if isinstance(spec, Csv | Table) and spec.task == "regression" and spec.scale_target:
        dataset = dataset.with_scaled_targets()
    return dataset.standardized(spec.standardize)


def _check_samples(spec: DataSpec) -> None:
    """Raises `DataError` where as many samples as the recipe asks for would not fit into memory."""
    samples, numbers = getattr(spec, "samples", None), elements(spec.sample_shape)
    if samples and numbers and not isinstance(spec, PublishedImages):  # a set that is read whole
        sample_bytes = max(BYTES_OF_A_SAMPLE, BYTES_OF_A_NUMBER * numbers)
        check_room(
            f"`data.samples = {samples}`",
            samples * sample_bytes,
            f"Set it lower: a sample takes about {sample_bytes} bytes.",
        )


def at_hand(spec: DataSpec) -> bool:
    """Whether the samples can be had without a download and without a file that is missing."""
    if isinstance(spec, PublishedImages):
        return published_at_hand(spec)
    match spec:
        case Images():
            return os.path.isdir(spec.path)
        case Csv():
            return os.path.isfile(spec.path)
        case Table():
            return spec.path is not None and os.path.isfile(spec.path)
        case Arrays():
            return False
        case CharacterText():
            return spec.path is None or os.path.isfile(spec.path)
    return True


def random_data(model: Model, samples: int, seed: int, task: Task = "classification") -> Dataset:
    """Random inputs with random classes, for a proof where no data are at hand.

    Inputs are standard normal, of the declared shape; for an embedding whole numbers. Numbers to predict are standard
    normal too.
    """
    rng = stream(seed, "random inputs")
    network = model.network
    shape = tuple(size or 1 for size in network.input_shape)
    x = random_inputs(model.layers[0], (samples, *shape), rng)
    names = tuple(str(index) for index in range(network.classes))
    answers = (samples, shape[0]) if network.each_step else (samples,)
    if task != "classification":
        numbers = rng.normal(size=(*answers, network.classes))
        train = Split(x, numbers if task == "regression" else (numbers > 0).astype(np.float64))
        return Dataset(train, train[:0], train[:0], (), targets=names)
    train = Split(x, rng.integers(network.classes, size=answers))
    none = train[:0]
    return Dataset(train, none, none, names)


def _split(
    x: ArrayLike, y: ArrayLike, classes: int, spec: Moons | Circles | Blobs | Xor | Classification | Digits
) -> Dataset:
    names = tuple(str(index) for index in range(classes))
    return hold_out(np.asarray(x), np.asarray(y, np.int64), names, spec, spec.test)


@singledispatch
def _load(spec: DataSpec, progress: Progress) -> Dataset:
    raise TypeError(f"no source {spec!r}")


@_load.register
def _(spec: Moons, progress: Progress) -> Dataset:
    return _split(*moons(spec.samples, spec.noise, spec.seed), 2, spec)


@_load.register
def _(spec: Circles, progress: Progress) -> Dataset:
    return _split(*circles(spec.samples, spec.noise, spec.factor, spec.seed), 2, spec)


@_load.register
def _(spec: Blobs, progress: Progress) -> Dataset:
    return _split(*blobs(spec.samples, spec.centers, spec.cluster_std, spec.seed), spec.centers, spec)


@_load.register
def _(spec: Xor, progress: Progress) -> Dataset:
    return _split(*xor(spec.samples, spec.noise, spec.seed), 2, spec)


@_load.register
def _(spec: Classification, progress: Progress) -> Dataset:
    from sklearn.datasets import make_classification

    x, y = make_classification(
        spec.samples,
        n_features=2,
        n_informative=2,
        n_redundant=0,
        n_clusters_per_class=1,
        class_sep=spec.class_sep,
        random_state=spec.seed,
    )
    return _split(x, y, 2, spec)


@_load.register
def _(spec: Digits, progress: Progress) -> Dataset:
    pixels, y = _digits()
    images = np.asarray(pixels, np.float32).reshape(-1, 1, 8, 8) / 16
    return _split(images, y, 10, spec)


def _digits() -> tuple[Array, Array]:
    """What `sklearn.datasets.load_digits` returns, (1797, 64) and (1797,), from the file that scikit-learn brings.

    The package itself is imported only where the file does not lie in its usual place: that takes a second.
    """
    package = find_spec("sklearn")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if file.is_file():
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                table = np.loadtxt(lines, delimiter=",")
            return table[:, :-1], table[:, -1].astype(int)
    from sklearn.datasets import load_digits

    pixels, y = load_digits(return_X_y=True)
    return np.asarray(pixels), np.asarray(y)


@_load.register
def _(spec: PublishedImages, progress: Progress) -> Dataset:
    return load_published(spec, progress)


@_load.register
def _(spec: Images, progress: Progress) -> Dataset:
    return load_images(spec, progress)


@_load.register
def _(spec: Palindromes, progress: Progress) -> Dataset:
    return load_palindromes(spec)


@_load.register
def _(spec: CharacterText, progress: Progress) -> Dataset:
    return load_text(spec)


@_load.register
def _(spec: Arrays, progress: Progress) -> Dataset:
    raise not_handed_over(spec)


@_load.register
def _(spec: Csv, progress: Progress) -> Dataset:
    return load_csv(spec, progress)


@_load.register
def _(spec: Table, progress: Progress) -> Dataset:
    from twofold.data.columns.table import load_table  # which imports pandas

    return load_table(spec, progress)
