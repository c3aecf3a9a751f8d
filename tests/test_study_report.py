"""The report of a study: its means are those of the table, its words say what is drawn, and it stands alone."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import trainers
import twofold
from test_report import Page
from trainers import accuracy
from twofold.report import write_figures, write_study_report
from twofold.report.along import _x_ticks, logarithmic, value_words
from twofold.report.study_pictures import study_pictures
from twofold.study import Axis, StudyResult, load_study
from twofold.study.executors.choice import Workers
from twofold.study.executors.seam import Train
from twofold.study.grid import plan
from twofold.study.running import run_source

pytestmark = pytest.mark.usefixtures("warm_workers")

RATES = {"optimizer.lr": [0.01, 0.1, 1.0]}
T2 = 4.302652729911275
"""Student's t at 97.5 % with 2 degrees of freedom."""


def study(folder: Path, train: Train = trainers.quick, **changes: Any) -> StudyResult:
    return run_source(
        load_study("moons", **{"axes": RATES, "seeds": 3, **changes}), out=folder, workers=Workers(jobs=2), train=train
    )


def page(result: StudyResult) -> Page:
    return Page(write_study_report(result).read_text("utf-8"))


def labels(found: Page) -> list[str]:
    pictures = [value for tag, name, value in found.attributes if (tag, name) == ("svg", "aria-label")]
    return [label for label in pictures if not label.startswith("Key of ")]


def test_chance_is_drawn_and_named(tmp_path: Path) -> None:
    result = study(tmp_path / "s")
    (picture,) = study_pictures(result, "")["pictures"]
    assert picture.caption.endswith("The dotted grey line is chance: one of 2 classes.")
    figure = Figure()
    picture.panels[0].draw(figure)
    axes = figure.get_axes()[0]
    assert [line.get_ydata() for line in axes.get_lines() if line.get_linestyle() == ":"] == [[0.5, 0.5]]
    low, high = axes.get_ylim()
    assert low < 0.5 < high
    result = study(tmp_path / "l", metric="test_loss")
    assert "chance" not in study_pictures(result, "")["pictures"][0].caption


def test_means_and_intervals_are_those_of_a_calculation_by_hand(tmp_path: Path) -> None:
    axes = {**RATES, "data.noise": [0.1, 0.2]}
    words = page(study(tmp_path / "s", axes=axes)).words
    points = plan(load_study("moons", axes=axes, seeds=3))
    for rate, noise in {point.values for point in points}:
        scores = [accuracy(point.recipe) for point in points if point.values == (rate, noise)]
        mean = sum(scores) / 3
        half = T2 * math.sqrt(sum((score - mean) ** 2 for score in scores) / 2) / math.sqrt(3)
        span = f"{min(scores):.4f} – {max(scores):.4f}"
        assert f"{value_words(rate)} {noise} 3 {mean:.4f} ± {half:.4f} {span} 0.25 s" in words
    for expected in (
        "18 trainings of the recipe moons in NumPy: 3 values of optimizer.lr and 2 values of data.noise",
        "The best mean test accuracy, 0.8990 ± 0.0025 over 3 seeds, is that of optimizer.lr 0.01 and data.noise 0.1.",
        "Of the 5 other settings, 1 has an interval that overlaps with this one’s.",
        "The best is chosen by the same test samples that it is measured on",
        "Means over 3 seeds with the 95 % interval (Student’s t, cut at 0 and 1) shaded; every seed is a dot.",
    ):
        assert expected in words


def test_there_is_a_figure_for_each_axis_and_the_others_are_told_by_colour(tmp_path: Path) -> None:
    axes = {**RATES, "data.noise": [0.1, 0.2], "recipe": ["moons", "circles"], "data.samples": [50]}
    found = page(study(tmp_path / "s", axes=axes))
    against = ["optimizer.lr", "data.noise", "recipe"]
    assert labels(found) == [f"Test accuracy against {axis}" for axis in against]
    words = found.words
    assert "moons circles" in words
    assert "what is drawn of a seed is its mean over the 2 values of data.noise." in words
    assert "data.noise 0.1 data.noise 0.2" in words
    assert words.count("every seed is a dot") == 3
    assert (
        "as a bar; every seed is a dot; what is drawn of a seed is its mean over the 3 values of optimizer.lr." in words
    )


def test_the_seeds_alone_are_a_figure_too(tmp_path: Path) -> None:
    found = page(study(tmp_path / "s", axes={}))
    assert labels(found) == ["Test accuracy for each seed"]
    assert "3 trainings of the recipe moons in NumPy: 3 seeds." in found.words
    assert "The best mean" not in found.words


def test_one_seed_has_no_interval(tmp_path: Path) -> None:
    words = page(study(tmp_path / "s", seeds=1)).words
    assert "Each setting has one seed: there is no interval" in words
    assert "0.01 1 0.8980 – 0.8980 – 0.8980" in words
    assert "One seed a point." in words


def test_failed_points_are_listed_and_left_out(tmp_path: Path) -> None:
    words = page(study(tmp_path / "s", trainers.diverging)).words
    assert "3 trainings failed and are left out." in words
    assert "0.01 1 the loss became nan at step 5" in words
    assert "Points that failed are left out." in words
    assert "9 of 9; 3 failed" in words


def test_a_study_of_nothing_but_failures_has_a_page(tmp_path: Path) -> None:
    found = page(study(tmp_path / "s", trainers.diverging, seeds=[1]))
    assert labels(found) == []
    assert "0.01 0 1 – – – 0.50 s" in found.words


def test_a_study_that_was_stopped_says_so(tmp_path: Path) -> None:
    result = study(tmp_path / "s")
    for point in result.points[2:]:
        (result.path / "points" / f"{point.id}.json").unlink()
    words = page(twofold.open_study(result.path)).words
    assert "This study is not complete. 7 of 9 points have not been trained" in words
    assert "0.01 2 0.8985" in words


def test_many_settings_are_cut_to_the_best(tmp_path: Path) -> None:
    axes = {"optimizer.lr": [i / 1000 for i in range(1, 71)], "data.noise": [i / 100 for i in range(1, 10)]}
    found = page(study(tmp_path / "s", axes=axes, seeds=1, metric="test_loss"))
    assert "The best 60 of 630 settings; results.csv holds every point." in found.words
    assert "The best mean test loss, 0.1002, is that of optimizer.lr 0.001 and data.noise 0.01." in found.words
    assert "what is drawn of a seed is its mean over the 70 values of optimizer.lr" in found.words


def test_the_gradient_that_is_carried_through_time_is_drawn_where_there_is_one(tmp_path: Path) -> None:
    found = page(study(tmp_path / "s", trainers.flowing))
    assert labels(found)[1:] == [
        f"Gradient carried {when} training against optimizer.lr" for when in ("before", "after")
    ]
    assert "Gradient carried through time against optimizer.lr. Geometric means over 3 seeds" in found.words
    assert "A gradient of 0" not in found.words


def test_the_gradient_of_a_point_that_failed_is_left_out(tmp_path: Path) -> None:
    result = study(tmp_path / "s", trainers.flowing)
    failed = tuple(point.model_copy(update={"status": "failed", "scores": {}}) for point in result.points)
    assert labels(page(StudyResult(result.path, result.study, failed))) == []


def test_a_metric_on_published_data_names_them_in_full(tmp_path: Path) -> None:
    result = study(tmp_path / "s")
    named = [point.model_copy(update={"data": "MNIST (copies)"}) for point in result.points]
    words = page(StudyResult(result.path, result.study, tuple(named))).words
    for expected in (
        "in NumPy on MNIST (copies): 3 values",
        "Mean test accuracy on MNIST (copies) over the seeds",
        "Test accuracy on MNIST (copies) against optimizer.lr.",
    ):
        assert expected in words


def test_the_page_stands_alone_and_is_the_same_each_time(tmp_path: Path) -> None:
    result = study(tmp_path / "s", axes={**RATES, "data.noise": [0.1, 0.2]})
    found = page(result)
    shutil.copytree(result.path, tmp_path / "t" / "s")
    assert page(twofold.open_study(tmp_path / "t" / "s")).html == found.html
    assert "script" not in found.tags
    assert not [value for _, name, value in found.attributes if name in {"src", "srcset", "data"}]
    assert all(value.startswith("#") for _, name, value in found.attributes if name.endswith("href"))
    assert len(found.ids) == len(set(found.ids))
    assert len(found.html) < 300_000
    assert not re.search(r"NaN|nan|inf\b", found.text.partition("The whole study as TOML")[0])


SCALES = {
    "powers": ([0.001, 0.01, 0.1], True),
    "rates": ([0.001, 0.003, 0.01, 0.03], True),
    "two a decade apart": ([0.01, 0.1], True),
    "lengths": ([10, 20, 50, 100], True),
    "even steps": ([1, 10, 20, 30, 40], False),
    "less than a decade": ([0.1, 0.2, 0.3], False),
    "with 0": ([0, 1, 10, 100], False),
    "one": ([3], False),
}


@pytest.mark.parametrize("name", SCALES)
def test_numbers_that_stand_evenly_by_their_ratios_get_a_logarithmic_axis(name: str) -> None:
    values, expected = SCALES[name]
    assert logarithmic(values) is expected


def test_many_numbers_on_a_logarithmic_axis_have_plain_ticks() -> None:
    """More than are labelled one by one: those with room beside each other are, and none as a power of ten."""
    lengths = (2, 3, 4, 5, 6, 8, 10, 12, 14, 15, 16, 18, 19, 20, 25, 30)
    axes = Figure().subplots()
    _x_ticks(axes, Axis(field="data.length", values=lengths))
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert set(labels) <= set(map(str, lengths))
    assert {"2", "10"} <= set(labels)
    assert len(axes.get_xticks(minor=True)) == 0


def test_any_value_of_an_axis_can_be_drawn(tmp_path: Path) -> None:
    optimizers = [{"kind": "sgd", "lr": 0.2}, {"kind": "adam", "lr": 0.1, "betas": [0.8, 0.9]}]
    axes = {"optimizer": optimizers, "training.batch_size": ["full", 8], "layers.0.bias": [True, False]}
    found = page(study(tmp_path / "s", axes=axes))
    assert len(labels(found)) == 3
    assert '{"kind": "adam", "lr": 0.1, "betas": [0.8, 0.9]} full true 3' in found.words
    assert Axis(field="a", values=(True, False)).numeric is False


R2_AXES: dict[str, dict[str, list[Any]]] = {
    "categories": {"recipe": ["moons", "circles"]},
    "numbers": RATES,
    "seeds": {},
}


@pytest.mark.parametrize("along", R2_AXES)
def test_a_network_worse_than_the_mean_is_drawn_below_0(along: str, tmp_path: Path) -> None:
    """R² has no floor: it is neither cut nor hidden, nor are its intervals."""
    result = study(tmp_path / "s", axes=R2_AXES[along])
    points = [p.model_copy(update={"scores": {"test_r2": -0.5 - p.seed}}) for p in result.points]
    worse = StudyResult(result.path, result.study.model_copy(update={"metric": "test_r2"}), tuple(points))
    (picture,) = study_pictures(worse, "")["pictures"]
    assert "cut at" not in picture.caption
    figure = Figure()
    picture.panels[0].draw(figure)
    low, high = figure.get_axes()[0].get_ylim()
    assert low < -1.5 - T2 / math.sqrt(3) < -0.5 < high
    assert "-1.5000 ± 2.4841" in page(worse).words


LABELS: dict[str, tuple[list[str], list[str]]] = {
    "other letters": (["学习率", "噪声"], ["along-optimizer-lr", "along-data-noise"]),
    "the same": (["rate", "rate"], ["along-rate-optimizer-lr", "along-rate-data-noise"]),
    "the same in capitals": (["rate", "Rate"], ["along-rate", "along-rate-2"]),
}


@pytest.mark.parametrize("case", LABELS)
def test_figures_of_axes_have_names_of_their_own(case: str, tmp_path: Path) -> None:
    written, names = LABELS[case]
    result = study(tmp_path / "s", axes={**RATES, "data.noise": [0.1, 0.2]})
    axes = [axis.model_copy(update={"label": label}) for axis, label in zip(result.study.axes, written, strict=True)]
    labelled = StudyResult(result.path, result.study.model_copy(update={"axes": tuple(axes)}), result.points)
    assert [picture.name for picture in study_pictures(labelled, "")["pictures"]] == names
    found = page(labelled)
    assert len(set(labels(found))) == 2
    assert len(found.ids) == len(set(found.ids))
    write_figures(labelled, tmp_path / "figures")


FOLDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "one seed": ({"folds": 5, "seeds": 1}, "folds", "5 folds"),
    "three seeds": ({"folds": 2, "seeds": 3}, "trainings", "6 trainings"),
    "no folds": ({"seeds": 3}, "seeds", "3 seeds"),
}


@pytest.mark.parametrize("case", FOLDS)
def test_what_an_interval_is_over_is_called_by_its_name(case: str, tmp_path: Path) -> None:
    changes, heading, over = FOLDS[case]
    result = study(tmp_path / "s", **changes)
    points = [
        p.model_copy(update={"scores": {"test_accuracy": 0.5 + number / 100}}) for number, p in enumerate(result.points)
    ]
    words = page(StudyResult(result.path, result.study, tuple(points))).words
    assert f"optimizer.lr {heading} mean 95 % lowest – highest" in words
    assert re.search(rf"The best mean test accuracy, 0\.\d+ ± 0\.\d+ over {over}, is", words)
    assert "there is no interval" not in words
    folds = changes.get("folds", 1)
    assert (f"what is drawn of a seed is its mean over the {folds} folds" in words) == (folds > 1)
