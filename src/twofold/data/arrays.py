"""Samples and classes handed over in memory: arrays, lists, data frames. Faults are named by argument and place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from twofold.arrays import Array, all_finite, digest
from twofold.data.checking import check_labels, check_order
from twofold.data.names import class_order, class_value
from twofold.errors import DataError
from twofold.plain import Samples

Pair: TypeAlias = tuple[object, object]
"""Samples and their classes, `(X, y)`: anything that NumPy makes an array of, or a frame and a series of pandas."""

MOST_CLASSES = 20
"""Up to so many classes may have a single sample each; if there are more, they need two samples each on average."""
NUMBERS = "fiub"
"""NumPy's kinds of what becomes numbers as it is: fractions, whole numbers, truth values."""
SHOWN = 40
"""Characters of a value that a message repeats."""


@dataclass(frozen=True, eq=False, repr=False)
class LabelledArrays:
    """Samples (samples, *sample), their classes (samples,) as numbers from 0, and the names of both."""

    x: Array
    """Numbers, or bytes of images (samples, channels, height, width)."""
    y: Array
    """Classes; or numbers to predict or labels, (samples, targets)."""
    classes: tuple[str, ...]
    features: tuple[str, ...]
    """The columns of a frame."""
    targets: tuple[str, ...] = ()
    """The names of the numbers or labels, where there are no classes."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over samples and classes, in their order."""
        return digest({"x": self.x, "y": self.y})

    def __repr__(self) -> str:
        return f"<LabelledArrays: {len(self.x):,} samples of {self.x.shape[1:]}, {len(self.classes)} classes>"


def labelled_arrays(data: object, several: bool = True) -> LabelledArrays:
    """The samples and classes of a pair `(X, y)`.

    `X` is (samples, features) for a table; bytes (samples, channels, height, width) are images. A frame's columns
    become the names of the features, the values of `y` the names of the classes: words, whole numbers or truth values.

    `several` says whether there must be two classes to tell apart: not of samples that are only judged.

    Raises `DataError` with the argument, the rule, the value and its place.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DataError(f"`data` must be a pair (X, y), samples and their classes; got {_kind(data)}")
    x, features = _samples(data[0])
    y, classes = _classes(data[1], len(x), several)
    check_order(data[0], data[1])
    return LabelledArrays(x, y, classes, features)


def numbered_arrays(data: object, task: str) -> LabelledArrays:
    """The samples of a pair `(X, y)` with their numbers to predict, or their labels where `task` is `multi_label`.

    `y` is (samples,) or (samples, targets); a frame's columns, or a series' name, become the names of the targets.

    Raises `DataError` with the argument, the rule, the value and its place.
    """
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise DataError(f"`data` must be a pair (X, y), samples and numbers; got {_kind(data)}")
    x, features = _samples(data[0])
    y = _table(data[1], _column_names(data[1], "y"), "y")
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or not y.shape[1]:
        raise DataError(f"`y` must hold numbers, (samples,) or (samples, targets); got the shape {y.shape}.")
    if len(y) != len(x):
        raise DataError(f"`X` holds {len(x)} samples and `y` {len(y)} rows; give each sample its numbers.")
    y = y.astype(np.float64)
    if not all_finite(y):
        sample, at = (int(index) for index in np.argwhere(~np.isfinite(y))[0])
        raise DataError(
            f"`y`: sample {sample} has {y[sample, at]} at column {at}; a number to predict must be finite. Remove the "
            "sample, or fill the value in."
        )
    name = getattr(data[1], "name", None)
    named = (str(name),) if isinstance(name, str) and y.shape[1] == 1 else _column_names(data[1], "y")
    targets = named or (("y",) if y.shape[1] == 1 else tuple(f"y{number}" for number in range(1, y.shape[1] + 1)))
    if task == "multi_label":
        check_labels(y, targets, "`y`")
    check_order(data[0], data[1])
    return LabelledArrays(x, y, (), features, targets)


def _samples(x: object) -> tuple[Array, tuple[str, ...]]:
    """Samples as numbers, (samples, *sample), and the names of their columns if they are a frame.

    Raises `DataError` for anything but finite numbers, one row a sample.
    """
    names = _column_names(x)
    array = _table(x, names)
    if array.ndim < 2:
        raise DataError(
            f"`X` must have a row for each sample, (samples, features); got the shape {array.shape}. "
            "Of one feature give X.reshape(-1, 1), of one sample X.reshape(1, -1)."
        )
    if not array.size:
        raise DataError(f"`X` must hold at least one sample and one feature; got the shape {array.shape}.")
    _check_finite(array, names)
    return array, names


def class_numbers(y: object, count: int, classes: Sequence[str]) -> list[int]:
    """The number of each class among those that a network knows; a truth value is also 1 or 0, where these are known.

    Raises `DataError` for a class that is not known.
    """
    codes, names = _classes(y, count, several=False)
    known = {name: index for index, name in enumerate(classes)}
    by_value = {class_value(name): index for name, index in known.items() if class_value(name) is not None}
    numbers = list[int]()
    for sample, name in enumerate(names[code] for code in codes):
        index = known.get(name, by_value.get(class_value(name)))
        if index is None:
            raise DataError(
                f"`y`: sample {sample} is of class `{_short(name)}`, which the network does not know; known: "
                f"{', '.join(f'`{known}`' for known in list(classes)[:MOST_CLASSES])}"
            )
        numbers.append(index)
    return numbers


def _kind(value: object) -> str:
    shape = getattr(value, "shape", None)
    length = f" of {len(value)}" if isinstance(value, tuple | list) else ""
    return f"a {type(value).__name__}{f' of the shape {tuple(shape)}' if shape is not None else length}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _column_names(x: object, argument: str = "X") -> tuple[str, ...]:
    """The names of a frame's columns; empty for what is no frame, and for a frame that only numbers its columns."""
    columns = getattr(x, "columns", None)
    if columns is None or not hasattr(x, "iloc"):
        return ()
    names = tuple(str(name) for name in columns)
    if list(columns) == list(range(len(names))):
        return ()
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"`{argument}`: column `{_short(name)}` stands {names.count(name)} times; names must differ."
            )
    return names


def _table(x: object, names: Sequence[str], argument: str = "X") -> Array:
    """All of `X` or `y` as numbers; a frame whose columns are of several types is read column by column."""
    array = as_array(x, argument)
    if array.dtype.kind in NUMBERS:
        return _plain(array)
    frame: Samples = x
    if hasattr(frame, "iloc") and array.ndim == 2:
        shown = names or [str(at) for at in range(array.shape[1])]
        columns = [
            _numbers(frame.iloc[:, at], f"column `{_short(name)}` of `{argument}`") for at, name in enumerate(shown)
        ]
        return np.stack(columns, axis=1)
    return _numbers(array, f"`{argument}`")


def as_array(value: object, name: str) -> Array:
    """Anything as an array. Raises `DataError` for rows that differ in length, and for what is none."""
    if hasattr(value, "toarray"):
        raise DataError(f"`{name}` is sparse; give {name}.toarray(), which holds every number.")
    try:
        return np.asarray(value)
    except ValueError:
        rows: Samples = value
        lengths = [len(row) if hasattr(row, "__len__") else None for row in rows]
        at = next((at for at, length in enumerate(lengths) if length != lengths[0]), 0)
        if not at:
            raise DataError(f"`{name}` must have rows of one shape; within its rows, lengths differ.") from None
        raise DataError(
            f"`{name}` must have rows of one length; row 0 has {lengths[0]} values, row {at} has {lengths[at]}."
        ) from None
    except (TypeError, RuntimeError) as error:  # such as a tensor on a device, or one that wants a gradient
        raise DataError(f"`{name}` cannot be read as an array: {_short(error)}") from error


def _plain(array: Array) -> Array:
    """Fractions of 32 or 64 bits as they are, bytes of images as they are, all else in 64 bits."""
    if array.dtype in (np.float32, np.float64) or (array.dtype == np.uint8 and array.ndim == 4):
        return np.ascontiguousarray(array)
    return array.astype(np.float64)


def _numbers(values: object, what: str) -> Array:
    """Values that may be objects, as numbers. Raises `DataError` at the first that is none."""
    array = np.asarray(values)
    if array.dtype.kind in NUMBERS:
        return array.astype(np.float64)
    numbers = [_number(value, what, at, array.shape) for at, value in enumerate(array.ravel().tolist())]
    return np.array(numbers, np.float64).reshape(array.shape)


def _number(value: object, what: str, at: int, shape: tuple[int, ...]) -> float:
    if is_missing(value):
        return math.nan
    if isinstance(value, bool | int | float):
        return float(value)
    place = [int(index) for index in np.unravel_index(at, shape)]
    where = f"row {place[0]}" if len(place) == 1 else str(tuple(place))
    rule = "a feature must be a number. Encode it as numbers, or leave the column out."
    if what.endswith("`y`"):
        rule = 'what is predicted must be a number. Of classes set loss.kind to "cross_entropy".'
    raise DataError(f"{what} holds {_short(repr(value))} at {where}; {rule}")


def is_missing(value: object) -> bool:
    """Whether it stands for no value: `None`, NaN, and what pandas writes for them, none of which equals itself."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(value != value)


def _check_finite(array: Array, names: Sequence[str]) -> None:
    if array.dtype.kind != "f" or all_finite(array):
        return
    sample, *rest = (int(at) for at in np.argwhere(~np.isfinite(array))[0])
    column = f"column {rest[0]}" if len(rest) == 1 else str(tuple(rest))
    if names:
        column = f"column `{_short(names[rest[0]])}`"
    raise DataError(
        f"`X`: sample {sample} holds {array[(sample, *rest)]} at {column}; every feature must be finite. "
        "Fill the value in, or remove the sample."
    )


def _classes(y: object, count: int, several: bool = True) -> tuple[Array, tuple[str, ...]]:
    """The number of each sample's class, and the names of the classes in their order."""
    values = as_array(getattr(y, "array", y), "y")
    if values.dtype.kind == "U":  # NumPy makes words of numbers that stand beside words
        values = np.asarray(y, dtype=object)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        hint = " Of one-hot rows give y.argmax(axis=1)." if values.ndim == 2 else ""
        raise DataError(f"`y` must hold one class a sample, ({count},); got the shape {values.shape}.{hint}")
    if len(values) != count:
        raise DataError(f"`X` holds {count} samples and `y` {len(values)} classes; give each sample its class.")
    names = list(_class_names(values))
    classes = tuple(sorted(set(names), key=class_order))
    if several and len(classes) < 2:
        raise DataError(f"`y` holds one class only, `{_short(names[0])}`; a classifier needs at least two.")
    if several and len(classes) > max(MOST_CLASSES, count / 2):
        raise DataError(
            f"`y` holds {len(classes)} different values in {count} samples; a class needs several samples. To predict "
            "a number choose a loss of numbers, `mean_squared` for instance, and end with one unit."
        )
    numbers = {name: index for index, name in enumerate(classes)}
    return np.array([numbers[name] for name in names], np.int64), classes


def _class_names(values: Array) -> Iterator[str]:
    """The name of each sample's class: its word, or its whole number without a point."""
    kinds = set[str]()
    for sample, value in enumerate(values.tolist()):
        if is_missing(value):
            raise DataError(f"`y`: sample {sample} has no class ({_short(value)}); give it one, or remove the sample.")
        if isinstance(value, float) and not value.is_integer():
            raise DataError(
                f"`y` must hold classes, words or whole numbers; sample {sample} has {value:g}. To predict a number "
                "choose a loss of numbers, `mean_squared` for instance, and end with one unit."
            )
        if not isinstance(value, str | bool | int | float):
            raise DataError(
                f"`y` must hold classes, words or whole numbers; sample {sample} has {_short(repr(value))}, "
                f"{_kind(value)}."
            )
        kinds.add("a word" if isinstance(value, str) else "a number")
        if len(kinds) > 1:
            raise DataError(
                f"`y` mixes words and numbers: sample {sample} has {_short(repr(value))}. Give all classes as words."
            )
        yield str(int(value)) if isinstance(value, float) else str(value)
