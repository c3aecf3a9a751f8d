"""Reading the folders that torchvision leaves on a disk; every claim of a file is checked before it is used."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from twofold.arrays import Array
from twofold.data.pickles import PickledArray, unpickled
from twofold.data.published import Labelled, Progress, Published, check_set, checked_labels
from twofold.errors import DataError

IDX = {"images": "idx3", "labels": "idx1"}
"""The endings of the two files of a pair, by what they hold."""
GZIP = b"\x1f\x8b"
"""The first bytes of a file packed by gzip."""
AGAIN = "Remove the file and let torchvision download it again."
MOST_PICKLE = 2
"""A pickle may take so many times the bytes of its images: as text, half of them take two."""


@dataclass(frozen=True)
class Layout:
    """The folders and files that a set may have on a disk, and how they are read."""

    folders: tuple[str, ...]
    """Folders to look in, relative to the one that the user named."""
    files: Mapping[str, tuple[str, ...]]
    """The names of files by split; for IDX the beginning that a pair of images and labels shares."""
    read: Callable[[Published, Path, int], Labelled]
    """Reads one file, given the set, the path and the number of images that it should hold."""


@dataclass(frozen=True)
class Found:
    """A folder in which a set was found."""

    published: Published
    folder: Path
    layout: Layout

    def read(self, split: str, progress: Progress) -> Labelled:
        """A whole split, in the order of its files."""
        names = self.layout.files[split]
        size = self.published.sizes[split] // len(names)
        parts: list[Labelled] = []
        for name in names:
            progress(f"reading {self.published.title}, {split}", len(parts), len(names))
            parts.append(self.layout.read(self.published, self.folder / name, size))
        progress(f"reading {self.published.title}, {split}", len(names), len(names))
        images, labels = (np.concatenate([part[i] for part in parts]) for i in range(2))
        if split == "train":
            check_set(labels, self.published, self.folder)
        return Labelled(images, labels)


def find(published: Published, base: Path) -> Found | None:
    """The folder of the set in `base`, or `base` itself; known by any of its files."""
    for layout in LAYOUTS[published.name]:
        for place in layout.folders:
            folder = base / place
            names = [name for names in layout.files.values() for name in names]
            if any(_exists(folder / name) for name in names):
                return Found(published, folder, layout)
    return None


def _exists(path: Path) -> bool:
    """Whether the file is there; for IDX, the beginning of a pair, one of its two files."""
    if not path.name.endswith("-"):
        return os.path.isfile(path)
    return any(_idx_file(path, what) is not None for what in IDX)


def _idx_file(path: Path, what: str) -> Path | None:
    """One file of a pair under any of its usual names: packed or not; `train-images.idx3-ubyte`, as an archive
    unpacked by another name; in a folder of its own name, as another archive has it; `test-` for `t10k-`."""
    beginnings = (path.name, "test-") if path.name == "t10k-" else (path.name,)
    for beginning, dot, ending in product(beginnings, "-.", ("", ".gz")):
        file = path.with_name(f"{beginning}{what}{dot}{IDX[what]}-ubyte{ending}")
        for place in (file, file / file.name):
            if os.path.isfile(place):
                return place
    return None


def _read_idx(published: Published, path: Path, size: int) -> Labelled:
    """http://yann.lecun.com/exdb/mnist: big-endian magic number and sizes, then a byte a value."""
    channels, height, width = published.shape
    _, images = _idx(path, "images", {"magic number": 2051, "images": size, "rows": height, "columns": width})
    place, labels = _idx(path, "labels", {"magic number": 2049, "labels": size})
    labels = checked_labels(labels, published, place, "image", AGAIN)
    return Labelled(images.reshape(size, channels, height, width), labels)


def _idx(beginning: Path, what: str, header: Mapping[str, int]) -> tuple[Path, Array]:
    """A file and its bytes after the header, which must be `header`; never unpacked beyond the size that this gives.

    Whether it is packed is told by its first bytes: some browsers unpack a file and leave its name, others the reverse.
    """
    path = _idx_file(beginning, what)
    if path is None:
        plain = f"{beginning}{what}-{IDX[what]}-ubyte"
        raise DataError(f"no file {plain}, nor with .gz; torchvision's download is not complete. Run it again.")
    promised = math.prod(list(header.values())[1:])
    try:
        with path.open("rb") as stored, _unpacked(stored) as file:
            head = file.read(4 * len(header))
            _check_header(path, head, header)
            content = file.read(promised + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: not a whole gzip file ({error}). {AGAIN}") from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    if len(content) != promised:
        got = "more" if len(content) > promised else str(len(content))
        raise DataError(f"{path}: {promised} bytes must follow the header; got {got}. {AGAIN}")
    return path, np.frombuffer(content, np.uint8)


def _unpacked(file: BinaryIO) -> BinaryIO:
    packed = file.read(len(GZIP)) == GZIP
    file.seek(0)
    return cast("BinaryIO", gzip.open(file)) if packed else file


def _check_header(path: Path, head: bytes, header: Mapping[str, int]) -> None:
    if len(head) < 4 * len(header):
        raise DataError(
            f"{path}: the header must take {4 * len(header)} bytes; the file ends after {len(head)}. {AGAIN}"
        )
    for (name, wanted), got in zip(header.items(), np.frombuffer(head, ">u4").tolist(), strict=True):
        if got != wanted:
            raise DataError(f"{path}: the header must give {wanted} as {name}; got {got}. {AGAIN}")


def _whole(path: Path, most: int) -> bytes:
    """The content of a file; of one with more than `most` bytes, the first `most` + 1."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except FileNotFoundError:
        raise DataError(f"no file {path}; torchvision's download is not complete. Run it again.") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def _read_cifar_bin(published: Published, path: Path, size: int) -> Labelled:
    """https://www.cs.toronto.edu/~kriz/cifar.html: records of one byte of label and 3072 of pixels, plane by plane."""
    record = 1 + math.prod(published.shape)
    raw = _whole(path, size * record)
    if len(raw) != size * record:
        got = "more" if len(raw) > size * record else str(len(raw))
        raise DataError(f"{path}: {size} records of {record} bytes make {size * record}; got {got}. {AGAIN}")
    records = np.frombuffer(raw, np.uint8).reshape(size, record)
    labels = checked_labels(records[:, 0], published, path, "record", AGAIN)
    return Labelled(records[:, 1:].reshape(size, *published.shape), labels)


def _read_cifar_pickle(published: Published, path: Path, size: int) -> Labelled:
    """A pickled dictionary of `data`, bytes (10000, 3072) laid out as in a binary file, and `labels`, a list."""
    pixels = math.prod(published.shape)
    most = MOST_PICKLE * size * pixels + (1 << 20)
    raw = _whole(path, most)
    if len(raw) > most:
        raise DataError(f"{path}: a batch of {size} images takes at most {most} bytes; the file holds more. {AGAIN}")
    batch = unpickled(path, raw)
    data, labels = (batch.get(key.encode(), batch.get(key)) for key in ("data", "labels"))
    images = data.uint8((size, pixels)) if isinstance(data, PickledArray) else None
    if images is None:
        raise DataError(f"{path}: `data` must be an array of {size} x {pixels} bytes (uint8). {AGAIN}")
    if not isinstance(labels, list) or len(labels) != size:
        got = f"{len(labels)} of them" if isinstance(labels, list) else f"`{type(labels).__name__}`"
        raise DataError(f"{path}: `labels` must be a list of {size} numbers; got {got}. {AGAIN}")
    for at, label in enumerate(labels):
        if type(label) is not int or abs(label) > 255:
            got = label if type(label) is int else f"`{type(label).__name__}`"
            raise DataError(f"{path}: record {at}: the label must be 0 to 9; got {got}. {AGAIN}")
    classes = checked_labels(np.array(labels), published, path, "record", AGAIN)
    return Labelled(images.reshape(size, *published.shape), classes)


_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_PAIRS = {"train": ("train-",), "test": ("t10k-",)}
LAYOUTS = {
    "mnist": (Layout((".", "raw", "MNIST/raw", "MNIST"), _PAIRS, _read_idx),),
    # Their files are called as MNIST's are: a folder of their own name comes first.
    "fashion_mnist": (
        Layout(
            (
                "FashionMNIST/raw",
                "FashionMNIST",
                "fashion-mnist",
                "fashion-mnist/data/fashion",
                "data/fashion",
                ".",
                "raw",
            ),
            _PAIRS,
            _read_idx,
        ),
    ),
    "kmnist": (Layout(("KMNIST/raw", "KMNIST", "kmnist", ".", "raw"), _PAIRS, _read_idx),),
    "cifar10": (
        Layout(
            (".", "cifar-10-batches-bin"),
            {"train": tuple(f"{name}.bin" for name in _TRAIN), "test": ("test_batch.bin",)},
            _read_cifar_bin,
        ),
        Layout((".", "cifar-10-batches-py"), {"train": _TRAIN, "test": ("test_batch",)}, _read_cifar_pickle),
    ),
}
