"""One process a folder. The lock ends with the process, however it ends."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twofold.errors import RunFolderError, UserError
from twofold.foreign import read_json
from twofold.runs.whole import now, write_whole

LOCK, HOLDER = ".lock", ".holder.json"
"""The file that is locked, and the file that says who holds it: a process that dies leaves both, and holds nothing."""
MOST_HOLDER = 1 << 16
"""Bytes of `HOLDER` that are read at most."""


@contextmanager
def locked(folder: Path, doing: str = "trains this run", refusal: type[UserError] = RunFolderError) -> Iterator[None]:
    """Hold a folder while the context lasts. Raises `refusal`, which names the process that holds it already.

    The lock's file stays: who took it away would let in a third process beside one that waits for it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise refusal(
            f"{folder} is in use: {_holder(folder)} {doing}. Wait until it has ended, or choose another --out."
        ) from None
    except OSError as error:
        raise refusal(f"cannot lock {folder}: {error.strerror or error}; choose another --out") from error
    try:
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": now()}
        write_whole(folder / HOLDER, json.dumps(holder).encode())
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / HOLDER).unlink(missing_ok=True)
    finally:
        lock.release()


def _holder(folder: Path) -> str:
    """A description of the process that holds the lock; just `another process` until it has written who it is."""
    try:
        holder = read_json(folder / HOLDER, MOST_HOLDER)
        if not isinstance(holder, dict):
            return "another process"
        return f"process {holder['pid']:d} on {holder['host']:.100}, since {holder['since']:.40},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
