"""A layer's parameters: their shapes, how each begins, and which of them weight decay applies to.

Beginnings are named here and drawn in `twofold.engine.initial`, once for both engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from twofold.recipe.base import Pair, Shape


@dataclass(frozen=True)
class Weight:
    """A matrix (out, in, ...), drawn as the recipe's `initial` says; fan_in is the product of the axes behind `out`."""


@dataclass(frozen=True)
class Kernel:
    """A convolution's `Weight`, which `dirac` and a whitening of the training images may fill in another way."""

    groups: int
    kernel: Pair
    dilation: Pair
    whitens: bool
    """Whether it begins as filters that whiten the training images."""


@dataclass(frozen=True)
class Bias:
    """A bias: drawn with the fan_in of the layer's `weight` if `initial` is the default, else 0."""


@dataclass(frozen=True)
class Constant:
    """One value everywhere, whatever the recipe's `initial` is."""

    value: float


@dataclass(frozen=True)
class StandardNormal:
    """Drawn from N(0, 1); 0 if the recipe's `initial` is `zeros`."""


@dataclass(frozen=True)
class Vectors:
    """Drawn from N(0, 0.1²) except row 0, which is 0; all 0 if the recipe's `initial` is `zeros`."""

    std: float = 0.1


@dataclass(frozen=True)
class GateWeight:
    """A block of rows for each gate, drawn like a `Weight` of its own, by default from U(−1/√units, 1/√units)."""

    units: int
    scheme: Literal["recipe", "orthogonal", "identity"] = "recipe"
    """If not `recipe`: each gate's matrix is orthogonal or the identity, so that it keeps the length of vectors."""
    gain: float = 1.0
    """Factor on the drawn matrix."""


@dataclass(frozen=True)
class GateBias:
    """A block for each gate, by default from U(−1/√units, 1/√units), else 0."""

    units: int
    added: tuple[float, ...]
    """What is added to each gate's block."""
    kept_for: int | None = None
    """T of the chrono initialisation; `None` for none."""
    chrono: tuple[int, ...] = ()
    """The sign of log u, u from U(1, T − 1), in each gate's block: 1 or −1; 0 for a block that stays as drawn."""


Start: TypeAlias = Weight | Kernel | Bias | Constant | StandardNormal | Vectors | GateWeight | GateBias


class Parameter(NamedTuple):
    """One parameter of a layer."""

    shape: Shape
    start: Start
    """How it begins."""
    decays: bool
    """Whether it is a matrix or a kernel: where an optimizer's `decayed` is `weights`, nothing else decays."""


Parameters: TypeAlias = dict[str, Parameter]
"""A layer's parameters by PyTorch's names: `weight`, `bias`."""


def with_bias(parameters: Parameters, units: int, bias: bool) -> Parameters:
    """The parameters, and b (units,) where there is one."""
    return parameters | ({"bias": Parameter((units,), Bias(), decays=False)} if bias else {})
