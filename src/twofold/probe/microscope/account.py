"""How a number comes about: which numbers are multiplied, over what is summed. Nothing is computed here.

Nearly every number of a training step is a sum of products of other numbers: ∂L/∂W[o, i] = Σₙ dy[n, o] · x[n, i]. An
`Account` says so for a whole array, with the places of the factors as whole-number functions of the variables, so that
whoever holds the arrays, here or in a page, can write out the sum behind any of its numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from twofold.arrays import Array


class Axis(NamedTuple):
    """A variable, and how many values it takes: from 0."""

    name: str
    size: int


class Along(NamedTuple):
    """Where along one axis of an array: (Σ step · variable + shift) / divisor, where that is a whole number."""

    steps: tuple[tuple[str, int], ...]
    shift: int = 0
    divisor: int = 1


class Root(NamedTuple):
    """What Adam divides by, of a number v: 1 / (√v / correction + ε)."""

    correction: float
    eps: float


@dataclass(frozen=True)
class Factor:
    """One of the numbers that are multiplied: of an array, or what another account of the layer comes to."""

    name: str
    """As a reader calls it: `dy`, `x`."""
    array: str = ""
    """The name of the array that it is taken from; empty for the value of an account."""
    index: tuple[Along, ...] = ()
    """Its place. Outside the array there is no such product."""
    equals: Along | None = None
    """The factor is 1 where the array's number is this one, and elsewhere there is no such product."""
    account: str = ""
    """The account whose value at the same place it is."""
    root: Root | None = None
    """The factor is this function of that value."""


@dataclass(frozen=True)
class Summand:
    """Σ coefficient · factor · factor ..., over some variables."""

    factors: tuple[Factor, ...]
    over: tuple[Axis, ...] = ()
    coefficient: float = 1.0


@dataclass(frozen=True)
class Account:
    """How each number of an array comes about: summand + summand ..., or the largest of them."""

    what: str
    """The array: `y`, `dx`, `weight` for the gradient of `weight`, `h(t)`."""
    equation: str
    axes: tuple[Axis, ...]
    """The variables that name one of its numbers; in this order they count its numbers in row order."""
    shape: tuple[int, ...]
    """The array's own shape, which may have fewer axes: a channel is a group and a place within the group."""
    summands: tuple[Summand, ...]
    own: str = ""
    """The name of the array that holds what the engine itself came to; empty where its trace does not say."""
    kept: str = ""
    """Where it is no number of the trace: the name of the array in which it was worked out from the trace."""
    largest: bool = False
    """Not the sum: the largest of its terms, the first of equals."""


@dataclass(frozen=True)
class Explanation:
    """A layer under the microscope."""

    accounts: tuple[Account, ...]
    derived: Mapping[str, Array]
    """Arrays beside those of the trace, worked out from them: x̂, the gates of a cell."""


def along(shift: int = 0, divisor: int = 1, /, **steps: int) -> Along:
    """`along(-1, i=2, u=1)`: 2 i + u − 1."""
    return Along(tuple(steps.items()), shift, divisor)


def places(axes: Sequence[Axis | str]) -> tuple[Along, ...]:
    """The index whose places are the variables themselves."""
    return tuple(Along(((axis if isinstance(axis, str) else axis.name, 1),)) for axis in axes)


def axes_of(names: Sequence[str], shape: Sequence[int]) -> tuple[Axis, ...]:
    """A variable for each axis of a shape."""
    return tuple(map(Axis, names, shape))


def inner_names(count: int) -> tuple[str, ...]:
    """Names of so many axes that stand between the batch and the features."""
    return ("t", "p", "q")[:count] if count <= 3 else tuple(f"p{place}" for place in range(count))


def indexed(axes: Sequence[Axis]) -> str:
    """`[n, o]`."""
    return f"[{', '.join(axis.name for axis in axes)}]" if axes else ""


def sigma(axes: Sequence[Axis]) -> str:
    """`Σ over n, i: `."""
    return f"Σ({', '.join(axis.name for axis in axes)}) " if axes else ""
