"""Turns pydantic's errors into sentences that name the argument, the rule, the value and the nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TypeAlias, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from twofold.errors import Fault, did_you_mean
from twofold.plain import Parsed
from twofold.recipe.augmentation import Augmentation
from twofold.recipe.base import Part
from twofold.recipe.columns import Column
from twofold.recipe.data import Data
from twofold.recipe.hints import Hints
from twofold.recipe.layers import Layer
from twofold.recipe.losses import Loss
from twofold.recipe.meanings import meanings
from twofold.recipe.optimizers import Optimizer
from twofold.recipe.places import KeyPath
from twofold.recipe.recipe import Recipe
from twofold.recipe.training import Initial, Schedule, Training

Explained: TypeAlias = tuple[KeyPath, str, str]
"""The path of a fault, the rule, the remedy."""

TAGS = {"layers": "kind", "data": "source"}
UNIONS = {"data": Data, "layers": Layer, "loss": Loss, "optimizer": Optimizer, "schedule": Schedule, "initial": Initial}
WITHIN = {"columns": Column}
"""Sections within another section that have kinds: a column of `[data.columns]`."""
PLAIN: dict[str, type[BaseModel]] = {"augmentation": Augmentation, "training": Training, "page": Hints}
"""The tables without kinds."""
NOUNS = {
    "layers": "layer kind",
    "data": "source",
    "columns": "kind of column",
    "loss": "loss",
    "optimizer": "optimizer",
    "schedule": "schedule",
    "initial": "initial",
}
MOST_SHOWN = 60
EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
    "finite_number": "a finite number",
    "list_type": "a list",
    "dict_attributes_type": "a table",
}


def members(section: str) -> dict[str, type[BaseModel]]:
    """The models of a section by their kind: `members("layers")["dense"]`."""
    union = get_args(get_args((UNIONS | WITHIN)[section])[0])
    tag = TAGS.get(section, "kind")
    return {model.model_fields[tag].default: model for model in union}


def explain(error: ValidationError, raw: Mapping[str, Parsed]) -> list[Explained]:
    """Each fault as (path, rule, remedy); the alternatives of one value (`"full"` or a number) are one fault."""
    rules: dict[tuple[KeyPath, str], list[str]] = {}
    remedies: dict[tuple[KeyPath, str], str] = {}
    for details in error.errors(include_url=False):
        if details["type"] == "too_short" and details["input"]:
            continue  # it holds elements, only none without a fault
        path = _path(details, raw)
        rule = _rule(details, path, raw)
        key = (path, str(details["loc"][-1]) if details["type"] == "missing" else "")
        if rule not in rules.setdefault(key, []):
            rules[key].append(rule)
        remedies.setdefault(key, _remedy(details, path, raw))
    explained = [(key[0], _joined(alternatives), remedies[key]) for key, alternatives in rules.items()]
    return explained + _hidden_conflicts(explained, raw)


def explain_call(model: type[BaseModel], error: ValidationError, values: Mapping[str, object]) -> list[Fault]:
    """The faults of what Python passed to a part of a recipe: the argument, the rule, the value."""
    name, faults = model.__name__, list[Fault]()
    for details in error.errors(include_url=False):
        path = tuple(part for part in details["loc"] if not isinstance(part, str) or _is_key(part, model, values))
        place = f"{name}({'.'.join(map(str, path))})" if path else f"{name}(...)"
        known = list(model.model_fields)
        rule = _rule_of(details, f"`{path[-1] if path else name}`", known)
        fault = Fault(place, rule)
        if fault not in faults:
            faults.append(fault)
    return faults


def _is_key(part: str, model: type[BaseModel], values: Mapping[str, object]) -> bool:
    """Whether a part of pydantic's path is a key, and not the name of an alternative."""
    return part in model.model_fields or part in values or (part.isidentifier() and "-" not in part)


def _rule_of(details: ErrorDetails, name: str, known: list[str]) -> str:
    kind, value = details["type"], details["input"]
    if kind == "missing":
        return f"{name} is missing"
    if kind == "extra_forbidden":
        return f"unknown argument {name}; {did_you_mean(name.strip('`'), known)}"
    if kind == "value_error":
        return str(details.get("ctx", {}).get("error", details["msg"]))
    if kind.startswith("frozen"):
        return "it cannot be changed: make another, as with load_recipe(recipe, {...})"
    return f"{name} must be {EXPECTED.get(kind) or _plain_rule(details)}; got {_shown(value)}"


def _plain_rule(details: ErrorDetails) -> str:
    """Pydantic's rule in our words, as the end of a sentence `... must be`."""
    context = details.get("ctx", {})
    match details["type"]:
        case "string_too_long":
            return f"a text of at most {context['max_length']} character{'s' * (context['max_length'] != 1)}"
        case "string_too_short" | "too_short":
            return f"of at least {context['min_length']}"
        case "too_long":
            return f"a list of at most {context['max_length']} values"
        case "string_pattern_mismatch":
            return f"a text of the form {context['pattern']}"
        case "multiple_of":
            return f"a multiple of {context['multiple_of']}"
        case "int_parsing_size":
            return "a whole number below 2^63"
    message = details["msg"].replace("'", '"')
    for opening in ("Input should be a valid ", "Input should be ", "Value should have ", "String should have "):
        message = message.removeprefix(opening)
    return message[:1].lower() + message[1:]


def _hidden_conflicts(explained: list[Explained], raw: Parsed) -> list[Explained]:
    """Conflicts between keys, which pydantic leaves out where another key of the same table is wrong."""
    tables = {_table(path) for path, _, _ in explained if path}
    hidden = []
    for table in sorted(tables, key=str):
        values: Parsed = reduce(lambda here, part: here[part], table, raw)
        model = _model(table, raw)
        if isinstance(values, Mapping) and model and issubclass(model, Part):
            hidden += [(table, rule, "") for rule in _conflicts(model, values)]
    return [fault for fault in hidden if fault not in explained]


def _conflicts(model: type[Part], values: Mapping[str, Parsed]) -> list[str]:
    """The conflicts of a table some of whose values are wrong, and may be of any type or size.

    A comparison that fails on such a value is no conflict: the value has a fault of its own.
    """
    try:
        return model.conflicts(values)
    except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError):
        return []


def _joined(alternatives: list[str]) -> str:
    """`a must be x; got 1` and `a must be y; got 1` → `a must be x or y; got 1`."""
    if len(alternatives) == 1 or not all(" must be " in rule for rule in alternatives):
        return alternatives[0]
    subject, _, got = alternatives[0].partition("; got")
    others = [rule.partition("; got")[0].partition(" must be ")[2] for rule in alternatives[1:]]
    return f"{subject} or {' or '.join(others)}; got{got}"


def _path(details: ErrorDetails, raw: Parsed) -> KeyPath:
    """The error's place in the file: pydantic's path without the tags of unions."""
    path: KeyPath = ()
    for part in details["loc"]:
        here = raw[part] if _holds(raw, part) else None
        if _holds(raw, part):
            path, raw = (*path, part), here
    if details["type"] == "union_tag_invalid":
        return (*path, TAGS.get(_section(path), "kind"))
    return path


def _holds(raw: Parsed, part: str | int) -> bool:
    if isinstance(raw, Mapping):
        return part in raw
    return isinstance(raw, list | tuple) and isinstance(part, int) and part < len(raw)


def _section(path: KeyPath) -> str:
    """The section whose kinds a table at `path` may have: `columns` for `data.columns.age`."""
    return "columns" if path[:2] == ("data", "columns") and len(path) > 2 else str(path[0]) if path else ""


def _table(path: KeyPath) -> KeyPath:
    """The path of the table with a kind that holds `path`."""
    return path[: {"layers": 2, "columns": 3}.get(_section(path), 1)]


def _model(path: KeyPath, raw: Parsed) -> type[BaseModel] | None:
    """The model that the table at `path` is meant to be, where its kind is a known one."""
    if not path:
        return Recipe
    section = _section(path)
    if section in PLAIN:
        return PLAIN[section]
    if section not in UNIONS | WITHIN:
        return None
    for part in _table(path):
        raw = raw[part]
    kind = raw.get(TAGS.get(section, "kind")) if isinstance(raw, Mapping) else raw
    return members(section).get(kind) if isinstance(kind, str) else None


def names_the_kind(path: KeyPath) -> bool:
    """Whether the key at `path` says of which kind its table is: `layers.0.kind`, `data.source`."""
    section = _section(path)
    return section in UNIONS | WITHIN and path == (*_table(path[:-1]), TAGS.get(section, "kind"))


def _key(path: KeyPath) -> KeyPath:
    """The path of the key whose value is at `path`, or holds it as an element of a list."""
    return _key(path[:-1]) if path and isinstance(path[-1], int) else path


def _name(path: KeyPath) -> str:
    """`units` for a key, `layers[1]` for an element, `recipe` for the whole."""
    if not path:
        return "recipe"
    tail = path[-1]
    return f"{_name(path[:-1])}[{tail}]" if isinstance(tail, int) else str(tail)


def _rule(details: ErrorDetails, path: KeyPath, raw: Parsed) -> str:
    kind, context, value = details["type"], details.get("ctx", {}), details["input"]
    name = f"`{_name(path)}`"
    section = _section(path)
    match kind:
        case "extra_forbidden":
            model = _model(path[:-1], raw)
            return f"unknown key {name}; {did_you_mean(str(path[-1]), model.model_fields if model else [])}"
        case "missing":
            return f"{name} lacks `{details['loc'][-1]}`"
        case "union_tag_invalid":
            tag = TAGS.get(section, "kind")
            return f"unknown {NOUNS[section]} `{value[tag]}`; {did_you_mean(str(value[tag]), members(section))}"
        case "union_tag_not_found":
            tag = TAGS.get(section, "kind")
            return f"{name} lacks `{tag}`; {did_you_mean('', members(section))}"
        case "literal_error":
            allowed = context["expected"].replace("'", '"')
            hint = (
                did_you_mean(value, [a.strip("'") for a in context["expected"].replace(" or ", ", ").split(", ")])
                if isinstance(value, str)
                else ""
            )
            return f"{name} must be {allowed}; got {_shown(value)}" + (f"; {hint}" if hint.startswith("did") else "")
        case "value_error":
            return str(context["error"])
        case "too_short" | "string_too_short":
            return f"{name} must not be empty"
        case "too_long":
            return f"{name} must be a list of at most {context['max_length']} values; got {_shown(value)}"
        case _ if kind in EXPECTED:
            return f"{name} must be {EXPECTED[kind]}; got {_shown(value)}"
        case _:
            return f"{name} must be {_plain_rule(details)}; got {_shown(value)}"


def _remedy(details: ErrorDetails, path: KeyPath, raw: Parsed) -> str:
    """What the key means and its default, from the model's own documentation."""
    if details["type"] == "missing":
        missing = str(details["loc"][-1])
        model = _model(path, raw)
        meaning = meanings(model).get(missing) if model else None
        return f"`{missing}`: {meaning}" if meaning else ""
    *table, name = _key(path) or ("",)
    model = _model(tuple(table), raw) if name else None
    field = model.model_fields.get(str(name)) if model else None
    if model is None or field is None or details["type"] in {"extra_forbidden", "value_error", "union_tag_not_found"}:
        return ""
    meaning = meanings(model).get(str(name), "")
    if _section(path) in UNIONS and len(path) == 1 and isinstance(details["input"], str):
        return f"Name its kind by {path[0]}.{TAGS.get(str(path[0]), 'kind')}."
    bare = field.default in (PydanticUndefined, None) or isinstance(field.default, BaseModel)
    default = "" if bare else f"The default is {_shown(field.default)}."
    about = f"`{name}`: {meaning}" if meaning else ""
    return " ".join(part for part in (about, default) if part)


def _shown(value: Parsed) -> str:
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= MOST_SHOWN else f'"{value[:MOST_SHOWN]}..."'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(_shown(item) for item in value)}]"
    return str(value)[:MOST_SHOWN]
