"""`table.json` as typed values: what a run keeps of the columns of its table, and of what its network makes of them.

What is read is checked as a whole; a key that a later version adds is left out.
"""

from __future__ import annotations

import json
from typing import Annotated, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

Names = Annotated[tuple[str, ...], Field(strict=False)]
Row: TypeAlias = Annotated[tuple[float, ...], Field(strict=False)]


class _Kept(BaseModel):
    """Frozen, strict, finite."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True, allow_inf_nan=False)


class Importance(_Kept):
    """How much worse the answers become when one column's cells are shuffled among the rows."""

    column: str
    value: float
    """The rise of the mean loss: nats of the log loss, or the share of the variance that is lost (R²)."""
    low: float
    """The ends of its 95 % interval, over rows and shufflings."""
    high: float


class Dependence(_Kept):
    """The mean answer when a column holds one value in every row."""

    column: str
    at: Annotated[tuple[float, ...] | None, Field(strict=False)] = None
    """The values, of a number; seconds since 1970, of a date."""
    levels: Names = ()
    """The values of a column of words, or of a boolean; then `at` is `None`."""
    dates: bool = False
    answers: Annotated[tuple[Row, ...], Field(strict=False)]
    """For each value the mean probability of each class or label, or the mean of each number, in its unit."""


class WorstCase(_Kept):
    """A row that is answered worst, as its owner wrote it."""

    row: str
    """Where it stands: `table.csv:12`, or its place among the rows held out, from 0."""
    target: Names
    answer: Names
    loss: float
    """Nats of the log loss, or 1 for a wrong class whose outputs are no probabilities; or the error in standard
    deviations of the numbers held out."""
    cells: Names
    """In the order of `TableFacts.columns`."""


class Drift(_Kept):
    """One column among the training rows and among those that the run is judged on."""

    column: str
    test: str
    """`kolmogorov_smirnov` of numbers, `chi_squared` of levels."""
    distance: float
    """The largest difference of the two distribution functions, or half the sum of the differences of the shares."""
    p: float
    """The chance of so large a distance between two draws of one distribution."""


class Alone(_Kept):
    """How well a small tree answers by one column, and a forest by all others: accuracy, or R²."""

    column: str
    alone: float
    others: float | None
    """`None` where there is no other column."""


class TableFacts(_Kept):
    """All of `table.json`."""

    engine: str
    """The engine whose answers it is."""
    split: str
    columns: Names
    """The features of the table by their own names."""
    missing: dict[str, NonNegativeInt] = Field(default_factory=dict)
    """Training rows without a value, by column."""
    left_out: dict[str, str] = Field(default_factory=dict)
    """Columns that are no features, and why."""
    rows: PositiveInt
    """Rows held out that the importance was measured on."""
    repeats: PositiveInt
    """How often each column was shuffled."""
    importance: Annotated[tuple[Importance, ...], Field(strict=False)] = ()
    """The most important column first."""
    dependence: Annotated[tuple[Dependence, ...], Field(strict=False)] = ()
    worst: Annotated[tuple[WorstCase, ...], Field(strict=False)] = ()
    drift: Annotated[tuple[Drift, ...], Field(strict=False)] = ()
    grouped: bool = False
    """Whether whole groups were held out, whose rows are no independent draws."""
    alone: Annotated[tuple[Alone, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """What is drawn is of columns that there are, and as long as it must be."""
        for name in {one.column for one in (*self.importance, *self.dependence)}:
            if name not in self.columns:
                raise ValueError(f"it has no column `{name[:60]}`")
        for curve in self.dependence:
            values = curve.levels if curve.at is None else curve.at
            if len({len(row) for row in curve.answers}) != 1 or len(values) != len(curve.answers):
                raise ValueError(f"dependence: column `{curve.column[:60]}` has not an answer for each value")
        if len({len(case.cells) for case in self.worst}) > 1 or any(
            len(case.cells) > len(self.columns) for case in self.worst
        ):
            raise ValueError("worst: a row has not as many cells as there are columns")
        return self

    def text(self) -> str:
        """The text of the file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
