"""Studies: the grid, its points by their content, every point exactly once, and what a wrong study is told."""

from __future__ import annotations

import json
import math
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

import trainers
import twofold
from kills import half_written
from trainers import accuracy
from twofold.errors import StudyError
from twofold.recipe import load_recipe
from twofold.recipe import titles as recipe_titles
from twofold.study import StudyResult, interval, load_study, open_study, run_study, series_along, summary, titles
from twofold.study.coordinator import DIED_TWICE
from twofold.study.executors.choice import Workers
from twofold.study.executors.seam import Train
from twofold.study.files import Source, dump, loads
from twofold.study.grid import MOST_TOGETHER, groups, plan
from twofold.study.kept import point_file, read_point
from twofold.study.running import run_source
from twofold.train.points import train_points

pytestmark = pytest.mark.usefixtures("warm_workers")

RATES = {"optimizer.lr": [0.1, 0.2, 0.3]}
SHORT = {"training.epochs": 1, "data.samples": 40}


class Told:
    """Keeps what a study says."""

    def __init__(self) -> None:
        self.begun, self.steps, self.notes = (-1, -1), list[tuple[int, str]](), list[str]()

    def began(self, done: int, total: int) -> None:
        self.begun = (done, total)

    def finished(self, done: int, words: str) -> None:
        self.steps.append((done, words))

    def note(self, text: str) -> None:
        self.notes.append(text)


def source(**changes: Any) -> Source:
    return load_study("moons", **{"axes": RATES, "seeds": 2, **changes})


def study(out: Path, train: Train = trainers.quick, watcher: Told | None = None, **changes: Any) -> StudyResult:
    return run_source(source(**changes), out=out, workers=Workers(jobs=2), watcher=watcher, train=train)


# The grid


def test_the_grid_is_every_combination_with_the_seeds_innermost() -> None:
    planned = plan(source(axes={"data.noise": [0.1, 0.2], **RATES}, seeds=[4, 7], overrides={"training.epochs": 3}))
    places = [(point.values, point.seed) for point in planned]
    assert places == [((noise, rate), seed) for noise in (0.1, 0.2) for rate in (0.1, 0.2, 0.3) for seed in (4, 7)]
    for point in planned:
        recipe, (noise, rate) = point.recipe, point.values
        assert (recipe.data.noise, recipe.optimizer.lr, recipe.training.seed) == (noise, rate, point.seed)
        assert recipe.training.epochs == 3
    assert len({point.id for point in planned}) == 12


AXES = {
    "which recipe": ({"recipe": ["moons", "circles"]}, lambda r: r.name, ["moons", "circles"]),
    "a key of a layer": ({"layers.0.units": [3, 5]}, lambda r: r.layers[0].units, [3, 5]),
    "a whole table": (
        {"optimizer": [{"kind": "adam", "lr": 0.1}, {"kind": "sgd"}]}, lambda r: (r.optimizer.kind, r.optimizer.lr),
        [("adam", 0.1), ("sgd", 0.01)],
    ),
    "a table and a key in it": (
        {"optimizer.lr": [0.3, 0.4], "optimizer": [{"kind": "adam"}]}, lambda r: (r.optimizer.kind, r.optimizer.lr),
        [("adam", 0.3), ("adam", 0.4)],
    ),
    "steps in place of epochs": ({"training.steps": [5]}, lambda r: (r.training.steps, r.training.epochs), [(5, None)]),
    "no axis": ({}, lambda r: r.name, ["moons"]),
}  # fmt: skip


@pytest.mark.parametrize("name", AXES)
def test_an_axis_may_be_any_field(name: str) -> None:
    axes, seen, expected = AXES[name]
    assert [seen(point.recipe) for point in plan(source(axes=axes, seeds=1))] == expected


def test_a_point_is_its_content(tmp_path: Path) -> None:
    """The same training has the same name, wherever it came from; what changes the training changes the name."""

    def names(**changes: Any) -> set[str]:
        return {point.id for point in plan(source(**changes))}

    text = twofold.recipe.dump(load_recipe("moons", {"title": "Another", "training.engines": ["torch"]}))
    (tmp_path / "copy.toml").write_text(text)
    copied = plan(load_study(tmp_path / "copy.toml", axes=["optimizer.lr=0.1,0.2,0.3"], seeds="0,1"))
    assert {point.id for point in copied} == names()
    assert names(seeds=3) > names()
    for change in ({"overrides": {"data.noise": 0.3}}, {"engine": "torch"}, {"seeds": [5, 6]}):
        assert not names() & names(**change)


GROUPS = {
    "seeds and rates together": (RATES, 4, [12]),
    "cut for several workers": (RATES, 9, [9, 9, 9]),
    "as even as can be": (RATES, 6, [9, 9]),
    "for at most four": ({}, 70, [17, 18, 17, 18]),
    "other fields apart": ({**RATES, "data.noise": [0.1, 0.2]}, 2, [6, 6]),
    "at most so many": ({}, 4 * MOST_TOGETHER + 1, [25, 26, 26, 26, 26]),
    "one": ({}, 1, [1]),
}


@pytest.mark.parametrize("name", GROUPS)
def test_points_that_differ_in_seed_and_rate_alone_go_together(name: str) -> None:
    axes, seeds, sizes = GROUPS[name]
    planned = plan(source(axes=axes, seeds=seeds))
    found = groups(planned, "numpy")
    assert len(groups(planned, "torch")) == len(planned)
    assert [len(group) for group in found] == sizes
    assert sorted(point.id for group in found for point in group) == sorted(point.id for point in planned)
    for group in found:
        plain = {"optimizer.lr": 1.0, "training.seed": 0}
        assert len({load_recipe(point.recipe, plain).model_dump_json() for point in group}) == 1


def test_points_that_are_not_trained_at_once_are_kept_one_by_one() -> None:
    """Large networks gain nothing as replicas: a study that is stopped loses one point, not a group."""
    layers = [{"kind": "conv2d", "channels": 2, "kernel": 3}, {"kind": "flatten"}, {"kind": "dense", "units": 10}]
    for recipe, overrides in (("palindrome-20", {}), ("digits", {"layers": layers})):
        planned = plan(load_study(recipe, seeds=6, overrides=overrides))
        assert [len(group) for group in groups(planned, "numpy")] == [1] * 6


@pytest.mark.parametrize("name", titles())
def test_a_built_in_study_is_sound(name: str) -> None:
    built = load_study(name).study
    assert built.title
    assert built.name == name
    assert loads(dump(built), name) == built
    assert plan(load_study(name))
    assert name not in recipe_titles()


# What a wrong study is told

FILE = """\
recipe = "moons"
seeds = 2
[[axes]]
field = "optimizer.lr"
values = [0.1, 0.2]
"""
WRONG: dict[str, tuple[str, list[str], list[str]]] = {
    "an axis that names no field": (
        "moons", ["--axis", "optimizer.lrr=0.1,0.2"],
        ["--axis optimizer.lrr: axis `optimizer.lrr`: unknown key `lrr`; did you mean `optimizer.lr`?"],
    ),
    "the end of a field alone": (
        "moons",
        ["--axis", "seed=1,2"],
        ["`seed` is a key of several parts of a recipe; write `data.seed` or `training.seed`"],
    ),
    "an axis that names no table": (
        "moons", ["--axis", "optimiser.lr=0.1"], ["unknown key `optimiser`; did you mean `optimizer.lr`?"],
    ),
    "an axis that names no field, in a file": (
        FILE.replace("optimizer.lr", "optimizer.rl"), [],
        ['s.toml:4: axis `optimizer.rl`: unknown key `rl`; did you mean `optimizer.lr`?\n    field = "optimizer.rl"'],
    ),
    "a layer that is not there": (
        "moons", ["--axis", "layers.7.units=3"], ["axis layers.7.units = 3: choose an element from 0 to 2; got 7"],
    ),
    "an empty axis": (
        "moons", ["--axis", "optimizer.lr="],
        ["--axis optimizer.lr: `values` of axis `optimizer.lr` must not be empty"],
    ),
    "an empty axis, in a file": (
        FILE.replace("[0.1, 0.2]", "[]"), [],
        ["s.toml:5: `values` of axis `optimizer.lr` must not be empty\n    values = []\n             ^"],
    ),
    "two axes with the same field": (
        "moons", ["--axis", "optimizer.lr=1", "--axis", "optimizer.lr=2"],
        ["--axis optimizer.lr is given twice; list all values in one: --axis optimizer.lr=A,B,C"],
    ),
    "two axes with the same field, in a file": (
        FILE + FILE.partition("2\n")[2], [], ["s.toml:6: two axes have the same field `optimizer.lr`\n    [[axes]]"],
    ),
    "a value twice": (
        "moons", ["--axis", "optimizer.lr=0.1,1e-1"], ["axis `optimizer.lr` takes the value 0.1 twice"],
    ),
    "a wrong value": (
        "moons", ["--axis", "data.noise=0.1", "--axis", "optimizer.lr=0.1,-2"],
        ["axis optimizer.lr = -2: `lr` must be greater than 0; got -2", "The default is 0.01."],
    ),
    "wrong values of two axes, at their places": (
        FILE.replace("0.2", "-2") + '[[axes]]\nfield = "data.noise"\nvalues = ["much"]', [],
        ['s.toml:8: axis data.noise = "much": `noise` must be a number; got "much"\n    values = ["much"]\n',
         "s.toml:5: axis optimizer.lr = -2: `lr` must be greater than 0; got -2\n    values = [0.1, -2]\n",
         "\n                   ^"],
    ),
    "a wrong value of set": (
        FILE + "[set]\ndata.noise = -1", [],
        ["s.toml:7: `noise` must be greater than or equal to 0; got -1\n    data.noise = -1\n                 ^"],
    ),
    "a wrong --set": (FILE, ["--set", "data.noise=-1"], ["--set data.noise: `noise` must be greater than or"]),
    "set and an axis too": (
        FILE, ["--set", "optimizer.lr=1"], ["`optimizer.lr` is set and is an axis too; take it out of one"],
    ),
    "an axis of seeds": (
        "moons", ["--axis", "training.seed=1,2"],
        ["`training.seed` of each point comes from `seeds`; give `seeds` in its place"],
    ),
    "an axis that makes no difference": (
        "moons", ["--axis", "title=a,b"],
        ['two points are the same training: title = "a" and title = "b". Take out the axis or the value'],
    ),
    "no seed": (FILE.replace("seeds = 2", "seeds = 0"), [], ["s.toml:2: `seeds` must be a whole number of at least"]),
    "a seed twice": ("moons", ["--seeds", "3,3"], ["--seeds: `seeds` must be a whole number of at least 1, or a list"]),
    "seeds that are none": ("moons", ["--seeds", "many"], ["from 0; got \"many\""]),
    "an unknown recipe": (
        FILE.replace('"moons"', '"mons"'), [], ["s.toml:1: no recipe `mons`; did you mean `moons` or `moons-adam`?"],
    ),
    "an unknown recipe on an axis": (
        "moons", ["--axis", "recipe=moons,mons"], ['axis recipe = "mons": no recipe `mons`; did you mean `moons`'],
    ),
    "no recipe": (FILE.replace("recipe", "title"), [], ["a study wants a `recipe`, or an axis with the field"]),
    "an unknown study": ("mons", [], ["no study and no recipe `mons`; did you mean `moons`", "`twofold list` shows"]),
    "no file": ("none.toml", [], ["cannot read the study none.toml: No such file or directory"]),
    "an unknown key": (FILE.replace("seeds", "seed"), [], ["s.toml:2: unknown key `seed`; did you mean `seeds`?"]),
    "an unknown key of an axis": (FILE.replace("values", "value"), [], ["unknown key `value`; did you mean `values`?"]),
    "an unknown metric": (
        "moons", ["--metric", "accuracy"], ["unknown metric `accuracy`; did you mean `test_accuracy`?"],
    ),
    "a metric of samples that are not held out": (
        "moons", ["--axis", "data.noise=0.1", "--metric", "validation_loss"],
        ["--metric: `validation_loss` wants validation samples; there are none at data.noise = 0.1"],
    ),
    "a test score without a test set": (
        "moons", ["--set", "data.test=0.0"],
        ["error: moons: `test_accuracy` wants test samples; there are none\n  Set data.test, or choose another"],
    ),
    "a metric of numbers where classes are predicted": (
        "moons", ["--metric", "test_r2"],
        ['--metric: `test_r2` is of numbers; `cross_entropy` predicts classes\n  Choose metric = "test_acc'],
    ),
    "a name that leads elsewhere": (
        'name = "../up"\n' + FILE, [], ["s.toml:1: `name` must be fit for a folder: no slash, no point in front; got"],
    ),
    "no TOML": ("seeds = ", [], ["s.toml:1: not valid TOML: "]),
    "an axis without values": ("moons", ["--axis", "lr"], ["--axis wants KEY=VALUE, as in optimizer.lr=0.01,0.1"]),
    "too many points": ("moons", ["--seeds", "100001"], ["the study has 100,001 points; at most 100,000 are run."]),
    "axes that are no list": (
        FILE.partition("[[axes]]")[0] + "axes = 3", ["--axis", "optimizer.lr=1"],
        ["s.toml:3: `axes` must be a list; got 3"],
    ),
    "axes that are one table, and folds": (
        FILE.replace("[[axes]]", "[axes]"), ["--folds", "3"], ["s.toml:3: `axes` must be a list; got {"],
    ),
    "a set that is no table": (
        'recipe = "moons"\nset = 3', ["--set", "optimizer.lr=1"], ["s.toml:2: `set` must be a table; got 3"],
    ),
    "a set that is no table, and folds": (
        'recipe = "moons"\nset = 3', ["--folds", "3"], ["s.toml:2: `set` must be a table; got 3"],
    ),
    "a seed that is meant and a number of seeds that is written": (
        "moons", ["--seeds", "20260101"],
        ["--seeds: `seeds` must be a number of seeds up to 1,000,000, or a list; got 20260101. One seed alone is "
         "written as a list: [20260101]"],
    ),
    "no jobs": ("moons", ["--jobs", "0"], ["Invalid value for '--jobs'"]),
}  # fmt: skip


def test_other_values_of_an_axis_leave_its_label() -> None:
    axes = load_study("palindrome-lengths", axes={"data.length": [4, 6]}).study.axes
    assert (axes[0].name, axes[0].values) == ("length of the palindrome", (4, 6))


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_study_is_refused_before_anything_runs(command, in_tmp: Path, name: str) -> None:
    given, words, messages = WRONG[name]
    if " " in given:
        Path("s.toml").write_text(given)
        given = "s.toml"
    done = command("study", given, *words)
    assert done.status == 2
    for message in messages:
        assert message in done.err, done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not Path("studies").exists()


# Every point exactly once


def test_a_study_is_a_folder_with_a_tidy_table(tmp_path: Path) -> None:
    told = Told()
    result = study(tmp_path / "s", watcher=told)
    assert sorted(path.name for path in result.path.iterdir()) == [".lock", "points", "results.csv", "study.toml"]
    assert told.begun == (0, 6)
    assert [done for done, _ in told.steps] == [1, 2, 3, 4, 5, 6]
    assert told.steps[-1] == (6, "best test accuracy 0.8900")
    table = pd.read_csv(result.path / "results.csv")
    pd.testing.assert_frame_equal(table, result.table.replace("", math.nan), check_dtype=False)
    assert list(table["optimizer.lr"]) == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert list(table["seed"]) == [0, 1] * 3
    assert list(table["test_accuracy"]) == [accuracy(point.recipe) for point in plan(source())]
    assert list(table["id"]) == [point.id for point in plan(source())]
    assert set(table["status"]) == {"ok"}
    point = json.loads((result.path / "points" / f"{table['id'][0]}.json").read_text())
    assert point["history"]["step"] == [0]
    assert point["versions"]["numpy"]
    assert "torch" not in point["versions"]


def test_a_point_is_trained_as_a_run_would_be(tmp_path: Path) -> None:
    result = run_study("moons", axes=RATES, seeds=[3], overrides=SHORT, out=tmp_path / "s", jobs=1)
    run = twofold.run(
        "moons", overrides={**SHORT, "optimizer.lr": 0.2, "training.seed": 3}, engines="numpy", out=tmp_path / "r"
    )
    row = result.table.iloc[1]
    assert row["test_loss"] == run.engines["numpy"]["test_loss"]
    assert row["train_accuracy"] == run.engines["numpy"]["train_accuracy"]
    assert math.isnan(row["validation_loss"])


def test_the_same_call_trains_nothing_again_and_a_missing_point_alone(tmp_path: Path) -> None:
    log, told = tmp_path / "log", Told()
    first = study(tmp_path / "s", partial(trainers.logged, log))
    assert sorted(log.read_text().split("\n"))[1:] == sorted(
        f"{rate} {seed}" for rate in RATES["optimizer.lr"] for seed in (0, 1)
    )
    times = {path: path.stat().st_mtime_ns for path in (first.path / "points").iterdir()}
    study(tmp_path / "s", partial(trainers.logged, log), told)
    assert len(log.read_text().splitlines()) == 6
    assert told.begun == (6, 6)
    assert {path: path.stat().st_mtime_ns for path in (first.path / "points").iterdir()} == times
    gone = first.path / "points" / f"{plan(source())[3].id}.json"
    gone.unlink()
    assert open_study(first.path).to_json()["finished"] == 5
    again = study(tmp_path / "s", partial(trainers.logged, log))
    assert len(log.read_text().splitlines()) == 12  # in the company in which it was trained first
    assert again.table.equals(first.table)
    assert {path for path, time in times.items() if path.stat().st_mtime_ns != time} == {gone}


def test_points_are_handed_over_together_with_one_thread(tmp_path: Path) -> None:
    study(tmp_path / "s", partial(trainers.logged, tmp_path / "log"))
    assert (tmp_path / "log.groups").read_text().split() == ["6"]
    assert (tmp_path / "log.threads").read_text().split() == ["11"]


@pytest.mark.parametrize("content", [b"", b'{"format":1,"id":', b"{}", b"[1]"])
def test_a_damaged_point_is_run_again_and_that_is_said(tmp_path: Path, content: bytes) -> None:
    log, told = tmp_path / "log", Told()
    first = study(tmp_path / "s")
    path = first.path / "points" / f"{plan(source())[2].id}.json"
    path.write_bytes(content)
    again = study(tmp_path / "s", partial(trainers.logged, log), told)
    assert told.notes == [f"{first.path}/points/{path.name} is damaged: its point is run again"]
    assert (tmp_path / "log.groups").read_text().split() == ["6"]
    assert again.table.equals(first.table)


@pytest.mark.torture
def test_a_worker_that_dies_once_loses_no_point(tmp_path: Path) -> None:
    told = Told()
    result = study(
        tmp_path / "s",
        partial(trainers.dying, tmp_path / "log", 0.2, 1),
        told,
        axes={**RATES, "data.noise": [0.1, 0.2]},
    )
    assert result.failed == 0
    assert list(result.table["test_accuracy"]) == [
        accuracy(p.recipe) for p in plan(source(axes={**RATES, "data.noise": [0.1, 0.2]}))
    ]
    assert len(told.notes) == 1
    assert told.notes[0].startswith("a worker process died; the ")
    assert not list((result.path / "points").glob("*.started"))


def test_a_point_whose_worker_dies_twice_has_failed_and_the_rest_go_on(tmp_path: Path) -> None:
    told = Told()
    axes = {"data.noise": [0.1, 0.2], **RATES}
    result = study(tmp_path / "s", partial(trainers.dying, tmp_path / "log", 0.2, 99), told, axes=axes, seeds=1)
    failed = result.table[result.table["status"] == "failed"]
    assert list(zip(failed["data.noise"], failed["optimizer.lr"], strict=True)) == [(0.1, 0.2), (0.2, 0.2)]
    assert set(failed["failure"]) == {DIED_TWICE}
    assert len(result.table) == 6
    assert told.steps[-1] == (6, "best test accuracy 0.8890, 2 failed")
    # Each of the two died in company, or as a bystander was killed, and then alone.
    assert sum("died again" in note for note in told.notes) == 2


def test_a_failing_point_is_recorded_and_the_rest_go_on(tmp_path: Path) -> None:
    result = study(tmp_path / "s", trainers.refusing, axes={}, seeds=4)
    assert list(result.table["status"]) == ["ok", "failed", "failed", "ok"]
    assert list(result.table["failure"]) == ["", "line 7 holds no number", "ZeroDivisionError: by nothing", ""]
    assert result.table["test_accuracy"].isna().tolist() == [False, True, True, False]
    assert result.summary["seeds"].tolist() == [2]
    assert result.summary["failed"].tolist() == [2]


def test_a_loss_that_diverged_is_a_failure_with_its_history(tmp_path: Path) -> None:
    result = study(tmp_path / "s", trainers.diverging, axes={})
    point = read_point(point_file(result.path, result.table["id"][1]))
    assert point is not None
    assert (point.status, point.failure, point.steps) == ("failed", "the loss became nan at step 5", 5)
    assert point.history["train_loss"] == [None]
    assert point.history["step"] == [5]


def test_the_gradient_that_is_carried_through_time_has_columns(tmp_path: Path) -> None:
    result = study(tmp_path / "s", trainers.flowing)
    table = pd.read_csv(result.path / "results.csv")
    assert list(table.columns[table.columns.get_loc("test_loss") + 1 :])[:2] == ["carried_before", "carried_after"]
    assert list(table["carried_before"]) == pytest.approx([1e-4, 1e-5, 2e-4, 2e-5, 3e-4, 3e-5])
    point = read_point(point_file(result.path, table["id"][0]))
    assert point is not None
    assert point.flow is not None
    assert point.flow["norms"] == [1.0, None]
    assert "carried_before" not in study(tmp_path / "t").table


# The same numbers, whatever happened

WIDTHS = {"layers.0.units": [3, 5], "training.batch_size": ["full", 20]}


def numbers(result: StudyResult) -> dict[str, Any]:
    """Every number that a training gave, but for the seconds: of the table, and of each point's file."""
    points = {}
    for name in result.table["id"]:
        point = read_point(point_file(result.path, name))
        assert point is not None
        history = {column: values for column, values in point.history.items() if column != "seconds"}
        points[name] = (point.scores, history, point.flow, point.steps)
    table = pd.read_csv(result.path / "results.csv", dtype=str).drop(columns="seconds")
    return {"table": table.to_csv(), "points": points}


def test_numbers_depend_neither_on_jobs_nor_on_what_was_there_before(tmp_path: Path) -> None:
    """What is interrupted is trained in the company in which it was begun; what had finished is not touched."""

    def run(folder: str, jobs: int) -> StudyResult:
        short = {"training.epochs": 3, "data.samples": 60}
        source = load_study("moons-adam", axes=WIDTHS, seeds=4, overrides=short)
        return run_source(source, out=tmp_path / folder, workers=Workers(jobs=jobs))

    first = numbers(run("one", 1))
    assert numbers(run("two", 2)) == first
    for step, jobs in ((2, 1), (3, 2)):
        files = sorted((tmp_path / "two" / "points").glob("*.json"))
        stay = {path: path.read_bytes() for path in files[::step]}
        for path in set(files) - set(stay):
            path.unlink()
        assert numbers(run("two", jobs)) == first
        assert {path: path.read_bytes() for path in stay} == stay


def test_a_point_in_other_company_has_other_last_digits(tmp_path: Path) -> None:
    """Why the groups of a study are its own: were they those of the moment, a number could tell when it was stopped."""
    pair = [load_recipe("moons-adam", {"training.epochs": 3, "training.seed": seed}) for seed in (0, 1)]
    together, alone = train_points(pair, "numpy")[1], train_points(pair[1:], "numpy")[0]
    assert together.history[-1].train_loss == pytest.approx(alone.history[-1].train_loss, rel=1e-5)


# The folder


def test_many_points_stand_in_sub_folders_and_old_folders_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flat = study(tmp_path / "s")
    monkeypatch.setattr("twofold.study.kept.MOST_IN_A_FOLDER", 5)
    sorted_ = study(tmp_path / "t")
    names = {f"{name[:2]}/{name}.json" for name in sorted_.table["id"]}
    points = sorted_.path / "points"
    assert {path.relative_to(points).as_posix() for path in points.rglob("*.json")} == names
    assert sorted_.table.equals(flat.table)
    (flat.path / "points" / f"{flat.table['id'][0]}.json").unlink()
    told = Told()
    assert study(tmp_path / "s", watcher=told).table.equals(sorted_.table)
    assert told.begun == (5, 6)


def test_the_table_grows_while_the_study_runs(tmp_path: Path) -> None:
    lengths = list[int]()

    class Reader(Told):
        def finished(self, done: int, words: str) -> None:
            lengths.append(len(pd.read_csv(tmp_path / "s" / "results.csv")))

    two = source(axes={**RATES, "data.noise": [0.1, 0.2]})
    run_source(two, out=tmp_path / "s", workers=Workers(jobs=1), watcher=Reader(), train=trainers.quick)
    assert lengths == [6] * 6 + [12] * 6


def test_the_evaluations_of_a_point_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    result = study(tmp_path / "s")
    assert result.points[0].history == {}
    assert result.evaluations(result.table["id"][0])["train_loss"].tolist() == [0.7]
    with pytest.raises(StudyError, match="holds no point `nothing`; the column `id` of the table names them"):
        result.evaluations("nothing")


def test_what_a_failed_point_said_stands_beside_it(tmp_path: Path) -> None:
    result = study(tmp_path / "s", trainers.refusing, axes={}, seeds=4)
    logs = {path.stem: path.read_text() for path in (result.path / "points").glob("*.log")}
    assert set(logs) == set(result.table["id"][1:3])
    assert "trying seed 2" in logs[result.table["id"][2]]
    assert "ZeroDivisionError: by nothing" in logs[result.table["id"][2]]
    assert "Traceback" in logs[result.table["id"][1]]


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    study(tmp_path / "s")
    with FileLock(tmp_path / "s" / ".lock"), pytest.raises(StudyError, match="s is in use: another process runs this"):
        study(tmp_path / "s")


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "other values": ({"axes": {"optimizer.lr": [9]}}, "its axis `optimizer.lr` takes [0.1, 0.2, 0.3], here [9]"),
    "an axis more": ({"axes": {**RATES, "data.noise": [0.1]}}, "it has no axis `data.noise`"),
    "an axis less": ({"axes": {}}, "it has an axis `optimizer.lr`, this one has none"),
    "other seeds": ({"seeds": 3}, "its `seeds` is [0, 1], here [0, 1, 2]"),
    "another engine": ({"engine": "torch"}, 'its `engine` is "numpy", here "torch"'),
    "other settings": ({"overrides": {"data.noise": 0.3}}, 'its `set` is {}, here {"data.noise": 0.3}'),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_the_folder_of_another_study_is_refused(tmp_path: Path, name: str) -> None:
    changes, difference = OTHERS[name]
    first = study(tmp_path / "s")
    before = {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()}
    with pytest.raises(StudyError) as error:
        study(tmp_path / "s", **changes)
    assert str(error.value) == (
        f"{first.path} belongs to another study: {difference}. Choose another --out, or remove the folder."
    )
    assert {path: path.read_bytes() for path in first.path.rglob("*") if path.is_file()} == before


def test_a_recipe_that_has_changed_is_another_study(tmp_path: Path) -> None:
    recipe = tmp_path / "own.toml"
    recipe.write_text(twofold.recipe.dump(load_recipe("moons")))
    (tmp_path / "s.toml").write_text('recipe = "own.toml"\n')
    for change in ("", "# a comment\n"):
        recipe.write_text(change + recipe.read_text())
        run_source(load_study(tmp_path / "s.toml"), out=tmp_path / "s", train=trainers.quick)
    recipe.write_text(recipe.read_text().replace("noise = 0.1", "noise = 0.2"))
    with pytest.raises(StudyError, match="belongs to another study: the recipe has changed since"):
        run_source(load_study(tmp_path / "s.toml"), out=tmp_path / "s", train=trainers.quick)


def test_another_title_or_metric_is_no_other_study(tmp_path: Path) -> None:
    study(tmp_path / "s")
    again = study(tmp_path / "s", partial(trainers.logged, tmp_path / "log"), metric="train_loss")
    assert not (tmp_path / "log").exists()
    assert again.to_json()["metric"] == "train_loss"


def test_a_folder_with_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StudyError, match="is not empty and holds no study; choose another --out"):
        study(tmp_path)
    with pytest.raises(StudyError, match=r"notes.txt is a file and no folder; choose another --out"):
        study(tmp_path / "notes.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_what_a_killed_process_left_is_tidied_and_a_file_of_ones_own_is_not(tmp_path: Path) -> None:
    points = study(tmp_path / "s").path / "points"
    for name in ("0123456789abcdef.started", ".0123456789abcdef.json.77.tmp", "mine.json"):
        (points / name).write_text("half")
    study(tmp_path / "s")
    assert (points / "mine.json").read_text() == "half"
    assert len(list(points.iterdir())) == 7


def test_a_study_that_was_killed_before_its_file_was_written_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("twofold.study.folder.write_whole", half_written)
        with pytest.raises(KeyboardInterrupt):
            study(tmp_path / "s")
    assert len(study(tmp_path / "s").table) == 6
    assert not list((tmp_path / "s").rglob("*.tmp"))


def test_a_folder_can_be_copied_and_opened(tmp_path: Path) -> None:
    first = study(tmp_path / "s")
    shutil.copytree(first.path, tmp_path / "t")
    assert open_study(tmp_path / "t").table.equals(first.table)
    with pytest.raises(StudyError, match="no study folder"):
        open_study(tmp_path / "none")
    with pytest.raises(StudyError, match=r"is no study folder: it holds no study\.toml"):
        open_study(tmp_path)
    (tmp_path / "t" / "study.toml").write_text("seeds = [")
    with pytest.raises(StudyError, match=r"study\.toml is no study that this version wrote"):
        open_study(tmp_path / "t")


# Means and intervals

T2, T4 = 4.302652729911275, 2.7764451051977987
"""Student's t at 97.5 % with 2 and 4 degrees of freedom, from a printed table."""
INTERVALS = {
    "three": ([0.8, 0.9, 1.0], 0.9, T2 * 0.1 / math.sqrt(3)),
    "five": ([1.0, 2.0, 3.0, 4.0, 5.0], 3.0, T4 * math.sqrt(2.5) / math.sqrt(5)),
    "all the same": ([0.5, 0.5], 0.5, 0.0),
    "nearly diverged": ([0.8e200, 0.9e200, 1.0e200], 0.9e200, T2 * 0.1e200 / math.sqrt(3)),
    "with a sum beyond any float": ([1.7e308, 1.7e308], 1.7e308, 0.0),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_the_interval_is_students(name: str) -> None:
    values, mean, half = INTERVALS[name]
    found = interval(values)
    assert found.mean == pytest.approx(mean)
    assert (found.mean - found.low, found.high - found.mean) == pytest.approx((half, half))


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    assert interval([0.5]).mean == 0.5
    assert math.isnan(interval([0.5]).low)
    assert math.isnan(interval([]).mean)


TABLE = pd.DataFrame(
    [
        (net, rate, noise, seed, "failed" if (net, rate, noise, seed) == ("b", 2, 0.2, 1) else "ok")
        for net in "ab" for rate in (1, 2) for noise in (0.1, 0.2) for seed in (0, 1)
    ],
    columns=["net", "rate", "noise", "seed", "status"],
)  # fmt: skip
TABLE["score"] = TABLE["rate"] + TABLE["noise"] * 10 + TABLE["seed"] + (TABLE["net"] == "b") * 100.0
TABLE["seconds"] = 1.0
TABLE.loc[TABLE["status"] == "failed", "score"] = math.nan


def test_the_summary_has_a_row_for_each_setting() -> None:
    found = summary(TABLE, ["net", "rate", "noise"], "score")
    assert len(found) == 8
    assert list(found["net"]) == list("aaaabbbb")
    assert list(found["seeds"]) == [2] * 7 + [1]
    assert list(found["failed"]) == [0] * 7 + [1]
    first = found.iloc[0]
    half = 12.706204736432095 * math.sqrt(0.5) / math.sqrt(2)
    assert (first["mean"], first["lowest"], first["highest"]) == (2.5, 2.0, 3.0)
    assert first["high"] - first["mean"] == pytest.approx(half)
    assert math.isnan(found.iloc[-1]["low"])


def test_what_is_not_drawn_is_averaged_for_each_seed_before_the_interval() -> None:
    a, b = series_along(TABLE, "rate", "net", "score")
    assert (a.value, a.x, b.value) == ("a", (1, 2), "b")
    # Rate 1 of a: noise 0.1 and 0.2 give 2 and 3 with seed 0, 3 and 4 with seed 1.
    assert a.dots[0] == (2.5, 3.5)
    assert a.intervals[0] == interval([2.5, 3.5])
    assert b.dots[1] == (103.5, 104.0)  # seed 1 lacks what failed
    (alone,) = series_along(TABLE, None, None, "score")
    assert (alone.x, len(alone.dots[0])) == ((None,), 2)


# From Python


def test_a_result_shows_itself(tmp_path: Path) -> None:
    result = study(tmp_path / "s")
    assert repr(result) == f"<StudyResult {tmp_path / 's'}: 6 of 6 points, 0 failed>"
    shown = result._repr_html_()
    assert "moons against optimizer.lr" in shown
    assert "0.8895" in shown
    value = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert (value["points"], value["finished"], value["failed"]) == (6, 6, 0)
    assert value["results"][0]["mean"] == pytest.approx(0.8895)


def test_a_recipe_in_memory_may_be_studied(tmp_path: Path) -> None:
    recipe = load_recipe("moons", SHORT)
    assert {point.id for point in plan(load_study(recipe))} == {
        point.id for point in plan(load_study("moons", overrides=SHORT))
    }
    with pytest.raises(twofold.UserError, match="a study is a built-in name, a file or a recipe; got int"):
        load_study(3)  # pyright: ignore[reportArgumentType]
    for values in (3, "relu"):
        with pytest.raises(StudyError, match=r'axes\["optimizer.lr"\] must be a list of values; got'):
            load_study("moons", axes={"optimizer.lr": values})  # pyright: ignore[reportArgumentType]
    with pytest.raises(StudyError, match="`jobs` must be at least 1; got 0"):
        run_study("moons", jobs=0)
