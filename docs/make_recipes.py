"""Write docs/recipes.md, the reference of every key of a recipe, from the models themselves.

python docs/make_recipes.py
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from twofold.recipe.faults import PLAIN, TAGS, members
from twofold.recipe.meanings import meanings
from twofold.recipe.recipe import Recipe

HEAD = """\
# Recipes

Written by `python docs/make_recipes.py` from the models; every key, its rule, its default and its meaning.

A recipe is a TOML file. Tables that it leaves out have defaults, and `twofold show RECIPE` prints the resolved one.
A key may be set on the command line by its path: `--set optimizer.lr=0.1`,
`--set layers.0.units=64`. `data` and `layers` have no default. The shortest recipe there is:

```toml
# shortest.toml
layers = [{ kind = "dense", units = 2 }]

[data]
source = "moons"
```

```sh
twofold show shortest.toml
```

Those that are built in stand in [`src/twofold/recipe/builtin/`](../src/twofold/recipe/builtin/); `twofold list` names
them. At a `–` the key has no value where it is left out, and its meaning says what then holds.
"""
SECTIONS = {
    "data": "Where the samples come from. `source` says which.",
    "columns": "`[data.columns]` of a `table`: what each column is, by its name or a pattern such as `temp_*`. A kind "
    'alone has its defaults, `age = "number"`; with options it is a table, `age = { kind = "number", missing = '
    '"mean" }`. `twofold columns FILE` prints these lines for a file.',
    "layers": "A list; `kind` says which. Each takes what the one before it gives; the last gives one number a class.",
    "loss": "What is made small.",
    "optimizer": "How the parameters follow the gradient.",
    "schedule": "How the learning rate η changes; k counts steps or epochs.",
    "initial": "Where the parameters begin.",
    "augmentation": "",
    "training": "",
    "page": "",
}
Row = tuple[str, str, str, str]


def page() -> str:
    """The whole reference."""
    parts = [HEAD, _contents(), _table("Beside the tables", [_row(Recipe, key) for key in ("title", "name")])]
    for section, text in SECTIONS.items():
        model = PLAIN.get(section)
        parts.append(f"## `{section}`\n\n{text or _summary(model)}{_default_kind(section)}\n")
        parts += [_table("", _rows(model))] if model else _kinds(section)
    return "\n".join(parts)


def _contents() -> str:
    lines = []
    for section in SECTIONS:
        tag = TAGS.get(section, "kind")
        kinds = [] if section in PLAIN else members(section)
        names = " · ".join(f"[{kind}](#{tag}--{kind})" for kind in kinds)
        lines.append(f"- [`{section}`](#{section})" + (f": {names}" if names else ""))
    return "\n".join(lines) + "\n"


def _kinds(section: str) -> list[str]:
    """Each kind with its own keys; before them, once, those that most kinds have alike."""
    tag, models = TAGS.get(section, "kind"), members(section)
    rows = {kind: [row for row in _rows(model) if row[0] != tag] for kind, model in models.items()}
    often = Counter(row for own in rows.values() for row in own)
    common = [row for row, times in often.items() if times >= max(4, 0.7 * len(models))]
    lacking = {key: [kind for kind, model in models.items() if key not in model.model_fields] for key, *_ in common}
    absent = []
    for key, kinds in lacking.items():
        names = " and ".join(f"`{kind}`" for kind in kinds)
        absent += [f"{names} {'has' if len(kinds) == 1 else 'have'} no `{key}`"] if kinds else []
    other = [key for key, *_ in common if any(row[0] == key and row not in common for row in often)]
    again = ["a kind whose own table names one of them again has it as it stands there"] if other else []
    text = "; ".join([f"Keys of every {tag}", *absent, *again])
    parts = [_table(text, common)] if common else []
    for kind, model in models.items():
        own = [row for row in rows[kind] if row not in common]
        text = _summary(model) + _derivation(section, kind)
        parts.append(f'### `{tag} = "{kind}"`\n\n{text}\n' + (f"\n{_table('', own)}" if own else ""))
    return parts


def _derivation(section: str, kind: str) -> str:
    """A link to where the way back, or the step, is derived."""
    if section not in ("layers", "loss", "optimizer"):
        return ""
    pages = sorted((Path(__file__).parent / "derivations").glob("*.md"))
    found = next((path.name for path in pages if f"\n## `{kind}`\n" in path.read_text("utf-8")), None)
    return f" [Derivation](derivations/{found}#{kind})." if found else ""


def _default_kind(section: str) -> str:
    field = Recipe.model_fields.get(section)
    default = PydanticUndefined if field is None else field.default
    tag = TAGS.get(section, "kind")
    return "" if default is PydanticUndefined or section in PLAIN else f" `{getattr(default, tag)}` where left out."


def _table(heading: str, rows: list[Row]) -> str:
    lines = ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [f"| `{key}` | {rule} | {default} | {meaning} |" for key, rule, default, meaning in rows]
    return (f"{heading}:\n\n" if heading else "") + "\n".join(lines) + "\n"


def _rows(model: type[BaseModel]) -> list[Row]:
    return [_row(model, name) for name in model.model_fields]


def _row(model: type[BaseModel], name: str) -> Row:
    field = model.model_fields[name]
    default = field.default if field.default_factory is None else {}
    return name, _rule(model.model_json_schema()["properties"][name]), _default(default), meanings(model).get(name, "")


def _summary(model: type[BaseModel] | None) -> str:
    return " ".join((model.__doc__ or "").split()) if model else ""


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "needed"
    return "–" if value is None else f"`{json.dumps(value)}`"


TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
BOUNDS = {"exclusiveMinimum": "> {}", "minimum": "≥ {}", "exclusiveMaximum": "< {}", "maximum": "≤ {}"}
COUNTS = {2: "two", 3: "three"}


def _rule(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        rules = [_rule(option) for option in schema["anyOf"] if option.get("type") != "null"]
        return " or ".join(rules).replace(f"or list of two: {rules[0]}", "or a list of two")
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return _list(schema)
    if schema.get("type") == "object":
        return "table"
    bounds = [text.format(_number(schema[key])) for key, text in BOUNDS.items() if key in schema]
    return " ".join([TYPES.get(schema.get("type", ""), "value"), ", ".join(bounds)]).strip()


def _list(schema: dict[str, Any]) -> str:
    """`list of two: number ≥ 0`, or of each place by itself where they differ."""
    if places := schema.get("prefixItems"):
        rules = [_rule(place) for place in places]
        return f"list of {COUNTS[len(rules)]}: " + (rules[0] if len(set(rules)) == 1 else " and ".join(rules))
    rule = _rule(schema["items"])
    word = re.split(" of | [<>≤≥]", rule)[0]
    return "list of " + (rule if rule.startswith("`") else rule.replace(word, f"{word}s", 1))


def _number(value: float) -> str:
    power = int(value).bit_length() - 1
    if power > 20 and value == 2**power:
        return f"2^{power}"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


if __name__ == "__main__":
    (Path(__file__).parent / "recipes.md").write_text(page(), "utf-8")
