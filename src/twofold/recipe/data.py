"""Where a recipe's samples come from: the settings of each source, the shape of a sample, the classes."""

from __future__ import annotations

import abc
import os
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from pydantic_core.core_schema import ValidationInfo

from twofold.recipe.base import Part, Shape

Share = Annotated[float, Field(ge=0, lt=1)]
Holdout = Share | Annotated[int, Field(ge=1)]


class DataSpec(Part, abc.ABC):
    """A source of samples. Final classes below; each is told from the others by its `source`."""

    validation: Holdout = 0.0
    """Held out of the training samples: a share of all samples below 1, or a whole number of samples."""
    standardize: Literal["none", "global", "feature"] = "none"
    """Subtract the mean and divide by the standard deviation of the training samples: of all values
    together (`global`), or of each feature (`feature`)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Of the source's generator and of the split."""

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


class Mnist(DataSpec):
    """70,000 handwritten digits of 28x28 pixels, divided by 255, with a test set of their own: `ylecun/mnist`.

    The validation samples are the last ones of the training set.
    """

    source: Literal["mnist"] = "mnist"
    samples: PositiveInt | None = None
    """Train on the first so many images only; validation and test stay whole."""

    @property
    def sample_shape(self) -> Shape:
        return (1, 28, 28)

    @property
    def class_count(self) -> int | None:
        return 10


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
    standardize: Literal["none", "global", "feature"] = "feature"
    """As for every source; by default each column is standardized, since columns differ in unit."""

    @field_validator("delimiter")
    @classmethod
    def _plain(cls, delimiter: str) -> str:
        if not delimiter.isascii() or delimiter in "\"'\r\n" or (delimiter.isalnum()):
            raise ValueError(f"`delimiter` must be a sign such as `,` or `;`, or a tab; got {delimiter!r}")
        return delimiter

    @field_validator("path")
    @classmethod
    def _from_the_recipe(cls, path: str, info: ValidationInfo) -> str:
        context: dict[str, Any] = info.context or {}
        path = os.path.expanduser(path)
        return os.path.abspath(os.path.join(context["folder"], path)) if "folder" in context else path

    @property
    def sample_shape(self) -> Shape:
        return (len(self.features) if self.features else None,)

    @property
    def class_count(self) -> int | None:
        return self.classes


Data = Annotated[
    Moons | Circles | Blobs | Classification | Digits | Mnist | Csv,
    Field(discriminator="source"),
]
