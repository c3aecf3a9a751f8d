"""Accounts of numbers: which other numbers are multiplied, and over what is summed. Nothing is computed here.

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
    """An index variable and the number of its values, which count from 0."""

    name: str
    size: int


class Along(NamedTuple):
    """A place along an axis of an array: (Σ step · variable + shift) / divisor; there is none if that is a fraction."""

    steps: tuple[tuple[str, int], ...]
    shift: int = 0
    divisor: int = 1


class Root(NamedTuple):
    """Adam's function of a number v: 1 / (√v / correction + ε)."""

    correction: float
    eps: float


@dataclass(frozen=True)
class Factor:
    """One of the numbers that are multiplied: an array's number, or the value of another account of the layer."""

    name: str
    """Its name for a reader: `dy`, `x`."""
    array: str = ""
    """The array that it is taken from; empty for the value of an account."""
    index: tuple[Along, ...] = ()
    """Its place in the array. A product with a factor outside its array is left out."""
    equals: Along | None = None
    """If given, the factor is 1 where the array's number equals this one; elsewhere the product is left out."""
    account: str = ""
    """The account whose value at the same place is the factor; empty for a number of an array."""
    root: Root | None = None
    """If given, the factor is this function of the account's value."""


@dataclass(frozen=True)
class Summand:
    """A sum of products: Σ coefficient · factor · factor ..., over the variables `over`."""

    factors: tuple[Factor, ...]
    over: tuple[Axis, ...] = ()
    coefficient: float = 1.0


@dataclass(frozen=True)
class Account:
    """The account of every number of an array: summand + summand ..., or the largest of their terms."""

    what: str
    """The array: `y`, `dx`, `weight` for the gradient of `weight`, `h(t)`."""
    equation: str
    axes: tuple[Axis, ...]
    """The variables that name one number of the array; in this order they count its numbers row by row."""
    shape: tuple[int, ...]
    """The array's own shape, which may have fewer axes: a channel is a group and a place within the group."""
    summands: tuple[Summand, ...]
    own: str = ""
    """The array with the numbers that the engine itself computed; empty if its trace does not have them."""
    kept: str = ""
    """If the trace does not have these numbers: the array in which they were worked out from the trace."""
    largest: bool = False
    """Whether the number is not the sum but the largest of the terms, the first of equals."""


@dataclass(frozen=True)
class Explanation:
    """The accounts of all numbers of a layer, and the arrays that they need."""

    accounts: tuple[Account, ...]
    derived: Mapping[str, Array]
    """Arrays beside those of the trace, worked out from them: x̂, the gates of a cell."""


def along(shift: int = 0, divisor: int = 1, /, **steps: int) -> Along:
    """A place along an axis: `along(-1, i=2, u=1)` is 2 i + u − 1."""
    return Along(tuple(steps.items()), shift, divisor)


def places(axes: Sequence[Axis | str]) -> tuple[Along, ...]:
    """The index whose places are the values of the variables themselves."""
    return tuple(Along(((axis if isinstance(axis, str) else axis.name, 1),)) for axis in axes)


def axes_of(names: Sequence[str], shape: Sequence[int]) -> tuple[Axis, ...]:
    """A variable for each axis of a shape."""
    return tuple(map(Axis, names, shape))


def inner_names(count: int) -> tuple[str, ...]:
    """Names for `count` axes between the batch and the features."""
    return ("t", "p", "q")[:count] if count <= 3 else tuple(f"p{place}" for place in range(count))


def indexed(axes: Sequence[Axis]) -> str:
    """The text of an index: `[n, o]`."""
    return f"[{', '.join(axis.name for axis in axes)}]" if axes else ""


def sigma(axes: Sequence[Axis]) -> str:
    """The text of a sum over variables: `Σ(n, i) `."""
    return f"Σ({', '.join(axis.name for axis in axes)}) " if axes else ""
