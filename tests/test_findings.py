"""Runs that were made to have a fault, and runs that have none: what the analysis says of them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

import twofold
from twofold.analysis import Finding, confusion, findings
from twofold.analysis.curves import Curve
from twofold.analysis.rules import STATEMENTS
from twofold.analysis.rules.confusions import poisson_tail
from twofold.analysis.rules.numbers import r_squared_error
from twofold.analysis.rules.turning import turning
from twofold.data import Split
from twofold.engine import Engine, State
from twofold.recipe import Model, Recipe, load_recipe
from twofold.report.findings import sentences
from twofold.report.page import render
from twofold.runs.columns import Columns
from twofold.runs.evidence import evidence
from twofold.runs.record import Record
from twofold.setup import building
from twofold.train import running
from twofold.train.metrics import measured

pytestmark = pytest.mark.usefixtures("undrawn")

FLAT = {"kind": "flatten"}


def dense(*units: int, act: str = "relu") -> list[dict[str, Any]]:
    hidden = [layer for n in units[:-1] for layer in ({"kind": "dense", "units": n}, {"kind": act})]
    return [*hidden, {"kind": "dense", "units": units[-1]}]


LARGE = {"kind": "normal", "std": 30.0}
NOISY = {"data.noise": 0.5, "data.samples": 120, "data.test": 0.5, "training.epochs": 500}
PLANTED: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "a rate that ends in dead units": (
        "digits",
        {"optimizer.lr": 1.0, "training.epochs": 10},
        {"dead"},
    ),
    "a rate that throws the loss up": (
        "moons",
        {"optimizer.lr": 30.0, "training.epochs": 100},
        {"rate_high_by_loss"},
    ),
    "a rate of next to nothing": ("moons", {"optimizer.lr": 1e-6, "training.epochs": 50}, {"rate_low"}),
    "few noisy samples, a large network": (
        "moons",
        {**NOISY, "layers": dense(100, 100, 2), "optimizer": {"kind": "adam", "lr": 0.01}},
        {"over_fits", "turned"},
    ),
    "no hidden layer": ("circles", {"layers": dense(2), "training.epochs": 50}, {"learned_nothing"}),
    "large weights before tanh": (
        "digits",
        {"layers": [FLAT, *dense(32, 32, 10, act="tanh")], "initial": LARGE, "training.epochs": 5},
        {"saturated_at_start", "starts_high"},
    ),
    "five sigmoids": (
        "digits",
        {"layers": [FLAT, *dense(32, 32, 32, 32, 32, 10, act="sigmoid")], "training.epochs": 5},
        {"fades_in_depth"},
    ),
    "twenty digits": ("palindrome-20", {"training.steps": 100}, {"vanishes"}),
    "a loss that is no number": (
        "moons",
        {"optimizer.lr": 1e20, "training.epochs": 3},
        {"diverged_by_steps"},
    ),
    "a rate that saturates tanh": (
        "digits",
        {"layers": [FLAT, *dense(32, 10, act="tanh")], "optimizer.lr": 100.0, "training.epochs": 4},
        {"stuck", "rate_high_by_loss"},
    ),
    "a rate that shuts gates": (
        "palindrome",
        {
            "layers": [{"kind": "lstm", "units": 16}, {"kind": "dense", "units": 10}],
            "optimizer": {"kind": "adam", "lr": 3.0},
            "training.steps": 60,
        },
        {"stuck"},
    ),
    "large weights in fifteen layers of tanh": (
        "digits",
        {
            "layers": [FLAT, *dense(*[32] * 15, 10, act="tanh")],
            "initial": LARGE | {"std": 4.0},
            "optimizer.lr": 1e-4,
            "training.epochs": 2,
        },
        {"grows_in_depth"},
    ),
    "a large W_hh without tanh": (
        "palindrome-10",
        {
            "layers": [
                {"kind": "rnn", "units": 32, "initial_hh": "orthogonal", "gain_hh": 3.0, "nonlinearity": "relu"},
                {"kind": "dense", "units": 10},
            ],
            "optimizer": {"kind": "sgd", "lr": 1e-6},
            "training.steps": 20,
        },
        {"explodes"},
    ),
    "labels drawn at random": (
        "labels.toml",
        {"data.label": "noise", "training.epochs": 200, "training.evaluate_every": 10},
        {"over_fits", "turned"},
    ),
}
LABELS = """
layers = [{ kind = "dense", units = 64 }, { kind = "relu" }, { kind = "dense", units = 4 }]
[data]
source = "csv"
path = "labels.csv"
label = "class"
features = ["x", "y"]
test = 0.4
[optimizer]
kind = "adam"
lr = 0.02
[training]
epochs = 20
"""
"""Four places, one a class; the third and the fourth class are at either's place by chance. `noise` is all chance."""
HEALTHY: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("digits", {}),
    "moons-adam": ("moons-adam", {}),
    "blobs": ("blobs", {"training.epochs": 100}),
    "classification": ("classification", {"training.epochs": 100}),
    "digits, tanh": ("digits", {"layers": [FLAT, *dense(32, 10, act="tanh")]}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a table of two features and two labels."""
    folder, rng = tmp_path_factory.mktemp("findings"), np.random.default_rng(0)
    place = np.repeat(np.arange(4), 60)
    x, y = (place % 2 + rng.normal(0, 0.1, 240), place // 2 + rng.normal(0, 0.1, 240))
    swapped = np.where((place >= 2) & (rng.random(240) < 0.5), 5 - place, place)
    columns = {"x": x, "y": y, "class": list("abcd"), "noise": rng.permutation(place)}
    columns["class"] = np.array(columns["class"])[swapped]
    pd.DataFrame(columns).to_csv(folder / "labels.csv", index=False)
    (folder / "labels.toml").write_text(LABELS, "utf-8")
    return folder


def trained(recipe: str | Recipe, overrides: dict[str, Any], out: Path, engines: Any = "numpy") -> twofold.Run:
    """A run, finished or failed."""
    try:
        return twofold.run(recipe, overrides=overrides, engines=engines, out=out)
    except twofold.TrainingDivergedError:
        return twofold.open_run(out)


def faults(run: twofold.Run) -> set[str]:
    return {finding.kind for finding in findings(run) if finding.fault}


def of_the_run(run: twofold.Run, finding: Finding) -> dict[str, Any]:
    """The numbers that a finding should have, read off the files of the run as their definitions say."""
    n = finding.numbers
    history: Any = run.history
    signals: Any = run.signals
    history = history[history["engine"] == finding.engine].reset_index()
    signals = signals[signals["engine"] == finding.engine]
    units = signals[(signals["layer"] == finding.layer) & (signals["part"] == n.get("gate", "output"))]
    loss, result, wanted = history["train_loss"], run.engines.get(finding.engine, {}), dict[str, Any]()
    if "train" in n:
        wanted |= {"train": result["train_accuracy"]}
    if "held" in n:
        wanted |= {"held": result[f"{n['split']}_accuracy"]}
    if "first" in n:
        wanted |= {"first": loss.iloc[0], "last": loss.iloc[-1]}
    if "highest" in n:
        wanted |= {"highest": n["highest"] if n["highest"] in set(loss) else None}
        wanted |= {"lowest": loss[: loss[loss == n["highest"]].index[0] + 1].min()}
    if "train_then" in n:
        held = history[f"{n['split']}_loss"]
        low = history.loc[held.idxmin()]
        wanted |= {"at": low[n["unit"]], "loss": held.min(), "last": held.iloc[-1]}
        wanted |= {"train_then": low["train_loss"], "train_last": loss.iloc[-1]}
    if "ratio" in n:
        ratio = signals["update"] / signals["weight"]
        ratio = ratio[signals["part"].str.startswith("weight")]
        row = signals.loc[ratio.idxmax()]
        wanted |= {"ratio": ratio.max(), "ratio_step": row["step"], "name": f"{row['layer']}.{row['part']}"}
    if "after" in n:
        wanted |= {"after": units["dead"].iloc[-1]}
        wanted |= {"before": units["dead"].iloc[0]} if "before" in n else {}
    if "share_before" in n and finding.kind != "dead":
        wanted |= {"share_before": units["saturated"].iloc[0]}
    if "carried" in n:
        norms = evidence(run)[f"{finding.engine}.flow.{finding.layer}.gradient"]
        wanted |= {"carried": norms[-1, 0] / norms[-1, -1], "before": norms[0, 0] / norms[0, -1]}
    if "beside" in n:
        weights = signals[signals["part"].str.startswith("weight")].dropna(subset="gradient")
        curves = {key: group["gradient"].to_numpy() for key, group in weights.groupby(["layer", "part"])}
        medians = {key: np.median(curve[curve > 0]) for key, curve in curves.items()}
        here = next(key for key in curves if key[0] == finding.layer and medians[key] == n["here"])
        there = (n["beside"], "weight")
        both = (curves[here] > 0) & (curves[there] > 0)
        wanted |= {"here": medians[here], "there": medians[there]}
        wanted |= {"share": np.median(curves[here][both] / curves[there][both])}
    return wanted


def sound(run: twofold.Run) -> None:
    """Every number is the run's, and every sentence can be written."""
    found = findings(run)
    for finding in found:
        for key, value in of_the_run(run, finding).items():
            same = value if isinstance(value, str) else pytest.approx(value, rel=1e-4)
            assert finding.numbers[key] == same, f"{finding.kind}, {key}"
    for each in sentences(found, ()):
        assert not re.search(r"[{}]|nan|None", each.text)


@pytest.mark.parametrize(("name", "overrides", "planted"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(
    name: str, overrides: dict[str, Any], planted: set[str], tmp_path: Path, folder: Path
) -> None:
    recipe = str(folder / name) if name.endswith(".toml") else name
    run = trained(recipe, overrides, tmp_path / "run")
    assert planted <= faults(run)
    sound(run)


@pytest.mark.parametrize("rises", [True, False])
def test_dead_units_are_put_down_to_the_rate(rises: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a training is chaotic: whether its loss rose far enough to be told by that is each processor's rounding."""
    from twofold.analysis.rules import rates

    monkeypatch.setattr(rates, "risen", lambda _: rises)
    run = trained("digits", PLANTED["a rate that ends in dead units"][1], tmp_path / "run")
    assert {"rate_high_by_loss" if rises else "rate_high_by_units", "dead"} <= faults(run)
    sound(run)


@pytest.mark.parametrize(("name", "overrides"), HEALTHY.values(), ids=HEALTHY)
def test_a_healthy_run_has_no_fault(name: str, overrides: dict[str, Any], tmp_path: Path) -> None:
    run = trained(name, overrides, tmp_path / "run")
    assert not faults(run)
    assert findings(run)
    sound(run)


def test_a_loss_that_is_no_number_before_any_signal_is_told_of(tmp_path: Path) -> None:
    run = without_signals(trained("moons", {"optimizer.lr": 1e20, "training.epochs": 3}, tmp_path / "run"))
    stopped, diverged = [finding for finding in findings(run) if finding.fault]
    assert (stopped.kind, stopped.numbers["step"]) == ("stopped", run.record.failure.step)
    assert diverged.kind == "diverged"


def test_units_that_begin_asleep_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Biases of −10 before a ReLU."""

    def asleep(model: Model, train: Split) -> State:
        state = building.initial_state(model, train)
        return State(dict(state.parameters) | {"1.bias": np.full_like(state.parameters["1.bias"], -10.0)})

    monkeypatch.setattr("twofold.train.session.initial_state", asleep)
    run = trained("digits", {"training.epochs": 3}, tmp_path / "run")
    (finding,) = [finding for finding in findings(run) if finding.kind == "dead"]
    assert (finding.numbers["before"], finding.numbers["after"], finding.layer) == (1.0, 1.0, "2")
    assert "learned_nothing" in faults(run)
    sound(run)


def test_classes_that_are_confused_are_named(folder: Path, tmp_path: Path) -> None:
    run = trained(str(folder / "labels.toml"), {}, tmp_path / "run")
    (finding,) = [finding for finding in findings(run) if finding.kind == "confused"]
    n, classes = finding.numbers, run.record.data.classes
    assert {n["true"], n["taken"]} == {"c", "d"}
    true, taken = (np.array(evidence(run)[key]) for key in ("target", "numpy.predicted"))
    assert n["count"] == ((true == classes.index(n["true"])) & (taken == classes.index(n["taken"]))).sum()
    assert n["samples"] == (true == classes.index(n["true"])).sum()
    assert n["wrong"] == (true != taken).sum() == confusion(run)[0].wrong
    assert n["expected"] == pytest.approx(n["wrong"] / 12)


@pytest.mark.parametrize(("count", "mean"), [(0, 1.0), (1, 0.0), (5, 0.3), (9, 4.0), (40, 12.5), (900, 800.0)])
def test_the_tail_of_poissons_distribution_is_that_of_scipy(count: int, mean: float) -> None:
    assert poisson_tail(count, mean) == pytest.approx(poisson.sf(count - 1, mean), abs=1e-12)


def test_mistakes_that_are_spread_evenly_name_no_classes(folder: Path, tmp_path: Path) -> None:
    run = trained(str(folder / "labels.toml"), {"data.label": "noise"}, tmp_path / "run")
    assert "confused" not in {finding.kind for finding in findings(run)}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> twofold.Run:
    """Two engines, the second of which lets its weights decay, which the recipe does not ask for."""

    def built(name: str, recipe: Recipe, group: object) -> Engine:
        decay = {"optimizer.weight_decay": 2.0} if name == "torch" else {}
        return building.build_engine("numpy", load_recipe(recipe, decay))

    monkeypatch.setattr(running, "training_engine", built)
    return trained("digits", {"training.epochs": 5}, tmp_path / "broken", ["numpy", "torch"])


def test_an_engine_that_is_broken_parts_from_the_other_and_is_worse(broken: twofold.Run) -> None:
    found = {finding.kind: finding for finding in findings(broken)}
    weights: Any = broken.signals.pivot_table("weight", ["step", "layer", "part"], "engine").query("part == 'weight'")
    gaps: Any = (weights["numpy"] - weights["torch"]).abs() / weights.max(axis=1)
    n = found["part"].numbers
    assert n["gap"] == pytest.approx(gaps.max())
    assert n["step"] == gaps[gaps > 0.01].index.get_level_values("step").min()
    assert found["better"].engine == "numpy"
    arrays = evidence(broken)
    mine, other = (arrays[f"{engine}.predicted"] == arrays["target"] for engine in ("numpy", "torch"))
    assert (found["better"].numbers["alone"], found["better"].numbers["other"]) == (
        (mine & ~other).sum(),
        (other & ~mine).sum(),
    )
    (text,) = [each.text for each in sentences(findings(broken), ()) if "beyond chance" in each.text]
    assert text.startswith("NumPy alone: it answers better")


def test_engines_that_are_alike_stay_together(moons_run: twofold.Run) -> None:
    kinds = {finding.kind for finding in findings(moons_run)}
    assert kinds & {"together", "alike"}
    assert not {"part", "better"} & kinds


def without_signals(run: twofold.Run) -> twofold.Run:
    """The folder as it was before signals were recorded."""
    (run.path / "signals.csv").unlink()
    record = json.loads((run.path / "record.json").read_text("utf-8"))
    del record["files"]["signals.csv"]
    (run.path / "record.json").write_text(json.dumps(record), "utf-8")
    return twofold.Run(run.path, Record.model_validate(record))


def test_an_older_folder_has_the_sentences_that_need_no_signals(moons_run: twofold.Run, tmp_path: Path) -> None:
    run = without_signals(twofold.Run(shutil.copytree(moons_run.path, tmp_path / "old"), moons_run.record))
    kinds = {finding.kind for finding in findings(run)}
    assert kinds
    needing = {"rate_fits", "rate_low", "dead", "awake", "all_awake", "even_in_depth", "together", "alike", "part"}
    assert not kinds & needing
    page = twofold.write_report(run).read_text("utf-8")
    assert "Gap.</b>" in page
    assert "Update over weight" not in page


def test_of_weights_from_a_file_nothing_is_said_of_training(moons_run: twofold.Run, tmp_path: Path) -> None:
    twofold.export_weights(moons_run, tmp_path / "w.npz")
    run = twofold.import_weights(moons_run, tmp_path / "w.npz", out=tmp_path / "run")
    assert {finding.kind for finding in findings(run)} <= {"confused", "better"}
    page = twofold.write_report(run).read_text("utf-8")
    assert "No fault of training was found" not in page
    assert "No fault of training was found" in render(moons_run).html or faults(moons_run)


FITS = {
    "nothing": (0.55, 0.6, "learned_nothing"),
    "of the training samples alone": (0.7, 0.6, "under_fits"),
    "of the held-out samples alone": (0.55, 0.85, "under_fits"),
    "most": (0.9, 0.9, "learned"),
}
"""Training and test accuracy, of 70 and of 20 samples; 0.5 is a constant answer’s, by chance at most 0.67 and 0.81."""


@pytest.mark.parametrize(("train", "test", "kind"), FITS.values(), ids=FITS)
def test_nothing_is_learned_where_no_accuracy_is_beyond_chance(
    moons_run: twofold.Run, train: float, test: float, kind: str
) -> None:
    """And of the rate no more is said there than the rules on it say."""
    result = moons_run.engines["numpy"] | {"train_accuracy": train, "test_accuracy": test}
    run = twofold.Run(moons_run.path, moons_run.record.changed(engines={"numpy": result}))
    found = {finding.kind: finding for finding in findings(run) if finding.engine == "numpy"}
    assert set(found) & {"learned_nothing", "under_fits", "learned"} == {kind}
    assert ("rate_fits" in found) == (kind == "learned")
    assert ("more training is the first thing to try" in sentences([found[kind]], ())[0].text) == (kind != "learned")


TURNS = {
    "small": (np.linspace(0.4, 0.41, 6), 0.1, "no_turn"),
    "of few samples": (np.linspace(0.4, 0.8, 6), 0.995, "turned_by_few"),
    "both": (np.linspace(0.4, 0.41, 6), 0.995, "no_turn"),
    "neither": (np.linspace(0.4, 0.8, 6), 0.1, "turned"),
    "none": (np.linspace(0.4, 0.3, 6), 0.1, "falls_to_the_end"),
}
"""How the held-out loss ends, the accuracy on 1,000 samples."""


@pytest.mark.parametrize(("end", "accuracy", "kind"), TURNS.values(), ids=TURNS)
def test_why_a_rise_does_not_count(end: Any, accuracy: float, kind: str) -> None:
    loss = np.concatenate([np.linspace(1.4, 0.6, 5), end])
    x, right = np.arange(float(len(loss))), np.full(len(loss), accuracy)
    held, train = Curve("numpy", "test", x, loss, right), Curve("numpy", "train", x, np.linspace(1.4, 0.1, 11), right)
    assert [finding.kind for finding in turning(held, train, "step", 1000)] == [kind]


def test_norms_that_are_recorded_alike_name_no_tensor(moons_run: twofold.Run) -> None:
    run = twofold.Run(moons_run.path, moons_run.record)
    mine = run.recorded_signals.where(run.recorded_signals["engine"] == "numpy").by_name
    other = {**mine, "engine": np.full(len(mine["engine"]), "torch")}
    both = {name: np.concatenate([column, other[name]]) for name, column in mine.items()}
    vars(run)["recorded_signals"] = Columns(both)
    (text,) = [each.text for each in sentences(findings(run), ()) if each.title == "The engines"]
    assert "they differ by less than 10⁻⁵ of themselves" in text
    assert "`" not in text


NUMBERS = np.random.default_rng(0).normal(size=(60, 1))
ERRORS = np.random.default_rng(1).normal(size=(60, 1)) / 2
UNKNOWN = {
    "one row": (NUMBERS[:1], ERRORS[:1]),
    "equal rows": (np.full((4, 2), 0.1), np.ones((4, 2))),
}


@pytest.mark.parametrize(("target", "errors"), UNKNOWN.values(), ids=UNKNOWN)
def test_r_squared_of_targets_that_do_not_vary_has_no_error(target: Any, errors: Any) -> None:
    assert np.isnan(r_squared_error(target, target + errors))


def test_the_error_of_r_squared_is_that_of_the_mean_over_targets() -> None:
    """Whatever their sizes; a target that is the same everywhere has a share without an error."""
    target = np.hstack([NUMBERS, 1e4 * NUMBERS[::-1]])
    answers = target + np.hstack([ERRORS, ERRORS])
    low, high = measured("regression", answers, target)["r2"][1:]
    error = r_squared_error(target, answers)
    assert error == pytest.approx((high - low) / 3.92, rel=0.15)
    both = [np.hstack([y, np.full((60, 1), 0.1)]) for y in (target, answers)]
    assert r_squared_error(*both) == pytest.approx(error * 2 / 3)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_few_numbers_held_out_end_in_no_error(rows: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    recipe = {
        "data": {"source": "arrays", "shape": [2], "numbers": ["y"], "test": rows / 40},
        "layers": dense(8, 1),
        "loss": {"kind": "mean_squared"},
        "optimizer": {"kind": "adam", "lr": 0.05},
        "training": {"epochs": 20, "engines": ["numpy"]},
    }
    run = twofold.run(Recipe.model_validate(recipe), data=(x, x[:, :1]), out=tmp_path / "run")
    assert not {finding.kind for finding in findings(run)} & {"numbers_over_fitted", "numbers_no_gap"}
    assert "inf" not in " ".join(sentence.text for sentence in sentences(findings(run), ()))


def test_a_loss_that_is_no_number_before_the_first_step_is_told_of_and_no_rate_blamed(tmp_path: Path) -> None:
    run = trained("moons", {"initial": {"kind": "normal", "std": 1e38}, "training.epochs": 2}, tmp_path / "run")
    assert run.record.failure is not None
    assert run.record.failure.step == 0
    assert {"stopped"} <= faults(run)
    assert not {"diverged", "diverged_by_steps"} & faults(run)


LOSSES = {"split": "test", "unit": "step", "at": 3.0, "loss": 0.5, "last": 0.6, "train_then": 0.4, "train_last": 0.3}
ACCURACIES = {"split": "test", "train": 0.5, "held": 0.25, "gap": 0.25, "error": 0.05, "base": 0.5, "share": 0.1}
ANEW = ACCURACIES | LOSSES | {"first": 0.9, "falling": False, "others": 1000}
SAID: dict[str, tuple[str, dict[str, Any], str]] = {
    "one sample": ("turned_by_few", LOSSES | {"wrong": 1}, "with 1 sample answered wrong: too few"),
    "several samples": ("turned_by_few", LOSSES | {"wrong": 9}, "with 9 samples answered wrong: too few"),
    "one unit": ("dead", {"after": 1.0, "before": 0.0, "units": 1, "kind": "relu"}, "100% of the 1 unit of layer"),
    "by heart": ("turned", LOSSES, "learned its training samples by heart"),
    "by heart, drawn anew": ("turned", ANEW, "learned what training may draw by heart"),
    "a gap": ("no_gap", ACCURACIES, "Training accuracy is 0.5000 and test accuracy"),
    **{
        f"{kind}, drawn anew": (kind, ANEW, "ccuracy on 1,000 samples drawn like those trained on is 0.5000")
        for kind in ("no_gap", "over_fits", "learned", "under_fits", "learned_nothing")
    },
}


@pytest.mark.parametrize(("kind", "numbers", "expected"), SAID.values(), ids=SAID)
def test_what_is_said_of_numbers(kind: str, numbers: dict[str, Any], expected: str) -> None:
    (each,) = sentences([Finding(STATEMENTS[kind], "numpy", "", numbers)], ())
    assert expected in each.text


def test_every_sentence_has_a_title() -> None:
    assert all(statement.title and statement.sentence for statement in STATEMENTS.values())
