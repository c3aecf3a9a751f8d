"""A read model as a graph that is walked: who reads what, which tensors are constants, what each one holds."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import ArrayLike

from twofold.arrays import Array
from twofold.errors import AdoptError, UserError
from twofold.exchange.onnx.columns import Columns, Wires, columns_of
from twofold.exchange.onnx.names import Attribute, onnx_module
from twofold.exchange.onnx.reading import array_of, opset_of
from twofold.exchange.onnx.reference import check_sizes, every_tensor
from twofold.exchange.samples import numbers_of
from twofold.streams import stream

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorShapeProto, ValueInfoProto

SAMPLES = 3
RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli")


@final
class Graph:
    """The model, its constants, and every tensor of it for a random sample, computed in float64."""

    def __init__(self, model: ModelProto, shape: tuple[int, ...] | None, sample: ArrayLike | None) -> None:
        self.model = model
        self.opset = opset_of(model)
        self.constants = {tensor.name: array_of(tensor) for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.constants[node.output[0]] = _constant(node)
        self.readers = defaultdict(list)
        for node in model.graph.node:
            for name in dict.fromkeys(node.input):
                self.readers[name].append(node)
        self.entry = self._entry()
        self.end = self._end()
        self.x = self._sample(shape, sample)
        self.values = self._evaluated()
        self.sizes = self._size_like()

    def constant(self, name: str) -> Array | None:
        """The value of a tensor that does not depend on the sample's numbers; `None` for one that does."""
        if name in self.constants:
            return self.constants[name]
        return self.values[name] if name in self.sizes else None

    def users(self, name: str) -> list[NodeProto]:
        """The nodes that read a tensor's numbers; those that read its size only do not count."""
        return [node for node in self.readers[name] if not all(output in self.sizes for output in node.output)]

    def since(self, node: NodeProto) -> int:
        """The version in which the node's operator took its present form."""
        return onnx_module().defs.get_schema(node.op_type, self.opset, "").since_version

    def _entry(self) -> ValueInfoProto:
        inputs = [entry for entry in self.model.graph.input if entry.name not in self.constants]
        if len(inputs) != 1:
            names = ", ".join(f"`{entry.name}`" for entry in inputs) or "none"
            raise AdoptError(f"it takes {len(inputs)} inputs ({names}); a network here takes one")
        if not inputs[0].type.HasField("tensor_type"):
            raise AdoptError("its input is no tensor", layer=inputs[0].name)
        return inputs[0]

    def _end(self) -> str:
        outputs = self.model.graph.output
        if len(outputs) != 1:
            names = ", ".join(f"`{output.name}`" for output in outputs)
            reason = f"it gives {len(outputs)} outputs ({names}); a network here gives one number a class"
            raise AdoptError(reason, nearest="Write the file with the classes' output alone")
        return outputs[0].name

    def _sample(self, shape: tuple[int, ...] | None, sample: ArrayLike | None) -> Array:
        """A batch of the declared sizes: the user's, or a random one."""
        kind = self.entry.type.tensor_type
        batch, *sizes = [_size(dim) for dim in kind.shape.dim] or [None]
        if sample is not None:
            return numbers_of(sample)
        if shape is None:
            for index, size in enumerate(sizes, start=1):
                if size is None:
                    name = kind.shape.dim[index].dim_param or "?"
                    raise AdoptError(
                        f"axis {index} of its input has no size (`{name}`), and a recipe needs one",
                        layer=self.entry.name,
                        operator="input",
                        nearest="Name the shape of one sample: --shape 3,32,32",
                    )
            shape = tuple(size or 0 for size in sizes)
        elif len(shape) != len(sizes) or any(a not in (None, b) for a, b in zip(sizes, shape, strict=True)):
            declared = ", ".join("?" if size is None else str(size) for size in sizes)
            raise UserError(f"`shape` is {shape}; the file's input is ({declared}) without the batch")
        count = batch or (SAMPLES if SAMPLES not in shape[:1] else SAMPLES + 1)
        if count * np.prod(shape, dtype=float) > 1e8:
            raise AdoptError(f"a sample of shape {shape} is too large", layer=self.entry.name, operator="input")
        rng, whole = stream(0, "adopt onnx"), self._whole_numbers()
        if whole is not None:
            return rng.integers(whole, size=(count, *shape))
        x = rng.standard_normal((count, *shape))
        if columns := self.columns(self.entry.name):
            for place, table in enumerate(columns.tables):
                x[..., place] = rng.integers(len(table), size=x.shape[:-1])
        return x

    def columns(self, name: str) -> Columns | None:
        """The embedded columns that read a tensor; `None` where anything else does."""
        axes = len(self.entry.type.tensor_type.shape.dim)
        return columns_of(Wires(self.readers, self.constants, axes), name)

    def _whole_numbers(self) -> int | None:
        """The number of rows where the input selects rows of a table, 256 where it is bytes; else `None`."""
        onnx = onnx_module()
        name = self.entry.name
        while True:
            (reader, *others) = self.readers[name] or [None]
            if reader is None or others:
                break
            if reader.op_type == "Gather" and reader.input[0] in self.constants:
                return len(self.constants[reader.input[0]])
            if reader.op_type not in ("Cast", "Identity"):
                break
            name = reader.output[0]
        return 256 if self.entry.type.tensor_type.elem_type == onnx.TensorProto.UINT8 else None

    def _evaluated(self) -> dict[str, Array]:
        """Every tensor, by the reference evaluator in float64."""
        onnx = onnx_module()
        check_sizes(self.model, self.entry.name, self.x.shape)
        doubled = retyped(self.model, double=True)
        kind = next(e for e in doubled.graph.input if e.name == self.entry.name).type.tensor_type.elem_type
        feed = self.x.astype(onnx.helper.tensor_dtype_to_np_dtype(kind))
        if not np.array_equal(feed, self.x):
            raise AdoptError(f"`sample` must hold numbers of the input's type, {feed.dtype}", layer=self.entry.name)
        return every_tensor(doubled, {self.entry.name: feed})

    def _size_like(self) -> set[str]:
        """Tensors that depend on constants and the sizes of the sample, and not on its numbers."""
        sizes = set[str]()
        for node in self.model.graph.node:
            names = [name for name in node.input if name and name not in self.constants]
            if node.op_type == "Shape" or (node.op_type not in RANDOM and all(name in sizes for name in names)):
                sizes.update(node.output)
        return sizes


def retyped(model: ModelProto, *, double: bool) -> ModelProto:
    """A copy that computes in float64 (`double`), or in float32 where it did in 16 bits: weights, inputs, casts."""
    onnx = onnx_module()
    kinds = onnx.TensorProto
    smaller = (kinds.FLOAT16, kinds.FLOAT) if double else (kinds.FLOAT16,)
    wanted = kinds.DOUBLE if double else kinds.FLOAT
    made = copy.deepcopy(model)
    del made.graph.value_info[:]
    for entry in [*made.graph.input, *made.graph.output]:
        if entry.type.tensor_type.elem_type in smaller:
            entry.type.tensor_type.elem_type = wanted
    tensors = list(made.graph.initializer)
    for node in made.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                tensors.append(attribute.t)
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i in smaller:
                attribute.i = wanted
    for tensor in tensors:
        if tensor.data_type in smaller:
            array = array_of(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(wanted))
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    return made


def _size(dim: TensorShapeProto.Dimension) -> int | None:
    return dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None


def _constant(node: NodeProto) -> Array:
    """The value of a `Constant` node, in whichever attribute it stands."""
    onnx = onnx_module()
    for attribute in node.attribute:
        if attribute.name == "value":
            return array_of(attribute.t)
        if attribute.name in ("value_float", "value_int", "value_floats", "value_ints"):
            return np.array(onnx.helper.get_attribute_value(attribute))
    raise AdoptError("its value is no number", layer=node.name or node.output[0], operator="Constant")


def _text(value: Attribute) -> Attribute:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def attributes_of(node: NodeProto) -> dict[str, Attribute]:
    """A node's attributes as plain values."""
    onnx = onnx_module()
    plain = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, Iterable) and not isinstance(value, bytes | str):
            plain[attribute.name] = [_text(part) for part in value]
        else:
            plain[attribute.name] = _text(value)
    return plain
