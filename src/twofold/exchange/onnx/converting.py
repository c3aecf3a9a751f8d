"""From an ONNX graph to a chain of layers, node by node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from twofold.errors import AdoptError
from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain, Link
from twofold.exchange.onnx.call import Call, Converter
from twofold.exchange.onnx.columns import Columns
from twofold.exchange.onnx.converters import CONVERTERS, Key, nearest_to
from twofold.exchange.onnx.graph import Graph, attributes_of
from twofold.recipe import Recipe
from twofold.recipe.layer import LayerSpec

if TYPE_CHECKING:
    from onnx import NodeProto

TOLERANCE = 1e-6
COMPOSED: Mapping[frozenset[str], LayerSpec] = {
    frozenset({"Sigmoid", "Mul"}): specs.Silu(),
    frozenset({"Div", "Erf", "Add", "Mul"}): specs.Gelu(),
    frozenset({"Erf", "Add", "Mul"}): specs.Gelu(),
    frozenset({"Pow", "Mul", "Add", "Tanh"}): specs.Gelu(approximate="tanh"),
    frozenset({"Mul", "Add", "Tanh"}): specs.Gelu(approximate="tanh"),
}
"""Activations that exporters write as several operators, by the operators that they consist of."""
MOST_COMPOSED = 12


def converted(graph: Graph, converters: Mapping[Key, Converter] = CONVERTERS, *, ours: Recipe | None = None) -> Chain:
    """The layers of the file, each compared with the reference evaluator's numbers on a sample.

    `ours` is the recipe that a file of ours holds: its network may answer at every step, or give one number. Raises
    `AdoptError` at the first node that no layer expresses, and where the graph branches.
    """
    chain = Chain(graph.values[graph.entry.name].astype(np.float64), TOLERANCE)
    name = graph.entry.name
    while name != graph.end:
        users = graph.users(name)
        columns = None if chain.links else graph.columns(name)
        if columns:
            name = _embedded(graph, chain, columns)
            continue
        if len(users) > 1:
            name = _composed(graph, chain, name)
            continue
        if not users:
            raise AdoptError("nothing reads its output", layer=name)
        node = users[0]
        call = Call(graph, node, name, graph.since(node), attributes_of(node))
        _check_inputs(call)
        convert = converters.get((node.op_type, call.since))
        if convert is None:
            known = sorted(version for operator, version in converters if operator == node.op_type)
            reason = (
                f"of this operator the versions {known} are known" if known else "no layer of a recipe expresses it"
            )
            call.refuse(reason, nearest_to(node.op_type))
        try:
            name = convert(call, chain) or node.output[0]
        except (KeyError, ValueError, TypeError) as error:  # attributes that are missing or of another kind
            reason = f"its attributes are not those of a layer: {error!r:.200}"
            raise AdoptError(reason, layer=call.label, operator=call.operator) from error
    _check_end(graph, chain, ours)
    return chain


def _embedded(graph: Graph, chain: Chain, columns: Columns) -> str:
    """Add the layer of the columns whose codes select rows; gives the tensor at its end."""
    rows, units = zip(*(table.shape for table in columns.tables), strict=True)
    spec = specs.EmbedColumns(num_embeddings=rows, units=units)
    tensors = {f"weight_{place}": table for place, table in enumerate(columns.tables)}
    label, end = columns.join.name or columns.join.output[0], columns.join.output[0]
    chain.add(Link(spec, label, "Gather + Concat", tensors, {}, end), graph.values[end])
    return end


def _check_inputs(call: Call) -> None:
    """One input is the chain's; the others must not depend on the sample."""
    others = [name for name in call.node.input if name and name != call.source]
    for name in others:
        if call.graph.constant(name) is None:
            call.refuse(
                f"it joins `{call.source}` and `{name}`", "Twofold's networks are chains, one layer behind the other"
            )


def _composed(graph: Graph, chain: Chain, name: str) -> str:
    """Add an activation that is written as several operators, known by these and by its numbers; gives its output.

    Raises `AdoptError` where it is none: the network branches.
    """
    nodes, end = _region(graph, name)
    while end is not None:
        spec = COMPOSED.get(frozenset(node.op_type for node in nodes))
        if spec is not None and chain.gives(spec, graph.values[end]):
            operator = " + ".join(node.op_type for node in nodes)
            label = nodes[0].name or nodes[0].output[0]
            chain.add(Link(spec, label, operator, {}, {}, end), graph.values[end])
            return end
        nodes, end = _with_factor(graph, nodes, end)
    readers = ", ".join(f"`{node.name or node.output[0]}` ({node.op_type})" for node in graph.users(name))
    normalized = {"ReduceMean", "Sub"} <= {node.op_type for node in graph.users(name)}
    raise AdoptError(
        f"the network branches: it is read by {readers}",
        layer=name,
        operator="tensor",
        nearest="It looks like a layer norm in parts: write the file with version 17, which has LayerNormalization"
        if normalized
        else "Twofold's networks are chains, one layer behind the other",
    )


def _with_factor(graph: Graph, nodes: list[NodeProto], end: str) -> tuple[list[NodeProto], str | None]:
    """The nodes with a product by a constant behind them, and its output; `None` for that where there is none."""
    users = graph.users(end)
    if len(users) != 1 or users[0].op_type != "Mul" or users[0] is nodes[-1]:
        return nodes, None
    other = next((source for source in users[0].input if source != end), "")
    factor = graph.constant(other)
    return ([*nodes, users[0]], users[0].output[0]) if factor is not None and factor.size == 1 else (nodes, None)


def _region(graph: Graph, name: str) -> tuple[list[NodeProto], str | None]:
    """The nodes from a tensor that several read to the one where all ways meet, and its output; `None` without one."""
    live = {name}
    nodes: list[NodeProto] = []
    waiting = {name: len(graph.users(name))}
    for node in graph.model.graph.node:
        read = [source for source in dict.fromkeys(node.input) if source in live]
        if not read or len(nodes) >= MOST_COMPOSED:
            continue
        if any(source and source not in live and graph.constant(source) is None for source in node.input):
            return nodes or [node], None
        nodes.append(node)
        for source in read:
            waiting[source] -= 1
            if not waiting[source]:
                live.discard(source)
        output = node.output[0]
        waiting[output] = len(graph.users(output))
        live.add(output)
        if live == {output}:
            return nodes, output
    return nodes, None


def _check_end(graph: Graph, chain: Chain, ours: Recipe | None) -> None:
    if not any(link.tensors for link in chain.links):
        raise AdoptError("it holds no weights")
    last = chain.links[-1]
    axes, least = (1, 2) if ours is None else (2 if ours.network.each_step else 1, 1)
    if len(chain.shape) != axes or chain.shape[-1] < least:
        shape = graph.values[graph.end].shape
        raise AdoptError(
            f"it gives {shape}; a network here gives one number a class, (N, classes), and at least two",
            layer=last.label,
            operator=last.operator,
            nearest="Read the last step of time, or give each of two classes a unit"
            if len(chain.shape) == 2
            else "The nearest for two classes is a last layer of two units",
        )
