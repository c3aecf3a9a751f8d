"""What a study is: frozen data that spans a grid over fields of a recipe and over seeds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field, field_validator

from twofold.errors import did_you_mean
from twofold.plain import Parsed
from twofold.recipe.base import EngineName, Fields, Part
from twofold.runs import ALL_SCORES
from twofold.study.search.spec import Search

RECIPE = "recipe"
"""The field that says which recipe is trained."""
SEED = "training.seed"
FOLD, FOLDS = "data.fold", "data.folds"
MOST_SEEDS = 1_000_000
"""A larger number of seeds is one seed that was meant as such; it would fill the memory before any grid is counted."""
FOLDER_NAME = r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,99}"
TOP = ("title", "name", "recipe", "engine", "metric", "folds", "seeds", "set", "axes", "search")
"""The keys of a study, for people."""


class Axis(Part):
    """One field of the recipe, and the values that it takes."""

    field: Annotated[str, Field(min_length=1)]
    """The path of a key, `optimizer.lr` or `layers.0.units`, or `recipe`: which recipe."""
    values: Annotated[tuple[Parsed, ...], Field(strict=False, min_length=1)]
    """What it takes in turn: numbers, texts, or whole tables."""
    label: str = ""
    """What the report calls it; the field where left out."""

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        """A value is given once."""
        rules, earlier = [], list[object]()
        for value in values.get("values") or ():
            if value in earlier:
                rules.append(f"axis `{values.get('field')}` takes the value {shown(value)} twice")
            earlier.append(value)
        return rules

    @property
    def name(self) -> str:
        """The label, or the field."""
        return self.label or self.field

    @property
    def numeric(self) -> bool:
        """Whether every value is a number."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


class Study(Part):
    """Every combination of the values of the axes, each with every seed, in one engine."""

    title: str = ""
    """One line for people."""
    name: str = "study"
    """The file's name without its ending, where it gives none."""
    recipe: Annotated[str, Field(min_length=1)] | None = None
    """A built-in recipe, or a file: a relative path starts at the study's own folder. An axis `recipe` takes its
    place."""
    engine: EngineName = "numpy"
    """Which engine trains."""
    metric: str = "test_accuracy"
    """The score that the report compares; where left out and numbers are predicted, `test_r2`."""
    folds: Annotated[int, Field(ge=2, le=1000)] | None = None
    """Cross-validation: so many parts of the data, each the test in turn. Their mean stands for a setting."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of initial weights, order and masks: a number n for 0 to n − 1, or a list."""
    settings: dict[str, object] = Field(alias="set", default={})
    """Keys of the recipe by their paths, for every point: what `--set` does."""
    axes: Annotated[tuple[Axis, ...], Field(strict=False)] = ()
    """What is varied; none: only the seed is."""
    search: Search | None = None
    """Points proposed one after another, in place of a grid."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, seeds: Parsed) -> tuple[int, ...]:
        if _whole(seeds) and seeds > MOST_SEEDS:
            rule = f"`seeds` must be a number of seeds up to {MOST_SEEDS:,}, or a list; got {shown(seeds)[:60]}"
            raise ValueError(f"{rule}. One seed alone is written as a list: [{shown(seeds)[:60]}]")
        listed = range(seeds) if _whole(seeds) else seeds
        good = isinstance(listed, list | tuple | range) and all(_whole(seed) and seed >= 0 for seed in listed)
        if not good or not listed or len(set(listed)) < len(listed):
            raise ValueError(
                "`seeds` must be a whole number of at least 1, or a list of different whole numbers from 0; "
                f"got {shown(seeds)}"
            )
        return tuple(listed)

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not re.fullmatch(FOLDER_NAME, name):
            raise ValueError(f"`name` must be fit for a folder: no slash, no point in front; got {shown(name)[:60]}")
        return name

    @field_validator("metric")
    @classmethod
    def _metric(cls, metric: str) -> str:
        if metric not in ALL_SCORES:
            raise ValueError(f"unknown metric `{metric}`; {did_you_mean(metric, ALL_SCORES)}")
        return metric

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        """A key is set in one place."""
        fields, settings = [axis.field for axis in values["axes"]], values["settings"]
        rules = [
            f"two axes have the same field `{field}`" for field in dict.fromkeys(fields) if fields.count(field) > 1
        ]
        rules += [f"`{field}` is set and is an axis too; take it out of one" for field in fields if field in settings]
        if SEED in fields or SEED in settings:
            rules.append(f"`{SEED}` of each point comes from `seeds`; give `seeds` in its place")
        if values["search"] is not None:
            rules += _search_conflicts(values["search"], fields, settings)
        if values["recipe"] is None and RECIPE not in fields:
            rules.append("a study wants a `recipe`, or an axis with the field `recipe`")
        return rules

    @property
    def varied(self) -> tuple[Axis, ...]:
        """The axes that are compared: not that of the folds, whose mean is taken."""
        return tuple(axis for axis in self.axes if axis.field != FOLD)

    @property
    def tests(self) -> int:
        """How many trainings of a setting a seed has: one for each fold, whose mean is taken; else 1."""
        return next((len(axis.values) for axis in self.axes if axis.field == FOLD), 1)

    @property
    def repeated(self) -> str:
        """What a setting's trainings are called: each is a seed, a fold, or a seed in a fold."""
        return "seed" if self.tests == 1 else "fold" if len(self.seeds) == 1 else "training"

    @property
    def _block_words(self) -> list[str]:
        return ["layers"] if self.search and self.search.blocks else []

    @property
    def _alone(self) -> str:
        return f"{self.folds} folds" if self.folds else "the seed"

    @property
    def heading(self) -> str:
        """The title, or what is varied."""
        if self.search:
            return self.title or f"{self.name}: a search over {', '.join([*self.search.space, *self._block_words])}"
        return self.title or f"{self.name} against {', '.join([axis.name for axis in self.varied] or [self._alone])}"


def _search_conflicts(search: Search, fields: Sequence[str], settings: Mapping[str, object]) -> list[str]:
    rules = ["a study has `axes` or a `search`; take one out"] if fields else []
    rules += [f"`{key}` is set and is searched too; take it out of one" for key in search.space if key in settings]
    if SEED in search.space:
        rules.append(f"`{SEED}` of each trial comes from `seeds`; give `seeds` in its place")
    return rules


def shown(value: object) -> str:
    """A value as JSON: short, and alike wherever it stands."""
    return json.dumps(list(value) if isinstance(value, range | tuple) else value, ensure_ascii=False, default=str)


def words(axes: Sequence[Axis], values: Sequence[object], seed: int | None = None) -> str:
    """A place in the grid: `optimizer.lr = 0.1, data.noise = 0.2, seed 3`."""
    parts = [f"{axis.field} = {shown(value)}" for axis, value in zip(axes, values, strict=True)]
    return ", ".join(parts + ([] if seed is None else [f"seed {seed}"]))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
