"""All columns of a table after fitting: from a frame to the numbers that a network takes, and to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, TypeGuard

import numpy as np
from pydantic import Field, ValidationError

from twofold.arrays import Array
from twofold.data.columns.column import Encoded, Texts
from twofold.data.columns.faults import Refused, refuse
from twofold.data.columns.fitted import Fitted, FittedCategory
from twofold.data.columns.fitting import fitted
from twofold.data.columns.frame import Cells, Frame, Words, part
from twofold.data.columns.plan import Plan
from twofold.data.room import check_room
from twofold.errors import DataError, did_you_mean

FORMAT = 1
FEW = 16
"""A column that becomes at most so many numbers is encoded at once for all parts of the data."""
NUMBER = np.float32
"""The type of the features: half the memory of float64, and what networks are trained in."""


class Alphabet(Encoded):
    """The symbols of the training rows. A symbol's code is its place among them, an unknown one's their number."""

    name: str
    """The column of words."""
    symbols: Texts
    one_hot: bool
    """Whether a network is given one-hot vectors in place of codes."""

    def codes(self, words: Sequence[str]) -> list[Array]:
        """The code of each symbol of each word."""
        at = {symbol: place for place, symbol in enumerate(self.symbols)}
        return [np.array([at.get(symbol, len(at)) for symbol in word], np.int64) for word in words]

    def encoded(self, codes: Array) -> Array:
        """The codes of one sequence as a network is given them, (steps,) or one-hot (steps, symbols)."""
        if not self.one_hot:
            return codes.astype(NUMBER)
        return np.vstack([np.eye(len(self.symbols), dtype=NUMBER), np.zeros(len(self.symbols), NUMBER)])[codes]


class FittedColumns(Encoded):
    """All columns as they were fitted to the training rows. New rows are encoded by them to the same bytes."""

    format: Literal[1] = FORMAT
    labels: Texts
    columns: Annotated[tuple[Fitted, ...], Field(strict=False)]
    """In the order of the file."""
    alphabet: Alphabet | None = None
    """In place of columns, where each row is a sequence of symbols."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the table that are features."""
        return (self.alphabet.name,) if self.alphabet else tuple(column.name for column in self.columns)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the numbers that a row becomes; of an alphabet, its symbols if they are one-hot, else none."""
        if self.alphabet:
            return self.alphabet.symbols if self.alphabet.one_hot else ()
        return tuple(output for column in self._in_a_row() for output in column.outputs())

    @property
    def embedded(self) -> dict[str, int]:
        """The columns that become codes, in the order of a row, and how many codes each has."""
        return {column.name: column.codes for column in self.columns if _is_embedded(column)}

    def _in_a_row(self) -> list[Fitted]:
        """The columns in the order of their numbers in a row: embedded ones, which are codes, come first."""
        return sorted(self.columns, key=lambda column: not _is_embedded(column))

    @property
    def texts(self) -> tuple[str, ...]:
        """Columns whose cells are words, whatever they look like."""
        return self.names if self.alphabet else (*(column.name for column in self.columns if column.texts),)

    def places(self) -> Iterator[tuple[Fitted, slice]]:
        """Each column, and where its numbers stand in a row."""
        starts, at = dict[str, int](), 0
        for column in self._in_a_row():
            starts[column.name] = at
            at += len(column.outputs())
        for column in self.columns:
            yield column, slice(starts[column.name], starts[column.name] + len(column.outputs()))

    def encode(self, frame: Frame) -> Array:
        """The rows of a frame, (rows, features). Raises `DataError` for a column that is missing, and for cells."""
        (x,) = self.divided(frame, [np.arange(frame.rows)])
        return x

    def divided(self, frame: Frame, parts: Sequence[Array]) -> list[Array]:
        """The encoded rows of each part: column by column, so that only the frame and the result are in memory."""
        self._check(frame)
        width = len(self.features)
        check_room(frame.source, sum(map(len, parts)) * width * NUMBER().itemsize, "Leave out columns, or rows.")
        arrays, faults = [np.empty((len(rows), width), NUMBER) for rows in parts], list[Refused]()
        with np.errstate(over="ignore", invalid="ignore"):
            for column, place in self.places():
                targets = [array[:, place] for array in arrays]
                faults += _divided(column, frame.columns[column.name], parts, targets)
        refuse(frame, faults)
        return arrays

    def _check(self, frame: Frame) -> None:
        """Raises `DataError` for a column that is missing, or stands there twice."""
        for name in self.names:
            if name not in frame.columns:
                raise DataError(
                    f"{frame.source}: no column `{name}`, a feature of the network; "
                    f"{did_you_mean(name, frame.names[:40])}"
                )
            if name in frame.repeated:
                raise DataError(f"{frame.source}: column `{name}` stands there more than once; names must differ.")

    def text(self) -> str:
        """The fitted columns as JSON, a line for each column."""
        head: dict[str, object] = {"format": self.format, "labels": list(self.labels)}
        if self.alphabet:
            head["alphabet"] = self.alphabet.model_dump(mode="json")
        lines = [json.dumps(column.model_dump(mode="json"), ensure_ascii=False) for column in self.columns]
        columns = ",\n  ".join(lines)
        return f'{json.dumps(head, ensure_ascii=False)[:-1]}, "columns": [\n  {columns}\n]}}\n'

    @classmethod
    def from_json(cls, value: object, source: str) -> FittedColumns:
        """The fitted columns that JSON held. Raises `DataError` where it held something else."""
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(f"{source} is damaged: {where}: {first['msg']}") from error


def _is_embedded(column: Fitted) -> TypeGuard[FittedCategory]:
    return isinstance(column, FittedCategory) and column.embedded


def _divided(column: Fitted, cells: Cells, parts: Sequence[Array], targets: Sequence[Array]) -> list[Refused]:
    """Encode one column into its place in each part; one that becomes many numbers part by part, to save memory."""
    width = targets[0].shape[1]
    if width <= FEW:
        values = np.empty((len(cells.codes) if isinstance(cells, Words) else len(cells), width), NUMBER)
        faults = column.encode(cells, values)
        for target, rows in zip(targets, parts, strict=True):
            target[:] = values[rows]
        return faults
    alike = dict[tuple[str, str, str], list[Array]]()
    for target, rows in zip(targets, parts, strict=True):
        for fault in column.encode(part(cells, rows), target):
            alike.setdefault((fault.column, fault.rule, fault.remedy), []).append(rows[fault.rows])
    return [
        Refused(column, np.sort(np.concatenate(rows)), rule, remedy) for (column, rule, remedy), rows in alike.items()
    ]


def fit(plan: Plan, frame: Frame, train: Array, labels: tuple[str, ...]) -> FittedColumns:
    """The features of a plan, fitted to the rows of the training. Raises `DataError` where these allow none."""
    columns = list[Fitted]()
    for column in plan.features:
        try:
            columns.append(fitted(column.name, column.spec, part(frame.columns[column.name], train)))
        except DataError as error:
            raise DataError(f"{frame.source}: {error}") from None
    return FittedColumns(labels=labels, columns=tuple(columns))
