"""The microscope in the page of a run: its script and style, and the record that the run's folder keeps."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from twofold.probe.kept import microscope_of
from twofold.runs import Run

MODULES = ("words", "numbers", "source", "matrix", "planes", "sum", "number", "microscope")
"""The modules of its script, each before those that import it."""
START = (
    'show(document.getElementById("microscope"), JSON.parse(document.getElementById("microscope-data").textContent));'
)


@dataclass(frozen=True)
class Recorded:
    """What the template puts into the page."""

    script: Markup
    policy: Markup
    """The source of scripts that the page's Content-Security-Policy admits: this one alone."""
    style: Markup
    data: Markup


def recorded(run: Run) -> Recorded | None:
    """The microscope of a run; `None` where the folder keeps no record: it is older, or the network is not small."""
    data = microscope_of(run)
    if not data:
        return None
    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Within a script element `<` could end it, or begin a comment; in JSON it may be written otherwise.
    escaped = data.replace("<", "\\u003c")
    return Recorded(Markup(script), Markup(f"'sha256-{digest}'"), Markup(_text("microscope.css")), Markup(escaped))


@cache
def _script() -> str:
    """The modules as one script: without imports and exports, comments and indentation."""
    source = "\n".join(_text(f"{name}.js") for name in MODULES)
    source = re.sub(r"^import .*?;\n", "", source, flags=re.MULTILINE | re.DOTALL)
    source = re.sub(r"^export ", "", source, flags=re.MULTILINE)
    source = re.sub(r"^\s*/\*\*.*?\*/\n", "", source, flags=re.MULTILINE | re.DOTALL)
    lines = [line.strip() for line in source.splitlines()]
    body = "\n".join(line for line in lines if line and not line.startswith("//"))
    return f'(() => {{\n"use strict";\n{body}\n{START}\n}})();'


@cache
def _text(name: str) -> str:
    return files("twofold").joinpath("page", "static", "microscope", name).read_text("utf-8")
