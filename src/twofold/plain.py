"""Values as they come from outside, before anybody looked; and those that JSON can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None"
"""A value that JSON can say."""
Parsed: TypeAlias = Any
"""What a text of JSON or TOML held, before anybody looked: a table, a list, a text, a number, or nothing at all."""
Samples: TypeAlias = Any
"""Samples, answers or weights as a user hands them over: an array, lists, or a frame of pandas or polars."""
