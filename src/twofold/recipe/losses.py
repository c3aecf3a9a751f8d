"""Losses: the functions that training minimizes."""

from __future__ import annotations

import abc
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, PositiveFloat

from twofold.recipe.base import Fraction, Part, Shape, unwritten_at
from twofold.recipe.operation import Operation, Operations, Size, dimensions

Targets: TypeAlias = Literal["classes", "numbers", "classes or numbers", "labels"]
"""What a loss compares outputs with: a sample's class, numbers, either, or labels of which it may have several."""
ClassWeights: TypeAlias = Annotated[tuple[PositiveFloat, ...], Field(strict=False, min_length=2)]


class LossSpec(Part, abc.ABC):
    """A loss of a recipe. Its kinds are final; each is told from the others by its `kind`."""

    takes_logits: ClassVar[bool]
    """Whether it applies softmax itself, so that what the network gives are logits."""
    targets: ClassVar[Targets]
    """What it compares the outputs with."""
    reduction: Literal["mean", "sum"] = "mean"
    """Whether a batch's loss is the mean or the sum of its terms. `sum` makes every gradient as many times larger as
    there are terms. The mean is reported either way."""

    @abc.abstractmethod
    def equations(self, shape: Shape, n: Size, onehot: bool = True) -> tuple[Operations, Operations]:
        """Forward, from y (n, *shape) and the target t to L, and back to dy; C is the number of outputs.

        `onehot` says whether t are classes, from which a loss of numbers makes ones and zeros.
        """


class CrossEntropy(LossSpec):
    """Mean over the batch of −log softmax(z)[target], in nats; z are logits. `torch.nn.CrossEntropyLoss`."""

    takes_logits: ClassVar[bool] = True
    targets: ClassVar[Targets] = "classes"
    kind: Literal["cross_entropy"] = "cross_entropy"
    label_smoothing: Fraction = 0.0
    """ε: the target is 1 − ε + ε / C at the true one of C classes and ε / C at the others. Only in training: the
    reported loss is without it."""
    class_weight: Literal["balanced"] | ClassWeights | None = Field(default=None, exclude_if=unwritten_at(None))
    """A weight for each class, in their order; `balanced`: samples / (classes × samples of the class), counted over the
    training samples. PyTorch's meaning of `weight`: a batch's mean is divided by the sum of its weights. Only in
    training: the reported loss counts every sample once."""

    def equations(self, shape: Shape, n: Size, onehot: bool = True) -> tuple[Operations, Operations]:
        if self.class_weight is not None:
            return self._weighted(shape, n)
        mean = "1/N " if self.reduction == "mean" else ""
        target, smoothing = "onehot(class)", self.label_smoothing
        log_likelihood = f"L = −{mean}Σₙ log softmax(y)[class]"
        if smoothing:
            target, log_likelihood = "q", f"L = −{mean}Σₙ q · log softmax(y)"
        dy = f"dy = (softmax(y) − {target}) / N" if mean else f"dy = softmax(y) − {target}"
        forward, backward = one_line(shape, n, log_likelihood, dy)
        if smoothing:
            q = f"q = {1 - smoothing:g} onehot(class) + {smoothing:g} / {shape[-1]}"
            forward = [Operation(q, f"({n},) → {dimensions(n, shape)}"), *forward]
        return forward, backward

    def _weighted(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        """The equations with w, the weight of each class, and W, the sum of the weights of the batch's samples."""
        over = " / W" if self.reduction == "mean" else ""
        sizes = dimensions(n, shape)
        q, smooth = "onehot(class)", self.label_smoothing
        if smooth:
            q = f"({1 - smooth:g} onehot(class) + {smooth:g} / {shape[-1]})"
        forward = [
            Operation(f"a = w {q}", f"({n},) → {sizes}"),
            Operation(f"L = −Σₙ a · log softmax(y){over}", f"{sizes} → ()", "L"),
        ]
        return forward, [Operation(f"dy = (Σ_c a softmax(y) − a){over}", f"() → {sizes}", "dy")]


class MeanSquared(LossSpec):
    """Mean over batch and outputs of (y − t)². `torch.nn.MSELoss`.

    The target t is onehot(target) of classes, and of numbers to predict the numbers themselves: where a table's label
    has one column and the last layer one unit, or several columns and as many units.
    """

    takes_logits: ClassVar[bool] = False
    targets: ClassVar[Targets] = "classes or numbers"
    kind: Literal["mean_squared"] = "mean_squared"

    def equations(self, shape: Shape, n: Size, onehot: bool = True) -> tuple[Operations, Operations]:
        mean, divisor = ("1/(N C) ", " / (N C)") if self.reduction == "mean" else ("", "")
        t = "onehot(class)" if onehot else "t"
        return one_line(shape, n, f"L = {mean}Σ (y − {t})²", f"dy = 2 (y − {t}){divisor}")


class MeanAbsolute(LossSpec):
    """Mean over batch and outputs of |y − t|, for numbers to predict. `torch.nn.L1Loss`.

    The best constant answer is the median, which a few far targets hardly move.
    """

    takes_logits: ClassVar[bool] = False
    targets: ClassVar[Targets] = "numbers"
    kind: Literal["mean_absolute"] = "mean_absolute"

    def equations(self, shape: Shape, n: Size, onehot: bool = False) -> tuple[Operations, Operations]:
        mean, divisor = ("1/(N C) ", " / (N C)") if self.reduction == "mean" else ("", "")
        return one_line(shape, n, f"L = {mean}Σ |y − t|", f"dy = sign(y − t){divisor}")


class Huber(LossSpec):
    """Mean over batch and outputs of d² / 2 where |d| ≤ δ, else δ (|d| − δ / 2), of d = y − t. `torch.nn.HuberLoss`.

    Squared near the target and absolute far from it. Huber, Robust Estimation of a Location Parameter (1964).
    """

    takes_logits: ClassVar[bool] = False
    targets: ClassVar[Targets] = "numbers"
    kind: Literal["huber"] = "huber"
    delta: PositiveFloat = 1.0
    """δ, the distance up to which the loss is a square: in standard deviations where the target is standardized."""

    def equations(self, shape: Shape, n: Size, onehot: bool = False) -> tuple[Operations, Operations]:
        mean, divisor = ("1/(N C) ", " / (N C)") if self.reduction == "mean" else ("", "")
        sizes, delta = dimensions(n, shape), f"{self.delta:g}"
        forward = [
            Operation("d = y − t", f"{sizes} → {sizes}"),
            Operation(f"L = {mean}Σ (d² / 2 if |d| ≤ {delta} else {delta} (|d| − {delta} / 2))", f"{sizes} → ()", "L"),
        ]
        return forward, [Operation(f"dy = clip(d, −{delta}, {delta}){divisor}", f"() → {sizes}", "dy")]


class BinaryCrossEntropy(LossSpec):
    """Mean over batch and outputs of −t log σ(z) − (1 − t) log σ(−z); z are logits. `torch.nn.BCEWithLogitsLoss`.

    For labels of which a sample may have several or none: t is 1 where it has the label, else 0.
    """

    takes_logits: ClassVar[bool] = True
    targets: ClassVar[Targets] = "labels"
    kind: Literal["binary_cross_entropy"] = "binary_cross_entropy"

    def equations(self, shape: Shape, n: Size, onehot: bool = False) -> tuple[Operations, Operations]:
        mean, divisor = ("1/(N C) ", " / (N C)") if self.reduction == "mean" else ("", "")
        forward = f"L = −{mean}Σ (t log σ(y) + (1 − t) log σ(−y))"
        return one_line(shape, n, forward, f"dy = (σ(y) − t){divisor}")


def one_line(shape: Shape, n: Size, forward: str, backward: str) -> tuple[Operations, Operations]:
    """The equations of a loss whose forward and backward pass are one operation each."""
    y = dimensions(n, shape)
    return [Operation(forward, f"{y} → ()", "L")], [Operation(backward, f"() → {y}", "dy")]


Loss: TypeAlias = Annotated[
    CrossEntropy | MeanSquared | MeanAbsolute | Huber | BinaryCrossEntropy, Field(discriminator="kind")
]
