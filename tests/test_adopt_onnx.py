"""Adopting ONNX files: every operator in every version, files of PyTorch's exporter, and bad ones refused by name."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import twofold
from architectures import ARCHITECTURES
from twofold.errors import AdoptError, UserError
from twofold.exchange.onnx.converters import CONVERTERS
from twofold.exchange.onnx.reading import MOST_BYTES

Constants = dict[str, np.ndarray]
NEWEST = 23
"""The newest version of the operators that the installed onnxruntime runs; the reference evaluator runs later ones."""
RNG = np.random.default_rng(5)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def model(
    nodes: Sequence[Any], constants: Constants, shape: Sequence[int | str], outputs: int, opset: int, **more: Any
) -> onnx.ModelProto:
    """A file with one input `x` and one output `y`."""
    entry = helper.make_tensor_value_info("x", more.pop("kind", TensorProto.FLOAT), shape)
    end = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", outputs])
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "mine", [entry], [end], tensors)
    ir = 4 if opset < 11 else 8 if opset < 19 else 10
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir, **more)


def saved(made: onnx.ModelProto, folder: Path, name: str = "mine.onnx") -> Path:
    path = folder / name
    path.write_bytes(made.SerializeToString())
    return path


def node(operator: str, inputs: str, output: str, **attributes: Any) -> Any:
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(operator, names, output.split(), name=output.split()[0], **attributes)


def squeeze(source: str, axis: int, output: str, opset: int) -> tuple[list[Any], Constants]:
    """Until version 11 the axes are an attribute, then an input."""
    if opset < 13:
        return [node("Squeeze", source, output, axes=[axis])], {}
    return [node("Squeeze", f"{source} axes", output)], {"axes": np.array([axis])}


def images(opset: int) -> onnx.ModelProto:
    """Convolution, batch norm, poolings, dropout, flatten, dense."""
    ratio = {"ratio": 0.25} if opset < 12 else {}
    constants = {"W": normal(4, 2, 3, 3), "b": normal(4), "V": normal(3, 4 * 3 * 3), "c": normal(3)}
    constants |= {"g": normal(4), "o": normal(4), "m": normal(4), "v": np.abs(normal(4)) + 0.5}
    constants |= {} if opset < 12 else {"ratio": np.array(0.25, np.float32)}
    window: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        node("Conv", "x W b", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("BatchNormalization", "a g o m v", "n", epsilon=1e-3, momentum=0.8),
        node("Relu", "n", "r"),
        node("MaxPool", "r", "p", **window),
        node("AveragePool", "p", "q", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], count_include_pad=1),
        node("LeakyRelu", "q", "l", alpha=0.2),
        node("Dropout", "l" if opset < 12 else "l ratio", "d", **ratio),
        node("Flatten", "d", "f", axis=1),
        node("Gemm", "f V c", "y", transB=1),
    ]
    return model(nodes, constants, ["N", 2, 6, 6], 3, opset)


def vectors(opset: int) -> onnx.ModelProto:
    """A product and a sum in place of Gemm, activations, softmax."""
    constants = {"W": normal(5, 4), "b": normal(4), "V": normal(4, 3)}
    nodes = [
        node("MatMul", "x W", "a"), node("Add", "a b", "s"), node("Tanh", "s", "t"), node("Elu", "t", "e", alpha=0.7),
        node("Sigmoid", "e", "g"), node("MatMul", "g V", "m"), node("Softmax", "m", "y", axis=-1 if opset >= 13 else 1),
    ]  # fmt: skip
    return model(nodes, constants, ["N", 5], 3, opset)


def recurrent(operator: str, gates: int) -> Callable[[int], onnx.ModelProto]:
    def build(opset: int) -> onnx.ModelProto:
        constants = {"W": normal(1, 4 * gates, 3), "R": normal(1, 4 * gates, 4), "B": normal(1, 8 * gates)}
        constants |= {"V": normal(4, 2)}
        form = {"linear_before_reset": 1} if operator == "GRU" else {}
        squeezed, axes = squeeze("h", 0, "s", opset)
        nodes = [
            node("Transpose", "x", "t", perm=[1, 0, 2]),
            helper.make_node(operator, ["t", "W", "R", "B"], ["", "h"], name="rnn", hidden_size=4, **form),
            *squeezed,
            node("MatMul", "s V", "y"),
        ]
        return model(nodes, constants | axes, ["N", 5, 3], 2, opset)

    return build


def tokens(opset: int) -> onnx.ModelProto:
    """Rows of a table, a mean over nothing: read by an LSTM."""
    constants = {"E": normal(9, 3), "W": normal(1, 16, 3), "R": normal(1, 16, 4), "V": normal(4, 2)}
    squeezed, axes = squeeze("h", 0, "s", opset)
    nodes = [
        node("Gather", "E x", "e"),
        node("Transpose", "e", "t", perm=[1, 0, 2]),
        helper.make_node("LSTM", ["t", "W", "R"], ["", "h"], name="rnn", hidden_size=4),
        *squeezed,
        node("MatMul", "s V", "y"),
    ]
    return model(nodes, constants | axes, ["N", 6], 2, opset, kind=TensorProto.INT64)


NETWORKS: dict[str, Callable[[int], onnx.ModelProto]] = {
    "images": images,
    "vectors": vectors,
    "rnn": recurrent("RNN", 1),
    "lstm": recurrent("LSTM", 4),
    "gru": recurrent("GRU", 3),
    "tokens": tokens,
}


@pytest.mark.parametrize("opset", range(7, NEWEST + 1))
@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_of_every_version_is_adopted(name: str, opset: int, tmp_path: Path) -> None:
    adopted = twofold.adopt(saved(NETWORKS[name](opset), tmp_path))
    assert adopted.proof.passed
    assert set(adopted.proof.largest) == {"forward", "onnxruntime"}
    # Both sides in float64; a file's attributes have 32 bits, and 0.7 is read as the decimal that was meant.
    assert adopted.proof.largest["forward"] <= 1e-7


def test_the_settings_come_out_as_they_stand(tmp_path: Path) -> None:
    conv, norm, _, pool, mean, leaky, dropout, *_ = twofold.adopt(saved(images(13), tmp_path)).recipe.layers
    assert (conv.kernel, conv.padding, conv.channels) == (3, 1, 4)  # pyright: ignore
    assert (norm.eps, norm.momentum) == (1e-3, 0.2)  # pyright: ignore
    assert (pool.kernel, pool.stride, mean.count_include_pad, leaky.negative_slope) == (2, 2, True, 0.2)  # pyright: ignore
    assert dropout.p == 0.25  # pyright: ignore


def test_every_version_of_an_operator_in_the_table_exists() -> None:
    known = {(schema.name, schema.since_version) for schema in onnx.defs.get_all_schemas_with_history()}
    assert CONVERTERS.keys() <= known


EXPORTED = [a for a in ARCHITECTURES if not a.refused and a.name not in {"network in network", "m5 on a plane"}]
"""Files that PyTorch's exporter can write; a pooling over a size that it does not know is none."""


def exported(architecture: Any, opset: int, path: Path) -> Path:
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        axes = {"x": {0: "N"}}
        sample = (architecture.sample(),)
        names: dict[str, Any] = {"input_names": ["x"], "dynamic_axes": axes, "dynamo": False, "opset_version": opset}
        torch.onnx.export(architecture.build().eval(), sample, buffer, **names)
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize("architecture", EXPORTED, ids=lambda a: a.name)
def test_a_file_of_pytorchs_exporter_is_adopted(architecture: Any, tmp_path: Path) -> None:
    adopted = twofold.adopt(exported(architecture, 18, tmp_path / "exported.onnx"))
    assert max(adopted.proof.largest.values()) <= 1e-6


OLDER = [
    "lenet-5 of the tutorial",
    "perceptron with batch norm",
    "stacked lstm",
    "char-rnn",
    "two-layer lstm, last hidden",
]


@pytest.mark.parametrize("name", OLDER)
def test_an_older_file_of_pytorchs_exporter_is_adopted(name: str, tmp_path: Path) -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    assert twofold.adopt(exported(architecture, 9, tmp_path / "exported.onnx")).proof.passed


def changed(change: Callable[[onnx.ModelProto], None], opset: int = 13) -> Callable[[Path], Path]:
    def build(folder: Path) -> Path:
        made = vectors(opset)
        change(made)
        return saved(made, folder)

    return build


def external(location: str, write: bool = True, length: int | None = None) -> Callable[[Path], Path]:
    """The first weight in a file of its own."""

    def build(folder: Path) -> Path:
        made = vectors(13)
        tensor = made.graph.initializer[0]
        data = tensor.raw_data
        if write:
            (folder / Path(location.replace("\\", "/")).name).write_bytes(data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("length", str(length or len(data)))):
            tensor.external_data.add(key=key, value=value)
        return saved(made, folder)

    return build


def poisoned(made: onnx.ModelProto) -> None:
    array = numpy_helper.to_array(made.graph.initializer[1]).copy()
    array[1] = np.nan
    made.graph.initializer[1].CopyFrom(numpy_helper.from_array(array, "b"))


def enormous(made: onnx.ModelProto) -> None:
    made.graph.initializer[0].dims[:] = [1 << 30, 1 << 30]


def claims_more(made: onnx.ModelProto) -> None:
    made.graph.initializer[0].dims[:] = [500, 4]


def custom(made: onnx.ModelProto) -> None:
    made.graph.node[2].domain = "com.mine"
    made.opset_import.append(helper.make_opsetid("com.mine", 1))


def function(made: onnx.ModelProto) -> None:
    made.functions.append(
        helper.make_function(
            "com.mine", "Twice", ["a"], ["b"], [node("Add", "a a", "b")], [helper.make_opsetid("", 13)]
        )
    )


def control_flow(made: onnx.ModelProto) -> None:
    branch = helper.make_graph([node("Identity", "s", "z")], "branch", [], [])
    made.graph.node[2].CopyFrom(
        helper.make_node("If", ["s"], ["t"], name="choice", then_branch=branch, else_branch=branch)
    )


def unknown(made: onnx.ModelProto) -> None:
    made.graph.node[2].op_type = "Softsign"


def skip(made: onnx.ModelProto) -> None:
    made.graph.node[3].CopyFrom(node("Add", "t s", "e"))


def dynamic(made: onnx.ModelProto) -> None:
    made.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "features"


def two_inputs(made: onnx.ModelProto) -> None:
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 5]))


def two_outputs(made: onnx.ModelProto) -> None:
    made.graph.output.append(helper.make_tensor_value_info("t", TensorProto.FLOAT, ["N", 4]))


def very_old(made: onnx.ModelProto) -> None:
    made.opset_import[0].version = 5


def future(made: onnx.ModelProto) -> None:
    made.opset_import[0].version = 900


def wrong_axis(made: onnx.ModelProto) -> None:
    made.graph.node[-1].attribute[0].i = 0


def no_nodes(made: onnx.ModelProto) -> None:
    del made.graph.node[:]


def damaged(folder: Path) -> Path:
    path = saved(vectors(13), folder)
    path.write_bytes(path.read_bytes()[:-40])
    return path


def no_onnx(folder: Path) -> Path:
    path = folder / "mine.onnx"
    path.write_bytes(b"<html>404</html>" * 20)
    return path


def asymmetric(folder: Path) -> Path:
    made = images(13)
    made.graph.node[0].attribute[1].ints[:] = [0, 0, 2, 2]
    return saved(made, folder)


def old_reset(folder: Path) -> Path:
    made = recurrent("GRU", 3)(14)
    made.graph.node[1].attribute[1].i = 0
    return saved(made, folder)


def reversed_time(folder: Path) -> Path:
    made = recurrent("LSTM", 4)(14)
    made.graph.node[1].attribute.append(helper.make_attribute("direction", "reverse"))
    return saved(made, folder)


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "damaged": (damaged, "is damaged or no ONNX file"),
    "no ONNX file": (no_onnx, "ONNX"),
    "no nodes": (changed(no_nodes), "holds no node"),
    "a tensor larger than any memory": (
        changed(enormous),
        "`W` (tensor): it would hold 1,152,921,504,606,846,976 numbers",
    ),
    "a tensor that claims more than there is": (
        changed(claims_more),
        "`W` (tensor): its shape (500, 4) takes 8,000 bytes",
    ),
    "NaN": (changed(poisoned), "`b` (tensor): it holds NaN or infinity"),
    "a custom operator": (changed(custom), "`t` (Tanh): its operator is a custom one, of domain `com.mine`"),
    "a function": (changed(function), "`Twice`: the file defines functions of its own"),
    "control flow": (changed(control_flow), "`choice` (If): it is control flow"),
    "an operator without a layer": (changed(unknown), "`t` (Softsign (version 1)): no layer of a recipe expresses it"),
    "a skip connection": (changed(skip), "`s` (tensor): the network branches"),
    "a size that is open": (changed(dynamic), "`x` (input): axis 1 of its input has no size (`features`)"),
    "two inputs": (changed(two_inputs), "it takes 2 inputs (`x`, `z`)"),
    "two outputs": (changed(two_outputs), "it gives 2 outputs (`y`, `t`)"),
    "version 5": (changed(very_old), "its operators are of version 5; versions 7 to"),
    "a version to come": (changed(future), "its operators are of version 900"),
    "softmax over the batch": (changed(wrong_axis), "`y` (Softmax (version 13)): over axis 0"),
    "padding on one side": (asymmetric, "`a` (Conv (version 11)): its padding is (0, 0) in front and (2, 2) behind"),
    "the other reset form": (old_reset, "`rnn` (GRU (version 14)): its reset gate stands before the product"),
    "time reversed": (reversed_time, "`rnn` (LSTM (version 14)): direction is reverse"),
    "external data above": (external("../weights.bin"), "`W` (external data): its data lie in '../weights.bin'"),
    "external data above, otherwise": (external("..\\weights.bin"), "they are read from a file beside the model only"),
    "external data in a folder": (external("sub/weights.bin"), "they are read from a file beside the model only"),
    "external data anywhere": (external("/etc/passwd", False), "they are read from a file beside the model only"),
    "external data that is missing": (external("gone.bin", False), "which is no file beside the model"),
    "external data that is short": (external("weights.bin", True, 4000), "`W` (external data): it takes 80 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_name(name: str, tmp_path: Path) -> None:
    build, told = BAD[name]
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises(AdoptError) as refusal:
        twofold.adopt(build(folder))
    assert told in str(refusal.value)


def test_external_data_beside_the_model_is_read(tmp_path: Path) -> None:
    plain, apart = tmp_path / "plain", tmp_path / "apart"
    plain.mkdir()
    apart.mkdir()
    path = external("weights.bin")(apart)
    made = onnx.load(str(path))
    first, second = twofold.adopt(path), twofold.adopt(saved(made, plain))
    assert all((first.weights[name] == array).all() for name, array in second.weights.items())


def test_external_data_behind_a_link_is_refused(tmp_path: Path) -> None:
    path = external("weights.bin")(tmp_path)
    real = tmp_path / "weights.bin"
    real.rename(tmp_path / "elsewhere.bin")
    real.symlink_to(tmp_path / "elsewhere.bin")
    with pytest.raises(AdoptError, match="no file beside the model"):
        twofold.adopt(path)


def test_an_oversized_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.onnx"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(AdoptError, match="at most 1,073,741,824 are read"):
        twofold.adopt(path)


def test_the_shape_fills_an_open_size(tmp_path: Path) -> None:
    path = changed(dynamic)(tmp_path)
    assert twofold.adopt(path, shape=(5,)).recipe.network.input_shape == (5,)
    with pytest.raises(UserError, match=r"`shape` is \(5, 1\); the file's input is \(\?\) without the batch"):
        twofold.adopt(path, shape=(5, 1))


def test_an_activation_that_is_nearly_silu_is_not_taken_for_it(tmp_path: Path) -> None:
    made = model(
        [node("MatMul", "x W", "a"), node("Sigmoid", "a", "s"), node("Mul", "a s", "m"), node("MatMul", "m V", "y")],
        {"W": normal(4, 4), "V": normal(4, 2)}, ["N", 4], 2, 13,
    )  # fmt: skip
    kinds = [type(layer).__name__ for layer in twofold.adopt(saved(made, tmp_path)).recipe.layers]
    assert kinds == ["Dense", "Silu", "Dense"]
    made.graph.node[1].op_type = "HardSigmoid"
    with pytest.raises(AdoptError, match="the network branches"):
        twofold.adopt(saved(made, tmp_path, "other.onnx"))


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "model.pkl"])
def test_a_pickle_is_refused_with_the_lines_that_make_it_safetensors(name: str, tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / name)
    with pytest.raises(AdoptError) as refusal:
        twofold.adopt(tmp_path / name)
    assert f'state = torch.load("{name}", weights_only=True)' in str(refusal.value)
    assert 'safetensors.torch.save_file(state, "model.safetensors")' in str(refusal.value)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`model` must be a PyTorch module"):
        twofold.adopt(42)
    with pytest.raises(UserError, match="`model` must be a PyTorch module"):
        twofold.adopt(tmp_path / "model.tflite")
    with pytest.raises(UserError, match="`loss` must be `cross_entropy` or `mean_squared`"):
        twofold.adopt(nn.Linear(2, 2), loss="hinge")  # pyright: ignore
