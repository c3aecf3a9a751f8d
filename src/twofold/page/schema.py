"""What the page's controls are made of: every kind of every table, its fields with limits and helps."""

from __future__ import annotations

import re
from functools import cache
from typing import get_args

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from twofold.plain import Parsed
from twofold.recipe.faults import PLAIN, TAGS, UNIONS, members
from twofold.recipe.meanings import meanings

LIMITS = {
    "minimum": "min",
    "exclusiveMinimum": "above",
    "maximum": "max",
    "exclusiveMaximum": "below",
    "minLength": "shortest",
}
BEGINNINGS: dict[str, object] = {
    "units": 10,
    "channels": 8,
    "kernel": 3,
    "num_groups": 1,
    "num_embeddings": 10,
    "length": 5,
    "step_size": 10,
    "gamma": 0.95,
    "size": 32,
    "path": "",
    "label": "",
}
"""What a field without a default is set to when its table is made by a control."""


@cache
def schema() -> dict[str, object]:
    """The tables of a recipe in the order in which the page shows them."""
    kinds = {section: {"tag": TAGS.get(section, "kind"), "kinds": _kinds(section)} for section in UNIONS}
    plain = {section: {"tag": None, "kinds": {"": _model(model)}} for section, model in PLAIN.items()}
    return {**kinds, **plain}


def beginning(section: str, kind: str) -> dict[str, object]:
    """A new table of a kind, with a value for each field that has no default; empty for an unknown kind."""
    model = members(section).get(kind)
    table: dict[str, object] = {TAGS.get(section, "kind"): kind}
    if model:
        table |= {name: _first(model, name) for name, field in model.model_fields.items() if field.is_required()}
    return table


def _first(model: type[BaseModel], name: str) -> object:
    """The value with which a control begins a field: from BEGINNINGS, else a plain one of the field's type.

    A plain value may break a rule of the recipe; the fault that is then shown says what is wanted.
    """
    kind = next((part.get("type") for part in _alternatives(model.model_json_schema()["properties"][name])), "string")
    plain = {"integer": 1, "number": 1.0, "boolean": False, "array": []}.get(str(kind), "")
    begun = BEGINNINGS.get(name, plain)
    return [begun] if kind == "array" and not isinstance(begun, list) else begun


def _kinds(section: str) -> dict[str, object]:
    models = members(section)
    groups = _families(section)
    return {kind: {**_model(model), "group": groups.get(kind, "")} for kind, model in models.items()}


def _families(section: str) -> dict[str, str]:
    """The modules in which the kinds of layers stand: `activations`, `norms`, `pooling`."""
    union = get_args(get_args(UNIONS[section])[0])
    return {
        model.model_fields[TAGS.get(section, "kind")].default: model.__module__.rpartition(".")[2] for model in union
    }


def _model(model: type[BaseModel]) -> dict[str, object]:
    properties = model.model_json_schema()["properties"]
    fields = [
        _field(name, properties[name], model)
        for name in model.model_fields
        if name in properties and "const" not in properties[name]
    ]
    return {"help": _text(model.__doc__ or ""), "fields": fields}


def _field(name: str, described: dict[str, Parsed], model: type[BaseModel]) -> dict[str, object]:
    """One control: which values it takes, its limits, its default, its help."""
    alternatives = _alternatives(described)
    choices = [
        choice for part in alternatives for choice in part.get("enum", [part["const"]] if "const" in part else [])
    ]
    types = {str(part.get("type", "string")) for part in alternatives if "enum" not in part and "const" not in part}
    limits = {
        short: part[long] for part in alternatives for long, short in LIMITS.items() if long in part and len(types) == 1
    }
    default = model.model_fields[name].get_default(call_default_factory=True)
    return {
        "name": name,
        "types": sorted(types),
        "choices": choices,
        "help": _text(meanings(model).get(name, "")),
        "required": default is PydanticUndefined,
        "default": None if default is PydanticUndefined else _plain(default),
        **limits,
    }


def _alternatives(described: dict[str, Parsed]) -> list[dict[str, Parsed]]:
    return [part for part in described.get("anyOf", [described]) if part.get("type") != "null"]


def _plain(value: Parsed) -> object:
    return list(value) if isinstance(value, tuple) else value


def _text(documented: str) -> str:
    """A docstring as one paragraph, without the marks of code."""
    return re.sub(r"\s+", " ", documented.replace("`", "")).strip()
