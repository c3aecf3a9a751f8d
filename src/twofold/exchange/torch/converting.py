"""From a traced module to a chain of layers, operation by operation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor, fx, nn
from torch.fx.node import map_arg

from twofold.errors import AdoptError
from twofold.exchange.chain import Chain
from twofold.exchange.torch.call import Attribute, Call, Converter, Value, array_of
from twofold.exchange.torch.columns import embedded_columns
from twofold.exchange.torch.converters import CONVERTERS, Key
from twofold.exchange.torch.nearest import name_of, nearest_to
from twofold.exchange.torch.tracing import Original

TOLERANCE = 1e-9


def converted(original: Original, converters: Mapping[Key, Converter] = CONVERTERS) -> Chain:
    """The layers of the module, each compared with the module's own numbers on the sample.

    Raises `AdoptError` at the first operation that no layer expresses, where the network branches, and where a tensor
    of the module takes no part.
    """
    original.check_trace()
    values = original.evaluated(original.x)
    graph = original.traced.graph
    places = [node for node in graph.nodes if node.op == "placeholder"]
    if len(places) != 1:
        names = ", ".join(f"`{node.name}`" for node in places)
        raise AdoptError(f"it takes {len(places)} inputs ({names}); a network here takes one", operator=original.name)
    chain = Chain(values[places[0].name].astype(np.float64), TOLERANCE)
    first = embedded_columns(original, places[0], values)
    if first:
        chain.add(first[0], values[first[1].name])
    node = _next(original, first[1] if first else places[0])
    modules = set[str]()
    while node.op != "output":
        call = _call(original, node, values)
        _check_once(call, modules)
        convert = converters.get(_key(call))
        if convert is None:
            call.refuse("no layer of a recipe expresses it", nearest_to(_key(call)))
        node = _next(original, convert(call, chain) or node)
    _check_end(original, chain)
    return chain


def _next(original: Original, node: fx.Node) -> fx.Node:
    """The one operation that reads what the node gives."""
    users = list(node.users)
    if len(users) == 1:
        user = users[0]
        if user.op == "output" and user.args[0] is not node:
            reason = "it gives more than one tensor; a network here gives one number a class"
            raise AdoptError(reason, operator=original.name, nearest="Return the classes' outputs alone")
        return user
    if not users:
        raise AdoptError("nothing reads its output", layer=node.name)
    readers = ", ".join(f"`{user.target if user.op == 'call_module' else user.name}`" for user in users)
    label = str(node.target) if node.op == "call_module" else node.name
    raise AdoptError(
        f"the network branches: its output is read by {readers}",
        layer=label,
        operator=name_of(node, _module(original, node)),
        nearest="Twofold's networks are chains, one layer behind the other; without the skip it can be adopted",
    )


def _call(original: Original, node: fx.Node, values: Mapping[str, Value]) -> Call:
    module = _module(original, node)
    inputs = [argument for argument in node.all_input_nodes if argument.op != "get_attr"]
    args = tuple(_plain(original, argument, inputs) for argument in node.args[1:])
    kwargs = {name: _plain(original, argument, inputs) for name, argument in node.kwargs.items()}
    if not (node.args and node.args[0] in inputs and len(inputs) == 1):
        raise AdoptError(
            "it joins several tensors",
            layer=node.name,
            operator=name_of(node, module),
            nearest=nearest_to(node.target) if module is None else "",
        )
    operator = name_of(node, module)
    return Call(node, operator, module, args, kwargs, values[inputs[0].name], values[node.name], values)


def _plain(original: Original, argument: Value, inputs: list[fx.Node]) -> Value:
    """Tensors of the module as `Attribute`, deep in tuples too; the input stays a node."""

    def attribute(node: fx.Node) -> Value:
        if node in inputs:
            return node
        tensor: Value = original.traced
        for part in str(node.target).split("."):
            tensor = getattr(tensor, part)
        constant = str(node.target).startswith("_tensor_constant")
        return Attribute(str(node.target), array_of(tensor), constant) if isinstance(tensor, Tensor) else tensor

    return map_arg(argument, attribute)


def _module(original: Original, node: fx.Node) -> nn.Module | None:
    return original.traced.get_submodule(str(node.target)) if node.op == "call_module" else None


def _key(call: Call) -> Key:
    return type(call.module) if call.module is not None else call.node.target


def _check_once(call: Call, modules: set[str]) -> None:
    if call.module is None or not list(call.module.parameters()):
        return
    if call.label in modules:
        call.refuse("it is applied twice, with the same weights", "Twofold's layers have weights of their own")
    modules.add(call.label)


def _check_end(original: Original, chain: Chain) -> None:
    """Every parameter takes part, and each sample gives one number a class."""
    adopted = {name for link in chain.links for name in link.origins.values()}
    for name, shape in original.declared.items():
        if name not in adopted:
            reason = f"this parameter, {shape}, takes no part in the output"
            raise AdoptError(reason, layer=name, nearest="Take it out of the module")
    if not adopted:
        raise AdoptError("it holds no parameters", operator=original.name)
    last = chain.links[-1]
    if len(chain.shape) != 1:
        shape = (len(chain.y), *chain.shape)
        raise AdoptError(
            f"it is the last layer and gives {shape}; a network here gives one number a class, (N, classes)",
            layer=last.label,
            operator=last.operator,
            nearest="Flatten, or read the last step of time",
        )
    if chain.shape[0] < 2:
        raise AdoptError(
            "it is the last layer and gives one number; the losses here want one a class",
            layer=last.label,
            operator=last.operator,
            nearest="The nearest for two classes is a last layer of two units, with cross-entropy",
        )
    if not np.isfinite(chain.y).all():
        raise AdoptError("the outputs are not finite", operator=original.name)
