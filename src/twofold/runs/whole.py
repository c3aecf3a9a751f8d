"""Files that are written whole or not at all, and what seals them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from twofold.errors import RunFolderError


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one move: a reader sees the old bytes or the new ones, after a power cut too."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(f"cannot write {path} ({len(content)} bytes): {error.strerror}") from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def seal(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file: what `record.json` lists of it."""
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
