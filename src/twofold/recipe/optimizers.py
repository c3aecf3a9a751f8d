"""Optimizers: how the parameters follow the gradient. Names are PyTorch's."""

from __future__ import annotations

import abc
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, NonNegativeFloat, PositiveFloat

from twofold.recipe.base import Fields, Fraction, Part


class OptimizerSpec(Part, abc.ABC):
    """An optimizer of a recipe. Its kinds are final; each is told from the others by its `kind`."""

    lr: PositiveFloat
    """Learning rate η; the schedule multiplies it."""
    weight_decay: NonNegativeFloat = 0.0
    """λ: λ p is added to the gradient (AdamW: p is multiplied by 1 − η λ), for the parameters that `decayed` names."""
    decayed: Literal["all", "weights"] = "all"
    """Which parameters decay: all, as in PyTorch, or only matrices and kernels, without biases, the γ and β of
    normalizations and the slopes of `prelu`."""
    max_norm: PositiveFloat | None = None
    """Clip the gradient to this norm over all parameters together."""

    @property
    @abc.abstractmethod
    def moments(self) -> tuple[str, ...]:
        """PyTorch's names of the moments that it remembers, each as large as the parameters."""


class Sgd(OptimizerSpec):
    """v ← μ v + g; p ← p − η v (nesterov: p ← p − η (g + μ v)). `torch.optim.SGD`."""

    kind: Literal["sgd"] = "sgd"
    lr: PositiveFloat = 0.01
    """Learning rate η; the schedule multiplies it."""
    momentum: Fraction = 0.0
    """μ."""
    nesterov: bool = False
    """Look ahead along v; needs a momentum."""

    @property
    def moments(self) -> tuple[str, ...]:
        return ("momentum_buffer",) if self.momentum else ()

    @classmethod
    def conflicts(cls, values: Fields) -> list[str]:
        if values.get("nesterov") and not values.get("momentum"):
            return ["`nesterov` wants a `momentum` greater than 0; got 0"]
        return []


class Adaptive(OptimizerSpec, abc.ABC):
    """An optimizer that divides by the size of past gradients."""

    lr: PositiveFloat = 0.001
    """Learning rate η; the schedule multiplies it."""
    eps: PositiveFloat = 1e-8
    """ε, added to the root."""


class Adam(Adaptive):
    """Adam with ε after the bias correction. `torch.optim.Adam`."""

    kind: Literal["adam"] = "adam"
    betas: Annotated[tuple[Fraction, Fraction], Field(strict=False)] = (0.9, 0.999)
    """Weights of the past in the moving means of g and g²."""

    @property
    def moments(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")


class Adamw(Adaptive):
    """Adam with decoupled weight decay. `torch.optim.AdamW`."""

    kind: Literal["adamw"] = "adamw"
    betas: Annotated[tuple[Fraction, Fraction], Field(strict=False)] = (0.9, 0.999)
    """Weights of the past in the moving means of g and g²."""
    weight_decay: NonNegativeFloat = 0.01
    """λ: p is multiplied by 1 − η λ, for the parameters that `decayed` names."""

    @property
    def moments(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")


class Rmsprop(Adaptive):
    """v ← α v + (1 − α) g²; p ← p − η g / (√v + ε), without bias correction. `torch.optim.RMSprop`."""

    kind: Literal["rmsprop"] = "rmsprop"
    lr: PositiveFloat = 0.01
    """Learning rate η; the schedule multiplies it."""
    alpha: Fraction = 0.99
    """Weight of the past in the moving mean of g²."""

    @property
    def moments(self) -> tuple[str, ...]:
        return ("square_avg",)


Optimizer: TypeAlias = Annotated[Sgd | Adam | Adamw | Rmsprop, Field(discriminator="kind")]
