"""The record and the recipe of a run folder; files that do not fit together are refused, though each is sealed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from twofold.errors import RunFolderError, TwofoldError
from twofold.foreign import MOST_RECIPE, read_foreign, read_json
from twofold.recipe import Recipe, loads
from twofold.runs.names import FORMAT, RECIPE, RECORD
from twofold.runs.record import Record
from twofold.runs.whole import Seal, seal

DEBUG = "TWOFOLD_DEBUG"
"""Set in the environment, it lets the exception through, with its traceback."""


@contextmanager
def as_a_whole(*folders: str | Path) -> Iterator[None]:
    """A context for reading folders of runs: whatever error an altered one causes becomes `RunFolderError`.

    A seal says that a file is the one that was recorded, not that its columns, names and shapes are those of the
    recipe; whoever can alter the one can alter the other.
    """
    try:
        yield
    except (TwofoldError, OSError):
        raise
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        names = ", ".join(map(str, folders[:3]))
        raise RunFolderError(
            f"{names}: what the files hold does not fit together ({type(error).__name__}: {str(error)[:200]}). Take "
            f"another copy of the folder, or run its recipe again; {DEBUG}=1 shows where it was found."
        ) from error


def read_record(path: str | Path) -> Record:
    """The record of a run, whatever its status. Raises `RunFolderError` for none, a damaged one or another format."""
    folder = Path(path)
    if not folder.is_dir():
        raise RunFolderError(f"no run folder {path}; `twofold run RECIPE` makes one")
    try:
        content = read_json(folder / RECORD)
    except FileNotFoundError:
        raise RunFolderError(f"{path} is no run folder: it holds no {RECORD}") from None
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunFolderError(f"{path}: {RECORD} cannot be read: {reason}") from error
    _check_format(path, content)
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(f"{path}: {RECORD} is damaged: {where + ': ' if where else ''}{first['msg']}") from error


def sealed_recipe(path: str | Path, record: Record) -> Recipe:
    """The recipe of a run that is to go on. Raises `RunFolderError` where it is not the one that the run wrote."""
    check_file(Path(path), RECIPE, record.files[RECIPE])
    return recipe_of(Path(path))


def recipe_of(folder: Path) -> Recipe:
    """The recipe of a run. Raises `RunFolderError` where its file cannot be read, `RecipeError` for its faults."""
    try:
        text = read_foreign(folder / RECIPE, MOST_RECIPE).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RunFolderError(f"{folder}: {RECIPE} cannot be read: {reason}") from error
    return loads(text, str(folder / RECIPE))


def check_file(folder: Path, name: str, sealed: Seal) -> None:
    """Raises `RunFolderError` for a file that is missing or differs from its seal."""
    if not (folder / name).is_file():
        raise RunFolderError(f"{folder}: {name} is missing")
    try:
        now = seal(folder / name)
    except OSError as error:
        raise RunFolderError(f"{folder}: {name} cannot be read: {error.strerror}") from error
    if now != sealed:
        raise RunFolderError(f"{folder}: {name} is not what the run wrote: size or checksum differ")


def _check_format(path: str | Path, record: object) -> None:
    """Raises `RunFolderError` for a folder of another version, and says which version is newer."""
    version = record.get("format") if isinstance(record, dict) else None
    if version == FORMAT:
        return
    if not isinstance(version, int) or isinstance(version, bool):
        raise RunFolderError(f"{path}: {RECORD} names no format; this version reads format {FORMAT}")
    age, remedy = ("a newer", "upgrade Twofold") if version > FORMAT else ("an older", "run its recipe again")
    raise RunFolderError(
        f"{path} was written by {age} version of Twofold: its format is {version}, this version reads {FORMAT}; "
        f"{remedy}"
    )


def peek_recipe(path: str | Path) -> Recipe | None:
    """The recipe of a run folder that is not opened, hence not verified; `None` where none can be read there."""
    try:
        return loads(read_foreign(Path(path) / RECIPE, MOST_RECIPE).decode(), str(path))
    except (OSError, ValueError, TwofoldError):
        return None
