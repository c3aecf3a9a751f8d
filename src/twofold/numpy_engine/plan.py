"""The way of a batch through the network and back, laid out once for every shape of batch.

The memory of a way belongs to its pass for as long as anybody holds the pass. After that, if nobody has read its
arrays, the next batch of that shape takes the way over: a step whose arrays nobody reads makes few new ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.bound import Backward, Bound, Forward, Place, bound
from twofold.numpy_engine.layer import AnyLayer, Mode, Tracking
from twofold.numpy_engine.passes import Layout

SMALL = 1 << 17
"""Numbers in a layer's input up to which the layer is bound to memory. Beyond, a call costs little beside its
arithmetic, and arrays that come and go take less memory than arrays that stay."""


class Stage(NamedTuple):
    """A layer in its place in the chain."""

    name: str
    layer: AnyLayer
    params: Arrays


class Chain(NamedTuple):
    """Layers in their order."""

    stages: Sequence[Stage]
    first: int
    """The first stage with parameters: nothing before it wants a gradient."""
    layout: Layout


@final
class WholeWay:
    """The way of a batch in one piece, not in parts."""

    __slots__ = ("_backwards", "_chain", "_forwards", "_masks", "_modes", "_outputs", "buffers", "shape", "vector")

    def __init__(self, chain: Chain, shape: tuple[int, ...], vector: Array) -> None:
        """For batches of the shape, with a gradient like `vector`."""
        self._chain = chain
        self.shape = shape
        self.vector = np.zeros_like(vector)
        self.buffers = dict[str, Array]()
        self._masks = dict[str, Array]()
        self._modes = list[Mode]()
        self._outputs = list[Array]()
        self._forwards = list[Forward]()
        self._backwards = list[Backward]()

    def forward(self, x: Array, masks: Arrays, mode: Mode) -> Array:
        """The output of the last layer; `masks` are what dropout keeps, by the layer's name."""
        if masks or self._masks:
            self._masks.clear()
            self._masks.update(masks)
        self._modes[:] = [mode]
        if not self._forwards:
            return self._lay_out(x)
        self._outputs = outputs = list[Array]()
        for forward in self._forwards:
            x = forward(x)
            outputs.append(x)
        return x

    def backward(self, dy: Array | None) -> None:
        """Fill `vector`, from the gradient of the last layer's output."""
        for backward in self._backwards:
            dy = backward(dy)  # pyright: ignore[reportArgumentType]

    def outputs(self) -> list[Array]:
        """The output of every layer."""
        return self._outputs

    def rest(self) -> None:
        """Release the outputs; those that are bound to memory stay."""
        self._outputs = []

    def _lay_out(self, x: Array) -> Array:
        """The first pass forward, which binds each layer to memory for the output of the layer before."""
        chain, views = self._chain, self._chain.layout.views(self.vector)
        for index, stage in enumerate(chain.stages):
            grads = {name: views[key] for name in stage.params if (key := f"{stage.name}.{name}") in views}
            place = Place(stage.params, grads, index > chain.first)
            small = x.size <= SMALL
            functions = (bound(stage.layer, place, x) if small else None) or self._loose(stage, place)
            self._forwards.append(functions.forward)
            if index >= chain.first:
                self._backwards.insert(0, functions.backward)
            x = functions.forward(x)
            self._outputs.append(x)
        return x

    def _loose(self, stage: Stage, place: Place) -> Bound:
        """The way through a layer that makes its own arrays; its cache is released as soon as it has been used."""
        name, layer, params = stage
        modes, masks, buffers, cache = self._modes, self._masks, self.buffers, None
        tracking = layer if isinstance(layer, Tracking) else None

        def forward(x: Array) -> Array:
            nonlocal cache
            (mode,) = modes
            y, cache = layer.forward(params, x, mode._replace(mask=masks[name]) if name in masks else mode)
            if tracking is not None:
                buffers.update({f"{name}.{key}": value for key, value in tracking.running(params, cache).items()})
            return y

        def backward(dy: Array) -> Array | None:
            nonlocal cache
            held, cache = cache, None
            dx, grads = layer.backward(params, held, dy, place.wants_dx)
            for parameter, gradient in grads.items():
                place.grads[parameter][...] = gradient
            return dy if dx is None else dx

        return Bound(forward, backward)
