"""What is handed in: a student, and parts with their trainings and texts, as a TOML file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from twofold.errors import Fault, UserError, did_you_mean
from twofold.foreign import MOST_RECIPE, read_foreign
from twofold.recipe.places import places
from twofold.recipe.toml import TomlError, line_at, marked, parse_toml

TEXTS = ("introduction", "structure", "procedure", "results", "analysis", "conclusion")
"""The sections of a part, in the assignment's order; each may have a text of the student's own."""
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX")
SLUG = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}"
Named = Annotated[str, Field(min_length=1, max_length=200)]


class Table(BaseModel):
    """What the tables of the file have in common: unknown keys and wrong types are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Student(Table):
    """Who hands it in."""

    name: Named
    number: Annotated[str, Field(pattern=f"^{SLUG}$")]
    """The student number, or the numbers of a group joined by `_`: the ZIP file begins with it."""


class Part(Table):
    """A part of the assignment: what is trained for it, what was trained before, and what the student writes."""

    title: Named
    recipes: list[Named] = []
    """Built-in names or files, trained when the document is made, once."""
    runs: list[Named] = []
    """Folders of finished runs."""
    studies: list[Named] = []
    """Built-in names or files, trained when the document is made, or folders of studies."""
    set: dict[str, object] = {}
    """Keys of the part's recipes and studies by their paths, as `--set` sets them."""
    text: dict[str, str] = {}
    """Own text in Markdown by section, or the name of a file that ends in .md."""
    code: list[Named] | None = None
    """Files of the assignment that the appendix prints; those of the part where left out."""


class Handin(Table):
    """The whole document."""

    title: Named = "Assignment 2"
    assignment: Annotated[str, Field(pattern=f"^{SLUG}$")] = "assignment2"
    """How the ZIP file's name ends."""
    course: Annotated[str, Field(max_length=200)] = ""
    student: Student
    part: Annotated[list[Part], Field(min_length=1, max_length=len(ROMAN))]

    @property
    def archive(self) -> str:
        """The name of the ZIP file and of the folder in it, without an ending."""
        return f"{self.student.number}_{self.assignment}"


@dataclass(frozen=True)
class Source:
    """A document's file: what it says, and the folder at which its paths begin."""

    handin: Handin
    folder: Path
    text: str

    def own_text(self, part: Part, section: str) -> str:
        """The student's Markdown for a section; empty where there is none."""
        written = part.text.get(section, "")
        return _file_text(self.folder / written) if _names_file(written) else written

    def text_files(self) -> dict[str, str]:
        """The Markdown of each file that a section names, by its path below the folder; files elsewhere stay out."""
        named = [Path(text) for part in self.handin.part for text in part.text.values() if _names_file(text)]
        inside = {path for path in named if not path.is_absolute() and ".." not in path.parts}
        return {path.as_posix(): _file_text(self.folder / path) for path in sorted(inside - {Path("README.md")})}


def _names_file(text: str) -> bool:
    """Whether a section's text is the name of a file that holds it."""
    return text.endswith(".md") and "\n" not in text


def load_handin(path: str | Path) -> Source:
    """Read the file. Raises `UserError` with every fault at its line."""
    path = Path(path)
    if path.suffix != ".toml":
        raise UserError(f"a hand-in is described by a file that ends in .toml; got {path}. --init writes one")
    try:
        text = read_foreign(path, MOST_RECIPE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(
            f"cannot read {path}: {reason}. `twofold handin {quote(str(path))} --init` writes it"
        ) from error
    try:
        raw = parse_toml(text, str(path))
        handin = Handin.model_validate(raw)
    except TomlError as error:
        raise UserError(str(error)) from error
    except ValidationError as error:
        faults = [_fault(details["loc"], _rule(details), text, str(path)) for details in error.errors()]
        raise UserError("\n\n".join(map(str, faults))) from error
    source = Source(handin, path.resolve().parent, text)
    _check_parts(source, str(path))
    return source


def _check_parts(source: Source, label: str) -> None:
    """Raises `UserError` for what the types do not say: known sections, texts that are there, something to report."""
    faults = list[Fault]()
    for index, part in enumerate(source.handin.part):
        here = ("part", index)
        if not (part.recipes or part.runs or part.studies):
            rule = f"part {ROMAN[index]} names no `recipes`, no `runs` and no `studies`: there is nothing to report"
            faults.append(_fault(here, rule, source.text, label))
        for section in part.text:
            if section not in TEXTS:
                rule = f"unknown section `{section}`; {did_you_mean(section, TEXTS)}"
                faults.append(_fault((*here, "text", section), rule, source.text, label))
                continue
            try:
                source.own_text(part, section)
            except UserError as error:
                faults.append(_fault((*here, "text", section), str(error), source.text, label))
    if faults:
        raise UserError("\n\n".join(map(str, faults)))


def _file_text(path: Path) -> str:
    try:
        return read_foreign(path, MOST_RECIPE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"cannot read the text {path}: {reason}") from error


def _rule(details: ErrorDetails) -> str:
    path = details["loc"]
    name, kind = str(path[-1]) if path else "the file", details["type"]
    if kind == "missing":
        return f"`{name}` is missing"
    if kind == "extra_forbidden":
        return f"unknown key `{name}`; {did_you_mean(name, _keys(path))}"
    if kind == "string_pattern_mismatch":
        value = str(details["input"])[:60]
        return f"`{name}` is part of a file's name: letters, digits, `.`, `_` and `-`; got {value!r}"
    if kind == "string_too_short":
        return f"`{name}` must not be empty"
    if kind == "too_long":
        context = details.get("ctx", {})
        return f"`{name}` must hold at most {context['max_length']} parts; got {context['actual_length']}"
    if kind == "string_too_long":
        length = len(str(details["input"]))
        return f"`{name}` must have at most {details.get('ctx', {})['max_length']} characters; got {length}"
    if kind == "too_short":
        return f"`{name}` must hold at least one part: [[part]]"
    message = details["msg"].removeprefix("Input should be ").replace("'", '"')
    return f"`{name}` must be {message[:1].lower() + message[1:]}"


def _keys(path: tuple[int | str, ...]) -> list[str]:
    """The keys of the table in which an unknown one stands."""
    tables: dict[str, type[Table]] = {"student": Student, "part": Part}
    table = tables.get(str(path[0]), Handin) if len(path) > 1 else Handin
    return list(table.model_fields)


def _fault(path: tuple[int | str, ...], rule: str, text: str, label: str) -> Fault:
    known = places(text)
    while path and path not in known:
        path = path[:-1]
    if not path:
        return Fault(label, rule)
    line = line_at(text, known[path].line)
    return Fault(f"{label}:{known[path].line}", rule, "", marked(line, known[path].column) if line.strip() else "")


def slug(text: str) -> str:
    """A name as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower() or "part"
