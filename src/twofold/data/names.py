"""Names of classes: their order, and numbers among them, which may be written in several ways."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

NO_NUMBERS = {"nan", "inf", "infinity"}
MISSING = {"", "na", "n/a", "#n/a", "nan", "null", "<na>", "?"}
"""Texts that stand for a missing value, in lower case."""
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""A number as tables write it."""
GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?", re.ASCII)
"""A number whose digits are grouped by commas."""
COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
"""A number with a comma before its fraction."""


def number_of(text: str) -> Decimal | None:
    """The finite number that a text writes, exactly, however long; `None` for a word."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def class_value(name: str) -> Decimal | None:
    """The number by which a class is named, or for which a truth value stands; `None` for another word."""
    return number_of({"True": "1", "False": "0"}.get(name, name))


def class_order(name: str) -> tuple[int, Decimal, str]:
    """The key by which classes are sorted: numbers by value, then words by the alphabet."""
    value = number_of(name)
    return (1, Decimal(0), name) if value is None else (0, value, name)


def same_class(label: str, classes: Sequence[str]) -> str | None:
    """The class that a label names: by its text, or by its number, as `1.0` names `1`; `None` if there is none."""
    if label in classes:
        return label
    value = number_of(label)
    return None if value is None else next((name for name in classes if number_of(name) == value), None)
