"""What a training shows of itself: norms, dead and saturated units, measured as their definitions say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from twofold.data import Batches, load_data
from twofold.engine import State
from twofold.recipe import Recipe, load_recipe
from twofold.runs.history import MOST_MOMENTS, PROBE, Signal
from twofold.runs.names import SIGNAL_COLUMNS
from twofold.setup.building import build_engine, initial_state
from twofold.train.loop import Moment
from twofold.train.signals import Signals, gates

ENGINES = ("numpy", "torch")
each_engine = pytest.mark.parametrize("engine", ENGINES)
IMAGES = [
    {"kind": "conv2d", "channels": 4, "kernel": 3},
    {"kind": "relu"},
    {"kind": "flatten"},
    {"kind": "dense", "units": 5},
    {"kind": "tanh"},
    {"kind": "dense", "units": 10},
]


def watched(engine: str, spec: Recipe, **weights: Any) -> tuple[Signals, State, Any]:
    """A network with some of its parameters set, and what watches it."""
    dataset = load_data(spec.data).astype(spec.training.dtype)
    built = build_engine(engine, spec)
    state = initial_state(spec.model)
    parameters = dict(state.parameters) | {name: np.full_like(state.parameters[name], v) for name, v in weights.items()}
    built.load(State(parameters))
    return Signals(built, spec.network, Batches(spec, dataset.train), dataset.train), built.state(), dataset


def at_start(signals: Signals, state: State) -> dict[tuple[str, str], Signal]:
    found = signals.of(Moment(0, state.parameters, state.parameters, None))
    return {(signal.layer, signal.part): signal for signal in found}


@each_engine
def test_norms_are_those_of_parameter_gradient_and_change(engine: str) -> None:
    spec = load_recipe("blobs", {"data.samples": 100, "training.steps": 1, "training.dtype": "float64"})
    signals, before, dataset = watched(engine, spec)
    step = signals.engine.step(next(iter(Batches(spec, dataset.train))))
    after = signals.engine.state().parameters
    found = signals.of(Moment(1, before.parameters, after, step))
    by_name = {f"{signal.layer}.{signal.part}": signal for signal in found}
    for name, array in after.items():
        signal = by_name[name]
        assert signal.weight == pytest.approx(np.linalg.norm(array))
        assert signal.gradient == pytest.approx(np.linalg.norm(step.gradients[name]))
        assert signal.update == pytest.approx(np.linalg.norm(array - before.parameters[name]))


@each_engine
def test_a_channel_is_dead_where_it_is_0_for_every_sample_and_pixel(engine: str) -> None:
    spec = load_recipe("digits", {"layers": IMAGES})
    signals, state, _ = watched(engine, spec)
    bias = np.array([-100.0, 0.0, -100.0, 0.0], np.float32)
    signals.engine.load(State(dict(state.parameters) | {"0.bias": bias}))
    assert at_start(signals, signals.engine.state())["1", "output"].dead == 0.5
    signals.batch = 7  # however little of the probe goes through at once
    assert at_start(signals, signals.engine.state())["1", "output"].dead == 0.5


@each_engine
def test_a_tanh_is_saturated_above_095(engine: str) -> None:
    spec = load_recipe("digits", {"layers": IMAGES})
    signals, state, _ = watched(engine, spec, **{"3.weight": 0.0, "3.bias": np.arctanh(0.96)})
    found = at_start(signals, state)["4", "output"]
    assert (found.dead, found.saturated) == (1.0, 1.0)
    signals, state, _ = watched(engine, spec, **{"3.weight": 0.0, "3.bias": np.arctanh(0.94)})
    found = at_start(signals, state)["4", "output"]
    assert (found.dead, found.saturated) == (0.0, 0.0)


@pytest.mark.parametrize(("value", "share"), [(0.98, 1.0), (0.97, 0.0), (0.02, 1.0), (0.03, 0.0)])
def test_a_sigmoid_is_saturated_where_its_slope_is_below_a_tenth(value: float, share: float) -> None:
    layers = [{"kind": "dense", "units": 3}, {"kind": "sigmoid"}, {"kind": "dense", "units": 2}]
    spec = load_recipe("blobs", {"layers": layers, "data.samples": 50, "data.centers": 2})
    signals, state, _ = watched("numpy", spec, **{"0.weight": 0.0, "0.bias": np.log(value / (1 - value))})
    assert at_start(signals, state)["1", "output"].saturated == share


@each_engine
@pytest.mark.parametrize(("kind", "names"), [("lstm", "ifgo"), ("gru", "rzn"), ("rnn", "h")])
def test_gates_are_those_of_the_equations(engine: str, kind: str, names: str) -> None:
    layers = [{"kind": kind, "units": 3}, {"kind": "dense", "units": 10}]
    spec = load_recipe("palindrome", {"layers": layers})
    signals, state, dataset = watched(engine, spec)
    found = at_start(signals, state)
    assert {part for layer, part in found if found[layer, part].dead is not None} == set(names)
    x = dataset.train.floats()[:4]
    values = gates(spec.network.nodes[0], state.weights(), x)
    sums = x[:, 0] @ state.parameters["0.weight_ih"].T + state.parameters["0.bias_ih"]
    first = values[names[0]][0]
    other = sums[:, : first.shape[1]] + state.parameters["0.bias_hh"][: first.shape[1]]
    wanted = np.tanh(other) if kind == "rnn" else 1 / (1 + np.exp(-other))
    np.testing.assert_allclose(first, wanted, rtol=1e-5)
    assert all(each.shape == (4, 4, 3) for each in values.values())


def test_the_file_of_a_long_run_stays_small() -> None:
    spec = load_recipe("moons")
    signals, state, _ = watched("numpy", spec)
    step = signals.engine.step(next(iter(Batches(spec, load_data(spec.data).astype("float32").train))))
    moments = [n for n in range(signals.steps + 1) if signals.of(Moment(n, state.parameters, state.parameters, step))]
    assert moments[:2] == [0, 1]
    assert moments[-1] == signals.steps
    assert MOST_MOMENTS / 2 < len(moments) <= MOST_MOMENTS + 3


def test_a_run_keeps_its_signals_and_gives_the_same_again(moons_run: twofold.Run, tmp_path: Path) -> None:
    signals = moons_run.signals
    assert tuple(signals.columns) == SIGNAL_COLUMNS
    assert set(signals["engine"]) == set(ENGINES)
    assert sorted(set(signals["step"])) == [0, 1, 6]
    numpy, torch = (signals[signals["engine"] == engine].set_index(["step", "layer", "part"]) for engine in ENGINES)
    columns = list(SIGNAL_COLUMNS[4:])
    np.testing.assert_allclose(numpy[columns].to_numpy(float), torch[columns].to_numpy(float), rtol=1e-3)
    again = twofold.run(moons_run.recipe, out=tmp_path / "again")
    assert (again.path / "signals.csv").read_bytes() == (moons_run.path / "signals.csv").read_bytes()


def test_the_probe_is_the_first_training_samples() -> None:
    signals, _, dataset = watched("numpy", load_recipe("moons"))
    np.testing.assert_array_equal(signals.probe.x, dataset.train.x[:PROBE])
