"""A user's own table: what each column is and how it becomes numbers, `[data.columns]` of a recipe."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, field_serializer

from twofold.plain import Parsed
from twofold.recipe.base import Fields, Part, Shape, unwritten_at
from twofold.recipe.source import Labelled, Name

Words = Annotated[tuple[str, ...], Field(strict=False)]
DatePart = Literal["days", "year", "month", "day", "weekday", "hour", "minute"]


class ColumnSpec(Part, abc.ABC):
    """What a column is. Its kinds are final; each is told from the others by its `kind`."""


class Number(ColumnSpec):
    """A quantity: one number, scaled by what the training rows hold."""

    kind: Literal["number"] = "number"
    missing: Literal["median", "mean", "refuse"] | float = "median"
    """What replaces a missing value: the median or the mean of the training rows, or a number; `refuse` is an error
    that names the line."""
    indicator: bool = False
    """Whether a second number tells missing values: 1 where the value was missing, else 0."""
    scale: Literal["standard", "robust", "quantile", "none"] = "standard"
    """`standard`: less the mean, over the standard deviation. `robust`: less the median, over the distance of the
    quartiles. `quantile`: by rank to a normal distribution. scikit-learn's `StandardScaler`, `RobustScaler`,
    `QuantileTransformer`."""
    clip: PositiveFloat | None = None
    """After scaling, values beyond ± this become this."""
    thousands: Literal[",", ".", " ", "'"] | None = None
    """The sign that groups the digits of large numbers, as in 16,800."""
    decimal: Literal[".", ","] = "."
    """The decimal sign of this column, if it is not that of the whole file."""
    sign: Annotated[str, Field(max_length=8)] = ""
    """A sign beside each number that is left out: `%`, `€`, `kg`."""
    absent: Words = ()
    """Words that stand for a missing value, beside an empty cell, `NA`, `NaN`, `null` and `?`."""


class Category(ColumnSpec):
    """One of several words, its level: one-hot, a number for each level; or a code, for `embed_columns`. A missing
    value is a level of its own."""

    kind: Literal["category"] = "category"
    most: PositiveInt = 64
    """At most so many levels have a number of their own, the most frequent ones; the others share one, `other`."""
    least: PositiveInt = 1
    """Training rows that a level needs; rarer ones are one level together, `other`."""
    unseen: Literal["other", "refuse"] = "other"
    """What a level that no training row holds becomes: `other`, or an error that names the line."""
    embed_above: Annotated[int, Field(ge=0)] | None = Field(default=None, exclude_if=unwritten_at(None))
    """A column with more levels than this is embedded: it becomes one number, the code of its level, and codes stand
    first in a row, for an `embed_columns` as the first layer. Every level that `least` training rows hold has a code of
    its own, whatever `most` says; code 0 is `other`. With 0 the column is always embedded; left out, never."""


class Ordinal(ColumnSpec):
    """Words or whole numbers that have an order, as one number: the place in this order, standardized."""

    kind: Literal["ordinal"] = "ordinal"
    levels: Words | None = None
    """The levels from low to high. For numbers it may be left out."""
    missing: Literal["median", "refuse"] = "median"
    """What stands for a value that is not there."""
    unseen: Literal["median", "refuse"] = "refuse"
    """What becomes of a level that is not in the list."""


class Boolean(ColumnSpec):
    """True or false, as 1 or 0. A missing value becomes the share of the true ones."""

    kind: Literal["boolean"] = "boolean"
    true: Words = ("true", "t", "yes", "y", "on", "1")
    """Words for true, in any case."""
    false: Words = ("false", "f", "no", "n", "off", "0")
    """Words for false, in any case."""
    missing: Literal["mean", "refuse"] = "mean"
    """What stands for a value that is not there."""


class Date(ColumnSpec):
    """A date, or a date with a time: its parts as numbers, cyclic ones as sine and cosine."""

    kind: Literal["date"] = "date"
    format: Annotated[str, Field(min_length=1)] | None = None
    """How it is written, such as `%d.%m.%Y`; left out, inferred from the cells."""
    parts: Annotated[tuple[DatePart, ...], Field(strict=False, min_length=1)] | None = None
    """The parts that become numbers; left out: days since 1970, month and weekday, and the hour if there are times."""
    cyclic: bool = True
    """Whether month, day, weekday, hour and minute are the sine and cosine of an angle, so that December is near
    January."""
    missing: Literal["median", "refuse"] = "median"
    """What stands for a date that is not there."""


class Text(ColumnSpec):
    """Free text: counts of its words, each at the place of its hash, scaled to length 1. `HashingVectorizer`."""

    kind: Literal["text"] = "text"
    width: Annotated[int, Field(ge=1, le=4096)] = 64
    """How many numbers the text becomes."""


class Drop(ColumnSpec):
    """A column that is left out."""

    kind: Literal["drop"] = "drop"


def _by_name(value: Parsed) -> Parsed:
    """A kind given by its name alone, `age = "number"`, as a table: its options have their defaults."""
    return {"kind": value} if isinstance(value, str) else value


Column: TypeAlias = Annotated[
    Annotated[Number | Category | Ordinal | Boolean | Date | Text | Drop, Field(discriminator="kind")],
    BeforeValidator(_by_name),
]
KINDS: dict[str, type[ColumnSpec]] = {
    "number": Number,
    "category": Category,
    "ordinal": Ordinal,
    "boolean": Boolean,
    "date": Date,
    "text": Text,
    "drop": Drop,
}


def stated(columns: Mapping[str, ColumnSpec], name: str) -> ColumnSpec | None:
    """What a recipe says of a column, by its name or by the first pattern, with `*` and `?`, that fits; else `None`."""
    if name in columns:
        return columns[name]
    return next((spec for pattern, spec in columns.items() if fnmatchcase(name, pattern)), None)


class Table(Labelled):
    """A table as people have it: numbers, words, dates and gaps, as CSV of any usual dialect, Parquet or Arrow.

    `[data.columns]` says what each column is, by its name or a pattern such as `"temp_*"`; for other columns it is
    inferred, and reported. What is fitted (medians, levels, scales) is fitted to the training rows only and kept in the
    run.
    """

    source: Literal["table"] = "table"
    path: Name | None = None
    """The file, packed by gzip or not; a relative path starts at the recipe's own folder. Without it the table is
    handed over in memory: `twofold.run(recipe, data=frame)`."""
    label: Name | Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]
    """The name of the column that holds the class, or the number to predict; or the names of several such columns."""
    columns: dict[str, Column] = Field(default_factory=dict)
    """What the columns are, by name or pattern: a kind, or a table with its options."""
    features: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    """The names of the columns that are features; left out, every column that has no other role."""
    weight: Name | None = None
    """The name of a column with the weight of each sample in the loss: 2 counts as two equal samples, 0 as none."""
    scale_target: bool = True
    """Whether numbers to predict are standardized for training, by mean and standard deviation of the training samples;
    answers are in their own unit."""
    task: Literal["classification", "regression", "multi_label"] | None = None
    """The task that the label sets. It need not be set: the loss tells it."""
    without_label: Literal["refuse", "drop"] = "refuse"
    """What to do with rows whose label is missing: an error, or leave them out."""
    test_path: Name | None = None
    """A file of its own for the test, with the same columns; no row of the other file is then tested on. A relative
    path starts at the recipe's own folder, as that of `path` does."""
    split: Name | None = None
    """A column that says which part each row is in: train, validation (or valid, val, dev) or test."""
    group: Name | None = None
    """A column such as `patient`: rows with the same value form a group, and no group is on both sides of a split."""
    order: Name | None = None
    """A column by which rows are put in order, such as `date`: the last rows are the test, those before them the
    validation. With `sequence` it puts the steps of each sequence in order."""
    sequence: Name | None = Field(default=None, exclude_if=unwritten_at(None))
    """A column such as `id`: the rows with the same value are the steps of one sequence, and one sample, in the order
    of the file or of `order`. Sequences may differ in length."""
    symbols: Name | None = Field(default=None, exclude_if=unwritten_at(None))
    """A column of words that are read letter by letter: each row is then a sequence of symbols, and this column the
    only feature. The alphabet is that of the training rows, kept in the run."""
    symbols_as: Literal["one_hot", "index"] = Field(default="one_hot", exclude_if=unwritten_at("one_hot"))
    """How a symbol enters the network: one-hot, all 0 for a symbol that no training row holds; or as its place in the
    alphabet, for an `embedding`, whose last row is for unknown symbols: num_embeddings is one more than the alphabet
    has symbols."""
    each_step: bool = Field(default=False, exclude_if=unwritten_at(False))
    """Whether every step of a sequence has a label of its own. It need not be set: a network that answers at every step
    tells it."""
    header: bool = True
    """Whether the first row names the columns; if not, they are called `x1`, `x2`, ... in their order."""
    separator: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The sign between two columns; left out, inferred from the file. A space stands for any run of spaces."""
    decimal: Literal[".", ","] | None = None
    """The decimal sign; left out, inferred from the file."""
    encoding: Annotated[str, Field(min_length=1)] | None = None
    """The encoding of the text, such as `utf-8` or `cp1252`; left out, inferred from the file."""
    comment: Annotated[str, Field(max_length=4)] | None = None
    """The sign that begins a comment line; left out, inferred from the file; `""` for none."""
    baselines: bool = Field(default=True, exclude_if=unwritten_at(True))
    """Whether simpler models of scikit-learn are fitted beside the network at the end of a run."""
    width: PositiveInt | None = None
    """How many numbers a row becomes, for when the file is not at hand."""
    classes: Annotated[int, Field(ge=2)] | None = None
    """How many classes there are, for when the file is not at hand."""
    longest: PositiveInt | None = Field(default=None, exclude_if=unwritten_at(None))
    """How many steps the longest sequence has, for when the file is not at hand."""

    @field_serializer("columns")
    def _short(self, columns: dict[str, ColumnSpec]) -> dict[str, object]:
        """Columns as a recipe writes them: a kind by its name alone if its options are the defaults."""
        specs = {name: spec.model_dump(mode="json", exclude_defaults=True) for name, spec in columns.items()}
        kinds = {name: spec.model_dump()["kind"] for name, spec in columns.items()}
        return {name: {"kind": kinds[name], **specs[name]} if specs[name] else kinds[name] for name in columns}

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        wrong = list[str]()
        dividing = ("split", "group", *(() if values.get("sequence") is not None else ("order",)))
        ways = [key for key in dividing if values.get(key) is not None]
        if len(ways) > 1:
            wrong.append(f"{' and '.join(f'`{way}`' for way in ways)} each divide the rows; choose one")
        own = [
            key for key in (*(key for key in dividing if key != "group"), "test_path") if values.get(key) is not None
        ]
        if values.get("folds") is not None and own:
            wrong.append(f"`folds` and `{own[0]}` each say which rows are the test; choose one")
        if values.get("test_path") is not None and values.get("path") is None:
            wrong.append("`test_path` is the test of a file that `path` names")
        return wrong + _sequence_conflicts(values)

    @property
    def sample_shape(self) -> Shape:
        if self.symbols is not None and self.symbols_as == "index":
            return (self.longest,)
        return (self.longest, self.width) if self.sequential else (self.width,)

    @property
    def sequential(self) -> bool:
        """Whether a sample is a sequence, of rows or of symbols."""
        return self.sequence is not None or self.symbols is not None

    @property
    def varying(self) -> bool:
        return self.sequential


def _sequence_conflicts(values: Fields) -> list[str]:
    """The rules that the keys of a table of sequences break together."""
    wrong, sequence, symbols = list[str](), values.get("sequence"), values.get("symbols")
    if sequence is not None and symbols is not None:
        wrong.append("`sequence` makes a sequence of rows, `symbols` one of each row; choose one")
    if sequence is None and symbols is None:
        return wrong
    features = values.get("features")
    if symbols is not None and (values.get("columns") or (features is not None and list(features) != [symbols])):
        wrong.append("of a sequence of `symbols` the symbols are the features: leave `columns` and `features` out")
    if values.get("standardize", "none") != "none":
        wrong.append(
            "`standardize` does not know which steps there are: `columns` scale what a step holds; leave it out"
        )
    return wrong
