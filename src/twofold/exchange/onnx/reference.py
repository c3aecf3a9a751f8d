"""ONNX's reference evaluator, mended where it leaves the specification."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.exchange.onnx.names import label_of, onnx_module
from twofold.exchange.onnx.nearest import NEAREST
from twofold.plain import Parsed

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


MOST_NUMBERS = 10**8
"""Largest count of numbers in a tensor between nodes."""
MOST_TOGETHER = 10**9
"""Largest count of numbers in all tensors together, which are held until the layers are read."""
SMALL = 1024
"""Count of numbers up to which a constant may say a size, as one for `Reshape` or `Expand` does."""


def every_tensor(model: ModelProto, feed: dict[str, Array]) -> dict[str, Array]:
    """The value of every tensor of the model for an input, by name.

    Raises `AdoptError` by the node's name where the evaluator cannot run it.
    """
    from onnx.reference import ReferenceEvaluator

    try:
        with np.errstate(all="ignore"):
            values: Parsed = ReferenceEvaluator(model, new_ops=[_rnn(), _batch_normalization()]).run(
                None, feed, intermediate=True
            )
    except Exception as error:  # whatever an operator of the evaluator raises
        lines = str(error).strip().splitlines()
        first_line = lines[0][:200].rstrip(". ") if lines else type(error).__name__
        reason = f"ONNX's reference evaluator cannot run it: {first_line}"
        node = _failed_node(model, error)
        if node is None:
            raise AdoptError(reason) from error
        nearest = NEAREST.get(node.op_type, "")
        raise AdoptError(reason, layer=label_of(node), operator=node.op_type, nearest=nearest) from error
    return {name: np.asarray(value) for name, value in values.items() if isinstance(value, np.ndarray | np.generic)}


def _failed_node(model: ModelProto, error: Exception) -> NodeProto | None:
    """The node at which the evaluator failed, or one with the operator that it says it lacks."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if (node := getattr(frame.f_locals.get("node"), "onnx_node", None)) is not None:
            return node
    return next((node for node in model.graph.node if f"'{node.op_type}'" in str(error)), None)


def check_sizes(model: ModelProto, entry: str, shape: tuple[int, ...]) -> None:
    """Raises `AdoptError` at the first node whose output would hold too many numbers, as far as sizes can be told.

    `entry` is the input's name, `shape` that of the batch.
    """
    sizes_of, numbers = _inferred(model, entry, shape), 0
    for node in model.graph.node:
        for name in node.output:
            sizes = sizes_of.get(name, (0,))
            numbers += (count := math.prod(sizes))
            if count > MOST_NUMBERS:
                reason = f"its output of {sizes} would hold {count:,} numbers; at most {MOST_NUMBERS:,} are made"
                raise AdoptError(reason, layer=label_of(node), operator=node.op_type)
            if numbers > MOST_TOGETHER:
                reason = (
                    f"up to it the nodes' outputs would hold {numbers:,} numbers; at most {MOST_TOGETHER:,} are made"
                )
                raise AdoptError(reason, layer=label_of(node), operator=node.op_type)


def _inferred(model: ModelProto, entry: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The sizes of the tensors between nodes, by ONNX's own inference; 0 where it cannot tell one."""
    onnx = onnx_module()
    made = type(model)()
    made.CopyFrom(model)
    del made.graph.value_info[:]
    for declared in made.graph.output:
        declared.type.tensor_type.ClearField("shape")
    for tensor in made.graph.initializer:
        if np.prod(tensor.dims, dtype=float) > SMALL:
            for held in ("raw_data", "float_data", "double_data", "int32_data", "int64_data"):
                tensor.ClearField(held)
    for declared in made.graph.input:
        if declared.name == entry:
            kind = declared.type.tensor_type.elem_type
            declared.CopyFrom(onnx.helper.make_tensor_value_info(entry, kind, shape))
    try:
        graph = onnx.shape_inference.infer_shapes(made, data_prop=True).graph
    except Exception:  # whatever it raises: the evaluator will say what is wrong
        return {}
    return {
        tensor.name: tuple(dim.dim_value for dim in tensor.type.tensor_type.shape.dim)
        for tensor in [*graph.value_info, *graph.output]
    }


def _rnn() -> type:
    """The evaluator's RNN with relu, which the specification has and it lacks."""
    from onnx.reference.ops.op_rnn import CommonRNN

    class RNN(CommonRNN):
        op_domain = ""

        def choose_act(self, name: str, alpha: float | None, beta: float | None) -> Callable[..., Array]:
            if name == "Relu":
                return lambda x: np.maximum(x, 0)
            return super().choose_act(name, alpha, beta)

    return RNN


def _batch_normalization() -> type:
    """A batch norm by the given statistics; the evaluator's own takes the batch's in versions 9 to 13."""
    from onnx.reference.op_run import OpRun

    class BatchNormalization(OpRun):
        op_domain = ""

        def _run(
            self, x: Array, scale: Array, bias: Array, mean: Array, var: Array, **attributes: float | None
        ) -> tuple[Array]:
            eps = attributes.get("epsilon") or 1e-5
            shape = (-1, *(1,) * (x.ndim - 2))
            scale, bias, mean, var = (part.reshape(shape) for part in (scale, bias, mean, var))
            return ((x - mean) / np.sqrt(var + eps) * scale + bias,)

    return BatchNormalization
