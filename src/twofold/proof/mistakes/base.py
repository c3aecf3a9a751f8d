"""What a mistake is: data that turns a right computation into a wrong one, with a name and a sentence.

A computation is written once for each kind, with *switches*: named places at which it goes another way. Without a
switch it is the right one. A mistake turns switches on, or builds the computation with other settings than asked for;
two mistakes together turn on the switches of both. So the catalogue predicts what a student's code with that mistake
gives, number for number, and a name is given only where the numbers are those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.recipe.base import Pair, pair

STEP = 1e-30
"""Step along the imaginary axis: f(x + i h) = f(x) + i h f'(x) without any difference, so without rounding."""
Derivative = Literal["formula", "own", "right"]
Settings: TypeAlias = Mapping[str, object]
"""The settings of a kind, or the facts of a scene, by name; `None` where one is left out."""


def number(settings: Settings, name: str, default: float | None = None) -> float:
    """The setting `name` as a number. Raises `TypeError` if it is none."""
    value = settings.get(name)
    value = default if value is None else value
    if not isinstance(value, int | float | np.number):
        raise TypeError(f"`{name}` must be a number; got {value!r}")
    return float(value)


def whole(settings: Settings, name: str, default: int | None = None) -> int:
    """The setting `name` as a whole number. Raises `TypeError` if it is no number."""
    return int(number(settings, name, default))


def size(settings: Settings, name: str, default: int | None = None) -> Pair:
    """The setting `name` as height and width: two whole numbers, or one for both."""
    value = settings.get(name)
    if isinstance(value, list | tuple):
        height, width = value
        return int(height), int(width)
    return pair(whole(settings, name, default))


@dataclass(frozen=True)
class Making:
    """How a computation is built: its kind and settings, its switches, and how its backward pass is derived."""

    kind: str
    settings: Settings
    switches: frozenset[str] = frozenset()
    derivative: Derivative = "formula"
    """Backward pass after a mistake in the forward pass. `formula`: the textbook's, on the cache of the wrong forward
    pass; `own`: the derivative of the wrong forward pass, as autograd gives it; `right`: that of the right one."""

    def on(self, *switches: str) -> Making:
        """A copy with more switches."""
        return replace(self, switches=self.switches | set(switches))

    def built_with(self, **settings: object) -> Making:
        """A copy with other settings."""
        return replace(self, settings={**self.settings, **settings})


@dataclass(frozen=True)
class Scene:
    """The inputs of one pass or step."""

    name: str
    arrays: Arrays
    """Inputs by name: `x`, `dy`, parameters by their PyTorch names, `target`, gradients."""
    facts: Settings = field(default_factory=dict)
    """Inputs that are no arrays, by name: whether it is training, the learning rate, the number of the step."""

    @property
    def training(self) -> bool:
        """Whether the pass is one of training."""
        return bool(self.facts.get("training", True))


Tensors = dict[str, Array]
"""The tensors that a pass computes, by name, in the order of their computation."""


class Computation(Protocol):
    """A computation that is run on scenes in sequence; a wrong one may remember numbers of earlier scenes."""

    def run(self, scene: Scene) -> Tensors:
        """Every tensor of the pass."""
        ...


@dataclass(frozen=True)
class Mistake:
    """A known way of getting a computation wrong."""

    id: str
    kinds: tuple[str, ...]
    """The layers, losses, optimizers or schedules in which it can be made."""
    sentence: str
    """What is wrong, in one sentence, often with what is right."""
    hints: tuple[str, str]
    """Where to look, and what to ask there, without the answer."""
    apply: Callable[[Making], Making]


def on(*switches: str) -> Callable[[Making], Making]:
    """The `apply` of a mistake that turns these switches on."""
    return lambda making: making.on(*switches)


def built_with(**settings: object) -> Callable[[Making], Making]:
    """The `apply` of a mistake that builds with other settings than asked for."""
    return lambda making: making.built_with(**settings)


Row = tuple[str, str, str]
"""Switch, sentence, and the question that leads to it."""


def rows(kinds: str | tuple[str, ...], where: str, *table: Row) -> list[Mistake]:
    """Mistakes of one switch each; the id is `kind-switch`, with dashes."""
    names = (kinds,) if isinstance(kinds, str) else kinds
    return [
        Mistake(f"{names[0]}-{switch.replace('_', '-')}", names, sentence, (where, question), on(switch))
        for switch, sentence, question in table
    ]
