"""Fingerprints of the data that a study reads from files, so that every worker reads the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from twofold.foreign import open_foreign
from twofold.recipe import Recipe
from twofold.recipe.base import Part


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of the names and sizes of all files in a folder; empty where nothing can be read."""
    sha = hashlib.sha256()
    try:
        if path.is_dir():
            for folder, folders, files in os.walk(path):
                folders.sort()
                for name in sorted(files):
                    file = Path(folder, name)
                    text = f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0"
                    sha.update(text.encode(errors="surrogateescape"))  # a name need not be UTF-8
            return sha.hexdigest()
        with open_foreign(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def mark(*paths: str | None) -> str:
    """Sizes and times of files, and of all within folders, as a text: another one once the data have changed."""
    return " ".join(_mark(path) for path in paths if path is not None)


def _mark(path: str) -> str:
    places = [path]
    for folder, folders, files in os.walk(path):
        folders.sort()
        places += [os.path.join(folder, name) for name in (*folders, *sorted(files))]
    marks = hashlib.sha256()
    for place in places:
        with suppress(OSError):  # it is gone, or a link that leads nowhere
            stat = os.stat(place)
            marks.update(f"{place}\0{stat.st_size}-{stat.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return marks.hexdigest()


def fingerprints(recipes: Iterable[Recipe]) -> dict[str, str]:
    """The fingerprints by path of all files or folders that the recipes name, without those that cannot be read.

    The points that need the missing ones fail, and say why.
    """
    paths = {os.path.abspath(path) for recipe in recipes for part in _parts(recipe) for path in read_paths(part)}
    prints = {path: fingerprint(Path(path)) for path in sorted(paths)}
    return {path: text for path, text in prints.items() if text}


def read_paths(part: object) -> list[str]:
    """The files or folders of the user's own that a part of a recipe names."""
    return [path for name in ("path", "test_path") if isinstance(path := getattr(part, name, None), str)]


def absolute(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths: a worker's folder may be another."""
    changes = {}
    for name, part in zip(("data", "initial"), _parts(recipe), strict=True):
        relative = {
            key: os.path.abspath(path)
            for key in ("path", "test_path", "root")
            if isinstance(path := getattr(part, key, None), str) and not os.path.isabs(path)
        }
        if relative:
            changes[name] = part.model_copy(update=relative)
    return recipe.model_copy(update=changes) if changes else recipe


def _parts(recipe: Recipe) -> tuple[Part, Part]:
    """The parts of a recipe that may name files."""
    return recipe.data, recipe.initial
