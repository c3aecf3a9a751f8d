"""Replicas: networks trained at once take the trajectories of their lone runs, and none feels another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from cases import FLATTEN, OPTIMIZERS, RELU, SCHEDULES, SIGMOID, SOFTMAX, TANH, dense, recipe
from engines import numpy_engine
from faults import trained_by
from twofold.data import Batches, Dataset, load_data
from twofold.engine import Step
from twofold.numpy_engine import LOSSES, NumpyEngine
from twofold.recipe import Recipe, load_recipe
from twofold.runs.history import HistoryRow
from twofold.setup.building import initial_state
from twofold.setup.events import Evaluated, Progressed
from twofold.setup.needed import evaluation_batch
from twofold.train import points
from twofold.train.events import Outcome
from twofold.train.gradient_flow import carried, flow_batch, measure_flow
from twofold.train.loop import Plan, train
from twofold.train.points import Point, train_points
from twofold.train.replicas import ReplicaEvent, StackedBatches, many, pays, scorer, stacked, together, train_replicas
from twofold.train.scoring import scorer as lone_scorer

REPLICAS = 3
# Sums of the same numbers in another order, over 12 steps of size 1.
CLOSE = {"rtol": 1e-9, "atol": 1e-12}
MOONS = {"source": "moons", "samples": 60}
PALINDROMES = {"source": "palindromes", "length": 6}
THIRD = {"kind": "dropout", "p": 0.3}
EVERY = {"output": "every"}
EMBEDDING = {"kind": "embedding", "num_embeddings": 10, "units": 3}


def plane(layers: list[dict[str, Any]], **parts: Any) -> Recipe:
    return recipe([*layers, dense(2)], data=MOONS, **parts)


def sequences(layers: list[dict[str, Any]], data: dict[str, Any] | None = None, **parts: Any) -> Recipe:
    return recipe([*layers, dense(10)], data=PALINDROMES | (data or {}), **parts)


DENSE = plane([dense(7), RELU, dense(5), TANH])
RECIPES: dict[str, Recipe] = {
    "points of the plane": DENSE,
    "without biases": plane([dense(7, bias=False), SIGMOID]),
    "one layer": plane([]),
    "digits": recipe([FLATTEN, dense(9), RELU, THIRD, dense(10)], data={"source": "digits"}),
    "dropout first": plane([THIRD, dense(6), RELU, THIRD]),
    "softmax and squared error": recipe([dense(6), TANH, dense(2), SOFTMAX], data=MOONS, loss={"kind": "mean_squared"}),
    "every activation": plane(
        [
            dense(6), {"kind": "leaky_relu"}, dense(6), {"kind": "elu"}, dense(6), {"kind": "gelu"},
            dense(6), {"kind": "gelu", "approximate": "tanh"}, dense(6), {"kind": "silu"},
            dense(6), {"kind": "prelu"}, dense(6), {"kind": "prelu", "num_parameters": 6},
        ]
    ),
    "a smaller last batch": plane([dense(6), TANH], training={"batch_size": 13}),
    "the whole set a batch": plane([dense(6), TANH], training={"batch_size": "full"}),
    "batches of one": plane([dense(6), TANH], training={"batch_size": 1}),
    "squares": plane([dense(6), TANH], loss={"kind": "mean_squared"}),
    "squares, summed": plane([dense(6), TANH], loss={"kind": "mean_squared", "reduction": "sum"}),
    "cross-entropy, summed": plane([dense(6), TANH], loss={"kind": "cross_entropy", "reduction": "sum"}),
    "smoothed labels": plane([dense(6), TANH], loss={"kind": "cross_entropy", "label_smoothing": 0.2}),
    "standardized": recipe([dense(6), TANH, dense(2)], data=MOONS | {"standardize": "feature", "validation": 0.2}),
    "rnn": sequences([{"kind": "rnn", "units": 5}]),
    "rnn of relu, every step read": sequences([{"kind": "rnn", "units": 4, "nonlinearity": "relu", **EVERY}, FLATTEN]),
    "lstm": sequences([{"kind": "lstm", "units": 5, "forget_bias": 1.0}], {"encoding": "one_hot"}),
    "gru": sequences([{"kind": "gru", "units": 5}], {"samples": 50}),
    "three kinds and an embedding": sequences(
        [
            EMBEDDING, {"kind": "gru", "units": 4, **EVERY}, {"kind": "lstm", "units": 4, **EVERY}, THIRD,
            {"kind": "rnn", "units": 3},
        ],
        {"encoding": "index"},
    ),
    "embedded columns": sequences(
        [{"kind": "embed_columns", "num_embeddings": [10, 10], "units": [3, 2]}, dense(7), TANH], {"encoding": "index"}
    ),
    "without biases through time": sequences([{"kind": "gru", "units": 4, "bias": False}]),
    "growing palindromes": sequences([{"kind": "lstm", "units": 5}], {"grow": [[3, 0.25], [4, 0.25]]}),
    "without replacement": sequences([{"kind": "rnn", "units": 5}], {"length": 3, "replacement": False}),
    **{f"optimizer: {name}": trained_by(DENSE, optimizer=spec) for name, spec in OPTIMIZERS.items()},
    "clipped hard": trained_by(DENSE, optimizer={"kind": "adam", "lr": 0.05, "max_norm": 0.01}),
    **{f"schedule: {name}": trained_by(DENSE, schedule=case.spec) for name, case in SCHEDULES.items()},
}  # fmt: skip


def varied(base: Recipe, replicas: int = REPLICAS, rates: bool = True) -> list[Recipe]:
    """Another seed each, and another rate."""
    return [
        load_recipe(base, {"training.seed": 10 + r, "optimizer.lr": base.optimizer.lr * (1 + r / 2 * rates)})
        for r in range(replicas)
    ]


def data_of(built: Recipe) -> Dataset:
    return load_data(built.data).astype(built.training.dtype)


def engine_of(recipes: list[Recipe]) -> NumpyEngine:
    engine = numpy_engine(recipes[0], replicas=len(recipes))
    engine.load(stacked([initial_state(each.model) for each in recipes]))
    return engine


def assert_replica(step: Step, lone: Step, r: int) -> None:
    """Everything that the record of a step holds, at the place of the replica."""
    assert np.asarray(step.loss)[r] == pytest.approx(lone.loss, rel=1e-9)
    ours = {**step.outputs, **step.gradients, **step.state.arrays()}
    theirs = {**lone.outputs, **lone.gradients, **lone.state.arrays()}
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        assert ours[name].shape[1:] == array.shape, name
        np.testing.assert_allclose(ours[name][r], array, err_msg=name, **CLOSE)


# Trajectories


@pytest.mark.parametrize("name", RECIPES)
def test_every_replica_takes_the_trajectory_of_its_lone_run(name: str) -> None:
    recipes, dataset = varied(RECIPES[name]), data_of(RECIPES[name])
    assert together(recipes)
    engine = engine_of(recipes)
    lone = [numpy_engine(each) for each in recipes]
    for each, built in zip(lone, recipes, strict=True):
        each.load(initial_state(built.model))
    batches = [Batches(each, dataset.train) for each in recipes]
    taken = 0
    for batch, *own in zip(StackedBatches(batches), *batches, strict=True):
        assert batch.step == taken
        step = engine.step(batch)
        for r in range(REPLICAS):
            np.testing.assert_array_equal(batch.x[r], own[r].x)
            np.testing.assert_array_equal(batch.target[r], own[r].target)
            assert batch.lr[r] == own[r].lr  # pyright: ignore[reportIndexIssue]
            assert_replica(step, lone[r].step(own[r]), r)
        taken += 1
    assert taken == 12
    x = dataset.test.floats()[:20]
    for r in range(REPLICAS):
        np.testing.assert_allclose(engine.predict(many(x, REPLICAS))[r], lone[r].predict(x), **CLOSE)
        for ours, theirs in zip(engine.outputs(many(x, REPLICAS)), lone[r].outputs(x), strict=True):
            np.testing.assert_allclose(ours[r], theirs, **CLOSE)


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_any_number_of_replicas(replicas: int) -> None:
    recipes, dataset = varied(DENSE, replicas), data_of(DENSE)
    engine = engine_of(recipes)
    for batch in StackedBatches([Batches(each, dataset.train) for each in recipes]):
        step = engine.step(batch)
    for r, built in enumerate(recipes):
        lone = numpy_engine(built)
        lone.load(initial_state(built.model))
        for own in Batches(built, dataset.train):
            last = lone.step(own)
        assert_replica(step, last, r)


def test_replicas_begin_and_stay_apart() -> None:
    recipes, dataset = varied(DENSE), data_of(DENSE)
    engine = engine_of(recipes)
    for batch in StackedBatches([Batches(each, dataset.train) for each in recipes]):
        engine.step(batch)
    weights = engine.state().parameters["0.weight"]
    assert all(not np.allclose(weights[a], weights[b]) for a, b in [(0, 1), (0, 2), (1, 2)])


def test_replicas_of_float32_take_their_lone_runs_too() -> None:
    """To the rounding of float32 over 12 steps."""
    built = load_recipe(DENSE, {"training.dtype": "float32"})
    recipes, dataset = varied(built, rates=False), data_of(built)
    engine = engine_of(recipes)
    for batch in StackedBatches([Batches(each, dataset.train) for each in recipes]):
        engine.step(batch)
    assert {array.dtype for array in engine.state().arrays().values()} == {np.dtype(np.float32)}
    for r, each in enumerate(recipes):
        lone = numpy_engine(each)
        lone.load(initial_state(each.model))
        for own in Batches(each, dataset.train):
            lone.step(own)
        for name, array in lone.state().parameters.items():
            np.testing.assert_allclose(engine.state().parameters[name][r], array, rtol=1e-4, atol=1e-5)


# Which recipes


TRAINED: dict[str, dict[str, Any]] = {
    "another seed": {"training.seed": 1},
    "another rate": {"optimizer.lr": 0.3},
    "both": {"training.seed": 1, "optimizer.lr": 0.3},
    "the same once more": {},
}
APART: dict[str, dict[str, Any]] = {
    "another batch size": {"training.batch_size": 9},
    "another length": {"training.steps": 13},
    "another evaluation": {"training.evaluate_every": 2},
    "another dtype": {"training.dtype": "float32"},
    "another momentum": {"optimizer.momentum": 0.5},
    "another decay": {"optimizer.weight_decay": 0.1},
    "another clipping": {"optimizer.max_norm": 1.0},
    "another optimizer": {"optimizer": {"kind": "adam", "lr": 0.01}},
    "another schedule": {"schedule": {"kind": "cosine"}},
    "another loss": {"loss": {"kind": "mean_squared"}},
    "other initial weights": {"initial": {"kind": "he"}},
    "other data": {"data.noise": 0.2},
    "another seed of the data": {"data.seed": 1},
    "more units": {"layers.0.units": 8},
    "other layers": {"layers": [dense(7), TANH, dense(5), TANH, dense(2)]},
}


@pytest.mark.parametrize("change", TRAINED.values(), ids=TRAINED)
def test_recipes_that_differ_in_seed_and_rate_go_together(change: dict[str, Any]) -> None:
    assert together([DENSE, load_recipe(DENSE, change)])
    assert together([load_recipe(DENSE, change), DENSE, DENSE])


@pytest.mark.parametrize("change", APART.values(), ids=APART)
def test_recipes_that_differ_in_anything_else_do_not(change: dict[str, Any]) -> None:
    other = load_recipe(DENSE, change)
    assert other != DENSE
    assert not together([DENSE, other])
    assert not together([DENSE, DENSE, other])
    assert together([other, load_recipe(other, {"training.seed": 5})])


CONV = {"kind": "conv2d", "channels": 2, "kernel": 3}
PICTURES = recipe([FLATTEN, dense(5), RELU, dense(10)], data={"source": "digits", "validation": 0.1})
NOT_WRITTEN: dict[str, dict[str, Any]] = {
    "a convolution": {"layers": [CONV, FLATTEN, dense(10)]},
    "max pooling": {"layers": [{"kind": "max_pool2d", "kernel": 2}, FLATTEN, dense(10)]},
    "average pooling": {"layers": [{"kind": "avg_pool2d", "kernel": 2}, FLATTEN, dense(10)]},
    "global pooling": {"layers": [CONV, {"kind": "global_avg_pool2d"}, dense(10)]},
    "batch norm": {"layers": [FLATTEN, dense(5), {"kind": "batch_norm"}, dense(10)]},
    "layer norm": {"layers": [FLATTEN, dense(5), {"kind": "layer_norm"}, dense(10)]},
    "augmentation": {"augmentation.flip": "random"},
    "growing images": {"augmentation.grow": [[4, 0.5]], "layers": [CONV, {"kind": "global_avg_pool2d"}, dense(10)]},
    "an average of the weights": {"training.ema": 0.9},
    "patience": {"training.patience": 2},
    "the best weights": {"training.keep": "best"},
    "mirror images": {"training.flip_test": True},
}


@pytest.mark.parametrize("change", NOT_WRITTEN.values(), ids=NOT_WRITTEN)
def test_what_is_not_written_for_replicas_is_trained_alone(change: dict[str, Any]) -> None:
    built = load_recipe(PICTURES, change)
    assert together(varied(PICTURES))
    assert not together(varied(built))


@pytest.mark.parametrize(
    ("layers", "batch_size", "small"),
    [
        ([dense(1024), RELU], 64, True),  # 2^16, the limit itself
        ([dense(1024), RELU], 65, False),
        ([{"kind": "lstm", "units": 128}], 25, True),  # 5 steps, 4 gates of 128: 2,560 a sample
        ([{"kind": "lstm", "units": 128}], 26, False),
        ([{"kind": "rnn", "units": 128}], 26, True),
        ([{"kind": "rnn", "units": 3}], "full", False),
    ],
)
def test_replicas_pay_where_the_network_and_its_batch_are_small(
    layers: list[dict[str, Any]], batch_size: Any, small: bool
) -> None:
    first = [FLATTEN] if layers[0]["kind"] == "dense" else []
    built = sequences([*first, *layers], training={"batch_size": batch_size})
    assert pays(built) == small
    assert together(varied(built))


# A replica that diverges


def rows_into(rows: list[HistoryRow]) -> Callable[[object], None]:
    """A watcher that keeps the evaluations."""
    return lambda event: rows.append(event.row) if isinstance(event, Evaluated) else None


def steps_into(steps: list[int]) -> Callable[[ReplicaEvent], None]:
    """A watcher that keeps how far all replicas were, as often as it is told."""
    return lambda happened: steps.append(happened.event.step) if isinstance(happened.event, Progressed) else None


def train_lone(built: Recipe, dataset: Dataset) -> tuple[Outcome, list[HistoryRow]]:
    engine, rows = numpy_engine(built), list[HistoryRow]()
    engine.load(initial_state(built.model))
    outcome = train(engine, Batches(built, dataset.train), Plan(lone_scorer(built, dataset)), rows_into(rows))
    return outcome, rows


def train_together(
    recipes: list[Recipe], dataset: Dataset
) -> tuple[list[Outcome], list[list[HistoryRow]], NumpyEngine]:
    first, engine = recipes[0], engine_of(recipes)
    score = scorer(first, dataset, len(recipes), LOSSES[first.loss.kind], evaluation_batch(first.network))
    found = train_replicas(engine, StackedBatches([Batches(each, dataset.train) for each in recipes]), score)
    return *found, engine


def assert_rows(ours: list[HistoryRow], theirs: list[HistoryRow]) -> None:
    """Equal but for the clock; what is not finite is so in both."""
    assert len(ours) == len(theirs)
    for row, other in zip(ours, theirs, strict=True):
        for name in HistoryRow._fields:
            if name == "seconds":
                continue
            a, b = getattr(row, name), getattr(other, name)
            assert (a is None) == (b is None), name
            if b is not None:
                assert a == pytest.approx(b, rel=1e-9, abs=1e-12, nan_ok=True), name


LEAKY = plane([dense(7), {"kind": "leaky_relu"}, dense(5), {"kind": "leaky_relu"}])
DIVERGING: dict[str, tuple[Recipe, list[float]]] = {
    "at a step": (load_recipe(LEAKY, {"training.evaluate_every": 5}), [0.1, 1e200, 0.05]),
    "at an evaluation": (load_recipe(LEAKY, {"training.evaluate_every": 1}), [0.1, 1e200, 0.05]),
    "the first": (load_recipe(LEAKY, {"training.evaluate_every": 4}), [1e150, 0.1, 0.2]),
    "two of three": (load_recipe(LEAKY, {"training.evaluate_every": 5}), [1e200, 0.1, 1e100]),
    "all": (load_recipe(LEAKY, {"training.evaluate_every": 5}), [1e200, 1e120, 1e100]),
    "through time": (
        sequences([{"kind": "rnn", "units": 4, "nonlinearity": "relu"}], training={"evaluate_every": 5}), [0.1, 1e100],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("base", "rates"), DIVERGING.values(), ids=DIVERGING)
def test_a_replica_that_diverges_ends_where_its_lone_run_ends(base: Recipe, rates: list[float]) -> None:
    recipes = [load_recipe(base, {"training.seed": r, "optimizer.lr": lr}) for r, lr in enumerate(rates)]
    dataset = data_of(base)
    outcomes, rows, engine = train_together(recipes, dataset)
    for r, built in enumerate(recipes):
        lone, history = train_lone(built, dataset)
        assert (outcomes[r].failure is not None) == (lone.failure is not None) == (rates[r] > 1)
        assert outcomes[r].steps == lone.steps
        assert_rows(rows[r], history)
        assert_rows([outcomes[r].row], [lone.row])
        if lone.failure:
            ours = replace(outcomes[r].failure, layer=None, gradient=None)  # pyright: ignore[reportArgumentType]
            theirs = replace(lone.failure, layer=None, gradient=None)
            assert replace(ours, loss=0.0) == replace(theirs, loss=0.0)
            assert not math.isfinite(ours.loss)
            assert not math.isfinite(theirs.loss)
        else:
            final = numpy_engine(built)
            final.load(initial_state(built.model))
            for batch in Batches(built, dataset.train):
                state = final.step(batch).state
            for name, array in state.parameters.items():
                np.testing.assert_allclose(engine.state().parameters[name][r], array, err_msg=name, **CLOSE)


def test_when_all_have_diverged_no_step_is_taken_more() -> None:
    base, rates = DIVERGING["all"]
    recipes = [load_recipe(base, {"optimizer.lr": lr, "training.steps": 1000}) for lr in rates]
    seen: list[int] = []
    engine = engine_of(recipes)
    dataset = data_of(base)
    score = scorer(base, dataset, 3, LOSSES["cross_entropy"], 100)
    batches = StackedBatches([Batches(each, dataset.train) for each in recipes])
    outcomes, _ = train_replicas(engine, batches, score, steps_into(seen))
    assert engine.state().updates == max(outcome.steps for outcome in outcomes) < 20
    assert all(step < 20 for step in seen)


def test_whoever_watches_hears_of_every_evaluation() -> None:
    built = load_recipe(DENSE, {"training.evaluate_every": 5})
    dataset, seen = data_of(built), list[int]()
    score = scorer(built, dataset, 2, LOSSES["cross_entropy"], 100)
    batches = StackedBatches([Batches(each, dataset.train) for each in varied(built, 2)])
    train_replicas(engine_of(varied(built, 2)), batches, score, steps_into(seen))
    assert seen == [5, 10, 12]


@pytest.mark.parametrize("batch", [7, 60, 2000])
def test_scores_are_those_of_each_network_whatever_the_batch(batch: int) -> None:
    base = recipe([dense(6), TANH, dense(2)], data=MOONS | {"validation": 0.2}, training={"evaluate_samples": 11})
    recipes, dataset = varied(base), data_of(base)
    found = scorer(base, dataset, REPLICAS, LOSSES["cross_entropy"], batch)(engine_of(recipes))
    assert list(found) == ["train", "validation", "test"]
    for r, built in enumerate(recipes):
        lone = numpy_engine(built)
        lone.load(initial_state(built.model))
        for name, score in lone_scorer(built, dataset)(lone).items():
            assert found[name].loss[r] == pytest.approx(score.loss, rel=1e-12)
            assert found[name].of(r).accuracy == score.accuracy


# Points of a study


def assert_points(ours: list[Point], theirs: list[Point]) -> None:
    assert len(ours) == len(theirs)
    for point, other in zip(ours, theirs, strict=True):
        assert point.steps == other.steps
        assert point.failure == other.failure
        assert point.scores.keys() == other.scores.keys()
        for key, value in other.scores.items():
            assert point.scores[key] == (value if value is None else pytest.approx(value, rel=1e-9)), key
        assert_rows(list(point.history), list(other.history))
        assert (point.flow is None) == (other.flow is None)
        if other.flow is not None and not other.failure:
            assert point.flow is not None
            assert point.flow.keys() == other.flow.keys()
            for key, value in other.flow.items():
                assert point.flow[key] == pytest.approx(value, rel=1e-9, nan_ok=True), key


POINTS = {
    name: RECIPES[name]
    for name in (
        "points of the plane", "digits", "standardized", "rnn", "lstm", "three kinds and an embedding",
        "growing palindromes",
    )
}  # fmt: skip


@pytest.mark.parametrize("name", POINTS)
def test_points_trained_at_once_are_those_trained_one_by_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = varied(load_recipe(POINTS[name], {"training.evaluate_every": 5}))
    at_once = train_points(recipes, "numpy")
    monkeypatch.setattr(points, "_train_stacked", None)  # nobody may call it now
    alone = [train_points([each], "numpy")[0] for each in recipes]
    assert_points(at_once, alone)
    assert len({tuple(point.scores.values()) for point in at_once}) > 1
    assert [row.step for row in at_once[0].history] == [0, 5, 10, 12]
    assert all(point.seconds > 0 for point in at_once)


def test_only_what_fits_is_trained_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    whole = points._train_stacked
    monkeypatch.setattr(
        points, "_train_stacked", lambda recipes, load: calls.append(len(recipes)) or whole(recipes, load)
    )
    recipes = varied(DENSE)
    train_points(recipes, "numpy")
    assert calls == [3]
    train_points(recipes[:1], "numpy")
    train_points(recipes, "torch")
    train_points([recipes[0], load_recipe(recipes[0], APART["another batch size"])], "numpy")
    train_points(varied(load_recipe(DENSE, {"training.batch_size": "full"})), "numpy")
    assert calls == [3]


@pytest.mark.parametrize("change", [c for n, c in NOT_WRITTEN.items() if "conv" not in n], ids=lambda c: str(c)[:30])
def test_points_that_are_trained_alone_are_those_of_their_own(change: dict[str, Any]) -> None:
    """What replicas could not do is done, and mirror images count."""
    base = load_recipe(PICTURES, {"data.test": 0.8, "training.steps": 4, "training.evaluate_every": 2, **change})
    recipes = varied(base, 2)
    assert_points(train_points(recipes, "numpy"), [train_points([each], "numpy")[0] for each in recipes])


def test_a_diverging_point_is_a_failure_and_raises_nothing() -> None:
    for engine in ("numpy", "torch"):
        recipes = [load_recipe(LEAKY, {"optimizer.lr": lr, "training.evaluate_every": 5}) for lr in (0.1, 1e200)]
        healthy, failed = train_points(recipes, engine)
        assert healthy.scores["test_accuracy"] is not None
        assert not healthy.failure
        assert failed.scores == {}
        assert failed.failure == f"the loss became nan at step {failed.steps}"
        assert_points([failed], train_points(recipes[1:], engine))


def test_points_of_one_seed_and_two_rates_begin_alike() -> None:
    first, second = train_points([DENSE, load_recipe(DENSE, {"optimizer.lr": 0.5})], "numpy")
    assert first.history[0]._replace(seconds=0, lr=0) == second.history[0]._replace(seconds=0, lr=0)
    assert first.history[-1].train_loss != second.history[-1].train_loss
    assert (first.history[-1].lr, second.history[-1].lr) == (0.01, 0.5)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_data_that_cannot_be_had_are_an_error_and_no_failure(engine: str, tmp_path: Path) -> None:
    missing = recipe([dense(4), RELU, dense(2)])
    with pytest.raises(twofold.DataError, match=r"none\.csv"):
        train_points(varied(missing), engine)
    few = sequences([EMBEDDING | {"num_embeddings": 9}, {"kind": "rnn", "units": 3}], {"encoding": "index"})
    with pytest.raises(twofold.DataError, match="takes whole numbers from 0 to 8; the train set holds 9"):
        train_points(varied(few), engine)
    classes = tmp_path / "three.csv"
    classes.write_text("x0,x1,x2,y\n" + "".join(f"{i % 5},{i % 7},{i},{'abc'[i % 3]}\n" for i in range(60)))
    with pytest.raises(twofold.DataError, match="holds 3 classes"):
        train_points(varied(load_recipe(missing, {"data.path": str(classes)})), engine)


@pytest.mark.parametrize(
    ("label", "outputs", "loss"),
    [
        ("y", 3, "cross_entropy"),
        ("x2", 1, "mean_squared"),
        ("x2", 1, "huber"),
        (["x1", "x2"], 2, "mean_absolute"),
        (["b0", "b1"], 2, "binary_cross_entropy"),
    ],
    ids=["classes", "a number", "a number, Huber", "two numbers", "labels"],
)
def test_the_rows_of_a_file_are_trained_on_at_once(
    label: str | list[str], outputs: int, loss: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    rows = [f"{i % 5},{i % 7},{i % 11 + i / 9},{i % 2},{i % 3 // 2},{'abc'[i % 3]}\n" for i in range(60)]
    path.write_text("x0,x1,x2,b0,b1,y\n" + "".join(rows))
    data = {
        "source": "csv",
        "path": str(path),
        "label": label,
        "features": ["x0"] if "x" in str(label) else ["x0", "x1"],
    }
    recipes = varied(recipe([dense(4), TANH, dense(outputs)], data=data, loss={"kind": loss}))
    assert together(recipes)
    at_once = train_points(recipes, "numpy")
    assert_points(at_once, [train_points([one], "numpy")[0] for one in recipes])
    assert "test_r2" in at_once[0].scores or loss in ("cross_entropy", "binary_cross_entropy")


def test_another_engine_is_refused() -> None:
    with pytest.raises(twofold.UserError, match="an engine is `numpy` or `torch`; got `jax`"):
        train_points([DENSE], "jax")


# How the gradient flows


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "rnn of relu, every step read", "three kinds and an embedding"])
def test_the_flow_of_a_replica_is_that_of_its_lone_run(name: str) -> None:
    recipes, dataset = varied(RECIPES[name]), data_of(RECIPES[name])
    engine, network = engine_of(recipes), RECIPES[name].network
    batch = flow_batch(dataset.train, 8)
    stack = batch._replace(x=many(batch.x, REPLICAS), target=many(batch.target, REPLICAS))
    for own in StackedBatches([Batches(each, dataset.train) for each in recipes]):
        found = measure_flow(engine, network, stack)
        engine.step(own)
    for r, built in enumerate(recipes):
        lone = numpy_engine(built)
        lone.load(initial_state(built.model))
        for own in Batches(built, dataset.train):
            wanted = measure_flow(lone, network, batch)
            lone.step(own)
        assert list(found) == list(wanted)
        for layer, flow in wanted.items():
            for field, values in flow._asdict().items():
                ours = getattr(found[layer], field)[r]
                assert ours.shape == values.shape
                np.testing.assert_allclose(ours, values, err_msg=f"{layer} {field}", **CLOSE)


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_point_tells_the_flow_before_and_after(engine: str) -> None:
    base = RECIPES["lstm"]
    for point, built in zip(train_points(varied(base), engine), varied(base), strict=True):
        assert point.flow is not None
        assert {"carried_before", "carried_after", "gradient_before", "radius_after"} <= point.flow.keys()
        lone = numpy_engine(built)
        lone.load(initial_state(built.model))
        dataset = data_of(built)
        flow = measure_flow(lone, built.network, flow_batch(dataset.train, 8))["0"]
        assert point.flow["gradient_before"] == pytest.approx(flow.gradient.tolist(), rel=1e-9)
        assert point.flow["carried_before"] == pytest.approx(carried(flow.gradient), rel=1e-9)
        assert point.flow["singular_before"] == pytest.approx(flow.singular.tolist(), rel=1e-9)
        assert len(point.flow["radius_after"]) == 4
        assert point.flow["gradient_after"] != point.flow["gradient_before"]
    assert train_points([DENSE], engine)[0].flow is None
