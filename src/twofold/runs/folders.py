"""A new folder for a run."""

from __future__ import annotations

from pathlib import Path

from twofold.errors import RunFolderError
from twofold.runs.lock import HOLDER, LOCK, locked


def create_run_folder(out: str | Path | None, name: str) -> Path:
    """A new, empty folder: `out`, or the next free `runs/NAME-N`. Raises `RunFolderError` where it is in use."""
    try:
        if out is None:
            return _next_folder(Path("runs"), name)
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(path.name != LOCK for path in folder.iterdir())):
            if (folder / LOCK).is_file():
                with locked(folder):  # who holds it is named
                    pass
            raise RunFolderError(f"{out} exists and is not an empty folder; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RunFolderError(f"{error.filename} is a file and no folder; choose another --out") from error
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"cannot make the run folder {out or 'runs'}: {_reason(error)}; choose another --out"
        ) from error
    return folder


def claim_run_folder(folder: Path) -> None:
    """Called with the folder locked. Raises `RunFolderError` where a run came first, and has ended since."""
    if any(path.name not in (LOCK, HOLDER) for path in folder.iterdir()):
        raise RunFolderError(f"{folder} exists and is not an empty folder; choose another --out")


def _next_folder(parent: Path, name: str) -> Path:
    parent.mkdir(exist_ok=True)
    number = 1
    while True:
        try:
            (folder := parent / f"{name}-{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
