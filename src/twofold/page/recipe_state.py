"""The page's only state, a recipe as TOML: what it says, what is wrong with it, and the text after an edit.

An edit is one of

    {"set": "optimizer.lr", "text": "0.1"}    as typed after `--set`; with "value" in place of "text" as it is
    {"unset": "optimizer.momentum"}           back to the default
    {"insert": 1, "kind": "relu"}             a layer at this place
    {"move": [1, 3]}                          a layer to another place
    {"delete": 2}                             a layer
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from twofold.errors import UserError
from twofold.page.schema import beginning
from twofold.plain import Parsed
from twofold.recipe import Recipe
from twofold.recipe.faults import TAGS, UNIONS, Explained
from twofold.recipe.files import checked, dump_table
from twofold.recipe.network import shape_text
from twofold.recipe.overrides import key_path, set_value, toml_value
from twofold.recipe.places import KeyPath
from twofold.recipe.toml import TomlError, parse_toml

NAMING = ("data", "initial")
"""The tables that may name files, under `root` and keys that end in `path`."""
MOST_LAYERS = 200


@dataclass(frozen=True)
class Trusted:
    """The files that a recipe of the page may name."""

    files: frozenset[str] = frozenset()
    """The files that the recipe names with which the page was opened, as they are written there."""
    uploads: str = ""
    """The folder of what was uploaded."""
    folder: Path | None = None
    """Where relative paths start."""

    def allows(self, path: str) -> bool:
        """Whether a recipe of the page may name this file."""
        real = os.path.realpath(path)
        return path in self.files or bool(self.uploads and real.startswith(os.path.realpath(self.uploads) + os.sep))


@dataclass(frozen=True)
class Checked:
    """The text of a recipe, and what checking it gave."""

    toml: str
    recipe: Recipe | None
    """`None` where it cannot be trained."""
    facts: dict[str, Parsed]
    """What tabs are told of it: its table, faults, layers and notes."""


def check(toml: str, name: str, trusted: Trusted) -> Checked:
    """The recipe of a text, with every fault at its path as the command line would word it."""
    try:
        raw = parse_toml(toml, "recipe.toml")
    except TomlError as error:
        fault = {"path": [], "rule": error.fault.rule, "remedy": error.fault.remedy, "place": error.fault.place}
        facts = {"toml": toml, "table": None, "faults": [{**fault, "excerpt": error.fault.excerpt}], "network": []}
        return Checked(toml, None, {**facts, "name": name, "title": "", "notes": [], "trainable": False})
    recipe, faults = checked(raw, name, trusted.folder)
    if recipe is not None:
        faults = list(_foreign(recipe, trusted))
    facts = {
        "toml": toml,
        "table": _jsonable(raw),
        "faults": [{"path": list(path), "rule": rule, "remedy": remedy} for path, rule, remedy in faults],
        "network": _network(recipe) if recipe else [],
        "parameters": recipe.network.count if recipe else None,
        "notes": recipe.notes if recipe else [],
        "name": recipe.name if recipe else name,
        "title": recipe.title if recipe else str(raw.get("title", ""))[:200],
        "trainable": recipe is not None and not faults,
    }
    return Checked(toml, recipe if facts["trainable"] else None, facts)


def edited(toml: str, edit: dict[str, Parsed]) -> str:
    """The text after an edit; comments are lost by it. Raises `UserError` for what is no edit of this text."""
    try:
        raw = parse_toml(toml, "recipe.toml")
    except TomlError as error:
        raise UserError(f"the text is no TOML, and no control can change it: {error.fault.rule}") from error
    layers = raw.get("layers")
    match edit:
        case {"set": str(key), **rest} if rest.keys() == {"text"} or rest.keys() == {"value"}:
            value = toml_value(str(rest["text"])) if "text" in rest else rest["value"]
            _set(raw, key_path(key), value)
        case {"unset": str(key)}:
            _unset(raw, key_path(key))
        case {"insert": int(place), "kind": str(kind)} if isinstance(layers, list) and len(layers) < MOST_LAYERS:
            layers.insert(_within(place, len(layers)), beginning("layers", kind))
        case {"move": [int(start), int(end)]} if isinstance(layers, list) and layers:
            layers.insert(_within(end, len(layers) - 1), layers.pop(_within(start, len(layers) - 1)))
        case {"delete": int(place)} if isinstance(layers, list) and layers:
            del layers[_within(place, len(layers) - 1)]
        case _:
            raise UserError(f"no edit of this recipe: {str(edit)[:200]}")
    try:
        return dump_table(raw)
    except (TypeError, ValueError) as error:
        raise UserError(f"a recipe holds texts, numbers, true and false, lists and tables: {error}") from error


def _set(raw: dict[str, Parsed], path: KeyPath, value: Parsed) -> None:
    section, tag = str(path[0]), path[-1]
    if section in UNIONS and tag == TAGS.get(section, "kind") and isinstance(value, str):
        here: Parsed = raw.setdefault(section, {})
        place = here[path[1]] if section == "layers" and _is_place(here, path) else here
        if isinstance(place, dict) and place.get(tag) != value:
            place.clear()
            place.update(beginning(section, value))
            return
    set_value(raw, path, value, "the page")


def _is_place(layers: Parsed, path: KeyPath) -> bool:
    return isinstance(layers, list) and len(path) == 3 and isinstance(path[1], int) and path[1] < len(layers)


def _unset(raw: dict[str, Parsed], path: KeyPath) -> None:
    here: Parsed = raw
    for part in path[:-1]:
        held = isinstance(here, list) and isinstance(part, int) and part < len(here)
        here = here[part] if held else here.get(str(part)) if isinstance(here, dict) else None  # type: ignore[index]
    if isinstance(here, dict):
        here.pop(str(path[-1]), None)
        if not here and len(path) == 2:
            raw.pop(str(path[0]), None)


def _within(place: int, most: int) -> int:
    return max(0, min(place, most))


def _foreign(recipe: Recipe, trusted: Trusted) -> list[Explained]:
    """A fault for each file that the page may not read."""
    faults = list[Explained]()
    for (section, key), path in _named_files(recipe):
        if not trusted.allows(path):
            rule = f"`{key}`: the page reads only what is uploaded to it, or named where it is started"
            remedy = f"Upload the file, or start `twofold page` with this recipe's own: {path[:200]}"
            faults.append(((section, key), rule, remedy))
    return faults


def _named_files(recipe: Recipe) -> list[tuple[tuple[str, str], str]]:
    """Every file that a recipe names, with the key that names it."""
    parts = {section: getattr(recipe, section) for section in NAMING}
    return [
        ((section, key), str(getattr(part, key)))
        for section, part in parts.items()
        for key in type(part).model_fields
        if (key.endswith("path") or key == "root") and getattr(part, key)
    ]


def paths_of(recipe: Recipe) -> frozenset[str]:
    """The files that a recipe names."""
    return frozenset(path for _, path in _named_files(recipe))


def _network(recipe: Recipe) -> list[dict[str, object]]:
    return [
        {
            "name": node.name,
            "kind": node.kind,
            "input": shape_text(node.input_shape, batch=False),
            "output": shape_text(node.output_shape, batch=False),
            "count": node.count,
            "parameters": {name: list(shape) for name, shape in node.parameters.items()},
        }
        for node in recipe.network.nodes
    ]


def _jsonable(value: Parsed) -> object:
    """A TOML value as JSON: whole numbers beyond 2^53, dates and what is not finite as texts."""
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, float) and value == value and abs(value) != float("inf"):
        return value
    return str(value)
