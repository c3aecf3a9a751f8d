"""The bytes of a table's file, decompressed if need be; workbooks and other formats are refused by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import IO, cast

from twofold.data.room import check_room
from twofold.errors import DataError
from twofold.foreign import open_foreign

PACKED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
COLUMNAR = {b"PAR1": "parquet", b"ARROW1": "arrow"}
OTHER_FORMATS = {
    b"PK\x03\x04": "it is a workbook (.xlsx) or another zip archive; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "it is an old workbook (.xls); save the sheet as CSV",
    b"%PDF": "it is a PDF; save the table as CSV",
    b"\x89HDF": "it is HDF5; write it as CSV: pandas.read_hdf(FILE).to_csv(OTHER, index=False)",
    b"SQLite format 3": "it is a database; write a table of it as CSV",
    b"\x89PNG": "it is an image",
    b"\xff\xd8\xff": "it is an image",
    b"{\\rtf": "it is a text document; save the table as CSV",
}
LONGEST_MAGIC = 16
CHUNK = 1 << 20
TOO_LARGE = "Split the file, or give a part of it."


def unreadable(path: str, error: OSError) -> DataError:
    """The `DataError` for a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"no file {path[:1000]}; a relative path starts at the folder of the recipe's file.")
    return DataError(f"cannot read {path[:200]}: {error.strerror or error}")


def format_of(path: str) -> str:
    """The format of a table's file: `parquet`, `arrow` or `csv`. Raises `DataError` for a file of another kind."""
    try:
        with open_foreign(path) as file:
            start = file.read(LONGEST_MAGIC)
    except OSError as error:
        raise unreadable(path, error) from error
    for magic, rule in OTHER_FORMATS.items():
        if start.startswith(magic):
            raise DataError(f"{path}: not a table of text: {rule}.")
    if b"\x00" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff", *PACKED, *COLUMNAR)):
        raise DataError(f"{path}: not a table of text: its first bytes are no letters; save the table as CSV.")
    return next((name for magic, name in COLUMNAR.items() if start.startswith(magic)), "csv")


@dataclass(frozen=True)
class TextFile:
    """A text file with a table: the path its owner gave, the path of its decompressed bytes, and how many these are."""

    path: str
    plain: str
    size: int

    def __str__(self) -> str:
        return self.path


@contextmanager
def unpacked(path: str) -> Iterator[TextFile]:
    """A file whose text can be read more than once: a compressed one is decompressed into a temporary file.

    Raises `DataError` where it cannot be read, and where a table of its bytes would not fit into memory.
    """
    try:
        with open_foreign(path) as file:
            start = file.read(LONGEST_MAGIC)
            unpack = next((unpack for magic, unpack in PACKED.items() if start.startswith(magic)), None)
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            if unpack is None:
                check_room(path, size * 2, TOO_LARGE)
                yield TextFile(path, path, size)
                return
            with TemporaryDirectory() as folder:
                plain = os.path.join(folder, "table")
                with unpack(file) as packed:
                    size = _copied(path, cast(IO[bytes], packed), plain)
                yield TextFile(path, plain, size)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: what is packed in it is damaged: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error


def _copied(path: str, packed: IO[bytes], plain: str) -> int:
    """Decompress a file to `plain`; returns the number of bytes. Raises `DataError` where there is no room for them."""
    size = 0
    with open(plain, "wb") as file:
        while chunk := packed.read(CHUNK):
            try:
                file.write(chunk)
            except OSError as error:
                folder = os.path.dirname(os.path.dirname(plain))
                raise DataError(f"{path}: no room to unpack it in {folder} ({error.strerror}); set TMPDIR.") from error
            size += len(chunk)
            if size % (CHUNK * 256) < CHUNK:
                check_room(path, size * 2, TOO_LARGE)
    check_room(path, size * 2, TOO_LARGE)
    return size


@contextmanager
def opened(text: TextFile) -> Iterator[IO[bytes]]:
    """A context with the decompressed bytes as a file. Raises `DataError` where they cannot be read."""
    try:
        with open_foreign(text.plain) as file:
            yield file
    except OSError as error:
        raise unreadable(text.path, error) from error
