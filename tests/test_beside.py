"""What a run says of its engines when it ends: a short lock-step, and where rounding parted two trainings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest

import twofold
from twofold.analysis import findings
from twofold.proof import beside
from twofold.proof.beside import one_bit_away, parting, short_proof
from twofold.recipe import load_recipe
from twofold.report.sentences import lockstep_sentences, results_sentences
from twofold.runs.agreement import beyond_chance
from twofold.setup.building import initial_state, prepare
from twofold.setup.events import watching

pytestmark = pytest.mark.usefixtures("undrawn")

CHAOTIC = {"optimizer.lr": 20.0, "training.epochs": 60, "training.batch_size": 16}
NORMALIZED = [{"kind": "dense", "units": 4}, {"kind": "batch_norm"}, {"kind": "dense", "units": 2}]


def test_a_run_of_both_engines_holds_a_lockstep(moons_run: twofold.Run) -> None:
    proof = moons_run.record.lockstep
    assert proof is not None
    assert proof.agrees
    assert 0 < max(gap or 0.0 for gap in proof.largest.values()) < 1e-9
    (sentence,) = lockstep_sentences(moons_run)
    assert sentence.startswith("Both compute the same: in lock-step over 3 steps in float64")
    assert sentence in results_sentences(moons_run)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("digits", {}),
        ("palindrome-4", {}),
        ("moons", {"training.batch_size": "full"}),
        ("moons", {"training.batch_size": 32, "training.shards": 4}),
        ("moons", {"data.samples": 81, "training.batch_size": "full", "layers": NORMALIZED}),  # 65 = 2 · 32 + 1 train
    ],
)
def test_the_short_lockstep_agrees(name: str, overrides: dict[str, object]) -> None:
    recipe, dataset = prepare(load_recipe(name, overrides), watching(None))
    assert short_proof(recipe, dataset.astype(recipe.training.dtype)).agrees


@pytest.mark.parametrize("order", ["C", "F"])
def test_one_bit_is_one_bit(order: Literal["C", "F"]) -> None:
    """In Fortran order are orthogonal weights with fewer rows than columns."""
    recipe, dataset = prepare(load_recipe("moons"), watching(None))
    state = initial_state(recipe.model, dataset.train)
    state = replace(state, parameters={name: np.array(p, order=order) for name, p in state.parameters.items()})
    moved = one_bit_away(state, "float32")
    changed = [
        name
        for name in state.parameters
        if not np.array_equal(moved.parameters[name], np.float32(state.parameters[name]))
    ]
    assert changed == ["0.weight"]
    a, b = np.float32(state.parameters["0.weight"]), moved.parameters["0.weight"]
    assert b[0, 0] == np.nextafter(a[0, 0], np.float32(np.inf))
    assert (a != b).sum() == 1


def test_a_wild_training_parts_by_rounding_and_the_engines_agree_there() -> None:
    recipe, dataset = prepare(load_recipe("moons", CHAOTIC), watching(None))
    steps = list[int]()
    parted = parting(recipe, dataset.astype("float32"), steps.append)
    assert parted is not None
    assert steps == list(range(1, parted.step + 1))
    assert parted.step > 3
    assert parted.gap > 0.01
    assert parted.growth > 1
    assert parted.lockstep.agrees


class Holding:
    """An engine with these parameters."""

    def __init__(self, *numbers: float) -> None:
        self.parameters = {"a": np.zeros(2), "b": np.array(numbers)}

    def state(self) -> Any:
        return self


def test_a_nan_in_either_engine_is_no_distance_of_zero() -> None:
    whole, broken = Holding(1.0, 2.0), Holding(1.0, np.nan)
    assert beside._largest_distance(cast(Any, whole), cast(Any, whole)) == 0  # pyright: ignore[reportPrivateUsage]
    for pair in ((whole, broken), (broken, whole)):
        assert np.isnan(beside._largest_distance(*cast(Any, pair)))  # pyright: ignore[reportPrivateUsage]


def test_a_calm_training_does_not_part() -> None:
    recipe, dataset = prepare(load_recipe("moons", {"training.epochs": 3}), watching(None))
    assert parting(recipe, dataset.astype("float32"), lambda step: None) is None


@pytest.mark.parametrize(
    ("alone", "other", "beyond"), [(0, 0, False), (9, 0, False), (10, 0, True), (60, 40, False), (70, 30, True)]
)
def test_beyond_chance(alone: int, other: int, beyond: bool) -> None:
    assert beyond_chance(alone, other) is beyond


def test_a_parting_stands_in_the_record_and_in_the_analysis(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the answers, so that the way from the training to the sentence is gone."""
    monkeypatch.setattr("twofold.train.proved.beyond_chance", lambda alone, other: True)
    monkeypatch.setattr("twofold.analysis.rules.engines.beyond_chance", lambda alone, other: True)
    run = twofold.run("moons", overrides=CHAOTIC, out=tmp_path / "run")
    assert run.record.parted is not None
    assert run.record.parted.lockstep.agrees
    kinds = {finding.kind for finding in findings(run)}
    assert "parted_by_rounding_proved" in kinds
    assert "better" not in kinds
    twofold.write_report(run)
    assert f"parted by rounding at step {run.record.parted.step:,}" in run.report.read_text("utf-8")
