"""The bytes of a table's file, unpacked where it is packed; workbooks and the like are refused by what they are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
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


def unreadable(path: str, error: OSError) -> DataError:
    """What to say of a file that cannot be opened."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"no file {path[:1000]}; a relative path starts at the folder of the recipe's file.")
    return DataError(f"cannot read {path[:200]}: {error.strerror or error}")


def format_of(path: str) -> str:
    """`parquet`, `arrow` or `csv`. Raises `DataError` for what is no table."""
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


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """The bytes of the text, unpacked. Raises `DataError` where they cannot be read."""
    try:
        with open_foreign(path) as file:
            start = file.read(LONGEST_MAGIC)
            file.seek(0)
            unpack = next((unpack for magic, unpack in PACKED.items() if start.startswith(magic)), None)
            if unpack is None:
                yield file
                return
            with unpack(file) as plain:
                yield cast(IO[bytes], plain)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: what is packed in it is damaged: {error}") from error
    except OSError as error:
        raise unreadable(path, error) from error


def check_size(path: str) -> int:
    """How many bytes the text has, at most. Raises `DataError` where a table of them would not fit into memory."""
    size = 0
    with opened(path) as file:
        if isinstance(file, io.BufferedReader):
            size = file.seek(0, io.SEEK_END)
        else:  # of what is packed, only unpacking tells
            while chunk := file.read(CHUNK):
                size += len(chunk)
                if size % (CHUNK * 256) < CHUNK:
                    check_room(path, size * 2, "Split the file, or give a part of it.")
    check_room(path, size * 2, "Split the file, or give a part of it.")
    return size
