"""From the file that a recipe names to the samples of a run."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.dividing import Parts, divided
from twofold.data.columns.encoding import FittedColumns, fit
from twofold.data.columns.frame import Frame
from twofold.data.columns.labels import classes_of, labelled
from twofold.data.columns.plan import planned, wanted
from twofold.data.columns.reading import read_table, silent
from twofold.data.dataset import Dataset, Split
from twofold.data.published import Progress
from twofold.errors import DataError
from twofold.recipe.columns import Table


def load_table(spec: Table, progress: Progress = silent) -> Dataset:
    """The samples of a file. Raises `DataError` with line and column for what they cannot be."""
    if spec.path is None:
        raise DataError(
            "this recipe names no file: its table is handed over in memory, as in twofold.run(recipe, data=frame)"
        )
    frame = read_table(spec, spec.path, wanted(spec), _texts(spec), progress)
    test = None
    if spec.test_path is not None:
        test = read_table(spec, spec.test_path, spec.labels, _texts(spec), progress)
    return table_dataset(spec, frame, test)


def _texts(spec: Table) -> list[str]:
    """Columns that the recipe says are words: their cells are not to be read as numbers."""
    return [name for name, column in spec.columns.items() if column.kind == "text"]


def table_dataset(spec: Table, frame: Frame, test: Frame | None = None) -> Dataset:
    """The samples of a frame: rows with labels, divided, columns fitted to those of the training."""
    frame = labelled(spec, frame)
    y, classes = classes_of(spec, frame)
    plan = planned(spec, frame)
    parts = divided(spec, frame, y, test is not None)
    _check_classes(frame, spec, y, classes, parts)
    columns = fit(plan, frame, parts["train"], spec.labels)
    encoded = columns.divided(frame, list(parts.values()))
    splits = {name: Split(x, y[rows]) for (name, rows), x in zip(parts.items(), encoded, strict=True)}
    if test is not None:
        splits["test"] = _own_test(spec, test, columns, classes)
    notes = (*frame.notes, *(f"{frame.source}: {note}" for note in _few(plan.notes())))
    return Dataset(
        splits["train"],
        splits["validation"],
        splits["test"],
        classes,
        columns.features,
        notes=notes,
        columns=columns,
        kinds={column.name: column.spec for column in plan.columns},
    )


MOST_NOTES = 20


def _few(notes: Iterable[str]) -> list[str]:
    all_notes = list(notes)
    more = [f"and {len(all_notes) - MOST_NOTES} more columns; `twofold columns FILE` tells all"]
    return all_notes[:MOST_NOTES] + (more if len(all_notes) > MOST_NOTES else [])


def _check_classes(frame: Frame, spec: Table, y: Array, classes: tuple[str, ...], parts: Parts) -> None:
    """Raises `DataError` for a class of which no row is trained on."""
    held = np.bincount(y[parts["train"]], minlength=len(classes))
    if not held.all():
        name = classes[int(held.argmin())]
        rows = np.flatnonzero(y == int(held.argmin()))
        raise DataError(
            f"{frame.place(int(rows[0]))}: column `{spec.labels[0]}`: no row of class `{name}` is trained on "
            f"({len(rows)} of {frame.rows:,} rows hold it). Remove them, add samples, or hold out less."
        )


def _own_test(spec: Table, test: Frame, columns: FittedColumns, classes: tuple[str, ...]) -> Split:
    """The rows of the file that the test is. Raises `DataError` for a class that no training row has."""
    from twofold.data.columns.given import class_codes

    test = labelled(spec, test)
    y = class_codes(test, spec.labels[0], classes)
    return Split(columns.encode(test), y)
