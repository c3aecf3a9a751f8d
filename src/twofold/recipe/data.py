"""The sources of a recipe's samples: points that are drawn, digits, images; and the union of all sources."""

from __future__ import annotations

import abc
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from twofold.recipe.base import Shape, pair
from twofold.recipe.columns import Table
from twofold.recipe.palindromes import Palindromes
from twofold.recipe.source import DataSpec, Split
from twofold.recipe.tables import Arrays, Csv
from twofold.recipe.text import CharacterText

Side = Annotated[int, Field(ge=1, le=4096)]


class _Plane(Split, abc.ABC):
    samples: Annotated[int, Field(ge=2, le=10**8)] = 1000
    """How many points are drawn."""

    @property
    def sample_shape(self) -> Shape:
        return (2,)

    @property
    def class_count(self) -> int | None:
        return 2


class Moons(_Plane):
    """Two interleaving half circles: `sklearn.datasets.make_moons`."""

    source: Literal["moons"] = "moons"
    noise: NonNegativeFloat = 0.1
    """Standard deviation of the Gaussian noise added to the points."""


class Circles(_Plane):
    """A circle inside a circle: `sklearn.datasets.make_circles`."""

    source: Literal["circles"] = "circles"
    noise: NonNegativeFloat = 0.1
    """Standard deviation of the Gaussian noise added to the points."""
    factor: Annotated[float, Field(ge=0, lt=1)] = 0.8
    """Radius of the inner circle over that of the outer."""


class Blobs(_Plane):
    """Isotropic Gaussian clouds: `sklearn.datasets.make_blobs`."""

    source: Literal["blobs"] = "blobs"
    centers: Annotated[int, Field(ge=2)] = 3
    """How many clouds, one class each."""
    cluster_std: PositiveFloat = 1.0
    """Standard deviation of a cloud."""

    @property
    def class_count(self) -> int | None:
        return self.centers


class Xor(_Plane):
    """Clouds at the corners of a square, those at opposite corners of one class: no line parts the classes."""

    source: Literal["xor"] = "xor"
    noise: NonNegativeFloat = 0.2
    """Standard deviation of a cloud; the corners are at ±1."""


class Classification(_Plane):
    """Two informative features, one cluster a class: `sklearn.datasets.make_classification`."""

    source: Literal["classification"] = "classification"
    class_sep: PositiveFloat = 1.0
    """How far the clusters are apart: larger is easier."""


class Digits(Split):
    """1,797 handwritten digits of 8x8 pixels, divided by 16: `sklearn.datasets.load_digits`."""

    source: Literal["digits"] = "digits"

    @property
    def sample_shape(self) -> Shape:
        return (1, 8, 8)

    @property
    def class_count(self) -> int | None:
        return 10


class _Published(DataSpec, abc.ABC):
    """Images with a test set of their own; the validation samples are the last ones of the training set."""

    samples: PositiveInt | None = None
    """Train on only this many images, the first ones; validation and test stay whole."""
    root: Annotated[str, Field(min_length=1)] | None = None
    """A folder that torchvision left. Without it: below TWOFOLD_DATA, then in the cache, then the Hub."""

    @property
    def class_count(self) -> int | None:
        return 10


class _Grey28(_Published, abc.ABC):
    """MNIST and the sets of the same shape that were made to replace it."""

    @property
    def sample_shape(self) -> Shape:
        return (1, 28, 28)


class Mnist(_Grey28):
    """70,000 handwritten digits of 28x28 pixels, divided by 255, with a test set of their own: `ylecun/mnist`.

    The validation samples are the last ones of the training set. `root` holds torchvision's `MNIST/raw`.
    """

    source: Literal["mnist"] = "mnist"


class FashionMnist(_Grey28):
    """70,000 grey pictures of clothes, 28x28 pixels, divided by 255, with a test set: `zalando-datasets/fashion_mnist`.

    The validation samples are the last ones of the training set. `root` holds torchvision's `FashionMNIST/raw`.
    """

    source: Literal["fashion_mnist"] = "fashion_mnist"


class Kmnist(_Grey28):
    """70,000 handwritten hiragana of 28x28 pixels, divided by 255, with a test set of their own: `tanganke/kmnist`.

    The classes are written in Latin letters, o to wo. The validation samples are the last ones of the training set.
    `root` holds torchvision's `KMNIST/raw`.
    """

    source: Literal["kmnist"] = "kmnist"


class Cifar10(_Published):
    """60,000 colour images of 32x32 pixels, divided by 255, with a test set of their own: `uoft-cs/cifar10`.

    The validation samples are the last ones of the training set. `root` holds torchvision's `cifar-10-batches-py`
    or `cifar-10-batches-bin`.
    """

    source: Literal["cifar10"] = "cifar10"

    @property
    def sample_shape(self) -> Shape:
        return (3, 32, 32)


PublishedImages: TypeAlias = Mnist | FashionMnist | Kmnist | Cifar10


class Images(Split):
    """A user's folder of images, `train/CLASS/*` and `test/CLASS/*`: files of any size, resized and divided by 255.

    Without a folder `test`, a share of the training images is held out. Images to validate on may lie in
    `validation`, `val` or `valid`. Folders of classes without `train` above them are split.
    """

    source: Literal["images"] = "images"
    path: Annotated[str, Field(min_length=1)]
    """The folder; a relative path starts at the recipe's own folder."""
    size: Side | Annotated[tuple[Side, Side], Field(strict=False)]
    """Height and width that every image is resized to: one number, or two."""
    channels: Literal[1, 3] = 3
    """1: grey; 3: colour."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """How many classes there are, for when the folder is not at hand."""
    bits: Literal[8, 10, 12, 14, 16] | None = None
    """How many bits are used in files of 16 bits a pixel, where cameras leave the upper ones empty. Left out: as many
    as the brightest pixel of all images takes."""

    @property
    def sample_shape(self) -> Shape:
        return (self.channels, *pair(self.size))

    @property
    def class_count(self) -> int | None:
        return self.classes


Data = Annotated[
    Moons
    | Circles
    | Blobs
    | Xor
    | Classification
    | Digits
    | Mnist
    | FashionMnist
    | Kmnist
    | Cifar10
    | Images
    | Csv
    | Table
    | Arrays
    | Palindromes
    | CharacterText,
    Field(discriminator="source"),
]
