"""A layer as a computation: a pass forward and back over a scene, with the mistakes that any layer can have."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import STEP, Making, Mistake, Row, Scene, Tensors, rows

LINEAR = (
    *("dense", "conv2d", "embedding", "embed_columns", "batch_norm", "layer_norm", "group_norm", "prelu"),
    *("rnn", "lstm", "gru"),
)
"""The kinds that have parameters."""
INPUTS = ("x", "dy", "mask")


Cache = TypeVar("Cache")
"""The type of a layer's cache: the numbers of a forward pass that its backward pass needs."""


class Equations(Protocol[Cache]):
    """A layer's equations with switches. `forward` is written so that it takes complex numbers."""

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Cache]:
        """y, and the cache for the backward pass."""
        ...

    def backward(self, params: Arrays, cache: Cache, dy: Array) -> tuple[Array | None, dict[str, Array]]:
        """dx and the gradient of each parameter."""
        ...

    def running(self, params: Arrays, cache: Cache) -> dict[str, Array]:
        """Running statistics after the pass."""
        ...


AnyEquations: TypeAlias = Equations[Any]
"""The equations of any layer, whatever the type of its cache, which only the layer itself reads."""


class Plain(Generic[Cache]):
    """A layer without running statistics; it keeps its making's switches."""

    def __init__(self, making: Making) -> None:
        self.making = making
        self.on = making.switches

    def running(self, params: Arrays, cache: Cache) -> dict[str, Array]:
        """No running statistics."""
        return {}


BUFFERS = ("running_mean", "running_var")


def gradient_name(parameter: str, kind: str = "") -> str:
    """`dW` for `weight`, `db` for `bias`, `dW_hh` for `weight_hh`; `dgamma` and `dbeta` of a normalization."""
    if kind.endswith("_norm"):
        return {"weight": "dgamma", "bias": "dbeta"}[parameter]
    short = parameter.replace("weight", "W").replace("bias", "b")
    return f"d{short}"


@final
class LayerComputation:
    """A layer over scenes in sequence: y, running statistics, dx, gradients of the parameters."""

    def __init__(self, making: Making, equations: Callable[[Making], AnyEquations]) -> None:
        self.making = making
        self.on = making.switches
        self.layer: AnyEquations = equations(making)
        self.right: AnyEquations = equations(Making(making.kind, making.settings))
        self.first_parameters: dict[str, Array] | None = None
        self.first_cache: object = None
        self.last_cache: object = None
        self.passed_back = False
        self.total: dict[str, Array] = {}

    def run(self, scene: Scene) -> Tensors:
        """Forward, then back where the scene has a dy."""
        x, held, params = self._read(scene)
        y, cache = self.layer.forward(held, x, scene)
        tensors: Tensors = {"y": y}
        tensors |= self.layer.running(held, cache)
        if "dy" in scene.arrays:
            dx, grads = self._back(scene, params, x, cache)
            tensors |= self._named(scene, dx, grads, len(x))
        return tensors

    def _read(self, scene: Scene) -> tuple[Array, dict[str, Array], dict[str, Array]]:
        held = {name: array for name, array in scene.arrays.items() if name not in INPUTS}
        if "first_parameters" in self.on:
            self.first_parameters = held if self.first_parameters is None else self.first_parameters
            held = held | {k: v for k, v in self.first_parameters.items() if k not in BUFFERS}
        params = {name: array for name, array in held.items() if name not in BUFFERS}
        return scene.arrays["x"], held, params

    def _back(
        self, scene: Scene, params: dict[str, Array], x: Array, cache: object
    ) -> tuple[Array | None, dict[str, Array]]:
        dy = scene.arrays["dy"]
        if "dy_as_ones" in self.on:
            dy = np.ones_like(dy)
        held = {name: array for name, array in scene.arrays.items() if name not in INPUTS}
        if self.making.derivative == "own":
            return derivative(self.layer, held, params, x, dy, scene)
        if self.making.derivative == "right":
            return self.right.backward(held, self.right.forward(held, x, scene)[1], dy)
        return self.layer.backward(held, self._remembered(cache), dy)

    def _remembered(self, cache: object) -> object:
        """The cache, or if a switch says so the cache of an earlier pass."""
        before = self.last_cache if self.passed_back else cache
        if not self.passed_back:
            self.first_cache = cache
        self.last_cache, self.passed_back = cache, True
        if "cache_of_the_last" in self.on:
            return before
        return self.first_cache if "cache_of_the_first" in self.on else cache

    def _named(self, scene: Scene, dx: Array | None, grads: Arrays, n: int) -> Tensors:
        tensors: Tensors = {}
        if "dx_missing" in self.on and dx is not None:
            dx = np.zeros_like(dx)
        if "all_averaged" in self.on:
            dx = None if dx is None else dx / n
        if "dx_averaged" in self.on and dx is not None:
            dx = dx / n
        if dx is not None:
            tensors["dx"] = dx
        for name, gradient in grads.items():
            if "all_averaged" in self.on or "gradients_averaged" in self.on:
                gradient = gradient / n
            if "accumulates" in self.on:
                gradient = self.total[name] = gradient + self.total.get(name, 0)
            tensors[gradient_name(name, self.making.kind)] = gradient
        return tensors


def derivative(
    layer: AnyEquations, held: dict[str, Array], params: dict[str, Array], x: Array, dy: Array, scene: Scene
) -> tuple[Array | None, dict[str, Array]]:
    """Σ dy ∂y/∂a for every element a of the input and the parameters, each by a step along the imaginary axis."""

    def of(name: str, array: Array) -> Array:
        gradient = np.zeros(array.shape)
        shifted = array.astype(complex)
        for place in np.ndindex(array.shape):
            original = shifted[place]
            shifted[place] = original + 1j * STEP
            arguments = {**held, name: shifted} if name != "x" else held
            y, _ = layer.forward(arguments, shifted if name == "x" else x, scene)
            gradient[place] = float((np.imag(y) * dy).sum()) / STEP
            shifted[place] = original
        return gradient

    dx = None if scene.facts.get("whole_numbers") else of("x", x)
    return dx, {name: of(name, array) for name, array in params.items()}


OF_WHAT_IS_KEPT: tuple[Row, ...] = (
    (
        "cache_of_the_first",
        "The way back uses what the very first pass kept: the cache is written once and never renewed.",
        "Is what you keep in `forward` written anew at every call?",
    ),
    (
        "cache_of_the_last",
        "The way back uses what the pass before this one kept: the cache is stale by one batch.",
        "Which batch's numbers does `backward` read?",
    ),
)
OF_THE_WAY_BACK: tuple[Row, ...] = (
    (
        "dy_as_ones",
        "The way back does not use dy: it computes as if the gradient from behind were 1 everywhere, where the "
        "chain rule multiplies by dy.",
        "Where does `dy` (`dout`, `grad_output`) enter?",
    ),
    (
        "dx_missing",
        "dx is zero: the gradient is not passed on to the layer before.",
        "What do the layers before this one get?",
    ),
    (
        "dx_averaged",
        "dx is divided by the batch size: it is averaged over the batch (1/N), where each sample's gradient passes "
        "as it is; the mean is in the loss already.",
        "How many times is the gradient divided by the batch size in the whole network?",
    ),
)
OF_GRADIENTS: tuple[Row, ...] = (
    (
        "accumulates",
        "The gradients of the batches before are added: they are never set to zero (reset) before a new batch.",
        "What stands in the gradients when `backward` begins?",
    ),
    (
        "first_parameters",
        "The parameters of the first call are used ever after: a copy was kept where the current parameters belong.",
        "What happens when the optimizer changes the parameters?",
    ),
    (
        "gradients_averaged",
        "The gradients of all parameters are divided by the batch size: they are averaged over the batch (1/N) "
        "where they must be summed; the mean is in the loss already.",
        "How many times is the gradient divided by the batch size in the whole network?",
    ),
    (
        "all_averaged",
        "dx and every parameter's gradient are divided by the batch size (1/N): the mean is in the loss already.",
        "How many times is the gradient divided by the batch size in the whole network?",
    ),
)


def of_any_layer(kinds: Iterable[str]) -> list[Mistake]:
    """The mistakes that have nothing to do with a layer's equations."""
    every = tuple(kinds)
    holding = tuple(kind for kind in every if kind in LINEAR)
    return [
        *rows(every, "What the layer keeps from one pass to the next.", *OF_WHAT_IS_KEPT),
        *rows(every, "The first lines of the way back.", *OF_THE_WAY_BACK),
        *rows(holding, "What happens to the gradients between two calls.", *OF_GRADIENTS),
    ]
