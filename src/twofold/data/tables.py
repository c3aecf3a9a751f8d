"""A CSV file of the user's own: every fault is named by line and column. Parsing is the standard library's."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Dataset, hold_out
from twofold.data.room import check_room
from twofold.errors import DataError, did_you_mean
from twofold.recipe.data import Csv

MOST_FAULTS = 10
NO_NUMBERS = {"nan", "inf", "infinity"}
ROW, CELL, TEXT = 200, 20, 66
"""Bytes that a row takes, a cell of one character, and one of more beside its characters: a text and then a number.
Fitted to the peak over 1 to 64 columns of 1, 4 and 18 characters, which was 4.6 to 68 times the file."""
LOOKED_AT = 1 << 16
"""Bytes at the beginning of a file, from which the rest is estimated."""


def load_csv(spec: Csv) -> Dataset:
    """Read, check, split. Raises `DataError` with up to ten faults, each as `file:line: column`."""
    table = _table(spec)
    features = _columns(spec, list(table.columns))
    x = _numbers(spec, table, features, _empty(table[spec.label]))
    classes = tuple(sorted(table[spec.label].unique(), key=_class_order))
    _check_classes(spec, table, classes)
    numbers = {name: index for index, name in enumerate(classes)}
    y = np.array([numbers[name] for name in table[spec.label]], np.int64)
    try:
        dataset = hold_out(x, y, classes, spec, spec.test)
    except DataError as error:
        raise DataError(f"{spec.path}: column `{spec.label}`: {error}") from None
    return Dataset(dataset.train, dataset.validation, dataset.test, classes, features)


def read_rows(spec: Csv, features: tuple[str, ...]) -> tuple[Array, list[int], list[str] | None]:
    """The feature columns of a file, wherever they stand in it; the line of each row; the labels where it has them.

    Raises `DataError` where a feature is missing or no finite number. Columns that are no feature may hold anything.
    """
    table = _table(spec)
    for name in features:
        if name not in table.columns:
            raise DataError(
                f"{spec.path}:1: no column `{name}`, a feature of the network; {did_you_mean(name, table.columns)}"
            )
    labels = table[spec.label].tolist() if spec.label in table.columns else None
    return _numbers(spec, table, features), table.index.tolist(), labels


def _table(spec: Csv) -> Any:
    """The cells as text, by column and line."""
    import pandas as pd

    header, rows = _read(spec)
    return pd.DataFrame(
        [cells for _, cells in rows], columns=pd.Index(header), index=[line for line, _ in rows], dtype=str
    )


def _numbers(spec: Csv, table: Any, features: tuple[str, ...], unlabelled: Sequence[int] = ()) -> Array:
    """The features, (rows, features). Raises `DataError` with the cells that are no numbers, and the lines without a
    label."""
    faults = [fault for column in features for fault in _number_faults(table[column])]
    faults += [(line, spec.label, "is empty; give every sample a class") for line in unlabelled]
    if faults:
        raise DataError(_listed(spec, faults))
    return np.stack([table[column].astype(np.float64).to_numpy() for column in features], axis=1)


def _read(spec: Csv) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each row that is not blank with the line on which it begins; cells without outer spaces."""
    path, rows, line = Path(spec.path), [], 1
    try:
        check_room(spec.path, _memory(path, spec.delimiter), "Split the file, or leave columns out of it.")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=spec.delimiter, skipinitialspace=True, strict=True)
            for cells in reader:
                rows.append((line, [cell.strip() for cell in cells]))
                line = reader.line_num + 1
    except FileNotFoundError:
        raise DataError(
            f"no file {spec.path}; a relative `data.path` starts at the folder of the recipe's file."
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"{spec.path}:{line}: not UTF-8 text ({error.reason}); save the file as UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{spec.path}:{line}: not a table: {error}.") from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {spec.path[:200]}: {getattr(error, 'strerror', None) or error}") from error
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if not rows:
        raise DataError(f"{spec.path}:1: the file is empty; it must begin with a row of column names.")
    header = rows[0][1]
    _check_header(spec, header)
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise DataError(f"{spec.path}:{line}: the row has {len(cells)} cells, the header {len(header)}.")
    if len(rows) == 1:
        raise DataError(
            f"{spec.path}:2: no rows under the header; the file must hold at least one sample of each class."
        )
    return header, rows[1:]


def _memory(path: Path, delimiter: str) -> int:
    """What the table of a file will take, in bytes."""
    between = delimiter.encode()
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    cells = start.replace(b"\n", between).split(between)
    taken = ROW * start.count(b"\n") + sum(CELL if len(cell) < 2 else TEXT + len(cell) for cell in cells)
    return path.stat().st_size * taken // max(1, len(start))


def _check_header(spec: Csv, header: list[str]) -> None:
    if len(header) == 1 and header[0] not in (spec.label, *(spec.features or ())):
        raise DataError(
            f"{spec.path}:1: a single column `{header[0]}`; where columns are not separated by `{spec.delimiter}`, "
            'say so with data.delimiter, as in `--set data.delimiter=";"`.'
        )
    for number, name in enumerate(header, start=1):
        if not name:
            raise DataError(f"{spec.path}:1: column {number} has no name; the first row must name every column.")
        if header.count(name) > 1:
            raise DataError(f"{spec.path}:1: column `{name}` stands {header.count(name)} times; names must differ.")


def _columns(spec: Csv, known: list[str]) -> tuple[str, ...]:
    features = spec.features or tuple(column for column in known if column != spec.label)
    for name in (spec.label, *features):
        if name not in known:
            raise DataError(f"{spec.path}:1: no column `{name}`; {did_you_mean(name, known)}")
    if spec.label in features:
        raise DataError(f"{spec.path}:1: column `{spec.label}` is the label and cannot be a feature as well.")
    if len(set(features)) < len(features):
        raise DataError(f"{spec.path}: `data.features` names a column twice: {', '.join(features)}")
    if not features:
        raise DataError(f"{spec.path}:1: no feature columns beside the label `{spec.label}`.")
    return features


def _empty(cells: Any) -> list[int]:
    return [int(line) for line in cells.index[cells == ""]]


def _number_faults(cells: Any) -> list[tuple[int, str, str]]:
    """The cells that are no finite number, as (line, column, rule)."""
    import pandas as pd

    numbers = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    bad = cells[~np.isfinite(numbers)]
    return [(int(line), str(cells.name), _number_rule(text)) for line, text in bad.items()]


def _number_rule(text: str) -> str:
    if not text:
        return "is empty; fill the value in or remove the row"
    if text.lower().lstrip("+-") in NO_NUMBERS:
        return f"must be finite; got {text}"
    comma = "; write a decimal point for the comma" if re.fullmatch(r"[+-]?\d+,\d+", text) else ""
    return f'must be a number; got "{text[:60]}"{comma}'


def _listed(spec: Csv, faults: list[tuple[int, str, str]]) -> str:
    faults = sorted(faults, key=lambda fault: fault[0])
    lines = [f"{spec.path}:{line}: column `{column}` {rule}" for line, column, rule in faults[:MOST_FAULTS]]
    more = len(faults) - MOST_FAULTS
    if more > 0:
        lines.append(f"and {more} more")
    one_column = len({line for line, _, _ in faults}) > 1 and len({column for _, column, _ in faults}) == 1
    if one_column and not spec.features:
        lines.append("Where this column is no feature, name the features: data.features = [...]")
    return "\n".join(lines)


def _check_classes(spec: Csv, table: Any, classes: tuple[str, ...]) -> None:
    if len(classes) == 1:
        lines = f"lines {table.index[0]} to {table.index[-1]}"
        raise DataError(
            f"{spec.path}: column `{spec.label}` holds one class only, `{classes[0]}`, in {lines}; "
            "a classifier needs at least two."
        )
    if len(classes) > max(20, len(table) / 2):
        raise DataError(
            f"{spec.path}: column `{spec.label}` holds {len(classes)} different values in {len(table)} rows; "
            "a class needs several samples. To predict a number is not built."
        )
    _check_whole(spec, table, classes)
    if spec.classes is not None and spec.classes != len(classes):
        raise DataError(
            f"{spec.path}: column `{spec.label}` holds {len(classes)} classes; `data.classes` says {spec.classes}."
        )


def _check_whole(spec: Csv, table: Any, classes: tuple[str, ...]) -> None:
    """Raises `DataError` for labels that are all numbers, not all of them whole or one of them written in two ways."""
    values = [_number(name) for name in classes]
    if not all(
        value is not None or name.lower().lstrip("+-") in NO_NUMBERS
        for name, value in zip(classes, values, strict=True)
    ):
        return
    for before, name, value in zip(("", *classes), classes, values, strict=False):
        line = table.index[table[spec.label] == name][0]
        if value is None or not value.is_integer():
            raise DataError(
                f"{spec.path}:{line}: column `{spec.label}` must hold classes, words or whole numbers; got {name}. "
                f"Where it names a class, write it as a word, `class {name}`; to predict a number is not built."
            )
        if before and _number(before) == value:
            raise DataError(
                f"{spec.path}:{line}: column `{spec.label}` holds `{before}` and `{name}`, the same number; write each "
                "class in one way."
            )


def _number(text: str) -> float | None:
    """A finite number; `None` for a word."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _class_order(name: str) -> tuple[int, float, str]:
    """Numbers by value, then words by the alphabet."""
    value = _number(name)
    return (1, 0.0, name) if value is None else (0, value, name)
