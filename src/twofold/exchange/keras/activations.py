"""Keras's activations, by themselves and at the end of another layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twofold.exchange import kinds as specs
from twofold.exchange.keras.call import Call
from twofold.exchange.kinds import LayerSpec
from twofold.plain import Parsed

NAMED: Mapping[str, Callable[[Mapping[str, Parsed]], LayerSpec]] = {
    "relu": lambda settings: specs.Relu(),
    "sigmoid": lambda settings: specs.Sigmoid(),
    "tanh": lambda settings: specs.Tanh(),
    "elu": lambda settings: specs.Elu(alpha=float(settings.get("alpha", 1.0))),
    "silu": lambda settings: specs.Silu(),
    "swish": lambda settings: specs.Silu(),
    "gelu": lambda settings: specs.Gelu(approximate="tanh" if settings.get("approximate") else "none"),
    "leaky_relu": lambda settings: specs.LeakyRelu(negative_slope=float(settings.get("negative_slope", 0.2))),
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
    """Add the activation that the layer's settings name; nothing where they name none."""
    setting = call.config.get("activation")
    name, settings = (setting, {}) if not isinstance(setting, Mapping) else (setting.get("config"), {})
    if isinstance(name, Mapping):
        name, settings = str(setting["class_name"]), name  # pyright: ignore[reportOptionalSubscript, reportIndexIssue]
    if name in (None, "linear"):
        return
    activation(call, str(name), settings)


def activation(call: Call, name: str, settings: Mapping[str, Parsed]) -> None:
    """Add an activation by its name; a softmax at the model's end is part of cross-entropy and adds no layer."""
    if (name == "softmax" or name == "log_softmax") and call.last:
        call.reading.chain.loss = "cross_entropy"
        call.reading.end = name
        return
    if name == "softmax":
        call.add(specs.Softmax())
        return
    if name not in NAMED:
        call.refuse(f"its activation is {name}", NEAREST.get(name, f"Those that can be adopted: {', '.join(NAMED)}"))
    call.add(NAMED[name](settings))
