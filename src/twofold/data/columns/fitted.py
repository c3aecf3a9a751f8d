"""Columns as they were fitted to the training rows: plain numbers and words, written as JSON, applied row by row.

A kind of column is fitted by scikit-learn where it has a transformer, in `fitting.py`; what stands here applies the
result. Every operation is done element by element in float64, so that a row becomes the same bytes whichever other rows
are encoded with it.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

from twofold.arrays import Array
from twofold.data.columns.column import FittedColumn, Numbers, Texts, refused
from twofold.data.columns.dates import FittedDate
from twofold.data.columns.faults import Refused, in_recipe
from twofold.data.columns.frame import Cells, missing, words_of
from twofold.data.columns.values import quantities
from twofold.recipe.base import unwritten_at
from twofold.recipe.columns import Number


class FittedNumber(FittedColumn):
    """A number: clip((x − shift) / divisor), or by rank to a normal distribution; `fill` replaces a missing one."""

    kind: Literal["number"] = "number"
    spec: Number
    fill: float
    shift: float = 0.0
    divisor: float = 1.0
    quantiles: Numbers = ()
    """Quantiles of the training rows, at even steps from the least to the largest."""

    def outputs(self) -> tuple[str, ...]:
        return (self.name, f"{self.name} missing") if self.spec.indicator else (self.name,)

    def encode(self, cells: Cells, out: Array) -> list[Refused]:
        values, wrong = quantities(cells, self.spec)
        absent = np.isnan(values)
        faults = refused(self.name, wrong, "must be a number; got {cell}", _number_remedy(self.name))
        if self.spec.missing == "refuse":
            rows = np.setdiff1d(np.flatnonzero(absent), wrong)
            faults += refused(self.name, rows, "is empty", in_recipe(self.name, "number", missing="median"))
        values = np.where(absent, self.fill, values)
        if self.quantiles:
            scaled = by_rank(values, self.quantiles)
        else:
            scaled = (values - self.shift) / self.divisor
        if self.spec.clip is not None:
            scaled = np.clip(scaled, -self.spec.clip, self.spec.clip)
        out[:, 0] = scaled
        if self.spec.indicator:
            out[:, 1] = absent
        return faults


class FittedCategory(FittedColumn):
    """One-hot: a number for each level. An unknown level is `other`, if there is a number for it.

    Or embedded: a code from 1 for each level and for a missing value, and 0 for all others.
    """

    kind: Literal["category"] = "category"
    levels: Texts
    absent: bool
    """Whether a missing value has a number, or code, of its own: if training rows lack the value."""
    other: bool
    """Whether there is a number for all other levels: if the training rows have levels too rare for one of their
    own."""
    refuses: bool
    words: bool
    """Whether the training cells were words, not numbers."""
    embedded: bool = Field(default=False, exclude_if=unwritten_at(False))
    """Whether the column becomes one number, the code of its level."""

    @property
    def texts(self) -> bool:
        return self.words

    @property
    def codes(self) -> int:
        """The number of codes, including the one for all other levels."""
        return 1 + len(self.levels) + self.absent

    def outputs(self) -> tuple[str, ...]:
        if self.embedded:
            return (self.name,)
        names = [f"{self.name}={level}" for level in self.levels]
        names += [f"{self.name} missing"] if self.absent else []
        names += [f"{self.name} other"] if self.other else []
        return tuple(names)

    def encode(self, cells: Cells, out: Array) -> list[Refused]:
        codes, unseen = self.coded(cells)
        faults = []
        if self.refuses:
            rule = f"holds {{cell}}, a level that no training row holds; known: {_listed(self.levels)}"
            faults = refused(self.name, np.flatnonzero(unseen), rule, in_recipe(self.name, "category", unseen="other"))
        if self.embedded:
            out[:, 0] = np.where(codes < self.codes, codes, 0)
            return faults
        out[:] = 0
        count = len(self.levels)
        known = np.flatnonzero((codes > 0) & (codes <= count))
        out[known, codes[known] - 1] = 1
        if self.absent:
            out[codes == count + 1, count] = 1
        if self.other:
            out[codes == 0, count + self.absent] = 1
        return faults

    def coded(self, cells: Cells) -> tuple[Array, Array]:
        """The code of each cell, 0 for an unknown level, and which cells hold an unknown level."""
        words = words_of(cells)
        at = {level: place + 1 for place, level in enumerate(self.levels)}
        codes = np.array([at.get(level, 0) for level in words.levels] or [0], np.int64)
        placed = np.where(words.codes < 0, len(self.levels) + 1, codes[words.codes])
        return placed, placed == 0


class FittedOrdinal(FittedColumn):
    """An ordered level as one number: (its place − mean) / standard deviation."""

    kind: Literal["ordinal"] = "ordinal"
    levels: Texts
    fill: float
    shift: float
    divisor: float
    refuses_missing: bool
    refuses_unseen: bool
    words: bool

    @property
    def texts(self) -> bool:
        return self.words

    def outputs(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, cells: Cells, out: Array) -> list[Refused]:
        places, unseen = placed(cells, self.levels)
        faults = []
        if self.refuses_unseen:
            rule = f"holds {{cell}}, none of its levels: {_listed(self.levels)}"
            faults = refused(self.name, np.flatnonzero(unseen), rule, in_recipe(self.name, "ordinal", unseen="median"))
        if self.refuses_missing:
            rows = np.flatnonzero(missing(cells))
            faults += refused(self.name, rows, "is empty", in_recipe(self.name, "ordinal", missing="median"))
        places = np.where(np.isnan(places), self.fill, places)
        out[:, 0] = (places - self.shift) / self.divisor
        return faults


def placed(cells: Cells, levels: tuple[str, ...]) -> tuple[Array, Array]:
    """The place of each cell's level, NaN if missing or unknown; and which cells hold an unknown level."""
    words = words_of(cells)
    at = {level: float(place) for place, level in enumerate(levels)}
    codes = np.array([at.get(level, np.nan) for level in words.levels] or [np.nan])
    places = np.where(words.codes < 0, np.nan, codes[words.codes])
    return places, np.isnan(places) & (words.codes >= 0)


class FittedBoolean(FittedColumn):
    """A boolean as 1 for true, 0 for false, `fill` for a missing value."""

    kind: Literal["boolean"] = "boolean"
    true: Texts
    false: Texts
    fill: float
    refuses_missing: bool

    def outputs(self) -> tuple[str, ...]:
        return (self.name,)

    def encode(self, cells: Cells, out: Array) -> list[Refused]:
        values, wrong = truths(cells, self.true, self.false)
        rule = f"must be one of {_listed((*self.true, *self.false))}; got {{cell}}"
        faults = refused(self.name, wrong, rule, in_recipe(self.name, "category"))
        if self.refuses_missing:
            rows = np.flatnonzero(missing(cells))
            faults += refused(self.name, rows, "is empty", in_recipe(self.name, "boolean", missing="mean"))
        out[:, 0] = np.where(np.isnan(values), self.fill, values)
        return faults


def truths(cells: Cells, true: tuple[str, ...], false: tuple[str, ...]) -> tuple[Array, Array]:
    """Cells as 1 for true and 0 for false, NaN for others; and the rows that hold a value which is neither."""
    words = words_of(cells)
    meaning = {**dict.fromkeys(map(str.lower, true), 1.0), **dict.fromkeys(map(str.lower, false), 0.0)}
    levels = np.array([meaning.get(level.lower(), np.nan) for level in words.levels] or [np.nan])
    values = np.where(words.codes < 0, np.nan, levels[words.codes])
    return values, np.flatnonzero(np.isnan(values) & (words.codes >= 0))


class FittedText(FittedColumn):
    """Text as counts of its words, each at the place and with the sign of its hash, scaled to Euclidean length 1.

    Nothing is fitted.
    """

    kind: Literal["text"] = "text"
    width: Annotated[int, Field(ge=1, le=4096)]

    @property
    def texts(self) -> bool:
        return True

    def outputs(self) -> tuple[str, ...]:
        return tuple(f"{self.name} word {place}" for place in range(self.width))

    def encode(self, cells: Cells, out: Array) -> list[Refused]:
        from scipy.sparse import csr_array
        from sklearn.feature_extraction.text import HashingVectorizer

        words = words_of(cells)
        present, place = np.unique(words.codes, return_inverse=True)
        texts = [words.levels[code] if code >= 0 else "" for code in present]
        levels = csr_array(HashingVectorizer(n_features=self.width).transform(texts))
        out[:] = levels[place].toarray()
        return []


Fitted: TypeAlias = Annotated[
    FittedNumber | FittedCategory | FittedOrdinal | FittedBoolean | FittedDate | FittedText, Field(discriminator="kind")
]


def by_rank(values: Array, quantiles: tuple[float, ...]) -> Array:
    """The normal score of each value's rank among the quantiles, as scikit-learn's `QuantileTransformer` has it."""
    from sklearn.preprocessing import QuantileTransformer

    transformer = QuantileTransformer(n_quantiles=len(quantiles), output_distribution="normal")
    transformer.quantiles_ = np.array(quantiles)[:, None]
    transformer.references_ = np.linspace(0, 1, len(quantiles))
    transformer.__dict__["n_features_in_"] = 1
    return np.asarray(transformer.transform(values[:, None]))[:, 0]


def _number_remedy(name: str) -> str:
    return in_recipe(name, "category")


def _listed(names: tuple[str, ...]) -> str:
    few = ", ".join(f"`{name[:40]}`" for name in names[:8])
    return few + (", ..." if len(names) > 8 else "")
