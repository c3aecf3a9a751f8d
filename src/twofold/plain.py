"""Types of values that come from outside, not checked yet, and of values that JSON can hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None"
"""A value that JSON can hold."""
Parsed: TypeAlias = Any
"""What a text of JSON or TOML held, not checked yet: a table, a list, a text, a number, or nothing at all."""
Samples: TypeAlias = Any
"""Samples, answers or weights as a user hands them over: an array, lists, or a frame of pandas or polars."""
