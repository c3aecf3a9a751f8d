"""One flat vector of parameters under their names, and a batch's way as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
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


@final
class NumpyPass:
    """A batch's way: references until a field is read. See `twofold.engine.Pass`. Replicas have a loss each."""

    __slots__ = ("_named", "_outputs", "buffers", "loss", "vector")

    def __init__(self, named: Names, outputs: list[Array], loss: Any, vector: Array, buffers: dict[str, Array]) -> None:
        self._named = named
        self._outputs = outputs
        self.loss = loss
        """A number; of replicas one each, which only their own loop reads."""
        self.vector = vector
        """∂loss/∂parameter of all parameters, in the order of the layout."""
        self.buffers = buffers

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name."""
        return dict(zip(self._named.layers, self._outputs, strict=True))

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        return self._outputs[-1]

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by name."""
        return self._named.layout.views(self.vector)
