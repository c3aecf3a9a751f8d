"""Layers against the ONNX operator specification, by the reference evaluator that comes with it.

A second witness beside PyTorch, and a plain one: its operators are written in NumPy for the sake of the specification.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from cases import LAYERS, LayerCase, assert_same
from twofold.arrays import Array
from twofold.numpy_engine.layer import EVALUATION, TRAINING
from twofold.numpy_engine.layers import LAYERS as BUILD
from twofold.recipe.base import pair

Node = tuple[str, dict[str, Any], list[str]]
"""An operator, its attributes, and the parameters that it takes after x."""


def _windows(spec: Any) -> dict[str, Any]:
    kernel, stride, padding, _ = spec.window
    return {"kernel_shape": kernel, "strides": stride, "pads": (*padding, *padding)}


def _conv(spec: Any, case: LayerCase) -> Node:
    attributes = {**_windows(spec), "dilations": pair(spec.dilation), "group": spec.groups}
    return "Conv", attributes, list(case.params())


def _max_pool(spec: Any, case: LayerCase) -> Node:
    return "MaxPool", {**_windows(spec), "dilations": pair(spec.dilation), "ceil_mode": int(spec.ceil_mode)}, []


def _avg_pool(spec: Any, case: LayerCase) -> Node:
    return "AveragePool", {**_windows(spec), "count_include_pad": int(spec.count_include_pad)}, []


def _layer_norm(spec: Any, case: LayerCase) -> Node:
    axis = -spec.axes if spec.axes else 1
    return "LayerNormalization", {"axis": axis, "epsilon": spec.eps}, ["weight", "bias"]


OPERATORS: dict[str, Callable[[Any, LayerCase], Node]] = {
    "dense": lambda spec, case: ("Gemm", {"transB": 1}, list(case.params())),
    "conv2d": _conv,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "global_avg_pool2d": lambda spec, case: ("GlobalAveragePool", {}, []),
    "layer_norm": _layer_norm,
    "relu": lambda spec, case: ("Relu", {}, []),
    "group_norm": lambda spec, case: (
        "GroupNormalization",
        {"num_groups": spec.num_groups, "epsilon": spec.eps, "stash_type": TensorProto.DOUBLE},
        ["weight", "bias"],
    ),
    "prelu": lambda spec, case: ("PRelu", {}, ["weight"]),
    "leaky_relu": lambda spec, case: ("LeakyRelu", {"alpha": spec.negative_slope}, []),
    "elu": lambda spec, case: ("Elu", {"alpha": spec.alpha}, []),
    "gelu": lambda spec, case: ("Gelu", {"approximate": spec.approximate}, []),
    "sigmoid": lambda spec, case: ("Sigmoid", {}, []),
    "tanh": lambda spec, case: ("Tanh", {}, []),
    "softmax": lambda spec, case: ("Softmax", {"axis": -1}, []),
    "flatten": lambda spec, case: ("Flatten", {"axis": 1}, []),
}
NORMS = [case for case in LAYERS if case.kind == "batch_norm"]
# Gemm is a product of two matrices; a stack of replicas is none of ONNX's.
COVERED = [
    case
    for case in LAYERS
    if case.kind in OPERATORS and case.replicas is None and not (case.kind == "dense" and len(case.shape) > 2)
]


def evaluated(operator: str, attributes: dict[str, Any], inputs: dict[str, Array], outputs: list[str]) -> list[Any]:
    """What the specification's own evaluator gives for one node."""
    node = helper.make_node(operator, list(inputs), outputs, **attributes)
    tensors = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, a.shape) for name, a in inputs.items()]
    results = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in outputs]
    model = helper.make_model(helper.make_graph([node], "one", tensors, results))
    with np.errstate(over="ignore", invalid="ignore"):  # its sigmoid takes both branches, then chooses
        return list(ReferenceEvaluator(model).run(None, inputs))


@pytest.mark.parametrize("case", COVERED, ids=lambda case: case.name)
def test_a_layer_gives_the_operators_values(case: LayerCase) -> None:
    operator, attributes, names = OPERATORS[case.kind](case.spec, case)
    held = case.params()
    if case.kind == "layer_norm" and not held:
        held = {"weight": np.ones(case.shape[1:]), "bias": np.zeros(case.shape[1:])}
    if case.kind == "group_norm" and not held:
        held = {"weight": np.ones(case.shape[1]), "bias": np.zeros(case.shape[1])}
    if case.kind == "prelu":
        held = {"weight": held["weight"].reshape(-1, *(1,) * (len(case.shape) - 2))}
    (theirs,) = evaluated(operator, attributes, {"x": case.x(), **{name: held[name] for name in names}}, ["y"])
    ours, _ = BUILD[type(case.spec)](case.spec).forward(case.params(), case.x(), EVALUATION)
    # Its attributes are float32, and so is its erf, which Gelu multiplies by x up to 100.
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), rtol=1e-6, atol=1e-5 if operator == "Gelu" else 1e-9)


@pytest.mark.parametrize(
    ("case", "training"),
    [(case, training) for case in NORMS for training in (True, False) if case.trains or not training],
    ids=lambda value: getattr(value, "name", "training" if value else "evaluation"),
)
def test_batch_normalization_in_both_modes(case: LayerCase, training: bool) -> None:
    """Its momentum is the weight of the past; the running variance takes the biased one, where PyTorch's does not."""
    spec: Any = case.spec
    channels, held = case.shape[1], case.held()
    inputs = {
        "x": case.x(),
        "scale": held.get("weight", np.ones(channels)),
        "B": held.get("bias", np.zeros(channels)),
        "input_mean": held["running_mean"],
        "input_var": held["running_var"],
    }
    attributes = {"epsilon": spec.eps, "momentum": 1 - spec.momentum, "training_mode": int(training)}
    names = ["y", "running_mean", "running_var"] if training else ["y"]
    y, *statistics = evaluated("BatchNormalization", attributes, inputs, names)
    layer: Any = BUILD[type(spec)](spec)
    ours, cache = layer.forward(held, case.x(), TRAINING if training else EVALUATION)
    np.testing.assert_allclose(ours, y, rtol=1e-6, atol=1e-7)
    if training:
        running, n = layer.running(held, cache), case.x().size // channels
        np.testing.assert_allclose(running["running_mean"], statistics[0], rtol=1e-6, atol=1e-9)
        past = (1 - spec.momentum) * held["running_var"]
        unbiased = past + (statistics[1] - past) * n / (n - 1)
        np.testing.assert_allclose(running["running_var"], unbiased, rtol=1e-5, atol=1e-7)


RECURRENT = [
    case
    for case in LAYERS
    if case.kind in {"rnn", "lstm", "gru"}
    and case.replicas is None
    and getattr(case.spec, "nonlinearity", "tanh") == "tanh"  # the evaluator knows no other, the specification does
]
# ONNX's gates: i, o, f, c and z, r, h. Ours, as PyTorch's: i, f, g, o and r, z, n.
ORDERS = {"rnn": [0], "lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}


@pytest.mark.parametrize("case", RECURRENT, ids=lambda case: case.name)
def test_a_recurrent_layer_gives_the_operators_values(case: LayerCase) -> None:
    """Sequences stand time first there, and a GRU's reset gate stands after the product where `linear_before_reset`."""
    spec: Any = case.spec
    held, units, order = case.params(), spec.units, ORDERS[case.kind]

    def turned(name: str) -> Array:
        array = held.get(name, np.zeros(len(order) * units))
        blocks = np.split(array, len(order))
        return np.concatenate([blocks[index] for index in order])

    inputs = {"X": case.x().transpose(1, 0, 2), "W": turned("weight_ih")[None], "R": turned("weight_hh")[None]}
    inputs["B"] = np.concatenate([turned("bias_ih"), turned("bias_hh")])[None]
    attributes: dict[str, Any] = {"hidden_size": units}
    if case.kind == "gru":
        attributes["linear_before_reset"] = 1
    y, last = evaluated(case.kind.upper(), attributes, inputs, ["Y", "Y_h"])
    states = y[:, 0].transpose(1, 0, 2)
    theirs = {"every": states, "mean": states.mean(axis=1), "last": last[0]}[spec.output]
    ours, _ = BUILD[type(spec)](spec).forward(held, case.x(), EVALUATION)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_every_operator_of_the_list_is_covered() -> None:
    named = {OPERATORS[case.kind](case.spec, case)[0] for case in COVERED}
    assert named >= {
        "Conv", "MaxPool", "AveragePool", "GlobalAveragePool", "LayerNormalization", "Softmax", "Gemm", "Flatten",
        "Elu", "Gelu", "LeakyRelu", "PRelu", "GroupNormalization",
    }  # fmt: skip
    assert NORMS
    assert {case.kind for case in RECURRENT} == ORDERS.keys()


def test_the_comparison_sees_another_attribute() -> None:
    case = next(case for case in COVERED if case.name == "avg_pool2d overlapping")
    operator, attributes, _ = OPERATORS[case.kind](case.spec, case)
    (theirs,) = evaluated(operator, {**attributes, "count_include_pad": 0}, {"x": case.x()}, ["y"])
    ours, _ = BUILD[type(case.spec)](case.spec).forward({}, case.x(), EVALUATION)
    with pytest.raises(AssertionError):
        assert_same(ours, theirs)
