"""Published sets of images: what each holds, and the checks that every way of reading one goes through."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.errors import DataError

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class Labelled(NamedTuple):
    """Images of one split."""

    images: Array
    """Bytes (samples, channels, height, width)."""
    labels: Array
    """Their classes as int64 (samples,)."""
    jpeg: bool = False
    """Whether they were JPEG files: no longer every pixel as it was published."""


@dataclass(frozen=True)
class Published:
    """A set of images with a training set and a test set of its own."""

    name: str
    title: str
    hub: str
    """Owner and name on the Hugging Face Hub."""
    column: str
    """The column of the images there; their classes are in `label`."""
    shape: tuple[int, int, int]
    """Channels, height, width."""
    sizes: Mapping[str, int]
    classes: tuple[str, ...]
    begins: tuple[int, ...] = ()
    """The first labels of the training set, which tell it from other sets whose files have the same names."""


MNIST = Published(
    name="mnist",
    title="MNIST",
    hub="ylecun/mnist",
    column="image",
    shape=(1, 28, 28),
    sizes={"train": 60_000, "test": 10_000},
    classes=tuple(str(digit) for digit in range(10)),
    begins=(5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
)
FASHION_MNIST = Published(
    name="fashion_mnist",
    title="Fashion-MNIST",
    hub="zalando-datasets/fashion_mnist",
    column="image",
    shape=(1, 28, 28),
    sizes={"train": 60_000, "test": 10_000},
    classes=(
        "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
    ),
    begins=(9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
)  # fmt: skip
KMNIST = Published(
    name="kmnist",
    title="KMNIST",
    hub="tanganke/kmnist",
    column="image",
    shape=(1, 28, 28),
    sizes={"train": 60_000, "test": 10_000},
    classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
)
CIFAR10 = Published(
    name="cifar10",
    title="CIFAR-10",
    hub="uoft-cs/cifar10",
    column="img",
    shape=(3, 32, 32),
    sizes={"train": 50_000, "test": 10_000},
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
)
ALL = (MNIST, FASHION_MNIST, KMNIST, CIFAR10)


def check_set(labels: Array, published: Published, place: str | Path) -> None:
    """Raises `DataError` where the labels of a training set begin as those of another set with the same file names."""
    for other in ALL:
        if other.begins and other.name != published.name and tuple(labels[: len(other.begins)]) == other.begins:
            raise DataError(
                f"{place}: these are the images of {other.title}, not of {published.title}: their labels begin as "
                f'its do. Set data.source = "{other.name}", or data.root to the folder of {published.title}.'
            )


def checked_labels(labels: Array, published: Published, place: str | Path, record: str, remedy: str) -> Array:
    """Labels as int64. Raises `DataError` at the first that is no class; `record` is the word for its place."""
    last = len(published.classes) - 1
    wrong = np.flatnonzero((labels < 0) | (labels > last))
    if len(wrong):
        at = int(wrong[0])
        raise DataError(f"{place}: {record} {at}: the label must be 0 to {last}; got {labels[at]}. {remedy}")
    return labels.astype(np.int64)
