"""One pass over the rows of a text table: the line of each, whether all are equally long, what is damaged."""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from twofold.data.columns.dialect import HEAD, Dialect, StatedDialect, dialect_of, guessed, is_utf8
from twofold.data.columns.opening import TextFile, opened
from twofold.data.csv_file import CSV_RULES
from twofold.data.published import Progress
from twofold.errors import DataError

ROWS_AT_ONCE = 20000
"""Rows between two reports of progress."""


@dataclass
class TextRows:
    """The facts that one pass over the rows of a text gathers."""

    first: list[str] = field(default_factory=list)
    """The cells of the first row."""
    second: list[str] = field(default_factory=list)
    lines: array[int] = field(default_factory=lambda: array("q"))
    """The line on which each row that is not empty begins, including the first row."""
    blank: list[int] = field(default_factory=list)
    """The places in `lines` of rows that hold only separators."""
    left_out: list[int] = field(default_factory=list)
    """The comment lines, counted from 0."""
    width: int = 0
    """Cells of the longest row."""
    uneven: tuple[int, int] | None = None
    """Line and length of the first row that is not as long as the first one."""
    quoted: bool = False


def looked_through(
    path: TextFile, told: StatedDialect, wanted: tuple[str, ...], progress: Progress
) -> tuple[Dialect, TextRows]:
    """The dialect of a file, and the facts of its rows. Raises `DataError` at a line that is no row of a table."""
    with opened(path) as file:
        head = file.read(HEAD)
    if not head.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise DataError(f"{path}:1: the file is empty; it must hold a row of column names, and rows under it.")
    whole = len(head) < HEAD
    if told.encoding is not None or is_utf8(head, whole):
        dialect = dialect_of(head, whole, told, wanted)
        try:
            return dialect, _rows(path, dialect, progress)
        except UnicodeError as error:
            if told.encoding is not None or dialect.encoding != "utf-8-sig":
                raise DataError(_not_text(path, dialect.encoding)) from error
    name, note = _other_encoding(path)
    dialect = dialect_of(head, whole, told._replace(encoding=name), wanted)
    dialect = replace(dialect, notes=(note, *dialect.notes))
    try:
        return dialect, _rows(path, dialect, progress)
    except UnicodeError as error:
        rule = f"its text is no UTF-8, and no {name} either, as which its first lines are read; set encoding."
        raise DataError(f"{path}{_first_line_without(path, name)}: {rule}") from error


def _other_encoding(path: TextFile) -> tuple[str, str]:
    """The encoding of text that is no UTF-8, guessed, and a note. Raises `DataError` where other lines are UTF-8."""
    content, valid, line = _foreign_lines(path)
    if valid:
        raise DataError(
            f"{path}:{line}: not UTF-8 text, though other lines are; mend the line, or save the file as UTF-8."
        )
    name = guessed(content)
    return name, f"its text is no UTF-8 (line {line}) and is read as {name}; where letters are wrong, set encoding"


def _rows(path: TextFile, dialect: Dialect, progress: Progress) -> TextRows:
    rows, line, done = TextRows(), dialect.skipped + 1, 0
    try:
        with opened(path) as file:
            text = io.TextIOWrapper(file, encoding=dialect.encoding, newline="")
            for _ in range(dialect.skipped):
                text.readline()
            source = _uncommented(text, dialect, rows)
            spaces = dialect.separator == " "
            reader = csv.reader(source, delimiter=dialect.separator, skipinitialspace=True, strict=not spaces)
            for cells in reader:
                if spaces:
                    cells = [cell for cell in cells if cell]
                if cells:
                    _note(rows, line, cells)
                line = reader.line_num + dialect.skipped + 1
                done += 1
                if done % ROWS_AT_ONCE == 0:
                    progress(f"reading {path}", file.tell(), path.size)
    except csv.Error as error:
        rule = next((rule for part, rule in CSV_RULES.items() if part in str(error)), str(error))
        raise DataError(f"{path}:{line}: not a table: {rule}.") from error
    return rows


def _uncommented(text: io.TextIOWrapper, dialect: Dialect, rows: TextRows) -> Iterator[str]:
    """The lines of a text, with an empty line for each comment, so that lines are still counted."""
    if not dialect.comment:
        yield from text
        return
    for number, line in enumerate(text, start=dialect.skipped):
        if line.lstrip().startswith(dialect.comment):
            rows.left_out.append(number)
            yield "\n"
        else:
            yield line


def _note(rows: TextRows, line: int, cells: list[str]) -> None:
    length = len(cells)
    if length == 1 and not cells[0].strip():  # spaces alone, which pandas passes over
        return
    if not any(cells) or not any(map(str.strip, cells)):
        rows.blank.append(len(rows.lines))
    elif not rows.first:
        rows.first = [cell.strip() for cell in cells]
    else:
        if not rows.second:
            rows.second = [cell.strip() for cell in cells]
        expected = len(rows.first)
        if length != expected and rows.uneven is None and (length < expected or any(cells[expected:])):
            rows.uneven = (line, length)
    rows.lines.append(line)
    if length > rows.width:
        rows.width = length


def _foreign_lines(path: TextFile) -> tuple[bytes, bool, int]:
    """Lines with letters that are not ASCII, whether some of them are UTF-8, and the first that is not."""
    lines, valid, first = list[bytes](), False, 0
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            if line.isascii():
                continue
            try:
                line.decode()
                valid = True
            except UnicodeDecodeError:
                first = first or number
                if len(lines) < 1000:
                    lines.append(line)
    return b"".join(lines), valid, first


def _first_line_without(path: TextFile, encoding: str) -> str:
    """The first line that an encoding does not decode, as `:12`; empty if each line by itself is decoded."""
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeError:
                return f":{number}"
    return ""


def _not_text(path: TextFile, encoding: str) -> str:
    if not encoding.startswith("utf-8"):
        return f"{path}: its text is no {encoding}; set another encoding, or leave it out."
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return f"{path}:{number}: not UTF-8 text: byte 0x{byte:02x} at character {error.start + 1}."
    return f"{path}: not UTF-8 text."
