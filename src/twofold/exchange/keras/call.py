"""One layer of a Keras model, as a converter is handed it; how its arrays and ours lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NoReturn

import numpy as np

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.exchange.chain import Chain, Link
from twofold.exchange.keras.reading import KerasLayer
from twofold.exchange.kinds import LayerSpec
from twofold.plain import Parsed

Tensors = Callable[[Sequence[Array]], dict[str, Array]]
"""From a layer's arrays, or their gradients, as Keras holds them, to ours by name."""


@dataclass
class Reading:
    """How far the model is read: the chain, and how Keras's activations lie beside ours."""

    chain: Chain
    channels_last: bool = False
    """Whether Keras holds the images of this place as (N, H, W, C); ours are (N, C, H, W)."""
    order: Array | None = None
    """Where each of our numbers is in Keras's vector, after an image with channels last was flattened."""
    loops: dict[int, tuple[int, Tensors]] = field(default_factory=dict)
    """By the number of each of our layers with arrays: the number of Keras's layer, and how its arrays become ours."""
    end: Literal["", "softmax", "log_softmax"] = ""
    """The activation at the model's end that belongs to cross-entropy."""

    def ours(self, y: Array) -> Array:
        """Keras's numbers at this place, with axes and order as ours."""
        if y.ndim == 4 and self.channels_last:
            return y.transpose(0, 3, 1, 2)
        return y[:, self.order] if y.ndim == 2 and self.order is not None else y


@dataclass(frozen=True)
class Call:
    """A layer that reads the chain's end: `x` and `y` are what Keras takes and gives there."""

    layer: KerasLayer
    number: int
    x: Array
    y: Array
    reading: Reading
    last: bool
    """Whether nothing but dropout follows."""

    @property
    def config(self) -> Mapping[str, Parsed]:
        """The layer's settings."""
        return self.layer.config

    @property
    def operator(self) -> str:
        """The layer's class."""
        return self.layer.kind

    def refuse(self, reason: str, nearest: str = "") -> NoReturn:
        """Raise `AdoptError` in the name of this layer."""
        raise AdoptError(reason, layer=self.layer.name, operator=self.layer.kind, nearest=nearest)

    def only(self, **defaults: object) -> None:
        """Refuse the layer where one of these settings has another value, which no layer here has."""
        for name, value in defaults.items():
            setting = self.config.get(name, value)
            if (list(setting) if isinstance(setting, tuple) else setting) != value:
                self.refuse(f"{name} is {setting!r}", f"The nearest is {name} = {value!r}")

    def count(self, *counts: int) -> None:
        """Refuse the layer where the file holds another number of arrays for it."""
        if len(self.layer.arrays) not in counts:
            self.refuse(f"the file holds {len(self.layer.arrays)} arrays of it, not {' or '.join(map(str, counts))}")

    def add(self, spec: LayerSpec, tensors: Tensors | None = None, shown: bool = True) -> None:
        """Put a layer at the end of the chain. `shown` is `False` where Keras shows nothing between it and the next."""
        chain = self.reading.chain
        held = {} if tensors is None else tensors(self.layer.arrays)
        if tensors is not None:
            self.reading.loops[len(chain.links)] = (self.number, tensors)
        expected = self.reading.ours(self.y) if shown else None
        output = self.layer.name if shown else None
        chain.add(Link(spec, self.layer.name, self.layer.kind, held, {}, output), expected)


Converter = Callable[[Call], None]
"""Adds our layers for one layer of Keras to the chain."""


def flattened_order(shape: tuple[int, ...]) -> Array:
    """Where each number of a flattened (C, H, W) is in the flattened (H, W, C)."""
    channels, height, width = shape
    return np.arange(height * width * channels).reshape(height, width, channels).transpose(2, 0, 1).reshape(-1)
