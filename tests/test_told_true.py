"""Trainings of which the analysis once said something untrue, or nothing: what is said of each now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from twofold.analysis import findings
from twofold.data import Dataset, Split
from twofold.data.limits import limits
from twofold.recipe import loads


def _kinds(folder: Path, text: str, **overrides: Any) -> dict[str, bool]:
    recipe = twofold.load_recipe(loads(text, str(folder / "r.toml")), {"training.engines": ["numpy"], **overrides})
    with np.errstate(all="ignore"):
        run = twofold.run(recipe, out=folder / "run")
    return {finding.kind: finding.fault for finding in findings(run)}


def _network(units: int, classes: int) -> str:
    return (
        f'layers = [{{ kind = "dense", units = {units} }}, {{ kind = "relu" }}, '
        f'{{ kind = "dense", units = {classes} }}]\n'
    )


def _table(folder: Path, rows: list[str]) -> str:
    (folder / "t.csv").write_text("a,b,kind\n" + "\n".join(rows) + "\n")
    return f'[data]\nsource = "csv"\npath = \'{folder}/t.csv\'\nlabel = "kind"\n'


def test_equal_rows_of_two_classes_set_the_ceiling(tmp_path: Path) -> None:
    """Of four distinct rows each has a class two times in three: nothing scores above 0.67."""
    rng = np.random.default_rng(0)
    rows = []
    for _ in range(600):
        a, b = rng.integers(2, size=2)
        right = bool(a ^ b)
        rows.append(f"{a},{b},{'yes' if right ^ (rng.random() < 1 / 3) else 'no'}")
    text = _network(16, 2) + _table(tmp_path, rows) + '[optimizer]\nkind = "adam"\nlr = 0.02\n[training]\nepochs = 60\n'
    kinds = _kinds(tmp_path, text)
    assert "close_to_limit" in kinds
    assert not kinds.keys() & {"under_fits", "learned_nothing", "still_learning"}


def test_noise_is_no_under_fitting(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 2))
    right = rng.random(500) < 1 / (1 + np.exp(-1.2 * x[:, 0]))
    rows = [f"{a:.4f},{b:.4f},{'yes' if yes else 'no'}" for (a, b), yes in zip(x, right, strict=True)]
    text = _network(8, 2) + _table(tmp_path, rows) + "[optimizer]\nlr = 0.1\n[training]\nepochs = 40\n"
    assert "under_fits" not in _kinds(tmp_path, text)


def test_a_network_that_is_too_small_still_under_fits(tmp_path: Path) -> None:
    text = (
        '{}[data]\nsource = "circles"\nfactor = 0.4\n[optimizer]\nkind = "adam"\nlr = 0.02\n[training]\nepochs = 60\n'
    )
    kinds = _kinds(tmp_path, text.format('layers = [{ kind = "dense", units = 2 }]\n'))
    assert kinds.keys() & {"under_fits", "learned_nothing"}


def test_without_held_out_rows_it_is_said_that_over_fitting_could_not_be_judged(tmp_path: Path) -> None:
    text = _network(8, 2) + '[data]\nsource = "moons"\ntest = 0\n[training]\nepochs = 5\n'
    assert _kinds(tmp_path, text)["over_fitting_unjudged"] is False


@pytest.mark.parametrize("kind", ["softmax", "sigmoid", "tanh", "relu"])
def test_a_last_layer_that_squashes_is_named(tmp_path: Path, kind: str) -> None:
    layers = f'layers = [{{ kind = "dense", units = 2 }}, {{ kind = "{kind}" }}]\n'
    assert _kinds(tmp_path, layers + '[data]\nsource = "moons"\n[training]\nepochs = 2\n')["squashed"]


def test_a_training_that_is_not_done_says_so_and_how_long_it_would_take(tmp_path: Path) -> None:
    text = _network(8, 3) + '[data]\nsource = "blobs"\n[optimizer]\nlr = 5e-5\n[training]\nepochs = 10\n'
    assert _kinds(tmp_path, text)["still_learning"]


RECURRENT = """
layers = [
    { kind = "rnn", units = 32, gain_hh = GAIN, initial_hh = "orthogonal", nonlinearity = "tanh" },
    { kind = "dense", units = 10 },
]
[data]
source = "palindromes"
length = 15
encoding = "one_hot"
[optimizer]
lr = 0.1
[training]
steps = 100
batch_size = 32
"""


def test_a_recurrent_network_that_explodes_before_training_is_named(tmp_path: Path) -> None:
    kinds = _kinds(tmp_path, RECURRENT.replace("GAIN", "4.0"))
    assert kinds.keys() & {"explodes", "explodes_at_start"}


def test_the_limits_of_samples() -> None:
    x = np.array([[0.0], [0.0], [0.0], [1.0]] * 20)
    y = np.array([0, 0, 1, 1] * 20)
    train = Split(x, y)
    found = limits(Dataset(train, train[:0], train[:40], ("a", "b")))
    assert found.ceiling == 0.75
    assert found.neighbours == 0.75
    images = Split(np.zeros((4, 1, 2, 2), np.uint8), np.array([0, 1, 0, 1]))
    assert limits(Dataset(images, images[:0], images[:0], ("a", "b"))) == (None, None)


def test_a_ceiling_that_takes_too_many_counts_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    train = Split(np.arange(4.0)[:, None], np.array([0, 1, 0, 1]))
    monkeypatch.setattr("twofold.data.limits.MOST_COUNTS", 8)
    assert limits(Dataset(train, train[:0], train[:0], ("a", "b"))).ceiling is None
    monkeypatch.setattr("twofold.data.limits.MOST_COUNTS", 9)
    assert limits(Dataset(train, train[:0], train[:0], ("a", "b"))).ceiling == 1.0


CORPUS = (
    "a feature 10,000 times larger",
    "-999,999 for a missing value",
    "every row alike",
    "raw inputs of 50,000",
    "inputs of 1e-5",
    "tiny weights in three layers",
    "all weights 0, tanh",
    "decay of 1 under Adam",
    "dropout of 0.95 on circles",
    "clipping at 1e-5",
    "60 wines again, with another class",
    "iris in order, with row numbers",
    "iris with a code of the class",
    "diabetes above the median, every row twice",
    "W_hh of gain 2 with relu",
    "digits of 6 as numbers",
    "iris, Adam",
    "diabetes above the median, SGD",
    "owners, Adam",
)
"""Of the trainings of benchmarks/analysis.py, one of each kind that is found in the samples or in the recipe."""


@pytest.mark.parametrize("name", CORPUS)
def test_a_training_of_the_corpus_is_judged_right(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    from analysis import judge
    from corpus import healthy
    from planted import planted

    (training,) = (one for one in [*planted(), *healthy()] if one.name == name)
    with np.errstate(all="ignore"):
        judged = judge(training, tmp_path / "run")
    assert judged.verdict == ("named" if training.cause else "no fault"), judged.faults


def test_the_table_of_the_corpus_is_written() -> None:
    page = (Path(__file__).parents[1] / "docs" / "benchmarks" / "analysis.md").read_text("utf-8")
    assert all(f"| {name} |" in page for name in CORPUS)
    assert "Not right" not in page


def test_a_cause_silences_what_blames_something_else(tmp_path: Path) -> None:
    """Inputs of 50,000 are named, and neither the rate nor the loss that they gave."""
    text = _network(16, 2) + '[data]\nsource = "csv"\npath = "FILE"\nlabel = "kind"\nstandardize = "none"\n'
    rng = np.random.default_rng(0)
    rows = [
        f"{50_000 + 20_000 * a:.0f},{50_000 + 20_000 * b:.0f},{'yes' if a > b else 'no'}"
        for a, b in rng.normal(size=(300, 2))
    ]
    (tmp_path / "t.csv").write_text("a,b,kind\n" + "\n".join(rows) + "\n")
    kinds = _kinds(
        tmp_path, text.replace("FILE", str(tmp_path / "t.csv")) + "[optimizer]\nlr = 0.1\n[training]\nepochs = 10\n"
    )
    assert "inputs_large" in kinds
    assert not kinds.keys() & {"rate_low", "rate_high_by_loss", "diverged", "diverged_by_steps", "weights_large"}
