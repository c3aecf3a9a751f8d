"""Files that are written whole or not at all, and what seals them."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from twofold.errors import RunFolderError
from twofold.foreign import open_foreign
from twofold.runs.names import REPORT

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Seal(BaseModel):
    """Size and SHA-256 of a file, or of its beginning."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    bytes: int
    sha256: str


TEMPORARY = ".*.tmp"
"""The names of files that are being written."""


def temporary(path: Path) -> Path:
    """The name beside `path` under which this process writes what will take its name."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def write_whole(path: Path, *pieces: Buffer) -> Seal:
    """Replace a file in one move: a reader sees the old bytes or the new ones, after a power cut too.

    The bytes go to a file beside it, which is brought to the disk, read back, and only then takes the name. Returns its
    seal. Raises `RunFolderError` where that fails; the old file is then what it was.
    """
    written_to = temporary(path)
    sha, size = hashlib.sha256(), sum(memoryview(piece).nbytes for piece in pieces)
    try:
        with written_to.open("wb") as file:
            for piece in pieces:
                file.write(piece)
                sha.update(piece)
            file.flush()
            os.fsync(file.fileno())
        written = Seal(bytes=size, sha256=sha.hexdigest())
        if seal(written_to) != written:
            raise OSError(errno.EIO, "what was read back is not what was written")
        written_to.replace(path)
        sync_folder(path.parent)
    except BaseException as error:
        with suppress(OSError):
            written_to.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise RunFolderError(f"cannot write {path} ({size} bytes): {error.strerror}") from error
    return written


def write_burst(files: Iterable[tuple[Path, bytes]]) -> None:
    """Replace many small files, each in one move, without waiting for the disk: `sync_folder` does so once for all.

    Whatever ends the process, a reader sees the old bytes or the new ones. After a power cut a file may be empty: for
    what can be made again, and is checked when it is read. Raises `RunFolderError` as `write_whole`.
    """
    for path, data in files:
        written_to = temporary(path)
        try:
            with open(written_to, "wb", buffering=0) as file:
                if file.write(data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written_to.replace(path)
        except BaseException as error:
            with suppress(OSError):
                written_to.unlink(missing_ok=True)
            if not isinstance(error, OSError):
                raise
            raise RunFolderError(f"cannot write {path} ({len(data)} bytes): {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; the usual journals take along what else has changed."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(path: Path) -> Seal:
    """Size in bytes and SHA-256 of a file: what `record.json` lists of it."""
    with open_foreign(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Seal(bytes=file.tell(), sha256=digest)


def now() -> str:
    """The time, to the second, as records hold it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def sweep(folder: Path) -> None:
    """Take away what processes left half-written when they were killed. Call it with the folder locked.

    Only the report is written without the lock: that of a living process stays.
    """
    for path in folder.glob(TEMPORARY):
        if not (path.name.startswith(f".{REPORT}.") and _lives(path.name.split(".")[-2])):
            path.unlink(missing_ok=True)


def _lives(process: str) -> bool:
    """Whether another process with this number is alive; `False` where the system cannot be asked."""
    if os.name != "posix" or not process.isdecimal() or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
