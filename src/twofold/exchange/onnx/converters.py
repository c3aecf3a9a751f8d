"""From ONNX's operators to layers: one table, by operator and the version in which it took its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from twofold.arrays import Array
from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain
from twofold.exchange.onnx.call import Call, Converter
from twofold.exchange.onnx.columns import Wires
from twofold.exchange.onnx.graph import attributes_of
from twofold.exchange.onnx.nearest import NEAREST
from twofold.exchange.onnx.norms import (
    batch_normalization,
    group_normalization,
    instance_of_groups,
    layer_normalization,
    shortest_decimal,
)
from twofold.exchange.onnx.recurrent import recurrent, transposed
from twofold.exchange.onnx.windows import average_pool, conv, global_average_pool, max_pool, plane_mean, reduce_mean
from twofold.exchange.proof import without_ones
from twofold.recipe.layer import LayerSpec


def _gemm(call: Call, chain: Chain) -> str | None:
    call.only(alpha=1.0, beta=1.0, transA=0)
    if len(chain.shape) != 1:
        call.refuse(f"it gets {call.x.shape}; it multiplies vectors (N, features)")
    weight = call.held(1, "weight")
    weight = weight if call.attributes.get("transB", 0) else weight.T
    bias = call.maybe(2, "bias")
    if bias is not None and bias.size not in (1, len(weight)):
        call.refuse(f"its bias is {bias.shape}", f"The nearest is one number a unit, ({len(weight)},)")
    return _dense(call, chain, weight, bias, call.node.output[0])


def _matmul(call: Call, chain: Chain) -> str | None:
    """A dense layer, with the addition behind it as its bias where that adds one number per unit."""
    if call.node.input[0] != call.source:
        call.refuse("its first factor is a constant", "The nearest is the sample times a matrix")
    weight = call.held(1, "second factor")
    if weight.ndim != 2:
        call.refuse(f"its second factor is {weight.shape}", "The nearest is a matrix, (inputs, units)")
    output, bias = call.node.output[0], None
    users = call.graph.users(output)
    if len(users) == 1 and users[0].op_type == "Add":
        other = next(name for name in users[0].input if name != output)
        added = call.graph.constant(other)
        if added is not None and added.size == weight.shape[1] and added.shape[-1:] == (weight.shape[1],):
            output, bias = users[0].output[0], added
    return _dense(call, chain, weight.T, bias, output)


def _dense(call: Call, chain: Chain, weight: Array, bias: Array | None, output: str) -> str:
    tensors = {"weight": np.ascontiguousarray(weight)}
    if bias is not None:
        tensors["bias"] = np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), (len(weight),)))
    return call.add(chain, specs.Dense(units=len(weight), bias=bias is not None), tensors, output)


def _reshape(call: Call, chain: Chain) -> str | None:
    """A flatten, or the first part of a group norm, which exporters write as an instance norm of the groups."""
    users = call.graph.users(call.node.output[0])
    if len(users) == 1 and users[0].op_type == "InstanceNormalization" and call.y.ndim == 3:
        return instance_of_groups(
            call, chain, Call(call.graph, users[0], call.node.output[0], 0, attributes_of(users[0]))
        )
    return plane_mean(call, chain) or _flatten(call, chain)


def _prelu(call: Call, chain: Chain) -> None:
    slopes = call.held(1, "slope").reshape(-1)
    call.add(chain, specs.Prelu(num_parameters=len(slopes)), {"weight": slopes})


def _elementwise(spec: LayerSpec) -> Converter:
    def convert(call: Call, chain: Chain) -> None:
        call.add(chain, spec)

    return convert


def _elu(call: Call, chain: Chain) -> None:
    call.add(chain, specs.Elu(alpha=shortest_decimal(float(call.attributes.get("alpha", 1.0)))))


def _leaky_relu(call: Call, chain: Chain) -> None:
    slope = shortest_decimal(float(call.attributes.get("alpha", 0.01)))
    if slope < 0:
        call.refuse(f"its alpha is {slope:g}", "The nearest is a slope of at least 0")
    call.add(chain, specs.LeakyRelu(negative_slope=slope))


def _gelu(call: Call, chain: Chain) -> None:
    call.add(chain, specs.Gelu(approximate=call.attributes.get("approximate", "none")))


def _swish(call: Call, chain: Chain) -> None:
    call.only(alpha=1.0)
    call.add(chain, specs.Silu())


def _softmax(call: Call, chain: Chain) -> None:
    _check_axis(call)
    call.add(chain, specs.Softmax())


def _log_softmax(call: Call, chain: Chain) -> None:
    """Part of the cross-entropy, at the end."""
    _check_axis(call)
    if call.node.output[0] != call.graph.end:
        call.refuse("log-softmax inside a network", "The nearest is `softmax`; at the end it is part of cross-entropy")
    chain.loss = "cross_entropy"


def _check_axis(call: Call) -> None:
    """Refuse a softmax over another axis than the last. Before version 13 it is over all axes from `axis` on."""
    axis = int(call.attributes.get("axis", -1 if call.since >= 13 else 1)) % call.x.ndim
    if axis != call.x.ndim - 1:
        call.refuse(f"over axis {axis} of {call.x.shape}", "The nearest is over the last axis")


def _dropout_attribute(call: Call, chain: Chain) -> None:
    """Until version 10 its share is an attribute."""
    _dropout_of(call, chain, float(call.attributes.get("ratio", 0.5)))


def _dropout(call: Call, chain: Chain) -> None:
    """Since version 12 its share is an input."""
    ratio, training = call.number(1, "ratio"), call.number(2, "training_mode")
    if training:
        call.refuse("training_mode is set: it drops whenever it runs", "The nearest is training_mode = false")
    _dropout_of(call, chain, 0.5 if ratio is None else ratio)


def _dropout_of(call: Call, chain: Chain, p: float) -> None:
    if not 0 <= p < 1:
        call.refuse(f"its ratio is {p:g}", "The nearest is a share below 1")
    call.add(chain, specs.Dropout(p=shortest_decimal(p)))


def _flatten(call: Call, chain: Chain) -> None:
    """`Flatten`, `Reshape`, `Squeeze`, `Unsqueeze`: what becomes of the sample's axes shows in the shapes."""
    if call.y.shape[:1] != call.x.shape[:1]:
        call.refuse(f"it takes samples apart: {call.x.shape} becomes {call.y.shape}")
    if call.y.ndim == 2:
        chain.flatten(call.label, call.operator, call.y, call.node.output[0])
    elif not chain.links:
        chain.begin_as(call.y)
    elif without_ones(call.y.shape[1:]) != without_ones(call.x.shape[1:]):
        call.refuse(
            f"{call.x.shape} becomes {call.y.shape} between layers", "The nearest is a flatten before a dense layer"
        )


def _nothing(call: Call, chain: Chain) -> None:
    """Add no layer: the operator gives back what it is given."""


def _unchanged(call: Call, chain: Chain) -> None:
    """Add no layer for a `Pad` by nothing and a `Slice` of everything; refuse others."""
    if not (call.x.shape == call.y.shape and np.array_equal(call.x, call.y)):
        call.refuse("it changes what passes", NEAREST.get(call.node.op_type, ""))


def _cast(call: Call, chain: Chain) -> None:
    """Add no layer for a cast that keeps every number: to a floating-point type, or to whole numbers for a table.

    Which numbers the sample happens to hold does not count: whole ones would pass a cast that rounds all others.
    """
    reader = Wires(call.graph.readers, call.graph.constants, call.x.ndim).follow(call.node.output[0])
    codes = reader is not None and reader.op_type == "Gather"
    if not np.array_equal(call.x, call.y) or not (codes or np.can_cast(call.x.dtype, call.y.dtype)):
        call.refuse("it rounds the numbers that pass", "The nearest is a network of one floating-point type")


def _gather(call: Call, chain: Chain) -> None:
    """An embedding: rows of a constant table."""
    if call.node.input[0] == call.source:
        call.refuse("it selects a part of the sample", "The nearest is the last step of a recurrent layer")
    call.only(axis=0)
    table = call.held(0, "table")
    if table.ndim != 2:
        call.refuse(f"its table is {table.shape}", "The nearest is (rows, units)")
    rows, units = table.shape
    call.add(chain, specs.Embedding(num_embeddings=rows, units=units), {"weight": table})


def _clip(call: Call, chain: Chain) -> None:
    """From 0 on it is a ReLU; before the first layer it belongs to the file's own scaling."""
    least = call.number(1, "min") if call.since >= 11 else call.attributes.get("min")
    if chain.links and least == 0 and not _has_upper_end(call):
        call.add(chain, specs.Relu())
    else:
        _preprocessing(call, chain)


def _max(call: Call, chain: Chain) -> None:
    """The larger of a number and 0 is a ReLU."""
    others = [call.held(place, "bound") for place, name in enumerate(call.node.input) if name != call.source]
    if not others or any(other.any() for other in others) or call.y.shape != call.x.shape:
        call.refuse("it takes the largest of several numbers", "The nearest is `relu`, the larger of x and 0")
    call.add(chain, specs.Relu())


def _has_upper_end(call: Call) -> bool:
    """Whether a `Clip` has an upper end that a number of 32 bits can exceed."""
    most = call.number(2, "max") if call.since >= 11 else call.attributes.get("max")
    return most is not None and most < float(np.finfo(np.float32).max)


def _preprocessing(call: Call, chain: Chain) -> None:
    """Arithmetic with constants, and resizing, before the first layer: what it gives are the recipe's samples."""
    if chain.links:
        joined = call.node.op_type in ("Add", "Sub", "Mul", "Div")
        reason = "it joins two tensors" if joined else "no layer of a recipe expresses it"
        chains = "Twofold's networks are chains, one layer behind the other"
        call.refuse(reason, NEAREST.get(call.node.op_type, chains))
    for place, name in enumerate(call.node.input):
        if name != call.source:
            call.maybe(place, f"input {place}")
    chain.begin_as(call.y.astype(np.float64))


Key = tuple[str, int]
"""An operator, and the version in which it took its form."""


def _versions(operator: str, versions: Sequence[int], converter: Converter) -> dict[Key, Converter]:
    return {(operator, version): converter for version in versions}


MOVES = (13, 21, 23, 24, 25)
"""Versions in which operators that move numbers without arithmetic only got more types."""

CONVERTERS: Mapping[Key, Converter] = {
    **_versions("Gemm", (7, 9, 11, 13), _gemm),
    **_versions("MatMul", (1, 9, 13), _matmul),
    **_versions("Conv", (1, 11, 22), conv),
    **_versions("MaxPool", (1, 8, 10, 11, 12, 22), max_pool),
    **_versions("AveragePool", (1, 7, 10, 11, 19, 22), average_pool),
    **_versions("GlobalAveragePool", (1, 22), global_average_pool),
    **_versions("ReduceMean", (1, 11, 13, 18), reduce_mean),
    **_versions("BatchNormalization", (7, 9, 14, 15), batch_normalization),
    **_versions("LayerNormalization", (17,), layer_normalization),
    **_versions("RNN", (7, 14, 22), recurrent),
    **_versions("LSTM", (7, 14, 22), recurrent),
    **_versions("GRU", (7, 14, 22), recurrent),
    **_versions("Transpose", (1, *MOVES), transposed),
    **_versions("Gather", (1, 11, 13), _gather),
    **_versions("Relu", (6, 13, 14), _elementwise(specs.Relu())),
    **_versions("Sigmoid", (6, 13), _elementwise(specs.Sigmoid())),
    **_versions("Tanh", (6, 13), _elementwise(specs.Tanh())),
    **_versions("Elu", (6, 22), _elu),
    **_versions("LeakyRelu", (6, 16), _leaky_relu),
    **_versions("Gelu", (20,), _gelu),
    **_versions("Swish", (24,), _swish),
    **_versions("Softmax", (1, 11, 13), _softmax),
    **_versions("LogSoftmax", (1, 11, 13), _log_softmax),
    **_versions("Dropout", (7, 10), _dropout_attribute),
    **_versions("Dropout", (12, 13, 22), _dropout),
    **_versions("Flatten", (1, 9, 11, *MOVES), _flatten),
    **_versions("Reshape", (5, 14, 19, *MOVES), _reshape),
    **_versions("GroupNormalization", (21,), group_normalization),
    **_versions("PRelu", (7, 9, 16), _prelu),
    **_versions("Squeeze", (1, 11, *MOVES), _flatten),
    **_versions("Unsqueeze", (1, 11, *MOVES), _flatten),
    **_versions("Identity", (1, 14, 16, 19, *MOVES), _nothing),
    **_versions("Cast", (6, 9, 13, 19, 21, 23, 24, 25, 28), _cast),
    **_versions("Pad", (2, 11, 13, 18, 19, 21, 23, 24, 25), _unchanged),
    **_versions("Slice", (1, 10, 11, 13), _unchanged),
    **_versions("Add", (7, 13, 14), _preprocessing),
    **_versions("Sub", (7, 13, 14), _preprocessing),
    **_versions("Mul", (7, 13, 14), _preprocessing),
    **_versions("Div", (7, 13, 14), _preprocessing),
    **_versions("Resize", (10, 11, 13, 18, 19), _preprocessing),
    **_versions("Round", (11, 22), _preprocessing),
    **_versions("Max", (6, 8, 12, 13), _max),
    **_versions("Clip", (6, 11, 12, 13), _clip),
}
"""The operators that can be adopted, each form of each."""


def nearest_to(operator: str) -> str:
    """What to use in place of an operator that no recipe expresses."""
    names = sorted({name for name, _ in CONVERTERS} - {"Resize", "Round", "Clip", "Max", "Sub", "Div", "Pad", "Slice"})
    return NEAREST.get(operator, f"Files are adopted of: {', '.join(names)}")
