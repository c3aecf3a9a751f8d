"""A trained or untrained network as one ONNX file: weights within, batch and length free, a test vector beside."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import Scaling
from twofold.errors import UserError
from twofold.exchange.kinds import Embedding, Flatten, LayerNorm, Recurrent
from twofold.exchange.onnx.names import LABELS, PREPROCESSING, RECIPE, VECTOR, onnx_module
from twofold.exchange.onnx.writers import WRITERS, Graph
from twofold.plain import Parsed, Plain
from twofold.recipe import Recipe, dump
from twofold.recipe.network import Network

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

OPSET = 20
"""Version of the operators: the first that has Gelu; onnxruntime reads it since 1.16."""
IR_VERSION = 9
"""Version of the file's form that belongs to these operators."""
BATCH, LENGTH = "N", "T"


def onnx_model(
    recipe: Recipe,
    weights: Arrays,
    *,
    classes: Sequence[str] = (),
    vector: tuple[Array, Array] | None = None,
    scaling: Scaling | None = None,
) -> ModelProto:
    """The network as an `onnx.ModelProto`, in inference mode, of the recipe's type.

    `vector` is a batch as the first layer takes it, and the outputs that it must give. With `scaling` the graph takes
    bytes, resizes them to the sample's height and width and scales them first.
    """
    onnx = onnx_module()
    network, dtype = recipe.network, np.dtype(recipe.training.dtype)
    shape = known_shape(network)
    free = _takes_any_length(network)
    sizes: list[str | int | None] = [BATCH, *((LENGTH, *shape[1:]) if free else shape)]
    graph = Graph(dtype)
    kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    entry = onnx.helper.make_tensor_value_info("input", kind, sizes)
    if scaling is not None:
        entry = _preprocess(graph, shape, scaling)
    for node in network.nodes:
        held = {name: weights[f"{node.name}.{name}"] for name in (*node.parameters, *node.buffers)}
        WRITERS[type(node.spec)](graph, node, held)
    graph.nodes[-1].output[:] = [_renamed(graph)]
    answers = [LENGTH if free else shape[0], network.classes] if network.each_step else [network.classes]
    end = onnx.helper.make_tensor_value_info("output", kind, [BATCH, *answers])
    made = onnx.helper.make_graph(graph.nodes, recipe.name, [entry], [end], graph.constants)
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="twofold")
    metadata = {RECIPE: dump(recipe), PREPROCESSING: json.dumps(_facts(scaling))}
    metadata |= {LABELS: json.dumps(list(classes), ensure_ascii=False)} if classes else {}
    metadata |= {VECTOR: json.dumps({"x": _packed(vector[0]), "y": _packed(vector[1])})} if vector else {}
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return model


def write_onnx(model: ModelProto, path: Path) -> None:
    """The model in one new file."""
    from twofold.exchange.files import write_new

    write_new(path, model.SerializeToString())


def _renamed(graph: Graph) -> str:
    """Name the last node `output`; gives that name, for its output."""
    graph.nodes[-1].name = "output"
    return "output"


def known_shape(network: Network) -> tuple[int, ...]:
    """The shape of a sample. Raises `UserError` where only the data know how many features one has."""
    shape = network.input_shape
    if None in shape:
        raise UserError(
            "how many features a sample has is not known without the data; export a run, or name them: "
            '--set \'data.features=["a", "b"]\''
        )
    return tuple(size or 0 for size in shape)


def _takes_any_length(network: Network) -> bool:
    """Whether sequences of every length go through: no layer looks at all steps of time side by side."""
    for node in network.nodes:
        if isinstance(node.spec, Recurrent) and node.spec.output != "every":
            return True
        if isinstance(node.spec, Flatten) or len(node.output_shape) not in (1, 2):
            return False
        if isinstance(node.spec, LayerNorm) and (node.spec.axes or 2) == len(node.input_shape):
            return False
        if len(node.input_shape) == 1 and not isinstance(node.spec, Embedding):
            return False
    return network.each_step


def _preprocess(graph: Graph, shape: tuple[int, ...], scaling: Scaling) -> ValueInfoProto:
    """Bytes of any size → numbers → resized with antialiasing, rounded to bytes again → (x − shift) / divisor."""
    onnx = onnx_module()
    if len(shape) != 3:
        raise UserError("preprocessing in the graph is for images; the samples have other axes")
    kind = onnx.helper.np_dtype_to_tensor_dtype(graph.dtype)
    graph.add("Cast", [graph.last], "pixels", to=onnx.TensorProto.FLOAT)
    size = graph.constant("size", np.array(shape[1:], np.int64))
    graph.add("Resize", [graph.last, "", "", size], "resized", mode="linear", antialias=1, axes=[2, 3])
    graph.add("Round", [graph.last], "rounded")
    graph.add("Cast", [graph.last], "numbers", to=kind)
    if scaling.shift.any():
        graph.add("Sub", [graph.last, graph.tensor("shift", scaling.shift)], "shifted")
    graph.add("Div", [graph.last, graph.tensor("divisor", scaling.divisor)], "scaled")
    return onnx.helper.make_tensor_value_info("input", onnx.TensorProto.UINT8, [BATCH, shape[0], "height", "width"])


def _facts(scaling: Scaling | None) -> dict[str, Plain] | None:
    if scaling is None:
        return None
    return {"shift": np.ravel(scaling.shift).tolist(), "divisor": np.ravel(scaling.divisor).tolist()}


def _packed(array: Array) -> dict[str, Plain]:
    data = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"shape": array.shape, "dtype": array.dtype.str, "data": data}


def unpacked(packed: Parsed, most: int) -> Array:
    """An array of a test vector. Raises `ValueError` for anything but an array of at most `most` numbers."""
    dtype = np.dtype(str(packed["dtype"]))
    shape = [int(size) for size in packed["shape"]]
    if dtype.str not in ("<f4", "<f8") or min(shape, default=0) < 1 or np.prod(shape, dtype=float) > most:
        raise ValueError("no array of floating-point numbers of this size")
    return np.frombuffer(base64.b64decode(packed["data"], validate=True), dtype).reshape(shape)
