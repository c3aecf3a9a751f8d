"""From a layer to ONNX's operators: one row for each kind, in inference mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.exchange import kinds as specs
from twofold.exchange.onnx.names import ORDERS, onnx_module, reordered
from twofold.recipe.network import Node

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto


@dataclass
class Graph:
    """The nodes and constants written so far, and the name of the last output."""

    dtype: np.dtype
    last: str = "input"
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def constant(self, name: str, array: Array) -> str:
        """A named tensor of the file."""
        onnx = onnx_module()
        self.constants.append(onnx.numpy_helper.from_array(np.array(array), name))
        return name

    def tensor(self, name: str, array: Array) -> str:
        """A weight, in the network's type."""
        return self.constant(name, array.astype(self.dtype))

    def add(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        """A node with one output, which becomes the last; its name is that of its output."""
        return self.add_many(operator, inputs, [output], **attributes)

    def add_many(self, operator: str, inputs: list[str], outputs: list[str], **attributes: object) -> str:
        """A node with several outputs; the last one that is named becomes the last."""
        onnx = onnx_module()
        self.last = next(name for name in reversed(outputs) if name)
        self.nodes.append(onnx.helper.make_node(operator, inputs, outputs, name=self.last, **attributes))
        return self.last


Writer = Callable[[Graph, Node, Arrays], None]
"""Adds the nodes of a layer; its tensors are given by the layer's own names."""


def _dense(graph: Graph, node: Node, held: Arrays) -> None:
    """Gemm with W as it is; for samples of more axes a product with Wᵀ, and the bias added."""
    name = node.name
    if len(node.input_shape) == 1:
        inputs = [graph.last, graph.tensor(f"{name}.weight", held["weight"])]
        if "bias" in held:
            inputs.append(graph.tensor(f"{name}.bias", held["bias"]))
        graph.add("Gemm", inputs, f"{name}.output", transB=1)
        return
    weight = graph.tensor(f"{name}.weight", held["weight"].T)
    if "bias" not in held:
        graph.add("MatMul", [graph.last, weight], f"{name}.output")
        return
    graph.add("MatMul", [graph.last, weight], f"{name}.product")
    graph.add("Add", [graph.last, graph.tensor(f"{name}.bias", held["bias"])], f"{name}.output")


def _conv2d(graph: Graph, node: Node, held: Arrays) -> None:
    spec = node.spec
    assert isinstance(spec, specs.Conv2d)
    kernel, stride, padding, dilation = spec.window
    inputs = [graph.last, *(graph.tensor(f"{node.name}.{part}", array) for part, array in held.items())]
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": padding * 2, "dilations": dilation}
    graph.add("Conv", inputs, f"{node.name}.output", group=spec.groups, **attributes)


def _max_pool2d(graph: Graph, node: Node, held: Arrays) -> None:
    spec = node.spec
    assert isinstance(spec, specs.MaxPool2d)
    kernel, stride, padding, dilation = spec.window
    attributes = {"kernel_shape": kernel, "strides": stride, "dilations": dilation}
    if not spec.ceil_mode:
        graph.add("MaxPool", [graph.last], f"{node.name}.output", pads=padding * 2, **attributes)
        return
    # Which windows rounding up leaves out, PyTorch and runtimes see otherwise; more −∞ behind says the same to all.
    axes = zip(node.input_shape[1:], node.output_shape[1:], kernel, stride, padding, dilation, strict=True)
    behind = [max(0, ((n or 1) - 1) * s + d * (k - 1) + 1 - (size or 0) - p) for size, n, k, s, p, d in axes]
    graph.add("MaxPool", [graph.last], f"{node.name}.output", pads=(*padding, *behind), **attributes)


def _avg_pool2d(graph: Graph, node: Node, held: Arrays) -> None:
    spec = node.spec
    assert isinstance(spec, specs.AvgPool2d)
    kernel, stride, padding, _ = spec.window
    attributes = {"kernel_shape": kernel, "strides": stride, "pads": padding * 2}
    counted = int(spec.count_include_pad)
    graph.add("AveragePool", [graph.last], f"{node.name}.output", count_include_pad=counted, **attributes)


def _global_avg_pool2d(graph: Graph, node: Node, held: Arrays) -> None:
    graph.add("GlobalAveragePool", [graph.last], f"{node.name}.plane")
    graph.add("Flatten", [graph.last], f"{node.name}.output", axis=1)


def _batch_norm(graph: Graph, node: Node, held: Arrays) -> None:
    spec = node.spec
    assert isinstance(spec, specs.BatchNorm)
    channels = len(held["running_mean"])
    parts = {"weight": np.ones(channels), "bias": np.zeros(channels), **held}
    names = ("weight", "bias", "running_mean", "running_var")
    inputs = [graph.last, *(graph.tensor(f"{node.name}.{part}", parts[part]) for part in names)]
    # ONNX's momentum is the weight of the past, ours that of the new batch.
    graph.add("BatchNormalization", inputs, f"{node.name}.output", epsilon=spec.eps, momentum=1 - spec.momentum)


def _layer_norm(graph: Graph, node: Node, held: Arrays) -> None:
    spec = node.spec
    assert isinstance(spec, specs.LayerNorm)
    axes = spec.axes or len(node.input_shape)
    shape = tuple(size or 1 for size in node.input_shape[-axes:])
    parts = {"weight": np.ones(shape), "bias": np.zeros(shape), **held}
    inputs = [graph.last, *(graph.tensor(f"{node.name}.{part}", parts[part]) for part in ("weight", "bias"))]
    graph.add("LayerNormalization", inputs, f"{node.name}.output", axis=-axes, epsilon=spec.eps)


def _group_norm(graph: Graph, node: Node, held: Arrays) -> None:
    """By InstanceNormalization of the groups as channels, which every runtime has; GroupNormalization is newer."""
    spec = node.spec
    assert isinstance(spec, specs.GroupNorm)
    name, groups = node.name, spec.num_groups
    shape = tuple(size or 1 for size in node.input_shape)
    apart = graph.constant(f"{name}.apart", np.array([0, groups, -1]))
    graph.add("Reshape", [graph.last, apart], f"{name}.groups")
    ones, zeros = (
        graph.tensor(f"{name}.{what}", np.full(groups, value)) for what, value in (("ones", 1), ("zeros", 0))
    )
    graph.add("InstanceNormalization", [graph.last, ones, zeros], f"{name}.normalized", epsilon=spec.eps)
    whole = graph.constant(f"{name}.whole", np.array([0, *shape]))
    end = f"{name}.{'x_hat' if held else 'output'}"
    graph.add("Reshape", [graph.last, whole], end)
    if held:
        beside = (-1, *(1,) * (len(shape) - 1))
        weight, bias = (graph.tensor(f"{name}.{part}", held[part].reshape(beside)) for part in ("weight", "bias"))
        graph.add("Mul", [graph.last, weight], f"{name}.scaled")
        graph.add("Add", [graph.last, bias], f"{name}.output")


def _prelu(graph: Graph, node: Node, held: Arrays) -> None:
    """The slopes are shaped so that they go along the channels."""
    slopes = held["weight"]
    beside = slopes.reshape(-1, *(1,) * (len(node.input_shape) - 1)) if len(slopes) > 1 else slopes
    graph.add("PRelu", [graph.last, graph.tensor(f"{node.name}.weight", beside)], f"{node.name}.output")


def _recurrent(graph: Graph, node: Node, held: Arrays) -> None:
    """Time first and gates in the order of ONNX; then the last state, the mean of all or every one."""
    spec = node.spec
    assert isinstance(spec, specs.Recurrent)
    name, order = node.name, ORDERS[node.kind]
    graph.add("Transpose", [graph.last], f"{name}.time_first", perm=[1, 0, 2])
    inputs = [graph.last]
    for part in ("weight_ih", "weight_hh"):
        inputs.append(graph.tensor(f"{name}.{part}", reordered(held[part], order)[None]))
    if spec.bias:
        biases = np.concatenate([reordered(held[part], order) for part in ("bias_ih", "bias_hh")])
        inputs.append(graph.tensor(f"{name}.biases", biases[None]))
    attributes: dict[str, object] = {"hidden_size": spec.units}
    if node.kind == "gru":
        attributes["linear_before_reset"] = 1
    if isinstance(spec, specs.Rnn):
        attributes["activations"] = [spec.nonlinearity.capitalize()]
    operator = node.kind.upper()
    if spec.output == "last":
        graph.add_many(operator, inputs, ["", f"{name}.last"], **attributes)
        graph.add("Squeeze", [graph.last, graph.constant(f"{name}.axes", np.array([0]))], f"{name}.output")
        return
    graph.add_many(operator, inputs, [f"{name}.states"], **attributes)
    graph.add("Squeeze", [graph.last, graph.constant(f"{name}.axes", np.array([1]))], f"{name}.every")
    if spec.output == "mean":
        over = graph.constant(f"{name}.over_time", np.array([0]))
        graph.add("ReduceMean", [graph.last, over], f"{name}.output", keepdims=0)
        return
    graph.add("Transpose", [graph.last], f"{name}.output", perm=[1, 0, 2])


def _embedding(graph: Graph, node: Node, held: Arrays) -> None:
    """The codes come in the network's floating-point type and are cast to whole numbers."""
    onnx = onnx_module()
    graph.add("Cast", [graph.last], f"{node.name}.numbers", to=onnx.TensorProto.INT64)
    graph.add("Gather", [graph.tensor(f"{node.name}.weight", held["weight"]), graph.last], f"{node.name}.output")


def _embed_columns(graph: Graph, node: Node, held: Arrays) -> None:
    """A Gather for each column, of the rows that its codes name; the columns after them are joined as they are."""
    onnx = onnx_module()
    name, x, vectors = node.name, graph.last, list[str]()
    for place, weight in enumerate(held.values()):
        at = graph.constant(f"{name}.place_{place}", np.array(place))
        graph.add("Gather", [x, at], f"{name}.code_{place}", axis=-1)
        graph.add("Cast", [graph.last], f"{name}.whole_{place}", to=onnx.TensorProto.INT64)
        vectors.append(
            graph.add("Gather", [graph.tensor(f"{name}.weight_{place}", weight), graph.last], f"{name}.vector_{place}")
        )
    if node.input_shape[-1] != len(held):
        parts = {"from": len(held), "to": np.iinfo(np.int64).max, "along": -1}
        bounds = [graph.constant(f"{name}.{part}", np.array([number])) for part, number in parts.items()]
        vectors.append(graph.add("Slice", [x, *bounds], f"{name}.numbers"))
    graph.add("Concat", vectors, f"{name}.output", axis=-1)


def _dropout(graph: Graph, node: Node, held: Arrays) -> None:
    """Nothing in inference; the node keeps p."""
    spec = node.spec
    assert isinstance(spec, specs.Dropout)
    ratio = graph.constant(f"{node.name}.ratio", np.array(spec.p, np.float32))
    graph.add("Dropout", [graph.last, ratio], f"{node.name}.output")


def _silu(graph: Graph, node: Node, held: Arrays) -> None:
    """x σ(x) by two operators: Swish is newer than most runtimes."""
    x = graph.last
    graph.add("Sigmoid", [x], f"{node.name}.sigmoid")
    graph.add("Mul", [x, graph.last], f"{node.name}.output")


def _plain(operator: str, **attributes: str) -> Writer:
    def write(graph: Graph, node: Node, held: Arrays) -> None:
        settings = {name: getattr(node.spec, key) for name, key in attributes.items()}
        graph.add(operator, [graph.last], f"{node.name}.output", **settings)

    return write


def _softmax(graph: Graph, node: Node, held: Arrays) -> None:
    graph.add("Softmax", [graph.last], f"{node.name}.output", axis=-1)


def _flatten(graph: Graph, node: Node, held: Arrays) -> None:
    graph.add("Flatten", [graph.last], f"{node.name}.output", axis=1)


WRITERS: Mapping[type[specs.LayerSpec], Writer] = {
    specs.Dense: _dense,
    specs.Conv2d: _conv2d,
    specs.MaxPool2d: _max_pool2d,
    specs.AvgPool2d: _avg_pool2d,
    specs.GlobalAvgPool2d: _global_avg_pool2d,
    specs.BatchNorm: _batch_norm,
    specs.LayerNorm: _layer_norm,
    specs.GroupNorm: _group_norm,
    specs.Prelu: _prelu,
    specs.Rnn: _recurrent,
    specs.Lstm: _recurrent,
    specs.Gru: _recurrent,
    specs.Embedding: _embedding,
    specs.EmbedColumns: _embed_columns,
    specs.Relu: _plain("Relu"),
    specs.LeakyRelu: _plain("LeakyRelu", alpha="negative_slope"),
    specs.Elu: _plain("Elu", alpha="alpha"),
    specs.Gelu: _plain("Gelu", approximate="approximate"),
    specs.Silu: _silu,
    specs.Sigmoid: _plain("Sigmoid"),
    specs.Tanh: _plain("Tanh"),
    specs.Softmax: _softmax,
    specs.Dropout: _dropout,
    specs.Flatten: _flatten,
}
