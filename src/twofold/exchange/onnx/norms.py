"""Norms of an ONNX graph as layers."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain
from twofold.exchange.onnx.call import Call


def batch_normalization(call: Call, chain: Chain) -> None:
    """A batch norm; ONNX's momentum is the weight of the past, 1 − ours."""
    call.only(spatial=1, training_mode=0)
    momentum = round(1 - shortest_decimal(float(call.attributes.get("momentum", 0.9))), 7)
    if not 0 < momentum <= 1:
        call.refuse(f"its momentum is {1 - momentum:g}", "The nearest is one from 0 to below 1")
    names = ("weight", "bias", "running_mean", "running_var")
    tensors = {name: call.held(place, name) for place, name in enumerate(names, start=1)}
    eps = shortest_decimal(float(call.attributes.get("epsilon", 1e-5)))
    call.add(chain, specs.BatchNorm(momentum=momentum, eps=eps), tensors)


def shortest_decimal(number: float) -> float:
    """The shortest decimal that a file's number of 32 bits stands for: 1e-05, not 9.999999747378752e-06."""
    return float(str(np.float32(number)))


def layer_normalization(call: Call, chain: Chain) -> None:
    """A layer norm over the last axes, with γ and β."""
    call.only(stash_type=1)
    axis = int(call.attributes.get("axis", -1)) % call.x.ndim
    if axis == 0:
        call.refuse("it normalizes over the batch as well", "The nearest is axis 1")
    weight, bias = call.held(1, "scale"), call.maybe(2, "bias")
    if bias is None:
        call.refuse("it has γ and no β", "The nearest has both")
    axes = call.x.ndim - axis
    eps = shortest_decimal(float(call.attributes.get("epsilon", 1e-5)))
    spec = specs.LayerNorm(axes=None if axis == 1 else axes, eps=eps)
    call.add(chain, spec, {"weight": weight, "bias": bias})


def group_normalization(call: Call, chain: Chain) -> None:
    """A group norm; γ and β are those of channels since version 21, of groups before."""
    groups, eps = int(call.attributes["num_groups"]), shortest_decimal(float(call.attributes.get("epsilon", 1e-5)))
    tensors = {"weight": call.held(1, "scale"), "bias": call.held(2, "bias")}
    call.add(chain, specs.GroupNorm(num_groups=groups, eps=eps), tensors)


def instance_of_groups(call: Call, chain: Chain, norm: Call) -> str:
    """A group norm that is written as an instance norm of the groups between two reshapes, γ and β behind it.

    `call` is the first reshape, `norm` the instance norm; gives the tensor at the end.
    """
    scale, shift = norm.held(1, "scale"), norm.held(2, "bias")
    (back, *others) = call.graph.users(norm.node.output[0]) or [None]
    if back is None or others or back.op_type != "Reshape" or not ((scale == 1).all() and not shift.any()):
        norm.refuse("it normalizes by itself", "The nearest is `group_norm`, `batch_norm` or `layer_norm`")
    end, tensors = back.output[0], dict[str, Array]()
    for part, operator in (("weight", "Mul"), ("bias", "Add")):
        users = call.graph.users(end)
        if len(users) != 1 or users[0].op_type != operator:
            break
        held = call.graph.constant(next(name for name in users[0].input if name != end))
        if held is None or held.size != chain.shape[0]:
            break
        tensors[part], end = held.reshape(-1), users[0].output[0]
    eps = shortest_decimal(float(norm.attributes.get("epsilon", 1e-5)))
    spec = specs.GroupNorm(num_groups=call.y.shape[1], eps=eps, affine=len(tensors) == 2)
    return call.add(chain, spec, tensors, end)
