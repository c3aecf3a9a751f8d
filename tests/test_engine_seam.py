"""Gradients and updates apart, and the one table of engines: what a third engine takes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, final

import numpy as np
import pytest

import twofold
from cases import FLATTEN, OPTIMIZERS, RELU, THIRD, assert_bits, assert_same, dense, recipe
from engines import numpy_engine, torch_engine
from faults import SQUARE, batches_of, trained_by
from twofold.arrays import Array
from twofold.engine import Batch, Engine, Pass, State
from twofold.engine.initial import initial_buffers, initial_parameters
from twofold.engines import COMPARED, ENGINES, TITLES, EngineRow, unknown_engine
from twofold.numpy_engine import NumpyEngine
from twofold.recipe import Model, Recipe
from twofold.recipe.optimizers import Optimizer
from twofold.recipe.training import Training

pytestmark = pytest.mark.usefixtures("undrawn")

Build = Callable[[Recipe], Engine]

both_engines = pytest.mark.parametrize("build", [numpy_engine, torch_engine], ids=["numpy", "torch"])

NORMED = recipe(
    [{"kind": "conv2d", "channels": 4, "kernel": 3}, {"kind": "batch_norm"}, RELU, FLATTEN, THIRD, dense(10)],
    data={"source": "digits"},
)
NETWORKS = {
    "dense": SQUARE,
    "batch norm and dropout": NORMED,
    "recurrent": recipe([{"kind": "lstm", "units": 6}, dense(10)], data={"source": "palindromes", "length": 5}),
    "averaged": trained_by(NORMED, training=NORMED.training.model_copy(update={"ema": 0.9})),
}


RULES = ["sgd", "sgd clipped", "sgd with momentum and decay", "adam", "rmsprop"]


def started(build: Build, recipe: Recipe) -> Engine:
    engine = build(recipe)
    engine.load(State(initial_parameters(recipe.model), buffers=initial_buffers(recipe.model)))
    return engine


def all_of(state: State) -> dict[str, Array]:
    return {**state.arrays(), "updates": np.array(state.updates)}


@both_engines
@pytest.mark.parametrize("optimizer", RULES)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_is_gradients_and_update_bit_for_bit(build: Build, network: str, optimizer: str) -> None:
    built = trained_by(NETWORKS[network], optimizer=OPTIMIZERS[optimizer])
    whole, parts = started(build, built), started(build, built)
    for batch in batches_of(built)[:3]:
        step = whole.step(batch)
        passed = parts.gradients(batch)
        assert_bits(passed.outputs, step.outputs)
        assert_bits(passed.gradients, step.gradients)
        assert passed.loss == step.loss
        np.testing.assert_array_equal(passed.logits, step.logits)
        parts.update(passed, batch.lr, batch.ema)
        assert_bits(all_of(parts.state()), all_of(whole.state()))


BOUND = {
    **NETWORKS,
    **{
        kind: recipe([FLATTEN, dense(5), {"kind": kind}, dense(10)], data={"source": "digits"})
        for kind in ("tanh", "sigmoid")
    },
    "flattened, and a product for each element": recipe(
        [
            {"kind": "conv2d", "channels": 128, "kernel": 2},
            {"kind": "conv2d", "channels": 3, "kernel": 2},
            FLATTEN,
            dense(10),
        ],
        data={"source": "digits"},
    ),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("network", BOUND)
def test_a_step_is_the_layers_bit_for_bit(network: str, dtype: str) -> None:
    """A step's memory is made once and used again; what is computed into it is what the layers compute."""
    built = trained_by(BOUND[network], training=BOUND[network].training.model_copy(update={"dtype": dtype}))
    engine = started(numpy_engine, built)
    for batch in batches_of(built)[:3]:
        engine.step(batch)
        traced = engine.trace(batch)
        passed = engine.gradients(batch)
        assert_bits(traced.outputs, passed.outputs)
        assert_bits(traced.gradients, passed.gradients)
        assert traced.loss == passed.loss


def test_a_pass_keeps_its_memory_and_gives_it_back_unread() -> None:
    """Steps after it change nothing of a pass that is held; where nobody looked, the next takes its memory."""
    built = NETWORKS["dense"]
    engine, batches = started(numpy_engine, built), batches_of(built)[:6]
    held: Any = engine.gradients(batches[0])
    before = {name: array.copy() for name, array in held.gradients.items()}
    unread = [_way(engine, batch) for batch in batches]
    assert len(set(map(id, unread))) < len(unread)
    looked = [_way(engine, batch, look=True) for batch in batches]
    assert len(set(map(id, looked))) == len(looked)
    assert_bits(before, held.gradients)


def _way(engine: NumpyEngine, batch: Batch, look: bool = False) -> object:
    """The memory of a pass that ends here; to check that it is a `Pass` would be a look."""
    passed = engine._pass(batch)
    if look:
        assert len(passed.gradients)
    return passed.way


@both_engines
@pytest.mark.parametrize("keep", ["gradients", "everything"])
@pytest.mark.parametrize("network", NETWORKS)
def test_gradients_change_nothing(build: Build, network: str, keep: Any) -> None:
    built = NETWORKS[network]
    engine, batch = started(build, built), batches_of(built)[0]
    engine.step(batch)
    before = all_of(engine.state())
    engine.gradients(batch, keep)
    assert_bits(all_of(engine.state()), before)


@both_engines
@pytest.mark.parametrize("network", NETWORKS)
def test_a_pass_kept_whole_holds_the_same_and_more(build: Build, network: str) -> None:
    built = NETWORKS[network]
    engine, batch = started(build, built), batches_of(built)[0]
    whole, plain = engine.gradients(batch, "everything"), engine.gradients(batch)
    assert isinstance(whole, twofold.engine.Trace)
    assert list(whole.signals)
    assert_bits(whole.buffers, plain.buffers)
    np.testing.assert_array_equal(whole.logits, plain.logits)
    for name, gradient in plain.gradients.items():
        assert_same(whole.gradients[name], gradient, name)


@both_engines
def test_a_pass_stays_what_it_was_and_is_applied_later(build: Build) -> None:
    """Two passes at one point, the first taken: the second changes nothing of it."""
    first, second = batches_of(NORMED)[:2]
    engine, other = started(build, NORMED), started(build, NORMED)
    passed = engine.gradients(first)
    kept = {name: array.copy() for name, array in {**passed.gradients, **passed.outputs, **passed.buffers}.items()}
    engine.gradients(second)
    engine.update(passed, first.lr)
    other.step(first)
    assert_bits(all_of(engine.state()), all_of(other.state()))
    assert_bits({**passed.gradients, **passed.outputs, **passed.buffers}, kept)


@both_engines
@pytest.mark.parametrize("optimizer", RULES)
def test_gradients_summed_over_the_shards_of_a_batch_are_those_of_the_batch(build: Build, optimizer: str) -> None:
    built = trained_by(SQUARE, optimizer=OPTIMIZERS[optimizer])
    engine, other = started(build, built), started(build, built)
    for batch in batches_of(built)[:3]:
        halves = np.array_split(np.arange(len(batch.x)), 2)
        shards = [engine.gradients(batch._replace(x=batch.x[half], target=batch.target[half])) for half in halves]
        shares = [len(half) / len(batch.x) for half in halves]
        summed = {
            name: sum(share * shard.gradients[name] for share, shard in zip(shares, shards, strict=True))
            for name in shards[0].gradients
        }
        engine.update(summed, batch.lr)
        other.step(batch)
        for name, array in all_of(other.state()).items():
            np.testing.assert_allclose(all_of(engine.state())[name], array, rtol=1e-9, atol=1e-12, err_msg=name)


def test_an_engine_updates_itself_with_the_pass_of_another() -> None:
    batch = batches_of(NORMED)[0]
    ours, theirs, alone = (started(build, NORMED) for build in (numpy_engine, torch_engine, torch_engine))
    ours.update(theirs.gradients(batch), batch.lr)
    alone.step(batch)
    assert_bits(ours.state().buffers, alone.state().buffers)
    for name, array in alone.state().parameters.items():
        assert_same(ours.state().parameters[name], array, name)
    theirs.update(numpy_engine_pass(batch), batch.lr)
    for name, array in alone.state().arrays().items():
        assert_same(theirs.state().arrays()[name], array, name)


def numpy_engine_pass(batch: Any) -> Pass:
    return started(numpy_engine, NORMED).gradients(batch)


@both_engines
def test_gradients_by_name_leave_running_statistics_alone(build: Build) -> None:
    engine, batch = started(build, NORMED), batches_of(NORMED)[0]
    before = {name: array.copy() for name, array in engine.state().buffers.items()}
    engine.update(dict(engine.gradients(batch).gradients), batch.lr)
    assert_bits(engine.state().buffers, before)


@both_engines
def test_clipping_belongs_to_the_update(build: Build) -> None:
    built = trained_by(SQUARE, optimizer={"kind": "sgd", "lr": 0.1, "max_norm": 1e-3})
    engine, batch = started(build, built), batches_of(built)[0]
    before = engine.state().parameters
    gradients = {name: 100 * array for name, array in engine.gradients(batch).gradients.items()}
    engine.update(gradients, 0.5)
    after = engine.state().parameters
    length = np.sqrt(sum(float(np.square(after[name] - before[name]).sum()) for name in before))
    assert length == pytest.approx(0.5 * 1e-3, rel=1e-3)


@both_engines
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda g: {name: a for name, a in g.items() if name != "0.bias"},
            r"that of `0.bias` is missing, the .* \(5,\)",
        ),
        (lambda g: {**g, "9.weight": np.zeros(3)}, r"that of `9.weight` is \(3,\), the recipe's is missing"),
        (lambda g: {**g, "0.weight": g["0.weight"].T}, r"that of `0.weight` is \(3, 5\), the recipe's is \(5, 3\)"),
    ],
)
def test_gradients_of_another_network_are_refused(build: Build, change: Any, told: str) -> None:
    engine, batch = started(build, SQUARE), batches_of(SQUARE)[0]
    before = all_of(engine.state())
    with pytest.raises(twofold.UserError, match=rf"gradients are of another network: {told}. An update wants one"):
        engine.update(change(engine.gradients(batch).gradients), batch.lr)
    assert_bits(all_of(engine.state()), before)


@both_engines
def test_where_an_engine_computes_belongs_to_the_seam(build: Build) -> None:
    engine = build(SQUARE)
    assert (engine.device, engine.arithmetic) == ("cpu", "float64")
    assert engine.threads >= 1


# The table


def test_the_table_names_the_engines_in_words() -> None:
    assert dict(TITLES) == {"numpy": "NumPy", "torch": "PyTorch"}
    assert set(COMPARED) <= set(ENGINES)
    assert unknown_engine("jax") == "an engine is `numpy` or `torch`; got `jax`"


@final
class Doubled:
    """A third engine: the NumPy engine under a name of its own, which counts its steps."""

    name = "double"
    steps = 0

    def __init__(self, model: Model, optimizer: Optimizer, training: Training) -> None:
        self._engine = NumpyEngine(model, optimizer, training)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def step(self, batch: Any) -> Any:
        Doubled.steps += 1
        return self._engine.step(batch)


def test_a_third_engine_is_a_row_and_a_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    module = ModuleType("double_engine")
    module.Doubled = Doubled  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "double_engine", module)
    monkeypatch.setitem(ENGINES, "double", EngineRow("double_engine:Doubled", "Double", "numpy"))
    Doubled.steps = 0
    run = twofold.run("moons", overrides={"training.epochs": 2}, engines=["double", "numpy"], out=tmp_path / "run")
    assert list(run.engines) == ["double", "numpy"]
    assert Doubled.steps == run.engines["double"]["steps"] > 0
    assert_bits(run.weights("double"), run.weights("numpy"))
    assert "Double" in twofold.write_report(run).read_text()
    assert list(twofold.predict(run, ["0.5,0.1"]).outputs) == ["double", "numpy"]
    with pytest.raises(twofold.UserError, match="an engine is `numpy`, `torch` or `double`; got `jax`"):
        twofold.predict(run, ["0.5,0.1"], engines="jax")
