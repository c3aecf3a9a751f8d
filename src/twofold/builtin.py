"""The recipes and studies that come with the package: their texts and titles, found without reading them whole.

`twofold list` shows titles alone: it needs neither the models that check a recipe nor NumPy.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Literal

TITLE = re.compile(r'title = "([^"\\]*)"$', re.MULTILINE)
"""A title as the built-in files write it, in their first line."""


@cache
def builtin_texts(kind: Literal["recipe", "study"]) -> dict[str, str]:
    """The text of every built-in recipe or study by its name, in alphabetical order."""
    folder = resources.files("twofold") / kind / "builtin"
    texts = {file.name[:-5]: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".toml")}
    return dict(sorted(texts.items()))


def builtin_titles(kind: Literal["recipe", "study"]) -> dict[str, str]:
    """The title of every built-in recipe or study by its name."""
    return {name: _title(text) for name, text in builtin_texts(kind).items()}


def _title(text: str) -> str:
    first = TITLE.match(text)
    return first[1] if first else tomllib.loads(text).get("title", "")
