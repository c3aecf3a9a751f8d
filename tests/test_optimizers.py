"""Every optimizer over one vector against `torch.optim` over ordinary, separate parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cases import OPTIMIZERS, assert_bits, dense, named_by_docstring, normal, recipe
from engines import numpy_engine, torch_engine
from twofold.arrays import Array, gap
from twofold.data import Batches, random_data
from twofold.engine import Batch, State
from twofold.engine.initial import initial_parameters
from twofold.numpy_engine.optimizers import Rule, clip, optimizer
from twofold.numpy_engine.passes import Layout
from twofold.recipe import Recipe
from twofold.setup.building import initial_state

SHAPES = {"0.weight": (4, 3), "0.bias": (4,), "2.weight": (2, 4), "2.bias": (2,)}
LAYOUT = Layout(SHAPES)
STEPS = 20
TOLERANCE = 1e-12

each_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)
each_engine = pytest.mark.parametrize("build", [numpy_engine, torch_engine], ids=["numpy", "torch"])


WEIGHTS = np.concatenate([np.full(np.prod(shape), "weight" in name) for name, shape in SHAPES.items()])


def rule_of(spec: Any, dtype: str = "float64") -> Rule:
    return optimizer(spec, WEIGHTS.astype(dtype) if spec.decayed == "weights" else 1.0)


def by_torch(spec: Any, named: dict[str, nn.Parameter]) -> torch.optim.Optimizer:
    """The optimizer that the docstring of the kind names: its settings have PyTorch's names."""
    common = {"lr": spec.lr, "weight_decay": spec.weight_decay}
    biases = [parameter for name, parameter in named.items() if spec.decayed == "weights" and "bias" in name]
    others = [parameter for parameter in named.values() if all(parameter is not bias for bias in biases)]
    parameters = [{"params": others}, *([{"params": biases, "weight_decay": 0.0}] if biases else [])]
    options = spec.model_dump(exclude={"kind", "lr", "weight_decay", "decayed", "max_norm"})
    return named_by_docstring(spec, torch.optim)(parameters, **options, **common)


def gradient(k: int) -> Array:
    """From 1/8 to 4 times standard normal, so that a norm of 4 clips some and not others."""
    return normal(f"gradient {k}", (LAYOUT.size,)) * 2.0 ** (k % 6 - 3)


def rate(spec: Any, k: int) -> float:
    return spec.lr * (1 - 0.04 * k)


@each_optimizer
def test_twenty_updates_equal_pytorch(name: str) -> None:
    spec = OPTIMIZERS[name]
    rule, vector = rule_of(spec), normal("start", (LAYOUT.size,))
    moments = rule.init(vector)
    parameters = {name: nn.Parameter(torch.tensor(view)) for name, view in LAYOUT.views(vector).items()}
    theirs = by_torch(spec, parameters)
    assert tuple(moments) == spec.moments
    for k in range(STEPS):
        g = gradient(k)
        for parameter, view in zip(parameters.values(), LAYOUT.views(g).values(), strict=True):
            parameter.grad = torch.tensor(view)
        if spec.max_norm:
            nn.utils.clip_grad_norm_(parameters.values(), spec.max_norm)
        for group in theirs.param_groups:
            group["lr"] = rate(spec, k)
        theirs.step()
        rule.update(vector, clip(g, spec.max_norm) if spec.max_norm else g, moments, rate(spec, k), k + 1)
        for tensor, view in LAYOUT.views(vector).items():
            assert gap(view, parameters[tensor].detach().numpy()) <= TOLERANCE, (k, tensor)
        for moment, held in moments.items():
            for tensor, view in LAYOUT.views(held).items():
                reference = theirs.state[parameters[tensor]][moment].numpy()
                assert gap(view, reference) <= TOLERANCE, (k, tensor, moment)


@each_optimizer
def test_an_update_leaves_the_gradient_as_it_was(name: str) -> None:
    rule, vector, g = rule_of(OPTIMIZERS[name]), normal("start", (LAYOUT.size,)), gradient(0)
    moments = rule.init(vector)
    for k in (1, 2):
        rule.update(vector, g, moments, 0.1, k)
    np.testing.assert_array_equal(g, gradient(0))


@each_optimizer
def test_float32_stays_float32(name: str) -> None:
    rule, vector = rule_of(OPTIMIZERS[name], "float32"), normal("start", (LAYOUT.size,)).astype(np.float32)
    moments = rule.init(vector)
    rule.update(vector, gradient(0).astype(np.float32), moments, 0.1, 1)
    assert {array.dtype for array in (vector, *moments.values())} == {np.dtype(np.float32)}


@pytest.mark.parametrize("scale", [0.0, 1e-8, 0.5, 1.0, 3.0, 1e8], ids="{:g} times".format)
def test_clipping_equals_pytorch(scale: float) -> None:
    g = normal("gradient", (LAYOUT.size,)) * scale
    parameter = nn.Parameter(torch.zeros(LAYOUT.size, dtype=torch.float64))
    parameter.grad = torch.tensor(g)
    nn.utils.clip_grad_norm_(parameter, 4.0)
    np.testing.assert_allclose(clip(g, 4.0), parameter.grad.numpy(), rtol=TOLERANCE)


def test_one_nan_is_clipped_to_all_nan_as_in_pytorch() -> None:
    assert np.isnan(clip(np.array([1.0, np.nan, 3.0]), 4.0)).all()


def trained(spec: Any) -> tuple[Recipe, list[Batch]]:
    built = recipe([dense(4), {"kind": "tanh"}, dense(2)], optimizer=spec)
    return built, list(Batches(built, random_data(built.model, 24, built.data.seed).train))


NORMED = [
    dense(4), {"kind": "prelu"}, {"kind": "batch_norm"}, {"kind": "layer_norm"},
    {"kind": "prelu", "num_parameters": 4}, {"kind": "group_norm", "num_groups": 2}, dense(2),
]  # fmt: skip
MULTIPLIED = {"0.weight", "6.weight"}


def after_a_step(build: Any, **optimizer: Any) -> State:
    built = recipe(NORMED, optimizer=optimizer)
    engine = build(built)
    start = initial_state(built.model)  # biases and β begin at 0, where there is nothing to decay
    engine.load(State({name: array + 0.5 for name, array in start.parameters.items()}, buffers=start.buffers))
    engine.step(next(iter(Batches(built, random_data(built.model, 24, built.data.seed).train))))
    return engine.state()


@each_engine
@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw", "rmsprop"])
def test_only_weights_decay_where_a_recipe_says_so(kind: str, build: Any) -> None:
    """At the first step biases, γ and β go where they go without any decay, and the others where all decay."""
    partly, wholly = (
        after_a_step(build, kind=kind, weight_decay=0.3, decayed="weights"),
        after_a_step(build, kind=kind, weight_decay=0.3),
    )
    without = after_a_step(build, kind=kind, weight_decay=0.0)
    assert recipe(NORMED).network.weights == MULTIPLIED
    for name, array in partly.parameters.items():
        same, other = (wholly, without) if name in MULTIPLIED else (without, wholly)
        np.testing.assert_array_equal(array, same.parameters[name], err_msg=name)
        assert not np.array_equal(array, other.parameters[name]), name


@each_engine
@each_optimizer
def test_a_loaded_state_continues_bit_for_bit(name: str, build: type) -> None:
    built, batches = trained(OPTIMIZERS[name])
    kept, restored = build(built), build(built)
    kept.load(State(initial_parameters(built.model)))
    for batch in batches[:3]:
        kept.step(batch)
    restored.load(kept.state())
    for batch in batches[3:6]:
        kept.step(batch)
        restored.step(batch)
    assert kept.state().updates == restored.state().updates == 6
    assert_bits(restored.state().arrays(), kept.state().arrays())


@each_optimizer
def test_moments_that_a_state_lacks_start_at_zero_in_both_engines(name: str) -> None:
    """Whatever the engine did before, and whatever the count of updates says."""
    built, batches = trained(OPTIMIZERS[name])
    states = []
    for build in (numpy_engine, torch_engine):
        engine = build(built)
        engine.step(batches[1])
        engine.load(State(initial_parameters(built.model), {}, updates=5))
        assert not any(array.any() for moment in engine.state().optimizer.values() for array in moment.values())
        states.append(engine.step(batches[0]).state)
    assert states[0].updates == states[1].updates == 6
    for tensor, array in states[0].arrays().items():
        assert gap(array, states[1].arrays()[tensor]) <= TOLERANCE, tensor


@each_engine
def test_moments_of_another_optimizer_are_left_out(build: type) -> None:
    built, batches = trained(OPTIMIZERS["adam"])
    engine, other = build(built), build(trained(OPTIMIZERS["rmsprop"])[0])
    engine.load(State(initial_parameters(built.model)))
    engine.step(batches[0])
    other.step(batches[0])
    other.load(engine.state())
    assert list(other.state().optimizer) == ["square_avg"]
    assert not any(array.any() for array in other.state().optimizer["square_avg"].values())
