"""How a text file writes its table: encoding, separator, decimal sign, comments. Judged by its first part."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from twofold.data.csv_file import SEPARATORS
from twofold.errors import DataError

COMMENTS = ("#", "%", "//")
HEAD = 1 << 16
"""Bytes at the beginning of a file that its dialect is judged by."""
MOST_LINES = 200
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
WESTERN = re.compile(
    r"cp(125[0-9]|437|850|852|858|775|1140|037|273|500|861|863|865)|latin|iso8859|mac_|hp_roman|cp1006"
)
"""Names of code pages of one byte a letter: to guess one of them is little better than to guess another."""

_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_WHOLE = re.compile(r"[+-]?\d+")
_GROUPED_BY_POINT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")


@dataclass(frozen=True)
class Dialect:
    """How the rows of a file are read. A separator of one space stands for any run of spaces."""

    encoding: str
    separator: str
    decimal: str = "."
    thousands: str = ""
    comment: str = ""
    """The sign with which a comment line begins; empty if there are none."""
    skipped: int = 0
    """Lines before the table."""
    notes: tuple[str, ...] = ()


class StatedDialect(NamedTuple):
    """What a recipe says of the dialect; what is `None` is judged by the file."""

    encoding: str | None = None
    separator: str | None = None
    decimal: str | None = None
    comment: str | None = None


def dialect_of(head: bytes, whole: bool, told: StatedDialect, wanted: tuple[str, ...]) -> Dialect:
    """The dialect of a file that begins with these bytes; `wanted` are names that its header should hold.

    Raises `DataError` for an unknown encoding.
    """
    encoding, notes = _encoding(head, told.encoding)
    text = head.decode(encoding, "replace")
    lines = text.splitlines()
    lines = lines[: MOST_LINES + 1] if whole else lines[:-1][: MOST_LINES + 1] or lines
    separator, skipped = told.separator, 0
    if lines and re.fullmatch(r"sep=.", lines[0].strip('" \ufeff')):  # written by Excel
        separator, skipped = separator or lines[0].strip('" \ufeff')[-1], 1
    comment = told.comment if told.comment is not None else _comment(lines[skipped:], separator)
    rows = [line for line in lines[skipped:] if line.strip() and not (comment and line.lstrip().startswith(comment))]
    separator = separator or _separator(rows, wanted)
    if comment and told.comment is None:
        notes.append(f'lines that begin with `{comment}` are comments; where they are rows, set comment = ""')
    decimal, thousands = told.decimal or ".", ""
    if told.decimal is None and separator != ",":
        decimal, thousands = _decimal(rows, separator)
        notes += ["numbers are written with a decimal comma"] if decimal == "," else []
    return Dialect(encoding, separator, decimal, thousands, comment, skipped, tuple(notes))


def _encoding(head: bytes, told: str | None) -> tuple[str, list[str]]:
    if told is not None:
        try:
            head.decode(told, "replace")
        except (LookupError, ValueError):  # no encoding, one of bytes, or one that cannot pass over a letter
            raise DataError(
                f'no encoding of text `{told[:40]}`; name one of Python, such as "utf-8" or "cp1252"'
            ) from None
        return ("utf-8-sig" if codecs.lookup(told).name == "utf-8" else told), []
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name, [] if name == "utf-8-sig" else ["its text is UTF-16"]
    return "utf-8-sig", []


def is_utf8(head: bytes, whole: bool) -> bool:
    """Whether a text begins as UTF-8, or as UTF-16 with a mark."""
    if head.startswith(tuple(MARKS)):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=whole)
    except UnicodeDecodeError:
        return False
    return True


def guessed(content: bytes) -> str:
    """The encoding of bytes that are no UTF-8: Windows-1252 among those of the West, else what is most likely."""
    from charset_normalizer import from_bytes

    lines = [line for line in content.splitlines() if not line.isascii()]
    sample = b"\n".join(lines)[:HEAD]
    best = from_bytes(sample).best()
    name = best.encoding if best is not None else "cp1252"
    try:
        sample.decode("cp1252")
    except UnicodeDecodeError:
        return name if best is not None else "latin-1"
    likely = best is not None and not WESTERN.match(name) and best.coherence > 0
    letters = sum(byte >= 0x80 for byte in sample)
    return name if likely or (best is not None and letters > len(sample) / 3) else "cp1252"


def _comment(lines: list[str], separator: str | None) -> str:
    """The sign of the comment lines before the header, which have more or fewer cells than rows; else empty."""
    for sign in COMMENTS:
        first = [line for line in lines[:50] if line.strip()]
        opening = next((at for at, line in enumerate(first) if not line.lstrip().startswith(sign)), len(first))
        if not opening or opening == len(first):
            continue
        rest = first[opening : opening + 20]
        signs = (separator,) if separator else SEPARATORS
        usual = max(min(line.count(mark) for line in rest) for mark in signs)
        if usual and all(max(line.count(mark) for mark in signs) != usual for line in first[:opening]):
            return sign
    return ""


def _separator(rows: list[str], wanted: tuple[str, ...]) -> str:
    """The separator by which the header holds most `wanted` names, then by which most rows are equally long."""
    best, score = ",", (-1, 0.0, 0)
    for sign in SEPARATORS:
        table = split(rows, sign)
        widths = Counter(len(cells) for cells in table)
        if not widths:
            break
        width, often = widths.most_common(1)[0]
        if width < 2:
            continue
        header = {cell.strip() for cell in table[0]}
        quality = (sum(name in header for name in wanted), often / len(table), width)
        if quality > score:
            best, score = sign, quality
    if score[0] < 0 and rows and len({len(row.split()) for row in rows}) == 1 and len(rows[0].split()) > 1:
        return " "
    return best


def split(rows: list[str], separator: str) -> list[list[str]]:
    """Each line as its cells; without quoting if the CSV parser refuses the lines."""
    if separator == " ":
        return [row.split() for row in rows]
    try:
        return list(csv.reader(rows, delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return [row.split(separator) for row in rows]


def _decimal(rows: list[str], separator: str) -> tuple[str, str]:
    """The decimal sign and the sign that groups digits, or "": a comma is decimal if a whole column is written so."""
    table = split(rows[1:], separator)
    if not table:
        return ".", ""
    width = Counter(len(cells) for cells in table).most_common(1)[0][0]
    comma, grouped = False, False
    for at in range(width):
        cells = [row[at].strip() for row in table if len(row) == width and row[at].strip()]
        written = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell)]
        if written and all(
            _DECIMAL_COMMA.fullmatch(cell) or _WHOLE.fullmatch(cell) or len(cell) <= 3 for cell in cells
        ):
            comma = True
        numbers = [cell for cell in cells if _GROUPED_BY_POINT.fullmatch(cell) or _WHOLE.fullmatch(cell)]
        grouped = grouped or (len(numbers) == len(cells) > 0 and any("." in c and "," in c for c in cells))
    return ("," if comma else "."), ("." if comma and grouped else "")
