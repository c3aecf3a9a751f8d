"""Recipes as TOML: find one by name or path, read it, set keys by path, report every fault, write it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tomli_w
from pydantic import TypeAdapter, ValidationError

from twofold.builtin import builtin_texts, builtin_titles
from twofold.errors import Fault, RecipeError, UnknownNameError, UserError, did_you_mean, nearest
from twofold.foreign import MOST_RECIPE, read_foreign
from twofold.plain import Parsed
from twofold.recipe.data import Data
from twofold.recipe.faults import PLAIN, Explained, explain
from twofold.recipe.fit import loss_misfits, misfits
from twofold.recipe.layers import Layer
from twofold.recipe.losses import Loss, LossSpec
from twofold.recipe.network import NetworkFault, infer
from twofold.recipe.overrides import Overrides, in_python, on_the_command_line, set_value, settings_of, turn
from twofold.recipe.places import KeyPath, Place, places
from twofold.recipe.recipe import Recipe
from twofold.recipe.toml import TomlError, marked, parse_toml
from twofold.recipe.training import Schedule


def builtin() -> dict[str, str]:
    """The text of every built-in recipe by its name."""
    return builtin_texts("recipe")


def titles() -> dict[str, str]:
    """The title of every built-in recipe by its name."""
    return builtin_titles("recipe")


MOST_NAME = 200


def load_recipe(recipe: str | Path | Recipe, overrides: Overrides = ()) -> Recipe:
    """The recipe of a built-in name or a TOML file, with single keys set to other values.

    `overrides` is a mapping of paths to values, `{"optimizer.lr": 0.1}`, or texts as after `--set`:
    `["optimizer.lr=0.1"]`; a layer is named by its index, `layers.0.units`; a key that one part alone has may stand
    without it, `lr`.

    Raises `RecipeError` with every fault of the recipe, each at its line; `UnknownNameError` with the nearest
    names where there is no such recipe; `UserError` for a file that cannot be read.
    """
    settings = settings_of(overrides)
    option = in_python if isinstance(overrides, Mapping) else on_the_command_line
    if isinstance(recipe, Recipe):
        if not settings:
            return recipe
        return _parse(dump(recipe), f"recipe {recipe.name}", recipe.name, None, settings, option)
    if not isinstance(recipe, str | Path):
        raise UserError(f"a recipe is a built-in name, a file or a Recipe; got {type(recipe).__name__}")
    text, label, folder = _find(str(recipe))
    return _parse(text, label, Path(label).stem, folder, settings, option)


def loads(text: str, label: str = "recipe.toml", folder: Path | None = None) -> Recipe:
    """The recipe in a TOML text; `label` stands where a file's name would in the faults.

    Relative paths of its data start at `folder`, where there is one.
    """
    return _parse(text, label, Path(label).stem, folder, {})


def dump(recipe: Recipe) -> str:
    """The recipe as TOML, with every default written out: `loads(dump(recipe)) == recipe`."""
    return dump_table(recipe.model_dump(mode="json", exclude_none=True))


def dump_table(raw: Mapping[str, Parsed]) -> str:
    """The table of a recipe, sound or not, as TOML: every table begins with its `title`, `kind` or `source`."""
    return tomli_w.dumps(_kinds_first(dict(raw)))


def _kinds_first(value: Parsed) -> Parsed:
    """The value with the keys `title`, `kind` and `source` first in every table."""
    if isinstance(value, dict):
        ordered = sorted(value.items(), key=lambda item: item[0] not in {"title", "kind", "source"})
        return {key: _kinds_first(item) for key, item in ordered}
    return [_kinds_first(item) for item in value] if isinstance(value, list) else value


def _find(name: str) -> tuple[str, str, Path | None]:
    path = Path(name[:4096].replace("\0", ""))
    if name in builtin():
        return builtin()[name], f"{name}.toml", None
    if path.suffix == ".toml" or _exists(path):
        if _exists(path) and path.is_dir():
            raise UserError(f"{name} is a folder; name a recipe or a file that ends in .toml")
        try:
            return read_foreign(path, MOST_RECIPE).decode("utf-8-sig"), name, path.resolve().parent
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            near = nearest(path.stem, builtin()) if isinstance(error, FileNotFoundError) else []
            hint = f"; did you mean the built-in recipe `{near[0]}`?" if near else ""
            raise UserError(f"cannot read the recipe {name[:MOST_NAME]}: {reason}{hint}") from error
    hint = did_you_mean(name, builtin(), most=3)
    raise UnknownNameError(f"no recipe `{name}`; {hint}\n  `twofold list` shows all; a file's name ends in .toml.")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long to be one
        return False


def _parse(
    text: str,
    label: str,
    name: str,
    folder: Path | None,
    settings: dict[KeyPath, Parsed],
    option: Callable[[KeyPath], str] = on_the_command_line,
) -> Recipe:
    try:
        raw = parse_toml(text, label)
    except TomlError as error:
        raise RecipeError([error.fault]) from error
    for path, value in sorted(settings.items(), key=lambda item: turn(item[0])):
        set_value(raw, path, value, option(path))
    recipe, faults = checked(raw, name, folder)
    if recipe is not None:
        return recipe
    raise RecipeError(_located(faults, text, label, settings, option))


def checked(raw: dict[str, Parsed], name: str, folder: Path | None = None) -> tuple[Recipe | None, list[Explained]]:
    """The recipe in a table, or `None` and every fault with its path. See `loads` for `folder`."""
    raw = _default_kinds({"name": name, **raw})
    try:
        return Recipe.model_validate(raw, context={"folder": folder} if folder else {}), []
    except ValidationError as error:
        explained = explain(error, raw)
    # The fit of the layers has better places and remedies than the model's one sentence for all of them.
    faults = [fault for fault in explained if fault[0]] + [
        fault for fault in explained if not fault[0] and "lacks" in fault[1]
    ]
    return None, faults + _network_faults(raw, [path for path, _, _ in explained]) + _misfits(raw)


def _default_kinds(raw: dict[str, Parsed]) -> dict[str, Parsed]:
    """The tables with the default kind where they name none: so `--set optimizer.lr=1` works without a kind."""
    kinds = {
        name: field.default.kind
        for name, field in Recipe.model_fields.items()
        if hasattr(field.default, "kind") and isinstance(raw.get(name), dict)
    }
    return {**raw, **{name: {"kind": kind, **raw[name]} for name, kind in kinds.items()}}


def _network_faults(raw: dict[str, Parsed], wrong: Sequence[KeyPath]) -> list[Explained]:
    """Faults of the network as a whole, where the layers have none of their own; the data without their faulty keys."""
    if any(path[:1] == ("layers",) for path in wrong) or not {"data", "layers"} <= raw.keys():
        return []
    try:
        sound = {key: value for key, value in raw["data"].items() if ("data", key) not in wrong}
        data = TypeAdapter[Parsed](Data).validate_python(sound)
    except (ValidationError, AttributeError):
        return []
    layers = [TypeAdapter[Parsed](Layer).validate_python(layer) for layer in raw["layers"]]
    _, faults = infer(data.sample_shape, layers, data.class_count, data.targets, data.answers_steps)

    def path(fault: NetworkFault) -> KeyPath:
        return ("layers",) if fault.layer is None else ("layers", fault.layer)

    return [(path(fault), fault.rule, fault.remedy) for fault in faults]


def _misfits(raw: dict[str, Parsed]) -> list[Explained]:
    """Faults between tables, where each by itself is sound."""
    plain = {name: PLAIN[name] for name in ("augmentation", "training")}
    kinds: dict[str, Parsed] = {"data": Data, "layers": tuple[Layer, ...], **plain}
    try:
        parts = [TypeAdapter[Parsed](kind).validate_python(raw.get(name, {})) for name, kind in kinds.items()]
        schedule: Parsed = TypeAdapter[Parsed](Schedule).validate_python(raw.get("schedule", {"kind": "constant"}))
    except ValidationError:
        return []
    unfitting = misfits(*parts, schedule=schedule)
    try:
        loss: LossSpec = TypeAdapter[Parsed](Loss).validate_python(raw.get("loss", {"kind": "cross_entropy"}))
    except ValidationError:
        return [(misfit.path, misfit.rule, misfit.remedy) for misfit in unfitting]
    data, layers = parts[0], parts[1]
    if not infer(data.sample_shape, layers, data.class_count, data.targets, data.answers_steps)[1]:
        unfitting += loss_misfits(data, layers, loss)
    return [(misfit.path, misfit.rule, misfit.remedy) for misfit in unfitting]


def _located(
    faults: list[Explained],
    text: str,
    label: str,
    settings: Mapping[KeyPath, Parsed],
    option_of: Callable[[KeyPath], str],
) -> list[Fault]:
    known, lines = places(text), text.split("\n")  # `splitlines` would also split at U+2028

    def locate(path: KeyPath, rule: str, remedy: str) -> tuple[int, Fault]:
        option = next((key for key in settings if path and _concerns(key, path, rule, known)), None)
        if option is not None:
            return 0, Fault(option_of(option), rule, remedy)
        place = _nearest_place(path, known)
        line = lines[place.line - 1].rstrip("\r") if place.line <= len(lines) else ""
        excerpt = marked(line, place.column) if path and line.strip() else ""
        return place.line, Fault(f"{label}:{place.line}", rule, remedy, excerpt)

    return [fault for _, fault in sorted((locate(*fault) for fault in faults), key=lambda item: item[0])]


def _concerns(option: KeyPath, path: KeyPath, rule: str, known: Mapping[KeyPath, Place]) -> bool:
    """Whether an option caused a fault: it set the value, or a part of it that the rule names or the file lacks."""
    if path[: len(option)] == option:
        return True
    inside = option[: len(path)] == path
    new_kind = option[-1] in {"kind", "source"}
    return inside and (new_kind or path not in known or path[0] == "layers" or f"`{option[-1]}`" in rule)


def _nearest_place(path: KeyPath, known: Mapping[KeyPath, Place]) -> Place:
    while path not in known:
        path = path[:-1]
    return known[path]
