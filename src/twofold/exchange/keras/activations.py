"""Keras's activations, by themselves and at the end of another layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twofold.exchange import kinds as specs
from twofold.exchange.keras.call import Call
from twofold.exchange.kinds import LayerSpec

NAMED: Mapping[str, Callable[[Mapping[str, Any]], LayerSpec]] = {
    "relu": lambda given: specs.Relu(),
    "sigmoid": lambda given: specs.Sigmoid(),
    "tanh": lambda given: specs.Tanh(),
    "elu": lambda given: specs.Elu(alpha=float(given.get("alpha", 1.0))),
    "silu": lambda given: specs.Silu(),
    "swish": lambda given: specs.Silu(),
    "gelu": lambda given: specs.Gelu(approximate="tanh" if given.get("approximate") else "none"),
    "leaky_relu": lambda given: specs.LeakyRelu(negative_slope=float(given.get("negative_slope", 0.2))),
}
NEAREST = {
    "relu6": "The nearest is `relu`",
    "hard_sigmoid": "The nearest is `sigmoid`",
    "selu": "The nearest is `elu`",
    "softplus": "The nearest is `elu` or `relu`",
    "mish": "The nearest is `silu`",
    "exponential": "The nearest is `elu`",
}


def activate(call: Call) -> None:
    """The activation that the layer's settings name, where they name one."""
    held = call.config.get("activation")
    name, given = (held, {}) if not isinstance(held, Mapping) else (held.get("config"), {})
    if isinstance(name, Mapping):
        name, given = str(held["class_name"]), name  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]
    if name in (None, "linear"):
        return
    activation(call, str(name), given)


def activation(call: Call, name: str, given: Mapping[str, Any]) -> None:
    """An activation by its name; a softmax at the model's end is part of cross-entropy."""
    if name in ("softmax", "log_softmax") and call.last:
        call.reading.chain.loss = "cross_entropy"
        call.reading.soft = name == "softmax"
        return
    if name == "softmax":
        call.add(specs.Softmax())
        return
    if name not in NAMED:
        call.refuse(f"its activation is {name}", NEAREST.get(name, f"Those that can be adopted: {', '.join(NAMED)}"))
    call.add(NAMED[name](given))
