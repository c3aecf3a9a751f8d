"""A CSV file of the user's own: every fault is named by line and column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.cells import Cells
from twofold.data.checking import check_labels
from twofold.data.csv_file import Row, Size, check_header, columns_at, listed, measured, rows_of, separated
from twofold.data.dataset import Dataset
from twofold.data.names import MISSING, NO_NUMBERS, class_order, number_of
from twofold.data.published import Progress, silent
from twofold.data.room import check_room
from twofold.data.splits import hold_out, hold_out_numbers
from twofold.errors import DataError, did_you_mean
from twofold.recipe.data import Csv

COPIES = 5
"""Copies of every number at once, in float64: as read, split, and standardized in two steps."""
ROW = 64
"""Bytes beside the numbers of a row: its line, its class, its place in the split."""
ROWS_AT_ONCE = 5000
"""Rows between two reports of progress."""
UNNAMED = "Unnamed: 0"
"""What pandas calls the column of row numbers that it wrote without a name."""


class _Labels:
    """Collects the class of each row, as a number in the order in which classes first appear."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.first: dict[str, int] = {}
        """The line on which each class first appears."""
        self.numbers: dict[str, int] = {}

    def add(self, line: int, name: str) -> None:
        if name not in self.numbers:
            self.numbers[name] = len(self.numbers)
            self.first[name] = line
        self.codes.append(self.numbers[name])


class _Columns(NamedTuple):
    """The columns that are read, and notes about those that are not."""

    features: tuple[str, ...]
    at: list[int]
    """Where the features stand in the header."""
    notes: tuple[str, ...]


def load_csv(spec: Csv, progress: Progress = silent) -> Dataset:
    """The data set of a CSV file: read, checked and split.

    Raises `DataError` with up to ten faults, each as `file:line: column`, or with a line a column where there are more.
    """
    size = measured(spec)
    header, rows = _header_and_rows(spec)
    columns, rows = _columns(spec, header, rows)
    beside = (*(() if spec.has_classes else spec.labels), *((spec.weight,) if spec.weight else ()))
    _check_room(spec, size, len(columns.features) + len(beside))
    label_at, *_ = columns_at(spec, header, spec.labels)
    at = [*columns.at, *columns_at(spec, header, beside)]
    cells, labels, line = Cells(spec, (*columns.features, *beside)), _Labels(), 1
    for number, (line, row) in enumerate(_even_rows(spec, header, rows)):
        if number % ROWS_AT_ONCE == 0:
            progress(f"reading {spec.path}", number, max(size.rows, number))
        cells.add(line, [row[place] for place in at])
        if not spec.has_classes:
            continue
        if row[label_at].lower() in MISSING:
            cells.without_label(line, row[label_at])
        else:
            labels.add(line, row[label_at])
    if cells.rows > ROWS_AT_ONCE:
        progress(f"reading {spec.path}", size.rows, size.rows)
    if not cells.rows:
        raise DataError(
            f"{spec.path}:2: no rows under the header; the file must hold at least one sample of each class."
        )
    x, weight = _weighted(spec, cells.numbers())
    if spec.has_classes:
        return _split(spec, columns, x, weight, labels, line)
    return _split_numbers(spec, columns, x, weight)


def _weighted(spec: Csv, numbers: Array) -> tuple[Array, Array | None]:
    """The numbers without the column of weights, if they end in one; and the weights.

    Raises `DataError` for a weight below 0, and where all are 0.
    """
    if spec.weight is None:
        return numbers, None
    weight = numbers[:, -1].copy()
    if len(wrong := np.flatnonzero(weight < 0)) or not weight.any():
        what = f"row {wrong[0] + 1} has {weight[wrong[0]]:g}" if len(wrong) else "all of them are 0"
        raise DataError(f"{spec.path}: column `{spec.weight}` holds weights, 0 or more and some above 0; {what}.")
    return numbers[:, :-1], weight


def _split_numbers(spec: Csv, columns: _Columns, numbers: Array, weight: Array | None) -> Dataset:
    """The data set of a file with numbers to predict, or labels; `numbers` has the features, then the targets."""
    count = len(columns.features)
    x, y = np.ascontiguousarray(numbers[:, :count]), numbers[:, count:].copy()
    if spec.task == "multi_label":
        check_labels(y, spec.labels, spec.path)
    try:
        dataset = hold_out_numbers(x, y, spec.labels, spec, spec.test, weight)
    except DataError as error:
        raise DataError(f"{spec.path}: {error}") from None
    return replace(dataset, features=columns.features, notes=columns.notes)


def _split(spec: Csv, columns: _Columns, x: Array, weight: Array | None, labels: _Labels, last: int) -> Dataset:
    """The data set of a file with classes; `last` is its last line."""
    classes = tuple(sorted(labels.numbers, key=class_order))
    _check_classes(spec, labels, classes, last)
    order = np.empty(len(classes), np.int64)
    order[[labels.numbers[name] for name in classes]] = np.arange(len(classes))
    y = order[np.array(labels.codes, np.int64)]
    try:
        dataset = hold_out(np.ascontiguousarray(x), y, classes, spec, spec.test, weight)
    except DataError as error:
        raise DataError(f"{spec.path}: column `{spec.labels[0]}`: {error}") from None
    return replace(dataset, features=columns.features, notes=columns.notes)


def read_rows(spec: Csv, features: tuple[str, ...]) -> tuple[Array, list[int], list[str] | None]:
    """The feature columns of a file, in whichever order it has them; the line of each row; its labels, if any.

    The file may have another separator than that of the training. Raises `DataError` where a feature is missing or no
    finite number. Columns that are no feature may hold anything.
    """
    spec = separated(spec, features)
    size = measured(spec)
    header, rows = _header_and_rows(spec)
    for name in features:
        if name not in header:
            raise DataError(
                f"{spec.path}:1: no column `{name}`, a feature of the network; {did_you_mean(name, header)}"
            )
    _check_room(spec, size, len(features))
    places = columns_at(spec, header, features)
    alone = len(spec.labels) == 1  # of several numbers or labels the first is not the answer
    label_at = header.index(spec.labels[0]) if alone and spec.labels[0] in header else None
    cells, lines, labels = Cells(spec, features), list[int](), list[str]()
    for line, row in _even_rows(spec, header, rows):
        cells.add(line, [row[at] for at in places])
        lines.append(line)
        if label_at is not None:
            labels.append("" if row[label_at].lower() in MISSING else row[label_at])
    if not lines:
        raise DataError(f"{spec.path}:2: no rows under the header; the file must hold at least one sample.")
    return cells.numbers(), lines, None if label_at is None else labels


def _check_room(spec: Csv, size: Size, features: int) -> None:
    needed = size.rows * ROW + min(size.cells, size.rows * features) * 8 * COPIES
    check_room(spec.path, needed, "Split the file, or name fewer data.features.")


def _header_and_rows(spec: Csv) -> tuple[list[str], Iterator[Row]]:
    """The names of the columns, and the rows under them."""
    rows = rows_of(spec)
    _, header = next(rows, (1, list[str]()))
    if not header:
        raise DataError(f"{spec.path}:1: the file is empty; it must begin with a row of column names.")
    check_header(spec, header)
    return header, rows


def _even_rows(spec: Csv, header: list[str], rows: Iterator[Row]) -> Iterator[Row]:
    """The rows; raises `DataError` for one that is not as long as the header, except for empty cells at its end."""
    for line, cells in rows:
        if len(cells) != len(header) and (len(cells) < len(header) or any(cells[len(header) :])):
            raise DataError(f"{spec.path}:{line}: the row has {len(cells)} cells, the header {len(header)}.")
        yield line, cells


def _columns(spec: Csv, header: list[str], rows: Iterator[Row]) -> tuple[_Columns, Iterator[Row]]:
    """The features: those of the recipe, or all columns but the label, row numbers and what is empty throughout."""
    beside = (*spec.labels, *((spec.weight,) if spec.weight else ()))
    for name in (*beside, *(spec.features or ())):
        if name not in header:
            raise DataError(f"{spec.path}:1: no column `{name}`; {did_you_mean(name, filter(None, header))}")
    if spec.features:
        features, notes = spec.features, list[str]()
    else:
        head = [row for _, row in zip(range(MOST_LOOKED_AT), rows, strict=False)]
        rows = chain(head, rows)
        left_out = _left_out(header, [cells for _, cells in head])
        features = tuple(name for at, name in enumerate(header) if name not in beside and at not in left_out)
        _check_names(spec, header, features)
        notes = [f"{spec.path}: {text}" for text in left_out.values()]
    for name in beside:
        if name in features:
            what = "the weight" if name == spec.weight else "the label"
            raise DataError(f"{spec.path}:1: column `{name}` is {what} and cannot be a feature as well.")
    if len(set(features)) < len(features) and spec.features:
        raise DataError(f"{spec.path}: `data.features` names a column twice: {', '.join(features)}")
    if not features:
        raise DataError(f"{spec.path}:1: no feature columns beside the label `{spec.labels[0]}`.")
    return _Columns(features, columns_at(spec, header, features), tuple(notes)), rows


MOST_LOOKED_AT = 1000
"""Rows at the beginning by which a column without a name is judged."""


def _left_out(header: list[str], rows: list[list[str]]) -> dict[int, str]:
    """Columns without a name that are no features, by their place, with a note about each."""
    left_out = dict[int, str]()
    for at in [at for at, name in enumerate(header) if not name or (at == 0 and name == UNNAMED)]:
        cells = [row[at] for row in rows if at < len(row)]
        if not any(cells) and at == len(header) - 1:
            left_out[at] = f"column {at + 1} has no name and no cell, and is left out"
        elif at == 0 and len(cells) > 1 and _number_rows(cells):
            name = f"`{header[at]}`" if header[at] else "without a name"
            left_out[at] = f"the first column, {name}, numbers the rows and is left out"
    return left_out


def _number_rows(cells: list[str]) -> bool:
    """Whether the cells are whole numbers, all different, as in a column that numbers the rows."""
    values = [number_of(cell) for cell in cells]
    whole = {value for value in values if value is not None and value == value.to_integral_value()}
    return len(whole) == len(cells)


def _check_names(spec: Csv, header: list[str], features: tuple[str, ...]) -> None:
    """Raises `DataError` for a column that would be a feature without a name."""
    if "" in features:
        number = header.index("") + 1
        rest = [name for name in features if name]
        raise DataError(
            f"{spec.path}:1: column {number} has no name; the first row must name every column, or the recipe its "
            f"features: features = {listed(rest)}"
        )


def _check_classes(spec: Csv, labels: _Labels, classes: tuple[str, ...], last: int) -> None:
    if len(classes) == 1:
        lines = f"lines {labels.first[classes[0]]} to {last}"
        raise DataError(
            f"{spec.path}: column `{spec.labels[0]}` holds one class only, `{classes[0]}`, in {lines}; "
            "a classifier needs at least two."
        )
    rows = len(labels.codes)
    if len(classes) > max(20, rows / 2):
        raise DataError(
            f"{spec.path}: column `{spec.labels[0]}` holds {len(classes)} different values in {rows} rows; "
            'a class needs several samples. To predict a number choose loss.kind = "mean_squared" and '
            "end with one unit."
        )
    _check_whole(spec, labels, classes)
    if spec.classes is not None and spec.classes != len(classes):
        raise DataError(
            f"{spec.path}: column `{spec.labels[0]}` holds {len(classes)} classes; `data.classes` says {spec.classes}."
        )


def _check_whole(spec: Csv, labels: _Labels, classes: tuple[str, ...]) -> None:
    """Raises `DataError` for labels that are all numbers, if one is a fraction or two are the same number."""
    values = [number_of(name) for name in classes]
    if not all(
        value is not None or name.lower().lstrip("+-") in NO_NUMBERS
        for name, value in zip(classes, values, strict=True)
    ):
        return
    for before, name, value in zip(("", *classes), classes, values, strict=False):
        line = labels.first[name]
        if value is None or value != value.to_integral_value():
            raise DataError(
                f"{spec.path}:{line}: column `{spec.labels[0]}` must hold classes, words or whole numbers; got {name}. "
                f"Where it names a class, write it as a word, `class {name}`; to predict a number choose "
                'loss.kind = "mean_squared" and end with one unit.'
            )
        if before and number_of(before) == value:
            raise DataError(
                f"{spec.path}:{line}: column `{spec.labels[0]}` holds `{before}` and `{name}`, the same number; write "
                "each class in one way."
            )
