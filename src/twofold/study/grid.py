"""From a study to its points: every recipe built, every fault told, each point with a name made of its content."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from twofold.errors import Fault, RecipeError, StudyError, UserError, nearest
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.data import Images
from twofold.study.files import Source
from twofold.study.spec import RECIPE, words
from twofold.train.points import at_once
from twofold.train.replicas import common

MOST_POINTS = 100_000
MOST_FAULTS = 10
MOST_TOGETHER = 32
"""Points that are handed over together."""
NO_MATTER: dict[str, Any] = {"title": True, "name": True, "training": {"engines"}}
"""What changes no result."""


@dataclass(frozen=True)
class Planned:
    """One point of the grid: a recipe to be trained once."""

    id: str
    """A short SHA-256 of the recipe and the engine: the same content, the same point."""
    values: tuple[Any, ...]
    """Of the axes, in their order."""
    seed: int
    recipe: Recipe
    data: str = ""
    """What published data are called in full."""


def plan(source: Source) -> list[Planned]:
    """Every point of the study in the grid's order, the seeds innermost.

    Raises `StudyError` with every axis and value that makes no recipe, before anything is trained.
    """
    study = source.study
    count = math.prod(len(axis.values) for axis in study.axes) * len(study.seeds)
    if count > MOST_POINTS:
        raise StudyError(
            f"the study has {count:,} points; at most {MOST_POINTS:,} are run. Take values out of an axis."
        )
    recipes, faults = list[tuple[tuple[Any, ...], Recipe]](), dict[str, Fault]()
    for values in product(*(axis.values for axis in study.axes)):
        try:
            recipes.append((values, _recipe(source, values)))
        except UserError as error:
            for fault in _faults(source, values, error):
                faults.setdefault(f"{fault.place} {fault.rule}", fault)
        if len(faults) >= MOST_FAULTS:
            break
    if faults:
        raise StudyError("\n\n".join(map(str, faults.values())))
    _check_measured(source, recipes)
    planned = [_planned(study.engine, values, seed, recipe) for values, recipe in recipes for seed in study.seeds]
    _all_different(source, planned)
    return planned


def groups(planned: Iterable[Planned], engine: str, jobs: int) -> list[list[Planned]]:
    """Points that are trained at once, together; split so that every job has work.

    What is handed over together is also kept together: what is trained one after another is handed over one by one.
    """
    alike: dict[str, list[Planned]] = {}
    for point in planned:
        alike.setdefault(_digest(common(point.recipe).model_dump(mode="json")), []).append(point)
    found = list[list[Planned]]()
    for group in alike.values():
        most = MOST_TOGETHER if at_once([point.recipe for point in group], engine) else 1
        found += _split(group, min(most, math.ceil(len(group) / jobs)))
    return found


def _split(group: Sequence[Planned], size: int) -> Iterator[list[Planned]]:
    for start in range(0, len(group), size):
        yield list(group[start : start + size])


def _recipe(source: Source, values: Sequence[Any]) -> Recipe:
    settings = dict(source.study.settings)
    settings |= {axis.field: value for axis, value in zip(source.study.axes, values, strict=True)}
    which = _found(source, settings.pop(RECIPE, source.recipe or source.study.recipe))
    # A whole table first, what is set in it after.
    return load_recipe(which, dict(sorted(settings.items(), key=lambda item: item[0].count("."))))


def _found(source: Source, which: Any) -> Any:
    """A file's relative path starts at the study's folder."""
    if source.folder and isinstance(which, str) and which.endswith(".toml"):
        return source.folder / Path(which).expanduser()
    return which


def _planned(engine: str, values: tuple[Any, ...], seed: int, recipe: Recipe) -> Planned:
    seeded = recipe.model_copy(update={"training": recipe.training.model_copy(update={"seed": seed})})
    content = {"engine": engine, "recipe": seeded.model_dump(mode="json", exclude=NO_MATTER)}
    return Planned(_digest(content)[:16], values, seed, seeded)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_measured(source: Source, recipes: Sequence[tuple[tuple[Any, ...], Recipe]]) -> None:
    """A score of samples that are not held out would be missing at every point."""
    metric, axes = source.study.metric, source.study.axes
    split = metric.partition("_")[0]
    for values, recipe in recipes:
        # A folder of images may have a test set of its own.
        if split != "train" and not isinstance(recipe.data, Images) and not getattr(recipe.data, split, True):
            at = f" at {words(axes, values)}" if axes else ""
            rule = f"`{metric}` wants {split} samples; there are none{at}"
            raise StudyError(str(source.fault(("metric",), rule, f"Set data.{split}, or choose another metric.")))


def _all_different(source: Source, planned: Sequence[Planned]) -> None:
    axes, first = source.study.axes, dict[str, Planned]()
    for point in planned:
        same = first.setdefault(point.id, point)
        if same is not point:
            raise StudyError(
                f"two points are the same training: {words(axes, same.values)} and {words(axes, point.values)}. "
                "Take out the axis or the value that makes no difference."
            )


def _faults(source: Source, values: Sequence[Any], error: UserError) -> list[Fault]:
    """The faults of a recipe, where an axis or `set` of the study made them, at that place."""
    faults = error.faults if isinstance(error, RecipeError) else [_as_fault(source, error)]
    return [_placed(source, values, fault) for fault in faults]


def _as_fault(source: Source, error: UserError) -> Fault:
    """`--set KEY: rule`, or a recipe that is not there."""
    message = str(error)
    if message.startswith("--set "):
        return Fault(*message.split(": ", 1))
    by_axis = any(axis.field == RECIPE for axis in source.study.axes)
    return Fault(f"--set {RECIPE}", message) if by_axis else source.fault((RECIPE,), message)


def _placed(source: Source, values: Sequence[Any], fault: Fault) -> Fault:
    key = fault.place.removeprefix("--set ")
    if key == fault.place:
        return fault
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
        recipe = load_recipe(_found(source, source.recipe or source.study.recipe or ""))
    except UserError:
        return rule
    paths = list(_paths(recipe.model_dump(mode="json")))
    ends = {path.rpartition(".")[2]: path for path in paths}
    near = [ends[key]] if key in ends else nearest(key, paths, 1)
    return f"{rule.partition(';')[0]}; did you mean `{near[0]}`?" if near else rule


def _paths(value: Any, prefix: str = "") -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield f"{prefix}{key}"
        yield from _paths(item, f"{prefix}{key}.")
