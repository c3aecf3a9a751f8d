"""The flat vector of parameters by name, and a batch's way through the network as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast, final, runtime_checkable

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import check_shapes
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
        """The named parts of a vector, sharing its memory; for a stack, (replicas, size), with that axis in front."""
        lead = vector.shape[:-1]
        return {name: vector[..., self.slices[name]].reshape(*lead, *shape) for name, shape in self.shapes.items()}


class Names(NamedTuple):
    """Names for the arrays of a pass: of layers for outputs, of parameters for gradients."""

    layers: list[str]
    """In forward order."""
    layout: Layout


SHAPES = 2
"""How many shapes of batches have their memory kept: an epoch's last batch is often smaller."""


@runtime_checkable  # the tests check annotations while they run
class Taken(Protocol):
    """A batch's way after the batch has taken it: gradient, running statistics and outputs."""

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
    """The shape of the batches that it takes."""

    def forward(self, x: Array, masks: Arrays, mode: Mode) -> Array:
        """The output of the last layer; `masks` are what dropout keeps, by the layer's name."""
        ...

    def backward(self, dy: Array) -> None:
        """Fill `vector`, from the gradient of the last layer's output."""
        ...

    def rest(self) -> None:
        """Release the arrays that the next batch makes anew."""
        ...


@final
class Spare:
    """Ways that no pass holds any more, for the next batches of their shapes."""

    def __init__(self) -> None:
        self._ways = dict[tuple[int, ...], Way]()

    def take(self, shape: tuple[int, ...]) -> Way | None:
        """A way for batches of the shape, or `None`."""
        return self._ways.pop(shape, None)

    def put(self, way: Way) -> None:
        """Keep a way that no pass holds any more; beyond `SHAPES` the oldest is dropped."""
        way.rest()
        self._ways[way.shape] = way
        if len(self._ways) > SHAPES:
            del self._ways[next(iter(self._ways))]


@final
class NumpyPass:
    """A batch's pass, which only refers to its way until a field is read. See `twofold.engine.Pass`.

    The memory of the way belongs to the pass. If nobody has read an array when the pass is deleted, the way goes to
    `spare` for the next batch.
    """

    __slots__ = ("_named", "_spare", "_was_read", "loss", "way")

    def __init__(self, named: Names, way: Taken, loss: Any, spare: Spare | None = None) -> None:
        self._named = named
        self._spare = spare
        self._was_read = False
        self.way = way
        self.loss = loss
        """A number; for replicas an array with one each, which only the loop over replicas reads."""

    def __del__(self) -> None:
        """Hand the way on for reuse, unless somebody has read an array of it and may still hold that."""
        if self._spare is not None and not self._was_read:
            self._spare.put(cast(Way, self.way))

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name."""
        self._was_read = True
        return dict(zip(self._named.layers, self.way.outputs(), strict=True))

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        self._was_read = True
        return self.way.outputs()[-1]

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by name."""
        self._was_read = True
        return self._named.layout.views(self.way.vector)

    @property
    def buffers(self) -> Arrays:
        """The running statistics after the batch, by name."""
        self._was_read = True
        return self.way.buffers


def fill(views: Mapping[str, Array], arrays: Arrays) -> None:
    """Copy arrays into the views of their names. Raises `UserError` where names or shapes differ."""
    check_shapes({name: view.shape for name, view in views.items()}, arrays)
    for name, view in views.items():
        view[...] = arrays[name]
