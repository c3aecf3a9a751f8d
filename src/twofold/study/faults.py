"""From pydantic's errors to sentences about a study, each at the option or the line that it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pydantic_core import ErrorDetails

from twofold.errors import Fault, did_you_mean
from twofold.plain import Parsed
from twofold.recipe.faults import EXPECTED
from twofold.recipe.places import KeyPath, places
from twofold.recipe.toml import line_at, marked
from twofold.study.search.spec import Block, Dimension, Search
from twofold.study.spec import TOP, Axis, shown


def told_once(errors: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """The errors without those of lists that pydantic calls too short only because it took out their wrong elements."""
    above = {details["loc"][:length] for details in errors for length in range(len(details["loc"]))}
    return [details for details in errors if details["type"] != "too_short" or details["loc"] not in above]


def explain(details: ErrorDetails, raw: dict[str, Parsed]) -> tuple[KeyPath, str]:
    """Where a fault is, and the rule that it breaks."""
    kind, path = details["type"], details["loc"]
    name, value = f"`{_name(path)}`", details["input"]
    if kind == "extra_forbidden":
        known = _keys_at(path)
        return path, f"unknown key {name}; {did_you_mean(str(path[-1]), known)}"
    if kind == "missing":
        return path[:-1], f"`{_name(path[:-1])}` lacks `{path[-1]}`"
    if kind == "value_error":
        return _with_place(str(details["ctx"]["error"]), path, raw) if "ctx" in details else (path, details["msg"])
    if kind in {"too_short", "string_too_short"}:
        whose = f" of axis `{raw['axes'][path[1]].get('field')}`" if path[0] == "axes" and len(path) > 2 else ""
        return path, f"{name}{whose} must not be empty"
    expected = EXPECTED.get(kind) or details["msg"].removeprefix("Input should be ").replace("'", '"')
    return path, f"{name} must be {expected}; got {shown(value)[:60]}"


def _keys_at(path: KeyPath) -> Iterable[str]:
    """The keys that the table may have in which an unknown one was found."""
    match path[:-1]:
        case ("axes", _):
            return Axis.model_fields
        case ("search",):
            return Search.model_fields
        case ("search", "space", _) | ("search", "blocks", _, "count") | ("search", "blocks", _, "layers", *_):
            return Dimension.model_fields
        case ("search", "blocks", _):
            return Block.model_fields
    return TOP


def _with_place(rule: str, path: KeyPath, raw: dict[str, Parsed]) -> tuple[KeyPath, str]:
    """The place of a rule, and the rule. A rule between keys has no path: its place is the last axis that it names."""
    if path:
        return path, rule
    named = [i for i, axis in enumerate(raw["axes"]) if f"`{axis['field']}`" in rule]
    return (("axes", named[-1]) if named else ()), rule


def _name(path: KeyPath) -> str:
    """`values` for a key, `axes[1]` for an element."""
    if not path:
        return "study"
    return f"{_name(path[:-1])}[{path[-1]}]" if isinstance(path[-1], int) else str(path[-1])


def located(text: str, label: str, options: Mapping[KeyPath, str], path: KeyPath, rule: str, remedy: str = "") -> Fault:
    """A fault at its place: the option that set it, or file and line."""
    option = next((name for key, name in options.items() if path[: len(key)] == key), None)
    if option is not None or not text:
        return Fault(option or label, rule, remedy)
    known = places(text)
    depth = 1 if path[:1] == ("set",) else 2 if path[:2] == ("search", "space") else 0
    if depth and path not in known:
        path = (*path[:depth], *(part for key in path[depth:] for part in str(key).split(".")))
    while path not in known:
        path = path[:-1]
    place = known[path]
    line = line_at(text, place.line) if path else ""
    return Fault(f"{label}:{place.line}", rule, remedy, marked(line, place.column) if line.strip() else "")
