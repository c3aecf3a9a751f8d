"""Rows that a trained network is given: from a file, from a frame, or written on the command line."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence

import numpy as np

from twofold.arrays import Array
from twofold.data.arrays import as_array
from twofold.data.columns.encoding import FittedColumns
from twofold.data.columns.frame import Frame, Words, words_of
from twofold.data.columns.labels import SHOWN, class_codes, numbers_of
from twofold.data.columns.reading import in_memory, read_table
from twofold.data.columns.sequences import encoded, longer, steps_of
from twofold.data.columns.text_table import words_or_numbers
from twofold.data.given import Given
from twofold.errors import DataError
from twofold.plain import Samples
from twofold.recipe.columns import Table


def read_given_rows(spec: Table, columns: FittedColumns, words: Sequence[str]) -> Given:
    """The samples of each word: a file with the columns of the training, in any order, or one row as `5.1,red`."""
    if not words:
        raise DataError("no sample is given")
    frames = [_file(spec, columns, word) if os.path.exists(word) else _row(spec, columns, word) for word in words]
    parts = [given_frame(spec, columns, frame) for frame in frames]
    longest = max(part.x.shape[1] for part in parts)
    return Given(
        [name for part in parts for name in part.names],
        np.concatenate([longer(part.x, longest) for part in parts]),
        [label for part in parts for label in part.expected],
        [(frame.source, note.removeprefix(f"{frame.source}: ")) for frame in frames for note in frame.notes],
    )


def given_rows(spec: Table, columns: FittedColumns, samples: Samples) -> Given:
    """The samples of rows in memory: a frame with the training's columns, or an array, a column for each feature."""
    names = columns.names
    if spec.sequence is not None and not _has_columns(samples):
        raise DataError(
            f"samples are sequences of rows: give a frame with the columns {', '.join((spec.sequence, *names)[:8])}"
        )
    if spec.symbols is not None and not _has_columns(samples):
        samples = {spec.symbols: np.asarray(samples, object).reshape(-1)}
    if not _has_columns(samples):
        array = as_array(samples, "samples")
        array = array[None] if array.ndim == 1 else array
        if array.ndim != 2 or array.shape[1] != len(names):
            raise DataError(f"samples are rows of {len(names)} columns, {', '.join(names[:8])}; got {array.shape}")
        samples = {name: array[:, at] for at, name in enumerate(names)}
    return given_frame(spec, columns, in_memory(samples, symbols=spec.symbols))


def _has_columns(samples: object) -> bool:
    return hasattr(samples, "columns") or isinstance(samples, dict) or hasattr(samples, "toarray")


def given_frame(spec: Table, columns: FittedColumns, frame: Frame) -> Given:
    """The rows of a frame as the network takes them, and their labels where the frame holds them."""
    if spec.sequential:
        return _given_sequences(spec, columns, frame)
    x = columns.encode(frame)
    expected = _expected(columns, frame)
    return Given([frame.place(row).removeprefix("data: ") for row in range(frame.rows)], x, expected, [])


def _expected(columns: FittedColumns, frame: Frame) -> list[str | None]:
    """The label of each row, where the frame holds it."""
    label = columns.labels[0]
    if len(columns.labels) > 1 or label not in frame.columns or label in frame.repeated:
        return [None] * frame.rows
    words = words_of(frame.columns[label])
    return [words.levels[code] if code >= 0 else None for code in words.codes]


def _given_sequences(spec: Table, columns: FittedColumns, frame: Frame) -> Given:
    """The sequences of a frame; if every step has an answer, with a name and a label for each step."""
    x, expected = encoded(spec, columns, frame), _expected(columns, frame)
    if spec.sequence is None:
        words = words_of(frame.columns[columns.names[0]])
        places = [frame.place(row).removeprefix("data: ") for row in range(frame.rows)]
        row_names = [place if place == words.levels[code][:SHOWN] else f"{place} {words.levels[code]}"[:SHOWN]
                for place, code in zip(places, words.codes, strict=True)]  # fmt: skip
        return Given(row_names, x, expected, [])
    steps, ids = steps_of(spec, frame), words_of(frame.columns[spec.sequence])
    names = [f"{frame.source.removeprefix('data')} {spec.sequence} {ids.levels[ids.codes[row]]}".strip() for row in
             steps.first]  # fmt: skip
    if not spec.each_step:
        return Given(names, x, [expected[row] for row in steps.first], [])
    steps_named = [
        f"{names[sequence]}, step {place + 1}" for sequence, place in zip(steps.sequence, steps.place, strict=True)
    ]
    return Given(steps_named, x, [expected[row] for row in steps.rows], [])


def _wanted(spec: Table, columns: FittedColumns) -> tuple[str, ...]:
    """The columns that a file must hold beside the label."""
    steps = (spec.sequence, spec.order) if spec.sequence else ()
    return (*columns.names, *(name for name in steps if name is not None))


def _file(spec: Table, columns: FittedColumns, path: str) -> Frame:
    return read_table(spec, path, _wanted(spec, columns), columns.texts)


def _row(spec: Table, columns: FittedColumns, word: str) -> Frame:
    """One row, its cells in the order of the columns; or a word of symbols."""
    names = columns.names
    if columns.alphabet:
        shown = word[:SHOWN] or "the empty word"
        cells = Words(np.zeros(1, np.int64), (word,)) if word else Words(np.full(1, -1), ())
        return Frame({names[0]: cells}, 1, lambda row: shown, shown)
    if spec.sequence is not None:
        raise DataError(
            f"no file {word[:SHOWN]}; a sequence is rows of a file with the columns {', '.join(_wanted(spec, columns))}"
        )
    cells = next(csv.reader([word], skipinitialspace=True), [])
    if len(cells) != len(names):
        wanted = ",".join(names) if len(names) <= 10 else f"{len(names)} cells"
        is_file = "," not in word or word.endswith((".csv", ".tsv", ".parquet", ".gz"))
        what = f"no file {word[:SHOWN]}" if is_file else f"`{word[:SHOWN]}` holds {len(cells)} of {len(names)} cells"
        raise DataError(f"{what}; give a file with the columns of the training, or one row: {wanted}")
    values = {name: words_or_numbers(cell, name in columns.texts) for name, cell in zip(names, cells, strict=True)}
    return Frame(values, 1, lambda row: word[:SHOWN], word[:SHOWN])


def labelled_rows(spec: Table, columns: FittedColumns, path: str, classes: Sequence[str]) -> Given:
    """The rows of a file, each with its class. Raises `DataError` for a class that the network does not know."""
    if not os.path.exists(path):
        names = ", ".join(f"`{name}`" for name in (*columns.names, *columns.labels))
        raise DataError(f"no file {path[:200]}; --data takes a table with the columns {names}")
    frame = read_table(spec, path, (*_wanted(spec, columns), *columns.labels), columns.texts)
    rows = given_frame(spec, columns, frame)
    codes = class_codes(frame, columns.labels[0], classes)
    if spec.sequence is not None:
        steps = steps_of(spec, frame)
        codes = codes[steps.rows if spec.each_step else steps.first]
    return rows._replace(expected=[classes[code] for code in codes])


def numbered_rows(spec: Table, columns: FittedColumns, path: str) -> tuple[Given, Array]:
    """The rows of a file, and the numbers that they hold in place of a class."""
    frame = read_table(spec, path, (*_wanted(spec, columns), *columns.labels), columns.texts)
    y = numbers_of(columns.labels, frame)
    if spec.sequence is not None:
        steps = steps_of(spec, frame)
        y = y[steps.rows if spec.each_step else steps.first]
    return given_frame(spec, columns, frame), y
