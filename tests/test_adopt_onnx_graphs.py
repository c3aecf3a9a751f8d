"""ONNX graphs that say a layer in other words, and graphs that would make too much of a small file."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import twofold
from test_adopt_onnx import model, node, normal, saved
from twofold.errors import AdoptError
from twofold.recipe.network import kind_of

Build = Callable[[], onnx.ModelProto]


def within(*middle: onnx.NodeProto, **constants: np.ndarray) -> Build:
    """Nodes from `a` to `z` between two products."""
    held = {"W": normal(6, 5), "V": normal(5, 3)} | constants
    return lambda: model([node("MatMul", "x W", "a"), *middle, node("MatMul", "z V", "y")], held, ["N", 6], 3, 18)


def far(middle: onnx.NodeProto, **constants: np.ndarray) -> Build:
    """A node behind a product whose outputs are all near 50: the sample shows nothing of what is done below 0."""
    held = {"W": normal(6, 5), "V": normal(5, 3), "b": np.full(5, 50, np.float32)} | constants
    nodes = [node("Gemm", "x W b", "a"), middle, node("MatMul", "z V", "y")]
    return lambda: model(nodes, held, ["N", 6], 3, 18)


def behind_conv(*nodes: onnx.NodeProto, **constants: np.ndarray) -> Build:
    """Nodes from the convolution's output `a` to `y`."""
    held = {"K": normal(3, 2, 3, 3)} | constants
    return lambda: model([node("Conv", "x K", "a"), *nodes], held, ["N", 2, 8, 8], 3, 17)


def halves() -> onnx.ModelProto:
    """All of it in 16 bits."""
    made = model(
        [node("Gemm", "x W b", "y")],
        {"W": normal(6, 3).astype(np.float16), "b": normal(3).astype(np.float16)},
        ["N", 6],
        3,
        17,
        kind=TensorProto.FLOAT16,
    )
    made.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    return made


def stacked() -> onnx.ModelProto:
    """Two layers of LSTM as PyTorch's newer exporter writes them, the directions' axis turned in between."""
    held = {name: normal(1, 16, size) for name, size in (("W", 3), ("R", 4), ("U", 4), ("S", 4))}
    held |= {
        "P": np.zeros((1, 12), np.float32),
        "shape": np.array([5, -1, 4]),
        "zero": np.array([0]),
        "V": normal(4, 2),
    }
    nodes = [
        node("Transpose", "x", "t", perm=[1, 0, 2]),
        node("LSTM", "t W R - - - - P", "states last", hidden_size=4),
        node("Transpose", "states", "turned", perm=[0, 2, 1, 3]),
        node("Reshape", "turned shape", "u"),
        node("LSTM", "u U S", "v h", hidden_size=4),
        node("Concat", "last h", "both", axis=0),
        node("Gather", "both minus", "picked", axis=0),
        node("MatMul", "picked V", "y"),
    ]
    return model(nodes, held | {"minus": np.array(-1)}, ["N", 5, 3], 2, 17)


def unsized() -> onnx.ModelProto:
    """The same without the attribute that repeats what the recurrent weight says."""
    made = stacked()
    for lstm in (made.graph.node[1], made.graph.node[4]):
        del lstm.attribute[:]
    return made


SAID: dict[str, tuple[Build, list[str]]] = {
    "Clip from 0 on": (within(node("Clip", "a low", "z"), low=np.float32(0)), ["dense", "relu", "dense"]),
    "Clip from one number that is a vector": (
        within(node("Clip", "a low", "z"), low=np.zeros(1, np.float32)),
        ["dense", "relu", "dense"],
    ),
    "a share that is a vector": (
        within(node("Dropout", "a share", "z"), share=np.full(1, 0.25, np.float32)),
        ["dense", "dropout", "dense"],
    ),
    "an LSTM without hidden_size": (unsized, ["lstm", "lstm", "dense"]),
    "padding behind that auto_pad leaves to it": (
        behind_conv(
            node("MaxPool", "a", "p", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1], auto_pad="NOTSET"),
            node("GlobalAveragePool", "p", "g"),
            node("Flatten", "g", "y"),
        ),
        ["conv2d", "max_pool2d", "global_avg_pool2d"],
    ),
    "Max with 0": (within(node("Max", "low a", "z"), low=np.float32(0)), ["dense", "relu", "dense"]),
    "16 bits": (halves, ["dense"]),
    "a mean by rows, then columns": (
        behind_conv(
            node("ReduceMean", "a", "r", axes=[3], keepdims=0), node("ReduceMean", "r", "y", axes=[2], keepdims=0)
        ),
        ["conv2d", "global_avg_pool2d"],
    ),
    "a mean of the flat plane": (
        behind_conv(
            node("Reshape", "a s", "r"),
            node("ReduceMean", "r", "y", axes=[2], keepdims=0),
            s=np.array([0, 0, -1]),
        ),
        ["conv2d", "global_avg_pool2d"],
    ),
    "a convolution behind the mean of the plane": (
        behind_conv(
            node("GlobalAveragePool", "a", "g"),
            node("Conv", "g C", "c"),
            node("Flatten", "c", "y"),
            C=normal(3, 3, 1, 1),
        ),
        ["conv2d", "avg_pool2d", "conv2d", "flatten"],
    ),
    "two layers of LSTM": (stacked, ["lstm", "lstm", "dense"]),
    "a padding that onnxruntime does not run": (
        lambda: model(
            [
                node("Conv", "x K", "a", auto_pad="SAME_UPPER", dilations=[2, 2]),
                node("GlobalAveragePool", "a", "g"),
                node("Flatten", "g", "y"),
            ],
            {"K": normal(3, 2, 3, 3)},
            ["N", 2, 8, 8],
            3,
            17,
        ),
        ["conv2d", "global_avg_pool2d"],
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_a_layer_in_other_words_is_adopted(name: str, tmp_path: Path) -> None:
    build, kinds = SAID[name]
    adopted = twofold.adopt(saved(build(), tmp_path))
    assert adopted.proof.passed
    assert [kind_of(layer) for layer in adopted.recipe.layers] == kinds


def made_by(operator: str, inputs: str, **constants: np.ndarray) -> Build:
    """A second factor that a node makes of small constants."""
    return lambda: model([node(operator, inputs, "W"), node("MatMul", "x W", "y")], constants, ["N", 6], 3, 17)


REFUSED: dict[str, tuple[Build, str]] = {
    "a cut at 6": (
        within(node("Clip", "a low high", "z"), low=np.float32(0), high=np.float32(6)),
        "`z` (Clip (version 13)): no layer of a recipe expresses it. The nearest is `relu`",
    ),
    "a cut below 0": (far(node("Clip", "a low", "z"), low=np.float32(-3)), "no layer of a recipe expresses it"),
    "the larger of x and −3": (far(node("Max", "a low", "z"), low=np.float32(-3)), "it takes the largest of"),
    "a bias of three samples": (
        lambda: model([node("Gemm", "x W b", "y")], {"W": normal(6, 4), "b": normal(3, 4)}, ["N", 6], 4, 18),
        "its bias is (3, 4). The nearest is one number a unit, (4,)",
    ),
    "the larger of two": (within(node("Max", "a one", "z"), one=np.float32(1)), "`z` (Max (version 13)): it takes the"),
    "8 bits": (
        made_by("DequantizeLinear", "Q s", Q=np.ones((6, 3), np.int8), s=np.float32(0.1)),
        "`W` (DequantizeLinear): ONNX's reference evaluator cannot run it",
    ),
    "sizes that do not fit": (
        lambda: model([node("Gemm", "x W", "y")], {"W": normal(7, 3)}, ["N", 6], 3, 17),
        "`y` (Gemm): ONNX's reference evaluator cannot run it",
    ),
    "a constant of 4 GiB": (made_by("ConstantOfShape", "s", s=np.array([1 << 15, 1 << 15])), "`W` (ConstantOfShape)"),
    "one row made many": (
        made_by("Expand", "r s", r=normal(1, 1), s=np.array([1 << 18, 1 << 18])),
        "at most 100,000,000 are made",
    ),
    "a range without an end": (
        made_by("Range", "a b c", a=np.array(0), b=np.array(1 << 40), c=np.array(1)),
        "`W` (Range): its output of (1099511627776,)",
    ),
    "an image made enormous": (
        behind_conv(node("Resize", "a - by", "y"), by=np.array([1, 1, 4000, 4000], np.float32)),
        "`y` (Resize): its output of (3, 3, 24000, 24000)",
    ),
    "many layers that are each just small enough": (
        lambda: model(
            [node("Unsqueeze", "x two", "n0"), node("Mul", "n0 wide", "w0")]
            + [node("Relu", f"w{i}", f"w{i + 1}") for i in range(15)]
            + [node("Flatten", "w15", "y")],
            {"two": np.array([2]), "wide": np.ones((1, 1, 4_000_000), np.float32)},
            ["N", 6],
            24_000_000,
            17,
        ),
        "outputs would hold 1,008,000,018 numbers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_node_is_refused_by_name_before_much_is_made_of_it(name: str, tmp_path: Path) -> None:
    build, reason = REFUSED[name]
    with pytest.raises(AdoptError) as refusal:
        twofold.adopt(saved(build(), tmp_path))
    assert reason in str(refusal.value)


def test_a_cast_to_whole_numbers_is_refused_though_the_sample_holds_whole_ones(tmp_path: Path) -> None:
    nodes = [node("Cast", "x", "i", to=TensorProto.INT64), node("Cast", "i", "f", to=TensorProto.FLOAT)]
    made = model([*nodes, node("MatMul", "f W", "y")], {"W": normal(6, 3)}, ["N", 6], 3, 18)
    with pytest.raises(AdoptError, match="it rounds the numbers that pass"):
        twofold.adopt(saved(made, tmp_path), sample=np.arange(12.0).reshape(2, 6))


def test_a_damaged_test_vector_is_refused(tmp_path: Path) -> None:
    path = twofold.export("moons", "onnx", tmp_path / "moons.onnx")
    made = onnx.load(path)
    entry = next(entry for entry in made.metadata_props if entry.key == "twofold.test_vector")
    vector = json.loads(entry.value)
    other = {"shape": [1, 3], "dtype": "<f4", "data": base64.b64encode(np.ones(3, "<f4").tobytes()).decode()}
    texts = [json.dumps(vector | {"x": part}) for part in (other, other | {"shape": [10**400]})]
    for number, text in enumerate([*texts, "[" * 100_000]):
        entry.value = text
        with pytest.raises(AdoptError, match="its test vector is damaged"):
            twofold.adopt(saved(made, tmp_path, f"{number}.onnx"))
