"""The settings of palindromes: how many exist, how many are held out, how their length grows."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from twofold.recipe.base import Fields, Shape
from twofold.recipe.source import DataSpec, Holdout

Stage = Annotated[tuple[Annotated[int, Field(ge=2)], Annotated[float, Field(gt=0, lt=1)]], Field(strict=False)]
"""A length, and the share of the steps that train on it."""

LONGEST = 1000
"""Digits of a palindrome, at most."""
MOST_DIFFERENT = 10**6
"""Palindromes up to which all are listed; of more, some are drawn and checked for repetition."""


def count_text(number: int) -> str:
    """The text of a count: `9,999,000`, or for a large one the nearest power of ten, `10^15`."""
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
    """How many there are to train on; left out, they are endless: every step draws new ones."""
    replacement: bool = True
    """Whether a palindrome may be drawn again."""
    encoding: Literal["number", "one_hot", "index"] = "number"
    """How a digit enters the network: as one number, (T − 1, 1), one-hot, (T − 1, 10), or as an index, (T − 1,), for an
    `embedding`."""
    test: PositiveInt = 1000
    """How many are held out for the test; at most a fifth of all palindromes."""
    validation: Holdout = 0.0
    """How many more are held out for validation, again at most a fifth: a share of all below 1, or a whole number."""
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
        """How many are held out for each part; of the ten palindromes of two digits none can be spared."""
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
    def conflicts(cls, values: Fields) -> list[str]:
        spec = cls.model_construct(**{**values, "grow": tuple(map(tuple, values.get("grow") or ()))})
        if not 2 <= spec.length <= LONGEST:  # a fault of its own; and their number would not be found in time
            return []
        return [*spec._none_to_spare(), *spec._too_many(), *spec._growth()]

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
