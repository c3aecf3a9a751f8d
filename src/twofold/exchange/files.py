"""New files and folders: written whole or not at all, and never over an older one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from twofold.arrays import Arrays
from twofold.errors import UserError
from twofold.runs import write_whole
from twofold.runs.whole import temporary


def write_new(path: str | Path, content: str | bytes) -> Path:
    """Write a new file, whole or not at all. Raises `UserError` where it exists."""
    path = Path(path)
    check_new(path)
    write_whole(path, content.encode("utf-8") if isinstance(content, str) else content)
    return path


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which takes the name `path` once it is whole; if filling it fails, nothing stays.

    Raises `UserError` where the name is taken.
    """
    check_new(path)
    filling = temporary(path)
    shutil.rmtree(filling, ignore_errors=True)
    filling.mkdir()
    try:
        yield filling
        check_new(path)
        filling.rename(path)
    except BaseException:
        shutil.rmtree(filling, ignore_errors=True)
        raise


def check_new(path: Path) -> None:
    """Raises `UserError` for a file that exists, or whose folder does not."""
    if path.exists():
        raise UserError(f"{path} exists; choose another name")
    if not path.parent.is_dir():
        raise UserError(f"no folder {path.parent} for {path.name}; make it first")


def check_suffix(path: Path, suffix: str) -> None:
    """Raises `UserError` for a name without the ending that says what the file is."""
    if path.suffix != suffix:
        raise UserError(f"{path} must end in {suffix}; name it {path.with_suffix(suffix).name}")


def write_weights(path: str | Path, weights: Arrays) -> Path:
    """Write arrays by name as a new safetensors file."""
    from safetensors.numpy import save

    return write_new(path, save({name: np.ascontiguousarray(array) for name, array in weights.items()}))
