"""A user's own samples: a CSV file, or arrays that are handed over in memory."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator

from twofold.recipe.base import Fields, Shape, unwritten_at
from twofold.recipe.source import Labelled, Name, Split, Task

LEAK = 0.99
"""The accuracy, or R², on held-out rows from which a single column is said to give the label away."""


class Csv(Labelled):
    """A CSV file: a header, feature columns of numbers, and one or several columns to answer."""

    source: Literal["csv"] = "csv"
    path: Annotated[str, Field(min_length=1)]
    """The file; a relative path starts at the recipe's own folder."""
    label: Name | Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
    """The name of the column that holds the class, or the number to predict; or the names of several such columns."""
    weight: Name | None = Field(default=None, exclude_if=unwritten_at(None))
    """The name of a column with the weight of each sample in the loss: 2 counts as two equal samples, 0 as none."""
    scale_target: bool = Field(default=True, exclude_if=unwritten_at(True))
    """Numbers to predict are trained on minus their mean, over their standard deviation, both of the training samples,
    and answered in their own unit."""
    baselines: bool = Field(default=True, exclude_if=unwritten_at(True))
    """Whether simpler models of scikit-learn are fitted beside the network at the end of a run."""
    task: Task | None = Field(default=None, exclude_if=unwritten_at(None))
    """The task that the label sets. It need not be set: the loss tells it."""
    features: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    """The names of the feature columns; left out, every column but the label's and the weight's."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """The sign between two columns."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """How many classes there are, for when the file is not at hand."""
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


class Arrays(Split):
    """Samples that are handed over in memory, as in `twofold.run(recipe, data=(X, y))`; the recipe keeps their facts.

    `twofold adopt` writes this source too, unless it is told a recipe whose data to take. If no data are handed over,
    `verify` and `walk` take random samples of the shape.
    """

    source: Literal["arrays"] = "arrays"
    shape: Annotated[tuple[PositiveInt, ...], Field(strict=False, min_length=1)]
    """The shape of one sample, without the batch."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """How many classes there are."""
    numbers: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None, exclude_if=unwritten_at(None)
    )
    """The names of the numbers or labels that samples have in place of classes."""
    scale_target: bool = Field(default=True, exclude_if=unwritten_at(True))
    """Numbers to predict are trained on minus their mean, over their standard deviation, both of the training samples,
    and answered in their own unit."""
    baselines: bool = Field(default=True, exclude_if=unwritten_at(True))
    """Whether simpler models of scikit-learn are fitted beside the network at the end of a run."""
    names: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """The names of the classes, in their order."""
    features: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    """The names of the features, where they were the columns of a data frame."""
    fingerprint: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """SHA-256 over the samples and classes that were handed over, in their order."""

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        names, features, shape = values.get("names"), values.get("features"), values.get("shape")
        classes, wrong = values.get("classes"), list[str]()
        if (classes is None) == (values.get("numbers") is None):
            wrong.append("`classes` or `numbers` must say what a sample has, one of the two")
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

    @property
    def targets(self) -> tuple[str, ...]:
        return self.numbers or ()

    @property
    def number_count(self) -> int | None:
        return len(self.numbers) if self.numbers else None
