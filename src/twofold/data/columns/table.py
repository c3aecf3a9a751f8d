"""From the file that a recipe names to the samples of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from twofold.arrays import Array
from twofold.data.checking import check_labels, check_order
from twofold.data.columns.dividing import Parts, divided
from twofold.data.columns.encoding import FittedColumns, fit
from twofold.data.columns.frame import Frame
from twofold.data.columns.labels import class_codes, classes_of, labelled, numbers_of, weights_of
from twofold.data.columns.origin import Origin, origin_of
from twofold.data.columns.plan import Plan, planned, wanted
from twofold.data.columns.reading import in_memory, read_table
from twofold.data.dataset import Dataset, Split
from twofold.data.published import Progress, silent
from twofold.errors import DataError, did_you_mean
from twofold.recipe.columns import Table, Text


def load_table(spec: Table, progress: Progress = silent) -> Dataset:
    """The samples of a file. Raises `DataError` with line and column for faults of the table."""
    return table_dataset(spec, *read_frames(spec, progress))


def read_frames(spec: Table, progress: Progress = silent) -> tuple[Frame, Frame | None]:
    """The rows of a recipe's file, and those of its test file, or `None` if it names none."""
    if spec.path is None:
        raise DataError("this recipe names no file: set data.path")
    frame = read_table(spec, spec.path, wanted(spec), _texts(spec), progress)
    if spec.test_path is None:
        return frame, None
    return frame, read_table(spec, spec.test_path, spec.labels, _texts(spec), progress)


def handed_over(spec: Table, data: object) -> Dataset:
    """The samples of a frame that holds the label, or of a pair `(X, y)`. Raises `DataError` as `load_table` does."""
    x, y = data if isinstance(data, tuple | list) and len(data) == 2 else (data, None)
    frame = in_memory(x, symbols=spec.symbols)
    if y is not None:
        name, *more = spec.labels
        if more or name in frame.columns:
            raise DataError(f"`data`: of a pair (X, y) y is the one label, and X holds no `{name}`; give one frame")
        labels = in_memory({name: np.asarray(y, object).reshape(-1)})
        if labels.rows != frame.rows:
            raise DataError(f"`X` holds {frame.rows} samples and `y` {labels.rows} labels; give each sample its label")
        check_order(x, y)
        frame = replace(frame, columns={**frame.columns, **labels.columns})
    for name in wanted(spec):
        if name not in frame.columns:
            raise DataError(f"`data` holds no column `{name}`; {did_you_mean(name, frame.names[:40])}")
    return table_dataset(spec, frame)


def _texts(spec: Table) -> list[str]:
    """Columns that the recipe states to hold words: their cells are not read as numbers."""
    texts = [name for name, column in spec.columns.items() if isinstance(column, Text)]
    return [*texts, spec.symbols] if spec.symbols else texts


def table_dataset(spec: Table, frame: Frame, test: Frame | None = None) -> Dataset:
    """The samples of a frame: rows with a label, divided into parts, with columns fitted to the training rows."""
    if spec.sequential:
        from twofold.data.columns.sequences import sequence_dataset

        return sequence_dataset(spec, frame, test)
    frame = labelled(spec, frame)
    y, classes = classes_of(spec, frame) if spec.has_classes else (_numbers(spec, frame), ())
    plan = planned(spec, frame)
    weight = weights_of(spec, frame)
    parts = divided(spec, frame, y if spec.has_classes else None, test is not None)
    if spec.has_classes:
        _check_classes(frame, spec, y, classes, parts)
    columns = fit(plan, frame, parts["train"], spec.labels)
    encoded = columns.divided(frame, list(parts.values()))
    splits = {
        name: Split(x, y[rows], weight=None if weight is None else weight[rows])
        for (name, rows), x in zip(parts.items(), encoded, strict=True)
    }
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
        targets=() if spec.has_classes else spec.labels,
        columns=columns,
        origin=_origin(spec, plan, frame, parts, test),
    )


def _origin(spec: Table, plan: Plan, frame: Frame, parts: Parts, test: Frame | None) -> Origin:
    """The origin of a table's numbers; the run is judged on the test rows, else on validation, else on training."""
    last = next(name for name in ("test", "validation", "train") if len(parts.get(name, ())))
    held = frame.at(parts[last]) if test is None else labelled(spec, test)
    origin = origin_of(plan, frame, parts["train"], held)
    return replace(origin, order=spec.order, grouped=spec.group is not None)


def _numbers(spec: Table, frame: Frame) -> Array:
    """The numbers to predict, or labels of 0 and 1."""
    y = numbers_of(spec.labels, frame)
    if spec.task == "multi_label":
        check_labels(y, spec.labels, frame.source)
    return y


MOST_NOTES = 20


def _few(notes: Iterable[str]) -> list[str]:
    all_notes = list(notes)
    more = [f"and {len(all_notes) - MOST_NOTES} more columns; `twofold columns FILE` tells all"]
    return all_notes[:MOST_NOTES] + (more if len(all_notes) > MOST_NOTES else [])


def _check_classes(frame: Frame, spec: Table, y: Array, classes: tuple[str, ...], parts: Parts) -> None:
    """Raises `DataError` for a class that no training row has."""
    held = np.bincount(y[parts["train"]], minlength=len(classes))
    if not held.all():
        name = classes[int(held.argmin())]
        rows = np.flatnonzero(y == int(held.argmin()))
        raise DataError(
            f"{frame.place(int(rows[0]))}: column `{spec.labels[0]}`: no row of class `{name}` is trained on "
            f"({len(rows)} of {frame.rows:,} rows hold it). Remove them, add samples, or hold out less."
        )


def _own_test(spec: Table, test: Frame, columns: FittedColumns, classes: tuple[str, ...]) -> Split:
    """The rows of a test that is a file of its own. Raises `DataError` for a class that no training row has."""
    test = labelled(spec, test)
    y = class_codes(test, spec.labels[0], classes) if spec.has_classes else _numbers(spec, test)
    weight = weights_of(spec, test) if spec.weight in test.columns else None
    return Split(columns.encode(test), y, weight=weight)
