"""The lessons that come with the page: recipes with a text, in their order."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import NamedTuple


class Lesson(NamedTuple):
    """A recipe that shows something."""

    name: str
    title: str
    begins: str
    """The first paragraph of its text."""
    toml: str


@cache
def lessons() -> dict[str, Lesson]:
    """Every lesson by its name, in the order of the files."""
    folder = resources.files("twofold.page") / "lessons"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return {lesson.name: lesson for lesson in (_read(file.name, file.read_text("utf-8")) for file in files)}


def _read(file: str, toml: str) -> Lesson:
    table = tomllib.loads(toml)
    note = table["page"]["note"].strip()
    return Lesson(file[3:-5], table["title"], note.split("\n\n")[0], toml)
