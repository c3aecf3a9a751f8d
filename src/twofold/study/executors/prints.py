"""Fingerprints of the data that a study reads from files, so that every worker reads the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from twofold.foreign import open_foreign
from twofold.recipe import Recipe


def fingerprint(path: Path) -> str:
    """SHA-256 of a file, or of the names and sizes of all files in a folder; empty where nothing can be read."""
    sha = hashlib.sha256()
    try:
        if path.is_dir():
            for folder, folders, files in os.walk(path):
                folders.sort()
                for name in sorted(files):
                    file = Path(folder, name)
                    sha.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
            return sha.hexdigest()
        with open_foreign(path) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def mark(path: str | None) -> str:
    """Sizes and times of a file, or of a folder and its folders, as a text: another one once the data have changed."""
    if path is None or not os.path.exists(path):
        return ""
    inner = [entry.path for entry in os.scandir(path) if entry.is_dir()] if os.path.isdir(path) else []
    stats = [os.stat(place) for place in (path, *sorted(inner))]
    return " ".join(f"{stat.st_size}-{stat.st_mtime_ns}" for stat in stats)


def fingerprints(recipes: Iterable[Recipe]) -> dict[str, str]:
    """The fingerprints by path of all files or folders that the recipes name, without those that cannot be read.

    The points that need the missing ones fail, and say why.
    """
    paths = {path for recipe in recipes if (path := data_path(recipe))}
    prints = {path: fingerprint(Path(path)) for path in sorted(paths)}
    return {path: text for path, text in prints.items() if text}


def data_path(recipe: Recipe) -> str | None:
    """The absolute path of a recipe's data, where they come from a file or a folder of the user's own."""
    path = getattr(recipe.data, "path", None)
    return os.path.abspath(path) if isinstance(path, str) else None


def absolute(recipe: Recipe) -> Recipe:
    """The recipe with absolute paths: a worker's folder may be another."""
    data: object = recipe.data
    changes = {
        name: os.path.abspath(path)
        for name in ("path", "root")
        if isinstance(path := getattr(data, name, None), str) and not os.path.isabs(path)
    }
    return recipe.model_copy(update={"data": data.model_copy(update=changes)}) if changes else recipe
