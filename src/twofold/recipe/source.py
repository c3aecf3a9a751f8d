"""The keys of every source of samples: how much is held out, how values are standardized, the seed of the split."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator
from pydantic_core.core_schema import ValidationInfo

from twofold.recipe.base import Part, Shape, from_the_recipe, unwritten_at

Share = Annotated[float, Field(ge=0, lt=1)]
Name = Annotated[str, Field(min_length=1)]
Task: TypeAlias = Literal["classification", "regression", "multi_label"]
Holdout = Share | Annotated[int, Field(ge=1)]


class DataSpec(Part, abc.ABC):
    """A source of samples. Final classes below; each is told from the others by its `source`."""

    validation: Holdout = 0.0
    """Held out of the training samples: a share of all samples below 1, or a whole number of samples."""
    standardize: Literal["none", "global", "channel", "feature"] = "none"
    """Subtract the mean and divide by the standard deviation of the training samples: of all values together
    (`global`), of each channel of images (`channel`), or of each feature (`feature`)."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 42
    """Seed of the source's generator and of the split."""

    @field_validator("path", "test_path", "root", check_fields=False)
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
    def targets(self) -> tuple[str, ...]:
        """The names of the numbers or labels of a sample; empty where it has a class, or only the file knows."""
        return ()

    @property
    def several_targets(self) -> bool:
        """Whether the data say that a sample has numbers or labels in place of a class."""
        return len(self.targets) > 0

    @property
    def number_count(self) -> int | None:
        """How many numbers or labels a sample may have in place of a class; `None` where it has a class."""
        return None

    @property
    def varying(self) -> bool:
        """Whether samples are sequences that may differ in length."""
        return False

    @property
    def answers_steps(self) -> bool:
        """Whether every step of a sequence may have an answer of its own."""
        return self.varying

    def asked(self, task: Task, each_step: bool = False) -> DataSpec:
        """The data with the task that the loss sets, and whether the network answers at every step."""
        return self

    @property
    def endless(self) -> bool:
        """Whether every step draws new samples; the training set then is a few samples for evaluation."""
        return False


class Split(DataSpec, abc.ABC):
    """A source without a test set of its own: a share of its samples is held out for the test."""

    test: Share = 0.2
    """The share of all samples held out for the test: stratified, and the same for the same seed."""
    folds: Annotated[int, Field(ge=2, le=1000)] | None = Field(default=None, exclude_if=unwritten_at(None))
    """In place of `test`: cut the samples into this many folds of equal size, of which number `fold` is the test.
    `twofold study --folds` takes each in turn, which is cross-validation."""
    fold: Annotated[int, Field(ge=0)] = Field(default=0, exclude_if=unwritten_at(0))
    """Which of the `folds` is the test, counted from 0."""


class Labelled(Split, abc.ABC):
    """A source whose samples are rows of a table, with one or several columns to answer."""

    if TYPE_CHECKING:  # each source declares them, in the order of its own keys
        label: Name | tuple[Name, ...]
        classes: int | None
        task: Task | None

    @property
    def class_count(self) -> int | None:
        return self.classes

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns that hold the answers: one, or several."""
        return (self.label,) if isinstance(self.label, str) else self.label

    @property
    def targets(self) -> tuple[str, ...]:
        return () if isinstance(self.label, str) else self.label

    @property
    def number_count(self) -> int | None:
        return len(self.labels) if self.classes is None else None

    def asked(self, task: Task, each_step: bool = False) -> Self:
        return self.model_copy(update={"task": task, **({"each_step": True} if each_step else {})})

    @property
    def has_classes(self) -> bool:
        """Whether the label names a class."""
        return self.task in (None, "classification")
