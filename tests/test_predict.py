"""A trained network is asked about samples of the user's own, and sees of them what it saw in training."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import twofold
from trained import drawing
from twofold.data import load_data
from twofold.data.drawings import drawn
from twofold.data.given import read_given
from twofold.recipe import Recipe
from twofold.recipe.data import FashionMnist, Mnist

Runs = dict[str, twofold.Run]


@pytest.mark.parametrize("name", ["flowers", "photos", "palindromes"])
def test_given_again_the_held_out_samples_get_the_recorded_answers(trained_runs: Runs, name: str) -> None:
    """Above all: the same standardization, with no look at the training data."""
    run = trained_runs[name]
    base = run.path.parent
    dataset = load_data(run.recipe.data)
    if name == "flowers":
        rows = (base / "flowers.csv").read_text().splitlines()[1:]
        given = [row.rsplit(",", 1)[0] for row in rows]
        (base / "flowers.csv").rename(base / "away.csv")
    elif name == "photos":
        given = [base / "photos" / "test"]
        (base / "photos" / "train").rename(base / "photos" / "away")
    else:
        given = ["".join(str(int(digit)) for digit in x[:, 0]) for x in dataset.test.x[:20]]
    try:
        answers = twofold.predict(run, given)
    finally:
        if name == "flowers":
            (base / "away.csv").rename(base / "flowers.csv")
        elif name == "photos":
            (base / "photos" / "away").rename(base / "photos" / "train")
    seen = dataset.astype("float32").test.floats()
    for engine in run.engines:
        predicted = run.evidence[f"{engine}.predicted"]
        for sample, number in zip(seen[: len(answers)], predicted, strict=False):
            (at, *_) = np.flatnonzero((answers.inputs == sample).reshape(len(answers), -1).all(axis=1))
            assert answers.answer(engine, int(at)).class_name == answers.classes[number]
    assert answers.gaps is not None
    assert answers.gaps.max() < 1e-5


def test_points_of_the_plane(moons_run: twofold.Run, command) -> None:
    x = moons_run.evidence["preview"]
    words = [f"{a!r},{b!r}" for a, b in x.astype(np.float64).tolist()]
    done = json.loads(command("predict", moons_run.path, *words, "-.5,0.3", "--json").out)
    numpy, torch = (done["answers"][engine::2] for engine in (0, 1))
    assert [row["class"] for row in numpy[:-1]] == [str(z.argmax()) for z in moons_run.evidence["numpy.after"]]
    assert [row["engine"] for row in (numpy[0], torch[0])] == ["numpy", "torch"]
    assert done["measure"] == "probability"
    for row in done["answers"]:
        assert row["probability"] + row["runner_up_probability"] == pytest.approx(1)
        assert row["gap"] < 1e-6


def test_columns_in_any_order_and_more_of_them(trained_runs: Runs, in_tmp: Path) -> None:
    Path("g.csv").write_text("species,note,width,length\nb,x y,0.5,1101\n?,,1.5,1203\n")
    answers = twofold.predict(trained_runs["flowers"], ["g.csv", "1101,0.5"])
    assert answers.names == ("g.csv:2", "g.csv:3", "1101,0.5")
    assert answers.expected == ("b", None, None)
    np.testing.assert_array_equal(answers.inputs[0], answers.inputs[2])
    assert answers.right("numpy") == (int(answers.answer("numpy", 0).class_name == "b"), 1)


def test_palindromes_whole_or_without_their_last_digit(trained_runs: Runs, command) -> None:
    done = command("predict", trained_runs["palindromes"].path, "12321", "1232", "--engine", "numpy", "--json")
    first, second = json.loads(done.out)["answers"]
    assert first | {"sample": ""} == second | {"sample": ""}
    assert first["expected"] == "1"
    assert "gap" not in first


DRAWINGS: dict[str, tuple[Callable[[], Image.Image], str]] = {
    "dark on light": (drawing, "dark on light, turned to light on dark, cut to the ink and centred"),
    "light on dark": (lambda: drawing("black", "white"), "cut to the ink and centred"),
    "grey on grey paper": (lambda: drawing(180, 90), "dark on light, turned to light on dark, cut to the ink and"),
    "colours": (lambda: drawing("yellow", "navy", "RGB"), "dark on light, turned to light on dark, cut to the ink"),
    "transparent paper": (
        lambda: drawing((0, 0, 0, 0), (0, 0, 0, 255), "RGBA"),  # pyright: ignore[reportArgumentType]
        "dark on light, turned to light on dark, cut to the ink and centred",
    ),
}


@pytest.mark.parametrize(("draw", "note"), DRAWINGS.values(), ids=DRAWINGS)
def test_a_drawing_is_made_what_the_digits_are(
    trained_runs: Runs, in_tmp: Path, draw: Callable[[], Image.Image], note: str
) -> None:
    draw().save("one.png")
    answers = twofold.predict(trained_runs["digits"], "one.png")
    assert answers.answer("numpy", 0).class_name == "1"
    (said,) = answers.notes
    assert said.startswith(f"one.png: {note}")
    (image,) = answers.inputs[0]
    assert image.max() > 0.95
    columns = image.sum(axis=0)
    assert 3 <= float(np.average(np.arange(8), weights=columns)) <= 4  # in the middle


def test_an_image_as_the_published_ones_is_left_as_it_is(trained_runs: Runs, in_tmp: Path) -> None:
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:7, 3] = 255
    Image.fromarray(pixels).save("plain.png")
    Image.fromarray(255 - pixels).save("turned.png")
    answers = twofold.predict(trained_runs["digits"], ["plain.png", "turned.png"])
    for image in answers.inputs:
        np.testing.assert_array_equal(image[0] * 255, pixels)
    assert answers.notes == ("turned.png: dark on light, turned to light on dark",)


def _sheet() -> np.ndarray:
    """A 1 with a foot, 30 pixels wide strokes, on 360 x 480 pixels of light paper."""
    sheet = np.full((360, 480), 230.0)
    sheet[70:290, 220:250] = 40
    sheet[260:290, 180:290] = 40
    return sheet


def _shaded(sheet: np.ndarray) -> np.ndarray:
    return np.where(np.indices(sheet.shape)[1] > 235, 0.4 * sheet, sheet)


def _painted(*places: tuple[slice, slice], value: float = 30) -> Callable[[np.ndarray], np.ndarray]:
    def paint(sheet: np.ndarray) -> np.ndarray:
        for place in places:
            sheet[place] = value
        return sheet

    return paint


WHOLE = slice(None)
BESIDE: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "nothing": (lambda sheet: sheet, "turned to light on dark, cut to the ink"),
    "a speck": (_painted((slice(20, 35), slice(20, 35))), "a speck was taken away"),
    "several": (_painted((slice(20, 35), slice(20, 35)), (slice(300, 310), slice(420, 430))), "2 specks were taken"),
    "a table": (
        _painted((slice(0, 14), WHOLE), (slice(-12, None), WHOLE), (WHOLE, slice(0, 15)), (WHOLE, slice(-9, None))),
        "what reaches the edge was taken away",
    ),
    "a thick box": (
        _painted(
            (slice(30, 44), slice(140, 330)), (slice(316, 330), slice(140, 330)),
            (slice(30, 330), slice(140, 154)), (slice(30, 330), slice(316, 330)),
        ),
        "a frame was taken away",
    ),
    "ruled lines": (_painted(*((slice(y, y + 2), WHOLE) for y in range(20, 360, 45)), value=90), "lines of the paper"),
    "a shadow": (_shaded, "uneven light was taken out"),
    "chalk": (lambda sheet: 255 - sheet, "cut to the ink and centred"),
    "noise": (lambda sheet: sheet + np.random.default_rng(0).normal(0, 20, sheet.shape), "cut to the ink and centred"),
}  # fmt: skip


@pytest.mark.parametrize(("disturb", "told"), BESIDE.values(), ids=BESIDE)
def test_ink_is_found_beside_what_is_none(in_tmp: Path, disturb: Callable[[np.ndarray], np.ndarray], told: str) -> None:
    Image.fromarray(np.clip(disturb(_sheet()), 0, 255).astype(np.uint8)).save("one.png")
    drawing = drawn(Path("one.png"), 28)
    assert told in ", ".join(drawing.done)
    assert drawing.ink is not None
    ink, wanted = drawing.ink > 0.5, _sheet() < 100
    assert (ink & wanted).sum() / (ink | wanted).sum() > 0.85


def test_a_thin_pen_does_not_fade(in_tmp: Path) -> None:
    sheet = np.full((360, 480), 230, np.uint8)
    sheet[40:320, 238:242] = 40
    Image.fromarray(sheet).save("thin.png")
    drawing = drawn(Path("thin.png"), 28)
    assert "thin strokes were thickened" in drawing.done
    assert drawing.image.max() > 200


def test_what_became_of_images_is_drawn(trained_runs: Runs, command, in_tmp: Path) -> None:
    drawing().save("one.png")
    run = trained_runs["digits"].path
    done = command("predict", run, "one.png", "--show", "seen.png")
    assert done.status == 0, done.err
    with Image.open("seen.png") as picture:
        width, height = picture.size
    assert width > 900
    assert height > 200
    for words, told in (
        ((run, "one.png", "--show", "seen.png"), "seen.png exists; choose another --show"),
        ((run, "one.png", "--show", "seen.gif"), "--show draws png, svg, pdf; got `seen.gif`"),
        ((trained_runs["flowers"].path, "5.1,3.5", "--show", "x.png"), "--show draws what became of images"),
    ):
        done = command("predict", *words)
        assert done.status == 2
        assert told in " ".join(done.err.split())


def test_clothes_and_hiragana_on_white_are_turned_and_not_cut(in_tmp: Path) -> None:
    pixels = np.full((56, 56), 250, np.uint8)
    pixels[10:20, 30:50] = 20
    Image.fromarray(pixels).save("shoe.png")
    x, notes = (given := read_given(FashionMnist(), ["shoe.png"])).x, given.notes
    assert notes == ("shoe.png: dark on light, turned to light on dark",)
    assert x[0, 0, 7, 20] > 200
    assert x[0, 0, 25, 3] < 20


def test_a_blank_sheet_has_no_ink(trained_runs: Runs, in_tmp: Path) -> None:
    Image.new("L", (50, 40), "white").save("blank.png")
    assert "no ink was found" in twofold.predict(trained_runs["digits"], "blank.png").notes[0]


def test_an_image_without_any_drawing_gets_a_word(trained_runs: Runs, command, in_tmp: Path) -> None:
    """Of the size of the published digits as well, and among images of any kind."""
    Image.new("L", (8, 8), "white").save("white.png")
    Image.new("L", (8, 8), "black").save("black.png")
    done = command("predict", trained_runs["digits"].path, "white.png", "black.png")
    err = " ".join(done.err.split())
    assert "white.png: dark on light, turned to light on dark, no ink was found: all its pixels are alike" in err
    assert "note: black.png: no ink was found: all its pixels are alike" in err
    Image.new("RGB", (50, 40), "orange").save("orange.png")
    Image.effect_noise((50, 40), 60).save("noise.png")
    answers = twofold.predict(trained_runs["photos"], ["orange.png", "noise.png"])
    assert answers.notes == ("orange.png: the image is blank: all its pixels are alike",)


@pytest.mark.mnist
def test_digits_of_mnist_photographed_large_keep_their_place(in_tmp: Path) -> None:
    """Pasted out of the middle on a light sheet ten times as large: each comes back within a pixel of where it was."""
    test = load_data(Mnist()).test.x[:20]
    for index, (digit,) in enumerate(test):
        sheet = Image.new("L", (700, 500), 250)
        sheet.paste(
            Image.fromarray(250 - (digit * 0.9).astype(np.uint8)).resize((280, 280)), (30 * (index % 10), 7 * index)
        )
        sheet.save(f"{index:02}.png")
    found = read_given(Mnist(), sorted(str(path) for path in in_tmp.glob("*.png"))).x
    for mine, theirs in zip(found[:, 0].astype(float), test[:, 0].astype(float), strict=True):
        likeness = max(
            np.corrcoef(np.roll(mine, (i, j), (0, 1)).ravel(), theirs.ravel())[0, 1]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
        )
        assert likeness > 0.9


def test_what_is_printed(trained_runs: Runs, command, in_tmp: Path) -> None:
    done = command("predict", trained_runs["flowers"].path, trained_runs["flowers"].path.parent / "flowers.csv")
    assert done.status == 0
    for text in ("sample", "probability", "runner-up", "gap", "the first 40 of 90 samples", "of 90 as expected"):
        assert text in done.out
    drawing().save("one.png")
    done = command("predict", trained_runs["digits"].path, "one.png")
    assert "note: one.png: dark on light" in done.err
    assert "gap" not in done.out


def test_a_table_is_written_and_never_over_another(trained_runs: Runs, command, in_tmp: Path) -> None:
    run = trained_runs["flowers"].path
    assert command("predict", run, "1101,0.5", "1203,1", "--csv", "answers.csv").status == 0
    rows = list(csv.DictReader(Path("answers.csv").read_text().splitlines()))
    assert [(row["sample"], row["engine"]) for row in rows] == [
        (sample, engine) for sample in ("1101,0.5", "1203,1") for engine in ("numpy", "torch")
    ]
    before = Path("answers.csv").read_bytes()
    done = command("predict", run, "1101,0.5", "--csv", "answers.csv")
    assert (done.status, done.err) == (2, "error: answers.csv exists; choose another --csv\n")
    assert Path("answers.csv").read_bytes() == before


def test_answers_show_themselves_in_a_notebook(moons_run: twofold.Run) -> None:
    page = twofold.predict(moons_run, ["0,1", "1,0"])._repr_html_()
    assert page.count("<tr>") == 5
    assert "runner up" in page


def test_a_mistyped_option_is_no_start_of_a_text(moons_run: twofold.Run, command) -> None:
    for word in ("--temprature", "--temprature=2", "-q"):
        assert f"no option `{word}`" in command("predict", moons_run.path, "--sample", 9, word).err
    assert "was not trained on a text" in command("predict", moons_run.path, "--sample", 9, "- so", "-1").err


def test_a_sample_whose_name_is_no_utf_8_is_written_into_a_table(trained_runs: Runs, command, in_tmp: Path) -> None:
    path = Path(os.fsdecode(b"q\xff.csv"))
    path.write_text("length,width\n1101,1\n")
    done = command("predict", trained_runs["flowers"].path, path, "--csv", "out.csv")
    assert (done.status, done.err) == (0, "")
    assert "q\\udcff.csv" in Path("out.csv").read_text("utf-8")


def test_names_of_targets_are_no_html(in_tmp: Path) -> None:
    """Nor is one of several true numbers told as what is expected."""
    names, x = ["<b>gap_a</b>", "y_2"], np.random.default_rng(0).normal(size=(30, 2))
    pd.DataFrame(np.hstack([x, x]), columns=["u", "v", *names]).to_csv("t.csv", index=False)
    data = {"source": "csv", "path": "t.csv", "label": names}
    training = {"epochs": 1, "engines": ["numpy"]}
    layers = [{"kind": "dense", "units": 2}]
    made = Recipe.model_validate(
        {"data": data, "layers": layers, "loss": {"kind": "mean_squared"}, "training": training}
    )
    answers = twofold.predict(twofold.run(made, out="run"), "t.csv")
    page = answers._repr_html_()
    assert "<th>&lt;b&gt;gap_a&lt;/b&gt;</th><th>y_2</th>" in page
    assert "expected" not in answers.rows()[0]


def test_no_engine_is_none_to_ask(moons_run: twofold.Run) -> None:
    for ask in (partial(twofold.predict, moons_run, "0,1"), partial(twofold.evaluate, moons_run)):
        with pytest.raises(twofold.UserError, match="`engines` must name at least one engine; got none"):
            ask(engines=[])


def test_under_the_squared_error_outputs_are_no_probabilities(in_tmp: Path) -> None:
    settings = {"training.epochs": 1, "data.samples": 50, "loss": {"kind": "mean_squared"}}
    run = twofold.run("moons", overrides=settings, engines="numpy", out="run")
    answers = twofold.predict(run, "0,1")
    assert answers.measure == "output"
    assert set(answers.rows()[0]) == {"sample", "engine", "class", "output", "runner_up", "runner_up_output"}


@pytest.fixture
def files(in_tmp: Path) -> Path:
    """Faulty ones."""
    Path("text.png").write_text("no image")
    Image.effect_noise((90, 90), 60).save("whole.png")
    Path("cut.png").write_bytes(Path("whole.png").read_bytes()[:2000])
    Path("empty").mkdir()
    Path("hidden").mkdir()
    Path("hidden/.x").touch()
    Path("lacks.csv").write_text("length,with\n1,2\n")
    Path("words.csv").write_text("length,width\n1,2\n1,wide\n,3\n")
    Path("nan.csv").write_text("length,width\n1,NaN\n")
    Path("large.csv").write_text("length,width\n1,1e300\n")
    Path("bare.csv").write_text("length,width\n")
    return in_tmp


WRONG: dict[str, tuple[str, list[str], str]] = {
    "no image": ("digits", ["text.png"], "text.png: is no image of a known format (PNG, "),
    "a damaged image": ("photos", ["cut.png"], "cut.png: is damaged or cannot be read"),
    "several": ("digits", ["text.png", "cut.png"], "cut.png: is damaged"),
    "no such image": ("photos", ["none.png"], "no file none.png"),
    "an empty folder": ("digits", ["empty"], "empty: the folder holds no image"),
    "a folder of hidden files": ("photos", ["hidden"], "hidden: the folder holds no image"),
    "letters": ("palindromes", ["12a21"], "a palindrome is written in the digits 0 to 9; got `12a21`"),
    "digits of another script": ("palindromes", ["１２３２１"], "written in the digits 0 to 9"),
    "too long": ("palindromes", ["123321"], "on palindromes of 5 digits, of which it reads 4; `123321` has 6"),
    "too short": ("palindromes", ["121"], "on palindromes of 5 digits, of which it reads 4; `121` has 3"),
    "no palindrome": ("palindromes", ["12345"], "`12345` is no palindrome: backwards it is `54321`. Give its first 4"),
    "a missing column": ("flowers", ["lacks.csv"], "lacks.csv:1: no column `width`, a feature of the network; did you"),
    "text": ("flowers", ["words.csv"], 'words.csv:3: column `width` must be a number; got "wide"'),
    "an empty cell": ("flowers", ["words.csv"], "words.csv:4: column `length` is empty"),
    "NaN": ("flowers", ["nan.csv"], "nan.csv:2: column `width` must be finite; got NaN"),
    "too large": ("flowers", ["large.csv"], "large.csv:2: a number is too large for float32"),
    "no rows": ("flowers", ["bare.csv"], "bare.csv:2: no rows under the header"),
    "no such table": ("flowers", ["none.csv"], "no file none.csv; give a CSV file with the columns `length`, `width`"),
    "numbers missing": ("flowers", ["1101,1,2"], "`1101,1,2` holds 3 of 2 numbers: length,width"),
    "a folder for a table": ("flowers", ["empty"], "cannot read empty: Is a directory"),
    "a point of three": ("moons", ["1,2,3"], "`1,2,3` holds 3 of 2 numbers: x,y"),
    "a point of words": ("moons", ["a,b"], "numbers with a comma between them are wanted, x,y; got `a,b`"),
    "a point that is not finite": ("moons", ["1,inf"], "every number must be finite; got `1,inf`"),
    "an unknown option": ("moons", ["1,2", "--engin=numpy"], "no option `--engin=numpy`"),
    "a temperature without a text": ("moons", ["1,2", "--temperature", "2"], "are of the text that --sample N writes"),
    "a table of a text": ("moons", ["--sample", "9"], "--csv is of answers to samples; with --sample, which writes a"),
    "an engine that was not trained": ("digits", ["whole.png", "--engine", "torch"], "no weights of `torch`, only of"),
}


@pytest.mark.parametrize(("name", "words", "message"), WRONG.values(), ids=WRONG)
def test_wrong_samples_get_one_message(
    trained_runs: Runs, moons_run: twofold.Run, command, files: Path, name: str, words: list[str], message: str
) -> None:
    before = sorted(files.rglob("*"))
    run = (trained_runs | {"moons": moons_run})[name]
    done = command("predict", run.path, *words, "--csv", "out.csv")
    assert done.status == 2
    assert done.err.startswith("error: ")
    assert done.err.count("error: ") == 1
    assert message in done.err
    assert done.out == ""
    assert sorted(files.rglob("*")) == before


COMMANDS: dict[str, list[Any]] = {
    "predict": ["predict", "RUN", "1,2"],
    "evaluate": ["evaluate", "RUN"],
    "weights": ["weights", "RUN"],
    "weights --npz": ["weights", "RUN", "--npz", "w.npz"],
    "weights --from": ["weights", "RUN", "--from", "w.npz", "--out", "new"],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_a_run_of_a_newer_twofold_is_named(moons_run: twofold.Run, command, in_tmp: Path, words: list[str]) -> None:
    record = json.loads((moons_run.path / "record.json").read_text())
    (in_tmp / "newer").mkdir()
    (in_tmp / "newer" / "record.json").write_text(json.dumps(record | {"format": record["format"] + 1}))
    done = command(*("newer" if word == "RUN" else word for word in words))
    assert done.status == 2
    assert "error: newer was written by a newer version of Twofold" in done.err
    assert [path.name for path in in_tmp.iterdir()] == ["newer"]


@pytest.mark.parametrize("words", [words for words in COMMANDS.values() if "--from" not in words])
def test_a_failed_run_without_weights(command, in_tmp: Path, words: list[str]) -> None:
    twofold_run = ["run", "moons", "--set", "data.samples=50", "--set", "training.epochs=1"]
    assert command(*twofold_run, "--set", "optimizer.lr=1e30", "--out", "failed", "--quiet").status == 1
    done = command(*("failed" if word == "RUN" else word for word in words))
    assert done.status == 2
    assert done.err == "error: failed holds no weights: the run is failed. Run its recipe again.\n"
    assert [path.name for path in in_tmp.iterdir()] == ["failed"]
