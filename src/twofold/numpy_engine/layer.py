"""What a layer of the NumPy engine is: two pure functions, and at most a few settings.

A pass leaves nothing on the object. What `backward` needs of the way forward is handed over in the cache, so the
same layer serves several threads at once and is checked without set-up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

from twofold.arrays import Array, Arrays
from twofold.engine import ThroughTime
from twofold.recipe.layer import LayerSpec


class Mode(NamedTuple):
    """The circumstances of a forward pass: all its inputs except x and the parameters."""

    training: bool
    mask: Array | None = None
    """The elements that dropout keeps, as booleans; `None` where the layer drops nothing."""
    lead: int = 0
    """How many axes of replicas stand before the batch."""
    lengths: Array | None = None
    """The number of steps of each sequence, (*replicas, batch); `None` if every sequence has all steps of x. Only
    recurrent layers use it."""


TRAINING = Mode(training=True)
EVALUATION = Mode(training=False)


Cache = TypeVar("Cache")
"""What a layer keeps of a pass for its way back: a type that only the layer knows."""


@runtime_checkable  # the tests check annotations while they run
class Layer(Protocol[Cache]):
    """y = f(x; params), and the way back."""

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Cache]:
        """The output, and whatever `backward` needs of this pass."""
        ...

    def backward(
        self, params: Arrays, cache: Cache, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """From ∂L/∂y to ∂L/∂x and to ∂L/∂parameter by name.

        `wants_dx` is false for the first layer with parameters: nothing uses its ∂L/∂x, which may then be `None`.
        """
        ...


@runtime_checkable
class Tracking(Layer[Cache], Protocol[Cache]):
    """A layer with running statistics, which `forward` reads from `params` and `running` gives anew."""

    def running(self, params: Arrays, cache: Cache) -> dict[str, Array]:
        """The running statistics after the pass that gave `cache`, by name."""
        ...


@runtime_checkable
class Timed(Layer[Cache], Protocol[Cache]):
    """A layer with a hidden state."""

    def through_time(self, params: Arrays, cache: Cache, dy: Array) -> ThroughTime:
        """h(t) and ∂L/∂h(t) of every step, on all paths to the loss."""
        ...


AnyLayer: TypeAlias = Layer[Any]
"""A layer with a cache of any type, which only its own `backward` reads."""
Builders: TypeAlias = Mapping[type[LayerSpec], Callable[[Any], AnyLayer]]
"""For each kind of layer in recipes, the function that builds the layer from its settings."""
