"""A network before it is trained: the part of a recipe that is needed without data and training."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, model_validator

from twofold.recipe.base import Part, Shape
from twofold.recipe.layers import Layer
from twofold.recipe.losses import CrossEntropy, Loss
from twofold.recipe.network import Network, infer
from twofold.recipe.training import DefaultInitial, Initial


class Model(Part):
    """Layers for samples of a shape, the loss that judges their outputs, and the weights with which they begin.

    A recipe's own is `recipe.model`: `[[layers]]`, `[loss]` and `[initial]`, the shape from `[data]`, the seed from
    `[training]`. Valid by construction: `RecipeError` lists the layers that do not fit.
    """

    layers: Annotated[tuple[Layer, ...], Field(strict=False, min_length=1)]
    shape: Annotated[Shape, Field(strict=False)]
    """The shape of one sample, without the batch; a size is `None` where only the data know it."""
    loss: Loss = CrossEntropy()
    initial: Initial = DefaultInitial()
    seed: NonNegativeInt = 0
    """Seed of the initial weights."""

    @model_validator(mode="after")
    def _layers_fit(self) -> Self:
        _, faults = infer(self.shape, self.layers, each_step=True)
        if faults:
            raise ValueError("; ".join(fault.rule for fault in faults))
        return self

    @property
    def network(self) -> Network:
        """The layers with every shape resolved."""
        return infer(self.shape, self.layers)[0]
