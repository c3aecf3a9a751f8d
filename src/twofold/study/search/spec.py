"""What a search is: frozen data that says over which ranges, by which score and with how many trials."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, field_validator

from twofold.errors import did_you_mean
from twofold.recipe.base import Fields, Part
from twofold.runs import SCORES

MEASURED = tuple(score for score in SCORES if not score.startswith("test"))
"""Scores that a search may be judged by: on the test set nothing is chosen."""


MOST_COPIES = 100
"""The most copies of a block: each has parameters of its own, and a column of the table for each of them."""
MOST_COMBINATIONS = 1_000_000
"""The most combinations of a grid, which Optuna lists before the first trial."""


class Dimension(Part):
    """The values that one key may take: a range from `low` to `high`, or choices."""

    low: float | int | None = None
    high: float | int | None = None
    """The ends, both within; whole numbers where both are."""
    log: bool = False
    """Whether values are drawn evenly by their logarithms."""
    choices: Annotated[tuple[object, ...], Field(strict=False)] | None = None
    """Numbers, texts or whole tables."""

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        """A range has two ends in their order; choices are different."""
        low, high, choices = values.get("low"), values.get("high"), values.get("choices")
        if choices is not None:
            if low is not None or high is not None or values.get("log"):
                return ["give `choices`, or `low` and `high`; not both"]
            if not choices:
                return ["`choices` must not be empty"]
            texts = [_text(choice) for choice in choices]
            return [f"`choices` holds {text} twice" for text in dict.fromkeys(texts) if texts.count(text) > 1]
        if low is None or high is None:
            return ["a range wants `low` and `high`; or give `choices`"]
        if low >= high:
            return [f"the range is empty: `low` must be below `high`; got {low} and {high}"]
        if values.get("log") and low <= 0:
            return [f"`low` must be above 0 on a logarithmic scale; got {low}"]
        return []

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def size(self) -> float:
        """How many values it may take; infinite for a range of fractions."""
        if self.choices is not None:
            return len(self.choices)
        assert self.low is not None
        assert self.high is not None
        return self.high - self.low + 1 if self.whole else math.inf


def _kind_of_value(value: object) -> str:
    """Whether a value of a layer stands for a range or choices, or for itself."""
    if isinstance(value, Dimension):
        return "dimension"
    is_dimension = isinstance(value, Mapping) and ({"low", "high"} <= value.keys() or "choices" in value)
    return "dimension" if is_dimension else "plain"


Searched: TypeAlias = Annotated[
    Annotated[Dimension, Tag("dimension")] | Annotated[object, Tag("plain")], Discriminator(_kind_of_value)
]
"""A value of a layer: a range or choices, or the value itself."""


class Block(Part):
    """Layers that stand in the network a number of times, which is searched for too; each time with its own values."""

    at: Annotated[int, Field(ge=0)] = 0
    """Before which layer of the recipe they stand, counted from 0."""
    count: Dimension
    """How many times: a range of whole numbers from 0."""
    layers: Annotated[tuple[dict[str, Searched], ...], Field(strict=False, min_length=1)]
    """The layers, as a recipe has them; a value may be a range or choices."""

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        """A count is a whole number of at least 0."""
        count = values.get("count")
        if isinstance(count, Dimension) and (not count.whole or (count.low or 0) < 0):
            return ["`count` must be a range of whole numbers from 0, as in { low = 0, high = 3 }"]
        if isinstance(count, Dimension) and (count.high or 0) > MOST_COPIES:
            return [f"`count` must end at {MOST_COPIES} at most; got {count.high}"]
        return []


class Search(Part):
    """A search over keys of the recipe."""

    metric: str = "validation_accuracy"
    """The score that is to be high, or the loss that is to be low; never one of the test set."""
    sampler: Literal["tpe", "random", "grid", "cmaes", "gp"] = "tpe"
    """Optuna's: tree-structured Parzen estimators, random values, every combination, CMA-ES, Gaussian processes."""
    pruner: Literal["none", "median", "hyperband"] = "none"
    """Whether a trial is stopped early that is worse, at an evaluation, than those before it were there."""
    trials: Annotated[int, Field(ge=1, le=10_000)] = 60
    at_a_time: Annotated[int, Field(ge=1, le=1000)] = 4
    """Trials that may be under way at a time, whatever workers there are: a trial is proposed from the results of all
    before it but the last `at_a_time` − 1."""
    leaders: Annotated[int, Field(ge=1, le=100)] = 3
    """Trials that are repeated with every other seed of the study; the best mean wins."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the proposals."""
    space: dict[str, Dimension] = Field(default={})
    """What is searched: the values of keys of the recipe by their paths."""
    blocks: Annotated[tuple[Block, ...], Field(strict=False)] = ()
    """Layers that stand in the network a number of times."""

    @field_validator("metric")
    @classmethod
    def _metric(cls, metric: str) -> str:
        if metric in SCORES and metric not in MEASURED:
            other = metric.replace("test", "validation")
            rule = f"a search is never judged on the test set, by `{metric}`"
            raise ValueError(f"{rule}; take `{other}`, and the winner is tested once, at the end")
        if metric not in MEASURED:
            raise ValueError(f"unknown metric `{metric}`; {did_you_mean(metric, MEASURED)}")
        return metric

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        """There is something to search, and a grid is finite."""
        space, blocks = values.get("space"), values.get("blocks")
        if space is None or blocks is None:
            return []
        if not space and not blocks:
            return ["a search wants a `space`: `[search.space]` with a range or choices for a key"]
        if values.get("sampler") != "grid":
            return []
        if blocks:
            return ["the sampler `grid` takes no `blocks`, whose number of values changes; take `tpe`"]
        endless = [name for name, dimension in space.items() if math.isinf(dimension.size)]
        wants = "the sampler `grid` wants choices or whole numbers"
        if endless:
            return [f"{wants}; `{name}` is a range of fractions" for name in endless]
        count = math.prod(int(dimension.size) for dimension in space.values())
        most = f"the sampler `grid` takes at most {MOST_COMBINATIONS:,} combinations"
        return [f"{most}; the space has {count:,}. Take `random`"] if count > MOST_COMBINATIONS else []

    @property
    def maximizes(self) -> bool:
        """Whether a high value of the metric is good."""
        return self.metric.endswith("accuracy")

    @property
    def most(self) -> int:
        """Trials that are run: no more than a grid has points."""
        sizes = [dimension.size for dimension in self.space.values()]
        return int(min(self.trials, math.prod(sizes))) if self.sampler == "grid" else self.trials


def _text(value: object) -> str:
    return json.dumps(value, default=str)
