"""The layers that a recipe may name: their settings, the shapes they give and the parameters they hold.

A layer's arithmetic stands in `numpy_engine` and, a second time, in `torch_engine`. Here stand only the
facts that need no data: `output_shape` and `parameter_shapes`, both for one sample, without the batch.
"""

from __future__ import annotations

import abc
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from twofold.recipe.base import Shape, elements
from twofold.recipe.layer import LayerSpec, Refusal
from twofold.recipe.recurrent import Embedding, Gru, Lstm, Rnn
from twofold.recipe.windows import AvgPool2d, Conv2d, GlobalAvgPool2d, MaxPool2d


class Dense(LayerSpec):
    """y = x Wᵀ + b, over the last axis. `torch.nn.Linear`."""

    kind: Literal["dense"] = "dense"
    units: PositiveInt
    """Outputs."""
    bias: bool = True
    """Whether b is added."""

    def refuses(self, shape: Shape) -> Refusal | None:
        return None if shape else Refusal("takes at least one axis of features")

    def output_shape(self, shape: Shape) -> Shape:
        return (*shape[:-1], self.units)

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        weight: dict[str, Shape] = {"weight": (self.units, shape[-1])}
        return weight | ({"bias": (self.units,)} if self.bias else {})


class _SameShape(LayerSpec, abc.ABC):
    def output_shape(self, shape: Shape) -> Shape:
        return shape


class Elementwise(_SameShape, abc.ABC):
    """An activation: every element by itself."""


class Relu(Elementwise):
    """y = max(x, 0); the derivative at 0 is 0. `torch.nn.ReLU`."""

    kind: Literal["relu"] = "relu"


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(−x)). `torch.nn.Sigmoid`."""

    kind: Literal["sigmoid"] = "sigmoid"


class Tanh(Elementwise):
    """y = tanh x. `torch.nn.Tanh`."""

    kind: Literal["tanh"] = "tanh"


class LeakyRelu(Elementwise):
    """y = x where x > 0, else a x: a unit that is off still passes a little gradient. `torch.nn.LeakyReLU`."""

    kind: Literal["leaky_relu"] = "leaky_relu"
    negative_slope: Annotated[float, Field(ge=0)] = 0.01
    """a."""


class Elu(Elementwise):
    """y = x where x > 0, else α (exp(x) − 1). `torch.nn.ELU`."""

    kind: Literal["elu"] = "elu"
    alpha: PositiveFloat = 1.0
    """α: −α is the least output."""


class Gelu(Elementwise):
    """y = x Φ(x), Φ the distribution function of N(0, 1). `torch.nn.GELU`."""

    kind: Literal["gelu"] = "gelu"
    approximate: Literal["none", "tanh"] = "none"
    """`tanh`: Φ(x) ≈ (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2."""


class Silu(Elementwise):
    """y = x / (1 + exp(−x)), also called swish. `torch.nn.SiLU`."""

    kind: Literal["silu"] = "silu"


class Softmax(_SameShape):
    """y = exp(x) / Σ exp(x), over the last axis. `torch.nn.Softmax(dim=-1)`."""

    kind: Literal["softmax"] = "softmax"


class Dropout(_SameShape):
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


class BatchNorm(_SameShape):
    """y = γ (x − μ) / √(σ² + ε) + β, a mean and a variance for each channel (axis 1) over the batch and the plane.

    In training those of the batch; in evaluation the running ones. `torch.nn.BatchNorm1d`, `torch.nn.BatchNorm2d`.
    """

    kind: Literal["batch_norm"] = "batch_norm"
    momentum: Annotated[float, Field(gt=0, le=1)] = 0.1
    """The weight of the **new** batch in the running mean and variance."""
    eps: PositiveFloat = 1e-5
    """ε."""
    affine: bool = True
    """Whether there are γ (`weight`) and β (`bias`)."""

    def refuses(self, shape: Shape) -> Refusal | None:
        if len(shape) in (1, 3):
            return None
        return Refusal("takes features (N, features) or images (N, channels, height, width)")

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {"weight": shape[:1], "bias": shape[:1]} if self.affine else {}

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {"running_mean": shape[:1], "running_var": shape[:1]}


class LayerNorm(_SameShape):
    """y = γ (x − μ) / √(σ² + ε) + β, a mean and a variance for each sample over its last axes. `torch.nn.LayerNorm`."""

    kind: Literal["layer_norm"] = "layer_norm"
    axes: PositiveInt | None = None
    """Over how many of the last axes; over the whole sample where left out."""
    eps: PositiveFloat = 1e-5
    """ε."""
    affine: bool = True
    """Whether there are γ (`weight`) and β (`bias`), one for each element normalized over."""

    def refuses(self, shape: Shape) -> Refusal | None:
        if self.axes is None or self.axes <= len(shape):
            return None
        return Refusal(
            f"over {self.axes} axes takes samples of at least as many", f"Set `axes` to at most {len(shape)}."
        )

    def parameter_shapes(self, shape: Shape) -> dict[str, Shape]:
        normalized = shape[-self.axes :] if self.axes else shape
        return {"weight": normalized, "bias": normalized} if self.affine else {}


Layer = Annotated[
    Dense
    | Conv2d
    | MaxPool2d
    | AvgPool2d
    | GlobalAvgPool2d
    | BatchNorm
    | LayerNorm
    | Rnn
    | Lstm
    | Gru
    | Embedding
    | Relu
    | LeakyRelu
    | Elu
    | Gelu
    | Silu
    | Sigmoid
    | Tanh
    | Softmax
    | Dropout
    | Flatten,
    Field(discriminator="kind"),
]
