"""CSV files that grow while a run lasts."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import final

from twofold.errors import RunFolderError
from twofold.foreign import open_foreign
from twofold.runs.whole import Seal


@final
class Lines:
    """A CSV file that grows: each line is with the system before training goes on, and on the disk when synced."""

    def __init__(self, path: Path, columns: Sequence[str], length: int = 0) -> None:
        """`length`: bytes of the file that stay, the rest is cut off; 0 for a new file, begun with its `columns`."""
        self.path, self.columns = path, tuple(columns)
        try:
            start = _first_bytes(path, length) if length else b""
            self._file = path.open("r+b" if length else "w+b", buffering=0)  # so that nothing waits to be written
            self._sha, self._bytes = hashlib.sha256(start), length
            self._cut_back()
        except OSError as error:
            raise RunFolderError(f"cannot write {path}: {error.strerror}") from error
        if not length:
            self.add(self.columns)

    def add(self, values: Sequence[object]) -> None:
        """Add a line, whole or not at all; `None` is an empty cell. Raises `RunFolderError` where there is no room."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow("" if value is None else value for value in values)
        line = text.getvalue().encode()
        try:
            if self._file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            with suppress(OSError):
                self._cut_back()
            raise RunFolderError(f"cannot write {self.path} ({len(line)} bytes more): {error.strerror}") from error
        self._sha.update(line)
        self._bytes += len(line)

    def _cut_back(self) -> None:
        """Take off what is behind the last whole line. Raises `OSError`."""
        self._file.truncate(self._bytes)
        self._file.seek(self._bytes)

    def sealed(self) -> Seal:
        """Size and SHA-256 of all lines so far: the file begins with them, whatever is added later."""
        return Seal(bytes=self._bytes, sha256=self._sha.hexdigest())

    def sync(self) -> None:
        """Bring all lines so far to the disk. Raises `OSError`."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring all lines to the disk and close the file. Raises `OSError`."""
        with self._file:
            self.sync()


def _first_bytes(path: Path, length: int) -> bytes:
    with open_foreign(path) as file:
        return file.read(length)


def begins_with(path: Path, sealed: Seal) -> bool:
    """Whether the file's first bytes are those that were sealed. Raises `OSError` where it cannot be read."""
    start = _first_bytes(path, sealed.bytes)
    return Seal(bytes=len(start), sha256=hashlib.sha256(start).hexdigest()) == sealed
