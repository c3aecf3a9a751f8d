"""A user's own layer in the engine: its outputs and gradients are checked, and an error names the layer at fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Generic, cast, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import ThroughTime
from twofold.errors import UserError
from twofold.numpy_engine.layer import AnyLayer, Cache, Layer, Mode, Timed, Tracking
from twofold.recipe import Network, Node


def with_given(own: Mapping[str, AnyLayer], network: Network, theirs: Mapping[str, AnyLayer]) -> dict[str, AnyLayer]:
    """The recipe's `own` layers, with the user's at the places that they name. Raises `UserError` for other names."""
    nodes = {node.name: node for node in network.nodes}
    for name in theirs:
        if name not in nodes:
            raise UserError(
                f"`layers` names places of the network by text: {', '.join(map(repr, nodes))}; got {name!r}"
            )
    return {**own, **{name: Given(layer, nodes[name]) for name, layer in theirs.items()}}


@final
class Given(Generic[Cache]):
    """The user's layer, at its place in the network.

    Its output must have the layer's shape, its gradients the names and shapes of the parameters, and its running
    statistics likewise: otherwise a transposed or misnamed gradient would land in another place of the flat vector, and
    pass for the right one there.
    """

    def __init__(self, layer: Layer[Cache], node: Node) -> None:
        self.layer, self.node = layer, node
        for name, checked in {"running": self._running, "through_time": self._through_time}.items():
            if hasattr(layer, name):  # these make a layer `Tracking` or `Timed`
                setattr(self, name, checked)
        for name in ("forward", "backward"):
            if not callable(getattr(layer, name, None)):
                raise UserError(f"{self._place()} has no `{name}`; a layer has `forward` and `backward`")

    def _place(self) -> str:
        return f"the layer given for `{self.node.name}` ({self.node.kind})"

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Cache]:
        """The user's `forward`. Raises `UserError` unless it gives a cache and y, an array of the layer's shape."""
        result = self.layer.forward(params, x, mode)
        if not isinstance(result, tuple) or len(result) != 2:
            raise UserError(f"{self._place()}: `forward` must give (y, cache); it gives {type(result).__name__}")
        self._fits("y", result[0], (*x.shape[: mode.lead + 1], *self.node.output_shape))
        return result

    def backward(
        self, params: Arrays, cache: Cache, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """The user's `backward`. Raises `UserError` where a gradient is missing, misnamed or of the wrong shape."""
        result = self.layer.backward(params, cache, dy, wants_dx)
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], dict):
            raise UserError(f"{self._place()}: `backward` must give (dx, gradients by name), in this order")
        dx, grads = result
        if wants_dx:
            self._fits("dx", dx, (*dy.shape[: dy.ndim - len(self.node.output_shape)], *self.node.input_shape))
        self._named("backward", "gradient", grads, {name: params[name].shape for name in self.node.parameters})
        return result

    def _running(self, params: Arrays, cache: Cache) -> dict[str, Array]:
        """The user's `running`. Raises `UserError` where a statistic is missing, misnamed or of the wrong shape."""
        result = cast(Tracking[Cache], self.layer).running(params, cache)
        if not isinstance(result, dict):
            raise UserError(
                f"{self._place()}: `running` must give the running statistics by name; it gives {type(result).__name__}"
            )
        self._named("running", "new value", result, {name: params[name].shape for name in self.node.buffers})
        return result

    def _through_time(self, params: Arrays, cache: Cache, dy: Array) -> ThroughTime:
        """The user's `through_time`. Raises `UserError` unless it gives h and ∂L/∂h, of one shape, time first."""
        result = cast(Timed[Cache], self.layer).through_time(params, cache, dy)
        if not isinstance(result, ThroughTime):
            raise UserError(
                f"{self._place()}: `through_time` must give a ThroughTime; it gives {type(result).__name__}"
            )
        self._fits("h", result.h, (None, None, None))
        self._fits("the gradient of h", result.gradient, result.h.shape)
        return result

    def _named(self, way: str, what: str, arrays: Arrays, wanted: Mapping[str, tuple[int, ...]]) -> None:
        if arrays.keys() != wanted.keys():
            raise UserError(
                f"{self._place()}: `{way}` must give the {what}s of {_listed(wanted)}; it gives {_listed(arrays)}"
            )
        for name, shape in wanted.items():
            self._fits(f"the {what} of `{name}`", arrays[name], shape)

    def _fits(self, what: str, value: object, shape: tuple[int | None, ...]) -> None:
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            raise UserError(f"{self._place()}: {what} must be an array of floating-point numbers; it is {_kind(value)}")
        if len(value.shape) != len(shape) or any(s not in (None, v) for s, v in zip(shape, value.shape, strict=True)):
            raise UserError(f"{self._place()}: {what} must have shape {shape}; it has {value.shape}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _kind(value: object) -> str:
    return f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
