"""The columns of a text table, CSV in any usual dialect. pandas parses; faults that it lets pass are found first."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.dialect import Dialect, StatedDialect
from twofold.data.columns.frame import EXACT, Cells, Frame, with_clean_levels
from twofold.data.columns.opening import TextFile, opened, unpacked
from twofold.data.columns.text_rows import TextRows, looked_through
from twofold.data.csv_file import SEPARATORS, sign_name
from twofold.data.names import MISSING, number_of
from twofold.data.published import Progress
from twofold.errors import DataError
from twofold.plain import Parsed

if TYPE_CHECKING:
    import pandas as pd

ABSENT = sorted(
    {form for word in MISSING for form in (word, word.upper(), word.title(), word.capitalize())} | {"NaN", "-nan"}
)
"""The texts of a missing value in every case of letters, since pandas compares letter by letter."""


class Asked(NamedTuple):
    """What the recipe says of a file: its dialect, whether it has a header, which columns it holds."""

    told: StatedDialect = StatedDialect()
    header: bool = True
    wanted: tuple[str, ...] = ()
    """Names that the header must hold."""
    texts: Collection[str] = ()
    """Columns that are words, whatever they look like."""
    symbols: str | None = None
    """A column of words that are read symbol by symbol: `na` is a word there like any other."""


class Header(NamedTuple):
    """The names of all columns, and where the rows begin."""

    names: list[str]
    line: int
    """The line of the first row that holds a cell."""
    start: int
    """The place of the first sample among all rows."""
    is_row: bool
    """Whether the file has a row of names."""


def read_text(path: str, asked: Asked, progress: Progress) -> Frame:
    """The columns of a text file.

    Raises `DataError` with the line where it is no table, or where a name that is wanted is missing.
    """
    with unpacked(path) as text:
        return _read(text, asked, progress)


def _read(path: TextFile, asked: Asked, progress: Progress) -> Frame:
    dialect, rows = looked_through(path, asked.told, asked.wanted, progress)
    if not rows.first:
        raise DataError(f"{path}:1: the file holds no cell; it must hold a row of column names, and rows under it.")
    header = _header(path, asked, dialect, rows)
    if rows.uneven:
        line, length = rows.uneven
        raise DataError(
            f"{path}:{line}: the row has {length} cells, the first row {len(rows.first)}. Mend the row"
            + (
                f"; where columns are separated by another sign than `{sign_name(dialect.separator)}`, set separator."
                if len(rows.first) == 1
                else "."
            )
        )
    count = len(rows.lines) - header.start - sum(at >= header.start for at in rows.blank)
    if count <= 0:
        raise DataError(f"{path}:{header.line + 1}: no rows under the header; the file must hold samples.")
    table = _parsed(path, dialect, rows, header, asked)
    if len(table) != len(rows.lines) - header.start:
        raise DataError(f"{path}: its lines end in several ways, or a comment stands within a cell; save it anew.")
    keep = _kept_rows(rows, header)
    again = _to_read_as_words(table, header.names)
    series = [column for _, column in table.items()][::-1]
    del table  # to take one column out of a frame costs more the more it has; from a list each is freed in turn
    columns = {name: _cells(series.pop(), keep, name == asked.symbols) for name in header.names}
    for at in again:
        text = _parsed(path, dialect, rows, header, asked, only=at)
        columns[header.names[at]] = _cells(text.iloc[:, 0], keep, False)
    lines = rows.lines

    def place(row: int) -> str:
        at = int(keep[row]) if keep is not None else row
        return f"{path}:{lines[at + header.start]}"

    counts = Counter(header.names)
    repeated = frozenset(name for name, times in counts.items() if times > 1)
    notes = tuple(f"{path}: {note}" for note in dialect.notes)
    return Frame(columns, count, place, str(path), notes, repeated)


def _header(path: TextFile, asked: Asked, dialect: Dialect, rows: TextRows) -> Header:
    """The names in the first row, or `x1`, `x2`, ... where there is none."""
    blank = set(rows.blank)
    first = next(at for at in range(len(rows.lines)) if at not in blank)
    if not asked.header:
        names = [f"x{number}" for number in range(1, len(rows.first) + 1)]
        _check_wanted(path, asked, names, rows)
        return Header(names, rows.lines[first], first, False)
    names = [name.removeprefix("\ufeff") or f"Unnamed: {at}" for at, name in enumerate(rows.first)]  # as pandas
    if all(len(name) > 2 and name[0] == name[-1] == "'" for name in names):
        names = [name[1:-1] for name in names]
    if len(names) == 1 and names[0] not in asked.wanted and asked.wanted:
        signs = ", ".join(f"`{sign_name(sign)}`" for sign in SEPARATORS)
        raise DataError(
            f"{path}:1: a single column `{names[0][:100]}`; none of {signs} separates others from it. Where another "
            f'sign does, write separator = "..." under [data] in the recipe.'
        )
    _check_wanted(path, asked, names, rows)
    values = [number_of(name) for name in names if name]
    if values and all(value is not None for value in values) and not set(names) & set(asked.wanted):
        raise DataError(
            f"{path}:{rows.lines[first]}: the first row holds numbers, {', '.join(names[:3])}, ..., where names of "
            f"columns must stand; {_NO_HEADER}"
        )
    return Header(names, rows.lines[first], first + 1, True)


_NO_HEADER = (
    "where the file has no row of names, set header = false (--set data.header=false): its columns are then x1, x2, ..."
)


def _check_wanted(path: TextFile, asked: Asked, names: list[str], rows: TextRows) -> None:
    from twofold.errors import did_you_mean

    for name in asked.wanted:
        if name in names:
            continue
        line = rows.lines[0] if rows.lines else 1
        sample = asked.header and any(number_of(cell) is not None for cell in names)
        known = [known for known in names if known]
        hint = _NO_HEADER if sample else did_you_mean(name, known[:40])
        raise DataError(f"{path}:{line}: no column `{name}`; {hint}")


def _parsed(
    path: TextFile, dialect: Dialect, rows: TextRows, header: Header, asked: Asked, only: int | None = None
) -> pd.DataFrame:
    """The cells as pandas parses them, with numbered columns; if `only` is given, this column alone, as words."""
    import pandas as pd

    skipped: list[int] | int = header.line - 1
    if rows.left_out:
        skipped = sorted({*range(int(skipped)), *rows.left_out})
    options: dict[str, Parsed] = {
        "sep": r"\s+" if dialect.separator == " " else dialect.separator,
        "decimal": dialect.decimal,
        "thousands": dialect.thousands or None,
        "skiprows": skipped,
        "header": 0 if header.is_row else None,
        "names": range(rows.width),
        "index_col": False,
        "keep_default_na": False,
        "na_values": _absent(header.names, asked.symbols),
        "skipinitialspace": dialect.separator != " ",
        "encoding": dialect.encoding,
        "dtype": {at: str for at, name in enumerate(header.names) if name in asked.texts}
        if only is None
        else {only: str},
        "usecols": range(len(header.names)) if only is None else [only],
    }
    if int(pd.__version__.split(".")[0]) < 3:  # later versions are exact by themselves
        options["float_precision"] = "round_trip"
    try:
        with opened(path) as file, _quietly():
            return pd.read_csv(io.TextIOWrapper(file, encoding=dialect.encoding, newline=""), **options)
    except pd.errors.ParserError as error:
        rule = "a quote is opened and never closed" if "EOF inside string" in str(error) else str(error)[:200]
        raise DataError(f"{path}: not a table: {rule}.") from error


def _absent(names: Sequence[str], symbols: str | None) -> list[str] | dict[int, list[str]]:
    """The texts of a missing value, by column if one of them holds symbols."""
    if symbols is None:
        return ABSENT
    return {at: [""] if name == symbols else ABSENT for at, name in enumerate(names)}


def _quietly() -> warnings.catch_warnings:
    """pandas warns of columns that hold words and numbers; these are read again."""
    return warnings.catch_warnings(action="ignore")


def _kept_rows(rows: TextRows, header: Header) -> Array | None:
    """Which of pandas' rows hold a cell; `None` for all."""
    blank = set(rows.blank)
    if not any(at >= header.start for at in blank):
        return None
    return np.array([at - header.start for at in range(header.start, len(rows.lines)) if at not in blank], np.int64)


def _to_read_as_words(table: pd.DataFrame, names: Sequence[str]) -> list[int]:
    """Columns to be read again as words: mixed ones, booleans, and whole numbers too large for float64."""
    import pandas as pd

    again = []
    for at in range(len(names)):
        values = table[at]
        kind = values.dtype.kind
        if (
            kind == "O"
            and not isinstance(values.dtype, pd.StringDtype)
            and not all(isinstance(value, str) or value != value for value in values)
        ):
            again.append(at)
        elif kind == "f":
            with np.errstate(invalid="ignore"):
                whole = values.to_numpy()
                large = np.abs(whole) >= EXACT
                if large.any() and (whole[large] == np.floor(whole[large])).all() and np.abs(whole[large]).max() < 1e19:
                    again.append(at)
        elif kind == "b":
            again.append(at)
    return again


def _cells(values: pd.Series, keep: Array | None, literal: bool) -> Cells:
    """One column of pandas as numbers or words; `keep` are the rows that hold a cell, `None` for all."""
    if values.dtype.kind in "iuf":
        array = values.to_numpy()
        return array if keep is None else array[keep]
    codes, levels = _factorized(values)
    words = with_clean_levels(codes, levels, literal)
    return words if keep is None else words.at(keep)


def _factorized(values: pd.Series) -> tuple[Array, list[str]]:
    codes, levels = values.factorize()
    return np.asarray(codes, np.int64), [str(level) for level in levels]


def words_or_numbers(cell: str, texts: bool) -> Cells:
    """A column of one cell, read as a cell of a file; if `texts`, never as a number."""
    text = cell.strip()
    if text.lower() in MISSING:
        return np.array([np.nan])
    value = None if texts else number_of(text)
    if value is not None and value.copy_abs() < EXACT and text.isascii() and "_" not in text:
        return np.array([float(value)])
    return with_clean_levels(np.zeros(1, np.int64), [text])
