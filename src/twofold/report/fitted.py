"""What a column of a table became before the network saw it, in words: what was fitted to it, kind by kind."""

from __future__ import annotations

from twofold.data.columns.dates import TURN
from twofold.data.columns.fitted import (
    Fitted,
    FittedBoolean,
    FittedCategory,
    FittedDate,
    FittedNumber,
    FittedOrdinal,
    FittedText,
)
from twofold.report.text import decimal, joined, plural, shortened

MOST_LEVELS, LONGEST = 6, 24


def scaled(shift: float, divisor: float) -> str:
    """A number less the mean or median, over the spread."""
    return f"minus {_number(shift)}, over {_number(divisor)}"


def _number(value: float) -> str:
    return decimal(value, 4).replace("-", "−")


def filled(column: Fitted) -> str:
    """What stands for a missing value."""
    match column:
        case FittedNumber():
            how = f"{column.spec.missing} " if isinstance(column.spec.missing, str) else ""
            return f"{how}{_number(column.fill)}"
        case FittedCategory():
            return "a level of its own" if column.absent else "no level"
        case FittedOrdinal():
            return f"median, {column.levels[round(column.fill)]}"
        case FittedBoolean():
            return f"share of true, {_number(column.fill)}"
        case FittedDate():
            return "median"
        case FittedText():
            return "no word"


def became(column: Fitted) -> str:
    """What a value that is there became."""
    match column:
        case FittedNumber():
            if column.quantiles:
                return "by rank to a normal distribution"
            clipped = f", at most ±{_number(column.spec.clip)}" if column.spec.clip is not None else ""
            beside = "; beside it 1 where missing" if column.spec.indicator else ""
            how = "as it is" if column.spec.scale == "none" else scaled(column.shift, column.divisor)
            return f"{how}{clipped}{beside}"
        case FittedCategory():
            if column.embedded:
                return f"the code of one of {plural(len(column.levels), 'level')}: {_listed(column.levels)}"
            beside = [name for name, used in (("missing", column.absent), ("all others", column.other)) if used]
            extra = f", and {joined(beside)}" if beside else ""
            return f"{plural(len(column.levels), 'level')}: {_listed(column.levels)}{extra}"
        case FittedOrdinal():
            return f"its place among {_listed(column.levels)}, {scaled(column.shift, column.divisor)}"
        case FittedBoolean():
            return "1 or 0"
        case FittedDate():
            cyclic = " (turning ones as sine and cosine)" if column.cyclic and set(column.parts) & set(TURN) else ""
            return f"{joined(column.parts)}{cyclic}"
        case FittedText():
            return f"counts of words at {column.width} places of their hashes"


def _listed(levels: tuple[str, ...]) -> str:
    few = ", ".join(shortened(level, LONGEST) for level in levels[:MOST_LEVELS])
    return few + (", …" if len(levels) > MOST_LEVELS else "")
