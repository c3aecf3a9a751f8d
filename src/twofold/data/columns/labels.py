"""The label of each row: a class by its name, or a number to predict; and which of the two a column looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from twofold.arrays import Array
from twofold.data.columns.faults import Refused, either, refuse
from twofold.data.columns.frame import EXACT, Cells, Frame, Words, missing, words_of
from twofold.data.columns.kinds import number_of_words
from twofold.data.columns.values import quantities
from twofold.data.names import class_order, number_of, same_class
from twofold.engine import NO_ANSWER
from twofold.errors import DataError
from twofold.recipe.columns import Number, Table

MOST_CLASSES = 20
"""Different whole numbers up to which, if also at most the root of the number of rows, a label is taken for classes;
beyond, for a number to predict. A recipe may say otherwise."""
SHOWN = 60
"""Characters of a cell that an error repeats."""
WITHOUT = 'without_label = "drop"'
KindOfLabel = Literal["classes", "numbers"]


def labelled(spec: Table, frame: Frame) -> Frame:
    """The rows that have a label. Raises `DataError` for those without one, where they are not to be dropped."""
    faults, keep = list[Refused](), np.ones(frame.rows, bool)
    for name in spec.labels:
        absent = missing(frame.columns[name])
        keep &= ~absent
        if absent.any():
            remedy = f"Mend the rows, or leave them out. {either([WITHOUT])}"
            faults.append(Refused(name, np.flatnonzero(absent), "holds no label", remedy))
    if not faults:
        return frame
    if spec.without_label == "refuse":
        refuse(frame, faults)
    if not keep.any():
        raise DataError(f"{frame.source}: no row has a label in `{spec.labels[0]}`.")
    return frame.only(np.flatnonzero(keep))


def kind_of_label(cells: Cells) -> KindOfLabel:
    """Whether a column looks like classes or like a number to predict.

    Words are classes, unless they write numbers. Numbers are classes where they are whole and few.
    """
    if isinstance(cells, Words):
        number = number_of_words(cells, 0.0)
        if number is None or not isinstance(number.spec, Number):
            return "classes"
        values, _ = quantities(cells, number.spec)
        held = values[~np.isnan(values)]
    else:
        held = cells[~missing(cells)]
        if held.dtype.kind == "M":
            return "numbers"
    if not (held == np.floor(held)).all():
        return "numbers"
    different = len(np.unique(held))
    return "classes" if different <= min(MOST_CLASSES, max(2.0, len(held) ** 0.5)) else "numbers"


def classes_of(spec: Table, frame: Frame) -> tuple[Array, tuple[str, ...]]:
    """The class of each row as a number from 0, and the names of the classes in their order.

    Raises `DataError` for a column that holds no classes.
    """
    name = spec.labels[0]
    cells = frame.columns[name]
    if not isinstance(cells, Words) and cells.dtype.kind == "f":
        wrong = np.flatnonzero(cells != np.floor(cells))
        if len(wrong):
            refuse(
                frame,
                [
                    Refused(
                        name,
                        wrong[:1],
                        f"must hold classes, words or whole numbers; got {cells[wrong[0]]:g}. {TO_A_NUMBER}",
                        "",
                    )
                ],
            )
        large = np.flatnonzero(np.abs(cells) >= EXACT)
        if len(large):
            raise DataError(
                f"{frame.place(int(large[0]))}: column `{name}` holds whole numbers too large to be told apart"
            )
    words = words_of(cells)
    counts = words.counts()
    held = [level for level, count in zip(words.levels, counts, strict=True) if count]
    classes = tuple(sorted(held, key=class_order))
    _check_classes(spec, frame, name, words, classes)
    order = {level: place for place, level in enumerate(classes)}
    codes = np.array([order.get(level, -1) for level in words.levels], np.int64)
    return codes[words.codes], classes


TO_A_NUMBER = 'To predict a number set loss.kind to "mean_squared"'


def _check_classes(spec: Table, frame: Frame, name: str, words: Words, classes: tuple[str, ...]) -> None:
    if len(classes) == 1:
        raise DataError(
            f"{frame.source}: column `{name}` holds one class only, `{classes[0]}`; a classifier needs at least two."
        )
    if len(classes) > max(MOST_CLASSES, frame.rows / 2):
        row = int(np.argmax(words.codes == words.codes[-1]))
        raise DataError(
            f"{frame.place(row)}: column `{name}` holds {len(classes):,} different values in {frame.rows:,} rows; a "
            f"class needs several samples. {TO_A_NUMBER}"
        )
    values = [number_of(level) for level in classes]
    for before, level, value in zip(("", *classes), classes, values, strict=False):
        if before and value is not None and number_of(before) == value:
            row = int(np.flatnonzero(words.codes == words.levels.index(level))[0])
            raise DataError(
                f"{frame.place(row)}: column `{name}` holds `{before}` and `{level}`, the same number; write each "
                "class in one way."
            )
    if spec.classes is not None and spec.classes != len(classes):
        raise DataError(
            f"{frame.source}: column `{name}` holds {len(classes)} classes; `data.classes` says {spec.classes}."
        )


def numbers_of(names: Sequence[str], frame: Frame) -> Array:
    """The numbers to predict, (rows, targets). Raises `DataError` at the first cell that is none."""
    columns, faults = list[Array](), list[Refused]()
    for name in names:
        cells = frame.columns[name]
        number = number_of_words(cells, 0.0) if isinstance(cells, Words) else None
        way = number.spec if number and isinstance(number.spec, Number) else Number()
        values, wrong = quantities(cells, way)
        wrong = np.union1d(wrong, np.flatnonzero(np.isnan(values)))
        columns.append(values)
        if len(wrong):
            faults.append(
                Refused(
                    name,
                    wrong,
                    'must be a number to predict; got {cell}. Of classes set loss.kind to "cross_entropy"',
                    "",
                )
            )
    refuse(frame, faults)
    return np.stack(columns, axis=1)


def weights_of(spec: Table, frame: Frame) -> Array | None:
    """The weight of each row. Raises `DataError` for a cell that is no number of 0 or more, and where all are 0."""
    if spec.weight is None:
        return None
    weight = numbers_of((spec.weight,), frame)[:, 0]
    if len(wrong := np.flatnonzero(weight < 0)):
        refuse(frame, [Refused(spec.weight, wrong, "must hold weights, 0 or more; got {cell}", "")])
    if not weight.any():
        raise DataError(f"{frame.source}: column `{spec.weight}` holds the weight 0 in every row.")
    return weight


def class_codes(frame: Frame, label: str, classes: Sequence[str], optional: bool = False) -> Array:
    """The code of each row's class. Raises `DataError` for a class that the network does not know.

    A row without a class is refused too, or, if `optional`, has the code `NO_ANSWER`.
    """
    cells = frame.columns.get(label)
    if cells is None:
        raise DataError(f"{frame.source}: no column `{label}`, which holds the class")
    words: Words = words_of(cells)
    matched = [same_class(level, classes) for level in words.levels]
    at = np.array([-1 if name is None else list(classes).index(name) for name in matched] or [-1], np.int64)
    codes = np.where(words.codes < 0, NO_ANSWER, at[words.codes])
    wrong = np.flatnonzero(codes == -1 if optional else codes < 0)
    if len(wrong):
        known = ", ".join(f"`{name}`" for name in list(classes)[:20])
        lines = []
        for row in wrong[:10]:
            level = words.levels[words.codes[row]][:SHOWN] if words.codes[row] >= 0 else None
            what = "has no class" if level is None else f"class `{level}` is none of the network's"
            lines.append(f"{frame.place(int(row))}: {what}; known: {known}")
        raise DataError("\n".join(lines + ([f"and {len(wrong) - 10} more"] if len(wrong) > 10 else [])))
    return codes
