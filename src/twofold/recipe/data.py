"""Where a recipe's samples come from: the settings of each source, the shape of a sample, the classes."""

from __future__ import annotations

import abc
import os
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from pydantic_core.core_schema import ValidationInfo

from twofold.recipe.base import Part, Shape, pair

Share = Annotated[float, Field(ge=0, lt=1)]
Holdout = Share | Annotated[int, Field(ge=1)]


Side = Annotated[int, Field(ge=1, le=4096)]


class DataSpec(Part, abc.ABC):
    """A source of samples. Final classes below; each is told from the others by its `source`."""

    validation: Holdout = 0.0
    """Held out of the training samples: a share of all samples below 1, or a whole number of samples."""
    standardize: Literal["none", "global", "channel", "feature"] = "none"
    """Subtract the mean and divide by the standard deviation of the training samples: of all values together
    (`global`), of each channel of images (`channel`), or of each feature (`feature`)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Of the source's generator and of the split."""

    @field_validator("path", "root", check_fields=False)
    @classmethod
    def _from_the_recipe(cls, path: str | None, info: ValidationInfo) -> str | None:
        """A path that a recipe's file names starts at that file's folder."""
        if path is None:
            return None
        context: dict[str, Any] = info.context or {}
        path = os.path.expanduser(path)
        return os.path.abspath(os.path.join(context["folder"], path)) if "folder" in context else path

    @property
    @abc.abstractmethod
    def sample_shape(self) -> Shape:
        """The shape of one sample; a size is `None` where only the file knows it."""

    @property
    @abc.abstractmethod
    def class_count(self) -> int | None:
        """How many classes there are; `None` where only the file knows it."""


class _Split(DataSpec, abc.ABC):
    test: Share = 0.2
    """The share of all samples held out for the test: stratified, and the same for the same seed."""


class _Plane(_Split, abc.ABC):
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


class Classification(_Plane):
    """Two informative features, one cluster a class: `sklearn.datasets.make_classification`."""

    source: Literal["classification"] = "classification"
    class_sep: PositiveFloat = 1.0
    """How far the clusters stand apart."""


class Digits(_Split):
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
    """Train on the first so many images only; validation and test stay whole."""
    root: Annotated[str, Field(min_length=1)] | None = None
    """A folder that torchvision left. Without it: below TWOFOLD_DATA, then in the cache, then the Hub."""

    @property
    def class_count(self) -> int | None:
        return 10


class Mnist(_Published):
    """70,000 handwritten digits of 28x28 pixels, divided by 255, with a test set of their own: `ylecun/mnist`.

    The validation samples are the last ones of the training set. `root` holds torchvision's `MNIST/raw`.
    """

    source: Literal["mnist"] = "mnist"

    @property
    def sample_shape(self) -> Shape:
        return (1, 28, 28)


class Cifar10(_Published):
    """60,000 colour images of 32x32 pixels, divided by 255, with a test set of their own: `uoft-cs/cifar10`.

    The validation samples are the last ones of the training set. `root` holds torchvision's `cifar-10-batches-py`
    or `cifar-10-batches-bin`.
    """

    source: Literal["cifar10"] = "cifar10"

    @property
    def sample_shape(self) -> Shape:
        return (3, 32, 32)


class Images(_Split):
    """A folder of one's own, `train/CLASS/*` and `test/CLASS/*`: files of any size, resized and divided by 255.

    Where there is no folder `test`, a share of the training images is held out.
    """

    source: Literal["images"] = "images"
    path: Annotated[str, Field(min_length=1)]
    """The folder; a relative path starts at the recipe's own folder."""
    size: Side | Annotated[tuple[Side, Side], Field(strict=False)]
    """Height and width that every image is resized to: one number, or two."""
    channels: Literal[1, 3] = 3
    """1: grey; 3: colour."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """How many classes there are, where the folder is not at hand to say so."""

    @property
    def sample_shape(self) -> Shape:
        return (self.channels, *pair(self.size))

    @property
    def class_count(self) -> int | None:
        return self.classes


class Csv(_Split):
    """A file of one's own: a header, feature columns of numbers, one column with the class."""

    source: Literal["csv"] = "csv"
    path: Annotated[str, Field(min_length=1)]
    """The file; a relative path starts at the recipe's own folder."""
    label: Annotated[str, Field(min_length=1)]
    """The name of the column that holds the class."""
    features: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    """The names of the feature columns; every column but the label's where left out."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between two columns."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """How many classes there are, where the file is not at hand to say so."""
    standardize: Literal["none", "global", "channel", "feature"] = "feature"
    """As for every source; by default each column is standardized, since columns differ in unit."""

    @field_validator("delimiter")
    @classmethod
    def _plain(cls, delimiter: str) -> str:
        if not delimiter.isascii() or delimiter in "\"'\r\n" or (delimiter.isalnum()):
            raise ValueError(f"`delimiter` must be a sign such as `,` or `;`, or a tab; got {delimiter!r}")
        return delimiter

    @property
    def sample_shape(self) -> Shape:
        return (len(self.features) if self.features else None,)

    @property
    def class_count(self) -> int | None:
        return self.classes


Data = Annotated[
    Moons | Circles | Blobs | Classification | Digits | Mnist | Cifar10 | Images | Csv,
    Field(discriminator="source"),
]
