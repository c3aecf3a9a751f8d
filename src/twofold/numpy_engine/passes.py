"""One flat vector of parameters under their names, and a batch's way as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast, final, runtime_checkable

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.recipe import Shape


@final
class Layout:
    """Where each parameter lies in the flat vector."""

    def __init__(self, shapes: Mapping[str, Shape]) -> None:
        self.shapes = {name: tuple(size or 0 for size in shape) for name, shape in shapes.items()}
        ends = np.cumsum([math.prod(shape) for shape in self.shapes.values()], dtype=int).tolist()
        self.slices = dict(zip(self.shapes, map(slice, [0, *ends[:-1]], ends), strict=True))
        self.size = ends[-1] if ends else 0

    def views(self, vector: Array) -> dict[str, Array]:
        """The named parts of a vector, sharing its memory; of a stack of vectors, (replicas, size), those of each."""
        lead = vector.shape[:-1]
        return {name: vector[..., self.slices[name]].reshape(*lead, *shape) for name, shape in self.shapes.items()}


class Names(NamedTuple):
    """What a pass's arrays are called."""

    layers: list[str]
    """In forward order."""
    layout: Layout


SHAPES = 2
"""Shapes of batches whose memory is kept: an epoch's last batch is often smaller."""


@runtime_checkable  # the tests check annotations while they run
class Taken(Protocol):
    """What is left of a batch's way when it has been taken."""

    vector: Array
    """∂loss/∂parameter of all parameters, in the order of the layout."""
    buffers: dict[str, Array]
    """The running statistics after the batch, by name."""

    def outputs(self) -> list[Array]:
        """The output of every layer."""
        ...


@runtime_checkable
class Way(Taken, Protocol):
    """A batch's way forward and back, and the memory of its gradient."""

    shape: tuple[int, ...]
    """That of the batches that it takes."""

    def forward(self, x: Array, masks: Arrays, mode: Mode) -> Array:
        """The output of the last layer; `masks` are what dropout keeps, by the layer's name."""
        ...

    def backward(self, dy: Array) -> None:
        """Fill `vector`, from the gradient of the last layer's output."""
        ...

    def rest(self) -> None:
        """Let go what the next batch makes anew."""
        ...


@final
class Spare:
    """The ways that no pass holds."""

    def __init__(self) -> None:
        self._ways = dict[tuple[int, ...], Way]()

    def take(self, shape: tuple[int, ...]) -> Way | None:
        """One for batches of the shape."""
        return self._ways.pop(shape, None)

    def put(self, way: Way) -> None:
        """One that no pass holds any more."""
        way.rest()
        self._ways[way.shape] = way
        if len(self._ways) > SHAPES:
            del self._ways[next(iter(self._ways))]


@final
class NumpyPass:
    """A batch's way: references until a field is read. See `twofold.engine.Pass`. Replicas have a loss each.

    The way's memory is the pass's own. Where the pass ends and nobody has read an array of it, the way is kept for the
    next batch.
    """

    __slots__ = ("_looked", "_named", "_spare", "loss", "way")

    def __init__(self, named: Names, way: Taken, loss: Any, spare: Spare | None = None) -> None:
        self._named = named
        self._spare = spare
        self._looked = False
        self.way = way
        self.loss = loss
        """A number; of replicas one each, which only their own loop reads."""

    def __del__(self) -> None:
        """Whoever has read an array may hold it still."""
        if self._spare is not None and not self._looked:
            self._spare.put(cast(Way, self.way))

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name."""
        self._looked = True
        return dict(zip(self._named.layers, self.way.outputs(), strict=True))

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        self._looked = True
        return self.way.outputs()[-1]

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by name."""
        self._looked = True
        return self._named.layout.views(self.way.vector)

    @property
    def buffers(self) -> Arrays:
        """The running statistics after the batch, by name."""
        self._looked = True
        return self.way.buffers
