"""Where a recipe's samples come from: the settings of each source, the shape of a sample, the classes."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator
from pydantic_core.core_schema import ValidationInfo

from twofold.recipe.base import Part, Shape, from_the_recipe, pair

Share = Annotated[float, Field(ge=0, lt=1)]
Holdout = Share | Annotated[int, Field(ge=1)]


Side = Annotated[int, Field(ge=1, le=4096)]


Stage = Annotated[tuple[Annotated[int, Field(ge=2)], Annotated[float, Field(gt=0, lt=1)]], Field(strict=False)]
"""A length, and the share of the steps that train on it."""


class DataSpec(Part, abc.ABC):
    """A source of samples. Final classes below; each is told from the others by its `source`."""

    validation: Holdout = 0.0
    """Held out of the training samples: a share of all samples below 1, or a whole number of samples."""
    standardize: Literal["none", "global", "channel", "feature"] = "none"
    """Subtract the mean and divide by the standard deviation of the training samples: of all values together
    (`global`), of each channel of images (`channel`), or of each feature (`feature`)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of the source's generator and of the split."""

    @field_validator("path", "root", check_fields=False)
    @classmethod
    def _from_the_recipe(cls, path: str | None, info: ValidationInfo) -> str | None:
        """A path that a recipe's file names starts at that file's folder."""
        return None if path is None else from_the_recipe(path, info)

    @property
    @abc.abstractmethod
    def sample_shape(self) -> Shape:
        """The shape of one sample; a size is `None` where only the file knows it."""

    @property
    @abc.abstractmethod
    def class_count(self) -> int | None:
        """How many classes there are; `None` where only the file knows it."""

    @property
    def endless(self) -> bool:
        """Whether samples are drawn anew at every step; a training set then is a few others, to be judged on."""
        return False


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

    Where there is no folder `test`, a share of the training images is held out. Images to validate on may lie in
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


class Arrays(_Split):
    """Samples that are handed over in memory, as in `twofold.run(recipe, data=(X, y))`: the recipe knows what they are.

    Also what `twofold adopt` writes where it is not told a recipe whose data to take. Where no data are handed over,
    `verify` and `walk` take random samples of the shape.
    """

    source: Literal["arrays"] = "arrays"
    shape: Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1)]
    """The shape of one sample, without the batch."""
    classes: Annotated[int, Field(ge=2)]
    """How many classes there are."""
    names: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """The names of the classes, in their order."""
    features: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """The names of the features, where they were the columns of a data frame."""
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 over the samples and classes that were handed over, in their order."""

    @classmethod
    def conflicts(cls, values: Mapping[str, Any]) -> list[str]:
        names, features, shape = values.get("names"), values.get("features"), values.get("shape")
        classes, wrong = values.get("classes"), list[str]()
        if isinstance(names, list | tuple) and len(names) != classes:
            wrong.append(f"`names` must name as many classes as `classes` says, {classes}; got {len(names)}")
        if isinstance(features, list | tuple) and isinstance(shape, list | tuple) and list(shape) != [len(features)]:
            wrong.append(f"`features` must name every number of a sample, {tuple(shape)}; got {len(features)}")
        return wrong

    @property
    def sample_shape(self) -> Shape:
        return self.shape

    @property
    def class_count(self) -> int | None:
        return self.classes


LONGEST = 1000
"""Digits of a palindrome, at most."""
MOST_DIFFERENT = 10**6
"""Palindromes that are numbered one by one; more are drawn and looked up."""


def count_text(number: int) -> str:
    """`9,999,000`; of large numbers the power of ten that is nearest."""
    return f"{number:,}" if number < 10**12 else f"10^{round(math.log10(number))}"


class Palindromes(DataSpec):
    """Sequences of digits that read alike from both ends: all but the last are the input, the last is the class.

    A network must carry the first digit through every step. Of `length` digits the first half, rounded up, is drawn
    uniformly, so that there are 10^⌈length / 2⌉ palindromes. Those held out are drawn first and never trained on.
    """

    source: Literal["palindromes"] = "palindromes"
    length: Annotated[int, Field(ge=2, le=LONGEST)]
    """Digits of a palindrome, T."""
    samples: Annotated[int, Field(ge=1, le=10**8)] | None = None
    """How many there are to train on; without end, drawn anew at every step, where left out."""
    replacement: bool = True
    """Whether a palindrome may be drawn again."""
    encoding: Literal["number", "one_hot", "index"] = "number"
    """How a digit enters: as one number, (T − 1, 1), as ten of which one is 1, (T − 1, 10), or as it is, (T − 1,), for
    an `embedding`."""
    test: PositiveInt = 1000
    """How many are held out for the test, and at most a fifth of all there are."""
    validation: Holdout = 0.0
    """Held out beside them, and again at most a fifth: a share of all there are below 1, or a whole number."""
    grow: Annotated[tuple[Stage, ...], Field(strict=False)] = ()
    """A curriculum: pairs of a length and a share of the steps, which train on palindromes of that length, one after
    another; the rest train on those of `length`."""

    @property
    def endless(self) -> bool:
        return self.samples is None and self.replacement

    @property
    def existing(self) -> int:
        """How many palindromes there are of the length."""
        return 10 ** ((self.length + 1) // 2)

    @property
    def held_out(self) -> dict[str, int]:
        """How many are held out for what. Of two digits there are ten, one a class: none can be spared."""
        most = min(self.existing // 5, MOST_DIFFERENT) if self.length > 2 else 0
        share, existing = self.validation, min(self.existing, 10 * MOST_DIFFERENT)
        wanted = {"test": self.test, "validation": round(share * existing) if isinstance(share, float) else share}
        return {name: min(number, most) for name, number in wanted.items()}

    @property
    def sample_shape(self) -> Shape:
        features: dict[str, Shape] = {"number": (1,), "one_hot": (10,), "index": ()}
        return (self.length - 1, *features[self.encoding])

    @property
    def class_count(self) -> int | None:
        return 10

    @classmethod
    def conflicts(cls, values: Mapping[str, Any]) -> list[str]:
        try:
            spec = cls.model_construct(**{**values, "grow": tuple(map(tuple, values.get("grow") or ()))})
            if not 2 <= spec.length <= LONGEST:  # said elsewhere; and their number would not be found in time
                return []
            return [*spec._none_to_spare(), *spec._too_many(), *spec._growth()]
        except (TypeError, ValueError, AttributeError):  # a value of another type, which has a fault of its own
            return []

    def _none_to_spare(self) -> list[str]:
        if not self.validation or self.held_out["validation"]:
            return []
        if self.length == 2:
            return ["`validation`: of palindromes of two digits there are ten, one a class: none can be held out"]
        return [
            f"`validation = {self.validation}` of {self.existing:,} palindromes is none at all; raise it or leave it"
        ]

    def _too_many(self) -> list[str]:
        held_out, samples = sum(self.held_out.values()), self.samples
        left = self.existing - held_out
        if self.replacement:
            return []
        if samples is None and left > MOST_DIFFERENT:
            return [
                f"`samples` must say how many of the {count_text(left)} palindromes to train on; none is drawn again"
            ]
        if samples is None or samples <= left:
            return []
        return [
            f"`samples`: there are {count_text(self.existing)} palindromes of {self.length} digits, {held_out:,} of "
            f"them held out: at most {count_text(left)} different ones to train on; got {samples:,}"
        ]

    def _growth(self) -> list[str]:
        rules, lengths = [], [length for length, _ in self.grow]
        if self.grow and not self.endless:
            rules.append("`grow` draws palindromes anew at every step: leave `samples` and `replacement` out")
        if sum(share for _, share in self.grow) >= 1:
            rules.append("the shares of `grow` must add up to less than 1, so that some steps train on `length`")
        if any(length >= self.length for length in lengths):
            rules.append(f"every length of `grow` must be below `length`, {self.length}; got {max(lengths)}")
        if self.grow and self.standardize not in ("none", "global"):
            rules.append(
                "`grow` changes how many digits there are to standardize one by one; "
                f'got `standardize = "{self.standardize}"`'
            )
        return rules


Data = Annotated[
    Moons | Circles | Blobs | Classification | Digits | Mnist | Cifar10 | Images | Csv | Arrays | Palindromes,
    Field(discriminator="source"),
]
