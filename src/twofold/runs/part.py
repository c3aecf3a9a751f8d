"""What all parts of a run's record share: they are frozen, checked, and keep what a later version added."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from twofold.engines import ENGINES, unknown_engine
from twofold.plain import Parsed
from twofold.runs.names import SPLITS

BareName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
"""A name that stays within its folder."""
Status: TypeAlias = Literal["running", "finished", "interrupted", "failed"]
Texts = Annotated[tuple[str, ...], Field(strict=False)]


def _known_engine(name: str) -> str:
    if name not in ENGINES:
        raise ValueError(unknown_engine(name[:60]))
    return name


def _known_split(name: str) -> str:
    if name not in SPLITS:
        raise ValueError(f"a split is {' or '.join(f'`{split}`' for split in SPLITS)}; got `{name[:60]}`")
    return name


EngineName = Annotated[str, AfterValidator(_known_engine)]
SplitName = Annotated[str, AfterValidator(_known_split)]


def _date(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Date = Annotated[str, AfterValidator(_date)]
"""A point in time as text, ISO 8601."""


class RecordPart(BaseModel):
    """A frozen part of the record. What it does not know it keeps."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    def to_json(self) -> dict[str, Parsed]:
        """Plain values under the keys that were given; what was left out stays out."""
        return self.model_dump(mode="json", exclude_unset=True)

    def given(self) -> Iterator[tuple[str, Parsed]]:
        """The keys that were given, with their values."""
        return ((key, value) for key, value in self if key in self.model_fields_set)
