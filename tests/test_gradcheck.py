"""Central differences confirm the gradients of healthy engines, and name the wrong ones of broken ones."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cases import FLATTEN, RELU, SIGMOID, SOFTMAX, TANH, THIRD, assert_bits, dense, recipe
from engines import numpy_engine, torch_engine
from faults import DROPS, FAULTS, LOOKED, SQUARE, Fault, Reporting, batches_of
from twofold.cli.output import print_json
from twofold.engine import Engine, State
from twofold.engine.initial import initial_parameters
from twofold.proof import gradcheck
from twofold.proof.gradcheck import TOLERANCE, Projection, beside, check_gradients
from twofold.proof.lockstep import Verdict
from twofold.proof.verify import Verification
from twofold.recipe import Recipe

HEALTHY = {
    "tanh": SQUARE,
    "dropout": DROPS,
    "softmax and squares": recipe([dense(4), TANH, dense(3), SOFTMAX], loss={"kind": "mean_squared"}),
    "summed squares": recipe([dense(4), SIGMOID, dense(3)], loss={"kind": "mean_squared", "reduction": "sum"}),
    "without biases": recipe([dense(4, bias=False), TANH, dense(2, bias=False)]),
    "every kind": recipe(
        [FLATTEN, dense(9), RELU, THIRD, dense(8), TANH, dense(7), SIGMOID, dense(10), SOFTMAX],
        data={"source": "digits"},
    ),
    "through time": recipe(
        [{"kind": "gru", "units": 4, "output": "every"}, {"kind": "lstm", "units": 3}, dense(10)],
        data={"source": "palindromes", "length": 6},
    ),
    "an embedding, and a vanilla network": LOOKED,
    "embedded columns": recipe(
        [{"kind": "embed_columns", "num_embeddings": [6, 4], "units": [3, 2]}, dense(7), TANH, dense(3)], inputs=5
    ),
    "clipped and decayed, which the gradients do not show": recipe(
        [dense(4), TANH, dense(2)], optimizer={"kind": "adam", "max_norm": 1e-3, "weight_decay": 0.5}
    ),
}
ALL = {"0.weight", "0.bias", "2.weight", "2.bias", "4.weight", "4.bias"}


def wrong(engine: Engine, recipe: Recipe, seed: int = 0) -> set[str]:
    found = check_gradients(engine, State(initial_parameters(recipe.model)), batches_of(recipe)[0], seed)
    return {projection.name for projection in found if not projection.size <= TOLERANCE}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("build", [numpy_engine, torch_engine], ids=["numpy", "torch"])
def test_healthy_gradients_are_confirmed(build: Callable[[Recipe], Engine], name: str, seed: int) -> None:
    assert wrong(build(HEALTHY[name]), HEALTHY[name], seed) == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss gradient not divided by the batch", ALL),
        ("loss gradient 32 times too large under Adam", ALL),
        ("bias gradient averaged in the first layer", {"0.bias"}),
        ("bias gradient averaged in the last layer", {"4.bias"}),
        ("weight gradient transposed", {"2.weight"}),
        ("input gradient transposed", {"0.weight", "0.bias"}),
        ("tanh' as 1 - y", {"0.weight", "0.bias", "2.weight", "2.bias"}),
        ("sigmoid' as 1 - y", {"0.weight", "0.bias"}),
        ("softmax' without its sum", {"0.weight", "0.bias", "2.weight", "2.bias"}),
        ("relu lets every gradient pass", {"0.weight", "0.bias"}),
        ("dropout lets every gradient pass", {"0.weight", "0.bias"}),
        ("squared error's gradient not divided by the batch", {"0.weight", "0.bias", "2.weight", "2.bias"}),
        ("dh not passed through time", {"0.weight_ih", "0.weight_hh", "0.bias_ih", "0.bias_hh"}),
        ("W_hh transposed on the way back", {"0.weight_ih", "0.weight_hh", "0.bias_ih", "0.bias_hh"}),
        ("dW_hh of the step's own state", {"0.weight_hh"}),
        ("lstm, the memory's gradient forgotten", {"0.weight_ih", "0.weight_hh", "0.bias_ih", "0.bias_hh"}),
        ("gru, one gradient for both products", {"0.weight_ih", "0.weight_hh", "0.bias_ih", "0.bias_hh"}),
        ("embedding, a number that stands twice counted once", {"0.weight"}),
    ],
)
def test_wrong_gradients_are_named(name: str, expected: set[str]) -> None:
    fault: Fault = FAULTS[name]
    assert wrong(fault.plant(fault.recipe), fault.recipe) == expected


def spoil(name: str, element: float) -> Any:
    def change(gradients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        spoiled = gradients[name].copy()
        spoiled.flat[0] = element
        return {**gradients, name: spoiled}

    return change


@pytest.mark.parametrize("element", [0.0, 1.0, math.nan, math.inf])
@pytest.mark.parametrize("build", [numpy_engine, torch_engine], ids=["numpy", "torch"])
def test_one_wrong_element_is_named(build: Callable[[Recipe], Engine], element: float) -> None:
    assert wrong(Reporting(build(SQUARE), gradients=spoil("2.weight", element)), SQUARE) == {"2.weight"}


def test_a_fault_of_the_update_is_none_of_the_gradient() -> None:
    """What central differences cannot see, and lock-step does."""
    fault = FAULTS["Adam's eps before the bias correction"]
    assert wrong(fault.plant(fault.recipe), fault.recipe) == set()


@pytest.mark.parametrize("build", [numpy_engine, torch_engine], ids=["numpy", "torch"])
def test_the_engine_is_left_at_the_state(build: Callable[[Recipe], Engine]) -> None:
    engine, state = build(SQUARE), State(initial_parameters(SQUARE.model))
    check_gradients(engine, state, batches_of(SQUARE)[0])
    assert_bits(engine.state().parameters, state.parameters)
    assert engine.state().updates == 0


def test_a_unit_that_turns_between_two_points_accuses_no_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ReLU 3e-7 from its kink turns at the first ε, whose difference mixes two slopes, and not at the smaller one."""
    turning = recipe([dense(1), RELU, dense(2)])
    engine, state, (batch, *_) = numpy_engine(turning), State(initial_parameters(turning.model)), batches_of(turning)
    tried = beside(state).parameters
    (w,), (b,) = tried["0.weight"], tried["0.bias"]
    x = (3e-7 - b) * w / (w @ w)  # w x + b = 3e-7
    batch = batch._replace(x=x[None], target=batch.target[:1])
    assert all(projection.size <= TOLERANCE for projection in check_gradients(engine, state, batch))
    monkeypatch.setattr(gradcheck, "TRIES", gradcheck.TRIES[:1])
    assert {p.name for p in check_gradients(engine, state, batch) if p.size > TOLERANCE} == {"0.bias"}


def test_every_parameter_is_projected_in_order() -> None:
    found = check_gradients(
        numpy_engine(SQUARE),
        State(initial_parameters(SQUARE.model)),
        batches_of(SQUARE)[0],
    )
    assert [projection.name for projection in found] == list(SQUARE.network.parameters)


@pytest.mark.parametrize(
    ("computed", "measured", "size"),
    [
        (2.0, 1.0, 0.5),
        (-1.0, 1.0, 2.0),
        (0.0, 1e-6, 1e-3),
        (0.0, 0.0, 0.0),
    ],
)
def test_the_size_is_relative_with_a_floor(computed: float, measured: float, size: float) -> None:
    assert Projection("0.weight", computed, measured).size == pytest.approx(size)


@pytest.mark.parametrize(("computed", "measured"), [(math.nan, 1.0), (1.0, math.nan)])
def test_the_size_of_nan_is_nan(computed: float, measured: float) -> None:
    assert math.isnan(Projection("0.weight", computed, measured).size)


@pytest.mark.parametrize("sizes", [(math.nan, 0.0), (0.0, math.nan)])
def test_a_nan_among_central_differences_is_null_in_json(sizes: tuple[float, float]) -> None:
    """Wherever it stands."""
    projections = tuple(Projection(f"{place}.weight", 1.0, 1.0 + size) for place, size in enumerate(sizes))
    verdict = Verdict(1, 1e-9, {"loss": 0.0}, None)
    verification = Verification("moons", "resync", "float64", "real", verdict, projections)
    assert math.isnan(verification.gradient_gap or 0.0)
    told = json.loads(json.dumps(verification.to_json(), allow_nan=False))["central_differences"]
    assert told == {"largest": None, "wrong": [f"{sizes.index(math.nan)}.weight"]}


def test_what_is_not_finite_is_null_wherever_a_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": [1.5, math.nan, {"b": (math.inf, None, "NaN", True)}]})
    assert json.loads(capsys.readouterr().out) == {"a": [1.5, None, {"b": [None, None, "NaN", True]}]}
