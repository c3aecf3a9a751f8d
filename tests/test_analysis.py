"""Facts from runs, checked against what the run folder holds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import twofold
from apart import Apart
from twofold import analysis
from twofold.data import mirrored
from twofold.errors import TrainingDivergedError, UserError
from twofold.probe import boundary, maps, steps
from twofold.recipe import load_recipe
from twofold.recipe.layers import Layer
from twofold.runs import EVIDENCE, Run, evidence
from twofold.setup import outputs as network_outputs
from twofold.setup.building import prepare, restore
from twofold.train.evidence import thumbnails
from watchers import InterruptsTorch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("analysis")


@pytest.fixture(scope="module")
def digits(folder: Path, apart: Apart) -> Run:
    return apart.run("digits", overrides={"training.epochs": 2}, out=folder / "digits")


@pytest.fixture(scope="module")
def conv(folder: Path, apart: Apart) -> Run:
    """A small network of every kind that the report draws, on digits."""
    layers = [
        {"kind": "conv2d", "channels": 12, "kernel": 3, "padding": 1},
        {"kind": "batch_norm"},
        {"kind": "relu"},
        {"kind": "max_pool2d", "kernel": 2},
        {"kind": "flatten"},
        {"kind": "dropout", "p": 0.25},
        {"kind": "dense", "units": 10},
    ]
    short = {"layers": layers, "training.epochs": 2, "training.dtype": "float64", "training.batch_size": 64}
    return apart.run("digits", overrides=short, out=folder / "conv")


COLOURS = """
layers = [
    { kind = "conv2d", channels = 4, kernel = 3 },
    { kind = "relu" },
    { kind = "flatten" },
    { kind = "dense", units = 3 },
]
[data]
source = "images"
path = "pictures"
size = 10
validation = 0.2
standardize = "channel"
[training]
epochs = 3
engines = ["numpy"]
flip_test = true
keep = "best"
evaluate_samples = 20
"""


@pytest.fixture(scope="module")
def colours(folder: Path, apart: Apart) -> Run:
    """Photographs of noise, most of them red, green or blue."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 16), ("test", 10)):
        for channel, name in enumerate(("blue", "green", "red")):
            (folder / "pictures" / part / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 200, (10, 10, 3), dtype=np.uint8)
                pixels[..., 2 - channel] += 30
                Image.fromarray(pixels).save(folder / "pictures" / part / name / f"{index:02}.png")
    (folder / "colours.toml").write_text(COLOURS, "utf-8")
    return apart.run(folder / "colours.toml", out=folder / "colours")


@pytest.fixture(scope="module")
def blobs(folder: Path, apart: Apart) -> Run:
    short = {"training.epochs": 4, "training.evaluate_every": 2, "data.samples": 120, "data.validation": 0.1}
    return apart.run("blobs", overrides=short, out=folder / "blobs")


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
    assert list(evidence.predicted(interrupted)) == ["numpy"]


def test_a_run_that_failed_at_once_has_points_and_nothing_learned(failed: Run) -> None:
    (only,) = analysis.results(failed)
    assert (only.steps, only.step_microseconds, only.finished) == (0, None, False)
    assert only.scores["validation_loss"] is None
    assert analysis.curves(failed) == []
    assert analysis.confusion(failed) == []
    assert analysis.gaps(failed) == []
    assert sorted(boundary.points(failed)) == ["test", "train"]


def test_a_run_without_evidence_has_no_facts_from_it(failed: Run, tmp_path: Path) -> None:
    shutil.copytree(failed.path, tmp_path / "bare")
    (tmp_path / "bare" / EVIDENCE).unlink()
    bare = Run(tmp_path / "bare", failed.record)
    assert evidence.evidence(bare) == {}
    assert boundary.points(bare) == {}
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
    timed = analysis.times(replace(digits, record=digits.record.changed(engines=engines)))
    assert timed == analysis.Times("numpy", "torch", 4.5)


def test_endings_know_what_was_planned(digits: Run, colours: Run) -> None:
    assert analysis.endings(digits) == [
        analysis.Ending(engine, 2 * 40, 2 * 40, 2 * 40) for engine in ("numpy", "torch")
    ]
    (only,) = analysis.endings(colours)
    history = colours.history
    best = history.loc[history["validation_accuracy"] == history["validation_accuracy"].max(), "step"].tolist()
    assert only.kept_step == colours.engines["numpy"]["kept_step"]
    assert only.kept_step in best
    old = {engine: {**result, "steps": 50} for engine, result in digits.engines.items()}
    for result in old.values():
        del result["kept_step"]
    first, _ = analysis.endings(replace(digits, record=digits.record.changed(engines=old)))
    assert first == analysis.Ending("numpy", 50, 80, 50)


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


def test_each_class_has_its_accuracy_and_its_mistake() -> None:
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 2, 5]])
    scores = analysis.Confusion(("numpy",), ("a", "b", "c"), counts).scores()
    assert scores == [
        analysis.ClassScore("a", 4, 3, analysis.Mistake("a", "b", 1, 4)),
        analysis.ClassScore("b", 0, 0, None),
        analysis.ClassScore("c", 8, 5, analysis.Mistake("c", "b", 2, 8)),
    ]
    assert [score.accuracy for score in scores] == [0.75, None, 0.625]


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
    assert (apart.loss, apart.quality) == (0.25, pytest.approx(0.1))


def test_gaps_against_the_length_of_training(blobs: Run) -> None:
    x = np.array([0.0, 1.0, 2.0])
    train = analysis.Curve("numpy", "train", x, x, np.array([0.1, 0.9, 1.0]))
    test = analysis.Curve("numpy", "test", x, x, np.array([0.2, 0.5, 0.7]))
    (gap,) = analysis.gap_curves([train, test])
    np.testing.assert_allclose(gap.gap, [-0.1, 0.4, 0.3])
    assert gap.largest == (1.0, pytest.approx(0.4))
    validation = replace(test, split="validation", quality=test.quality - 0.1)
    assert analysis.gap_curves([train, validation, test])[0].split == "validation"
    assert analysis.gap_curves([train]) == []
    assert analysis.gap_curves([replace(train, x=x[:2]), replace(test, x=x[:2])]) == []
    assert [gap.engine for gap in analysis.gap_curves(analysis.curves(blobs))] == ["numpy", "torch"]


# Points


def test_boundary_is_what_the_restored_engine_answers(blobs: Run) -> None:
    for engine in ("numpy", "torch"):
        found = boundary.boundary(blobs, engine, size=20)
        points = np.concatenate([split.x for split in boundary.points(blobs).values()])
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
        boundary.boundary(moved, "torch", size=5).margins, boundary.boundary(blobs, "torch", size=5).margins
    )


def test_points_are_the_splits(blobs: Run, digits: Run) -> None:
    sizes = {split: len(samples) for split, samples in boundary.points(blobs).items()}
    assert sizes == blobs.record.data.samples
    assert boundary.points(digits) == {}


# Images


def test_templates_are_rows_of_the_first_weight(digits: Run, blobs: Run) -> None:
    found = analysis.first_weights(digits, "torch")
    assert found is not None
    assert (found.name, found.convolution, found.images.shape) == ("1.weight", False, (64, 1, 8, 8))
    np.testing.assert_array_equal(found.images[7].ravel(), digits.weights("torch")["1.weight"][7])
    assert analysis.first_weights(blobs, "torch") is None


def test_no_templates_where_the_first_layer_sees_rows_only(digits: Run, tmp_path: Path) -> None:
    layers = [{"kind": "dense", "units": 3}, {"kind": "flatten"}, {"kind": "dense", "units": 10}]
    run = twofold.run(
        "digits", overrides={"layers": layers, "training.epochs": 1}, engines=["numpy"], out=tmp_path / "run"
    )
    assert analysis.first_weights(run, "numpy") is None


def test_previews_hold_probabilities_from_before_and_after(digits: Run, blobs: Run) -> None:
    first, second = analysis.previews(digits)
    assert (first.engine, second.engine, first.measure) == ("numpy", "torch", "probability")
    np.testing.assert_array_equal(first.images, digits.evidence["preview"])
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
    assert network_outputs.probabilities(plain.model, np.ones((2, 10))) is None
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
    np.testing.assert_array_equal(network_outputs.probabilities(ended.model, outputs), outputs)


def test_the_first_kernels_are_images(conv: Run, colours: Run, tmp_path: Path) -> None:
    found = analysis.first_weights(conv, "torch")
    assert found is not None
    assert (found.name, found.convolution, found.images.shape) == ("0.weight", True, (12, 1, 3, 3))
    found = analysis.first_weights(colours, "numpy")
    assert found is not None
    np.testing.assert_array_equal(found.images, colours.weights("numpy")["0.weight"])
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": 3}]
    overrides = {"layers": layers, "training.epochs": 1}
    run = twofold.run(colours.recipe, overrides=overrides, out=tmp_path / "run")
    found = analysis.first_weights(run, "numpy")
    assert found is not None
    assert found.images.shape == (3, 3, 10, 10)
    np.testing.assert_array_equal(found.images[1, 2].ravel(), run.weights("numpy")["1.weight"][1, 200:])


# Evidence


def test_the_folder_holds_all_that_its_images_need_to_be_asked_again(colours: Run) -> None:
    arrays = load_file(colours.path / EVIDENCE)
    assert arrays["preview"].dtype == arrays["numpy.mistakes.x"].dtype == np.uint8
    assert arrays["preview"].shape == (5, 3, 10, 10)
    x = (arrays["preview"] - arrays["scaling.shift"]) / arrays["scaling.divisor"]
    engine = restore(colours, "numpy")
    np.testing.assert_allclose(
        (engine.predict(x) + engine.predict(mirrored(x))) / 2, arrays["numpy.after"], rtol=1e-4, atol=1e-5
    )


def test_the_surest_mistakes_are_kept(conv: Run, colours: Run) -> None:
    for run, engine in ((conv, "torch"), (colours, "numpy")):
        _, dataset = prepare(run.recipe)
        _, held_out = dataset.astype(run.recipe.training.dtype).held_out
        built, x = restore(run, engine), held_out.floats()
        z = built.predict(x)
        if run.recipe.training.flip_test:
            z = (z + built.predict(mirrored(x))) / 2
        p = np.exp(z - z.max(axis=1, keepdims=True)).astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)
        wrong = np.flatnonzero(p.argmax(axis=1) != held_out.y)
        surest = wrong[np.argsort(-p[wrong].max(axis=1), kind="stable")][:12]
        found = next(each for each in analysis.wrong_images(run) if engine in each.engines)
        assert [image.index for image in found.images] == surest.tolist()
        assert (found.wrong, found.measure) == (len(wrong), "probability")
        for image in found.images:
            np.testing.assert_array_equal(image.image, held_out.x[image.index])
            assert (image.true, image.taken) == (held_out.y[image.index], p[image.index].argmax())
            assert image.value_taken == pytest.approx(p[image.index].max(), rel=1e-3)
            assert image.value_true == pytest.approx(p[image.index][image.true], rel=1e-3)


def test_engines_that_make_the_same_mistakes_are_told_together(conv: Run, tmp_path: Path) -> None:
    assert [each.engines for each in analysis.wrong_images(conv)] == [("numpy", "torch")]
    target = conv.evidence["target"]
    other = with_evidence(conv, tmp_path / "run", **{"torch.predicted": (target + 1) % 10})
    assert [each.engines for each in analysis.wrong_images(other)] == [("numpy",), ("torch",)]
    assert analysis.wrong_images(other)[1].wrong == len(target)


def test_large_images_are_kept_smaller() -> None:
    x = np.zeros((1, 3, 150, 100), np.uint8)
    x[0, 0, :3, :3] = [[0, 0, 1], [9, 0, 0], [0, 9, 8]]
    small = thumbnails(x)
    assert (small.shape, small.dtype) == ((1, 3, 50, 33), np.uint8)
    assert small[0, 0, 0, 0] == 3
    assert thumbnails(x[:0]).shape == (0, 3, 50, 33)
    assert thumbnails(x[..., :1]).shape == (1, 3, 50, 1)
    kept = np.ones((2, 1, 64, 64))
    assert thumbnails(kept) is kept


def test_points_keep_no_mistakes(blobs: Run) -> None:
    assert not any("mistakes" in name or "scaling" in name for name in blobs.evidence)
    assert analysis.wrong_images(blobs) == []


def without(run: Run, target: Path, *names: str) -> Run:
    """A copy of the run as an older version would have left it."""
    shutil.copytree(run.path, target)
    kept = {key: array for key, array in run.evidence.items() if not any(name in key for name in names)}
    save_file(kept, target / EVIDENCE)
    return Run(target, run.record)


def test_an_older_folder_has_fewer_facts(conv: Run, colours: Run, tmp_path: Path) -> None:
    old = without(conv, tmp_path / "conv", "mistakes")
    assert analysis.wrong_images(old) == []
    assert maps.feature_maps(old) is not None
    old = without(colours, tmp_path / "colours", "mistakes", "scaling")
    assert len(analysis.previews(old)) == 1
    assert maps.feature_maps(old) is None


# Maps


def test_maps_are_the_outputs_of_the_layers(conv: Run) -> None:
    found = maps.feature_maps(conv)
    assert found is not None
    assert (found.engine, found.index, found.left_out, found.measure) == ("numpy", 0, 0, "probability")
    assert [layer.node.kind for layer in found.layers] == ["conv2d", "batch_norm", "relu", "max_pool2d"]
    image = conv.evidence["preview"][:1]
    outputs = restore(conv, "numpy").outputs(image)
    relu = outputs[2][0]
    liveliest = np.sort(np.argsort(-relu.var(axis=(1, 2)), kind="stable")[:8])
    for layer, output in zip(found.layers, outputs, strict=False):
        np.testing.assert_array_equal(layer.channels, liveliest)
        np.testing.assert_array_equal(layer.maps, output[0, liveliest])
    np.testing.assert_array_equal(found.image, image[0])
    assert found.outputs.argmax() == conv.evidence["numpy.predicted"][0]
    assert found.outputs.sum() == pytest.approx(1)
    assert found.true == conv.evidence["target"][0]


def test_a_flipped_test_shows_the_answer_that_counts(colours: Run) -> None:
    found = maps.feature_maps(colours, 3)
    assert found is not None
    p = network_outputs.probabilities(colours.recipe.model, colours.evidence["numpy.after"])
    assert p is not None
    np.testing.assert_allclose(found.outputs, p[3], rtol=1e-3)


def test_the_liveliest_channels() -> None:
    planes = np.zeros((10, 2, 2))
    planes[:, 0, 0] = [5, 0, 1, 7, 2, 2, 9, 3, 4, 8]
    np.testing.assert_array_equal(maps.liveliest(planes), [0, 3, 4, 5, 6, 7, 8, 9])
    np.testing.assert_array_equal(maps.liveliest(planes[:3]), [0, 1, 2])


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("mnist-lenet", ["conv2d", "relu", "max_pool2d"] * 2),
        ("cifar10-cnn5-adam", ["relu", "max_pool2d"] * 5),
        (
            "cifar10-vgg",
            (["relu", "max_pool2d"] * 2 + ["relu"]) + ["relu", "max_pool2d", "relu"] * 2 + ["relu", "max_pool2d"],
        ),
    ],
)
def test_deep_networks_show_what_comes_out_of_their_blocks(name: str, kinds: list[str]) -> None:
    nodes = load_recipe(name).network.nodes
    outputs = [np.zeros([size or 1 for size in node.output_shape]) for node in nodes]
    layers = maps._layers(nodes, outputs)
    assert [layer.node.kind for layer in maps._fewer(layers)] == kinds
    assert len(maps._fewer(layers * 3)) <= maps.MOST_LAYERS


def test_an_image_comes_from_the_folder_or_else_from_the_data(colours: Run, tmp_path: Path) -> None:
    kept = {0, 1, 2, 3, 4, *colours.evidence["numpy.mistakes"].tolist()}
    other = next(index for index in range(29, -1, -1) if index not in kept)
    _, dataset = prepare(colours.recipe)
    found = maps.feature_maps(colours, other)
    assert found is not None
    np.testing.assert_array_equal(found.image, dataset.test.x[other])
    assert found.true == dataset.test.y[other]
    moved = with_recipe(colours, tmp_path / "run", f"{colours.path.parent}/pictures", "/nowhere/at/all")
    assert maps.feature_maps(moved, max(kept)) is not None
    with pytest.raises(UserError) as error:
        maps.feature_maps(moved, other)
    assert str(error.value) == (
        f"--image {other}: the run folder does not hold this image, and the data (source `images`) are not at hand. "
        f"The folder holds the images {', '.join(map(str, sorted(kept)))}."
    )
    changed = replace(
        colours, record=colours.record.changed(data={**colours.record.data.to_json(), "fingerprint": "0"})
    )
    with pytest.raises(UserError, match="the data at hand are not those of the run: their fingerprint is another"):
        maps.feature_maps(changed, other)


@pytest.mark.parametrize("index", [-1, 359, 10**9])
def test_an_image_out_of_range_is_refused(conv: Run, index: int) -> None:
    with pytest.raises(UserError, match=f"--image counts the 359 test images from 0 to 358; got {index}"):
        maps.feature_maps(conv, index)


def test_no_convolution_no_maps(digits: Run, blobs: Run, failed: Run) -> None:
    for run in (digits, blobs, failed):
        assert maps.feature_maps(run) is None
        with pytest.raises(UserError, match=r"--image shows what convolutions make of an image; `.*` has no `conv2d`"):
            maps.feature_maps(run, 0)


# The dimensions of a training step


def shapes(text: str) -> Iterator[tuple[str, ...]]:
    for group in re.findall(r"\(([^)]*)\)", text):
        yield tuple(size.strip() for size in group.split(",") if size.strip())


def test_products_of_a_dense_layer_fit_together() -> None:
    network = load_recipe("mnist-mlp").network
    first, last = (step for step in steps.layer_steps(network) if step.node.parameters)
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
    described = steps.layer_steps(load_recipe("digits").network)
    assert [type(step.node.spec).__name__.lower() for step in described] == ["flatten", "dense", "relu", "dense"]
    assert [step.wants_dx for step in described] == [False, False, True, True]
    assert described[0].backward == []


@pytest.mark.parametrize("kind", ["relu", "sigmoid", "tanh", "softmax", {"kind": "dropout", "p": 0.25}])
def test_every_layer_kind_has_its_equations(kind: str | dict[str, Any]) -> None:
    layer = {"kind": kind} if isinstance(kind, str) else kind
    network = load_recipe(
        "moons",
        {"layers": [{"kind": "dense", "units": 4, "bias": False}, layer, {"kind": "dense", "units": 2}]},
    ).network
    first, middle, _ = steps.layer_steps(network)
    ((y, forward),), ((dx, backward),) = middle.forward, middle.backward
    assert y.startswith("y = ")
    assert dx.startswith("dx = ")
    assert forward == backward == "(N, 4) → (N, 4)"
    assert first.forward == [("y = x Wᵀ", "(N, 2) · (2, 4) → (N, 4)")]


@pytest.mark.parametrize("kind", ["cross_entropy", "mean_squared"])
def test_the_loss_is_divided_only_where_it_is_a_mean(kind: str) -> None:
    for reduction, divided in (("mean", True), ("sum", False)):
        step = steps.loss_step(load_recipe("moons", {"loss.kind": kind, "loss.reduction": reduction}).model)
        assert step.kind == kind
        ((loss, _),), ((dy, shapes_of_dy),) = step.forward, step.backward
        assert ("1/" in loss) is divided
        assert ("/ N" in dy or "/ (N C)" in dy) is divided
        assert shapes_of_dy == "() → (N, 2)"


def test_a_smoothed_target_is_written_out() -> None:
    step = steps.loss_step(load_recipe("moons", {"loss.label_smoothing": 0.1}).model)
    assert step.forward == [
        ("q = 0.9 onehot(class) + 0.1 / 2", "(N,) → (N, 2)"),
        ("L = −1/N Σₙ q · log softmax(y)", "(N, 2) → ()"),
    ]
    assert step.backward == [("dy = (softmax(y) − q) / N", "() → (N, 2)")]


CONV = {"kind": "conv2d", "channels": 6, "kernel": [3, 2], "stride": 2, "padding": 1}


def plane_steps(*layers: dict[str, Any]) -> list[steps.LayerStep]:
    last = [{"kind": "flatten"}, {"kind": "dense", "units": 10}]
    return steps.layer_steps(load_recipe("digits", {"layers": [CONV, *layers, *last]}).network)


def test_a_convolution_is_a_product_over_windows() -> None:
    first, second, *_ = plane_steps({"kind": "conv2d", "channels": 4, "kernel": 2, "groups": 2})
    assert first.forward == [
        ("X: the windows of x as rows", "(N, 1, 8, 8) → (N·4·5, 6)"),
        ("Y = X Wᵀ + b", "(N·4·5, 6) · (6, 6) + (6,) → (N·4·5, 6)"),
    ]
    assert first.backward == [
        ("dW = dYᵀ X", "(6, N·4·5) · (N·4·5, 6) → (6, 6)"),
        ("db = Σ dY over the windows", "(N, 6, 4, 5) → (6,)"),
    ]
    assert second.forward[1] == (
        "Y = X Wᵀ + b in each of 2 groups",
        "(N·3·4, 12) · (12, 2) + (2,) → (N·3·4, 2)",
    )
    assert second.backward[2:] == [
        ("dX = dY W in each of 2 groups", "(N·3·4, 2) · (2, 12) → (N·3·4, 12)"),
        ("dx: dX folded back, added where windows overlap", "(N·3·4, 12) → (N, 6, 4, 5)"),
    ]


def test_normalizations_say_over_what() -> None:
    _, batch, layer, plain, *_ = plane_steps(
        {"kind": "batch_norm", "momentum": 0.2},
        {"kind": "layer_norm", "axes": 1},
        {"kind": "batch_norm", "affine": False},
    )
    assert batch.forward[0] == ("μ = mean(x), σ² = mean((x − μ)²) of each channel", "(N, 6, 4, 5) → (6,)")
    assert batch.forward[3:] == [
        ("running_mean ← 0.8 running_mean + 0.2 μ", "(6,)"),
        ("running_var ← 0.8 running_var + 0.2 σ² n / (n − 1)", "(6,), n = N·4·5"),
    ]
    assert [equation for equation, _ in batch.backward] == [
        "dγ = Σ dy ⊙ x̂",
        "dβ = Σ dy",
        "dx = γ / √(σ² + ε) · (dy − mean(dy) − x̂ mean(dy ⊙ x̂))",
    ]
    assert layer.forward[0][1] == "(N, 6, 4, 5) → (N, 6, 4)"
    assert layer.forward[2] == ("y = γ x̂ + β", "(5,) · (N, 6, 4, 5) + (5,) → (N, 6, 4, 5)")
    assert len(plain.backward) == 1
    assert "γ" not in plain.backward[0][0]


@pytest.mark.parametrize(
    ("layer", "forward", "backward"),
    [
        (
            {"kind": "max_pool2d", "kernel": 2, "stride": 1, "padding": 1},
            "y = max over windows of 2 × 2, stride 1 × 1, padding 1 × 1",
            "dx = Σ dy of windows whose first max is here",
        ),
        ({"kind": "avg_pool2d", "kernel": 2}, "y = Σ x / 4 over windows of 2 × 2", "dx = Σ dy / 4 of the windows"),
        (
            {"kind": "avg_pool2d", "kernel": 2, "padding": 1, "count_include_pad": False},
            "y = Σ x / elements within x over windows of 2 × 2, padding 1 × 1",
            "dx = Σ dy / elements within x",
        ),
        ({"kind": "global_avg_pool2d"}, "y = Σ x / (4·5) over the plane", "dx = dy / (4·5)"),
        ({"kind": "leaky_relu", "negative_slope": 0.2}, "y = x where x > 0, else 0.2 x", "else 0.2 dy"),
        ({"kind": "elu"}, "y = x where x > 0, else (exp(x) − 1)", "dx = dy where x > 0, else dy ⊙ (y + 1)"),
        ({"kind": "gelu"}, "y = x Φ(x)", "dx = dy ⊙ (Φ(x) + x φ(x))"),
        ({"kind": "gelu", "approximate": "tanh"}, "y = x (1 + tanh u) / 2", "(1 − tanh² u) / 2 · √(2/π)"),
        ({"kind": "silu"}, "y = x σ(x)", "dx = dy ⊙ σ(x) (1 + x (1 − σ(x)))"),
    ],
)
def test_the_equations_of_images_and_activations(layer: dict[str, Any], forward: str, backward: str) -> None:
    step = plane_steps(layer)[1]
    ((y, there),), ((dx, back),) = step.forward, step.backward
    assert y.startswith(forward)
    assert backward in dx
    assert there == " → ".join(reversed(back.split(" → ")))


def test_no_kind_of_layer_is_without_its_equations() -> None:
    settings = {"conv2d": {"channels": 2, "kernel": 1}, "dense": {"units": 3}}
    settings |= {kind: {"kernel": 1} for kind in ("max_pool2d", "avg_pool2d")}
    settings |= {kind: {"units": 3} for kind in ("rnn", "lstm", "gru")}
    settings["group_norm"] = {"num_groups": 1}
    settings["embedding"] = {"num_embeddings": 9, "units": 3}
    settings["embed_columns"] = {"num_embeddings": [9, 4], "units": [3, 2]}
    kinds = [member.model_fields["kind"].default for member in get_args(get_args(Layer)[0])]
    assert len(kinds) > 15
    for kind in kinds:
        recurrent = kind in ("rnn", "lstm", "gru")
        last = [] if kind in ("flatten", "global_avg_pool2d") or recurrent else [{"kind": "flatten"}]
        data = {"source": "palindromes", "length": 5} if recurrent else {"source": "digits"}
        first = [] if recurrent or kind.startswith("embed") else [CONV]
        layers = [*first, {"kind": kind, **settings.get(kind, {})}, *last, {"kind": "dense", "units": 10}]
        recipe = load_recipe("digits", {"data": data, "layers": layers, "training": {"steps": 1}})
        step = steps.layer_steps(recipe.network)[len(first)]
        assert all(len(equation) > 2 for equation, _ in step.forward + step.backward), kind
