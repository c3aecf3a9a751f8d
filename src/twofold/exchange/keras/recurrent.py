"""Keras's loops over time: matrices (in, gates · units), one bias where PyTorch has two, GRU's gates as z, r, h."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from twofold.arrays import Array
from twofold.exchange import kinds as specs
from twofold.exchange.keras.call import Call, Tensors


def simple(call: Call) -> None:
    """`SimpleRNN`: tanh or relu."""
    activation = call.config["activation"]
    if activation not in ("tanh", "relu"):
        call.refuse(f"its activation is {activation}", "The nearest is tanh or relu")
    spec = specs.Rnn(units=_units(call), output=_output(call), bias=_bias(call), nonlinearity=activation)
    call.add(spec, _tensors(1, (0,)))


def lstm(call: Call) -> None:
    """The gates are i, f, c, o: ours, i, f, g, o."""
    call.only(activation="tanh", recurrent_activation="sigmoid")
    call.add(specs.Lstm(units=_units(call), output=_output(call), bias=_bias(call)), _tensors(4, (0, 1, 2, 3)))


def gru(call: Call) -> None:
    """The gates are z, r, h, ours r, z, n. The reset gate must stand after the product."""
    call.only(activation="tanh", recurrent_activation="sigmoid")
    if not call.config.get("reset_after", True):
        call.refuse(
            "its reset gate stands before the product (reset_after=False)",
            "The nearest is the form of PyTorch and cuDNN, reset_after=True",
        )
    call.add(specs.Gru(units=_units(call), output=_output(call), bias=_bias(call)), _tensors(3, (1, 0, 2)))


def _units(call: Call) -> int:
    call.only(return_state=False, go_backwards=False, stateful=False, dropout=0.0, recurrent_dropout=0.0)
    if len(call.reading.chain.shape) != 2:
        call.refuse(f"it reads {call.x.shape[1:]}", "It reads sequences, (steps, features)")
    return int(call.config["units"])


def _output(call: Call) -> Literal["every", "last"]:
    return "every" if call.config["return_sequences"] else "last"


def _bias(call: Call) -> bool:
    call.count(2, 3)
    return len(call.layer.arrays) == 3


def _tensors(gates: int, order: Sequence[int]) -> Tensors:
    def reordered(array: Array) -> Array:
        blocks = np.split(array, gates, axis=-1)
        return np.concatenate([blocks[k] for k in order], axis=-1)

    def tensors(arrays: Sequence[Array]) -> dict[str, Array]:
        held = {"weight_ih": reordered(arrays[0]).T, "weight_hh": reordered(arrays[1]).T}
        if len(arrays) == 3:
            has_two = arrays[2].ndim == 2
            of_input, of_state = arrays[2] if has_two else (arrays[2], np.zeros_like(arrays[2]))
            held |= {"bias_ih": reordered(of_input), "bias_hh": reordered(of_state)}
        return held

    return tensors
