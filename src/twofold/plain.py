"""Types of values that come from outside, not checked yet, and of values that JSON can hold."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias, cast

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None"
"""A value that JSON can hold."""
Parsed: TypeAlias = Any
"""What a text of JSON or TOML held, not checked yet: a table, a list, a text, a number, or nothing at all."""
Samples: TypeAlias = Any
"""Samples, answers or weights as a user hands them over: an array, lists, or a frame of pandas or polars."""


def finite(number: float | None) -> float | None:
    """The number, or `None` for NaN and infinity, for which JSON has no word."""
    return number if number is not None and math.isfinite(number) else None


def without_nan(value: Parsed) -> Parsed:
    """The value with `None` for every NaN and infinity, in tables and lists too."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return finite(value) if isinstance(value, float) else value


def whole(number: object) -> int | None:
    """The whole number as an `int`, NumPy's own too; `None` for anything else, truth values included."""
    if isinstance(number, bool):
        return None
    try:
        return int(operator.index(cast(SupportsIndex, number)))
    except TypeError:
        return None


def sizes(shape: object) -> tuple[int, ...]:
    """The sizes of a shape that a user gave, with 0 in place of anything but a whole number."""
    try:
        return tuple(whole(size) or 0 for size in cast(Iterable[object], shape))
    except TypeError:
        return (0,)


def native(value: Parsed) -> Parsed:
    """The value with Python's numbers and lists in place of NumPy's, in tables and lists too."""
    if isinstance(value, Mapping):
        return {key: native(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(native(item) for item in value)
    return value.tolist() if hasattr(value, "tolist") else value
