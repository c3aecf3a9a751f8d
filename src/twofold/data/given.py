"""Samples that a trained network is given, in the form of its data: images, table rows, points, palindromes."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.arrays import as_array
from twofold.data.drawings import as_seen
from twofold.data.folders import raise_listed, visible
from twofold.data.names import same_class
from twofold.data.palindromes import encoded_digits
from twofold.data.pictures import guarded, image_rule
from twofold.data.tables import read_rows
from twofold.errors import DataError, MissingExtraError, did_you_mean
from twofold.plain import Samples
from twofold.recipe.data import (
    Arrays,
    Cifar10,
    Csv,
    DataSpec,
    Digits,
    FashionMnist,
    Images,
    Kmnist,
    Mnist,
    Palindromes,
    PublishedImages,
)

SHOWN = 60
"""Characters of what a user wrote that a message repeats."""


class Given(NamedTuple):
    """Samples as the data hold them, before they are standardized."""

    names: list[str]
    """The name of each: a file, `file:line`, or the word on the command line."""
    x: Array
    """Bytes of images, numbers otherwise, (samples, *sample)."""
    expected: list[str | None]
    """The right class of each by its name, where it is known."""
    done: list[tuple[str, str]]
    """Pairs of a sample's name and of what was done to it that its owner may not expect."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each thing that was done, however many samples it was done to."""
        groups = dict[str, list[str]]()
        for name, what in self.done:
            groups.setdefault(what, []).append(name)
        return tuple(
            f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {what}"
            for what, names in groups.items()
        )


def read_given(data: DataSpec, words: Sequence[str], features: Sequence[str] = ()) -> Given:
    """The samples that the words name; a word may name several.

    An image file, or a folder of them, for a network of images; a CSV file, or one row as `5.1,3.5`, for one of tables,
    with the columns `features`; a point as `0.5,1.2` for one of the plane; a palindrome, or all of its digits but the
    last, for one of palindromes. Raises `DataError` for anything else.
    """
    if not words:
        raise DataError("no sample is given")
    match data:
        case Palindromes():
            return _palindromes(data, words)
        case Csv():
            return _joined([_table_or_row(data, word, tuple(features)) for word in words])
        case Digits() | Mnist() | FashionMnist() | Kmnist() | Cifar10() | Images():
            return _images(data, [(file, None) for word in words for file in _files(Path(word))])
        case Arrays(shape=(count,)):
            names = data.features or tuple(f"x{number}" for number in range(1, count + 1))
            return _joined([_point(word, names) for word in words])
        case Arrays():
            raise DataError(
                f"the network takes samples of the shape {data.shape}, which no word can write; give them from Python: "
                "twofold.predict(run, X)"
            )
    return _joined([_point(word, ("x", "y")) for word in words])


def given_arrays(data: DataSpec, samples: Samples, features: Sequence[str] = ()) -> Given:
    """Samples in memory: a frame with the features among its columns, an array (samples, *sample), or one sample.

    Raises `DataError` for another shape, a column that is missing, and for what is no finite number.
    """
    if hasattr(samples, "columns"):
        return _from_frame(data, samples, tuple(features))
    x, shape = as_array(samples, "samples"), data.sample_shape
    if isinstance(data, Csv):
        shape = (len(features),)
    x = x[None] if x.ndim == len(shape) else x
    if x.shape[1:] != shape or not len(x) or x.dtype.kind not in "fiub":
        raise DataError(
            f"samples are numbers of the shape (samples, {', '.join(map(str, shape))}); got {x.dtype} of {x.shape}"
        )
    if isinstance(data, PublishedImages | Images) and x.dtype != np.uint8:
        raise DataError(f"images are bytes from 0 to 255, of the type uint8; got {x.dtype}")
    in_bytes = isinstance(data, PublishedImages | Images) or (isinstance(data, Arrays) and x.ndim == 4)
    if x.dtype != np.uint8 or not in_bytes:
        x = x.astype(np.float64)
        if len(wrong := np.argwhere(~np.isfinite(x))):
            raise DataError(f"every number must be finite; got {x[tuple(wrong[0])]} at {tuple(map(int, wrong[0]))}")
    return Given([f"sample {index}" for index in range(len(x))], x, [None] * len(x), [])


def _from_frame(data: DataSpec, frame: Samples, features: tuple[str, ...]) -> Given:
    """The samples of a frame, by the names of its columns, in whichever order these are."""
    names = [str(name) for name in frame.columns]
    for name in features or names:
        if name not in names:
            raise DataError(f"the frame has no column `{name}`, a feature of the network; {did_you_mean(name, names)}")
    at = [names.index(name) for name in features or names]
    try:
        x = np.stack([np.asarray(frame[frame.columns[index]], np.float64) for index in at], axis=1)
    except (TypeError, ValueError) as error:
        raise DataError(f"the columns of the features must hold numbers: {str(error)[:200]}") from None
    samples = given_arrays(data, x, features)
    label = getattr(data, "label", None)
    expected = [str(value) for value in frame[label]] if label in names else [None] * len(x)
    index = frame.index if hasattr(frame, "iloc") else range(len(x))  # a frame of polars has none
    return samples._replace(names=[f"row {row}" for row in index], expected=expected)


def read_labelled(data: DataSpec, path: str | Path, classes: Sequence[str], features: Sequence[str] = ()) -> Given:
    """Samples with their classes: a CSV file with the column of the label, or a folder of images, a folder a class.

    Raises `DataError` for a class that the network does not know, and for a sample without one.
    """
    match data:
        case Csv():
            samples = _labelled_rows(data, Path(path), tuple(features))
        case Digits() | Mnist() | FashionMnist() | Kmnist() | Cifar10() | Images():
            samples = _images(data, _labelled_files(Path(path), classes))
        case Arrays():
            raise DataError(
                "the samples of this run were handed over in memory, not read from a file; judge others from Python: "
                "twofold.evaluate(run, data=(X, y))"
            )
        case _:
            raise DataError(
                f"samples of the source `{getattr(data, 'source', '')}` are drawn and not read from a file; "
                "leave --data out, and choose with --split"
            )
    known = _quoted(classes)
    expected = [same_class(label, classes) if label else None for label in samples.expected]
    raise_listed(
        [
            f"{name}: class `{label}` is none of the network's; known: {known}" if label else f"{name}: has no class"
            for name, label, matched in zip(samples.names, samples.expected, expected, strict=True)
            if matched is None
        ]
    )
    return samples._replace(expected=expected)


def _joined(parts: Sequence[Given]) -> Given:
    return Given(
        [name for part in parts for name in part.names],
        np.concatenate([part.x for part in parts]),
        [label for part in parts for label in part.expected],
        [done for part in parts for done in part.done],
    )


def _palindromes(data: Palindromes, words: Sequence[str]) -> Given:
    rows, expected = [], []
    for word in words:
        shown, length = f"`{word[:SHOWN]}`", data.length
        if not (word.isascii() and word.isdecimal()):
            raise DataError(f"a palindrome is written in the digits 0 to 9; got {shown}")
        if len(word) not in (length, length - 1):
            raise DataError(
                f"the network was trained on palindromes of {length} digits, of which it reads {length - 1}; "
                f"{shown} has {len(word)}"
            )
        if len(word) == length and word != word[::-1]:
            raise DataError(
                f"{shown} is no palindrome: backwards it is `{word[::-1][:SHOWN]}`. Give its first {length - 1} digits "
                "to see what the network answers to them."
            )
        rows.append([int(digit) for digit in word[: length - 1]])
        expected.append(word[0])  # the last digit of a palindrome is its first
    return Given(list(words), encoded_digits(np.array(rows), data.encoding), expected, [])


def _point(word: str, columns: Sequence[str]) -> Given:
    """The sample of a word of numbers with commas between them."""
    wanted = ",".join(columns) if len(columns) <= 10 else f"{len(columns)} numbers"
    try:
        values = [float(part) for part in word.split(",")]
    except ValueError:
        raise DataError(f"numbers with a comma between them are wanted, {wanted}; got `{word[:SHOWN]}`") from None
    if len(values) != len(columns):
        raise DataError(f"`{word[:SHOWN]}` holds {len(values)} of {len(columns)} numbers: {wanted}")
    if not all(map(math.isfinite, values)):
        raise DataError(f"every number must be finite; got `{word[:SHOWN]}`")
    return Given([word], np.array([values]), [None], [])


def _table_or_row(data: Csv, word: str, features: tuple[str, ...]) -> Given:
    if not os.path.exists(word):
        try:
            return _point(word, features)
        except DataError as error:
            if "," in word and not word.endswith(".csv"):
                raise
            raise DataError(
                f"no file {word[:SHOWN]}; give a CSV file with the columns {_quoted(features)}, or one row of numbers"
            ) from error
    x, lines, labels = read_rows(data.model_copy(update={"path": word}), features)
    return Given([f"{word}:{line}" for line in lines], x, [label or None for label in labels or [""] * len(lines)], [])


def _labelled_rows(data: Csv, path: Path, features: tuple[str, ...]) -> Given:
    if not os.path.exists(path):
        labels = data.label if isinstance(data.label, tuple) else (data.label,)
        raise DataError(f"no file {path}; --data takes a CSV file with the columns {_quoted((*features, *labels))}")
    rows = _table_or_row(data, str(path), features)
    if not any(rows.expected):
        raise DataError(f"{path}:1: no column `{data.label}`, which holds the class")
    return rows


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _files(path: Path) -> list[Path]:
    """The file itself, or every file below the folder in the order of names, without what systems leave there."""
    if not os.path.exists(path):
        raise DataError(f"no file {path}")
    if not path.is_dir():
        return [path]
    paths = []
    for folder, folders, files in os.walk(path):
        folders[:] = visible(folders)
        paths += [Path(folder, name) for name in visible(files)]
    if not paths:
        raise DataError(f"{path}: the folder holds no image")
    return paths


def _labelled_files(path: Path, classes: Sequence[str]) -> list[tuple[Path, str | None]]:
    if not path.is_dir():
        raise DataError(f"no folder {path}; --data takes a folder of images with a folder a class")
    labelled: list[tuple[Path, str | None]] = []
    for entry in [path / name for name in visible(os.listdir(path))]:
        if not entry.is_dir():
            raise DataError(f"{entry}: lies directly in `{path.name}`; images lie in the folder of their class")
        if entry.name not in classes:
            inside = next((part for part in ("test", "train") if (path / part).is_dir()), None)
            hint = f"name {path / inside}" if inside else did_you_mean(entry.name, classes)
            raise DataError(f"{entry}: the network knows no class `{entry.name}`; {hint}")
        labelled += [(file, entry.name) for file in _files(entry)]
    if not labelled:
        raise DataError(f"{path}: the folder holds no image")
    return labelled


def _images(data: DataSpec, files: Sequence[tuple[Path, str | None]]) -> Given:
    """The images of files, decoded and resized as the recipe's data are; drawings made to look like MNIST's digits."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(str(error.name), "images", "to read an image") from error
    channels, height, width = (size or 0 for size in data.sample_shape)
    read = as_seen(data)
    x = np.empty((len(files), channels, height, width), np.uint8)
    notes, faults = list[tuple[str, str]](), list[str]()
    with guarded():
        for at, (file, _) in enumerate(files):
            try:
                x[at], what, *_ = read(file)
            except Exception as error:  # on damaged files, decoders raise whatever they stumble over
                faults.append(f"{file}: {image_rule(error)}")
            else:
                notes += [(str(file), ", ".join(what))] if what else []
    raise_listed(faults)
    if isinstance(data, Digits):  # which come as numbers from 0 to 1
        x = x.astype(np.float32) / 255
    return Given([str(file) for file, _ in files], x, [label for _, label in files], notes)
