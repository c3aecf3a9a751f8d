"""What happens around the steps: averaged weights, mirror images, the best weights, patience, part of the samples."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import twofold
from cases import RELU, assert_bits, dense, recipe
from faults import PICTURES, batches_of, trained_by
from twofold.arrays import Array
from twofold.data import Batches, Split, Views, load_data, random_data
from twofold.engine import Batch, State
from twofold.engine.initial import initial_buffers, initial_parameters
from twofold.engine.schedules import averaging
from twofold.errors import UserError
from twofold.numpy_engine import LOSSES
from twofold.recipe import Recipe, load_recipe
from twofold.runs.history import HistoryRow
from twofold.setup.building import build_engine, initial_state, restore, training_engine
from twofold.setup.events import Evaluated
from twofold.setup.needed import EVALUATION_BATCH, evaluation_batch
from twofold.train.course import Validation
from twofold.train.events import LookedClosely, Moment
from twofold.train.loop import Plan, evaluate, train

ENGINES = ("numpy", "torch")
each_engine = pytest.mark.parametrize("engine", ENGINES)
SHORT = {"training.epochs": 4, "data.samples": 100, "training.evaluate_every": 1}
CONV = [
    {"kind": "conv2d", "channels": 3, "kernel": 3},
    {"kind": "batch_norm"},
    {"kind": "relu"},
    {"kind": "flatten"},
    {"kind": "dense", "units": 10},
]


# The moving average of the weights


@pytest.mark.parametrize(("step", "weight"), [(0, 2 / 11), (7, 0.5), (89, 0.91), (10**6, 0.95)])
def test_the_past_weighs_little_at_first_and_the_recipes_share_later(step: int, weight: float) -> None:
    assert averaging(0.95, step) == pytest.approx(weight)


@each_engine
def test_the_average_is_that_of_weights_and_running_statistics(engine: str) -> None:
    built = build_engine(engine, PICTURES)
    built.load(initial_state(PICTURES.model))
    wanted = dict(initial_parameters(PICTURES.model) | initial_buffers(PICTURES.model))
    for batch in batches_of(PICTURES):
        state = built.step(batch).state
        weight, now = averaging(0.9, batch.step), {**state.parameters, **state.buffers}
        wanted = {name: weight * old + (1 - weight) * now[name] for name, old in wanted.items()}
    average = built.state().average
    assert average.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(average[name], array, rtol=1e-12, atol=1e-14, err_msg=name)


@each_engine
def test_the_average_predicts_and_is_what_a_run_keeps(engine: str, tmp_path: Path) -> None:
    settings = {"layers": CONV, "training.epochs": 2, "training.ema": 0.9}
    run = twofold.run("digits", overrides=settings, engines=engine, out=tmp_path / "run")
    plain = load_recipe(run.recipe, {"training.ema": 0.0})
    assert set(run.weights(engine)) == {*plain.network.parameters, *plain.network.buffers}
    x = np.random.default_rng(0).random((5, 1, 8, 8), dtype=np.float32)
    trained = build_engine(engine, run.recipe)
    trained.load(initial_state(run.recipe.model))
    for batch in Batches(run.recipe, load_data(run.recipe.data).astype("float32").train):
        trained.step(batch)
    np.testing.assert_array_equal(restore(run, engine, "cpu").predict(x), trained.predict(x))
    without = build_engine(engine, plain)
    without.load(State(trained.state().parameters, buffers=trained.state().buffers))
    assert not np.allclose(without.predict(x), trained.predict(x))


@each_engine
def test_a_state_without_an_average_begins_one_at_its_weights(engine: str) -> None:
    built = build_engine(engine, PICTURES)
    built.load(initial_state(PICTURES.model))
    average = built.state().average
    assert_bits(dict(average), {**initial_parameters(PICTURES.model), **initial_buffers(PICTURES.model)})


@each_engine
def test_a_step_from_a_loaded_state_is_the_step_that_would_have_come(engine: str) -> None:
    """Running statistics and averages are part of the state."""
    batches = batches_of(PICTURES)
    first, second = build_engine(engine, PICTURES), build_engine(engine, PICTURES)
    first.load(initial_state(PICTURES.model))
    for batch in batches[:4]:
        first.step(batch)
    second.load(first.state())
    for batch in batches[4:8]:
        a, b = first.step(batch), second.step(batch)
        assert_bits(a.state.arrays(), b.state.arrays())


@each_engine
def test_running_statistics_of_another_network_are_refused(engine: str) -> None:
    built = build_engine(engine, PICTURES)
    with pytest.raises(UserError, match=r"another network: `1\.running_mean` is missing"):
        built.load(State(initial_parameters(PICTURES.model)))


@each_engine
def test_outputs_are_those_of_every_layer_in_evaluation_mode(engine: str) -> None:
    built = build_engine(engine, PICTURES)
    built.load(initial_state(PICTURES.model))
    for batch in batches_of(PICTURES)[:3]:
        built.step(batch)
    x = batches_of(PICTURES)[0].x
    outputs = built.outputs(x)
    assert [output.shape[1:] for output in outputs] == [node.output_shape for node in PICTURES.network.nodes]
    np.testing.assert_array_equal(outputs[-1], built.predict(x))
    one_by_one = np.concatenate([built.predict(x[i : i + 1]) for i in range(len(x))])
    np.testing.assert_allclose(one_by_one, outputs[-1], rtol=1e-10, atol=1e-12)  # no statistics of the batch


# Evaluation


class Columns:
    """An engine whose two logits are sums of the left and the right half of an image."""

    def predict(self, x: Array) -> Array:
        half = x.shape[-1] // 2
        return np.stack([x[..., :half].sum(axis=(1, 2, 3)), 3 * x[..., half:].sum(axis=(1, 2, 3))], axis=1)


def test_mirror_images_are_averaged_before_the_answer() -> None:
    x = np.zeros((2, 1, 2, 4))
    x[0, ..., 0], x[1, ..., 3] = 1.0, 1.0
    split = Split(x, np.array([0, 1]))
    engine: Any = Columns()
    assert evaluate(engine, split, LOSSES["cross_entropy"]).accuracy == 1.0
    flipped = evaluate(engine, split, LOSSES["cross_entropy"], views=Views(mirror=True))
    assert flipped.accuracy == 0.5  # both halves count alike: logits (1, 3) for either image
    assert flipped.loss == pytest.approx((np.log(1 + np.exp(2)) + np.log(1 + np.exp(-2))) / 2)


def test_views_of_an_image_are_weighted() -> None:
    """Half for the image, a quarter for each move; with the mirror image the mean of both."""
    x = np.arange(12.0).reshape(1, 1, 3, 4)
    seen: list[Array] = []

    def first_pixel(x: Array) -> Array:
        seen.append(x)
        return x[:, 0, 0, :1]

    moved = Views(shift=1).judged(first_pixel, x)
    assert [float(part[0, 0, 0, 0]) for part in seen] == [0.0, 5.0, 5.0]  # mirrored at the border, then the inner one
    np.testing.assert_array_equal(seen[1][0, 0], [[5, 4, 5, 6], [1, 0, 1, 2], [5, 4, 5, 6]])
    np.testing.assert_array_equal(seen[2][0, 0], [[5, 6, 7, 6], [9, 10, 11, 10], [5, 6, 7, 6]])
    assert moved[0, 0] == (2 * 0 + 5 + 5) / 4
    both = Views(mirror=True, shift=1).judged(first_pixel, x)
    assert both[0, 0] == (moved[0, 0] + Views(shift=1).judged(first_pixel, x[..., ::-1])[0, 0]) / 2
    assert Views().judged(first_pixel, x)[0, 0] == 0


@pytest.mark.parametrize(("name", "batch"), [("moons", EVALUATION_BATCH), ("cifar10-vgg", 256), ("mnist-lenet", 2000)])
def test_evaluation_takes_as_many_samples_as_fit(name: str, batch: int) -> None:
    assert evaluation_batch(load_recipe(name).network) == batch


def test_part_of_the_training_samples_are_evaluated(tmp_path: Path) -> None:
    whole, part = (
        twofold.run("moons", overrides=SHORT | settings, engines="numpy", out=tmp_path / name)
        for name, settings in [("whole", {}), ("part", {"training.evaluate_samples": 7})]
    )
    assert_bits(whole.weights("numpy"), part.weights("numpy"))
    assert whole.history["test_loss"].equals(part.history["test_loss"])
    assert set((part.history["train_accuracy"] * 7).round(9) % 1) == {0.0}
    assert not whole.history["train_loss"].equals(part.history["train_loss"])


# Validation


def rows(losses: Iterable[float], accuracies: Iterable[float]) -> list[dict[str, Any]]:
    pairs = zip(losses, accuracies, strict=True)
    return [{"train": (1.0, 0.5), "validation": pair} for pair in pairs]


class Counts:
    """An engine whose state says how many steps it has taken."""

    name = "numpy"
    taken = 0

    def load(self, state: State) -> None:
        self.taken = state.updates

    def state(self) -> State:
        return State({"w": np.zeros(1)}, updates=self.taken)

    def step(self, batch: Batch) -> Any:
        self.taken += 1
        return SimpleNamespace(loss=1.0, gradients={"w": np.zeros(1)})


def into(rows: list[HistoryRow], moments: list[Moment] | None = None) -> Callable[[object], None]:
    """A watcher that keeps evaluations, and what was looked at closely."""

    def take(event: object) -> None:
        if isinstance(event, Evaluated):
            rows.append(event.row)
        if isinstance(event, LookedClosely) and moments is not None:
            moments.append(event.moment)

    return take


def trained(found: list[dict[str, Any]], validation: Validation) -> tuple[Counts, Any, list[HistoryRow]]:
    """A training with the given evaluations, the first before it, one a step."""
    from twofold.train.loop import Score

    built = recipe([dense(2)], training={"steps": len(found) - 1, "evaluate_every": 1})
    engine, seen, rest = Counts(), list[HistoryRow](), iter(found)
    batches = Batches(built, random_data(built.model, 24, built.data.seed).train)

    def scores(_: Any) -> dict[str, Score]:
        return {split: Score(*pair) for split, pair in next(rest).items()}

    outcome = train(engine, batches, Plan(scores, validation), into(rows=seen))  # pyright: ignore
    return engine, outcome, seen


def test_the_best_weights_are_kept_and_their_evaluation() -> None:
    found = rows([2.0, 0.9, 0.8, 0.7, 0.6], [0.1, 0.8, 0.9, 0.9, 0.7])
    engine, outcome, seen = trained(found, Validation(keep_best=True))
    assert engine.taken == 3  # of equal accuracies the lower loss
    assert outcome.row == seen[3]
    assert outcome.steps == 4


def test_by_default_the_last_weights_are_kept() -> None:
    engine, outcome, seen = trained(rows([2.0, 0.5, 0.9], [0.1, 0.9, 0.2]), Validation())
    assert engine.taken == 2
    assert outcome.row == seen[-1]


@pytest.mark.parametrize(
    ("losses", "patience", "steps"),
    [
        ([9, 8, 7, 6, 5], 1, 4),
        ([9, 8, 8, 7, 6], 1, 2),  # equal is not lower
        ([9, 5, 6, 7, 4, 3], 2, 3),
        ([9, 5, 6, 4, 6, 7, 1], 2, 5),
        ([1, 2, 3, 4, 5], 3, 3),  # the evaluation before training counts
    ],
)
def test_training_stops_when_patience_ends(losses: list[float], patience: int, steps: int) -> None:
    found = rows(map(float, losses), [0.5] * len(losses))
    engine, outcome, _ = trained(found, Validation(patience=patience))
    assert outcome.steps == steps
    assert engine.taken == steps
    assert outcome.failure is None


@each_engine
@pytest.mark.parametrize("ema", [0.0, 0.8])
def test_a_run_keeps_the_best_and_says_which(engine: str, ema: float, tmp_path: Path) -> None:
    """A rate that grows too large spoils what was learned."""
    settings = {
        "data.validation": 0.2, "training.keep": "best", "training.epochs": 30, "training.ema": ema,
        "optimizer.lr": 10.0, "schedule": {"kind": "linear", "start_factor": 0.003, "end_factor": 1.0, "unit": "step"},
    }  # fmt: skip
    run = twofold.run("moons", overrides=SHORT | settings, engines=engine, out=tmp_path / "run")
    result, history = run.engines[engine], run.history
    best = history.sort_values(["validation_accuracy", "validation_loss"], ascending=[False, True]).iloc[0]
    assert result["kept_step"] == best["step"]
    assert result["validation_accuracy"] == best["validation_accuracy"]
    assert result["test_loss"] == pytest.approx(best["test_loss"])
    assert result["kept_step"] < result["steps"]  # else these weights are the last ones
    validation = load_data(run.recipe.data).astype("float32").validation
    found = evaluate(restore(run, engine, "cpu"), validation, LOSSES["cross_entropy"])
    assert found.loss == pytest.approx(best["validation_loss"], rel=1e-6)


# A batch of one


def test_a_last_batch_of_one_is_found_before_training() -> None:
    layers = [dense(4), {"kind": "batch_norm"}, RELU, dense(2)]
    built = recipe(layers, training={"batch_size": 8})
    message = r"of 25 samples in batches of 8, the last batch holds one, .*\(layer 1\).* set training.batch_size to 9"
    with pytest.raises(UserError, match=message):
        Batches(built, random_data(built.model, 25, built.data.seed).train)
    Batches(built, random_data(built.model, 26, built.data.seed).train)
    images: Recipe = trained_by(PICTURES, training=PICTURES.training.model_copy(update={"batch_size": 8}))
    Batches(images, random_data(images.model, 25, images.data.seed).train)  # a plane has more than one number


# What only the torch engine has


def test_16_bits_are_near_32(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slowly where the processor has no such products, for which the engine would not take them."""
    monkeypatch.setattr("twofold.torch_engine.engine.has_narrow_products", lambda _: True)
    settings = {"layers": CONV, "training.steps": 5, "training.device": "cpu"}
    wide, narrow = (
        twofold.run("digits", overrides=settings | {"training.autocast": kind}, engines="torch", out=tmp_path / kind)
        for kind in ("none", "bfloat16")
    )
    for name, array in wide.weights("torch").items():
        other = narrow.weights("torch")[name]
        assert other.dtype == np.float32
        np.testing.assert_allclose(other, array, rtol=0, atol=5e-3, err_msg=name)
    assert not np.array_equal(wide.weights("torch")["0.weight"], narrow.weights("torch")["0.weight"])


def test_compiling_is_asked_for_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's compiler itself takes half a minute: here it is a stand-in that counts."""
    calls: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda forward: lambda *inputs: calls.append(1) or forward(*inputs))
    monkeypatch.setenv("CXX", sys.executable)
    compiled = trained_by(PICTURES, training=PICTURES.training.model_copy(update={"compile": True}))
    states = []
    for built in (PICTURES, compiled):
        engine = training_engine("torch", built)
        engine.load(initial_state(built.model))
        states.append(engine.step(batches_of(built)[0]).state.arrays())
    assert calls == [1]
    assert_bits(*states)


def test_compiling_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    compiled = trained_by(PICTURES, training=PICTURES.training.model_copy(update={"compile": True}))
    with pytest.raises(UserError, match=r"wants a C\+\+ compiler; none of c\+\+, g\+\+, clang\+\+, cl is found"):
        training_engine("torch", compiled)


@pytest.mark.parametrize(
    ("kernel", "padding"), [((3, 3), (1, 1)), ((2, 3), (0, 1)), ((1, 1), (0, 0)), ((3, 1), (2, 0))], ids=str
)
def test_the_product_for_small_planes_is_the_convolution(
    kernel: tuple[int, int], padding: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As near to 32 bits as PyTorch's own convolution in 16."""
    from torch import nn

    from twofold.torch_engine import conv

    monkeypatch.setattr(conv, "MANY_CHANNELS", 1)
    torch.manual_seed(0)
    ours, theirs = conv.NarrowConv2d(6, 7, kernel, padding=padding), nn.Conv2d(6, 7, kernel, padding=padding)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 6, 4, 5)
    dy = torch.randn(theirs(x).shape)

    def passed(module: nn.Module, narrow: bool) -> list[torch.Tensor]:
        inputs = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=narrow):
            y = module(inputs)
        return [y.float(), *torch.autograd.grad(y.float(), [inputs, *module.parameters()], dy)]

    exact, plain, product = passed(theirs, False), passed(theirs, True), passed(ours, True)
    assert [part.dtype for part in product] == [part.dtype for part in plain]
    assert not torch.equal(product[0], plain[0]) or kernel == (1, 1)
    for wanted, near, found in zip(exact, plain, product, strict=True):
        distance = (found - wanted).abs().max()
        assert distance <= 3 * (near - wanted).abs().max() + 0.01 * wanted.abs().max()
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)  # without autocast it is PyTorch's own


# What is looked at closely


@each_engine
def test_the_first_step_and_that_of_every_evaluation_are_looked_at(engine: str) -> None:
    spec = load_recipe("blobs", {"data.samples": 100, "training.steps": 7, "training.evaluate_every": 3})
    dataset, seen, rows = load_data(spec.data).astype("float32"), list[Moment](), list[HistoryRow]()
    built = build_engine(engine, spec)
    built.load(initial_state(spec.model))
    score = {"train": evaluate(built, dataset.train, LOSSES["cross_entropy"])}
    train(built, Batches(spec, dataset.train), Plan(lambda _: score, look_closely=True), into(rows, seen))
    assert [moment.taken for moment in seen] == [0, 1, 3, 6, 7]
    assert [row.step for row in rows] == [0, 3, 6, 7]
    assert seen[0].step is None
    again = build_engine(engine, spec)
    again.load(initial_state(spec.model))
    states = [again.state(), *(again.step(batch).state for batch in Batches(spec, dataset.train))]
    for moment in seen:
        assert_bits(dict(moment.before), dict(states[max(moment.taken - 1, 0)].parameters))
        assert_bits(dict(moment.after), dict(states[moment.taken].parameters))


def test_the_time_of_looking_is_not_that_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on only while something is looked at."""
    spec = load_recipe("blobs", {"data.samples": 100, "training.steps": 4, "training.evaluate_every": 2})
    dataset, clock = load_data(spec.data).astype("float32"), [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])

    def look(event: object) -> None:
        clock[0] += isinstance(event, LookedClosely)

    built = build_engine("numpy", spec)
    built.load(initial_state(spec.model))
    score = {"train": evaluate(built, dataset.train, LOSSES["cross_entropy"])}
    batches = Batches(spec, dataset.train)
    outcome = train(built, batches, Plan(lambda _: score, look_closely=True), look)
    assert clock[0] == 4.0
    assert outcome.seconds == 0.0
