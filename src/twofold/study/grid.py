"""From a study to its points: every recipe built, every fault told, each point with a name made of its content."""

from __future__ import annotations

import hashlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic.main import IncEx

from twofold.errors import Fault, RecipeError, StudyError, UserError, nearest
from twofold.plain import Parsed
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.base import Part
from twofold.study.files import Source
from twofold.study.measured import of_another_task, without_samples
from twofold.study.spec import RECIPE, words
from twofold.train.points import at_once
from twofold.train.replicas import common

PartKind = TypeVar("PartKind", bound=Part)
MOST_POINTS = 100_000
MOST_FAULTS = 10
MANY_SETTINGS = 5_000
"""Settings whose planning takes seconds, so that it is shown."""
MOST_TOGETHER, LEAST_TOGETHER = 32, 8
"""Points of a group: the most, and the fewest where groups are made smaller only so that more workers have one."""
SHARED_AMONG = 4
"""Groups into which a study of small networks is cut at least, however many workers there are: the last digits of a
network depend on which others are trained beside it, and must not depend on the workers."""
NO_MATTER: IncEx = {"title": True, "name": True, "training": {"engines"}}
"""Keys of a recipe that change no result: they do not enter the name of a point."""


Value: TypeAlias = Parsed
"""What an axis sets a key to: a number, a text, a list or a whole table."""
Values: TypeAlias = tuple[Value, ...]
"""One value of each axis, in the axes' order."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One point of the grid: a recipe to be trained once."""

    id: str
    """A short SHA-256 of the recipe and the engine: the same content, the same point."""
    values: Values
    """One value of each axis, in the axes' order."""
    seed: int
    setting: Recipe
    """The recipe without the seed, which the points of a setting share: a hundred thousand points fit into memory."""
    data: str = ""
    """What published data are called in full."""
    trial: int | None = None
    """The number of the trial of a search, from 0."""

    @property
    def recipe(self) -> Recipe:
        """What is trained."""
        return _seeded(self.setting, self.seed)


def _silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def plan(source: Source, progress: Callable[[str, int, int], None] = _silent) -> list[Planned]:
    """Every point of the study in the grid's order, the seeds innermost.

    Raises `StudyError` with every axis and value that makes no recipe, before anything is trained.
    """
    study = source.study
    count = math.prod(len(axis.values) for axis in study.axes) * len(study.seeds)
    if count > MOST_POINTS:
        raise StudyError(
            f"the study has {count:,} points; at most {MOST_POINTS:,} are run. Take values out of an axis."
        )
    recipes, faults = list[tuple[Values, Recipe]](), dict[str, Fault]()
    parts: dict[str, object] = {}
    settings = count // len(study.seeds)
    for number, values in enumerate(product(*(axis.values for axis in study.axes))):
        if settings >= MANY_SETTINGS and number % 1000 == 0:
            progress("settings planned", number, settings)
        try:
            recipes.append((values, _sharing(_recipe(source, values), parts)))
        except UserError as error:
            for fault in _faults(source, values, error):
                faults.setdefault(f"{fault.place} {fault.rule}", fault)
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise StudyError("\n\n".join(map(str, faults.values())))
    _check_measured(source, recipes)
    planned = [planned_point(study.engine, values, seed, recipe) for values, recipe in recipes for seed in study.seeds]
    _check_different(source, planned)
    return planned


def groups(planned: Sequence[Planned], engine: str) -> list[list[Planned]]:
    """The whole study in groups that are trained together, in the order in which they are handed over.

    They are a function of the study alone, whatever workers there are and whichever points are there already. What is
    trained one after another is a group of one, so that each is written when it ends.
    """
    alike: dict[str, list[Planned]] = {}
    names: dict[int, str] = {}
    for point in planned:
        setting = point.setting
        if id(setting) not in names:
            names[id(setting)] = _digest(common(setting).model_dump(mode="json"))
        alike.setdefault(names[id(setting)], []).append(point)
    pieces = list[list[Planned]]()
    for kind in alike.values():
        stacked = at_once([kind[0].recipe, kind[-1].recipe], engine) and len(kind) > 1
        pieces += _even(kind, _pieces(len(kind), len(alike)) if stacked else len(kind))
    return pieces


def _pieces(points: int, kinds: int) -> int:
    """Into how many groups `points` points of one kind are cut, in a study of `kinds` kinds."""
    wanted = min(math.ceil(SHARED_AMONG / kinds), points // LEAST_TOGETHER)
    return max(1, wanted, math.ceil(points / MOST_TOGETHER))


def _even(points: Sequence[Planned], pieces: int) -> Iterator[list[Planned]]:
    """The points cut into `pieces` groups of neighbours, whose sizes differ by at most one."""
    bounds = [len(points) * piece // pieces for piece in range(pieces + 1)]
    for start, end in pairwise(bounds):
        yield list(points[start:end])


def base_recipe(source: Source) -> Recipe:
    """The recipe of a search with what `set` says. Raises `StudyError` where it is wrong."""
    try:
        return _recipe(source, ())
    except UserError as error:
        raise StudyError("\n\n".join(str(fault) for fault in _faults(source, (), error))) from None


def _recipe(source: Source, values: Sequence[Value]) -> Recipe:
    settings: dict[str, Value] = dict(source.study.settings)
    settings |= {axis.field: value for axis, value in zip(source.study.axes, values, strict=True)}
    which = _resolved(source, settings.pop(RECIPE, source.recipe or source.study.recipe))
    # A whole table first, what is set in it after.
    return load_recipe(which, dict(sorted(settings.items(), key=lambda item: item[0].count("."))))


def _sharing(recipe: Recipe, parts: dict[str, object]) -> Recipe:
    """The recipe with its tables and texts replaced by equal ones of the recipes before it, which saves memory."""
    shared = dict[str, object]()
    for name, part in recipe:
        if isinstance(part, str):
            shared[name] = sys.intern(part)
            continue
        text = name + (part.model_dump_json() if isinstance(part, Part) else repr(part))
        key = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
        if key not in parts:
            parts[key] = _slim(part, parts) if isinstance(part, Part) else part
        shared[name] = parts[key]
    return _slim(recipe.model_copy(update=shared), parts)


def _slim(part: PartKind, parts: dict[str, object]) -> PartKind:
    """An equal part that takes half the memory.

    Python shares the keys of objects whose attributes are set one by one. The set of the fields that were given, which
    takes more memory than the values, is shared among parts.
    """
    names = parts.setdefault(" ".join(sorted(part.model_fields_set)), part.model_fields_set)
    slim = type(part).__new__(type(part))
    internals = {"__pydantic_fields_set__": names, "__pydantic_extra__": None, "__pydantic_private__": None}
    for name, value in (vars(part) | internals).items():
        object.__setattr__(slim, name, value)
    return slim


def _resolved(source: Source, which: str | Path | Recipe) -> str | Path | Recipe:
    """The recipe that is named; a file's relative path starts at the study's folder."""
    if source.folder and isinstance(which, str) and which.endswith(".toml"):
        return source.folder / Path(which).expanduser()
    return which


def planned_point(engine: str, values: Values, seed: int, recipe: Recipe, trial: int | None = None) -> Planned:
    """A point with its name, a digest of engine and recipe."""
    content: dict[str, Parsed] = {
        "engine": engine,
        "recipe": _seeded(recipe, seed).model_dump(mode="json", exclude=NO_MATTER),
    }
    if recipe.training.shards is None:  # points were named before there were shards
        del content["recipe"]["training"]["shards"]
    return Planned(_digest(content)[:16], values, seed, recipe, trial=trial)


def _seeded(recipe: Recipe, seed: int) -> Recipe:
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"seed": seed})})


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_measured(source: Source, recipes: Sequence[tuple[Values, Recipe]]) -> None:
    """Raises `StudyError` for a metric that points would not have: no samples are held out for it, or no classes."""
    metric, axes = source.study.metric, source.study.axes
    split = metric.partition("_")[0]
    for values, recipe in recipes:
        if "metric" in source.study.model_fields_set and (rule := of_another_task(metric, recipe)):
            other = "test_r2" if recipe.task == "regression" else "test_accuracy"
            raise StudyError(str(source.fault(("metric",), rule, f'Choose metric = "{other}", or a loss.')))
        if rule := without_samples(metric, recipe):
            at = f" at {words(axes, values)}" if axes else ""
            remedy = f"Set data.{split}, or choose another metric."
            raise StudyError(str(source.fault(("metric",), f"{rule}{at}", remedy)))


def _check_different(source: Source, planned: Sequence[Planned]) -> None:
    """Raises `StudyError` where two points are the same training."""
    axes, first = source.study.axes, dict[str, Planned]()
    for point in planned:
        same = first.setdefault(point.id, point)
        if same is not point:
            raise StudyError(
                f"two points are the same training: {words(axes, same.values)} and {words(axes, point.values)}. "
                "Take out the axis or the value that makes no difference."
            )


OVERRIDE = re.compile(r'overrides\["([^"]*)"\]')
"""How a fault names the place of a key that a mapping has set, as a study sets the keys of its recipes."""
SET = re.compile(r"--set (.*)")


def _faults(source: Source, values: Sequence[Value], error: UserError) -> list[Fault]:
    """The faults of a recipe, where an axis or `set` of the study made them, at that place."""
    faults = error.faults if isinstance(error, RecipeError) else [_as_fault(source, error)]
    return [_placed(source, values, fault) for fault in faults]


def _as_fault(source: Source, error: UserError) -> Fault:
    """An error without faults of its own as a fault: a key that cannot be set, or a recipe that is not there."""
    message = str(error)
    if match := OVERRIDE.match(message):
        return Fault(f"--set {match[1]}", message[match.end() :].removeprefix(": "))
    by_axis = any(axis.field == RECIPE for axis in source.study.axes)
    return Fault(f"--set {RECIPE}", message) if by_axis else source.fault((RECIPE,), message)


def _placed(source: Source, values: Sequence[Value], fault: Fault) -> Fault:
    match = OVERRIDE.fullmatch(fault.place) or SET.fullmatch(fault.place)
    if match is None:
        return fault
    key = match[1]
    unknown = fault.rule.startswith("unknown key")
    rule = _with_path(source, key, fault.rule) if unknown else fault.rule
    for index, (axis, value) in enumerate(zip(source.study.axes, values, strict=True)):
        if axis.field == key:
            path = ("axes", index, "field") if unknown else ("axes", index, "values", axis.values.index(value))
            which = f"axis `{key}`" if unknown else f"axis {words([axis], [value])}"
            return source.fault(path, f"{which}: {rule}", fault.remedy)
    return source.fault(("set", key), rule, fault.remedy)


def _with_path(source: Source, key: str, rule: str) -> str:
    """The whole path of the key that was meant: `optimizer.lr` for `lr`."""
    try:
        recipe = load_recipe(_resolved(source, source.recipe or source.study.recipe or ""))
    except UserError:
        return rule
    paths = list(_paths(recipe.model_dump(mode="json")))
    ends = {path.rpartition(".")[2]: path for path in paths}
    near = [ends[key]] if key in ends else nearest(key, paths, 1)
    return f"{rule.partition(';')[0]}; did you mean `{near[0]}`?" if near else rule


def _paths(value: object, prefix: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield f"{prefix}{key}"
        yield from _paths(item, f"{prefix}{key}.")
