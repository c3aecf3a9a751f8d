"""The questions that every kind of layer answers about itself.

A kind is a final class. A question is an abstract method, or a class variable without a value: a kind that leaves one
out cannot be built, and fails `tests/test_kinds.py`. There is no arithmetic here beyond that of shapes.
"""

from __future__ import annotations

import abc
from collections.abc import Mapping
from enum import Enum
from typing import ClassVar, NamedTuple

from twofold.recipe.base import Part, Shape, elements
from twofold.recipe.operation import Operation, Operations, Size, dimensions
from twofold.recipe.parameters import Parameters

OUTPUT = "output"
"""The name of the watched part of a layer that has no gates."""


class Refusal(NamedTuple):
    """Why a layer cannot take its input, and the smallest change with which it could."""

    rule: str
    remedy: str = ""


class Asleep(Enum):
    """When a unit is asleep: its output y then passes on no gradient, or hardly any."""

    OFF = "y ≤ 0"
    """A ReLU that is off: as intended for some samples, a fault if for all."""
    SIGMOID = "|2 y − 1| > 0.95"
    """A sigmoid at one of its ends."""
    TANH = "|y| > 0.95"
    """A tanh at one of its ends."""


class Kept(NamedTuple):
    """How many numbers of one sample a layer keeps for the backward pass, including its output."""

    by_hand: int
    """In the NumPy engine's caches."""
    by_autograd: int


class LayerSpec(Part, abc.ABC):
    """A layer of a recipe. Its kinds are final; each is told from the others by its `kind`.

    Every shape is that of one sample, without the batch.
    """

    stacks: ClassVar[bool]
    """Whether its NumPy pass is written over leading axes, so that a stack of replicas goes through it at once."""

    @abc.abstractmethod
    def refuses(self, shape: Shape) -> Refusal | None:
        """Why this layer cannot take inputs of `shape`, or `None`."""

    @abc.abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output for an input of `shape`."""

    @abc.abstractmethod
    def working_shape(self, shape: Shape) -> Shape:
        """The shape of the largest array that a pass makes of one sample."""

    @abc.abstractmethod
    def parameters(self, shape: Shape) -> Parameters:
        """Shape, beginning and decay of each parameter by its PyTorch name, for an input of `shape`."""

    @abc.abstractmethod
    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shape of each running statistic by its PyTorch name: part of the state, never trained."""

    @abc.abstractmethod
    def mask_shape(self, shape: Shape) -> Shape | None:
        """The shape of the random mask that the layer wants for each training sample, or `None`."""

    @abc.abstractmethod
    def kept(self, shape: Shape) -> Kept:
        """The numbers kept of one sample for the backward pass. A size that only the data know counts as 1."""

    @abc.abstractmethod
    def watched(self) -> Mapping[str, Asleep]:
        """When units are asleep, by the part that is watched: `output`, or a gate. Empty if nothing is watched."""

    @abc.abstractmethod
    def only_first(self) -> str:
        """Why no layer may come before this one; empty if one may."""

    @abc.abstractmethod
    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """Forward and backward for a batch of `n`. The lines that lead to dx begin with `dx` or `dX`."""

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shape of each parameter by its PyTorch name, for an input of `shape`."""
        return {name: parameter.shape for name, parameter in self.parameters(shape).items()}


class Plain(LayerSpec, abc.ABC):
    """A layer without running statistics, mask, or watched units. Its output is the largest array that it makes."""

    def working_shape(self, shape: Shape) -> Shape:
        return self.output_shape(shape)

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {}

    def mask_shape(self, shape: Shape) -> Shape | None:
        return None

    def watched(self) -> Mapping[str, Asleep]:
        return {}


def numbers(shape: Shape) -> int:
    """How many numbers a tensor of the shape holds; 1 if a size is known only from the data."""
    return elements(shape) or 1


def one_line(spec: LayerSpec, shape: Shape, n: Size, formulas: tuple[str, str]) -> tuple[Operations, Operations]:
    """The equations of a layer without parameters, whose forward and backward pass are one operation each."""
    x, y = dimensions(n, shape), dimensions(n, spec.output_shape(shape))
    forward, backward = formulas
    return [Operation(forward, f"{x} → {y}", "y")], [Operation(backward, f"{y} → {x}", "dx")]
