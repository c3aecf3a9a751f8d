"""An ONNX file as an untrusted one: its size, its parts and its tensors are checked before anything is made of them."""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array, all_finite
from twofold.errors import AdoptError, UserError
from twofold.exchange.onnx.names import onnx_module

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

MOST_BYTES = 1 << 30
"""Largest size of the file, and of each file beside it."""
MOST_NODES = 10_000
MOST_NUMBERS = 10**9
OLDEST, CONTROL_FLOW = 7, ("If", "Loop", "Scan", "SequenceMap")
PLAIN_DOMAINS = ("", "ai.onnx")


def read_model(path: Path) -> ModelProto:
    """The file's `ModelProto`, every tensor inside and of the size that its shape says.

    Raises `AdoptError` by the node's or tensor's name for a damaged or oversized file, custom operators, functions,
    control flow, sparse tensors, external data that is not beside the file, and numbers that are not finite.
    """
    onnx = onnx_module()
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UserError(f"{path} is no file; name one that ends in .onnx")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if size > MOST_BYTES:
        raise AdoptError(f"{path} holds {size:,} bytes; at most {MOST_BYTES:,} are read")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # whatever the parser of protocol buffers raises
        raise AdoptError(f"{path} is damaged or no ONNX file: {_first_line(error)}") from error
    _check_parts(model)
    for tensor in [*model.graph.initializer, *_constants(model)]:
        _check_tensor(tensor, path.parent)
    try:
        onnx.checker.check_model(model)
    except Exception as error:  # ValidationError, and what the checker raises beside it
        raise AdoptError(f"{path} is no valid ONNX model: {_first_line(error)}") from error
    return model


def opset_of(model: ModelProto) -> int:
    """The version of the standard operators that the file names."""
    return next((entry.version for entry in model.opset_import if entry.domain in PLAIN_DOMAINS), 0)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


def _check_parts(model: ModelProto) -> None:
    onnx = onnx_module()
    graph = model.graph
    if not graph.node:
        raise AdoptError("the file holds no node: it is damaged, empty or no ONNX file")
    if model.functions:
        name = model.functions[0].name
        raise AdoptError("the file defines functions of its own", layer=name, nearest="Inline them: onnx.inliner")
    newest, version = onnx.defs.onnx_opset_version(), opset_of(model)
    if not OLDEST <= version <= newest:
        raise AdoptError(
            f"its operators are of version {version}; versions {OLDEST} to {newest} are read",
            nearest="Convert it: onnx.version_converter.convert_version",
        )
    if len(graph.node) > MOST_NODES:
        raise AdoptError(f"the file holds {len(graph.node):,} nodes; at most {MOST_NODES:,} are read")
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise AdoptError("it is a sparse tensor", layer=name, nearest="Write it as a dense one")
    for node in graph.node:
        where = {"layer": node.name or (node.output[0] if node.output else ""), "operator": node.op_type}
        if node.domain not in PLAIN_DOMAINS:
            raise AdoptError(f"its operator is a custom one, of domain `{node.domain}`", **where)
        subgraphs = any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute)
        if node.op_type in CONTROL_FLOW or subgraphs:
            raise AdoptError("it is control flow", nearest="A network here is a chain of layers", **where)


def _constants(model: ModelProto) -> list[TensorProto]:
    """The tensors that stand in attributes: values of `Constant` and `ConstantOfShape`."""
    tensors = [a.t for node in model.graph.node for a in node.attribute if a.HasField("t")]
    tensors += [t for node in model.graph.node for a in node.attribute for t in a.tensors]
    if any(a.HasField("sparse_tensor") for node in model.graph.node for a in node.attribute):
        raise AdoptError("a constant of it is a sparse tensor", nearest="Write it as a dense one")
    return tensors


def _check_tensor(tensor: TensorProto, folder: Path) -> None:
    """Raises `AdoptError` for an array whose type or size does not fit its bytes, or that is not finite.

    External data is read into the tensor.
    """
    onnx = onnx_module()
    name = tensor.name or "constant"

    def refuse(reason: str, nearest: str = "") -> None:
        raise AdoptError(reason, layer=name, operator="tensor", nearest=nearest)

    names = {onnx.TensorProto.DataType.Value(kind): kind for kind in onnx.TensorProto.DataType.keys()}  # noqa: SIM118
    kinds = ("FLOAT", "DOUBLE", "FLOAT16", "INT32", "INT64", "INT8", "UINT8", "BOOL")
    kind = names.get(tensor.data_type, str(tensor.data_type))
    if kind not in kinds:
        refuse(f"its type is {kind}; read are {', '.join(kinds)}")
    if any(size < 0 for size in tensor.dims):
        refuse(f"its shape is {tuple(tensor.dims)}")
    count = math.prod(tensor.dims)
    if count > MOST_NUMBERS:
        refuse(f"it would hold {count:,} numbers; at most {MOST_NUMBERS:,} are read")
    item = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        _take_in(tensor, folder, count * item)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * item:
            refuse(f"its shape {tuple(tensor.dims)} takes {count * item:,} bytes; it has {len(tensor.raw_data):,}")
    else:
        held = max(len(tensor.float_data), len(tensor.double_data), len(tensor.int32_data), len(tensor.int64_data))
        if held != count:
            refuse(f"its shape {tuple(tensor.dims)} takes {count:,} numbers; it has {held:,}")
    array = onnx.numpy_helper.to_array(tensor)
    if array.dtype.kind == "f" and not all_finite(array):
        refuse("it holds NaN or infinity")


def _take_in(tensor: TensorProto, folder: Path, wanted: int) -> None:
    """Read external data from a plain file beside the model; no folder, no `..`, no link."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    path = folder / location

    def refuse(reason: str) -> None:
        nearest = "Put the weights into the model's own file: onnx.save(model, file, save_as_external_data=False)"
        raise AdoptError(reason, layer=tensor.name, operator="external data", nearest=nearest)

    parts = PurePosixPath(location.replace("\\", "/")).parts
    if len(parts) != 1 or parts[0] in ("..", ".", "/") or ":" in location or "\0" in location:
        refuse(f"its data lie in {ascii(location)[:80]}; they are read from a file beside the model only")
    if path.is_symlink() or not path.is_file():
        refuse(f"its data lie in {ascii(location)[:80]}, which is no file beside the model")
    try:
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(wanted)))
    except ValueError:
        refuse("offset and length of its data are no numbers")
        return
    if length != wanted or offset < 0 or offset + length > path.stat().st_size:
        refuse(f"it takes {wanted:,} bytes; {ascii(location)[:80]} has not as many from byte {offset}")
    with path.open("rb") as file:
        file.seek(offset)
        tensor.raw_data = file.read(length)
    tensor.ClearField("data_location")
    del tensor.external_data[:]


def array_of(tensor: TensorProto) -> Array:
    """A checked tensor as an array."""
    return np.array(onnx_module().numpy_helper.to_array(tensor))
