"""Overrides of a recipe: a key by its path, `optimizer.lr`, and the value that it is set to."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from twofold.errors import UserError
from twofold.foreign import MOST_DEPTH
from twofold.plain import Parsed, native
from twofold.recipe.faults import PLAIN, UNIONS, members, names_the_kind
from twofold.recipe.places import KeyPath
from twofold.recipe.recipe import Recipe

Overrides: TypeAlias = Mapping[str, object] | Iterable[str]
"""Overrides of a recipe: values by dotted key, or texts `KEY=VALUE` as on the command line."""
FIRST = (("kind", "source", "evaluate_unit"), ("epochs", "steps"))
"""Keys that are set before all others, in this order."""
OTHER_LENGTH: dict[KeyPath, str] = {("training", "epochs"): "steps", ("training", "steps"): "epochs"}
"""The key that is removed when a training's length is set: the one that counts it in the other unit."""
OTHER_NAMES = {"learning_rate": "lr", "batch": "batch_size"}
"""Names under which a key is known elsewhere."""


def on_the_command_line(path: KeyPath) -> str:
    """The option that sets a key, as it is written on the command line."""
    return f"--set {'.'.join(map(str, path))}"


def in_python(path: KeyPath) -> str:
    """The place of a key in the mapping, as it is written in Python."""
    return f'overrides["{".".join(map(str, path))}"]'


def settings_of(overrides: Overrides) -> dict[KeyPath, Parsed]:
    """The values by the full paths of their keys."""
    if isinstance(overrides, Mapping):
        return {_whole(key_path(key)): native(value) for key, value in overrides.items()}
    texts = [overrides] if isinstance(overrides, str) else overrides
    return {_whole(key_path(key)): toml_value(value) for key, value in map(assignment, texts)}


def _whole(path: KeyPath) -> KeyPath:
    """`lr` as `optimizer.lr`: the path of a key that only one part of a recipe has; any other path as it is.

    Raises `UserError` for a key that several parts have.
    """
    if len(path) != 1 or not isinstance(path[0], str) or path[0] in Recipe.model_fields:
        return path
    key = OTHER_NAMES.get(path[0], path[0])
    parts = [part for part in (*UNIONS, *PLAIN) if part != "layers" and _has_key(part, key)]
    if len(parts) > 1:
        several = " or ".join(f"`{part}.{key}`" for part in parts)
        raise UserError(f"`{path[0]}` is a key of several parts of a recipe; write {several}")
    return (parts[0], key) if parts else path


def _has_key(part: str, key: str) -> bool:
    models = [PLAIN[part]] if part in PLAIN else members(part).values()
    return any(key in model.model_fields for model in models)


def assignment(text: str, option: str = "--set", example: str = "optimizer.lr=0.1") -> tuple[str, str]:
    """Key and value of a text such as `optimizer.lr=0.1`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UserError(f"{option} wants KEY=VALUE, as in {example}; got `{text}`")
    return key.strip(), value.strip() or value


def key_path(key: str) -> KeyPath:
    """`layers.0.units` as a path."""
    if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance] from Python anything comes
        raise UserError(f"the key of an override is a text such as `optimizer.lr`; got {key!r:.60}")
    if key.count(".") >= MOST_DEPTH:
        raise UserError(f"a key has at most {MOST_DEPTH} parts; got {key[:60]}... of {key.count('.') + 1}")
    return tuple(int(part) if _is_place(part) else part for part in key.split("."))


def _is_place(part: str) -> bool:
    """Whether a part of a key counts the elements of a list; no list has a billion."""
    return part.isascii() and part.isdecimal() and len(part) < 10


def toml_value(text: str) -> Parsed:
    """The value of a TOML text; a text that is no TOML value stands for itself, so that it needs no quotes."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if len(parsed) == 1 else text


def turn(path: KeyPath) -> int:
    """The turn of a key: kinds and units first, then lengths, since these remove other keys of their table."""
    return next((turn for turn, keys in enumerate(FIRST) if path[-1] in keys), len(FIRST))


def set_value(raw: dict[str, Parsed], path: KeyPath, value: Parsed, option: str) -> None:
    """Put `value` at `path`; another `kind` empties its table first, another length removes the old one.

    With the length goes `evaluate_every`, if it counted in the same unit: an evaluation each epoch is not meant to
    become one each step.
    """
    here: Parsed = raw
    for part in path[:-1]:
        here = _child(here, part, option)
    last = path[-1]
    if not isinstance(here, dict):
        _child(here, last, option)
        here[last] = value
        return
    if names_the_kind(path) and here.get(str(last)) != value:
        here.clear()
    if here.pop(OTHER_LENGTH.get(path), None) is not None and "evaluate_unit" not in here:
        here.pop("evaluate_every", None)
    here[str(last)] = value


def _child(here: Parsed, part: str | int, option: str) -> Parsed:
    """The value under `part`; a missing table is made."""
    if isinstance(here, dict):
        return here.setdefault(str(part), {})
    if not isinstance(here, list):
        raise UserError(f"{option}: a value and no table holds `{part}`")
    if not (isinstance(part, int) and part < len(here)):
        raise UserError(f"{option}: choose an element from 0 to {len(here) - 1}; got {part}")
    return here[part]
