"""Recurrent layers in whole networks: against PyTorch's own, through time, in parts, and how the gradient flows."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest, uniform
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor, nn

import twofold
from cases import INITIALS, LAYERS, assert_bits, dense, recipe
from engines import numpy_engine, torch_engine
from twofold.arrays import Array, Arrays
from twofold.data import Batches, load_data
from twofold.engine import Batch, Engine, State
from twofold.engine.initial import initial_parameters
from twofold.engine.threads import few_threads
from twofold.numpy_engine import LOSSES
from twofold.numpy_engine.cells import Gru, Lstm, Vanilla
from twofold.numpy_engine.layer import TRAINING
from twofold.numpy_engine.passes import Layout
from twofold.numpy_engine.plan import Chain, Stage, WholeWay
from twofold.numpy_engine.threads import WayInParts, in_threads, parts_to_predict, worthwhile_parts
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.network import recurrent_nodes
from twofold.runs.history import SATURATED
from twofold.setup.building import build_engine, initial_state
from twofold.streams import stream
from twofold.torch_engine import TorchEngine
from twofold.train.gradient_flow import Flow, as_arrays, carried, flow_batch, measure_flow

KINDS = ("rnn", "lstm", "gru")
ENGINES = ("numpy", "torch")
each_kind = pytest.mark.parametrize("kind", KINDS)
each_engine = pytest.mark.parametrize("engine", ENGINES)
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def sequences(layers: list[dict[str, Any]], length: int = 7, **parts: Any) -> Recipe:
    """A recipe of palindromes that enter as one number a step, or ten, in float64."""
    data = {"source": "palindromes", "length": length, **parts.pop("data", {})}
    return recipe([*layers, dense(10)], data=data, **parts)


def layer(kind: str, units: int = 5, **options: Any) -> dict[str, Any]:
    return {"kind": kind, "units": units, **options}


def first_batch(built: Recipe) -> Batch:
    return next(iter(Batches(built, load_data(built.data).train)))


def loaded(engine: str, built: Recipe, state: State | None = None) -> Engine:
    made = build_engine(engine, built)
    made.load(state or initial_state(built.model))
    return made


# PyTorch's own layers and cells

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn": ("rnn", {}),
    "rnn of relu": ("rnn", {"nonlinearity": "relu"}),
    "lstm": ("lstm", {}),
    "gru": ("gru", {}),
    "rnn without bias": ("rnn", {"bias": False}),
    "lstm without bias": ("lstm", {"bias": False}),
    "gru without bias": ("gru", {"bias": False}),
}
each_option = pytest.mark.parametrize(("kind", "options"), OPTIONS.values(), ids=OPTIONS)


class Stacked(nn.Module):
    """PyTorch's own two layers and what reads the last state, as a user of PyTorch would write it."""

    def __init__(self, kind: str, inputs: int, options: dict[str, Any]) -> None:
        super().__init__()
        self.body = getattr(nn, kind.upper())(inputs, 5, num_layers=2, batch_first=True, **options)
        self.head = nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])

    def fill(self, parameters: Arrays) -> dict[str, str]:
        """Take over the parameters of the recipe's network; PyTorch's name of each."""
        names = {
            name: f"body.{key}_l{place}" if place in "01" else f"head.{key}"
            for name in parameters
            for place, key in [name.split(".")]
        }
        self.load_state_dict({names[name]: torch.tensor(array) for name, array in parameters.items()})
        return names


@each_engine
@pytest.mark.parametrize("encoding", ["number", "one_hot"])
@each_option
def test_two_layers_in_a_network_equal_pytorchs(kind: str, options: dict[str, Any], encoding: str, engine: str) -> None:
    layers = [layer(kind, output="every", **options), layer(kind, **options)]
    built = sequences(layers, data={"encoding": encoding}, optimizer={"kind": "sgd", "lr": 0.5})
    ours = loaded(engine, built)
    theirs = Stacked(kind, {"number": 1, "one_hot": 10}[encoding], options).double()
    names = theirs.fill(initial_parameters(built.model))
    parameters, rule = dict(theirs.named_parameters()), torch.optim.SGD(theirs.parameters(), lr=0.5)
    for batch in list(Batches(built, load_data(built.data).train))[:3]:
        step = ours.step(batch)
        rule.zero_grad()
        logits = theirs(torch.tensor(batch.x))
        loss = nn.functional.cross_entropy(logits, torch.tensor(batch.target))
        loss.backward()
        np.testing.assert_allclose(step.logits, logits.detach().numpy(), **EXACT)
        assert step.loss == pytest.approx(loss.item(), rel=1e-12)
        for name, gradient in step.gradients.items():
            wanted = parameters[names[name]].grad
            assert wanted is not None
            np.testing.assert_allclose(gradient, wanted.numpy(), err_msg=name, **EXACT)
        rule.step()
    for name, array in ours.state().parameters.items():
        np.testing.assert_allclose(array, parameters[names[name]].detach().numpy(), err_msg=name, **EXACT)


CELLS: dict[str, Callable[..., nn.Module]] = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}


def by_cells(cell: nn.Module, x: Tensor) -> list[Tensor]:
    """h(1), ..., h(T) by a loop over PyTorch's cell."""
    state, found = None, list[Tensor]()
    for each in x.unbind(1):
        state = cell(each, state)
        found.append(state[0] if isinstance(state, tuple) else state)
    return found


@each_option
def test_weights_load_into_pytorchs_cells_by_name(kind: str, options: dict[str, Any]) -> None:
    built = sequences([layer(kind, output="every", **options), {"kind": "flatten"}], data={"encoding": "one_hot"})
    engine = torch_engine(built)
    engine.load(initial_state(built.model))
    cell = CELLS[kind](10, 5, **options).double()
    cell.load_state_dict(engine.module[0].state_dict(), strict=True)
    x = torch.tensor(first_batch(built).x)
    theirs = torch.stack(by_cells(cell, x), dim=1)
    assert torch.allclose(engine.module[0](x), theirs, **EXACT)


@each_option
def test_the_torch_engine_holds_none_of_pytorchs_recurrent_layers(kind: str, options: dict[str, Any]) -> None:
    """It is a loop of its own: an independent witness of PyTorch's, and of ours."""
    module = TorchEngine(sequences([layer(kind, **options)]).model).module
    assert not [m for m in module.modules() if isinstance(m, nn.RNNBase | nn.RNNCellBase)]


# Through time

EVERY = {"output": "every"}
NETWORKS: dict[str, list[dict[str, Any]]] = {
    **{kind: [layer(kind)] for kind in KINDS},
    **{f"{kind}, every step read": [layer(kind, **EVERY), {"kind": "flatten"}] for kind in KINDS},
    **{f"{kind} on {kind}": [layer(kind, **EVERY), layer(kind, 4)] for kind in KINDS},
    "rnn of relu": [layer("rnn", nonlinearity="relu")],
    "rnn, a dense layer, gru": [layer("rnn", **EVERY), dense(3), {"kind": "tanh"}, layer("gru", 4)],
    "three kinds": [layer("gru", **EVERY), layer("lstm", 4, **EVERY), layer("rnn", 3)],
    "dropout between": [layer("lstm", **EVERY), {"kind": "dropout", "p": 0.4}, layer("rnn", 3)],
}
each_network = pytest.mark.parametrize("layers", NETWORKS.values(), ids=NETWORKS)


@each_network
def test_both_engines_see_the_same_states_and_gradients(layers: list[dict[str, Any]]) -> None:
    built = sequences(layers)
    batch = first_batch(built)
    ours, theirs = (loaded(name, built).trace(batch).through_time for name in ENGINES)
    assert list(ours) == list(theirs) == [node.name for node in recurrent_nodes(built.network)]
    for name, found in ours.items():
        units = built.layers[int(name)].model_dump()["units"]
        assert found.h.shape == found.gradient.shape == (6, 8, units)
        np.testing.assert_allclose(found.h, theirs[name].h, err_msg=name, **EXACT)
        np.testing.assert_allclose(found.gradient, theirs[name].gradient, err_msg=name, **EXACT)
        assert np.abs(found.gradient).max(axis=(1, 2)).min() > 0


@each_engine
@each_network
def test_looking_through_time_changes_nothing(layers: list[dict[str, Any]], engine: str) -> None:
    built = sequences(layers, optimizer={"kind": "adam"})
    batch = first_batch(built)
    looked, plain = loaded(engine, built), loaded(engine, built)
    looked.trace(batch)
    assert_bits(looked.state().arrays(), plain.state().arrays())
    first, second = looked.step(batch), plain.step(batch)
    assert_bits(dict(first.gradients), dict(second.gradients))
    assert_bits(looked.state().arrays(), plain.state().arrays())


@each_engine
def test_looking_through_time_leaves_running_statistics_as_they_are(engine: str) -> None:
    built = sequences([layer("rnn"), dense(6), {"kind": "batch_norm"}, dense(10)])
    looked = loaded(engine, built)
    before = looked.state().arrays()
    looked.trace(first_batch(built))
    assert any("running_var" in name for name in before)
    assert_bits(looked.state().arrays(), before)


@each_engine
def test_a_network_without_a_state_shows_nothing(engine: str) -> None:
    built = recipe([dense(4), dense(10)], data={"source": "palindromes", "length": 5, "encoding": "index"})
    assert loaded(engine, built).trace(first_batch(built)).through_time == {}


@each_kind
@pytest.mark.parametrize("every", [False, True], ids=["last", "every"])
def test_through_time_equals_autograd_over_pytorchs_cells(kind: str, every: bool) -> None:
    options = EVERY if every else {}
    built = sequences([layer(kind, **options), *([{"kind": "flatten"}] if every else [])])
    batch, held = first_batch(built), initial_parameters(built.model)
    cell = CELLS[kind](1, 5).double()
    cell.load_state_dict({n.removeprefix("0."): torch.tensor(a) for n, a in held.items() if n.startswith("0.")})
    states = by_cells(cell, torch.tensor(batch.x))
    read = torch.stack(states, dim=1).flatten(1) if every else states[-1]
    head = built.network.nodes[-1].name
    logits = nn.functional.linear(read, torch.tensor(held[f"{head}.weight"]), torch.tensor(held[f"{head}.bias"]))
    loss = nn.functional.cross_entropy(logits, torch.tensor(batch.target))
    gradients = torch.autograd.grad(loss, states)
    ours = loaded("numpy", built).trace(batch).through_time["0"]
    np.testing.assert_allclose(ours.h, torch.stack(states).detach().numpy(), **EXACT)
    np.testing.assert_allclose(ours.gradient, torch.stack(gradients).numpy(), **EXACT)


def by_gate(rows: Array, gates: int) -> Array:
    """The rows of each gate for themselves, gates first."""
    return np.stack(np.split(rows, gates, axis=-1))


def shifted_loss(built: Recipe, held: Arrays, batch: Batch, t: int, shift: Array) -> float:
    """The loss where h(t) is so much larger than the cell made it: a loop written out in NumPy."""
    spec: Any = built.layers[0]
    cell = {"rnn": Vanilla("tanh"), "lstm": Lstm(), "gru": Gru()}[spec.kind]
    h = np.zeros((1 + batch.x.shape[1], len(batch.x), spec.units))
    a = by_gate(np.moveaxis(batch.x, 1, 0) @ held["0.weight_ih"].T + held["0.bias_ih"], cell.gates)
    record = cell.begin(a, h)
    for step in range(batch.x.shape[1]):
        c = by_gate(h[step] @ held["0.weight_hh"].T + held["0.bias_hh"], cell.gates)
        cell.forward(record, step, a[:, step], c)
        h[step + 1] += shift if step + 1 == t else 0
    read = np.concatenate(h[1:], axis=1) if spec.output == "every" else h[-1]
    head = built.network.nodes[-1].name
    return LOSSES["cross_entropy"](read @ held[f"{head}.weight"].T + held[f"{head}.bias"], batch.target)[0]


@each_kind
@pytest.mark.parametrize("every", [False, True], ids=["last", "every"])
def test_through_time_equals_central_differences(kind: str, every: bool) -> None:
    """Of the loss, along a random direction of every hidden state."""
    built = sequences([layer(kind, **(EVERY if every else {})), *([{"kind": "flatten"}] if every else [])])
    batch, held = first_batch(built), initial_parameters(built.model)
    gradient = loaded("numpy", built).trace(batch).through_time["0"].gradient
    epsilon, rng = 1e-5, np.random.default_rng(0)
    for t in range(1, 7):
        v = rng.normal(size=gradient.shape[1:])
        up, down = (shifted_loss(built, held, batch, t, sign * epsilon * v) for sign in (1, -1))
        # The loss, about 2, is rounded to 4e-16; divided by epsilon that is 4e-11.
        assert (gradient[t - 1] * v).sum() == pytest.approx((up - down) / (2 * epsilon), rel=1e-6, abs=1e-9), t


# In parts

TIMED = [case for case in LAYERS if case.kind in KINDS and case.replicas is None]


@pytest.mark.parametrize("batch_size", [8, 7, 1])
@each_network
def test_a_training_in_parts_is_the_training(layers: list[dict[str, Any]], batch_size: int) -> None:
    built = sequences(layers, training={"batch_size": batch_size}, optimizer={"kind": "adam"})
    plain, parts = (
        numpy_engine(built),
        numpy_engine(built, parts=2),
    )
    for engine in (plain, parts):
        engine.load(initial_state(built.model))
    for batch in Batches(built, load_data(built.data).train):
        first, second = plain.step(batch), parts.step(batch)
        assert second.loss == pytest.approx(first.loss, rel=1e-12)
        np.testing.assert_allclose(second.logits, first.logits, **EXACT)
    for name, array in plain.state().arrays().items():
        np.testing.assert_allclose(parts.state().arrays()[name], array, err_msg=name, **EXACT)
    seen, wanted = parts.trace(batch).through_time, plain.trace(batch).through_time
    for name in wanted:
        for ours, theirs in zip(seen[name], wanted[name], strict=True):
            np.testing.assert_allclose(ours, theirs, err_msg=name, **EXACT)
    np.testing.assert_allclose(parts.predict(batch.x[:1]), plain.predict(batch.x[:1]), **EXACT)


def test_a_part_that_fails_says_so() -> None:
    """An exception of a thread is raised where the batch was taken."""

    class Refuses:
        def forward(self, params: Arrays, x: Array, mode: Any) -> Any:
            if x[0, 0] == 1:
                raise ValueError("the second part")
            return x, None

        def backward(self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True) -> Any:
            return dy, {}

    stage = Stage("0", Refuses(), {})
    chain = Chain([stage], 1, Layout({}))
    parts = [WholeWay(chain, (1, 1), np.zeros(0)) for _ in range(2)]
    with pytest.raises(ValueError, match="the second part"):
        WayInParts(parts, (2, 1)).forward(np.arange(2.0).reshape(2, 1), {}, TRAINING)


def test_a_gate_far_from_zero_is_shut_or_open() -> None:
    """exp(10,000) is infinite, and 1 / (1 + ∞) is 0: nothing of g is kept. exp(−10,000) is 0: all of it is."""

    def last_state(i: float) -> float:
        """h after one step of one unit, with g = tanh 1 and f = o = 1/2."""
        h = np.zeros((2, 1, 1))
        a = np.array([i, 0.0, 1.0, 0.0]).reshape(4, 1, 1, 1)
        cell = Lstm()
        cell.forward(cell.begin(a, h), 0, a[:, 0], np.zeros((4, 1, 1)))
        return h[1].item()

    assert last_state(-1e4) == 0
    assert last_state(1e4) == pytest.approx(math.tanh(math.tanh(1)) / 2)


# How the gradient flows


def with_hidden(built: Recipe, matrix: Array, scale: float = 1.0) -> State:
    """The initial state with another W_hh, and everything else so many times as large."""
    held = {name: array * scale for name, array in initial_parameters(built.model).items()}
    return State({**held, "0.weight_hh": matrix})


def flow_of(built: Recipe, state: State | None = None, engine: str = "numpy") -> Flow:
    return measure_flow(loaded(engine, built, state), built.network, first_batch(built))["0"]


ROTATION = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
MATRICES: dict[str, tuple[Array, float, float]] = {
    "identity": (np.eye(3), 1.0, 1.0),
    "zeros": (np.zeros((3, 3)), 0.0, 0.0),
    "a rotation": (ROTATION, 1.0, 1.0),
    "a rotation, halved": (ROTATION / 2, 0.5, 0.5),
    "a diagonal": (np.diag([0.3, -2.0, 1.0]), 2.0, 2.0),
    # A shear: its eigenvalues are 1, and yet it can stretch: (3 + √13) / 2.
    "a shear": (np.array([[1.0, 3.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), 1.0, (3 + math.sqrt(13)) / 2),
    "nilpotent": (np.array([[0.0, 5.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), 0.0, 5.0),
}


@each_engine
@pytest.mark.parametrize(("matrix", "radius", "singular"), MATRICES.values(), ids=MATRICES)
def test_radius_and_singular_value_of_known_matrices(
    matrix: Array, radius: float, singular: float, engine: str
) -> None:
    flow = flow_of(built := sequences([layer("rnn", 3)]), with_hidden(built, matrix), engine)
    assert flow.radius.shape == flow.singular.shape == (1,)
    assert flow.radius[0] == pytest.approx(radius, abs=1e-7)
    assert flow.singular[0] == pytest.approx(singular, abs=1e-12)


@pytest.mark.parametrize(("kind", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_every_gate_has_a_radius_and_a_singular_value(kind: str, gates: int) -> None:
    built = sequences([layer(kind, 3)])
    blocks = [np.diag([0.1, 0.2, 0.3 + gate]) for gate in range(gates)]
    flow = flow_of(built, with_hidden(built, np.concatenate(blocks)))
    assert flow.radius == pytest.approx([0.3 + gate for gate in range(gates)])
    assert flow.singular == pytest.approx([0.3 + gate for gate in range(gates)])


def test_a_matrix_that_is_not_finite_is_measured_without_a_fault() -> None:
    flow = flow_of(built := sequences([layer("rnn", 3)]), with_hidden(built, np.full((3, 3), np.nan)))
    assert flow.radius[0] == flow.singular[0] == 0
    assert np.isnan(flow.gradient[0])


@each_engine
def test_the_share_of_saturated_units(engine: str) -> None:
    """Two of four units are given a bias that no input overcomes."""
    built = sequences([layer("rnn", 4)])
    held = dict(with_hidden(built, np.zeros((4, 4)), 1e-3).parameters)
    held["0.bias_ih"] = np.array([0.0, 9.0, 0.0, -9.0])
    assert flow_of(built, State(held), engine).saturated.tolist() == [0.5] * 6
    assert flow_of(built, with_hidden(built, np.zeros((4, 4)), 1e-3), engine).saturated.tolist() == [0.0] * 6
    at, below = math.atanh(SATURATED + 0.001), math.atanh(SATURATED - 0.001)
    held = {name: np.zeros_like(array) for name, array in held.items()} | {"0.bias_hh": np.array([at, below, -at, 0])}
    assert flow_of(built, State(held), engine).saturated.tolist() == [0.5] * 6


@pytest.mark.parametrize(
    "options", [layer("lstm"), layer("gru"), layer("rnn", nonlinearity="relu")], ids=["lstm", "gru", "relu"]
)
def test_where_there_is_no_tanh_nothing_is_called_saturated(options: dict[str, Any]) -> None:
    assert np.isnan(flow_of(sequences([options])).saturated).all()


def test_the_gradients_norm_is_over_batch_and_units() -> None:
    built = sequences([layer("rnn")])
    gradient = loaded("numpy", built).trace(first_batch(built)).through_time["0"].gradient
    wanted = [math.sqrt(float((each**2).sum())) for each in gradient]
    assert flow_of(built).gradient == pytest.approx(wanted, rel=1e-12)


FLOWS: dict[str, tuple[dict[str, Any], Array, float, float, float]] = {
    # Five steps back: a tenth each.
    "vanishing": (layer("rnn", 3), 0.1 * np.eye(3), 1e-4, 0.0, 1.01e-5),
    # Positive weights keep relu on: twice as large each.
    "exploding": (layer("rnn", 3, nonlinearity="relu"), 2 * np.eye(3), 1.0, 31.999, 32.001),
    # So small that tanh is the identity.
    "carried": (layer("rnn", 3), ROTATION, 1e-4, 0.9999, 1.0001),
    "carried by relu": (layer("rnn", 3, nonlinearity="relu"), np.eye(3), 1.0, 0.999999, 1.000001),
}


@each_engine
@pytest.mark.parametrize(("options", "matrix", "scale", "least", "most"), FLOWS.values(), ids=FLOWS)
def test_what_the_first_step_gets_of_the_last_ones_gradient(
    options: dict[str, Any], matrix: Array, scale: float, least: float, most: float, engine: str
) -> None:
    built = sequences([options])
    state = with_hidden(built, matrix)
    held = {
        n: np.abs(a) * scale if n.startswith("0.") and n != "0.weight_hh" else a for n, a in state.parameters.items()
    }
    flow = flow_of(built, State(held), engine)
    assert least <= carried(flow.gradient) <= most
    assert carried(flow.gradient) == flow.gradient[0] / flow.gradient[-1]
    factors = [after / before for before, after in pairwise(flow.gradient[::-1])]
    assert factors == pytest.approx([flow.radius[0]] * 5, rel=2e-2)


def test_of_no_gradient_no_share_is_carried() -> None:
    assert math.isnan(carried(np.zeros(4)))
    assert carried(np.array([0.0, 1.0])) == 0


def test_the_flow_of_a_network_without_a_state_is_none() -> None:
    built = recipe([dense(4)])
    engine = loaded("numpy", built)
    assert measure_flow(engine, built.network, Batch(np.zeros((2, 3)), np.zeros(2, np.int64), 0.0, {}, 0)) == {}


def test_the_flow_is_measured_on_the_first_training_samples() -> None:
    built = sequences([layer("rnn")])
    train = load_data(built.data).train
    batch = flow_batch(train, 8)
    np.testing.assert_array_equal(batch.x, train.x[:8])
    np.testing.assert_array_equal(batch.target, train.y[:8])
    assert (batch.lr, batch.masks) == (0.0, {})


def test_moments_as_arrays() -> None:
    built = sequences([layer("lstm", **EVERY), layer("rnn", 3)])
    engine, batch = loaded("numpy", built), first_batch(built)
    moments = [(step, measure_flow(engine, built.network, batch)) for step in (0, 5, 9)]
    arrays = as_arrays(moments)
    assert {name: array.shape for name, array in arrays.items()} == {
        "flow.step": (3,),
        "flow.0.gradient": (3, 6), "flow.0.saturated": (3, 6), "flow.0.radius": (3, 4), "flow.0.singular": (3, 4),
        "flow.1.gradient": (3, 6), "flow.1.saturated": (3, 6), "flow.1.radius": (3, 1), "flow.1.singular": (3, 1),
    }  # fmt: skip
    assert arrays["flow.step"].tolist() == [0, 5, 9]
    assert as_arrays([]) == as_arrays([(0, {})]) == {}


SHORT = {"training.steps": 7, "training.evaluate_every": 3, "layers.0.units": 6, "data.samples": 40}


@pytest.mark.parametrize(("every", "steps"), [(True, [0, 3, 6, 7]), (False, [0, 7])], ids=["every", "two"])
def test_a_run_records_the_flow(tmp_path: Path, every: bool, steps: list[int]) -> None:
    overrides = SHORT | {"training.gradient_flow": every, "training.dtype": "float64"}
    run = twofold.run("palindrome", overrides=overrides, out=tmp_path / "run")
    evidence = run.evidence
    for engine in ENGINES:
        assert evidence[f"{engine}.flow.step"].tolist() == steps
        assert evidence[f"{engine}.flow.0.gradient"].shape == (len(steps), 4)
        assert evidence[f"{engine}.flow.0.radius"].shape == (len(steps), 1)
    for field in Flow._fields:
        ours, theirs = (evidence[f"{engine}.flow.0.{field}"] for engine in ENGINES)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    trained = loaded("numpy", run.recipe, State(run.weights("numpy")))
    batch = flow_batch(load_data(run.recipe.data).astype("float64").train, 40)
    after = measure_flow(trained, run.recipe.network, batch)["0"]
    np.testing.assert_allclose(evidence["numpy.flow.0.gradient"][-1], after.gradient, rtol=1e-9)


def test_a_run_without_a_state_records_no_flow(moons_run: twofold.Run) -> None:
    assert not [name for name in moons_run.evidence if "flow" in name]


# Initial weights

UNITS = 64


def begun(options: dict[str, Any], initial: Any = None, length: int = 7) -> dict[str, Array]:
    parts = {} if initial is None else {"initial": initial}
    built = sequences([options], length, data={"encoding": "one_hot"}, **parts)
    return {name.removeprefix("0."): a for name, a in initial_parameters(built.model).items() if name.startswith("0.")}


@each_kind
def test_default_weights_are_uniform_by_the_units(kind: str) -> None:
    """Also those of the inputs, and the biases: `torch.nn.RNN`."""
    bound = 1 / math.sqrt(UNITS)
    for name, array in begun(layer(kind, UNITS)).items():
        assert 0.95 * bound < np.abs(array).max() <= bound, name
        assert kstest(array.ravel(), "uniform", (-bound, 2 * bound)).pvalue > 1e-4, name


@each_kind
def test_pytorchs_own_layer_begins_alike(kind: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = getattr(nn, kind.upper())(10, UNITS)
    for name, array in begun(layer(kind, UNITS)).items():
        other = getattr(theirs, f"{name}_l0").detach().numpy()
        assert array.shape == other.shape
        assert np.abs(array).max() == pytest.approx(np.abs(other).max(), rel=0.05)


@each_kind
@pytest.mark.parametrize("name", INITIALS)
def test_the_recipes_initial_weights_hold_gate_by_gate(kind: str, name: str) -> None:
    spec = INITIALS[name]
    drawn = begun(layer(kind, UNITS), spec)
    if spec.kind in ("default", "dirac"):
        assert drawn["bias_ih"].any()
        return
    stds: dict[str, float] = {}
    for fans in (10, UNITS):
        stds[str(fans)] = {
            "normal": getattr(spec, "std", 0.0) / math.sqrt(fans),
            "glorot": getattr(spec, "gain", 0.0) * math.sqrt(2 / (fans + UNITS)),
            "he": getattr(spec, "gain", 0.0) / math.sqrt(fans),
            "orthogonal": getattr(spec, "gain", 0.0) / math.sqrt(UNITS),
            "zeros": 0.0,
        }[spec.kind]
    for key, fans in (("weight_ih", 10), ("weight_hh", UNITS)):
        for block in np.split(drawn[key], len(drawn[key]) // UNITS):
            # Of 640 numbers the standard deviation is known to 3 %.
            assert block.std() == pytest.approx(stds[str(fans)], rel=0.12), key
    assert not drawn["bias_ih"].any()
    assert not drawn["bias_hh"].any()


@each_kind
@pytest.mark.parametrize("gain", [1.0, 0.5, 2.0])
def test_an_orthogonal_hidden_matrix_is_one_for_each_gate(kind: str, gain: float) -> None:
    drawn = begun(layer(kind, 6, initial_hh="orthogonal", gain_hh=gain))
    blocks = np.split(drawn["weight_hh"], len(drawn["weight_hh"]) // 6)
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, gain**2 * np.eye(6), atol=1e-14)
    assert len({block.tobytes() for block in blocks}) == len(blocks)


@each_kind
@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_the_identity_is_one_for_each_gate(kind: str, gain: float) -> None:
    drawn = begun(layer(kind, 4, initial_hh="identity", gain_hh=gain))
    np.testing.assert_array_equal(drawn["weight_hh"], np.tile(gain * np.eye(4), (len(drawn["weight_hh"]) // 4, 1)))


@each_kind
@pytest.mark.parametrize("how", ["recipe", "orthogonal", "identity"])
def test_how_the_hidden_matrix_begins_changes_no_other_weight(kind: str, how: str) -> None:
    plain, other = begun(layer(kind)), begun(layer(kind, initial_hh=how, gain_hh=3.0))
    if how == "recipe":
        np.testing.assert_allclose(other["weight_hh"], 3 * plain["weight_hh"], rtol=1e-15)
    for drawn in (plain, other):
        del drawn["weight_hh"]
    assert_bits(other, plain)


@pytest.mark.parametrize("initial", [None, {"kind": "glorot"}], ids=["default", "glorot"])
def test_the_forget_gates_bias_is_raised_and_no_other(initial: Any) -> None:
    plain, raised = begun(layer("lstm", 3), initial), begun(layer("lstm", 3, forget_bias=1.5), initial)
    moved = raised["bias_hh"] - plain["bias_hh"]
    np.testing.assert_allclose(moved, np.repeat([0, 1.5, 0, 0], 3), atol=1e-15)  # i, f, g, o
    for drawn in (plain, raised):
        del drawn["bias_hh"]
    assert_bits(raised, plain)


@pytest.mark.parametrize("initial", [None, {"kind": "glorot"}], ids=["default", "glorot"])
@pytest.mark.parametrize(("kind", "signs"), [("lstm", (-1, 1, 0, 0)), ("gru", (0, 1, 0))])
def test_chrono_spreads_the_gates_over_the_lengths_to_remember(kind: str, signs: tuple[int, ...], initial: Any) -> None:
    """Tallec and Ollivier (2018): b_f = log u, u from U(1, T − 1), and b_i = −b_f; a GRU keeps by z."""
    units, longest = 500, 100
    plain, timed = begun(layer(kind, units), initial), begun(layer(kind, units, chrono=longest), initial)
    blocks = timed.pop("bias_hh").reshape(-1, units)
    usual = plain.pop("bias_hh").reshape(-1, units)
    kept = blocks[signs.index(1)]
    assert kstest(np.exp(kept), uniform(1, longest - 2).cdf).pvalue > 1e-3
    for block, before, sign in zip(blocks, usual, signs, strict=True):
        np.testing.assert_array_equal(block, sign * kept if sign else before)
    assert_bits(timed, plain)


@pytest.mark.parametrize(("initial", "std"), [("default", 1.0), ("glorot", 1.0), ("he", 1.0), ("zeros", 0.0)])
def test_an_embedding_begins_standard_normal(initial: str, std: float) -> None:
    layers = [{"kind": "embedding", "num_embeddings": 400, "units": 50}, layer("rnn")]
    built = sequences(layers, data={"encoding": "index"}, initial=INITIALS[initial])
    weight = initial_parameters(built.model)["0.weight"]
    assert weight.std() == pytest.approx(std, rel=0.02)
    if std:
        assert kstest(weight.ravel(), "norm").pvalue > 1e-4


@pytest.mark.parametrize(("initial", "std"), [("default", 0.1), ("glorot", 0.1), ("zeros", 0.0)])
def test_embedded_columns_begin_small_but_for_what_is_not_known(initial: str, std: float) -> None:
    layers = [{"kind": "embed_columns", "num_embeddings": [401, 3], "units": [50, 2]}, dense(10)]
    built = sequences(layers, data={"encoding": "index"}, initial=INITIALS[initial])
    begun = initial_parameters(built.model)
    assert begun["0.weight_0"][1:].std() == pytest.approx(std, rel=0.02)
    assert not any(begun[f"0.weight_{column}"][0].any() for column in (0, 1))


# Threads


def pools() -> int:
    """How many threads NumPy's library of matrix products may use."""
    return max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")


def threads(monkeypatch: pytest.MonkeyPatch, allowed: int, units: int, batch_size: Any, kind: str = "rnn") -> int:
    """As many as a recipe gets where the library may use so many."""
    info = [{"user_api": "blas", "num_threads": allowed}, {"user_api": "openmp", "num_threads": 99}]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: info)
    layers = [layer(kind, units)] if kind != "dense" else [{"kind": "flatten"}, dense(units)]
    built = sequences(layers, training={"batch_size": batch_size})
    return worthwhile_parts(built.model, built.training)


@pytest.mark.parametrize(
    ("allowed", "units", "batch_size", "wanted"),
    [
        (2, 128, 128, 2),
        (1, 128, 128, 1),
        (4, 128, 128, 4),
        (64, 128, 128, 4),
        (2, 128, 32, 2),  # 2^14 · 2^5 = 2^19, the limit itself
        (2, 128, 31, 1),
        (2, 8, 128, 1),
        (2, 128, "full", 1),
        (2, 1024, 256, 1),  # the library shares it out by itself
    ],
)
def test_a_large_product_is_shared_out(
    monkeypatch: pytest.MonkeyPatch, allowed: int, units: int, batch_size: Any, wanted: int
) -> None:
    assert threads(monkeypatch, allowed, units, batch_size) == wanted


def test_the_largest_layer_decides_and_a_dense_one_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [{"user_api": "blas", "num_threads": 2}])
    large = sequences([layer("gru", 4, **EVERY), layer("lstm", 128)], training={"batch_size": 64})
    assert worthwhile_parts(large.model, large.training) == 2
    assert threads(monkeypatch, 2, 2048, 64, "dense") == 1


def test_the_threads_of_an_engine_are_those_of_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    built = sequences([layer("rnn", 128)], training={"batch_size": 128})
    for allowed in (2, 1):
        info = [{"user_api": "blas", "num_threads": allowed}]
        monkeypatch.setattr("threadpoolctl.threadpool_info", lambda info=info: info)
        engine: Any = build_engine("numpy", built)
        assert engine._parts == allowed


@pytest.mark.parametrize(
    ("units", "batch_size", "small"),
    [(8, 8, True), (128, 128, True), (1024, 256, False), (1024, 255, True), (1024, "full", False)],
)
def test_small_products_get_one_thread(units: int, batch_size: Any, small: bool) -> None:
    """2^24 multiply-adds are the limit, 2^28 where many products follow each other through time: 2^20 · batch here."""
    built = sequences([layer("rnn", units)], training={"batch_size": batch_size})
    with threadpool_limits(2, user_api="blas"):
        before = pools()
        with few_threads(built, 1000):
            assert pools() == (1 if small else before)
        assert pools() == before


@pytest.mark.parametrize("small", [False, True])
def test_calls_that_overlap_leave_the_threads_as_they_were(small: bool) -> None:
    """What begins first ends first here: it may not lift the limit of the other, nor the other leave its own behind."""
    built, interval = sequences([layer("rnn", 8)], training={"batch_size": 8}), sys.getswitchinterval()
    began, may_end = threading.Event(), threading.Event()

    def overlapping(_: int) -> int:
        began.set()
        assert may_end.wait(30)
        return pools()

    def first(_: int) -> Future[list[int]]:
        begun = other.submit(in_threads, overlapping, [0])
        assert began.wait(30)
        return begun

    with ThreadPoolExecutor(1) as other, threadpool_limits(2, user_api="blas"):
        before = pools()
        with few_threads(built, 8) if small else nullcontext():
            [second] = in_threads(first, [0])
        may_end.set()
        assert second.result() == [1]
        assert (pools(), sys.getswitchinterval()) == (before, interval)


def test_samples_to_predict_are_shared_out_where_there_are_convolutions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of LeNet is too short for two threads; its evaluations are not."""
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [{"user_api": "blas", "num_threads": 2}])
    for name, wanted in {
        "mnist-lenet": (1, 2),
        "cifar10-vgg": (2, 2),
        "cifar10-vgg-bn": (1, 2),
        "moons": (1, 1),
    }.items():
        chosen = load_recipe(name)
        parts = worthwhile_parts(chosen.model, chosen.training), parts_to_predict(chosen.model, chosen.training)
        assert parts == wanted, name


def test_parts_of_the_samples_are_predicted_as_all_of_them() -> None:
    spec = load_recipe("mnist-lenet", {"training.dtype": "float64"})
    alone, shared = numpy_engine(spec), numpy_engine(spec, predicting_parts=2)
    x = stream(0, "images").random((7, 1, 28, 28))
    for engine in (alone, shared):
        engine.load(initial_state(spec.model))
    np.testing.assert_allclose(shared.predict(x), alone.predict(x), rtol=1e-12, atol=1e-14)
