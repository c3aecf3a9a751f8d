"""Activations: functions of each element by itself, one with a learned slope, and softmax."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field, PositiveFloat, PositiveInt

from twofold.recipe.base import Shape
from twofold.recipe.layer import OUTPUT, Asleep, Kept, LayerSpec, Plain, Refusal, numbers, one_line
from twofold.recipe.operation import Operation, Operations, Size, dimensions
from twofold.recipe.parameters import Constant, Parameter, Parameters


class Elementwise(LayerSpec, abc.ABC):
    """An activation y = f(x) of each element by itself: it takes any shape, and dx = dy ⊙ f′(x)."""

    stacks: ClassVar[bool] = True
    asleep: ClassVar[Asleep | None]
    """When a unit sleeps; `None` where its slope is nowhere near 0, or no threshold is usual."""

    @abc.abstractmethod
    def formulas(self) -> tuple[str, str]:
        """The equations of y and of dx."""

    def refuses(self, shape: Shape) -> Refusal | None:
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def working_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> Parameters:
        return {}

    def buffer_shapes(self, shape: Shape) -> dict[str, Shape]:
        return {}

    def mask_shape(self, shape: Shape) -> Shape | None:
        return None

    def kept(self, shape: Shape) -> Kept:
        return Kept(numbers(shape), 2 * numbers(shape))

    def watched(self) -> Mapping[str, Asleep]:
        return {} if self.asleep is None else {OUTPUT: self.asleep}

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        return one_line(self, shape, n, self.formulas())


class Relu(Elementwise):
    """y = max(x, 0); the derivative at 0 is 0. `torch.nn.ReLU`."""

    asleep: ClassVar[Asleep | None] = Asleep.OFF
    kind: Literal["relu"] = "relu"

    def formulas(self) -> tuple[str, str]:
        return "y = max(x, 0)", "dx = dy ⊙ [x > 0]"


class LeakyRelu(Elementwise):
    """y = x where x > 0, else a x: a unit that is off still passes a little gradient. `torch.nn.LeakyReLU`."""

    asleep: ClassVar[Asleep | None] = None
    kind: Literal["leaky_relu"] = "leaky_relu"
    negative_slope: Annotated[float, Field(ge=0)] = 0.01
    """a."""

    def formulas(self) -> tuple[str, str]:
        a = f"{self.negative_slope:g}"
        return f"y = x where x > 0, else {a} x", f"dx = dy where x > 0, else {a} dy"


class Prelu(Plain):
    """y = x where x > 0, else a x, a learned: one slope for all channels (axis 1), or one each. `torch.nn.PReLU`."""

    stacks: ClassVar[bool] = True
    kind: Literal["prelu"] = "prelu"
    num_parameters: PositiveInt = 1
    """How many slopes there are: 1, or one for each channel; in vectors a channel is a feature."""
    init: float = 0.25
    """The initial value of a. It never decays with `decayed = "weights"`: a slope of 0 is not a simpler network."""

    def refuses(self, shape: Shape) -> Refusal | None:
        channels = shape[0] if shape else 1
        if self.num_parameters == 1 or channels in (None, self.num_parameters):
            return None
        rule = f"with num_parameters {self.num_parameters} takes as many channels (axis 1)"
        other = ", or to 1 for one slope in all channels" if channels != 1 else ""
        return Refusal(rule, f"Set `num_parameters` to {channels}{other}.")

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> Parameters:
        return {"weight": Parameter((self.num_parameters,), Constant(self.init), decays=False)}

    def kept(self, shape: Shape) -> Kept:
        return Kept(numbers(shape), 2 * numbers(shape))

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        x, a = dimensions(n, shape), f"({self.num_parameters},)"
        over = "Σ" if self.num_parameters == 1 else "Σ of each channel"
        forward = Operation("y = x where x > 0, else a x", f"{x}, {a} → {x}", "y")
        da = Operation(f"da = {over} dy ⊙ x where x ≤ 0", f"{x} → {a}", "weight")
        return [forward], [da, Operation("dx = dy where x > 0, else a dy", f"{x}, {a} → {x}", "dx")]


class Elu(Elementwise):
    """y = x where x > 0, else α (exp(x) − 1). `torch.nn.ELU`."""

    asleep: ClassVar[Asleep | None] = None
    kind: Literal["elu"] = "elu"
    alpha: PositiveFloat = 1.0
    """α: −α is the least output."""

    def formulas(self) -> tuple[str, str]:
        factor = "" if self.alpha == 1 else f"{self.alpha:g} "
        return (
            f"y = x where x > 0, else {factor}(exp(x) − 1)",
            f"dx = dy where x > 0, else dy ⊙ (y + {self.alpha:g})",
        )


class Gelu(Elementwise):
    """y = x Φ(x), Φ the distribution function of N(0, 1). `torch.nn.GELU`."""

    asleep: ClassVar[Asleep | None] = None
    kind: Literal["gelu"] = "gelu"
    approximate: Literal["none", "tanh"] = "none"
    """`tanh`: Φ(x) ≈ (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2."""

    def formulas(self) -> tuple[str, str]:
        if self.approximate == "none":
            return "y = x Φ(x), Φ that of N(0, 1)", "dx = dy ⊙ (Φ(x) + x φ(x)), φ = Φ′"
        slope = "(1 + tanh u) / 2 + x (1 − tanh² u) / 2 · √(2/π) (1 + 0.134145 x²)"
        return "y = x (1 + tanh u) / 2, u = √(2/π) (x + 0.044715 x³)", f"dx = dy ⊙ ({slope})"


class Silu(Elementwise):
    """y = x / (1 + exp(−x)), also called swish. `torch.nn.SiLU`."""

    asleep: ClassVar[Asleep | None] = None
    kind: Literal["silu"] = "silu"

    def formulas(self) -> tuple[str, str]:
        return "y = x σ(x), σ the sigmoid", "dx = dy ⊙ σ(x) (1 + x (1 − σ(x)))"


class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(−x)). `torch.nn.Sigmoid`."""

    asleep: ClassVar[Asleep | None] = Asleep.SIGMOID
    kind: Literal["sigmoid"] = "sigmoid"

    def formulas(self) -> tuple[str, str]:
        return "y = 1 / (1 + exp(−x))", "dx = dy ⊙ y ⊙ (1 − y)"


class Tanh(Elementwise):
    """y = tanh x. `torch.nn.Tanh`."""

    asleep: ClassVar[Asleep | None] = Asleep.TANH
    kind: Literal["tanh"] = "tanh"

    def formulas(self) -> tuple[str, str]:
        return "y = tanh x", "dx = dy ⊙ (1 − y²)"


class Softmax(Plain):
    """y = exp(x) / Σ exp(x), over the last axis. `torch.nn.Softmax(dim=-1)`."""

    stacks: ClassVar[bool] = True
    kind: Literal["softmax"] = "softmax"

    def refuses(self, shape: Shape) -> Refusal | None:
        return None

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, shape: Shape) -> Parameters:
        return {}

    def kept(self, shape: Shape) -> Kept:
        return Kept(numbers(shape), 2 * numbers(shape))

    def only_first(self) -> str:
        return ""

    def equations(self, shape: Shape, n: Size) -> tuple[Operations, Operations]:
        return one_line(self, shape, n, ("y = exp(x) / Σ exp(x)", "dx = y ⊙ (dy − Σ dy ⊙ y)"))


Activation: TypeAlias = Relu | LeakyRelu | Prelu | Elu | Gelu | Silu | Sigmoid | Tanh | Softmax
