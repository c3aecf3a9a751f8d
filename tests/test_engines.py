"""What the seam promises, for both engines alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import jaxtyping
import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from cases import FLATTEN, OPTIMIZERS, RELU, SOFTMAX, THIRD, assert_bits, assert_same, dense, recipe
from engines import numpy_engine, torch_engine
from faults import SQUARE, Changed, batches_of, sgd, trained_by
from twofold.arrays import Array, Arrays
from twofold.engine import Engine, State, ThroughTime
from twofold.engine.initial import initial_parameters
from twofold.errors import UserError
from twofold.numpy_engine.dense import Dense
from twofold.numpy_engine.dropout import Dropout
from twofold.numpy_engine.flatten import Flatten
from twofold.numpy_engine.layer import TRAINING, Layer, Mode
from twofold.numpy_engine.layers import build_layer
from twofold.recipe import Recipe

Build = Callable[[Recipe], Engine]
IMAGES = recipe([FLATTEN, dense(6), RELU, THIRD, dense(10)], data={"source": "digits"}, optimizer=sgd(momentum=0.9))

each_engine = pytest.mark.parametrize("build", [numpy_engine, torch_engine], ids=["numpy", "torch"])


def started(build: Build, recipe: Recipe) -> Engine:
    engine = build(recipe)
    engine.load(State(initial_parameters(recipe.model)))
    return engine


def copied(arrays: Arrays) -> dict[str, Array]:
    return {name: array.copy() for name, array in arrays.items()}


def float32(recipe: Recipe) -> Recipe:
    return trained_by(recipe, training=recipe.training.model_copy(update={"dtype": "float32"}))


# State


@each_engine
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_state_and_load_round_trip(build: Build, optimizer: str) -> None:
    built = trained_by(SQUARE, optimizer=OPTIMIZERS[optimizer])
    engine, other = started(build, built), build(built)
    for batch in batches_of(built)[:3]:
        engine.step(batch)
    other.load(engine.state())
    assert_bits(other.state().arrays(), engine.state().arrays())
    assert other.state().updates == 3


@each_engine
@pytest.mark.parametrize("optimizer", ["sgd with momentum", "adam", "rmsprop"])
def test_the_other_engine_takes_the_state_over(build: Build, optimizer: str) -> None:
    built = trained_by(SQUARE, optimizer=OPTIMIZERS[optimizer])
    engine = started(build, built)
    engine.step(batches_of(built)[0])
    other = (torch_engine if build is numpy_engine else numpy_engine)(built)
    other.load(engine.state())
    assert_bits(other.state().arrays(), engine.state().arrays())


@each_engine
def test_before_any_state_parameters_and_moments_are_zero(build: Build) -> None:
    state = build(IMAGES).state()
    assert list(state.arrays()) == [
        "1.weight", "1.bias", "4.weight", "4.bias",
        "1.weight (momentum_buffer)", "1.bias (momentum_buffer)",
        "4.weight (momentum_buffer)", "4.bias (momentum_buffer)",
    ]  # fmt: skip
    assert not any(array.any() for array in state.arrays().values())
    assert state.updates == 0


@each_engine
def test_state_and_load_are_copies(build: Build) -> None:
    given = State(initial_parameters(IMAGES.model))
    engine = build(IMAGES)
    engine.load(given)
    engine.state().parameters["1.weight"][:] = 7
    given.parameters["4.weight"][:] = 7
    assert_bits(engine.state().parameters, initial_parameters(IMAGES.model))
    engine.step(batches_of(IMAGES)[0])
    held = engine.state()
    before = copied(held.arrays())
    engine.load(held)
    engine.step(batches_of(IMAGES)[1])
    assert_bits(held.arrays(), before)


@each_engine
def test_a_float32_engine_takes_float64_weights_and_stays_float32(build: Build) -> None:
    built = float32(IMAGES)
    engine = started(build, built)
    step = engine.step(batches_of(built)[0])
    arrays = {
        **step.outputs,
        **step.gradients,
        **step.state.arrays(),
        "predicted": engine.predict(batches_of(built)[0].x),
    }
    assert {name: array.dtype for name, array in arrays.items()} == dict.fromkeys(arrays, np.dtype(np.float32))


@each_engine
@pytest.mark.parametrize(
    ("change", "name", "given", "wanted"),
    [
        ({"2.weight": np.zeros((5, 4))}, "2.weight", r"\(5, 4\)", r"\(5, 5\)"),
        ({"0.bias": np.zeros((5, 1))}, "0.bias", r"\(5, 1\)", r"\(5,\)"),
        ({"6.weight": np.zeros((5, 5))}, "6.weight", r"\(5, 5\)", "missing"),
        ({"4.bias": None}, "4.bias", "missing", r"\(2,\)"),
    ],
    ids=["another size", "another shape", "one too many", "one too few"],
)
def test_weights_of_another_network_are_refused_by_name(
    build: Build, change: dict[str, Any], name: str, given: str, wanted: str
) -> None:
    engine = started(build, SQUARE)
    before = copied(engine.state().arrays())
    parameters = {
        key: array for key, array in {**initial_parameters(SQUARE.model), **change}.items() if array is not None
    }
    with pytest.raises(UserError, match=f"another network: `{name}` is {given}, the recipe's is {wanted}"):
        engine.load(State(parameters))
    assert_bits(engine.state().arrays(), before)


@each_engine
def test_moments_of_another_network_are_refused_by_name(build: Build) -> None:
    built = trained_by(SQUARE, optimizer=sgd(momentum=0.9))
    state = started(build, built).state()
    moments = {"momentum_buffer": {**state.optimizer["momentum_buffer"], "2.bias": np.zeros(3)}}
    with pytest.raises(UserError, match=r"`2\.bias` is \(3,\), the recipe's is \(5,\)"):
        build(built).load(replace(state, optimizer=moments, updates=1))


def test_a_network_without_parameters_is_refused() -> None:
    with pytest.raises(
        ValidationError, match="at least one of the `layers` must hold parameters to train; got `softmax`"
    ):
        recipe([SOFTMAX])


# Steps


@each_engine
def test_a_step_stays_what_it_was(build: Build) -> None:
    built = trained_by(IMAGES, optimizer={**sgd(momentum=0.9), "weight_decay": 0.1, "max_norm": 1e-3})
    engine, batches = started(build, built), batches_of(built)
    step = engine.step(batches[0])
    seen = {
        **copied(step.outputs),
        **copied(step.gradients),
        "logits": step.logits.copy(),
        "loss": np.array(step.loss),
    }
    for batch in batches[1:4]:
        engine.step(batch)
    engine.load(State(initial_parameters(built.model)))
    now = {**step.outputs, **step.gradients, "logits": step.logits, "loss": np.array(step.loss)}
    assert_bits(now, seen)


@each_engine
def test_a_step_names_everything(build: Build) -> None:
    step = started(build, IMAGES).step(batches_of(IMAGES)[0])
    assert {name: output.shape for name, output in step.outputs.items()} == {
        "0": (8, 64), "1": (8, 6), "2": (8, 6), "3": (8, 6), "4": (8, 10),
    }  # fmt: skip
    assert {name: array.shape for name, array in step.gradients.items()} == IMAGES.network.parameters
    assert step.state.updates == 1
    assert isinstance(step.loss, float)
    np.testing.assert_array_equal(step.logits, step.outputs["4"])


@each_engine
def test_gradients_are_those_before_clipping_and_decay(build: Build) -> None:
    clipped = trained_by(IMAGES, optimizer={**sgd(), "weight_decay": 0.1, "max_norm": 1e-3})
    batch = batches_of(IMAGES)[0]
    plain = started(build, IMAGES).step(batch).gradients
    assert_bits(started(build, clipped).step(batch).gradients, plain)


@each_engine
def test_a_step_counts_every_update_and_uses_the_batchs_rate(build: Build) -> None:
    built = trained_by(SQUARE, optimizer=sgd())
    engine, batch = started(build, built), batches_of(built)[0]
    before = engine.state().parameters["4.bias"]
    step = engine.step(batch._replace(lr=0.25))
    assert_same(step.state.parameters["4.bias"], before - 0.25 * step.gradients["4.bias"])
    assert engine.step(batch._replace(lr=0.0)).state.updates == 2


def test_a_numpy_step_is_read_without_a_copy() -> None:
    batch = batches_of(IMAGES)[0]
    step = started(numpy_engine, IMAGES).step(batch)
    again, first = step.gradients, step.gradients
    vector = first["1.weight"].base
    assert vector is not None
    assert vector.shape == (IMAGES.network.count,)
    assert all(gradient.base is vector for gradient in [*first.values(), *again.values()])
    assert step.outputs["1"] is step.outputs["1"]
    assert step.logits is step.outputs["4"]
    assert np.shares_memory(step.outputs["0"], batch.x)


def test_a_torch_step_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a number or an array from a device is what would wait: none is read until a field is."""
    engine, batch = started(torch_engine, IMAGES), batches_of(IMAGES)[0]

    def refuse(*given: Any, **options: Any) -> None:
        raise AssertionError("read from the device")

    with monkeypatch.context() as patch:
        for name in ("item", "cpu", "numpy", "tolist", "__array__", "__float__", "__bool__"):
            patch.setattr(torch.Tensor, name, refuse)
        step = engine.step(batch)
        for read in (lambda: step.loss, lambda: step.logits, lambda: step.outputs):
            with pytest.raises(AssertionError, match="read from the device"):
                read()
    assert np.shares_memory(step.outputs["1"], step.outputs["1"])
    assert step.loss > 0


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@each_engine
def test_read_only_and_strided_arrays_are_taken(build: Build, dtype: str) -> None:
    built = IMAGES if dtype == "float64" else float32(IMAGES)
    batch = batches_of(built)[0]
    expected = started(build, built).step(batch)
    x, target = batch.x.copy(), batch.target.copy()
    masks = copied(batch.masks)
    for array in (x, target, *masks.values()):
        array.flags.writeable = False
    strided = np.repeat(x, 2, axis=3)[..., ::2]
    for given in (x, strided):
        step = started(build, built).step(batch._replace(x=given, target=target, masks=masks))
        assert_bits(step.gradients, expected.gradients)


# Prediction


@each_engine
def test_predicting_changes_nothing(build: Build) -> None:
    quiet, asked = started(build, IMAGES), started(build, IMAGES)
    for batch in batches_of(IMAGES)[:3]:
        asked.predict(batch.x)
        ours, theirs = asked.step(batch), quiet.step(batch)
        asked.predict(batch.x)
        assert_bits(ours.outputs, theirs.outputs)
        assert_bits(asked.state().arrays(), quiet.state().arrays())


@each_engine
def test_predictions_leave_dropout_out(build: Build) -> None:
    """They are those of the same weights in the network without the layer."""
    plain = recipe([FLATTEN, dense(6), RELU, dense(10)], data={"source": "digits"})
    parameters = initial_parameters(IMAGES.model)
    x = batches_of(IMAGES)[0].x
    engine, without = started(build, IMAGES), build(plain)
    without.load(State({name.replace("4.", "3."): array for name, array in parameters.items()}))
    np.testing.assert_array_equal(engine.predict(x), without.predict(x))
    assert not np.array_equal(engine.predict(x), engine.step(batches_of(IMAGES)[0]).logits)


@each_engine
def test_predictions_of_a_batch_are_those_of_its_samples(build: Build) -> None:
    engine, x = started(build, IMAGES), batches_of(IMAGES)[0].x
    assert_same(engine.predict(x), np.concatenate([engine.predict(sample[None]) for sample in x]))


@each_engine
def test_predictions_stay_what_they_were(build: Build) -> None:
    engine, batch = started(build, IMAGES), batches_of(IMAGES)[0]
    predicted = engine.predict(batch.x)
    before = predicted.copy()
    engine.step(batch)
    np.testing.assert_array_equal(predicted, before)


@each_engine
def test_predictions_do_not_depend_on_the_order_of_bytes(build: Build) -> None:
    engine, x = started(build, IMAGES), batches_of(IMAGES)[0].x
    np.testing.assert_array_equal(engine.predict(x.astype(x.dtype.newbyteorder(">"))), engine.predict(x))


# Randomness


@contextmanager
def no_random_numbers(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """NumPy's and PyTorch's generators end where they began, and no new one is made.

    Python's own is left out: the checks of annotations draw from it.
    """

    def refuse(*given: Any, **options: Any) -> None:
        raise AssertionError("a generator was made")

    def states() -> tuple[Any, ...]:
        _, words, position, *rest = np.random.get_state(legacy=True)
        return words.tobytes(), position, rest, torch.get_rng_state().numpy().tobytes()

    before = states()
    with patch.context() as each:
        for name in ("default_rng", "Generator", "Philox", "PCG64", "RandomState"):
            each.setattr(np.random, name, refuse)
        each.setattr(torch, "Generator", refuse)
        yield
    assert states() == before


@each_engine
def test_engines_draw_no_random_number(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    state, batches = State(initial_parameters(IMAGES.model)), batches_of(IMAGES)
    with no_random_numbers(monkeypatch):
        engine = build(IMAGES)
        engine.load(state)
        engine.step(batches[0])
        engine.step(batches[1]._replace(masks={}))
        engine.predict(batches[0].x)


# What is NumPy's, and what is PyTorch's


class Spy:
    """A layer that notes how it is called."""

    def __init__(self, layer: Layer) -> None:
        self.layer, self.modes, self.wanted = layer, list[Mode](), list[bool]()

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, Any]:
        self.modes.append(mode)
        return self.layer.forward(params, x, mode)

    def backward(
        self, params: Arrays, cache: Any, dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        self.wanted.append(wants_dx)
        return self.layer.backward(params, cache, dy, wants_dx)


def test_the_input_gradient_of_the_first_layer_is_not_computed() -> None:
    flatten, first, last = (Spy(layer) for layer in (Flatten(), Dense(), Dense()))
    numpy_engine(IMAGES, layers={"0": flatten, "1": first, "4": last}).step(batches_of(IMAGES)[0])
    assert (flatten.wanted, first.wanted, last.wanted) == ([], [False], [True])


def test_layers_are_told_whether_it_is_training() -> None:
    spy, batch = Spy(Dropout(0.3)), batches_of(IMAGES)[0]
    engine = numpy_engine(IMAGES, layers={"3": spy})
    engine.step(batch)
    engine.step(batch._replace(masks={}))
    engine.predict(batch.x)
    assert [mode.training for mode in spy.modes] == [True, True, False]
    assert [mode.mask is batch.masks["3"] for mode in spy.modes] == [True, False, False]


def test_a_replaced_layer_is_the_one_that_computes() -> None:
    engine = numpy_engine(SQUARE, layers={"2": Changed(Dense(), y=lambda y: y * 0)})
    engine.load(State(initial_parameters(SQUARE.model)))
    assert not engine.step(batches_of(SQUARE)[0]).outputs["3"].any()


class Answering:
    """A layer of which one answer is another."""

    def __init__(self, layer: Any, way: str, change: Callable[[Any], Any]) -> None:
        self.forward, self.backward = layer.forward, layer.backward
        setattr(self, way, lambda *asked: change(getattr(layer, way)(*asked)))


@pytest.mark.parametrize(
    ("place", "way", "change", "told"),
    [
        ("1", "running", lambda new: {"mean": new["running_mean"]},
         "`running` must give the new values of `running_mean`, `running_var`; it gives `mean`"),
        ("1", "running", lambda new: new | {"running_var": new["running_var"][:1]},
         r"the new value of `running_var` must have shape \(64,\); it has \(1,\)"),
        ("1", "running", lambda new: None, "`running` must give the running statistics by name; it gives NoneType"),
        ("2", "backward", lambda back: (back[0], {"bias": back[1]["bias"]}),
         "`backward` must give the gradients of `weight`, `bias`; it gives `bias`"),
        ("2", "forward", lambda ahead: ahead[0], r"`forward` must give \(y, cache\); it gives ndarray"),
    ],
)  # fmt: skip
def test_a_wrong_answer_of_a_layer_is_told(place: str, way: str, change: Callable[[Any], Any], told: str) -> None:
    made = recipe([FLATTEN, {"kind": "batch_norm"}, dense(10)], data={"source": "digits"})
    layer = build_layer(made.network.nodes[int(place)].spec)
    engine = numpy_engine(made, layers={place: Answering(layer, way, change)})
    with pytest.raises(UserError, match=f"the layer given for `{place}` .*{told}"):
        engine.step(batches_of(made)[0])


@pytest.mark.parametrize("through", [None, ThroughTime(np.zeros(3), np.zeros(3))])
def test_a_wrong_answer_about_time_is_told(through: object) -> None:
    made = recipe([{"kind": "rnn", "units": 4}, dense(10)], data={"source": "palindromes", "length": 4})
    layer = build_layer(made.network.nodes[0].spec)
    engine = numpy_engine(made, layers={"0": Answering(layer, "through_time", lambda _: through)})
    with pytest.raises(
        UserError, match=r"`through_time` must give a ThroughTime|h must have shape \(None, None, None\)"
    ):
        engine.trace(batches_of(made)[0])


def test_the_module_is_an_ordinary_sequential() -> None:
    engine = torch_engine(IMAGES)
    engine.load(State(initial_parameters(IMAGES.model)))
    assert type(engine.module) is nn.Sequential
    assert [type(module) for module in engine.module] == [
        nn.Flatten,
        nn.Linear,
        nn.ReLU,
        nn.Dropout,
        nn.Linear,
    ]
    held = {name: tensor.numpy() for name, tensor in engine.module.state_dict().items()}
    assert_bits(held, engine.state().parameters)
    assert list(held) == list(IMAGES.network.parameters)
    assert all(isinstance(parameter, nn.Parameter) and parameter.is_leaf for parameter in engine.module.parameters())


def test_its_weights_fit_a_module_built_by_hand() -> None:
    engine, x = torch_engine(IMAGES), batches_of(IMAGES)[0].x
    engine.load(State(initial_parameters(IMAGES.model)))
    byhand = nn.Sequential(nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Dropout(0.3), nn.Linear(6, 10)).double().eval()
    byhand.load_state_dict(engine.module.state_dict())
    with torch.no_grad():
        np.testing.assert_array_equal(byhand(torch.tensor(x)).numpy(), engine.predict(x))


def test_weights_loaded_into_the_module_are_the_engines() -> None:
    """The parameters that a user sees are those that the optimizer moves."""
    engine = torch_engine(IMAGES)
    parameters = initial_parameters(IMAGES.model)
    engine.module.load_state_dict({name: torch.tensor(array) for name, array in parameters.items()})
    assert_bits(engine.state().parameters, parameters)
    step = engine.step(batches_of(IMAGES)[0])
    held = {name: tensor.numpy() for name, tensor in engine.module.state_dict().items()}
    assert_bits(held, step.state.parameters)


def test_engines_say_which_they_are() -> None:
    assert [build(SQUARE).name for build in (numpy_engine, torch_engine)] == ["numpy", "torch"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_where_there_is_none_is_refused() -> None:
    asked = trained_by(SQUARE, training=SQUARE.training.model_copy(update={"device": "cuda"}))
    with pytest.raises(
        UserError, match=r'training.device = "cuda", and PyTorch finds no CUDA device; use "auto" or "cpu"'
    ):
        torch_engine(asked)


def test_auto_is_the_processor_where_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    chosen = trained_by(SQUARE, training=SQUARE.training.model_copy(update={"device": "auto"}))
    assert torch_engine(chosen).device == "cpu"


def test_shapes_are_checked_while_the_tests_run() -> None:
    """`--jaxtyping-packages` in pyproject.toml says so, and conftest.py leaves functions within functions out."""
    params = {"weight": np.ones((2, 3))}
    for x in (np.ones((4, 3)), np.ones((4, 3))):  # a shape that has passed
        Dense().forward(params, x, TRAINING)
    for _ in range(2):  # a wrong one is found each time
        with pytest.raises(
            jaxtyping.TypeCheckError, match=r"parameters of twofold\.numpy_engine\.dense\.Dense\.forward"
        ):
            Dense().forward(params, np.ones(()), TRAINING)
