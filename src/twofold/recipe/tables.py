"""Samples of one's own: a file of columns, or arrays that are handed over in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator

from twofold.recipe.base import Shape
from twofold.recipe.source import Split


class Csv(Split):
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


class Arrays(Split):
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
