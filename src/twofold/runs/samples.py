"""What the record of a run says about its samples."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from twofold.runs.names import QUALITY
from twofold.runs.part import RecordPart, SplitName, Texts


class Vote(RecordPart):
    """How often class `label` is wrong where a training sample's neighbours vote for it: `twofold.data.traits`."""

    label: NonNegativeInt
    samples: PositiveInt
    wrong: float
    surest: PositiveInt
    surest_wrong: float


class Traits(RecordPart):
    """What the samples show of themselves before any training, as `twofold.data.traits` measures it."""

    size: float | None = None
    distinct: NonNegativeInt | None = None
    contradicting: NonNegativeInt | None = None
    shared: NonNegativeInt | None = None
    chance: float | None = None
    widest: str = ""
    widest_times: float | None = None
    outlier: str = ""
    outlier_value: float | None = None
    outlier_times: float | None = None
    copy_of_class: str = ""
    copy_times: float | None = None
    row_number: str = ""
    row_number_tells: float | None = None
    votes: Annotated[tuple[Vote, ...], Field(strict=False)] = ()


class DataFacts(RecordPart):
    """The data of a run, as its record describes them."""

    source: str
    title: str = ""
    """The full name of a published set: CIFAR-10 (JPEG copies)."""
    fingerprint: str
    """SHA-256 over every sample and class, split by split."""
    samples: dict[SplitName, PositiveInt]
    """How many samples each split holds; a split without samples is left out."""
    held_out: SplitName
    """The split that the run is judged on."""
    classes: Texts
    features: Texts
    """The columns of a table."""
    task: Literal["classification", "regression", "multi_label"] = "classification"
    """What is answered: a class, numbers, or which of several labels a sample has."""
    targets: Texts = ()
    """The names of the numbers or labels, one an output; empty where samples have classes."""
    ceiling: float | None = None
    """The training accuracy that equal rows of different classes allow; `None` where it was not measured."""
    neighbours: float | None = None
    """The held-out accuracy of a vote of the nearest training samples; `None` where it was not measured."""
    bits: PositiveInt | None = None
    """How many bits are used of the 16 that images have a pixel; `None` where no image has so many."""
    traits: Traits | None = None
    """`None` in a record of an earlier version."""

    @property
    def quality(self) -> str:
        """The score beside the loss by which answers are judged: `accuracy` or `r2`."""
        return QUALITY[self.task]

    @model_validator(mode="after")
    def _splits_exist(self) -> Self:
        for split in ("train", self.held_out):
            if split not in self.samples:
                raise ValueError(f"samples: it counts no {split} samples")
        if not self.classes and not self.targets:
            raise ValueError("classes: it names no class")
        return self
