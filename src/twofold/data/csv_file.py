"""The rows of a CSV file, each with its line. The standard library parses; its errors become `DataError`."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from twofold.data.names import number_of
from twofold.errors import DataError
from twofold.foreign import open_foreign
from twofold.recipe.data import Csv

SEPARATORS = (",", ";", "\t", "|")
"""Separators that are tried where the recipe's own does not divide the first row."""
CHUNK = 1 << 20
MOST_NAMED = 20
"""Columns that a message lists at most."""

OTHER_FORMATS = {
    b"\x1f\x8b": "it is packed by gzip; unpack it first",
    b"PK\x03\x04": "it is a workbook (.xlsx) or another zip archive; save the sheet as CSV (UTF-8)",
    b"\xd0\xcf\x11\xe0": "it is an old workbook (.xls); save the sheet as CSV (UTF-8)",
    b"PAR1": "it is a Parquet file; write it as CSV: pandas.read_parquet(FILE).to_csv(OTHER, index=False)",
    b"BZh": "it is packed by bzip2; unpack it first",
    b"\xfd7zXZ\x00": "it is packed by xz; unpack it first",
    b"%PDF": "it is a PDF; save the table as CSV (UTF-8)",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
CSV_RULES = {
    "unexpected end of data": "unexpected end of data: a quote is opened and never closed",
    "expected after": "behind a quoted cell stands more text; double the quotes within a cell, or change the delimiter",
    "field larger than field limit": "a cell is longer than 131,072 characters; is a quote opened and never closed?",
    "new-line character seen": "a line ends in a way that is not known; save the file with line ends of one kind",
}

Row = tuple[int, list[str]]
"""The line on which a row begins, and its cells without outer spaces."""


class Size(NamedTuple):
    """Upper bounds on the rows and cells of a file."""

    rows: int
    cells: int


def measured(spec: Csv) -> Size:
    """How many rows and cells a file holds at most, from its line ends and separators alone."""
    lines = cells = 0
    separator = spec.delimiter.encode()
    try:
        with open_foreign(spec.path) as file:
            while chunk := file.read(CHUNK):
                ends = chunk.count(b"\n") or chunk.count(b"\r")
                lines += ends
                cells += ends + chunk.count(separator)
    except OSError as error:
        raise unreadable(spec, error) from error
    return Size(lines + 1, cells + 1)


def rows_of(spec: Csv) -> Iterator[Row]:
    """Each row that is not blank. Raises `DataError` at the line that is no row of a table."""
    line = 1
    try:
        with open_foreign(spec.path) as file:
            _check_format(spec, file.read(8))
            file.seek(0)
            text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
            reader = csv.reader(text, delimiter=spec.delimiter, skipinitialspace=True, strict=True)
            for cells in reader:
                if any(cells):
                    stripped = [cell.strip() for cell in cells]
                    if any(stripped):
                        yield line, stripped
                line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise DataError(_not_text(spec)) from error
    except csv.Error as error:
        raise DataError(f"{spec.path}:{line}: not a table: {_rule(spec, line, error)}.") from error
    except OSError as error:
        raise unreadable(spec, error) from error


def unreadable(spec: Csv, error: OSError) -> DataError:
    """The `DataError` for a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return DataError(
            f"no file {spec.path[:1000]}; a relative `data.path` starts at the folder of the recipe's file."
        )
    return DataError(f"cannot read {spec.path[:200]}: {error.strerror or error}")


def _check_format(spec: Csv, start: bytes) -> None:
    if start.startswith(UTF_16):
        raise DataError(f"{spec.path}:1: not UTF-8 text: it begins as UTF-16 does; save the file as CSV (UTF-8).")
    for magic, rule in OTHER_FORMATS.items():
        if start.startswith(magic):
            raise DataError(f"{spec.path}: not a CSV file: {rule}.")


def _not_text(spec: Csv) -> str:
    """A message about the first line with a byte that is no UTF-8, and which letter it is in Windows-1252."""
    with open_foreign(spec.path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = line[error.start]
                letter = bytes([byte]).decode("cp1252", "replace")
                guess = f", `{letter}` in Windows-1252" if letter.isprintable() and letter != "\ufffd" else ""
                return (
                    f"{spec.path}:{number}: not UTF-8 text: byte 0x{byte:02x} at character {error.start + 1}{guess}; "
                    "save the file as UTF-8."
                )
    return f"{spec.path}: not UTF-8 text; save the file as UTF-8."


def _rule(spec: Csv, line: int, error: csv.Error) -> str:
    if line == 1 and (other := _better_separator(spec, _first_line(spec), ())):
        return f"the columns of the first row are separated by `{sign_name(other)}`; {_delimiter_remedy(other)}"
    return next((rule for part, rule in CSV_RULES.items() if part in str(error)), str(error))


def _first_line(spec: Csv) -> str:
    with open_foreign(spec.path) as file:
        return file.readline(CHUNK).decode("utf-8-sig", "replace").strip()


def _better_separator(spec: Csv, text: str, wanted: tuple[str, ...]) -> str:
    """A separator by which the first row has several cells, the `wanted` ones among them; empty if there is none."""
    for sign in SEPARATORS:
        if sign == spec.delimiter or sign not in text:
            continue
        cells = [cell.strip().strip('"') for cell in text.split(sign)]
        if len(cells) > 1 and set(wanted) <= set(cells):
            return sign
    return ""


def separated(spec: Csv, wanted: tuple[str, ...]) -> Csv:
    """The spec with the separator of the file's first row, which may be another than that of the training's file."""
    try:
        first = _first_line(spec)
    except OSError as error:
        raise unreadable(spec, error) from error
    cells = {cell.strip().strip('"') for cell in first.split(spec.delimiter)}
    if set(wanted) <= cells:
        return spec
    other = _better_separator(spec, first, wanted)
    return spec.model_copy(update={"delimiter": other}) if other else spec


def sign_name(separator: str) -> str:
    """A separator as a message writes it."""
    return {"\t": "tab", " ": "space"}.get(separator, separator)


def _delimiter_remedy(separator: str) -> str:
    written = "\\t" if separator == "\t" else separator
    return f'write `delimiter = "{written}"` under [data] in the recipe'


def check_header(spec: Csv, header: list[str]) -> None:
    """Raises `DataError` for a first row that names no columns: numbers, or all columns in one cell."""
    wanted = {*spec.labels, *(spec.features or ())}
    if len(header) == 1 and header[0] not in wanted:
        other = _better_separator(spec, header[0], ())
        sign = f"`{sign_name(other or spec.delimiter)}`"
        separators = f"separated by {sign}" if other else f"not separated by {sign}"
        raise DataError(
            f"{spec.path}:1: a single column `{header[0][:200]}`; where columns are {separators}, "
            f"{_delimiter_remedy(other or ';')}."
        )
    if _are_numbers(header):
        raise DataError(
            f"{spec.path}:1: the first row holds numbers, {', '.join(header[:3])}, ..., where names of the columns "
            "must stand: it would be lost as a sample. Put a row of names in front, as in `x1,x2,label`."
        )


def _are_numbers(header: list[str]) -> bool:
    """Whether the first row is a sample: numbers with fractions, or nothing but numbers that do not count columns."""
    values = [number_of(name) for name in header]
    numbers = [value for value in values if value is not None]
    if any(value != value.to_integral_value() or value < 0 for value in numbers):
        return True
    if len(numbers) < len([name for name in header if name]):  # words among them: years, say, or quantiles
        return False
    return numbers not in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def columns_at(spec: Csv, header: list[str], names: tuple[str, ...]) -> list[int]:
    """Where each name stands in the header. Raises `DataError` for one that stands there twice."""
    counts = Counter(header)
    for name in names:
        if counts[name] > 1:
            raise DataError(
                f"{spec.path}:1: column `{name}` stands {counts[name]} times; names must differ. Rename one, or leave "
                "it out of data.features."
            )
    at = {name: index for index, name in enumerate(header)}
    return [at[name] for name in names]


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Names as a list in a recipe; of many the first few."""
    quoted = [f'"{name}"' for name in names[:MOST_NAMED]]
    return f"[{', '.join(quoted + ['...'] * (len(names) > MOST_NAMED))}]"
