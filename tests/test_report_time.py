"""The gradient through time in the report: what is said follows from what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import twofold
from apart import Apart
from test_report import Page, page
from twofold.analysis import TimeFlow, time_flows
from twofold.report.figures.through_time import flow_caption, flow_picture
from twofold.report.text import decimal
from twofold.runs import Run

MOMENTS = 4


def flow(gradient: list[float], engine: str = "numpy", kind: str = "rnn", saturated: float = 0.25) -> TimeFlow:
    """The same at every moment."""
    gates = {"rnn": ("h",), "lstm": ("i", "f", "g", "o")}[kind]
    every = np.tile(gradient, (MOMENTS, 1))
    size = np.full((MOMENTS, len(gates)), 1.5)
    return TimeFlow(engine, "0", kind, gates, np.arange(MOMENTS), every, np.full_like(every, saturated), size, 2 * size)


@pytest.mark.parametrize(
    ("gradient", "verdict", "factor"),
    [
        ([1e-6, 1e-4, 1e-2, 1.0], "vanishes", "0.01"),
        ([0.0099, 0.1, 1.0], "vanishes", "0.0995"),
        ([0.0101, 0.1, 1.0], "is carried", "0.1"),
        ([1.0, 1.0, 1.0], "is carried", "1"),
        ([99.0, 1.0], "is carried", "99"),
        ([400.0, 20.0, 1.0], "explodes", "20"),
        ([0.0, 0.5, 1.0], "vanishes", "0"),
        ([0.3], "is carried", "1"),
    ],
)
def test_the_verdict_follows_from_the_norms(gradient: list[float], verdict: str, factor: str) -> None:
    found = flow(gradient)
    assert found.verdict(0) == verdict
    said = f"goes from {decimal(gradient[-1])} at step {len(gradient)} to {decimal(gradient[0])} at step 1, "
    assert f"{said}a factor of {factor} a step: the gradient {verdict}." in flow_caption([found])


def test_no_gradient_at_the_last_step_is_said() -> None:
    found = flow([0.0, 0.0])
    assert found.verdict(0) == "does not arrive"
    assert "Before training no gradient reaches the last step." in flow_caption([found])


def test_the_matrix_and_the_saturation_are_named() -> None:
    caption = flow_caption([flow([1.0, 1.0])])
    assert "W_hh has spectral radius 1.5 and largest singular value 3; 25% of the units are saturated." in caption


def test_gates_are_named_one_by_one_and_have_no_saturation() -> None:
    found = flow([1.0, 1.0], kind="lstm", saturated=np.nan)
    assert not found.has_saturation
    assert "gate by gate: i 1.5 and 3, f 1.5 and 3, g 1.5 and 3, o 1.5 and 3." in flow_caption([found])
    assert [panel.title for panel in flow_picture([found]).panels] == [
        "Gradient of h(t)",
        "What reaches the first step",
        "The matrix W_hh",
    ]


def test_a_layer_that_is_read_at_every_step_gets_no_verdict() -> None:
    caption = flow_caption([replace(flow([1e-6, 1.0]), every=True)])
    assert "at each of them a gradient arrives from there as well." in caption
    assert "vanishes" not in caption


def test_what_is_kept_may_lie_in_the_middle_of_training() -> None:
    found = replace(flow([1.0, 1.0]), gradient=np.array([[1.0, 1.0], [1e-3, 1.0], [5.0, 1.0]]), after=1)
    assert "After training it goes from 1 at step 2 to 0.001 at step 1" in flow_caption([found])


def test_an_overflow_is_no_missing_gradient() -> None:
    assert flow([np.inf, 1.0]).verdict(0) == flow([np.nan, 1.0]).verdict(0) == "overflows"


def test_two_engines_are_compared() -> None:
    caption = flow_caption([flow([1.0, 1.0]), flow([1.0, 1.01], engine="torch")])
    assert "These are NumPy’s numbers; PyTorch’s norms differ from them by at most 0.0099 of their size." in caption


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("time")


SHORT = {"training.steps": 20, "training.evaluate_every": 5, "layers.0.units": 6, "data.test": 50}


@pytest.fixture(scope="module")
def recorded(folder: Path, apart: Apart) -> Run:
    overrides = SHORT | {"training.gradient_flow": True, "training.dtype": "float64"}
    return apart.run("palindrome", overrides=overrides, out=folder / "recorded")


def test_the_page_of_a_recurrent_network(recorded: Run) -> None:
    shown = page(recorded)
    assert "The gradient through time" in shown.words
    for title in ("Gradient of h(t)", "Saturated units", "What reaches the first step", "The matrix W_hh"):
        assert title in shown.words
    numpy, torch = time_flows(recorded)
    first, last = (decimal(float(numpy.gradient[-1][t])) for t in (0, -1))
    assert f"After training it goes from {last} at step 4 to {first} at step 1" in shown.words
    np.testing.assert_allclose(numpy.gradient, torch.gradient, rtol=1e-9)
    assert numpy.step.tolist() == [0, 5, 10, 15, 20]
    for equation in (
        "a = x W_ihᵀ + b_ih",
        "h(t) = tanh(a(t) + c(t))",
        "dh(t−1) = dc(t) W_hh",
        "dW_hh = Σₜ dc(t)ᵀ h(t−1)",
    ):
        assert equation in shown.words


def test_without_a_record_there_are_two_moments(folder: Path, apart: Apart) -> None:
    overrides = SHORT | {"layers.0.kind": "gru", "layers.0.units": 5}
    run = apart.run("palindrome", overrides=overrides, engines="numpy", out=folder / "plain")
    (found,) = time_flows(run)
    assert found.step.tolist() == [0, 20]
    words = page(run).words
    assert "Gradient of h(t)" in words
    assert "What reaches the first step" not in words
    assert "n = tanh(a + r ⊙ c)" in words


def test_an_lstm_says_what_its_gates_do(folder: Path, apart: Apart) -> None:
    layers = [{"kind": "lstm", "units": 5, "output": "every"}, {"kind": "rnn", "units": 4, "nonlinearity": "relu"}]
    overrides = {key: value for key, value in SHORT.items() if not key.startswith("layers")}
    overrides |= {"layers": [*layers, {"kind": "dense", "units": 10}]}
    run = apart.run("palindrome", overrides=overrides, engines="numpy", out=folder / "lstm")
    shown: Page = page(run)
    assert "m(t) = f ⊙ m(t−1) + i ⊙ g" in shown.words
    assert "h(t) = max(a(t) + c(t), 0)" in shown.words
    assert [found.layer for found in time_flows(run)] == ["0", "1"]


def test_other_networks_have_no_such_section(moons_run: Run) -> None:
    assert time_flows(moons_run) == []
    assert "through time" not in Page(twofold.report.page.render(moons_run).html).words
