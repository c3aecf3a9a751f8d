"""Normalization: of each channel over the batch, of each sample over its last axes or over groups of channels."""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt

from twofold.recipe.base import Shape
from twofold.recipe.layer import Asleep, Kept, LayerSpec, Refusal, numbers
from twofold.recipe.operation import Operation, Operations, Size, dimensions, times
from twofold.recipe.parameters import Constant, Parameter, Parameters


class Normalization(LayerSpec, abc.ABC):
    """A normalization x̂ = (x − μ) / √(σ² + ε), y = γ x̂ + β: the shape stays, γ begins at 1 and β at 0."""

    stacks: ClassVar[bool] = False

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def working_shape(self, shape: Shape) -> Shape:
        return shape

    def mask_shape(self, shape: Shape) -> Shape | None:
        return None

    def kept(self, shape: Shape) -> Kept:
        """Kept are x, x̂ and y."""
        return Kept(3 * numbers(shape), 3 * numbers(shape))

    def watched(self) -> Mapping[str, Asleep]:
        return {}

    def only_first(self) -> str:
        return ""


class BatchNorm(Normalization):
    """y = γ (x − μ) / √(σ² + ε) + β, a mean and a variance for each channel (axis 1) over the batch and the plane.

    In training they are those of the batch, in evaluation the running ones. `torch.nn.BatchNorm1d`,
    `torch.nn.BatchNorm2d`.
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

    def parameters(self, shape: Shape) -> Parameters:
        return scale_and_shift(shape[:1], self.affine)

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {"running_mean": shape[:1], "running_var": shape[:1]}

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """The equations, with statistics over the batch and the plane."""
        x, channels = dimensions(n, shape), f"({shape[0] or '?'},)"
        count, new, old = times(n, *shape[1:]), f"{self.momentum:g}", f"{1 - self.momentum:g}"
        forward = [
            Operation("μ = mean(x), σ² = mean((x − μ)²) of each channel", f"{x} → {channels}"),
            Operation("x̂ = (x − μ) / √(σ² + ε)", f"{x} → {x}"),
            scaled(self.affine, x, channels),
            Operation(f"running_mean ← {old} running_mean + {new} μ", channels),
            Operation(f"running_var ← {old} running_var + {new} σ² n / (n − 1)", f"{channels}, n = {count}"),
        ]
        scale = "γ / √(σ² + ε)" if self.affine else "1 / √(σ² + ε)"
        dx = Operation(f"dx = {scale} · (dy − mean(dy) − x̂ mean(dy ⊙ x̂))", f"{x} → {x}", "dx")
        return forward, [*scale_gradients(self.affine, x, channels, "Σ"), dx]


class LayerNorm(Normalization):
    """y = γ (x − μ) / √(σ² + ε) + β, a mean and a variance for each sample over its last axes. `torch.nn.LayerNorm`."""

    kind: Literal["layer_norm"] = "layer_norm"
    axes: PositiveInt | None = None
    """How many of the last axes are normalized over; left out, the whole sample."""
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

    def parameters(self, shape: Shape) -> Parameters:
        return scale_and_shift(shape[-self.axes :] if self.axes else shape, self.affine)

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {}

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """The equations, with statistics of each sample over its last axes."""
        axes = self.axes or len(shape)
        x, rest = dimensions(n, shape), dimensions(n, shape[:-axes])
        normalized = dimensions(None, shape[-axes:])
        over = f"its last {'axis' if axes == 1 else f'{axes} axes'}"
        forward = [
            Operation(f"μ = mean(x), σ² = mean((x − μ)²) of each sample over {over}", f"{x} → {rest}"),
            Operation("x̂ = (x − μ) / √(σ² + ε)", f"{x} → {x}"),
            scaled(self.affine, x, normalized),
        ]
        dx = sample_gradient(self.affine, x)
        return forward, [*scale_gradients(self.affine, x, normalized, "Σₙ"), dx]


class GroupNorm(Normalization):
    """y = γ (x − μ) / √(σ² + ε) + β, a mean and a variance for each sample and each group of channels (axis 1).

    `torch.nn.GroupNorm`: the channels are cut into groups of neighbours, each with its planes.
    """

    kind: Literal["group_norm"] = "group_norm"
    num_groups: PositiveInt
    """How many groups there are; they must divide the channels."""
    eps: PositiveFloat = 1e-5
    """ε."""
    affine: bool = True
    """Whether there are γ (`weight`) and β (`bias`), one for each channel."""

    def refuses(self, shape: Shape) -> Refusal | None:
        if not shape or None in shape:
            return Refusal("takes features (N, channels) or images (N, channels, height, width)")
        channels = shape[0] or 0
        if channels % self.num_groups:
            fitting = math.gcd(channels, self.num_groups)
            rule = f"with num_groups {self.num_groups} takes a number of channels that it divides"
            other = f", or to another divisor of {channels}" if channels > 1 else ""
            return Refusal(rule, f"Set `num_groups` to {fitting}{other}.")
        if numbers(shape) == self.num_groups:
            rule = f"with num_groups {self.num_groups} takes groups of more than one number, which has no variance"
            return Refusal(rule, f"Set `num_groups` to a smaller divisor of {channels}.")
        return None

    def parameters(self, shape: Shape) -> Parameters:
        return scale_and_shift(shape[:1], self.affine)

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {}

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """The equations, with statistics of each group of a sample."""
        x, channels = dimensions(n, shape), f"({shape[0]},)"
        forward = [
            Operation(
                f"μ = mean(x), σ² = mean((x − μ)²) of each sample over each of {self.num_groups} groups of channels",
                f"{x} → {dimensions(n, (self.num_groups,))}",
            ),
            Operation("x̂ = (x − μ) / √(σ² + ε)", f"{x} → {x}"),
            scaled(self.affine, x, channels),
        ]
        dx = sample_gradient(self.affine, x)
        return forward, [*scale_gradients(self.affine, x, channels, "Σ"), dx]


def scale_and_shift(shape: Shape, affine: bool) -> Parameters:
    """The parameters γ, which begins at 1, and β, which begins at 0; none unless `affine`."""
    if not affine:
        return {}
    return {
        "weight": Parameter(shape, Constant(1.0), decays=False),
        "bias": Parameter(shape, Constant(0.0), decays=False),
    }


def scaled(affine: bool, x: str, parameters: str) -> Operation:
    """The last operation of a normalization's forward pass."""
    if affine:
        return Operation("y = γ x̂ + β", f"{parameters} · {x} + {parameters} → {x}", "y")
    return Operation("y = x̂", x, "y")


def scale_gradients(affine: bool, x: str, parameters: str, total: str) -> Operations:
    """The operations of dγ and dβ; `total` is the sign of the sum over all elements that share them."""
    if not affine:
        return []
    to = f"{x} → {parameters}"
    return [Operation(f"dγ = {total} dy ⊙ x̂", to, "weight"), Operation(f"dβ = {total} dy", to, "bias")]


def sample_gradient(affine: bool, x: str) -> Operation:
    """The operation of dx where each sample has statistics of its own."""
    g = "γ dy" if affine else "dy"
    return Operation(f"dx = (g − mean(g) − x̂ mean(g ⊙ x̂)) / √(σ² + ε), g = {g}", f"{x} → {x}", "dx")


Norm: TypeAlias = BatchNorm | LayerNorm | GroupNorm
