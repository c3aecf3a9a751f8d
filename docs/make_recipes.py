"""Write docs/recipes.md, the reference of every key of a recipe, from the models themselves.

python docs/make_recipes.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from twofold.recipe.faults import PLAIN, TAGS, members
from twofold.recipe.recipe import Recipe

HEAD = """\
# Recipes

Written by `python docs/make_recipes.py` from the models; every key, its rule, its default and its meaning.

A recipe is a TOML file. Tables that it leaves out have defaults, and `twofold show RECIPE` prints the resolved one.
A key may be set on the command line by its path: `--set optimizer.lr=0.1`,
`--set layers.0.units=64`. `data` and `layers` have no default.
"""


def page() -> str:
    """The whole reference."""
    parts = [HEAD]
    for section in ("data", "layers", "loss", "optimizer", "schedule", "initial"):
        parts.append(f"## `{section}`\n\n{_default_kind(section)}")
        tag = TAGS.get(section, "kind")
        parts += [_model(f'{tag} = "{kind}"', model, tag) for kind, model in members(section).items()]
    parts += [_model(name, model, "").replace("###", "##", 1) for name, model in PLAIN.items()]
    return "\n".join(parts)


def _default_kind(section: str) -> str:
    default = Recipe.model_fields[section].default
    return "" if default is PydanticUndefined else f"`{default.kind}` where left out.\n"


def _model(heading: str, model: type[BaseModel], tag: str) -> str:
    summary = " ".join((model.__doc__ or "").split())
    schema = model.model_json_schema()["properties"]
    rows = [
        f"| `{name}` | {_rule(schema[name])} | {_default(field.default)} | {_meaning(field)} |"
        for name, field in model.model_fields.items()
        if name != tag
    ]
    head = "| key | value | default | meaning |\n| --- | --- | --- | --- |\n" if rows else ""
    return f"### `{heading}`\n\n{summary}\n\n{head}" + "\n".join(rows) + ("\n" if rows else "")


def _meaning(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    if value is None:
        return "–"
    shown = str(value).lower() if isinstance(value, bool) else str(list(value) if isinstance(value, tuple) else value)
    return f"`{shown}`"


TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "array": "list"}
BOUNDS = {"exclusiveMinimum": "> {}", "minimum": "≥ {}", "exclusiveMaximum": "< {}", "maximum": "≤ {}"}


def _rule(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_rule(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    bounds = [text.format(f"{schema[key]:g}") for key, text in BOUNDS.items() if key in schema]
    return " ".join([TYPES.get(schema.get("type", ""), "value"), ", ".join(bounds)]).strip()


if __name__ == "__main__":
    (Path(__file__).parent / "recipes.md").write_text(page(), "utf-8")
