"""Tables from any source: a text file, a Parquet or Arrow file, a frame or an array in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from twofold.arrays import Array
from twofold.data.arrays import as_array, is_missing
from twofold.data.columns.dialect import StatedDialect
from twofold.data.columns.frame import Cells, Frame, with_clean_levels
from twofold.data.columns.opening import format_of
from twofold.data.columns.text_table import Asked, read_text
from twofold.data.published import Progress, silent
from twofold.data.room import check_room
from twofold.errors import DataError, MissingExtraError, did_you_mean
from twofold.foreign import open_foreign
from twofold.plain import Samples
from twofold.recipe.columns import Table


def read_table(
    spec: Table, path: str, wanted: tuple[str, ...] = (), texts: Collection[str] = (), progress: Progress = silent
) -> Frame:
    """The columns of a file, in the dialect that the recipe states or, where it does not, the file shows.

    `wanted` are names that its header must hold, `texts` columns that are words whatever they look like.

    Raises `DataError` for what is no table, with the line.
    """
    kind = format_of(path)
    if kind != "csv":
        return _columnar(path, kind, wanted, spec.symbols)
    told = StatedDialect(spec.encoding, spec.separator, spec.decimal, spec.comment)
    return read_text(path, Asked(told, spec.header, wanted, texts, spec.symbols), progress)


def _columnar(path: str, kind: str, wanted: tuple[str, ...], symbols: str | None) -> Frame:
    """The columns of a Parquet or Arrow file, read by pyarrow."""
    try:
        import pyarrow as pa
        from pyarrow import feather, parquet
    except ImportError as error:
        raise MissingExtraError(str(error.name), "tables", f"to read {path}") from error
    try:
        with open_foreign(path) as file:
            table = parquet.read_table(file) if kind == "parquet" else feather.read_table(file)
            check_room(path, table.nbytes * 2, "Write a part of it.")
            frame = table.to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path}: not a sound {kind.title()} file: {str(error)[:200]}") from error
    read = in_memory(frame, path, symbols)
    for name in wanted:
        if name not in read.columns:
            raise DataError(f"{path}: no column `{name}`; {did_you_mean(name, read.names[:40])}")
    return read


def in_memory(data: Samples, source: str = "data", symbols: str | None = None) -> Frame:
    """A table in memory: a frame of pandas or polars, a mapping of columns or of the
    cells of one row, an array (rows, columns), a sparse matrix.

    `symbols` is a column of words that are read symbol by symbol: `na` is a word there like any other.

    Raises `DataError` for anything else.
    """
    columns = _columns(data)
    counts = Counter(name for name, _ in columns)
    repeated = frozenset(name for name, times in counts.items() if times > 1)
    lengths = {len(values) for _, values in columns}
    if len(lengths) > 1:
        raise DataError(f"`{source}` must have columns of one length; got {sorted(lengths)}")
    if not columns or not (rows := lengths.pop()):
        raise DataError(f"`{source}` must hold at least one row and one column")
    where = ":row " if source != "data" else ": row "
    cells = {name: _cells(values, f"`{source}`: column `{name}`", name == symbols) for name, values in columns}
    index = getattr(data, "index", None)
    labels = None if index is None or not hasattr(data, "iloc") else list(index)

    def place(row: int) -> str:
        return f"{source}{where}{row if labels is None else labels[row]}"

    return Frame(cells, rows, place, source, (), repeated)


def _columns(data: Samples) -> list[tuple[str, Samples]]:
    """The name and values of each column of a frame, mapping, array or sparse matrix."""
    if hasattr(data, "toarray"):  # sparse
        rows, count = data.shape
        check_room("the sparse matrix", rows * count * 8 * 2, "Leave out columns, or rows.")
        data = data.toarray()
    if hasattr(data, "iloc") and hasattr(data, "columns"):
        return [(str(name), data.iloc[:, at]) for at, name in enumerate(data.columns)]
    if hasattr(data, "columns") and hasattr(data, "get_column"):
        return [(str(name), data.get_column(name)) for name in data.columns]
    if isinstance(data, dict):
        return [(str(name), np.atleast_1d(as_array(values, str(name)))) for name, values in data.items()]
    array = as_array(data, "data")
    if array.ndim != 2:
        raise DataError(f"a table has rows and columns, (rows, columns); got the shape {array.shape}")
    return [(f"x{at + 1}", array[:, at]) for at in range(array.shape[1])]


def _cells(values: Samples, what: str, literal: bool) -> Cells:
    """One column of an array or of another library's frame."""
    if hasattr(values, "iloc"):
        return _pandas_cells(values, what, literal)
    if hasattr(values, "to_numpy") and not isinstance(values, np.ndarray):
        values = _polars_array(values)
    array = np.asarray(values)
    if array.ndim != 1:
        raise DataError(f"{what} must hold one value a row; got the shape {array.shape}")
    kind = array.dtype.kind
    if kind == "f":
        return array.astype(np.float64)
    if kind in "iuM":
        return array if kind != "i" else array.astype(np.int64)
    return _words(array, what, literal)


def _polars_array(series: Samples) -> Array:
    """A series of polars: numbers and dates as NumPy's types, all else as Python objects."""
    array = series.to_numpy()
    return array if array.dtype.kind in "fiuM" else np.array(series.to_list(), dtype=object)


def _pandas_cells(series: Samples, what: str, literal: bool) -> Cells:
    import pandas as pd

    dtype = series.dtype
    if pd.api.types.is_bool_dtype(dtype):
        return _words(series.astype(object).to_numpy(), what, literal)
    if pd.api.types.is_datetime64_any_dtype(dtype):
        plain = series.dt.tz_convert("UTC").dt.tz_localize(None) if getattr(dtype, "tz", None) is not None else series
        return plain.to_numpy()
    if pd.api.types.is_integer_dtype(dtype) and not series.isna().any():
        return series.to_numpy(dtype=np.uint64 if dtype.kind == "u" else np.int64)
    if pd.api.types.is_numeric_dtype(dtype) and dtype.kind != "c":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    return _words(series.astype(object).to_numpy(), what, literal)


def _words(values: Array, what: str, literal: bool) -> Cells:
    """Objects as words; numbers by their value, so that 1 and 1.0 are one word. All numbers are a column of numbers."""
    from twofold.data.columns.frame import number_text

    texts, all_numbers = list[str | None](), True
    for row, value in enumerate(values.tolist()):
        value = value.item() if isinstance(value, np.generic) else value
        if is_missing(value):
            texts.append(None)
        elif isinstance(value, bool | str):
            texts.append(str(value))
            all_numbers = False
        elif isinstance(value, int | float):
            texts.append(number_text(value) if isinstance(value, float) else str(value))
        elif hasattr(value, "isoformat"):
            texts.append(value.isoformat())
            all_numbers = False
        elif type(value).__name__ in ("Decimal", "Fraction"):
            texts.append(number_text(float(value)))
        else:
            raise DataError(
                f"{what} holds a {type(value).__name__} in row {row}; a cell must be a number, a word or a date"
            )
    if all_numbers and values.size:
        return np.array([np.nan if text is None else float(text) for text in texts], np.float64)
    levels = sorted({text for text in texts if text is not None})
    at = {level: place for place, level in enumerate(levels)}
    return with_clean_levels(np.array([-1 if text is None else at[text] for text in texts], np.int64), levels, literal)
