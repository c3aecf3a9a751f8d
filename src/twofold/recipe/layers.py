"""The layers that a recipe may name: their settings, the shapes they give and the parameters they hold.

A layer's arithmetic stands in `numpy_engine` and, a second time, in `torch_engine`. Here stand only the
facts that need no data: `output_shape` and `parameter_shapes`, both for one sample, without the batch.
"""

from __future__ import annotations

import abc
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from twofold.recipe.base import Part, Shape, elements


class LayerSpec(Part, abc.ABC):
    """A layer of a recipe. Final classes below; each is told from the others by its `kind`."""

    def refuses(self, shape: Shape) -> str:
        """Why this layer cannot take inputs of `shape`, or an empty string."""
        return ""

    @abc.abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the output for an input of `shape`."""

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        """The shape of each parameter by its PyTorch name, for an input of `shape`."""
        return {}

    def mask_shape(self, shape: Shape) -> Shape | None:
        """The shape of the random mask that the layer wants for each training sample, or `None`."""
        return None


class Dense(LayerSpec):
    """y = x Wᵀ + b, over the last axis. `torch.nn.Linear`."""

    kind: Literal["dense"] = "dense"
    units: PositiveInt
    """Outputs."""
    bias: bool = True
    """Whether b is added."""

    def refuses(self, shape: Shape) -> str:
        return "" if shape else "takes at least one axis of features"

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.units)

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        weight: dict[str, Shape] = {"weight": (self.units, shape[-1])}
        return weight | ({"bias": (self.units,)} if self.bias else {})


class _Elementwise(LayerSpec, abc.ABC):
    def output_shape(self, shape: Shape) -> Shape:
        return shape


class Relu(_Elementwise):
    """y = max(x, 0); the derivative at 0 is 0. `torch.nn.ReLU`."""

    kind: Literal["relu"] = "relu"


class Sigmoid(_Elementwise):
    """y = 1 / (1 + exp(−x)). `torch.nn.Sigmoid`."""

    kind: Literal["sigmoid"] = "sigmoid"


class Tanh(_Elementwise):
    """y = tanh x. `torch.nn.Tanh`."""

    kind: Literal["tanh"] = "tanh"


class Softmax(_Elementwise):
    """y = exp(x) / Σ exp(x), over the last axis. `torch.nn.Softmax(dim=-1)`."""

    kind: Literal["softmax"] = "softmax"


class Dropout(_Elementwise):
    """In training y = x · m / (1 − p), m drawn from {0, 1} with P(m = 0) = p; else y = x. `torch.nn.Dropout`."""

    kind: Literal["dropout"] = "dropout"
    p: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """The share of elements that are zeroed."""

    def mask_shape(self, shape: Shape) -> Shape | None:
        return shape if self.p else None


class Flatten(LayerSpec):
    """All axes but the batch become one. `torch.nn.Flatten`."""

    kind: Literal["flatten"] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        return (elements(shape),)


Layer = Annotated[
    Dense | Relu | Sigmoid | Tanh | Softmax | Dropout | Flatten,
    Field(discriminator="kind"),
]
