"""Losses: what is made small."""

from __future__ import annotations

import abc
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from twofold.recipe.base import Fraction, Part, Shape
from twofold.recipe.operation import Operation, Operations, Size, dimensions


class LossSpec(Part, abc.ABC):
    """A loss of a recipe. Its kinds are final; each is told from the others by its `kind`."""

    takes_logits: ClassVar[bool]
    """Whether it applies softmax itself, so that what the network gives are logits."""
    reduction: Literal["mean", "sum"] = "mean"
    """What a batch's loss is of its terms. `sum` makes every gradient as many times larger as there are terms.
    What is reported is the mean either way."""

    @abc.abstractmethod
    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """Forward, from y (n, *shape) and the classes t to L, and back to dy; C is the number of classes."""


class CrossEntropy(LossSpec):
    """Mean over the batch of −log softmax(z)[target], in nats; z are logits. `torch.nn.CrossEntropyLoss`."""

    takes_logits: ClassVar[bool] = True
    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Fraction = 0.0
    """ε: the target is 1 − ε + ε / C at the true one of C classes and ε / C at the others. Training only: what is
    reported is the loss without."""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        mean = "1/N " if self.reduction == "mean" else ""
        target, smoothing = "onehot(t)", self.label_smoothing
        log_likelihood = f"L = −{mean}Σₙ log softmax(y)[t]"
        if smoothing:
            target, log_likelihood = "q", f"L = −{mean}Σₙ q · log softmax(y)"
        dy = f"dy = (softmax(y) − {target}) / N" if mean else f"dy = softmax(y) − {target}"
        forward, backward = one_line(shape, n, log_likelihood, dy)
        if smoothing:
            q = f"q = {1 - smoothing:g} onehot(t) + {smoothing:g} / {shape[-1]}"
            forward = [Operation(q, f"({n},) → {dimensions(n, shape)}"), *forward]
        return forward, backward


class MeanSquared(LossSpec):
    """Mean over batch and outputs of (y − onehot(target))². `torch.nn.MSELoss`."""

    takes_logits: ClassVar[bool] = False
    kind: Literal["mean_squared"] = "mean_squared"

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        mean, divisor = ("1/(N C) ", " / (N C)") if self.reduction == "mean" else ("", "")
        return one_line(shape, n, f"L = {mean}Σ (y − onehot(t))²", f"dy = 2 (y − onehot(t)){divisor}")


def one_line(shape: Shape, n: Size, forward: str, backward: str) -> tuple[Operations, Operations]:
    """A loss whose way forward and whose way back are one operation each."""
    y = dimensions(n, shape)
    return [Operation(forward, f"{y} → ()", "L")], [Operation(backward, f"() → {y}", "dy")]


Loss: TypeAlias = Annotated[CrossEntropy | MeanSquared, Field(discriminator="kind")]
