"""What every layer of a recipe can say of itself."""

from __future__ import annotations

import abc
from typing import NamedTuple

from twofold.recipe.base import Part, Shape


class Refusal(NamedTuple):
    """Why a layer cannot take its input, and the smallest change with which it could."""

    rule: str
    remedy: str = ""


class LayerSpec(Part, abc.ABC):
    """A layer of a recipe. Its kinds are final; each is told from the others by its `kind`."""

    def refuses(self, shape: Shape) -> Refusal | None:
        """Why this layer cannot take inputs of `shape`, or `None`."""
        return None

    @abc.abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output for an input of `shape`."""

    def working_shape(self, shape: Shape) -> Shape:
        """The shape of the largest array that a pass makes of one sample."""
        return self.output_shape(shape)

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shape of each parameter by its PyTorch name, for an input of `shape`."""
        return {}

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shape of each running statistic by its PyTorch name: part of the state, never trained."""
        return {}

    def mask_shape(self, shape: Shape) -> Shape | None:
        """The shape of the random mask that the layer wants for each training sample, or `None`."""
        return None
