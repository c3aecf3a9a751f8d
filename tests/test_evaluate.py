"""A run is judged again: on its own data the recorded scores are found, on others what they deserve."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import twofold
from trained import drawing
from twofold.recipe import Recipe

Runs = dict[str, twofold.Run]
NAMES = ["moons", "flowers", "photos", "palindromes", "digits"]


@pytest.fixture
def runs(trained_runs: Runs, moons_run: twofold.Run) -> Runs:
    return trained_runs | {"moons": moons_run}


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_scores_are_found_again(runs: Runs, name: str) -> None:
    run = runs[name]
    for split in run.record.data.samples:
        found = twofold.evaluate(run, split=split)
        assert found.agrees is True
        for engine, score in found.scores.items():
            assert score.accuracy == run.engines[engine][f"{split}_accuracy"]
            assert score.loss == pytest.approx(run.engines[engine][f"{split}_loss"], rel=1e-9)
            assert found.confusion(engine).sum() == len(found.target) == run.record.data.samples[split]
            assert np.trace(found.confusion(engine)) == round(score.accuracy * len(found.target))


RECIPES: dict[str, dict[str, Any]] = {
    "averaged weights": {"training.ema": 0.9},
    "the best weights kept": {"training.keep": "best", "training.epochs": 4, "training.evaluate_every": 1},
    "some of the training samples": {"training.evaluate_samples": 30},
    "float64": {"training.dtype": "float64"},
    "standardized": {"data.standardize": "feature"},
}


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
def test_whatever_the_recipe_asks_for(in_tmp: Path, settings: dict[str, Any]) -> None:
    shared = {"training.epochs": 2, "data.samples": 100, "data.validation": 0.1, "optimizer.lr": 0.3}
    run = twofold.run("moons", overrides=shared | settings, out="run", engines="numpy")
    for split in ("train", "validation", "test"):
        assert twofold.evaluate(run, split=split).agrees is True


@pytest.mark.parametrize("key", ["test_accuracy", "test_loss"])
def test_another_score_than_recorded_is_found(command, moons_run: twofold.Run, in_tmp: Path, key: str) -> None:
    """A planted fault: the record claims a little more than the weights give."""
    shutil.copytree(moons_run.path, "copy")
    record = json.loads(Path("copy/record.json").read_text())
    record["engines"]["torch"][key] += 0.05
    Path("copy/record.json").write_text(json.dumps(record))
    done = command("evaluate", "copy")
    assert done.status == 1
    assert "not what the run recorded: torch" in done.out
    assert json.loads(command("evaluate", "copy", "--json").out)["agrees"] is False
    assert command("evaluate", "copy", "--engine", "numpy").status == 0


def test_what_is_printed(command, moons_run: twofold.Run) -> None:
    done = command("evaluate", moons_run.path, "--confusion")
    assert done.status == 0
    for text in (
        "test: 20 samples",
        "loss  recorded accuracy  recorded loss",
        "as recorded: the same accuracy",
        "true class",
    ):
        assert text in done.out
    found = json.loads(command("evaluate", moons_run.path, "--confusion", "--json").out)
    assert found["classes"] == ["0", "1"]
    assert np.sum(found["engines"]["torch"]["confusion"]) == 20
    assert "<td>torch</td>" in twofold.evaluate(moons_run)._repr_html_()


def test_a_table_of_other_samples(trained_runs: Runs, command, in_tmp: Path) -> None:
    run = trained_runs["flowers"]
    answers = twofold.predict(run, ["1001,0.1", "1102,0.9", "1203,1.8"])
    wrong = {"a": "b", "b": "c", "c": "a"}
    (first, second, third) = (answers.answer("numpy", index).class_name for index in range(3))
    rows = [f"0.1,{first},1001", f"0.9,{second},1102", f"1.8,{wrong[third]},1203"]
    Path("g.csv").write_text("\n".join(["width,species,length", *rows, ""]))
    done = command("evaluate", run.path, "--data", "g.csv", "--engine", "numpy", "--json")
    found = json.loads(done.out)
    assert done.status == 0
    assert found["engines"]["numpy"]["accuracy"] == pytest.approx(2 / 3)
    assert (found["data"], found["samples"], found["agrees"]) == ("g.csv", 3, None)


def test_a_loss_that_overflows_is_null(command, in_tmp: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    recipe = {
        "data": {"source": "csv", "path": "t.csv", "label": ["y"]},
        "layers": [{"kind": "dense", "units": 1}],
        "loss": {"kind": "mean_squared"},
        "training": {"epochs": 1, "dtype": "float64", "engines": ["numpy"]},
    }
    np.savetxt("t.csv", np.column_stack([x, x[:, 0]]), delimiter=",", header="a,b,y", comments="")
    run = twofold.run(Recipe.model_validate(recipe), out="run")
    Path("large.csv").write_text("a,b,y\n1,2,3e200\n1,3,-3e200\n2,2,1\n")
    done = command("evaluate", run.path, "--data", "large.csv", "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["engines"]["numpy"]["loss"] is None
    assert json.loads(done.out)["engines"]["numpy"]["metrics"]["rmse"]["value"] is None
    done = command("evaluate", run.path, "--data", "large.csv")
    assert (done.status, done.err) == (0, "")


def test_a_folder_of_other_images(trained_runs: Runs, command, in_tmp: Path) -> None:
    run = trained_runs["photos"]
    again = twofold.evaluate(run, data=run.path.parent / "photos" / "test")
    assert again.scores["numpy"] == pytest.approx(twofold.evaluate(run).scores["numpy"])
    Path("drawn/1").mkdir(parents=True)
    drawing().save("drawn/1/a.png")
    done = command("evaluate", trained_runs["digits"].path, "--data", "drawn")
    assert done.status == 0
    assert "note: drawn/1/a.png: dark on light" in done.err


WRONG: dict[str, tuple[str, list[str], str]] = {
    "an unknown class": (
        "flowers",
        ["--data", "zebra.csv"],
        "zebra.csv:3: class `zebra` is none of the network's",
    ),
    "a row without a class": ("flowers", ["--data", "blank.csv"], "blank.csv:3: has no class"),
    "no column of classes": ("flowers", ["--data", "bare.csv"], "bare.csv:1: no column `species`, which holds the"),
    "no such table": ("flowers", ["--data", "none.csv"], "no file none.csv; --data takes a CSV file with the columns"),
    "no such folder": ("photos", ["--data", "none"], "no folder none; --data takes a folder of images"),
    "a folder of an unknown class": (
        "photos",
        ["--data", "pets"],
        "pets/rde: the network knows no class `rde`",
    ),
    "a folder of splits": ("photos", ["--data", "whole"], "the network knows no class `test`; name whole/test"),
    "an image beside the classes": ("digits", ["--data", "loose"], "loose/a.png: lies directly in `loose`"),
    "an empty folder": ("digits", ["--data", "empty"], "empty: the folder holds no image"),
    "data that are drawn": ("palindromes", ["--data", "bare.csv"], "samples of the source `palindromes` are drawn"),
    "a split that is not there": ("flowers", ["--split", "validation"], "has no validation samples; choose from train"),
    "both": ("flowers", ["--split", "test", "--data", "bare.csv"], "choose a split of the recipe's data, or other"),
    "an engine that was not trained": ("digits", ["--engine", "torch"], "holds no weights of `torch`, only of `numpy`"),
}


@pytest.mark.parametrize(("name", "words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_data_get_one_message(
    trained_runs: Runs, command, in_tmp: Path, name: str, words: list[str], message: str
) -> None:
    Path("zebra.csv").write_text("length,width,species\n1,2,a\n1,2,zebra\n")
    Path("blank.csv").write_text("length,width,species\n1,2,a\n1,2,\n")
    Path("bare.csv").write_text("length,width\n1,2\n")
    for folder in ("empty", "pets/rde", "whole/test/red", "loose"):
        Path(folder).mkdir(parents=True)
    Image.new("L", (8, 8)).save("loose/a.png")
    done = command("evaluate", trained_runs[name].path, *words)
    assert done.status == 2
    assert done.err.count("error: ") == 1
    assert message in done.err
    assert done.out == ""


def test_data_that_have_changed_since_are_refused(command, in_tmp: Path) -> None:
    """Their new split would test on what was trained on."""
    from trained import flowers

    run = flowers(in_tmp)
    with Path("flowers.csv").open("a") as file:
        file.write("1,2,a\n")
    done = command("evaluate", run.path)
    assert done.status == 2
    assert "are no longer those that" in done.err
    assert "--data, or run the recipe again" in done.err
    assert command("evaluate", run.path, "--data", "flowers.csv").status == 0


def test_a_run_without_its_standardization_is_not_guessed_at(in_tmp: Path, trained_runs: Runs) -> None:
    from safetensors.numpy import save_file

    from twofold.runs.whole import seal

    shutil.copytree(trained_runs["flowers"].path, "old")
    arrays = {name: array for name, array in trained_runs["flowers"].evidence.items() if "standard" not in name}
    save_file(arrays, "old/evidence.safetensors")
    record = json.loads(Path("old/record.json").read_text())
    record["files"]["evidence.safetensors"] = seal(Path("old/evidence.safetensors")).model_dump()
    Path("old/record.json").write_text(json.dumps(record))
    with pytest.raises(twofold.RunFolderError, match="old keeps no mean and standard deviation of its training"):
        twofold.predict("old", "1,2")
    assert twofold.evaluate("old").agrees is True  # its data are at hand
