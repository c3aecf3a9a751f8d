"""A case of a layer: its settings, and the inputs on which it is tried, drawn by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.recipe.layer import LayerSpec
from twofold.streams import stream


def normal(name: str, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers, the same ones for the same name and shape."""
    return stream(0, f"cases {name}").normal(size=shape)


@dataclass(frozen=True)
class LayerCase:
    """A layer with its settings, and the inputs on which it is tried."""

    name: str
    spec: LayerSpec
    shape: tuple[int, ...]
    """Shape of the input, with the batch."""
    change: Callable[[Array], Array] = lambda x: x
    """From standard normal inputs to the inputs of the case."""
    replicas: int | None = None
    """How many replicas go through the layer at once; `None`: one network, without an axis for replicas."""
    smooth: bool = True
    """False if the input lies on a kink, at which no difference quotient is a derivative."""
    scale: float = 1.0
    """Size of the parameters. A loop over time multiplies by W_hh at every step, rounding errors included."""
    trains: bool = True
    """False if there are too few numbers to train on: a batch of one has no variance."""
    lengths: tuple[int, ...] | None = None
    """Steps of each sequence, if some are shorter than the input; `None` for all cases of `LAYERS`."""

    @property
    def kind(self) -> str:
        """The word by which a recipe names the layer."""
        return self.spec.kind  # pyright: ignore[reportAttributeAccessIssue]

    def x(self, dtype: str = "float64") -> Array:
        """The input."""
        return self.change(normal(f"{self.name} x", self._stacked(self.shape))).astype(dtype)

    def dy(self, dtype: str = "float64") -> Array:
        """The gradient ∂L/∂y of the output, given to the backward pass."""
        output = (self.shape[0], *self.spec.output_shape(self.shape[1:]))
        return normal(f"{self.name} dy", self._stacked(tuple(size or 0 for size in output))).astype(dtype)

    def params(self, dtype: str = "float64") -> dict[str, Array]:
        """Parameters by name."""
        shapes = self.spec.parameter_shapes(self.shape[1:])
        return {
            name: (self.scale * normal(f"{self.name} {name}", self._stacked(_known(shape)))).astype(dtype)
            for name, shape in shapes.items()
        }

    def buffers(self, dtype: str = "float64") -> dict[str, Array]:
        """Running statistics: means of any sign, variances above 0."""
        shapes = self.spec.buffer_shapes(self.shape[1:])
        drawn = {n: normal(f"{self.name} {n}", tuple(size or 0 for size in shape)) for n, shape in shapes.items()}
        return {n: (np.exp(a) if n == "running_var" else a).astype(dtype) for n, a in drawn.items()}

    def held(self, dtype: str = "float64") -> dict[str, Array]:
        """Parameters and running statistics of the layer, by name."""
        return {**self.params(dtype), **self.buffers(dtype)}

    def mask(self) -> Array | None:
        """Dropout's mask: which elements are kept; `None` for a layer without a mask."""
        shape = self.spec.mask_shape(self.shape[1:])
        return None if shape is None else normal(f"{self.name} mask", self.shape) > 0.3

    def _stacked(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self.replicas is None else (self.replicas, *shape)


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(size or 0 for size in shape)
