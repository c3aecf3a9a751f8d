"""`nn.RNN`, `nn.LSTM` and `nn.GRU` as recurrent layers: both bias vectors and the order of the gates are PyTorch's."""

from __future__ import annotations

import operator
from typing import Literal, TypeAlias

import numpy as np
from torch import fx

from twofold.arrays import Array
from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain, Link
from twofold.exchange.torch.call import Attribute, Call, Value, array_of
from twofold.recipe.layer import LayerSpec

Steps: TypeAlias = Literal["last", "every"]
"""Which states a layer gives."""
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
READERS = {operator.getitem, "squeeze", "view", "reshape", "select"}
"""Functions and methods that pick states out of what the module gives."""


def recurrent(call: Call, chain: Chain) -> fx.Node:
    """Add a layer for each of `num_layers`; gives the node that reads the last one's states."""
    module = call.module
    _check(call)
    node, last = _read(call)
    if last:
        _check_last(call, call.values[node.name])
    for layer in range(module.num_layers):
        top = layer == module.num_layers - 1
        tensors = {part: array_of(getattr(module, f"{part}_l{layer}")) for part in PARTS[: 4 if module.bias else 2]}
        origins = {part: f"{call.label}.{part}_l{layer}" for part in tensors}
        spec = _spec(call, "last" if top and last else "every")
        label = call.label if module.num_layers == 1 else f"{call.label} (layer {layer})"
        expected = call.values[node.name] if top else None
        chain.add(Link(spec, label, call.operator, tensors, origins, node.name if top else None), expected)
    return node


def _spec(call: Call, output: Steps) -> LayerSpec:
    module = call.module
    match module.mode:
        case "LSTM":
            return specs.Lstm(units=module.hidden_size, output=output, bias=module.bias)
        case "GRU":
            return specs.Gru(units=module.hidden_size, output=output, bias=module.bias)
    nonlinearity = module.nonlinearity
    return specs.Rnn(units=module.hidden_size, output=output, bias=module.bias, nonlinearity=nonlinearity)


def _check(call: Call) -> None:
    module = call.module
    if call.x.ndim != 3:
        call.refuse(f"it gets {call.x.shape}; sequences are (N, steps, features)")
    if not module.batch_first:
        call.refuse(
            "batch_first is False: its sequences stand time first",
            f"Twofold's are (N, steps, features): nn.{call.operator}(..., batch_first=True) has the same weights",
        )
    if module.bidirectional:
        call.refuse("it is bidirectional", "The nearest is one direction")
    if getattr(module, "proj_size", 0):
        call.refuse(
            f"proj_size is {module.proj_size}", "The nearest is an LSTM without projection, and `dense` behind it"
        )
    if module.num_layers > 1 and module.dropout:
        call.refuse(
            f"dropout = {module.dropout:g} between its layers draws masks of its own, which no proof can hand it",
            "Write the layers one by one, with nn.Dropout between them",
        )
    if call.x.shape[1] < 2:
        call.refuse("the sample has one step of time: which step is read cannot be seen", "Give a sample of more steps")
    for state in _leaves(call.argument(0, "hx", ())):
        if not (isinstance(state, Attribute) and state.constant and not state.array.any()):
            call.refuse(
                "it begins with a state of its own", "Twofold's recurrent layers begin with h(0) = 0: leave it out"
            )


def _leaves(value: Value) -> list[Value]:
    if isinstance(value, tuple | list):
        return [leaf for part in value for leaf in _leaves(part)]
    return [] if value is None else [value]


def _read(call: Call) -> tuple[fx.Node, bool]:
    """The node that reads the states, and whether it reads those of the last step only."""
    units, (batch, steps, _) = call.module.hidden_size, call.x.shape
    node = call.node
    while not _has_shape(call, node, (batch, steps, units)) and not _has_shape(call, node, (batch, units)):
        node = _only_user(call, node)
    if _has_shape(call, node, (batch, units)):
        return node, True
    users = list(node.users)
    if len(users) == 1 and _is_last_step(users[0], steps) and _has_shape(call, users[0], (batch, units)):
        return users[0], True
    return node, False


def _check_last(call: Call, state: Array) -> None:
    """Refuse vectors that are read and are not the last layer's states at the last step."""
    states = call.values[call.node.name][0]
    if np.array_equal(state, states[:, -1]):
        return
    if call.module.mode == "LSTM" and any(np.array_equal(state, cell) for cell in call.values[call.node.name][1][1]):
        call.refuse("the cell's state, c, is read", "The nearest is the state h, as `h[-1]`")
    call.refuse("what is read is not its last layer's state at the last step", "The nearest is `h[-1]`")


def _only_user(call: Call, node: fx.Node) -> fx.Node:
    users = list(node.users)
    names = ", ".join(f"`{user.name}`" for user in users)
    if len(users) != 1 or users[0].target not in READERS:
        call.refuse(
            f"its states are read by {names or 'nothing'}",
            "Read every step, `out`, the last one, `out[:, -1]`, or the last state, `h[-1]`",
        )
    return users[0]


def _has_shape(call: Call, node: fx.Node, shape: tuple[int, ...]) -> bool:
    """Whether a node gives an array of the shape; what numbers it holds is compared when the layer is added."""
    value = call.values[node.name]
    return isinstance(value, np.ndarray) and value.shape == shape


def _is_last_step(node: fx.Node, steps: int) -> bool:
    if node.target is operator.getitem and isinstance(node.args[1], tuple) and len(node.args[1]) > 1:
        first, second, *rest = node.args[1]
        plain = slice(None)
        return first == plain and second in (-1, steps - 1) and all(index == plain for index in rest)
    return node.target == "select" and tuple(node.args[1:]) in {(1, -1), (1, steps - 1)}
