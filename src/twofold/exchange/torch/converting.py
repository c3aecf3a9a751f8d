"""From a traced module to a chain of layers, operation by operation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import fx, nn
from torch.fx.node import map_arg

from twofold.errors import AdoptError
from twofold.exchange.chain import Chain
from twofold.exchange.torch.call import Attribute, Call, Converter, Value
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
    places = [node for node in original.traced.graph.nodes if node.op == "placeholder"]
    if len(places) != 1:
        names = ", ".join(f"`{node.name}`" for node in places) or "none"
        raise AdoptError(f"it takes {len(places)} inputs ({names}); a network here takes one", operator=original.name)
    original.check_trace()
    values = original.evaluated(original.x)
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
    inputs = [argument for argument in node.all_input_nodes if _reads_sample(argument)]
    args, kwargs = list(node.args), dict(node.kwargs)
    entry = args.pop(0) if args else kwargs.pop("input", None)
    if len(inputs) != 1 or entry is not inputs[0]:
        raise AdoptError(
            "it joins several tensors",
            layer=str(node.target) if module is not None else node.name,
            operator=name_of(node, module),
            nearest=nearest_to(node.target) if module is None else "",
        )
    plain = {name: _plain(original, argument, values) for name, argument in kwargs.items()}
    behind = tuple(_plain(original, argument, values) for argument in args)
    operator = name_of(node, module)
    return Call(node, operator, module, behind, plain, values[inputs[0].name], values[node.name], values)


def _reads_sample(node: fx.Node) -> bool:
    """Whether what a node gives depends on the module's input."""
    waiting, visited = [node], {node}
    while waiting:
        if (at := waiting.pop()).op == "placeholder":
            return True
        waiting += [source for source in at.all_input_nodes if source not in visited]
        visited.update(at.all_input_nodes)
    return False


def _plain(original: Original, argument: Value, values: Mapping[str, Value]) -> Value:
    """The argument with tensors that do not depend on the sample as `Attribute`, in tuples too; others stay nodes."""

    def attribute(node: fx.Node) -> Value:
        if _reads_sample(node):
            return node
        name, held = (str(node.target) if node.op == "get_attr" else node.name), values[node.name]
        return Attribute(name, held.copy(), name not in original.parameters) if isinstance(held, np.ndarray) else held

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
    """Raises `AdoptError` unless every parameter takes part once and each sample gives one finite number per class."""
    adopted = set[str]()
    for link in chain.links:
        for name in link.origins.values():
            if name in adopted:
                reason = f"it reads {name}, which a layer before it reads too: shared weights"
                nearest = "Twofold's layers have weights of their own"
                raise AdoptError(reason, layer=link.label, operator=link.operator, nearest=nearest)
            adopted.add(name)
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
