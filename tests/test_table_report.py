"""What a run keeps of its table, drawn and told: importance, dependence, curves, worst rows, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

import twofold
from twofold.analysis import findings
from twofold.analysis.answers import calibration_bins, roc, table_answers, wilson
from twofold.probe.table.drift import compared, pooled
from twofold.report.page import render
from twofold.report.table_facts import columns_table, worst_table
from twofold.runs import TABLE
from twofold.train.metrics import difference, measured

LAYERS = [{"kind": "dense", "units": 8}, {"kind": "relu"}]
BRIEF = {"epochs": 12, "batch_size": 16, "engines": ["numpy"]}


def trained(
    frame: pd.DataFrame, folder: Path, outputs: int = 2, loss: str = "cross_entropy", **data: Any
) -> twofold.Run:
    """A short training on a file of these rows, whose label is `y`."""
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "table.csv", index=False)
    recipe = twofold.Recipe(
        name="table",
        data={"source": "table", "path": str(folder / "table.csv"), "label": "y", "test": 0.3, **data},
        layers=[*LAYERS, {"kind": "dense", "units": outputs}],
        loss={"kind": loss},
        optimizer={"kind": "adam", "lr": 0.02},
        training=BRIEF,
    )
    return twofold.run(recipe, out=folder / "run", watcher=lambda _: None)


def kinds(run: twofold.Run) -> set[str]:
    return {finding.kind for finding in findings(run)}


def people(rows: int = 300) -> pd.DataFrame:
    """Numbers and words with holes, a truth, a date, a number of the row; the answer goes by age and town."""
    rng = np.random.default_rng(0)
    age, town = rng.normal(40, 12, rows).round(), rng.choice(["Bern", "Basel", "Chur"], rows)
    frame = pd.DataFrame(
        {
            "id": np.arange(rows) + 1,
            "age": np.where(rng.random(rows) < 0.1, np.nan, age),
            "town": pd.Series(town).mask(rng.random(rows) < 0.1),
            "member": rng.choice(["yes", "no"], rows),
            "since": pd.Series(pd.to_datetime(rng.integers(18262, 19162, rows), unit="D")).dt.strftime("%d.%m.%Y"),
        }
    )
    z = (age - 40) / 6 + 2.0 * (town == "Chur") + rng.logistic(size=rows)
    return frame.assign(y=np.where(z > 0, "stays", "leaves"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> twofold.Run:
    return trained(people(), tmp_path_factory.mktemp("people"))


def test_what_a_run_keeps_of_its_columns(run: twofold.Run) -> None:
    facts = run.table
    assert facts is not None
    frame = people()
    assert facts.columns == ("age", "town", "member", "since")
    assert facts.left_out.keys() == {"id"}
    assert 0 < facts.missing["age"] < frame["age"].isna().sum()  # of the training rows alone
    by_name = {one.column: one for one in facts.importance}
    assert facts.importance[0].column == "age"
    assert by_name["age"].low > 0 > by_name["member"].low
    assert all(one.low <= one.value <= one.high for one in facts.importance)


def test_partial_dependence_is_what_predict_answers_to_changed_rows(run: twofold.Run) -> None:
    assert run.table is not None
    curves = {curve.column: curve for curve in run.table.dependence}
    places = [int(case.row.rpartition(":")[2]) for case in run.table.worst]
    assert all(2 <= place <= 301 for place in places)
    held = _held_out(run)
    for name, values in {"town": curves["town"].levels, "age": curves["age"].at}.items():
        for value, answer in zip(values or (), curves[name].answers, strict=True):
            changed = held.assign(**{name: None if value == "(missing)" else value})
            p = twofold.predict(run, changed).values["numpy"].mean(axis=0)
            np.testing.assert_allclose(p, answer, atol=1e-6)


@pytest.mark.parametrize("words", [{"true": ["yes"], "false": []}, {"true": [], "false": ["yes"]}])
def test_a_boolean_with_a_single_word_has_no_curve(words: dict[str, list[str]], tmp_path: Path) -> None:
    frame = people().assign(member="yes")
    run = trained(frame, tmp_path / "one", columns={"member": {"kind": "boolean", **words}})
    assert run.table is not None
    assert {"age", "town"} <= {curve.column for curve in run.table.dependence} <= {"age", "town", "since"}


def _held_out(run: twofold.Run) -> pd.DataFrame:
    """The rows of the test, in their order, by the answers that the run keeps for them."""
    from twofold.setup.building import prepare

    _, dataset = prepare(run.recipe, lambda _: None)
    assert dataset.origin is not None
    rows = [int(dataset.origin.held.place(row).rpartition(":")[2]) - 2 for row in range(dataset.origin.held.rows)]
    frame = people().iloc[rows].drop(columns=["y", "id"])
    assert len(frame) == len(run.evidence["target"])
    return frame


def test_worst_rows_stand_as_they_were_written(run: twofold.Run) -> None:
    facts, frame = run.table, people()
    assert facts is not None
    for case in facts.worst:
        row = frame.iloc[int(case.row.rpartition(":")[2]) - 2]
        cells = dict(zip(facts.columns, case.cells, strict=True))
        assert case.target == (row["y"],)
        assert cells["member"] == row["member"]
        assert cells["since"] == row["since"]
        assert cells["town"] == ("" if pd.isna(row["town"]) else row["town"])
        assert cells["age"] == ("" if np.isnan(row["age"]) else str(int(row["age"])))
    losses = [case.loss for case in facts.worst]
    assert losses == sorted(losses, reverse=True)


def test_the_report_of_classes(run: twofold.Run) -> None:
    page = render(run)
    names = [picture.name for picture in page.pictures]
    assert {"importance", "dependence", "roc", "calibration"} <= set(names)
    assert "residuals" not in names
    columns, worst = columns_table(run), worst_table(run)
    assert columns is not None
    assert worst is not None
    by_name = {row[0]: row for row in columns.rows}
    assert by_name["id"][1] == "left out"
    assert by_name["age"][3].startswith("median ")
    assert by_name["town"][3] == "a level of its own"
    assert len(worst.rows) == 10
    judged = table_answers(run)
    assert judged is not None
    assert f"{roc_auc_score(judged.target, judged.answers[:, 1]):.3f}" in page.html


def test_the_report_of_numbers(tmp_path: Path) -> None:
    frame = people()
    rng = np.random.default_rng(1)
    frame["y"] = frame["age"].fillna(40) * 3 + rng.normal(0, 5, len(frame))
    run = trained(frame, tmp_path / "numbers", 1, "mean_squared")
    assert run.table is not None
    assert run.table.importance[0].column == "age"
    assert run.table.importance[0].value > 1  # shuffled, it answers worse than the mean does
    names = [picture.name for picture in render(run).pictures]
    assert {"importance", "dependence", "residuals"} <= set(names)
    assert not {"roc", "calibration"} & set(names)
    grown = np.diff([answer[0] for answer in run.table.dependence[0].answers])
    assert (grown > 0).mean() > 0.8


def test_an_older_folder_and_a_damaged_one(run: twofold.Run, tmp_path: Path) -> None:
    import shutil

    older = Path(shutil.copytree(run.path, tmp_path / "older"))
    (older / TABLE).write_text(json.dumps({"engine": "numpy"}))
    with pytest.raises(twofold.RunFolderError, match=r"table\.json cannot be read"):
        _ = twofold.Run(older, run.record).table
    content = json.loads((run.path / TABLE).read_text())
    content["importance"][0]["column"] = "nobody"
    (older / TABLE).write_text(json.dumps(content))
    with pytest.raises(twofold.RunFolderError, match="it has no column `nobody`"):
        _ = twofold.Run(older, run.record).table
    record = run.record.changed(files={name: seal for name, seal in run.record.files.items() if name != TABLE})
    assert twofold.Run(older, record).table is None


def test_the_curves_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(500).round(2)
    right = rng.random(500) < p
    curve = roc("class", p, right)
    false, true, _ = roc_curve(right, p, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positives, false)
    np.testing.assert_allclose(curve.true_positives, true)
    assert curve.area == pytest.approx(roc_auc_score(right, p))
    p = rng.random(500)
    share, mean = calibration_curve(right, p, n_bins=10)
    bins = calibration_bins(p, right)
    np.testing.assert_allclose([one.share for one in bins], share)
    np.testing.assert_allclose([one.probability for one in bins], mean)
    crowded = calibration_bins(p / 20, right)  # all below 0.05: as many in each
    assert [one.count for one in crowded] == [50] * 10
    low, high = wilson(0.5, 10)
    assert (low, high) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))


def test_a_difference_is_of_the_same_rows() -> None:
    rng = np.random.default_rng(0)
    t = rng.normal(size=(200, 1))
    y = t + rng.normal(size=(200, 1))
    assert difference("regression", y, y, t) == (0, 0, 0)
    other = y + 0.1 * rng.normal(size=(200, 1))
    gap = difference("regression", y, other, t)
    alone = measured("regression", y, t)["r2"]
    assert gap.high - gap.low < (alone.high - alone.low) / 3  # both miss the same rows


def test_draws_of_one_table_do_not_drift_and_others_do() -> None:
    rng = np.random.default_rng(0)
    numbers, levels = rng.normal(size=(600, 1)), np.eye(4)[rng.integers(4, size=600)]
    for column in (numbers, levels, levels.argmax(axis=1)[:, None]):
        (same,) = compared("x", column[:400], column[400:])
        assert same.p > 0.01
    (moved,) = compared("x", numbers[:400], numbers[400:] + 1)
    assert (moved.test, moved.p < 1e-9) == ("kolmogorov_smirnov", True)
    (turned,) = compared("x", levels[:400], np.eye(4)[np.minimum(levels[400:].argmax(axis=1) + 1, 3)])
    assert (turned.test, turned.p < 1e-9) == ("chi_squared", True)
    assert compared("x", np.ones((5, 1)), np.ones((5, 1))) == []
    np.testing.assert_array_equal(pooled(np.array([[90, 3, 2, 15], [30, 1, 1, 9]])), [[90, 20], [30, 11]])


def rare(rows: int) -> pd.DataFrame:
    """One row in twenty is of the rare class, whose rows lie higher, among the others."""
    rng = np.random.default_rng(3)
    y = rng.random(rows) < 0.05
    return pd.DataFrame({"a": rng.normal(size=rows) + y, "b": rng.normal(size=rows), "y": np.where(y, "rare", "usual")})


def known(rows: int) -> pd.DataFrame:
    """A column that is written down with the answer."""
    rng = np.random.default_rng(4)
    y = rng.integers(2, size=rows)
    paid = np.where(y, 100 + rng.gamma(2, 30, rows), 100 - rng.gamma(2, 30, rows)).round(1)
    frame = {"a": rng.normal(size=rows) + 0.5 * y, "b": rng.normal(size=rows), "paid": paid}
    return pd.DataFrame(frame | {"y": np.where(y, "yes", "no")})


def later(rows: int) -> pd.DataFrame:
    """A column that grows with time."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=rows)
    frame = {"day": np.arange(rows), "price": np.arange(rows) / 100 + rng.normal(size=rows), "a": x}
    return pd.DataFrame(frame | {"y": np.where(x + rng.normal(size=rows) > 0, "up", "down")})


@pytest.mark.parametrize(
    ("frame", "data", "kind"),
    [
        (rare(900), {}, "imbalanced"),
        (known(400), {}, "leak_of_a_column"),
        (later(500), {"order": "day"}, "drift"),
        (people(40), {}, "too_few_rows"),
    ],
    ids=["a rare class", "a column that knows", "time", "few rows"],
)
def test_a_fault_of_a_table_is_told(frame: pd.DataFrame, data: dict[str, Any], kind: str, tmp_path: Path) -> None:
    run = trained(frame, tmp_path / "run", **data)
    assert kind in kinds(run)
    others = {"imbalanced", "leak_of_a_column", "drift", "too_few_rows"} - {kind}
    assert not others & kinds(run)


def test_a_sound_table_has_none_of_them(run: twofold.Run) -> None:
    faults = {finding.kind for finding in findings(run) if finding.fault}
    assert not faults & {"imbalanced", "leak_of_a_column", "drift", "too_few_rows", "simpler_is_better"}
    assert kinds(run) & {"simpler_is_as_good", "worth_it"}


def test_a_network_that_a_straight_line_beats(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(600, 3))
    frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=x @ [30.0, 10, 5] + rng.normal(size=600))
    (tmp_path / "lame").mkdir()
    frame.to_csv(tmp_path / "lame" / "table.csv", index=False)
    recipe = twofold.Recipe(
        name="lame",
        data={"source": "table", "path": str(tmp_path / "lame" / "table.csv"), "label": "y"},
        layers=[{"kind": "dense", "units": 1}],
        loss={"kind": "mean_squared"},
        optimizer={"kind": "sgd", "lr": 0.001},
        training={"epochs": 3, "engines": ["numpy"]},
    )
    (finding,) = [one for one in findings(twofold.run(recipe, out=tmp_path / "out")) if one.kind == "simpler_is_better"]
    assert finding.numbers["model"] == "ridge regression"
