"""The kind of a column, inferred from its cells where the recipe does not name it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.faults import quoted
from twofold.data.columns.frame import Cells, Words, missing
from twofold.data.columns.values import date_formats, date_levels, parsed
from twofold.data.names import COMMA, GROUPED
from twofold.recipe.columns import Boolean, Category, ColumnSpec, Date, Drop, Number, Text

NUMBERS_FROM = 0.8
"""The share of cells that must be numbers for a few words among them to be taken for missing values."""
MOST_ABSENT = 3
"""Different words among numbers, at most, for them to be taken for missing values."""
OFTEN = 3
"""Times that a word must stand among numbers to be taken for a missing value."""
PLACEHOLDERS = {
    *(
        "",
        "-",
        "--",
        "---",
        "–",
        "—",
        "_",
        "*",
        "**",
        "none",
        "nil",
        "unknown",
        "unk",
        "missing",
        "n.a",
        "not available",
    ),
    *("#ref!", "#div/0!", "#value!", "#num!", "#name?", "not applicable", "undefined", "blank", "inf", "-inf"),
}
"""Words that stand for no value, in lower case and without points around them."""
INDICATED_FROM = 0.01
"""The share of missing cells from which a column gets a second feature: whether the value is missing."""
DISTINCT = 0.9
"""The share of different words among the cells from which they are taken to name single rows, not kinds of rows."""
FEW = 20
"""Different words up to which a column is taken neither for text nor for an identifier."""
PROSE = 3.0
"""Words in a cell, on average, from which a column is text."""
IDENTIFIER = re.compile(r"(^|[_\s.-])(id|ids|index|idx|key|uuid|guid|rowid|row|nr|no)$|[a-z]I[Dd]$|^Unnamed: ?0", re.I)
SIGNS = ("%", "$", "€", "£", "¥", "kg", "g", "m", "cm", "mm", "km", "°C", "°F", "mph", "lbs", "lb")
_AFFIX = re.compile(r"^([^\d\s+.,-]{1,3}) ?[+-]?\d|\d ?([^\d\s.,]{1,3})$")


class Inferred(NamedTuple):
    """The kind that a column seems to be, with a note for the user, or a warning that it deserves a look."""

    spec: ColumnSpec
    note: str = ""
    warning: str = ""
    refusal: str = ""
    """Why nothing can be inferred: the end of a sentence that begins with the column's name; `{cell}` is a cell."""
    remedies: tuple[ColumnSpec, ...] = ()
    """What the recipe may say instead."""
    cell: str = ""
    """The word that is refused; if empty, the first of the column."""


_IDENTIFIER = Inferred(
    Drop(), "differs in every row, as an identifier does, and is left out", "looks like an identifier"
)


def inferred(name: str, cells: Cells) -> Inferred:
    """The kind of a column by its cells and, of identifiers, its name."""
    absent = missing(cells)
    held = int((~absent).sum())
    if not held:
        return Inferred(Drop(), "holds no value and is left out")
    if isinstance(cells, Words):
        return _of_words(name, cells, held, float(absent.mean()))
    if cells.dtype.kind == "M":
        return Inferred(Date())
    return _of_numbers(name, cells, ~absent)


def _of_numbers(name: str, values: Array, inside: Array) -> Inferred:
    held = values[inside]
    if not np.isfinite(held).all():
        return Inferred(Number())
    if held.min() == held.max():
        if inside.all():
            return Inferred(Drop(), f"holds {_short(held[0])} in every row and is left out", "is constant")
        return Inferred(Number(missing=0.0, scale="none", indicator=True), "holds one number or none")
    whole = bool((held == np.floor(held)).all())
    different = len(np.unique(held)) if whole else 0
    if whole and different == len(held) and len(held) > 2:
        steps = np.diff(held)
        unnamed = name.startswith("Unnamed: ")
        from_the_start = (steps == 1).all() and (held[0] in (0, 1) or IDENTIFIER.search(name))  # years count otherwise
        if from_the_start or (unnamed and (steps > 0).all()):
            return Inferred(Drop(), "numbers the rows and is left out", "numbers the rows")
        if IDENTIFIER.search(name) or unnamed:
            return _IDENTIFIER
    warning = "looks like an identifier" if whole and IDENTIFIER.search(name) and different > len(held) / 2 else ""
    share = 1 - float(inside.mean())
    return Inferred(Number(indicator=bool(share >= INDICATED_FROM)), "", warning)


def _of_words(name: str, words: Words, held: int, share: float) -> Inferred:
    levels = words.levels
    number = number_of_words(words, share)
    if number is not None:
        return number
    if ambiguous(levels):
        rule = "may hold commas that group thousands, or that stand before a fraction: {cell}"
        return Inferred(Drop(), refusal=rule, remedies=(Number(thousands=","), Number(decimal=",")))
    if len(levels) == 1 and not share:
        return Inferred(Drop(), f"holds {quoted(levels[0])} in every row and is left out", "is constant")
    lower = {level.lower() for level in levels}
    if len(levels) == 2 and any(lower == {yes, no} for yes, no in zip(Boolean().true, Boolean().false, strict=True)):
        return Inferred(Boolean())
    forms = date_formats(levels) if len(levels) > 2 else []
    if forms:
        return _date(forms)
    if broken := _broken_date(levels):
        form, level = broken
        rule = f"holds {quoted(level)}, and dates in its other cells"
        return Inferred(Date(format=form), refusal=rule, remedies=(Category(), Drop()), cell=level)
    prose = float(np.mean([len(level.split()) for level in levels[:: max(1, len(levels) // 500)]]))
    if len(levels) > FEW and len(levels) >= DISTINCT * held:
        if prose >= PROSE:
            return Inferred(Text())
        if _all_differ(words, held):
            return _IDENTIFIER
    if prose >= PROSE + 1 and len(levels) > 2 * FEW:
        return Inferred(Text())
    if len(levels) > max(FEW, held / 2):
        note = f"holds {len(levels):,} different words in {held:,} cells and is left out"
        return Inferred(Drop(), note, "looks like an identifier")
    return Inferred(Category())


def _broken_date(levels: Sequence[str]) -> tuple[str, str] | None:
    """The format in which nearly all words are dates, and the first word that is none; `None` if there is no format."""
    if len(levels) < FEW / 2:
        return None
    for form in date_formats(levels[: len(levels) // 2]) or date_formats(levels[len(levels) // 2 :]):
        wrong = np.flatnonzero(np.isnat(date_levels(levels, form)))
        if 0 < len(wrong) <= (1 - DISTINCT) * len(levels):
            return form, levels[int(wrong[0])]
    return None


def _all_differ(words: Words, held: int) -> bool:
    return len(words.levels) >= 0.98 * held


def _date(forms: list[str]) -> Inferred:
    month, day = (next((form for form in forms if form.startswith(start)), None) for start in ("%m", "%d"))
    warning = ""
    if month and day and month[3:4] == day[3:4]:
        warning = f'may be written day first or month first; {month} is taken: set format = "{day}" where it is not'
    return Inferred(Date(format=forms[0]), "", warning)


def number_of_words(words: Words, share: float) -> Inferred | None:
    """The kind of a column whose words write numbers; `None` if they do not.

    A column of numbers is read as words where signs stand beside them, commas within them, or words among them.
    """
    counts = words.counts()
    for spec, note in _ways(words.levels):
        values = np.array([parsed(level, spec) for level in words.levels])
        others = np.flatnonzero(np.isnan(values))
        numbers = int(counts[~np.isnan(values)].sum())
        if len(others) > MOST_ABSENT or numbers < NUMBERS_FROM * counts.sum() or numbers < 2:
            continue
        absent = tuple(words.levels[at] for at in others)
        indicator = bool(share + (1 - numbers / counts.sum()) >= INDICATED_FROM)
        spec = spec.model_copy(update={"absent": absent, "indicator": indicator})
        if strange := [words.levels[at] for at in others if not _stands_for_nothing(words.levels[at], counts[at])]:
            rule = f"holds {quoted(strange[0])}, and numbers in its other cells"
            return Inferred(spec, refusal=rule, remedies=(spec, Category()), cell=strange[0])
        if absent:
            told = ", ".join(quoted(level) for level in absent)
            note = "; ".join(filter(None, [note, f"{told} among numbers is taken for a missing value"]))
        return Inferred(spec, note)
    return None


def _stands_for_nothing(level: str, count: int) -> bool:
    """Whether a word among numbers means a missing value: it is known for that, or stands there often."""
    plain = level.strip(" .").lower()
    return plain in PLACEHOLDERS or (count >= OFTEN and not any(letter.isdigit() for letter in level))


def _ways(levels: Sequence[str]) -> list[tuple[Number, str]]:
    """The ways in which a column may write numbers, each with a note; the plain way first."""
    ways = [(Number(), "")]
    grouped = [level for level in levels if GROUPED.fullmatch(level)]
    commas = [level for level in levels if COMMA.fullmatch(level)]
    if grouped and (len(grouped) >= len(commas)) and not ambiguous(levels):
        ways.append((Number(thousands=","), "commas group its digits"))
    elif commas and len(grouped) < len(commas):
        ways.append((Number(decimal=","), "a comma stands before the fraction"))
    signs = {next(filter(None, match.groups())) for level in levels[:200] if (match := _AFFIX.search(level))}
    if len(signs) == 1 and (sign := signs.pop()) in SIGNS:
        rest = [level.removeprefix(sign).removesuffix(sign).strip() for level in levels]
        thousands = "," if any(GROUPED.fullmatch(text) for text in rest) and not ambiguous(rest) else None
        ways.append((Number(sign=sign, thousands=thousands), f"read without the sign {quoted(sign)}"))
    return ways


def ambiguous(levels: Sequence[str]) -> bool:
    """Whether every comma may group thousands or stand before a fraction: 16,800."""
    commas = [level for level in levels if "," in level]
    plain = all(COMMA.fullmatch(level) and GROUPED.fullmatch(level) for level in commas)
    return bool(commas) and plain and all("." not in level for level in levels)


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
