"""Numbers to predict, labels, and weights of classes and samples: proved in both engines, and held by every room."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import twofold
from twofold.analysis import findings
from twofold.arrays import Array
from twofold.cli.main import app
from twofold.data import Batches, Split
from twofold.data.checking import checked
from twofold.errors import DataError, RecipeError
from twofold.proof.gradcheck import TOLERANCE, check_gradients
from twofold.recipe import Recipe, dump, load_recipe, loads
from twofold.runs import Run
from twofold.setup.building import build_engine, initial_state, prepare, with_class_weights
from twofold.setup.outputs import probabilities

pytestmark = pytest.mark.usefixtures("undrawn")

SAMPLES, INPUTS = 120, 3


@dataclass(frozen=True)
class Case:
    """A task on one table: what the label is, the loss, how many outputs there are."""

    label: str | list[str]
    loss: Mapping[str, Any]
    outputs: int
    task: str
    data: Mapping[str, Any] = field(default_factory=dict)


CASES = {
    "squares of a number": Case("price", {"kind": "mean_squared"}, 1, "regression"),
    "distances of a number": Case("price", {"kind": "mean_absolute"}, 1, "regression"),
    "huber of a number": Case("price", {"kind": "huber", "delta": 0.5}, 1, "regression"),
    "several numbers": Case(["price", "size"], {"kind": "mean_squared"}, 2, "regression"),
    "several numbers, summed": Case(["price", "size"], {"kind": "huber", "reduction": "sum"}, 2, "regression"),
    "labels": Case(["red", "round"], {"kind": "binary_cross_entropy"}, 2, "multi_label"),
    "one label": Case("red", {"kind": "binary_cross_entropy"}, 1, "multi_label"),
    "balanced classes": Case("kind", {"kind": "cross_entropy", "class_weight": "balanced"}, 3, "classification"),
    "weighted classes": Case(
        "kind", {"kind": "cross_entropy", "class_weight": [1.0, 2.0, 0.5], "label_smoothing": 0.1}, 3, "classification"
    ),
    "weighted samples": Case("kind", {"kind": "cross_entropy"}, 3, "classification", {"weight": "w"}),
    "weighted samples of balanced classes": Case(
        "kind", {"kind": "cross_entropy", "class_weight": "balanced"}, 3, "classification", {"weight": "w"}
    ),
    "weighted numbers": Case("price", {"kind": "mean_squared"}, 1, "regression", {"weight": "w"}),
    "weighted labels": Case(["red", "round"], {"kind": "binary_cross_entropy"}, 2, "multi_label", {"weight": "w"}),
}
each_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, INPUTS))
    columns = {f"x{index}": x[:, index] for index in range(INPUTS)}
    columns |= {"price": 1000 + 300 * x[:, 0] - 100 * x[:, 1], "size": 3 + x[:, 2] + 0.1 * rng.normal(size=SAMPLES)}
    columns |= {"red": (x[:, 0] > 0.5) * 1, "round": (x[:, 1] + x[:, 2] > 0) * 1, "w": rng.integers(0, 4, SAMPLES)}
    columns["kind"] = np.where(x[:, 0] > 1, 2, np.where(x[:, 1] > 0, 1, 0))
    path = tmp_path_factory.mktemp("tasks") / "table.csv"
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))
    return path


def recipe(table: Path, case: Case, **training: Any) -> Recipe:
    layers = [{"kind": "dense", "units": 8}, {"kind": "tanh"}, {"kind": "dense", "units": case.outputs}]
    data = {"source": "csv", "path": str(table), "label": case.label, "validation": 0.2, **case.data}
    return Recipe.model_validate(
        {
            "data": {**data, "features": [f"x{index}" for index in range(INPUTS)]},
            "layers": layers,
            "loss": case.loss,
            "optimizer": {"kind": "adam", "lr": 0.05},
            "training": {
                "dtype": "float64",
                "epochs": 8,
                "batch_size": 16,
                "keep": "best",
                "device": "cpu",
                **training,
            },
        }
    )


@pytest.fixture(scope="module")
def runs(table: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("runs")
    names = ("squares of a number", "several numbers", "labels", "weighted classes")
    return {name: twofold.run(recipe(table, CASES[name]), out=folder / name.replace(" ", "-")) for name in names}


@each_case
def test_the_task_follows_from_the_loss(table: Path, name: str) -> None:
    case = CASES[name]
    assert recipe(table, case).task == case.task
    again = loads(dump(recipe(table, case)))
    assert again == recipe(table, case)


@each_case
def test_engines_agree_step_by_step(table: Path, name: str) -> None:
    verification = twofold.verify(recipe(table, CASES[name]), steps=12)
    assert verification.agrees
    assert verification.verdict.tolerance == 1e-9
    assert max(verification.verdict.largest.values()) <= 1e-9


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@each_case
def test_gradients_equal_central_differences(table: Path, name: str, engine: str) -> None:
    built, dataset = prepare(recipe(table, CASES[name]))
    batch = next(iter(Batches(built, dataset.astype("float64").train)))
    assert (batch.weight is None) == ("weight" not in CASES[name].data)
    state = initial_state(built.model)
    projections = check_gradients(build_engine(engine, built), state, batch)
    # |d| has a corner at 0, Huber a bend at δ: no target lies within 1e-6 of either.
    assert all(projection.size <= TOLERANCE for projection in projections)


def test_balanced_weights_are_counted_over_the_training_samples(table: Path) -> None:
    built, dataset = prepare(recipe(table, CASES["balanced classes"]))
    counts = np.bincount(dataset.train.y)
    assert built.loss.class_weight == pytest.approx(len(dataset.train) / (3 * counts))  # pyright: ignore


def test_balanced_weights_are_counted_in_fractions_of_a_sample(table: Path) -> None:
    built, dataset = prepare(recipe(table, CASES["balanced classes"]))
    y = np.repeat([0, 1], [90, 10])
    train = Split(np.zeros((100, 2)), y, weight=np.full(100, 0.01))
    balanced = built.model_copy(update={"loss": built.loss.model_copy(update={"class_weight": "balanced"})})
    weighted = with_class_weights(balanced, replace(dataset, train=train, classes=("a", "b")))
    assert weighted.loss.class_weight == pytest.approx((100 / 180, 5))  # pyright: ignore


def test_numbers_are_standardized_inside_and_answered_in_their_unit(table: Path, runs: dict[str, Run]) -> None:
    run = runs["several numbers"]
    _, dataset = prepare(run.recipe)
    np.testing.assert_allclose(dataset.train.y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(dataset.train.y.std(axis=0), 1, rtol=1e-12)
    answers = twofold.predict(run, table)
    assert answers.measure == "number"
    assert answers.targets == ("price", "size")
    price = answers.values["numpy"][:, 0]
    assert 800 < price.mean() < 1200
    row = answers.to_json()["answers"][0]
    assert row["price"] == pytest.approx(price[0])
    assert answers.gaps is not None
    assert answers.gaps.max() < 1e-6


def test_scores_are_those_of_scikit_learn(table: Path, runs: dict[str, Run]) -> None:
    from sklearn.metrics import r2_score

    evaluation = twofold.evaluate(runs["several numbers"])
    for engine, score in evaluation.scores.items():
        assert score.accuracy is None
        assert score.r2 == pytest.approx(r2_score(evaluation.target, evaluation.predicted[engine]), rel=1e-9)
    assert evaluation.agrees
    labels = twofold.evaluate(runs["labels"])
    for engine, score in labels.scores.items():
        assert score.accuracy == pytest.approx((labels.target == labels.predicted[engine]).mean())


@pytest.mark.parametrize("name", ["squares of a number", "several numbers", "labels", "weighted classes"])
@pytest.mark.drawn
def test_every_room_holds_such_a_run(table: Path, runs: dict[str, Run], name: str) -> None:
    run, case = runs[name], CASES[name]
    quality = "r2" if case.task == "regression" else "accuracy"
    assert f"test_{quality}" in run.history.columns
    assert run.record.data.task == case.task
    page = twofold.write_report(run).read_text()
    assert ("R²" in page) == (case.task == "regression")
    assert findings(run)
    assert twofold.evaluate(run, data=table).agrees is None
    model = twofold.load_model(run, "numpy")
    weights = run.path.parent / f"{run.path.name}.npz"
    twofold.export_weights(run, weights)
    again = twofold.import_weights(run, weights, out=run.path.parent / f"{run.path.name}-again", engines="numpy")
    for what in ("predicted", "before", "after"):
        np.testing.assert_allclose(again.evidence[f"numpy.{what}"], run.evidence[f"numpy.{what}"], rtol=1e-9)
    x = np.loadtxt(table, delimiter=",", skiprows=1)[:, :INPUTS]
    answer = model.predict(x)
    assert len(answer) == SAMPLES
    assert twofold.walk(run, engines=["numpy", "torch"]).gap < 1e-9  # pyright: ignore
    for command in (["evaluate", str(run.path)], ["predict", str(run.path), str(table), "--json"]):
        assert CliRunner().invoke(app, command).exit_code == 0


def test_data_in_memory_may_hold_numbers(table: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, INPUTS))
    y = x @ [3.0, -2.0, 1.0] + 50
    base = recipe(table, CASES["squares of a number"], engines=["numpy"], keep="last", epochs=60)
    run = twofold.run(base, data=(x, y), overrides={"data.validation": 0.0}, out=tmp_path / "run")
    assert run.record.engines["numpy"].test_r2 > 0.9  # pyright: ignore
    assert twofold.evaluate(run, data=(x, y)).agrees
    model = twofold.load_model(run, "numpy")
    assert model.score(x, y) > 0.9
    assert run.recipe.data.targets == ("y",)


def _weighted(table: Path, weights: Array, path: Path) -> Path:
    head, *rows = table.read_text().splitlines()
    names = head.split(",")
    lines = [line.split(",") for line in rows]
    for line, weight in zip(lines, weights, strict=True):
        line[names.index("w")] = str(weight)
    path.write_text("\n".join([head, *(",".join(line) for line in lines)]))
    return path


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "a class for numbers": (
        {"loss.kind": "cross_entropy", "data.label": ["price", "size"], "layers.2.units": 2},
        "`cross_entropy` judges one class a sample; the data hold several numbers a sample",
    ),
    "too many outputs": (
        {"loss.kind": "huber", "data.label": "price", "layers.2.units": 3},
        "`huber` wants an output for each number of a sample, 1; the last layer gives 3",
    ),
    "outputs beside the targets": (
        {"loss.kind": "mean_squared", "data.label": ["price", "size"], "layers.2.units": 3},
        "the last layer must give 2 numbers, one for each of `price`, `size`; it gives 3",
    ),
    "too few weights": (
        {"loss.kind": "cross_entropy", "loss.class_weight": [1.0, 2.0]},
        "`class_weight` gives each class a weight; there are 3 classes, and 2 weights",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_loss_that_does_not_fit_is_refused(table: Path, name: str) -> None:
    settings, message = FAULTS[name]
    base = recipe(table, CASES["weighted samples"])
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe(base, settings)


def test_numbers_of_points_are_refused() -> None:
    with pytest.raises(RecipeError, match="compares with numbers of the data; the samples of `moons` have classes"):
        load_recipe("moons", {"loss.kind": "mean_absolute"})


def test_a_label_that_is_no_number_is_told_by_line_and_column(table: Path, tmp_path: Path) -> None:
    text = table.read_text().splitlines()
    names = text[0].split(",")
    cells = text[5].split(",")
    cells[names.index("price")] = "dear"
    text[5] = ",".join(cells)
    path = tmp_path / "words.csv"
    path.write_text("\n".join(text))
    with pytest.raises(DataError, match=r'words.csv:6: column `price` must be a number; got "dear"'):
        prepare(recipe(path, CASES["squares of a number"]))


def test_a_label_that_is_neither_0_nor_1_is_refused(table: Path) -> None:
    case = Case(["red", "size"], {"kind": "binary_cross_entropy"}, 2, "multi_label")
    with pytest.raises(DataError, match=r"has .* as `size`; `binary_cross_entropy` takes labels"):
        prepare(recipe(table, case))


def test_a_negative_weight_is_refused(table: Path, tmp_path: Path) -> None:
    path = _weighted(table, np.where(np.arange(SAMPLES) == 7, -1, 1), tmp_path / "negative.csv")
    with pytest.raises(DataError, match="column `w` holds weights, 0 or more and some above 0; row 8 has -1"):
        prepare(recipe(path, CASES["weighted numbers"]))


@pytest.mark.parametrize("name", ["weighted numbers", "weighted samples of balanced classes"])
def test_samples_of_weight_0_count_as_none(table: Path, tmp_path: Path, name: str) -> None:
    path = _weighted(table, (np.arange(SAMPLES) % 3 == 0) * 1, tmp_path / "mostly-0.csv")
    made = recipe(path, CASES[name], batch_size=1, epochs=1)
    assert twofold.verify(made).passed
    last = twofold.run(made, out=tmp_path / "run").engines
    assert all(np.isfinite(result["test_loss"]) for result in last.values())


def test_training_samples_of_which_none_has_a_weight_are_refused(table: Path, tmp_path: Path) -> None:
    _, dataset = prepare(recipe(table, CASES["weighted numbers"]))
    assert dataset.train.weight is not None
    nothing = replace(dataset.train, weight=np.zeros_like(dataset.train.weight))
    with pytest.raises(DataError, match=r"table.csv: every sample of the train set has the weight 0: .* above 0"):
        checked(replace(dataset, train=nothing), "table.csv")


def test_words_where_numbers_are_meant_say_what_to_choose(table: Path) -> None:
    with pytest.raises(DataError, match=r'choose loss.kind = "mean_squared" and end with one unit'):
        prepare(recipe(table, Case("price", {"kind": "cross_entropy"}, 3, "classification")))


def test_confusion_of_numbers_is_refused(runs: dict[str, Run]) -> None:
    outcome = CliRunner().invoke(app, ["evaluate", str(runs["several numbers"].path), "--confusion"])
    assert isinstance(outcome.exception, Exception)
    assert "counts classes" in str(outcome.exception)


def test_json_of_an_evaluation_has_what_the_task_has(runs: dict[str, Run]) -> None:
    text = json.dumps(twofold.evaluate(runs["squares of a number"]).to_json())
    assert '"r2"' in text
    assert "accuracy" not in text


@pytest.mark.parametrize("name", ["several numbers", "labels", "weighted classes"])
def test_a_table_is_judged_beside_simpler_models(runs: dict[str, Run], name: str) -> None:
    run, case = runs[name], CASES[name]
    content = run.metrics
    assert content is not None
    constant = {"regression": "mean", "multi_label": "more frequent answer", "classification": "most frequent class"}
    linear = "ridge regression" if case.task == "regression" else "logistic regression"
    assert list(content["baselines"]) == [constant[case.task], linear, "gradient boosting"]
    for model in (*content["engines"].values(), *content["baselines"].values()):
        assert all(one["low"] <= one["value"] <= one["high"] for one in model.values() if None not in one.values())
    quality = "r2" if case.task == "regression" else "accuracy"
    assert content["engines"]["numpy"][quality]["value"] == pytest.approx(
        run.engines["numpy"][f"{content['split']}_{quality}"], rel=1e-6
    )
    page = twofold.write_report(run).read_text()
    assert "gradient boosting" in page
    evaluation = twofold.evaluate(run)
    assert evaluation.metrics["numpy"][quality].value == pytest.approx(content["engines"]["numpy"][quality]["value"])


def test_simpler_models_can_be_left_out(table: Path, tmp_path: Path) -> None:
    case = Case("price", {"kind": "mean_squared"}, 1, "regression", {"baselines": False})
    run = twofold.run(recipe(table, case, engines=["numpy"], epochs=1), out=tmp_path / "run")
    assert run.metrics is not None
    assert not run.metrics["baselines"]


def test_folds_are_each_the_test_once(table: Path) -> None:
    case = CASES["balanced classes"]
    held, shares = [], []
    for fold in range(4):
        _, dataset = prepare(load_recipe(recipe(table, case), {"data.folds": 4, "data.fold": fold}))
        shares.append(np.bincount(dataset.test.y, minlength=3))
        held.append(dataset.test.x)
        assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == SAMPLES
    assert np.ptp(shares, axis=0).max() <= 1  # each class has its share in every fold
    everything = np.concatenate(held)
    assert len(np.unique(everything, axis=0)) == SAMPLES


def test_cross_validation_is_a_study(table: Path, tmp_path: Path) -> None:
    base = recipe(table, CASES["squares of a number"], epochs=2)
    study = twofold.run_study(base, folds=3, seeds=2, out=tmp_path / "study", jobs=1)
    assert study.study.metric == "test_r2"
    assert len(study.points) == 6
    (row,) = study.summary.to_dict("records")
    assert row["mean"] == pytest.approx(study.table["test_r2"].mean())
    assert "3 folds in turn as the test" in twofold.write_study_report(study).read_text()
    again = twofold.open_study(tmp_path / "study")
    assert again.study == study.study


def test_folds_of_a_table_keep_groups_together(tmp_path: Path) -> None:
    from twofold.data.columns.dividing import divided
    from twofold.data.columns.plan import wanted
    from twofold.data.columns.reading import read_table
    from twofold.recipe.columns import Table

    rng = np.random.default_rng(3)
    groups = rng.integers(12, size=100)
    path = tmp_path / "patients.csv"
    path.write_text(
        "\n".join(["x,patient,y", *(f"{x:.3f},p{g},a" for x, g in zip(rng.random(100), groups, strict=True))])
    )
    tested = list[int]()
    for fold in range(4):
        spec = Table(path=str(path), label="y", group="patient", validation=0.2, folds=4, fold=fold)
        parts = divided(spec, read_table(spec, str(path), wanted(spec)), None, False)
        of_part = {name: set(groups[rows]) for name, rows in parts.items()}
        assert not of_part["train"] & (of_part["test"] | of_part["validation"])
        assert not of_part["validation"] & of_part["test"]
        assert sorted(np.concatenate(list(parts.values()))) == list(range(100))
        tested += parts["test"].tolist()
    assert sorted(tested) == list(range(100))
    many = Table(path=str(path), label="y", group="patient", folds=20)
    frame = read_table(many, str(path), wanted(many))
    with pytest.raises(DataError, match=r"holds 12 groups, too few for 20 folds; set data\.folds to at most 12"):
        divided(many, frame, None, False)
    with pytest.raises(RecipeError, match="`folds` and `split` each say which rows are the test"):
        Table(path=str(path), label="y", split="patient", folds=4)


def test_a_label_that_is_far_from_likely_has_the_probability_0(table: Path) -> None:
    with np.errstate(over="raise"):
        p = probabilities(recipe(table, CASES["one label"]).model, np.array([[-1000.0], [1000.0]], np.float32))
    assert p is not None
    assert p[:, 0].tolist() == [0, 1]
