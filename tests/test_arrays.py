"""Samples handed over in memory: what is taken, what is refused and how, and runs that live without their data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import twofold
from twofold.data.arrays import labelled_arrays, numbered_arrays
from twofold.recipe import dump, loads
from twofold.recipe.data import Arrays

pytestmark = pytest.mark.usefixtures("undrawn")

N = 30
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3)) + np.repeat([[0.0], [2.0]], N // 2, axis=0)
Y = np.repeat([0, 1], N // 2)
FRAME = pd.DataFrame(X, columns=["age", "height", "weight"])

TEXT = """
title = "In memory"
layers = [{ kind = "dense", units = 4 }, { kind = "relu" }, { kind = "dense", units = 2 }]

[data]
source = "arrays"
shape = [3]
classes = 2
standardize = "feature"

[training]
epochs = 2
batch_size = 8
"""
RECIPE = loads(TEXT)


TAKEN: dict[str, tuple[Any, Any, tuple[str, ...], tuple[str, ...]]] = {
    "arrays": (X, Y, ("0", "1"), ()),
    "lists": (X.tolist(), Y.tolist(), ("0", "1"), ()),
    "a frame and a series": (FRAME, pd.Series(Y), ("0", "1"), ("age", "height", "weight")),
    "a frame of its own types": (FRAME.convert_dtypes(), pd.Series(Y, dtype="Int64"), ("0", "1"), tuple(FRAME.columns)),
    "a frame of several types": (
        FRAME.assign(age=(X[:, 0] > 1), height=np.arange(N)), Y, ("0", "1"), ("age", "height", "weight"),
    ),
    "a frame of objects": (FRAME.astype(object), Y, ("0", "1"), ("age", "height", "weight")),
    "a frame without names": (pd.DataFrame(X), Y, ("0", "1"), ()),
    "words": (X, np.where(Y, "yes", "no"), ("no", "yes"), ()),
    "a category": (X, pd.Series(np.where(Y, "b", "a")).astype("category"), ("a", "b"), ()),
    "truth values": (X, Y.astype(bool), ("False", "True"), ()),
    "whole fractions": (X, Y * 10.0, ("0", "10"), ()),
    "numbers by value": (X, Y * 7 + 9, ("9", "16"), ()),
    "a column of classes": (X, Y.reshape(-1, 1), ("0", "1"), ()),
    "a frame of classes": (X, pd.DataFrame({"y": Y}), ("0", "1"), ()),
    "tensors": (torch.tensor(X), torch.tensor(Y), ("0", "1"), ()),
    "float32": (X.astype(np.float32), Y, ("0", "1"), ()),
    "another order in memory": (np.asfortranarray(X), Y, ("0", "1"), ()),
}  # fmt: skip


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_taken(case: str) -> None:
    x, y, classes, features = TAKEN[case]
    arrays = labelled_arrays((x, y))
    assert (arrays.classes, arrays.features) == (classes, features)
    assert arrays.x.dtype == (np.float32 if case == "float32" else np.float64)
    assert arrays.x.shape == X.shape
    np.testing.assert_array_equal(arrays.y, Y)
    if case != "a frame of several types":
        np.testing.assert_array_equal(arrays.x, X.astype(arrays.x.dtype))
    assert repr(arrays) == "<LabelledArrays: 30 samples of (3,), 2 classes>"


def _with(array: Any, value: Any) -> Any:
    changed = array.copy()
    changed[2, 1] = value
    return changed


REFUSED: dict[str, tuple[Any, str]] = {
    "deeply ragged": (
        ([[[1.0], [2.0, 3.0]], [[1.0], [2.0, 3.0]]], [0, 1]), "`X` must have rows of one shape; within its rows",
    ),
    "a series of objects": ((pd.Series(X[:, 0], dtype=object), Y), "`X` must have a row for each sample"),
    "no pair": (X, "`data` must be a pair (X, y), samples and their classes; got a ndarray of the shape (30, 3)"),
    "three": ((X, Y, Y), "`data` must be a pair (X, y), samples and their classes; got a tuple of 3"),
    "nan": (
        (_with(X, np.nan), Y),
        "`X`: sample 2 holds nan at column 1; every feature must be finite. Fill the value in, or remove the sample.",
    ),
    "infinity in a frame": ((FRAME.replace(X[2, 1], np.inf), Y), "`X`: sample 2 holds inf at column `height`; every"),
    "a missing value": (
        (FRAME.convert_dtypes().replace(X[2, 1], pd.NA), Y), "`X`: sample 2 holds nan at column `height`",
    ),
    "infinity in images": (
        (np.full((N, 1, 2, 2), np.inf), Y), "`X`: sample 0 holds inf at (0, 0, 0); every feature must be finite.",
    ),
    "ragged": (
        ([[1.0, 2.0], [1.0]], [0, 1]), "`X` must have rows of one length; row 0 has 2 values, row 1 has 1.",
    ),
    "other lengths": ((X, Y[:-1]), "`X` holds 30 samples and `y` 29 classes; give each sample its class."),
    "a column of words": (
        (FRAME.assign(height="tall"), Y),
        "column `height` of `X` holds 'tall' at row 0; a feature must be a number. Encode it as numbers, or leave the "
        "column out.",
    ),
    "an array of words": (
        (_with(X.astype(object), "tall"), Y), "`X` holds 'tall' at (2, 1); a feature must be a number.",
    ),
    "dates": ((FRAME.assign(age=pd.Timestamp("2026-01-01")), Y), "column `age` of `X` holds"),
    "complex numbers": ((X.astype(complex), Y), "`X` holds "),
    "no table": ((X[:, 0], Y), "`X` must have a row for each sample, (samples, features); got the shape (30,)."),
    "no sample": ((X[:0], Y[:0]), "`X` must hold at least one sample and one feature; got the shape (0, 3)."),
    "two columns of one name": (
        (FRAME.set_axis(["a", "b", "a"], axis=1), Y), "`X`: column `a` stands 2 times; names must differ.",
    ),
    "a continuous y": (
        (X, X[:, 0]),
        "`y` must hold classes, words or whole numbers; sample 0 has ",
    ),
    "one-hot": (
        (X, np.eye(2)[Y]), "`y` must hold one class a sample, (30,); got the shape (30, 2). Of one-hot rows give "
        "y.argmax(axis=1).",
    ),
    "no class": (
        (X, [None, *Y[1:].tolist()]), "`y`: sample 0 has no class (None); give it one, or remove the sample.",
    ),
    "nan as a class": ((X, np.where(Y, np.nan, 1.0)), "`y`: sample 15 has no class (nan); give it one"),
    "words and numbers": ((X, ["a", *Y[1:].tolist()]), "`y` mixes words and numbers: sample 1 has 0."),
    "lists as classes": ((X, [(1, 2)] * N), "`y` must hold one class a sample, (30,); got the shape (30, 2)."),
    "one class": ((X, Y * 0), "`y` holds one class only, `0`; a classifier needs at least two."),
    "as many classes as samples": (
        (X, np.arange(N)), "`y` holds 30 different values in 30 samples; a class needs several samples.",
    ),
    "another order": (
        (FRAME, pd.Series(Y).sample(frac=1, random_state=0)),
        "`X` and `y` hold the same rows in another order; give y.loc[X.index].",
    ),
    "a tensor that wants a gradient": (
        (torch.tensor(X, requires_grad=True), Y), "`X` cannot be read as an array: Can't call numpy() on Tensor",
    ),
    "more features than the network": (
        (X[:, None, None], Y),
        "`data`: samples of the shape (1, 1, 3) and 2 classes do not fit the recipe `recipe`:\n  the last layer must",
    ),
    "more classes than the network": (
        (X, np.arange(N) % 3),
        "`data`: samples of the shape (3,) and 3 classes do not fit the recipe `recipe`:\n  the last layer must give 3 "
        "numbers, one for each class; it gives 2. Set the last dense layer's `units` to 3.",
    ),
    "a class with one sample": ((X, np.r_[Y[:-1], 2]), "`data`: samples of the shape (3,) and 3 classes do not fit"),
    "a rare class": ((X, np.r_[np.zeros(N - 1, int), 1]), "`data`: class `1` has 1 sample; a stratified split into"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(data: Any, message: str, in_tmp: Path) -> None:
    with pytest.raises(twofold.DataError) as error:
        twofold.run(RECIPE, data=data)
    assert str(error.value).startswith(message)
    assert not list(in_tmp.iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> twofold.Run:
    """A run on a frame with named classes, to be read and not to be written to."""
    folder = tmp_path_factory.mktemp("arrays") / "run"
    made = twofold.run(RECIPE, data=(FRAME, np.where(Y, "yes", "no")), out=folder)
    twofold.write_report(made)
    return made


def test_a_recipe_keeps_what_the_samples_are(run: twofold.Run) -> None:
    spec = run.recipe.data
    assert isinstance(spec, Arrays)
    assert (spec.shape, spec.classes, spec.names, spec.features) == ((3,), 2, ("no", "yes"), tuple(FRAME.columns))
    assert spec.fingerprint == labelled_arrays((FRAME, np.where(Y, "yes", "no"))).fingerprint
    assert spec.standardize == "feature"
    assert loads(dump(run.recipe), "recipe.toml") == run.recipe
    assert run.record.data.classes == ("no", "yes")
    assert run.record.data.samples == {"train": 24, "test": 6}


def test_its_report_needs_no_data(run: twofold.Run) -> None:
    page = run.report.read_text("utf-8")
    assert "source arrays" in page
    assert "3 numbers each" not in page


def test_the_same_samples_give_the_recorded_scores(run: twofold.Run) -> None:
    again = twofold.evaluate(run, data=(FRAME, np.where(Y, "yes", "no")))
    assert again.agrees
    assert again.data == "test"
    assert twofold.evaluate(run, data=(FRAME, np.where(Y, "yes", "no")), split="train").agrees


def test_other_samples_are_judged(run: twofold.Run) -> None:
    turned = FRAME[["weight", "age", "height"]]  # columns are known by their names
    some = twofold.evaluate(run, data=(turned[:9], ["no"] * 9))
    assert some.agrees is None
    whole = twofold.predict(run, FRAME)
    right = np.mean([whole.answer("numpy", index).class_name == "no" for index in range(9)])
    assert some.scores["numpy"].accuracy == right
    assert twofold.evaluate(run, data=(X[:9], ["no"] * 9)).scores == some.scores


def test_predictions_for_arrays_frames_lists_and_rows(run: twofold.Run) -> None:
    answers = [twofold.predict(run, given) for given in (X[:2], FRAME[:2], X[:2].tolist(), pl.DataFrame(FRAME[:2]))]
    for other in answers[1:]:
        np.testing.assert_array_equal(other.outputs["numpy"], answers[0].outputs["numpy"])
    assert answers[0].names == ("sample 0", "sample 1")
    assert answers[0].classes == ("no", "yes")
    (row,) = twofold.predict(run, ",".join(map(str, X[0])), engines="numpy").rows()
    assert row["class"] == answers[0].answer("numpy", 0).class_name


ASKED: dict[str, tuple[Callable[[twofold.Run], Any], str]] = {
    "evaluate without them": (
        twofold.evaluate, "were handed over in memory, and the folder does not hold them; hand them over again:",
    ),
    "an unknown class": (
        lambda run: twofold.evaluate(run, data=(X, ["maybe"] * N)),
        "`y`: sample 0 is of class `maybe`, which the network does not know; known: `no`, `yes`",
    ),
    "too few columns": (
        lambda run: twofold.predict(run, FRAME[["age", "weight"]]),
        "the frame has no column `height`, a feature of the network; did you mean `weight`?",
    ),
    "ragged rows": (
        lambda run: twofold.predict(run, [[1, 2, 3], [4, 5]]),
        "`samples` must have rows of one length; row 0 has 3 values, row 1 has 2.",
    ),
    "another shape": (
        lambda run: twofold.predict(run, X[:, :2]),
        "samples are numbers of the shape (samples, 3); got float64 of (30, 2)",
    ),
    "a file": (lambda run: twofold.evaluate(run, data="x.csv"), "were handed over in memory, not read from a file"),
    "no pair": (lambda run: twofold.evaluate(run, data=X), "`data` must be a pa"),
    "training without them": (lambda run: twofold.run(run.recipe), "this recipe names no data: its samples, 3 numbers"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "message"), ASKED.values(), ids=ASKED)
def test_what_is_asked_amiss(call: Callable[[twofold.Run], Any], message: str, run: twofold.Run, in_tmp: Path) -> None:
    with pytest.raises(twofold.DataError) as error:
        call(run)
    assert message in str(error.value)


def test_the_command_line_says_where_such_data_come_from(command: Any, run: twofold.Run, in_tmp: Path) -> None:
    done = command("run", run.path / "recipe.toml")
    assert done.status == 2
    assert "give them as data=(X, y)" in " ".join(done.err.split())
    assert command("predict", run.path, "1,2,3").status == 0


NUMBERS: dict[str, tuple[Any, str]] = {
    "nothing among objects": (pd.Series([1.0, None] * 15, dtype=object), "`y`: sample 1 has nan at column 0"),
    "a word among objects": (
        pd.Series([1.0, "w"] * 15, dtype=object), "`y` holds 'w' at row 1; what is predicted must be a number.",
    ),
    "a word in a column": (FRAME.assign(age="w"), "column `age` of `y` holds 'w' at row 0; what is predicted"),
    "ragged": ([[1.0], [1.0, 2.0]] * 15, "`y` must have rows of one length"),
    "two columns of one name": (FRAME.set_axis(["a", "b", "a"], axis=1), "`y`: column `a` stands 2 times"),
}  # fmt: skip


@pytest.mark.parametrize(("y", "message"), NUMBERS.values(), ids=NUMBERS)
def test_faults_of_numbers_to_predict_are_told_of_y(y: Any, message: str) -> None:
    with pytest.raises(twofold.DataError) as error:
        numbered_arrays((X, y), "regression")
    assert str(error.value).startswith(message)


def test_objects_that_are_numbers_are_predicted() -> None:
    assert numbered_arrays((X, pd.Series([1, 2.5] * 15, dtype=object)), "regression").y[:2, 0].tolist() == [1, 2.5]


class Stops:
    """Interrupts the training after its first evaluation."""

    def evaluated(self, row: Any) -> None:
        if row.step:
            raise KeyboardInterrupt


def test_a_run_goes_on_with_its_samples_and_no_others(run: twofold.Run, in_tmp: Path) -> None:
    data = (FRAME, np.where(Y, "yes", "no"))
    with pytest.raises(KeyboardInterrupt):
        twofold.run(RECIPE, data=data, out="stopped", checkpoint_every=2, watcher=Stops())
    with pytest.raises(twofold.DataError, match=r'hand them over again: twofold\.resume\("stopped", data=\(X, y\)\)'):
        twofold.resume("stopped")
    with pytest.raises(twofold.RunFolderError, match="was begun with other data: their fingerprint was"):
        twofold.resume("stopped", data=(FRAME + 1, data[1]))
    done = twofold.resume("stopped", data=data)
    for engine in ("numpy", "torch"):
        for name, array in run.weights(engine).items():
            np.testing.assert_array_equal(done.weights(engine)[name], array)


def test_a_run_of_other_data_takes_none_in_memory(moons_run: twofold.Run) -> None:
    with pytest.raises(twofold.DataError, match="leave `data` out"):
        twofold.walk(moons_run, sample=15, data=(X[:, :2], Y))


def test_samples_take_the_place_of_a_recipes_own(in_tmp: Path) -> None:
    settings = {"training.epochs": 1, "data.test": 0.5, "data.seed": 7, "data.standardize": "feature"}
    made = twofold.run("moons", data=(X[:, :2], Y), overrides=settings, engines="numpy")
    spec = made.recipe.data
    assert (spec.source, spec.test, spec.seed, spec.standardize) == ("arrays", 0.5, 7, "feature")  # pyright: ignore
    assert made.record.data.samples == {"train": 15, "test": 15}
    assert twofold.verify(made.recipe, data=(X[:, :2], Y), steps=3).agrees
    assert twofold.verify(made.recipe, steps=3).data == "random"
    assert twofold.walk(made.recipe, data=(X[:, :2], Y)).about.data == "real"


def test_bytes_are_images(in_tmp: Path) -> None:
    pixels = RNG.integers(256, size=(N, 1, 4, 4), dtype=np.uint8)
    text = TEXT.replace("layers = [", 'layers = [{ kind = "flatten" }, ').replace("[3]", "[1, 4, 4]")
    made = twofold.run(loads(text.replace('"feature"', '"none"')), data=(pixels, Y), engines="numpy", out="bytes")
    answers = twofold.predict(made, pixels[:2])
    np.testing.assert_allclose(answers.inputs, pixels[:2] / np.float32(255), rtol=1e-6)
    with pytest.raises(twofold.DataError, match="images are bytes from 0 to 255, of the type uint8"):
        twofold.predict(made, pixels[:2] / 255)


SPECS = {
    "names": ({"names": ["a"]}, "`names` must name as many classes as `classes` says, 2; got 1"),
    "features": ({"features": ["a"]}, "`features` must name every number of a sample, (3,); got 1"),
    "fingerprint": ({"fingerprint": "0"}, "`fingerprint`"),
}


@pytest.mark.parametrize(("settings", "message"), SPECS.values(), ids=SPECS)
def test_a_recipe_that_contradicts_itself(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(twofold.RecipeError) as error:
        twofold.load_recipe(RECIPE, {f"data.{key}": value for key, value in settings.items()})
    assert message in str(error.value)
