"""Estimators: scikit-learn's own checks, the same bits however a search is spread, and what a fit leaves behind."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from apart import Apart
from torture import short_form
from twofold import TwofoldClassifier, TwofoldRegressor
from twofold.errors import TrainingDivergedError
from twofold.recipe import load_recipe
from twofold.recipe.losses import CrossEntropy

ENGINES = ("numpy", "torch")
IRIS = load_iris(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)

CHECKS = """
import sys, warnings
warnings.simplefilter("ignore")
from sklearn.utils.estimator_checks import check_estimator
from twofold import TwofoldClassifier, TwofoldRegressor
for kind in (TwofoldClassifier, TwofoldRegressor):
    for check in check_estimator(kind(engine=sys.argv[1]), on_fail=None, on_skip=None):
        if check["status"] not in ("passed", "skipped"):
            print(kind.__name__, check["status"], check["check_name"], check["exception"])
print("all")
"""


@pytest.mark.parametrize("engine", short_form(ENGINES, {"numpy"}))
def test_every_check_of_scikit_learn_passes(engine: str, apart: Apart) -> None:
    """In a process without the checks of types, ten times as fast. None is expected to fail."""
    assert apart.python(CHECKS, engine).out == "all\n"


@pytest.mark.parametrize("engine", short_form(ENGINES, {"numpy"}))
def test_a_grid_search_gives_the_same_bits_however_it_is_spread(engine: str) -> None:
    import joblib

    def searched(jobs: int, backend: str) -> tuple[np.ndarray, np.ndarray]:
        network = make_pipeline(
            StandardScaler(), TwofoldClassifier(hidden=(8,), epochs=4, engine=engine, random_state=0)
        )
        grid = {"twofoldclassifier__lr": [0.01, 0.03], "twofoldclassifier__batch_size": [16, "auto"]}
        with joblib.parallel_config(backend, n_jobs=jobs):
            search = GridSearchCV(network, grid, cv=2, n_jobs=jobs).fit(*IRIS)
        return search.cv_results_["mean_test_score"], search.predict_proba(IRIS[0])

    scores, probabilities = searched(1, "loky")
    for jobs, backend in ((2, "loky"), (2, "threading")):
        others, theirs = searched(jobs, backend)
        np.testing.assert_array_equal(scores, others)
        np.testing.assert_array_equal(probabilities, theirs)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fit_can_be_proved_written_down_and_reported(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    network = TwofoldClassifier(hidden=(6,), epochs=5, lr=0.01, engine=engine, early_stopping=True, random_state=3)
    frame, _ = load_iris(return_X_y=True, as_frame=True)
    network.fit(frame, IRIS[1], sample_weight=np.arange(150) % 3)
    verification = network.verify(steps=5)
    assert verification.agrees
    assert verification.verdict.tolerance == 1e-9
    assert list(network.run_.record.engines) == [engine]
    assert network.run_ is network.run_
    losses = network.run_.history["validation_loss"].dropna().tolist()[1:]
    assert network.validation_loss_curve_ == pytest.approx(losses, rel=1e-12)
    assert network.report(tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert network.run_.table is not None
    assert set(network.run_.table.columns) == set(frame.columns)  # by the names of the frame
    assert len(network.loss_curve_) == len(network.validation_loss_curve_) == network.n_iter_ == 5


def test_a_pickle_predicts_and_holds_no_samples() -> None:
    network = TwofoldClassifier(epochs=3, random_state=0).fit(*IRIS)
    again = pickle.loads(pickle.dumps(network))
    np.testing.assert_array_equal(network.predict_proba(IRIS[0]), again.predict_proba(IRIS[0]))
    with pytest.raises(
        ValueError, match="`verify` wants the training samples, which a pickled estimator does not hold"
    ):
        again.verify()


def test_both_engines_come_to_the_same_answers() -> None:
    x, y = DIABETES
    answers = [TwofoldRegressor(epochs=20, engine=engine, random_state=0).fit(x, y).predict(x) for engine in ENGINES]
    np.testing.assert_allclose(*answers, rtol=1e-7)


def test_a_recipe_may_take_the_place_of_the_parameters() -> None:
    x, y = load_digits(return_X_y=True)
    recipe = load_recipe("digits", {"training.epochs": 2})
    network = TwofoldClassifier(recipe=recipe, random_state=0).fit(x / 16, y)
    assert network.recipe_.layers == recipe.layers
    assert network.recipe_.data.sample_shape == (1, 8, 8)
    assert network.score(x / 16, y) > 0.8
    with pytest.raises(ValueError, match="the last layer must give 3 numbers, one for each class; it gives 10"):
        clone(network).fit(*IRIS)


def test_fitting_in_parts_goes_on() -> None:
    x, y = DIABETES
    network = TwofoldRegressor(lr=0.01, random_state=0)
    scores = []
    for _ in range(30):
        scores.append(network.partial_fit(x, y).score(x, y))
    assert scores[-1] > scores[0] + 0.2
    warm = TwofoldRegressor(lr=0.01, epochs=1, warm_start=True, random_state=0).fit(x, y)
    first = warm.loss_
    assert warm.fit(x, y).loss_ < first
    classifier = TwofoldClassifier(random_state=0)
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        classifier.partial_fit(*IRIS)
    assert set(classifier.partial_fit(IRIS[0][:60], IRIS[1][:60], classes=[0, 1, 2]).classes_) == {0, 1, 2}


def test_a_part_is_one_epoch_of_the_recipe_with_nothing_held_out() -> None:
    x, y = load_digits(return_X_y=True)
    settings = {"training.epochs": 3, "data.validation": 0.2, "training.keep": "best", "training.patience": 2}
    for changes in (settings, {**settings, "training.epochs": None, "training.steps": 90}):
        network = TwofoldClassifier(recipe=load_recipe("digits", changes), random_state=0)
        for _ in range(2):
            network.partial_fit(x / 16, y, classes=range(10))
            assert (network.n_iter_, network.validation_loss_curve_) == (1, None)
            assert len(network._samples.dataset.train) == len(x)


def test_what_a_recipe_does_not_set_is_the_estimators() -> None:
    """The weights of its classes, in the recipe's own loss, and the device."""
    recipe = load_recipe("moons", {"training.epochs": 1, "loss.label_smoothing": 0.1, "training.device": "auto"})
    x = np.random.default_rng(0).normal(size=(60, 2))
    y = (x[:, 0] > 0).astype(int)
    fitted = TwofoldClassifier(recipe=recipe, class_weight={0: 1.0, 1: 3.0}, random_state=0).fit(x, y).recipe_
    assert fitted.loss == CrossEntropy(class_weight=(1.0, 3.0), label_smoothing=0.1)
    assert fitted.training.device == "cpu"
    squares = load_recipe(recipe, {"loss": {"kind": "mean_squared"}})
    with pytest.raises(ValueError, match="`class_weight` weighs the classes of `cross_entropy`; `recipe` has the loss"):
        TwofoldClassifier(recipe=squares, class_weight="balanced").fit(x, y)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("loss", ["cross_entropy", "balanced", "mean_squared", "mean_absolute", "huber"])
def test_a_batch_of_samples_that_do_not_count_changes_nothing(engine: str, loss: str) -> None:
    x = np.random.default_rng(0).normal(size=(40, 2))
    weight = np.r_[np.ones(4), np.zeros(36)]  # whatever the order, some batch of four holds none of the others
    settings = {"epochs": 3, "batch_size": 4, "engine": engine, "random_state": 0}
    if loss in ("cross_entropy", "balanced"):
        balanced = "balanced" if loss == "balanced" else None
        network = TwofoldClassifier(class_weight=balanced, **settings)
        network.fit(x, np.arange(40) % 2, weight)
    else:
        network = TwofoldRegressor(loss=loss, **settings).fit(x, x[:, 0], weight)
    assert np.isfinite(network.loss_curve_).all()
    assert network.verify(steps=12).agrees


THREADS = """
import twofold.estimators.base as base
from sklearn.datasets import load_iris
from twofold import TwofoldClassifier
plain = base.fitted
def counted(*words):
    result = plain(*words)
    import torch
    print(torch.get_num_threads())
    return result
base.fitted = counted
for _ in range(2):
    TwofoldClassifier(epochs=1, engine="torch").fit(*load_iris(return_X_y=True))
import torch
print(torch.get_num_threads())
"""


def test_the_first_fit_has_one_thread_too() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == ["1", "1", "2"], done.stderr


def test_a_warm_start_that_is_refused_leaves_the_fit_as_it_was() -> None:
    x, y = IRIS
    for network in (TwofoldClassifier(epochs=1, warm_start=True), TwofoldRegressor(epochs=1, warm_start=True)):
        network.fit(x, y)
        with pytest.raises(ValueError, match=r"X has 3 features, but .* is expecting 4 features"):
            network.fit(x[:, :3], y)
        assert network.n_features_in_ == 4
        assert len(network.predict(x)) == len(x)


def test_a_fit_in_parts_has_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network = TwofoldClassifier(epochs=1, warm_start=True, random_state=0).fit(*IRIS).fit(*IRIS)
    with pytest.raises(ValueError, match=r"fitted in several parts .* Fit it at once"):
        _ = network.run_


def test_several_labels_are_answered_at_once() -> None:
    """As scikit-learn's own network answers them: ones and zeros, a probability each, the subset accuracy."""
    from scipy.sparse import csr_array
    from sklearn.datasets import make_multilabel_classification
    from sklearn.neural_network import MLPClassifier

    x, y = make_multilabel_classification(200, 10, n_classes=4, random_state=0)  # pyright: ignore[reportAssignmentType]
    network = TwofoldClassifier((16,), epochs=60, lr=0.01, random_state=0).fit(x, y)
    theirs = MLPClassifier((16,), max_iter=60, learning_rate_init=0.01, tol=0, random_state=0)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        theirs.fit(x, y)
    assert network.predict(x).shape == np.shape(theirs.predict(x)) == (200, 4)
    assert network.predict_proba(x).shape == np.shape(theirs.predict_proba(x))
    np.testing.assert_array_equal(network.classes_, theirs.classes_)
    assert network.score(x, y) > theirs.score(x, y) - 0.1
    np.testing.assert_array_equal(clone(network).fit(x, csr_array(y)).predict(x), network.predict(x))
    assert network.verify(steps=5).agrees
    with pytest.raises(ValueError, match="`class_weight` is of classes; y holds several labels a sample"):
        TwofoldClassifier(class_weight="balanced").fit(x, y)
    with pytest.raises(ValueError, match="y must hold 4 labels of 0 and 1 a sample"):
        network.partial_fit(x, y[:, 0])
    with pytest.raises(ValueError, match="the last layer must give 4 numbers, one for each of"):
        TwofoldClassifier(recipe=load_recipe("moons")).fit(x[:, :2], y)
    numbers = load_recipe("moons", {"loss.kind": "mean_squared"})
    with pytest.raises(ValueError, match="the loss `mean_squared`, which predicts numbers; y holds several labels"):
        TwofoldClassifier(recipe=numbers).fit(x[:, :2], y[:, :2])


def test_a_recipe_without_layers_is_refused_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "bare.toml"
    path.write_text('name = "bare"\n[data]\nsource = "moons"\n')
    with pytest.raises(ValueError, match=r"bare\.toml:1: `recipe` lacks `layers`"):
        TwofoldClassifier(recipe=path).fit(*IRIS)


def test_several_numbers_come_back_in_their_units() -> None:
    x, y = DIABETES
    both = np.column_stack([y, 1000 * y + 5])
    answers = TwofoldRegressor(epochs=60, lr=0.01, random_state=0).fit(x, both).predict(x)
    assert answers.shape == both.shape
    np.testing.assert_allclose(answers[:, 1], 1000 * answers[:, 0] + 5, rtol=0.4)


def test_class_weights_move_the_answers() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2))
    y = (x[:, 0] + rng.normal(size=400) > 1.6).astype(int)
    plain, balanced = (
        TwofoldClassifier(epochs=60, lr=0.01, class_weight=weight, random_state=0).fit(x, y).predict(x).mean()
        for weight in (None, "balanced")
    )
    assert balanced > 2 * plain
    weighted = TwofoldClassifier(epochs=5, class_weight={0: 1.0, 1: 3.0}, random_state=0).fit(x, y)
    assert weighted.recipe_.loss.class_weight == (1.0, 3.0)  # pyright: ignore


def test_weights_of_samples_are_routed() -> None:
    x, y = IRIS
    with sklearn.config_context(enable_metadata_routing=True):
        network = TwofoldClassifier(epochs=2, random_state=0).set_fit_request(sample_weight=True)
        scores = cross_val_score(
            network.set_score_request(sample_weight=False), x, y, params={"sample_weight": np.ones(150)}, cv=2
        )
    assert len(scores) == 2


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "epochs": (
        {"epochs": 0},
        "The 'epochs' parameter of TwofoldClassifier must be an int in the range [1, inf). Got 0",
    ),
    "engine": ({"engine": "jax"}, "The 'engine' parameter of TwofoldClassifier must be a str among"),
    "lr": ({"lr": -1.0}, "The 'lr' parameter of TwofoldClassifier must be a float in the range (0.0, inf). Got -1.0"),
    "hidden": ({"hidden": (8, 0)}, "`hidden` holds the units of each hidden layer, at least 1; got (8, 0)."),
    "hidden, no whole number": (
        {"hidden": (2.7,)},
        "`hidden` holds the units of each hidden layer, whole numbers; got",
    ),
    "class_weight": ({"class_weight": "even"}, "The 'class_weight' parameter of TwofoldClassifier must be"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_parameter_is_told_as_scikit_learn_tells_it(name: str) -> None:
    parameters, message = FAULTS[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        TwofoldClassifier(**parameters).fit(*IRIS)


def test_what_cannot_be_fitted_says_why() -> None:
    x, y = IRIS
    with pytest.raises(ValueError, match="only one class is present: y holds 0 only"):
        TwofoldClassifier().fit(x[:20], np.zeros(20, int))
    with pytest.raises(ValueError, match=r"[Ww]eights"):
        TwofoldClassifier().fit(x, y, sample_weight=np.zeros(150))
    with pytest.raises(ValueError, match="`y`: a number to predict must be small enough for a mean and a standard"):
        TwofoldRegressor().fit(x, np.where(y > 0, 1e200, -1e200))
    with pytest.raises(NotFittedError):
        TwofoldClassifier().predict(x)
    with pytest.raises(TrainingDivergedError, match="lower `lr`, or scale the features"):
        TwofoldRegressor(optimizer="sgd", lr=1e6, epochs=50, random_state=0).fit(*DIABETES)
    squares = load_recipe("digits", {"training.epochs": 1, "loss.kind": "mean_squared"})
    digits = load_digits(return_X_y=True)
    network = TwofoldClassifier(recipe=squares, random_state=0).fit(*digits)
    with pytest.raises(ValueError, match="stand for no probabilities"):
        network.predict_proba(digits[0])


def test_the_package_stays_light() -> None:
    script = "import sys, twofold; print([name for name in ('sklearn', 'torch', 'pandas') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_the_blocks_of_the_page_run(apart: Apart, in_tmp: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "estimators.md").read_text("utf-8")
    script = "".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    ran = apart.python(script)
    assert ran.status == 0, ran.err
    assert "class_weight" in ran.out
