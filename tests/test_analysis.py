"""Facts from runs, checked against what the run folder holds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

import twofold
from twofold import analysis
from twofold.api import restore
from twofold.errors import TrainingDivergedError
from twofold.recipe import load_recipe
from twofold.runs import EVIDENCE, Run
from watchers import InterruptsTorch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysis")


@pytest.fixture(scope="module")
def digits(folder: Path) -> Run:
    return twofold.run("digits", overrides={"training.epochs": 2}, out=folder / "digits")


@pytest.fixture(scope="module")
def blobs(folder: Path) -> Run:
    short = {"training.epochs": 4, "training.evaluate_every": 2, "data.samples": 120, "data.validation": 0.1}
    return twofold.run("blobs", overrides=short, out=folder / "blobs")


@pytest.fixture(scope="module")
def failed(folder: Path) -> Run:
    with pytest.raises(TrainingDivergedError):
        twofold.run("moons", overrides={"optimizer.lr": 1e20}, out=folder / "failed")
    return twofold.open_run(folder / "failed")


@pytest.fixture(scope="module")
def interrupted(folder: Path) -> Run:
    with pytest.raises(KeyboardInterrupt):
        twofold.run("digits", overrides={"training.epochs": 3}, out=folder / "cut", watcher=InterruptsTorch(2))
    return twofold.open_run(folder / "cut")


def with_evidence(run: Run, target: Path, **changes: np.ndarray) -> Run:
    """A copy of the run whose evidence is another."""
    shutil.copytree(run.path, target)
    save_file({**run.evidence, **changes}, target / EVIDENCE)
    return Run(target, run.record)


def with_recipe(run: Run, target: Path, before: str, after: str) -> Run:
    """A copy of the run whose recipe is another."""
    shutil.copytree(run.path, target)
    text = (target / "recipe.toml").read_text("utf-8")
    assert before in text
    (target / "recipe.toml").write_text(text.replace(before, after), "utf-8")
    return Run(target, run.record)


# Results


def test_results_are_those_of_the_record(digits: Run) -> None:
    first, second = analysis.results(digits)
    assert (first.engine, second.engine) == ("numpy", "torch")
    for result in (first, second):
        kept = digits.engines[result.engine]
        assert result.finished
        assert result.scores["test_accuracy"] == kept["test_accuracy"]
        assert result.step_microseconds == pytest.approx(kept["seconds"] / kept["steps"] * 1e6)


def test_an_engine_that_did_not_finish_shows_its_last_evaluation(interrupted: Run) -> None:
    done, cut = analysis.results(interrupted)
    assert (done.engine, done.finished, cut.engine, cut.finished) == ("numpy", True, "torch", False)
    history = interrupted.history
    last = history[history["engine"] == "torch"].iloc[-1]
    assert cut.steps == last["step"] > 0
    assert cut.scores["train_loss"] == last["train_loss"]
    assert analysis.agreement(interrupted) is None
    assert analysis.times(interrupted) is None
    assert list(analysis.predicted(interrupted)) == ["numpy"]


def test_a_run_that_failed_at_once_has_points_and_nothing_learned(failed: Run) -> None:
    (only,) = analysis.results(failed)
    assert (only.steps, only.step_microseconds, only.finished) == (0, None, False)
    assert only.scores["validation_loss"] is None
    assert analysis.curves(failed) == []
    assert analysis.confusion(failed) == []
    assert analysis.gaps(failed) == []
    assert sorted(analysis.points(failed)) == ["test", "train"]


def test_a_run_without_evidence_has_no_facts_from_it(failed: Run, tmp_path: Path) -> None:
    shutil.copytree(failed.path, tmp_path / "bare")
    (tmp_path / "bare" / EVIDENCE).unlink()
    bare = Run(tmp_path / "bare", failed.record)
    assert analysis.evidence(bare) == {}
    assert analysis.points(bare) == {}
    assert analysis.previews(bare) == []
    assert analysis.held_out_shares(bare) is None


@pytest.mark.parametrize(("wrong", "within_one"), [(0, True), (1, True), (2, False), (5, False)])
def test_agreement_counts_samples(digits: Run, tmp_path: Path, wrong: int, within_one: bool) -> None:
    target = digits.evidence["target"]
    broken = target.copy()
    broken[:wrong] = (broken[:wrong] + 1) % 10
    run = with_evidence(digits, tmp_path / "run", **{"numpy.predicted": target, "torch.predicted": broken})
    agreed = analysis.agreement(run)
    assert agreed is not None
    assert agreed.right == {"numpy": len(target), "torch": len(target) - wrong}
    assert (agreed.split, agreed.samples, agreed.difference, agreed.different) == ("test", 359, wrong, wrong)
    assert agreed.within_one is within_one


def test_as_many_right_samples_may_be_different_ones(digits: Run, tmp_path: Path) -> None:
    target = digits.evidence["target"]
    first, second = target.copy(), target.copy()
    first[0], second[1] = (first[0] + 1) % 10, (second[1] + 1) % 10
    run = with_evidence(digits, tmp_path / "run", **{"numpy.predicted": first, "torch.predicted": second})
    agreed = analysis.agreement(run)
    assert agreed is not None
    assert (agreed.difference, agreed.different) == (0, 2)


def test_times_name_the_faster_engine(digits: Run) -> None:
    engines = {
        "numpy": digits.engines["numpy"] | {"seconds": 2.0},
        "torch": digits.engines["torch"] | {"seconds": 9.0},
    }
    timed = analysis.times(replace(digits, record={**digits.record, "engines": engines}))
    assert timed == analysis.Times("numpy", "torch", 4.5)


def test_gap_is_to_validation_where_there_is_one(digits: Run, blobs: Run) -> None:
    for run in (digits, blobs):
        for gap in analysis.gaps(run):
            kept = run.engines[gap.engine]
            assert gap.split == "validation"
            assert gap.size == kept["train_accuracy"] - kept["validation_accuracy"]


def test_the_most_frequent_class_is_counted_among_the_held_out(digits: Run) -> None:
    shares = analysis.held_out_shares(digits)
    assert shares is not None
    assert shares.sum() == pytest.approx(1)
    assert shares[3] == (digits.evidence["target"] == 3).mean()


# Confusion


def test_confusion_counts_true_rows_and_predicted_columns(digits: Run) -> None:
    target, found = digits.evidence["target"], digits.evidence["numpy.predicted"]
    matrix = analysis.confusion(digits)[0]
    for i, j in [(0, 0), (3, 5), (9, 7), (8, 1)]:
        assert matrix.counts[i, j] == ((target == i) & (found == j)).sum()
    assert matrix.wrong == (target != found).sum() > 0
    np.testing.assert_allclose(matrix.percent.sum(axis=1), 100)


def test_worst_confusions_are_shares_of_the_true_class(digits: Run, tmp_path: Path) -> None:
    target = digits.evidence["target"]
    found = target.copy()
    found[np.flatnonzero(target == 4)[:3]] = 9
    found[np.flatnonzero(target == 7)[:1]] = 1
    run = with_evidence(digits, tmp_path / "run", **{"numpy.predicted": found, "torch.predicted": found})
    (matrix,) = analysis.confusion(run)
    fours, sevens = ((target == c).sum() for c in (4, 7))
    assert matrix.engines == ("numpy", "torch")
    assert matrix.worst() == [analysis.Mistake("4", "9", 3, fours), analysis.Mistake("7", "1", 1, sevens)]
    assert matrix.worst()[0].percent == pytest.approx(300 / fours)
    assert matrix.worst(1) == matrix.worst()[:1]


def test_engines_that_differ_have_a_matrix_each(digits: Run, tmp_path: Path) -> None:
    other = (digits.evidence["torch.predicted"] + 1) % 10
    run = with_evidence(digits, tmp_path / "run", **{"torch.predicted": other})
    assert [matrix.engines for matrix in analysis.confusion(run)] == [("numpy",), ("torch",)]


def test_no_mistakes_no_worst(digits: Run, tmp_path: Path) -> None:
    target = digits.evidence["target"]
    run = with_evidence(digits, tmp_path / "run", **{"numpy.predicted": target, "torch.predicted": target})
    (matrix,) = analysis.confusion(run)
    assert (matrix.wrong, matrix.worst()) == (0, [])


# Curves


def test_curves_are_the_history(blobs: Run) -> None:
    found = analysis.curves(blobs)
    assert [(c.engine, c.split) for c in found] == [
        (engine, split) for engine in ("numpy", "torch") for split in ("train", "validation", "test")
    ]
    history = blobs.history[blobs.history["engine"] == "torch"]
    np.testing.assert_array_equal(found[-1].loss, history["test_loss"])
    np.testing.assert_array_equal(found[-1].x, [0, 2, 4])
    assert analysis.counted(blobs) == "epoch"


def test_curves_count_steps_where_the_recipe_does(tmp_path: Path) -> None:
    steps = {"training.steps": 30, "training.evaluate_every": 10}
    run = twofold.run("digits", overrides=steps, engines=["numpy"], out=tmp_path / "run")
    assert analysis.counted(run) == "step"
    assert [curve.x.tolist() for curve in analysis.curves(run)] == [[0, 10, 20, 30]] * 3
    assert analysis.distance(analysis.curves(run)) is None


def test_lowest_loss_and_distance() -> None:
    x = np.arange(4.0)
    first = analysis.Curve("numpy", "test", x, np.array([3.0, 1.0, np.nan, 2.0]), np.array([0.1, 0.5, 0.5, 0.6]))
    second = analysis.Curve("torch", "test", x[:3], np.array([3.0, 1.25, 9.0]), np.array([0.1, 0.5, 0.4]))
    assert analysis.lowest_loss(first) == analysis.Lowest("numpy", "test", 1.0, 1.0, 3.0, 2.0)
    assert analysis.lowest_loss(replace(first, loss=np.full(4, np.nan))) is None
    apart = analysis.distance([first, second])
    assert apart is not None
    assert (apart.loss, apart.accuracy) == (0.25, pytest.approx(0.1))


# Points


def test_boundary_is_what_the_restored_engine_answers(blobs: Run) -> None:
    for engine in ("numpy", "torch"):
        found = analysis.boundary(blobs, engine, size=20)
        points = np.concatenate([split.x for split in analysis.points(blobs).values()])
        assert found.x[0] < points[:, 0].min() < points[:, 0].max() < found.x[-1]
        assert found.y[0] < points[:, 1].min() < points[:, 1].max() < found.y[-1]
        np.testing.assert_allclose(found.shares.sum(axis=-1), 1)
        at = np.array([[found.x[3], found.y[11]]], np.float32)
        outputs = restore(blobs, engine).predict(at)[0]
        assert found.shares[11, 3].argmax() == outputs.argmax()
        ordered = np.sort(outputs)
        assert found.margins[11, 3].max() == pytest.approx(ordered[-1] - ordered[-2], rel=1e-4)
        assert (found.margins > 0).sum() == 20 * 20


def test_a_run_made_with_cuda_is_restored_anywhere(blobs: Run, tmp_path: Path) -> None:
    moved = with_recipe(blobs, tmp_path / "run", 'device = "auto"', 'device = "cuda"')
    np.testing.assert_array_equal(
        analysis.boundary(moved, "torch", size=5).margins, analysis.boundary(blobs, "torch", size=5).margins
    )


def test_points_are_the_splits(blobs: Run, digits: Run) -> None:
    sizes = {split: len(samples) for split, samples in analysis.points(blobs).items()}
    assert sizes == blobs.record["data"]["samples"]
    assert analysis.points(digits) == {}


# Images


def test_templates_are_rows_of_the_first_weight(digits: Run, blobs: Run) -> None:
    found = analysis.templates(digits, "torch")
    assert found is not None
    assert found.shape == (64, 8, 8)
    np.testing.assert_array_equal(found[7].ravel(), digits.weights("torch")["1.weight"][7])
    assert analysis.templates(blobs, "torch") is None


def test_no_templates_where_the_first_layer_sees_rows_only(digits: Run, tmp_path: Path) -> None:
    layers = [{"kind": "dense", "units": 3}, {"kind": "flatten"}, {"kind": "dense", "units": 10}]
    run = twofold.run(
        "digits", overrides={"layers": layers, "training.epochs": 1}, engines=["numpy"], out=tmp_path / "run"
    )
    assert analysis.templates(run, "numpy") is None


def test_previews_hold_probabilities_from_before_and_after(digits: Run, blobs: Run) -> None:
    first, second = analysis.previews(digits)
    assert (first.engine, second.engine, first.measure) == ("numpy", "torch", "probability")
    np.testing.assert_array_equal(first.images, digits.evidence["preview"][:, 0])
    np.testing.assert_array_equal(first.target, digits.evidence["target"][:5])
    for values in (first.before, first.after):
        np.testing.assert_allclose(values.sum(axis=1), 1)
    np.testing.assert_allclose(
        np.log(first.after[:, 1:] / first.after[:, :1]),
        np.diff(digits.evidence["numpy.after"].astype(np.float64), axis=1).cumsum(axis=1),
        rtol=1e-6,
    )
    assert first.after.max(axis=1).mean() > first.before.max(axis=1).mean()
    assert analysis.previews(blobs) == []


def test_outputs_of_a_squared_error_are_not_called_probabilities() -> None:
    plain = load_recipe("digits", {"loss.kind": "mean_squared"})
    assert analysis.probabilities(plain, np.ones((2, 10))) is None
    ended = load_recipe(
        "moons",
        {
            "loss.kind": "mean_squared",
            "layers": [
                {"kind": "dense", "units": 2},
                {"kind": "softmax"},
            ],
        },
    )
    outputs = np.array([[0.25, 0.75]])
    np.testing.assert_array_equal(analysis.probabilities(ended, outputs), outputs)


# The dimensions of a training step


def shapes(text: str) -> Iterator[tuple[str, ...]]:
    for group in re.findall(r"\(([^)]*)\)", text):
        yield tuple(size.strip() for size in group.split(",") if size.strip())


def test_products_of_a_dense_layer_fit_together() -> None:
    network = load_recipe("mnist-mlp").network
    first, last = (step for step in analysis.layer_steps(network) if step.node.parameters)
    assert [equation for equation, _ in first.backward] == ["dW = dyᵀ x", "db = Σₙ dy"]
    assert [equation for equation, _ in last.backward] == ["dW = dyᵀ x", "db = Σₙ dy", "dx = dy W"]
    for step, products in ((first, (0,)), (last, (0, 2))):
        lines = [step.forward[0], *(step.backward[i] for i in products)]
        for _, text in lines:
            a, b, *bias, result = shapes(text)
            assert a[-1] == b[0]
            assert result == (a[0], b[-1])
            assert all(term == b[-1:] for term in bias)
        weight = tuple(str(size) for size in step.node.parameters["weight"])
        assert list(shapes(step.backward[0][1]))[-1] == weight


def test_only_layers_after_the_first_parameters_want_a_gradient_of_their_input() -> None:
    steps = analysis.layer_steps(load_recipe("digits").network)
    assert [type(step.node.spec).__name__.lower() for step in steps] == ["flatten", "dense", "relu", "dense"]
    assert [step.wants_dx for step in steps] == [False, False, True, True]
    assert steps[0].backward == []


@pytest.mark.parametrize("kind", ["relu", "sigmoid", "tanh", "softmax", {"kind": "dropout", "p": 0.25}])
def test_every_layer_kind_has_its_equations(kind: str | dict[str, Any]) -> None:
    layer = {"kind": kind} if isinstance(kind, str) else kind
    network = load_recipe(
        "moons",
        {"layers": [{"kind": "dense", "units": 4, "bias": False}, layer, {"kind": "dense", "units": 2}]},
    ).network
    first, middle, _ = analysis.layer_steps(network)
    ((y, forward),), ((dx, backward),) = middle.forward, middle.backward
    assert y.startswith("y = ")
    assert dx.startswith("dx = ")
    assert forward == backward == "(N, 4) → (N, 4)"
    assert first.forward == [("y = x Wᵀ", "(N, 2) · (2, 4) → (N, 4)")]


@pytest.mark.parametrize("kind", ["cross_entropy", "mean_squared"])
def test_the_loss_is_divided_only_where_it_is_a_mean(kind: str) -> None:
    for reduction, divided in (("mean", True), ("sum", False)):
        step = analysis.loss_step(load_recipe("moons", {"loss.kind": kind, "loss.reduction": reduction}))
        assert step.kind == kind
        assert ("1/" in step.forward[0]) is divided
        assert ("/ N" in step.backward[0] or "/ (N C)" in step.backward[0]) is divided
        assert step.backward[1] == "() → (N, 2)"
