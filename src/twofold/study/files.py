"""Studies as TOML or from the command line: find one, merge what was asked for, report every fault at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, Unpack

import tomli_w
from pydantic import ValidationError

from twofold.builtin import builtin_texts, builtin_titles
from twofold.errors import Fault, StudyError, UnknownNameError, UserError, did_you_mean
from twofold.foreign import MOST_RECIPE, read_foreign
from twofold.plain import Parsed, native
from twofold.recipe import Recipe
from twofold.recipe import titles as recipe_titles
from twofold.recipe.overrides import assignment, toml_value
from twofold.recipe.places import KeyPath
from twofold.recipe.toml import TomlError, parse_toml
from twofold.study.faults import explain, located, told_once
from twofold.study.search.spec import Dimension
from twofold.study.spec import FOLD, FOLDS, Study, shown

Axes = Mapping[str, Iterable[object]] | Iterable[str]
"""Values by field, or texts as after `--axis`."""
Settings = Mapping[str, object] | Iterable[str]
"""Values by the path of a key, or texts as after `--set`."""


class Keys(TypedDict, total=False):
    """Keys of a study's own table, as an option or an argument gives them; `None` leaves the study's."""

    engine: str | None
    metric: str | None
    folds: int | None
    seeds: object


@dataclass(frozen=True)
class Source:
    """A study, and what is known of where it came from."""

    study: Study
    folder: Path | None = None
    """Where relative recipes start."""
    recipe: Recipe | None = None
    """The recipe given as an object, in place of the study's `recipe`."""
    label: str = "study"
    text: str = ""
    options: Mapping[KeyPath, str] = field(default_factory=dict)
    """The option that set a part of the study, by the path of the part."""

    def fault(self, path: KeyPath, rule: str, remedy: str = "") -> Fault:
        """A fault at its place: the option that set it, or file and line."""
        return located(self.text, self.label, self.options, path, rule, remedy)


def builtin() -> dict[str, str]:
    """The text of every built-in study by its name."""
    return builtin_texts("study")


def titles() -> dict[str, str]:
    """The title of every built-in study by its name."""
    return builtin_titles("study")


def load_study(
    source: str | Path | Recipe,
    *,
    axes: Axes = (),
    overrides: Settings = (),
    **keys: Unpack[Keys],
) -> Source:
    """A built-in study, a study's file, or a recipe with axes of its own; `keys` replace those of the study's table.

    Raises `StudyError` with every fault, each at its place, and `UnknownNameError` with the nearest names.
    """
    text, label, raw, folder = _read(source)
    options = _merge(raw, axes, overrides, keys)
    recipe = source if isinstance(source, Recipe) else None
    try:
        return Source(Study.model_validate(raw), folder, recipe, label, text, options)
    except ValidationError as error:
        rules = [explain(details, raw) for details in told_once(error.errors(include_url=False))]
        faults = [located(text, label, options, path, rule) for path, rule in dict.fromkeys(rules)]
        raise StudyError("\n\n".join(map(str, faults))) from error


def dump(study: Study) -> str:
    """The study as TOML, with every default written out."""
    return tomli_w.dumps(study.model_dump(mode="json", by_alias=True, exclude_none=True))


def loads(text: str, label: str) -> Study:
    """The study in a text that `dump` wrote."""
    try:
        return Study.model_validate(parse_toml(text, label))
    except (ValueError, TomlError) as error:
        raise StudyError(f"{label} is no study that this version wrote: {error}") from error


def _read(source: str | Path | Recipe) -> tuple[str, str, dict[str, object], Path | None]:
    """Text, its name for people, its table, and the folder it stands in. A recipe is a study of that recipe."""
    if isinstance(source, Recipe):
        return "", source.name, _of_recipe(source.name, source.name), None
    if not isinstance(source, str | Path):
        raise UserError(f"a study is a built-in name, a file or a recipe; got {type(source).__name__}")
    name = str(source)
    if name in builtin():
        return builtin()[name], f"{name}.toml", _parse(builtin()[name], f"{name}.toml"), None
    if name in recipe_titles():
        return "", name, _of_recipe(name, name), None
    if Path(name).suffix != ".toml":
        known = [*builtin(), *recipe_titles()]
        raise UnknownNameError(
            f"no study and no recipe `{name}`; {did_you_mean(name, known, most=3)}\n"
            "  `twofold list` shows all; a file's name ends in .toml."
        )
    try:
        text = read_foreign(name, MOST_RECIPE).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"cannot read the study {name[:200]}: {reason}") from error
    raw, folder = _parse(text, name), Path(name).resolve().parent
    if "layers" in raw:
        return "", name, _of_recipe(Path(name).name, Path(name).stem), folder
    return text, name, raw, folder


def _of_recipe(recipe: str, name: str) -> dict[str, object]:
    return {"name": re.sub(r"[^\w.-]", "_", name).lstrip(".") or "study", "recipe": recipe}


def _parse(text: str, label: str) -> dict[str, object]:
    try:
        return {"name": Path(label).stem, **parse_toml(text, label)}
    except TomlError as error:
        raise StudyError(str(error)) from error


def _merge(raw: dict[str, Parsed], axes: Axes, overrides: Settings, keys: Keys) -> dict[KeyPath, str]:
    """Put what was asked for into the table `raw`; returns which option set which part."""
    options: dict[KeyPath, str] = {}
    for key in ("engine", "metric", "folds", "seeds"):
        value = native(_seeds(keys.get(key)) if key == "seeds" else keys.get(key))
        if value is not None:
            raw[key], options[(key,)] = value, f"--{key}"
    if isinstance(raw.get("set"), dict):
        raw["set"] = _flat(raw["set"])
    if isinstance(search := raw.get("search"), dict) and isinstance(search.get("space"), dict):
        raw["search"] = {**search, "space": _flat_space(search["space"])}
    settings, listed = raw.setdefault("set", {}), raw.setdefault("axes", [])
    if not isinstance(settings, dict) or not isinstance(listed, list):
        return options  # nothing can be put into them: the study's own faults say so
    for key, value in _settings(overrides).items():
        settings[key] = value
        options["set", key] = f"--set {key}"
    for name, values in _axes(axes).items():
        index = _index(listed, name)
        axis = listed[index] if index < len(listed) else {}
        listed[index : index + 1] = [{**axis, "field": name, "values": values}]
        options["axes", index] = f"--axis {name}"
    _spread_folds(raw)
    return options


def _spread_folds(raw: dict[str, Parsed]) -> None:
    """Make the folds an axis of the table, and their number a setting of the data."""
    folds = raw.get("folds")
    if isinstance(folds, int) and not isinstance(folds, bool) and 2 <= folds <= MOST_FOLDS:
        raw["set"][FOLDS] = folds
        index = _index(raw["axes"], FOLD)
        raw["axes"][index : index + 1] = [{"field": FOLD, "values": list(range(folds)), "label": "fold"}]


MOST_FOLDS = 1000


def _index(axes: list[object], name: str) -> int:
    """The place of the axis with that field, or the next one."""
    return next((i for i, axis in enumerate(axes) if isinstance(axis, dict) and axis.get("field") == name), len(axes))


def _flat(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """The table with nested keys joined by dots: TOML reads `a.b = 1` as a table in a table, `"a.b" = 1` as one key."""
    leaves: dict[str, object] = {}
    for key, value in table.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def _flat_space(table: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """The space of a search with nested keys joined by dots; a table with ends or choices is a value."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        if isinstance(value, dict) and not value.keys() & Dimension.model_fields.keys():
            flat |= _flat_space(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _settings(overrides: Settings) -> dict[str, object]:
    if isinstance(overrides, Mapping):
        return native(overrides)
    texts = [overrides] if isinstance(overrides, str) else overrides
    return {key: toml_value(value) for key, value in map(assignment, texts)}


def _axes(axes: Axes) -> dict[str, list[object]]:
    if isinstance(axes, Mapping):
        for name, values in axes.items():
            if isinstance(values, str) or not isinstance(values, Iterable):
                raise StudyError(f'axes["{name}"] must be a list of values; got {shown(values)[:60]}')
        return {name: native(list(values)) for name, values in axes.items()}
    values_by_axis: dict[str, list[object]] = {}
    for text in [axes] if isinstance(axes, str) else axes:
        name, values = assignment(text, "--axis", "optimizer.lr=0.01,0.1")
        if name in values_by_axis:
            raise StudyError(f"--axis {name} is given twice; list all values in one: --axis {name}=A,B,C")
        values_by_axis[name] = _values(values)
    return values_by_axis


def _values(text: str) -> list[object]:
    """Values between commas, each read as TOML where it is TOML; a text needs no quotes."""
    listed = toml_value(f"[{text}]")
    return listed if isinstance(listed, list) else [toml_value(part.strip()) for part in text.split(",")]


def _seeds(seeds: object) -> object:
    """`5` is a number of seeds, `3,4` a list of them."""
    if not isinstance(seeds, str):
        return seeds
    listed = _values(seeds)
    return listed[0] if len(listed) == 1 else listed
