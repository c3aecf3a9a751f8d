"""The folder of a run: a new one, and one whose run has ended."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shlex import quote

from twofold.errors import RunFolderError
from twofold.runs.checkpoints import CHECKPOINTS, remove_checkpoints
from twofold.runs.lock import HOLDER, LOCK, locked
from twofold.runs.names import RECIPE
from twofold.runs.whole import TEMPORARY, sweep


def create_run_folder(out: str | Path | None, name: str) -> Path:
    """A new, empty folder: `out`, or the next free `runs/NAME-N`. Raises `RunFolderError` where it is in use."""
    try:
        if out is None:
            return _next_folder(Path("runs"), name)
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or _holds_something(folder)):
            if (folder / LOCK).is_file():
                with locked(folder):  # who holds it is named
                    pass
            resuming = (
                f", or `twofold resume {quote(str(out))}` to go on with its run"
                if (folder / CHECKPOINTS).is_dir()
                else ""
            )
            raise RunFolderError(f"{out} exists and is not an empty folder; choose another --out{resuming}")
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RunFolderError(f"{error.filename} is a file and no folder; choose another --out") from error
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"cannot make the run folder {out or 'runs'}: {_reason(error)}; choose another --out"
        ) from error
    return folder


def claim_run_folder(folder: Path) -> None:
    """Take a locked folder for a new run. Raises `RunFolderError` where another run has used it meanwhile."""
    if _holds_something(folder):
        raise RunFolderError(f"{folder} exists and is not an empty folder; choose another --out")
    sweep(folder)


def tidy(folder: Path) -> None:
    """Remove checkpoints and lock files: nobody goes on with this run, or waits for its lock."""
    remove_checkpoints(folder)
    for name in (LOCK, HOLDER):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)


def _holds_something(folder: Path) -> bool:
    """Whether the folder holds more than the files that a run leaves if it is killed before it has a record.

    A recipe alone is the user's own; beside a lock it is that run's.
    """
    leftovers = (LOCK, HOLDER, RECIPE, TEMPORARY) if (folder / LOCK).exists() else ()
    return not all(any(map(path.match, leftovers)) for path in folder.iterdir())


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
