"""Metrics against scikit-learn's, their intervals against what they should hold, and the simpler models beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as theirs

from twofold.arrays import Array
from twofold.data import Dataset, Split
from twofold.setup.events import Noted
from twofold.streams import stream
from twofold.train.baselines import baselines
from twofold.train.loop import r_squared
from twofold.train.metrics import measured, metrics_of

RNG = np.random.default_rng(0)


def _probabilities(classes: int, samples: int = 300) -> tuple[np.ndarray, np.ndarray]:
    z = RNG.normal(size=(samples, classes)).round(1)  # rounded, so that some are equal
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return p, np.array([RNG.choice(classes, p=row) for row in p])


TWO, THREE = _probabilities(2), _probabilities(3)
LABELS = (1 / (1 + np.exp(-RNG.normal(size=(200, 4)).round(1))), RNG.integers(2, size=(200, 4)))
NUMBERS = (RNG.normal(size=(150, 2)) * 30 + 1000, RNG.normal(size=(150, 2)) * 30 + 1000)


def _brier(p: np.ndarray, y: np.ndarray) -> float:
    return float(np.square(p - np.eye(p.shape[1])[y]).sum(axis=1).mean())


CASES: dict[str, tuple[str, tuple[np.ndarray, np.ndarray], dict[str, Callable[[Any, Any], float]]]] = {
    "two classes": (
        "classification",
        TWO,
        {
            "accuracy": lambda p, y: theirs.accuracy_score(y, p.argmax(1)),
            "balanced_accuracy": lambda p, y: theirs.balanced_accuracy_score(y, p.argmax(1)),
            "macro_f1": lambda p, y: theirs.f1_score(y, p.argmax(1), average="macro"),
            "roc_auc": lambda p, y: theirs.roc_auc_score(y, p[:, 1]),
            "log_loss": lambda p, y: theirs.log_loss(y, p),
            "brier": lambda p, y: theirs.brier_score_loss(y, p[:, 1]),
        },
    ),
    "three classes": (
        "classification",
        THREE,
        {
            "accuracy": lambda p, y: theirs.accuracy_score(y, p.argmax(1)),
            "balanced_accuracy": lambda p, y: theirs.balanced_accuracy_score(y, p.argmax(1)),
            "macro_f1": lambda p, y: theirs.f1_score(y, p.argmax(1), average="macro"),
            "roc_auc": lambda p, y: theirs.roc_auc_score(y, p, multi_class="ovr"),
            "log_loss": lambda p, y: theirs.log_loss(y, p),
            "brier": _brier,
        },
    ),
    "labels": (
        "multi_label",
        LABELS,
        {
            "accuracy": lambda p, y: 1 - theirs.hamming_loss(y, p > 0.5),
            "macro_f1": lambda p, y: theirs.f1_score(y, p > 0.5, average="macro"),
            "roc_auc": lambda p, y: theirs.roc_auc_score(y, p),
            "log_loss": lambda p, y: float(np.mean([theirs.log_loss(y[:, c], p[:, c]) for c in range(4)])),
        },
    ),
    "numbers": (
        "regression",
        NUMBERS,
        {
            "r2": lambda y, t: theirs.r2_score(t, y),
            "rmse": lambda y, t: theirs.root_mean_squared_error(t, y),
            "mae": lambda y, t: theirs.mean_absolute_error(t, y),
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_metrics_are_those_of_scikit_learn(name: str) -> None:
    task, (answers, target), wanted = CASES[name]
    found = measured(task, answers, target)
    for metric, function in wanted.items():
        assert found[metric].value == pytest.approx(function(answers, target), rel=1e-9), metric
        assert found[metric].low <= found[metric].value <= found[metric].high, metric
        assert found[metric] == measured(task, answers, target)[metric], "the draws are the same each time"


@pytest.mark.parametrize("name", CASES)
def test_a_weight_counts_equal_samples(name: str) -> None:
    task, (answers, target), _ = CASES[name]
    counts = np.arange(len(target)) % 4
    whole = metrics_of(task, answers, target)
    again = metrics_of(task, np.repeat(answers, counts, axis=0), np.repeat(target, counts, axis=0))
    for metric, function in whole.items():
        repeated = again[metric](np.ones((1, counts.sum())))
        np.testing.assert_allclose(function(counts[None].astype(float)), repeated, rtol=1e-9, err_msg=metric)


def test_an_interval_is_as_wide_as_the_samples_allow() -> None:
    """Of an accuracy near 0.8 over 400 samples the standard error is 0.02: 95 % reach 0.039 to both sides."""
    target = RNG.integers(2, size=400)
    answer = np.where(RNG.random(400) < 0.8, target, 1 - target)
    found = measured("classification", np.eye(2)[answer] * 0.8 + 0.1, target)["accuracy"]
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(found.value * (1 - found.value) / 400), rel=0.1)


def test_calibration_is_the_distance_of_confidence_from_truth() -> None:
    p = np.tile([0.9, 0.1], (100, 1))
    target = (np.arange(100) >= 70).astype(int)  # 70 of 100 right at a confidence of 0.9
    assert measured("classification", p, target)["calibration"].value == pytest.approx(0.2)


def test_equal_numbers_have_no_share_of_variance() -> None:
    """Their mean is rounded, and what is left of their squares is no variance."""
    target = np.full((3, 1), 0.1)
    assert np.isnan(measured("regression", target + 1, target)["r2"].value)
    assert (r_squared(target + 1, target), r_squared(target, target)) == (0.0, 1.0)


def test_one_class_alone_has_no_area() -> None:
    found = measured("classification", TWO[0], np.zeros(len(TWO[1]), int))
    assert np.isnan(found["roc_auc"].value)
    assert found["accuracy"].value >= 0


def test_a_class_without_an_area_is_left_out_of_the_mean() -> None:
    p, y = THREE[0], np.minimum(THREE[1], 1)  # nobody is of the third class
    areas = [theirs.roc_auc_score(y == c, p[:, c]) for c in range(2)]
    assert measured("classification", p, y)["roc_auc"].value == pytest.approx(np.mean(areas))
    p, t = LABELS[0], LABELS[1] * [1, 1, 1, 0] + [0, 0, 1, 0]
    t = np.minimum(t, 1)  # every sample has the third label, none the fourth
    found = measured("multi_label", p, t)["roc_auc"]
    assert found.value == pytest.approx(theirs.roc_auc_score(t[:, :2], p[:, :2]))
    assert found.low <= found.value <= found.high
    assert np.isnan(measured("multi_label", p[:, 2:], t[:, 2:])["roc_auc"].value)


def test_many_classes_are_counted_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    p, target = rng.dirichlet(np.ones(7), size=60), rng.integers(7, size=60)
    few = measured("classification", p, target)
    monkeypatch.setattr("twofold.train.metrics.FEW_CLASSES", 3)
    many = measured("classification", p, target)
    assert few.keys() == many.keys()
    for name, one in few.items():
        assert many[name] == pytest.approx(one, rel=1e-12), name


def test_of_a_hundred_and_more_classes_there_is_no_area() -> None:
    p = np.full((300, 150), 1 / 150)
    metrics = measured("classification", p, np.arange(300) % 150)
    assert "roc_auc" not in metrics
    assert metrics["balanced_accuracy"].value == pytest.approx(1 / 150)
    assert metrics["brier"].value == pytest.approx(1 - 1 / 150)


MODELS = ["most frequent class", "logistic regression", "gradient boosting"]


def _held(classes: Array) -> Dataset:
    """Samples of these classes to train on, and the first twenty of them held out."""
    x = np.random.default_rng(0).normal(size=(len(classes), 2)).astype(np.float32)
    train = Split(x, classes)
    names = tuple(f"class {number}" for number in range(classes.max() + 1))
    return Dataset(train, train[:0], train[:20], names, ("u", "v"))


def test_a_class_of_one_row_stops_no_simpler_model() -> None:
    """From 10,000 rows on scikit-learn's trees put some aside, class by class."""
    classes = np.arange(10_100) % 2
    classes[-1] = 2
    assert [name for name, _ in baselines("classification", _held(classes), lambda _: None)] == MODELS


def test_a_class_that_the_chosen_rows_lack_has_probability_0() -> None:
    """Of more than 20,000 rows some are chosen at random: the last, rare class may not be among them."""
    classes = np.arange(20_050) % 2
    left_out = np.setdiff1d(np.arange(20_050), stream(0, "baselines").permutation(20_050)[:20_000])
    classes[left_out[:1]] = 2
    dataset = _held(classes)
    held = Split(dataset.train.x[:3], np.array([0, 1, 2]))
    answers = dict(baselines("classification", replace(dataset, test=held), lambda _: None))
    assert [*answers] == MODELS
    for name, p in answers.items():
        assert p.shape == (3, 3), name
        assert p.sum(axis=1) == pytest.approx(1), name
        assert np.isfinite(measured("classification", p, held.y)["log_loss"].value), name


def test_one_class_alone_is_answered_for_certain() -> None:
    answers = dict(baselines("classification", _held(np.ones(50, int)), lambda _: None))
    assert [*answers] == MODELS
    for p in answers.values():
        np.testing.assert_array_equal(p, np.tile([0.0, 1.0], (20, 1)))


@pytest.mark.parametrize("positives", [0, 1, 10_099, 10_100])
def test_a_label_that_is_nearly_constant_stops_no_simpler_model(positives: int) -> None:
    x = np.random.default_rng(0).normal(size=(10_100, 2)).astype(np.float32)
    y = np.stack([np.arange(10_100) < positives, x[:, 0] > 0], axis=1).astype(np.float32)
    train = Split(x, y)
    dataset = Dataset(train, train[:0], train[:20], (), ("u", "v"), targets=("rare", "plain"))
    answers = dict(baselines("multi_label", dataset, lambda _: None))
    assert [*answers] == ["more frequent answer", *MODELS[1:]]
    assert all(p.shape == (20, 2) and np.isfinite(p).all() for p in answers.values())


def test_a_simpler_model_that_fails_is_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def fit(*_: object) -> None:
        raise ValueError("not these samples")

    notes = list[str]()
    monkeypatch.setattr("sklearn.ensemble.HistGradientBoostingClassifier.fit", fit)
    watch = lambda event: notes.append(event.text) if isinstance(event, Noted) else None  # noqa: E731
    answers = dict(baselines("classification", _held(np.arange(50) % 2), watch))
    assert [*answers] == MODELS[:2]
    assert notes == ["gradient boosting is left out of the simpler models: ValueError: not these samples"]


def test_of_many_classes_only_the_most_frequent_stands_beside() -> None:
    ((name, p),) = baselines("classification", _held(np.arange(500) % 120), lambda _: None)
    assert name == "most frequent class"
    assert p.shape == (20, 120)
    assert p[0] == pytest.approx(np.bincount(np.arange(500) % 120) / 500)
