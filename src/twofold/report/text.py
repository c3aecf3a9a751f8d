"""Numbers and names as they are written in the page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from shlex import quote

from twofold.engines import TITLES
from twofold.runs import QUALITY_TITLES, Run

ENGINES = TITLES
SPLITS = {"train": "training", "validation": "validation", "test": "test"}
ALIKE = 1.05
"""Ratio of two durations below which the rounded figures look the same."""
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def decimal(value: float, digits: int = 3) -> str:
    """The number to `digits` significant digits, with an exponent where it helps: `0.0312`, `1,250`, `3.4·10⁻⁸`."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    if 1e-4 <= abs(value) < 1e7:
        rounded = float(f"{value:.{digits}g}")
        places = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
        text = f"{rounded:,.{places}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    power = f"10{str(int(exponent)).translate(SUPERSCRIPTS)}"
    return power if mantissa == "1" else f"{mantissa}·{power}"


def seconds(value: float) -> str:
    """`0.10 s`, `12.3 s`, `439 s`."""
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} s"


def step_time(microseconds: float) -> str:
    """`83.1 µs`, `640 ms`, `1.92 s`: three digits in the unit that people would take."""
    for unit, size in (("µs", 1.0), ("ms", 1e3)):
        if microseconds < 999.5 * size:
            return f"{decimal(microseconds / size)} {unit}"
    return f"{decimal(microseconds / 1e6)} s"


def took(ratio: float, slower: str, faster: str = "") -> str:
    """`PyTorch took 4.5 times as long`; below a ratio of ALIKE, that both took about as long."""
    if ratio < ALIKE:
        return "they took about as long as each other"
    return f"{slower} took {ratio:.{1 if ratio < 100 else 0}f} times as long{f' as {faster}' if faster else ''}"


def share(value: float | None) -> str:
    """An accuracy: four places, so that one sample in 10,000 is seen."""
    return "–" if value is None else f"{value:.4f}"


def loss_text(value: float | None) -> str:
    """A loss: four places where they say something."""
    if value is None:
        return "–"
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else decimal(value)


def quality_word(run: Run) -> str:
    """`accuracy`, or `R²` of numbers to predict."""
    return QUALITY_TITLES[run.record.data.quality]


def quality_words(runs: Sequence[Run]) -> str:
    """The `quality_word` of several runs: `accuracy or R²` where they differ."""
    return " or ".join(dict.fromkeys(map(quality_word, runs)))


def of_data(run: Run) -> str:
    """` of CIFAR-10 (JPEG copies)`: figures measured on published data name them in full."""
    title = run.record.data.title
    return f" of {title}" if title else ""


def folder_name(run: Run) -> str:
    """The name of the run's folder, as one types it in a command."""
    return quote(run.path.resolve().name)


def seen(run: Run) -> str:
    """The end of "it does better on what ...": `it has seen`, or `training may draw` where samples are drawn anew."""
    return "training may draw" if run.recipe.data.endless else "it has seen"


def refer(picture: str) -> str:
    """A mark in a sentence or a caption that refers to the figure of this name.

    When the page is whole, `referred` puts `Figure 3` with a link in its place.
    """
    return f"\ue000{picture}\ue001"


def referred(text: str, write: Callable[[str], str]) -> str:
    """The text with every mark of `refer` replaced by what `write` returns for the figure's name."""
    return re.sub("\ue000(.*?)\ue001", lambda match: write(match[1]), text)


def plural(count: int, noun: str) -> str:
    """`1 sample`, `1,600 samples`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def joined(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def shortened(text: str, longest: int) -> str:
    """The text, cut where it is longer."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def value_text(value: object) -> str:
    """A setting of a recipe, as one would write it in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def moment(text: str) -> str:
    """From the record's time to `22 November 2026, 13:36 UTC`."""
    when = datetime.fromisoformat(text)
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"
