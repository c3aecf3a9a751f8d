"""ONNX's RNN, LSTM and GRU: time first, gates in another order, states with an axis of directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from twofold.arrays import Array
from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain, Link
from twofold.exchange.onnx.call import Call
from twofold.exchange.onnx.graph import attributes_of
from twofold.exchange.onnx.names import ORDERS, reordered
from twofold.recipe.layer import LayerSpec

if TYPE_CHECKING:
    from onnx import NodeProto

Steps: TypeAlias = Literal["last", "every"]
"""Which states a recurrent layer gives."""
OPERATORS = ("RNN", "LSTM", "GRU")
MOVERS = ("Squeeze", "Transpose", "Reshape", "Unsqueeze", "Identity")
"""What moves states without choosing among them."""
DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"]}


def transposed(call: Call, chain: Chain) -> str:
    """A transposition that puts time first for a recurrent operator, with that operator; any other is refused."""
    users = call.graph.users(call.node.output[0])
    if list(call.attributes.get("perm", [])) != [1, 0, 2] or [user.op_type in OPERATORS for user in users] != [True]:
        call.refuse(
            f"it turns {call.x.shape} into {call.y.shape}",
            "Give the samples in the order in which the first layer takes them",
        )
    return _read_on(call, chain, users[0], call.node.output[0])


def recurrent(call: Call, chain: Chain) -> str:
    """A recurrent operator that reads the chain's output as it is: time must stand first in it, or `layout` be 1."""
    if not call.attributes.get("layout", 0):
        call.refuse(
            "its sequences stand time first, (steps, N, features)", "Twofold's are (N, steps, features): transpose them"
        )
    return _read_on(call, chain, call.node, call.source)


def _read_on(call: Call, chain: Chain, node: NodeProto, source: str) -> str:
    """Add the layers of recurrent operators on top of each other; gives the tensor that reads the last one's states."""
    while True:
        at = Call(call.graph, node, source, call.graph.since(node), attributes_of(node))
        _check(at)
        followed = _next_recurrent(at)
        if followed is None:
            tensor, output = _states(at)
            at.add(chain, _spec(at, output), _tensors(at), tensor)
            return tensor
        link = Link(_spec(at, "every"), at.label, at.operator, _tensors(at))
        chain.add(link, None)  # its states stand time first; the layer on top of it shows whether they are right
        node, source = followed


def _check(call: Call) -> None:
    operator = call.node.op_type
    call.only(direction="forward", input_forget=0, activation_alpha=[], activation_beta=[])
    if operator != "RNN":
        call.only(activations=DEFAULTS[operator])
    elif (activations := call.attributes.get("activations", ["Tanh"])) not in (["Tanh"], ["Relu"]):
        call.refuse(f"its activation is {activations}", "The nearest is Tanh or Relu")
    if "clip" in call.attributes:
        call.refuse("it clips its gates", "The nearest is no clip")
    if operator == "GRU" and not call.attributes.get("linear_before_reset", 0):
        call.refuse(
            "its reset gate stands before the product (linear_before_reset = 0)",
            "The nearest is the form of PyTorch and cuDNN, linear_before_reset = 1",
        )
    if call.maybe(4, "sequence_lens") is not None:
        call.refuse("it is given a length for each sequence", "The nearest is sequences of one length")
    for place, what in ((5, "initial_h"), (6, "initial_c")):
        state = call.maybe(place, what)
        if state is not None and state.any():
            call.refuse(f"its {what} is not 0", "Twofold's recurrent layers begin with h(0) = 0")
    peepholes = call.maybe(7, "peepholes") if operator == "LSTM" else None
    if peepholes is not None and peepholes.any():
        call.refuse("it has peepholes", "The nearest is an LSTM without")


def _spec(call: Call, output: Steps) -> LayerSpec:
    units, bias = _units(call), call.maybe(3, "bias") is not None
    match call.node.op_type:
        case "LSTM":
            return specs.Lstm(units=units, output=output, bias=bias)
        case "GRU":
            return specs.Gru(units=units, output=output, bias=bias)
    nonlinearity = call.attributes.get("activations", ["Tanh"])[0].lower()
    return specs.Rnn(units=units, output=output, bias=bias, nonlinearity=nonlinearity)


def _units(call: Call) -> int:
    """The count of units, which the attribute hidden_size may leave to the recurrent weight, (1, gates, units)."""
    recurrence = call.held(2, "R")
    if recurrence.ndim != 3:
        call.refuse(f"its R is {recurrence.shape}", "It is (1, gates of all units, units)")
    return int(call.attributes.get("hidden_size", recurrence.shape[2]))


def _tensors(call: Call) -> dict[str, Array]:
    """The weights with the gates in our order."""
    order = [int(place) for place in np.argsort(ORDERS[call.node.op_type.lower()])]
    held = {"weight_ih": call.held(1, "W")[0], "weight_hh": call.held(2, "R")[0]}
    if (biases := call.maybe(3, "bias")) is not None:
        held["bias_ih"], held["bias_hh"] = np.split(biases[0], 2)
    return {name: reordered(array, order) for name, array in held.items()}


def _states(call: Call) -> tuple[str, Steps]:
    """The tensor that reads the states as (N, units) or (N, steps, units), and which of the two."""
    graph, (states, last, memory) = call.graph, (*call.node.output, "", "", "")[:3]
    read = [name for name in (states, last, memory) if name and (graph.users(name) or name == graph.end)]
    if len(read) != 1 or read[0] == memory:
        call.refuse("more than one of its outputs is read", "Read the states, or the last one")
    name, batch, units = read[0], len(graph.x), _units(call)
    steps = call.x.shape[1 if call.attributes.get("layout", 0) else 0]
    axis = None if name == last else 0
    while graph.values[name].shape != (batch, units):
        users = graph.users(name)
        if graph.values[name].shape == (batch, steps, units):
            axis = 1
        node = users[0] if len(users) == 1 else None
        output = None if node is None else _picked(call, node, name, axis, steps)
        if output is None and graph.values[name].shape == (batch, steps, units):
            return name, "every"
        if output is None:
            readers = ", ".join(f"`{user.op_type}`" for user in users) or "nothing"
            call.refuse(f"its states are read by {readers}", "Read every step, or the last one")
        name = output
    return name, "last"


def _picked(call: Call, node: NodeProto, name: str, axis: int | None, steps: int) -> str | None:
    """The output of a node that moves states or picks their last step along `axis`; `None` for any other node.

    `axis` is that of time; `None`: the states are the last step's already.
    """
    graph, output = call.graph, node.output[0]
    x, y = graph.values[name], graph.values[output]
    if node.op_type in MOVERS or (x.shape == y.shape and (x == y).all()):
        return output
    if node.op_type == "Concat" and axis is None and node.input[-1] == name:
        return output  # the last states of all layers, this one's on top
    if node.op_type == "Slice" and axis is not None:
        along = [k for k in range(x.ndim) if x.shape[k] != y.shape[k]]
        taken = along == [axis] and y.shape[axis] == 1 and steps > 1
        return output if taken and (y == np.take(x, [-1], axis)).all() else None
    if node.op_type == "Slice":
        return output
    if node.op_type == "Gather" and node.input[0] == name:
        index = graph.constant(node.input[1])
        if index is None or index.size != 1:
            return None
        along, place = attributes_of(node).get("axis", 0), int(index.reshape(-1)[0])
        return output if axis is None or (along == axis and steps > 1 and place in (-1, steps - 1)) else None
    return None


def _next_recurrent(call: Call) -> tuple[NodeProto, str] | None:
    """The recurrent operator on top, with the tensor of states that it reads; `None` where there is none."""
    graph, name = call.graph, call.node.output[0] if call.node.output else ""
    while name:
        users = graph.users(name)
        if len(users) != 1:
            return None
        if users[0].op_type in OPERATORS:
            return (users[0], name) if users[0].input[0] == name else None
        turned = users[0].op_type == "Transpose" and attributes_of(users[0]).get("perm") == [0, 2, 1, 3]
        if not turned and users[0].op_type not in ("Squeeze", "Reshape", "Identity"):
            return None  # turned: the axis of directions, which is 1, behind that of samples
        name = users[0].output[0]
    return None
