"""Data: sources, splits, standardizing, batches, and what a faulty file gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from twofold.arrays import digest
from twofold.data import Batches, Dataset, Split, at_hand, load_data, random_data
from twofold.data.checking import check_finite
from twofold.data.limits import limits
from twofold.data.splits import hold_out, hold_out_numbers
from twofold.data.traits import votes
from twofold.recipe import Recipe, load_recipe, loads
from twofold.recipe.data import Csv

PLANE = ("moons", "circles", "blobs", "classification")


@pytest.mark.parametrize("name", [*PLANE, "digits"])
def test_a_source_is_split_by_class_and_the_same_each_time(name: str) -> None:
    spec = load_recipe(name, {"data.test": 0.2, "data.validation": 0.1}).data
    dataset = load_data(spec)
    total = sum(len(split) for _, split in dataset.splits())
    shares = {split: len(samples) / total for split, samples in dataset.splits()}
    assert shares == pytest.approx({"train": 0.7, "validation": 0.1, "test": 0.2}, abs=1 / total)
    overall = np.bincount(np.concatenate([split.y for _, split in dataset.splits()])) / total
    for _, split in dataset.splits():
        # Stratified: a class differs by the rounding of its own count and of what was rounded before it.
        np.testing.assert_allclose(np.bincount(split.y) / len(split), overall, atol=2 / len(split))
    assert load_data(spec).fingerprint == dataset.fingerprint
    assert load_data(spec.model_copy(update={"seed": 43})).fingerprint != dataset.fingerprint


def test_no_sample_is_in_two_splits() -> None:
    dataset = load_data(load_recipe("moons", {"data.validation": 0.25}).data)
    points = np.concatenate([split.x for _, split in dataset.splits()])
    assert len(points) == len(np.unique(points, axis=0)) == 1000


def test_the_moons_are_those_of_the_documents() -> None:
    from sklearn.datasets import make_moons

    x, _ = make_moons(1000, noise=0.1, random_state=42)
    dataset = load_data(load_recipe("moons").data)
    ours = np.concatenate([dataset.train.x, dataset.test.x])
    np.testing.assert_array_equal(np.unique(ours, axis=0), np.unique(x, axis=0))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (800, 0, 200)


def test_a_whole_number_of_validation_samples() -> None:
    assert len(load_data(load_recipe("moons", {"data.validation": 37}).data).validation) == 37


@pytest.mark.parametrize("how", ["global", "feature"])
def test_standardizing_measures_the_training_samples_only(how: str) -> None:
    raw = load_data(load_recipe("digits").data)
    done = load_data(load_recipe("digits", {"data.standardize": how}).data)
    axis = 0 if how == "feature" else None
    mean, std = raw.train.x.mean(axis), raw.train.x.std(axis)
    expected = (raw.test.x - mean) / np.where(std == 0, 1, std)
    # Means of 1,257 pixels, added in another order in float32.
    np.testing.assert_allclose(done.test.x, expected, rtol=1e-3, atol=1e-4)
    assert abs(done.train.x.mean()) < 1e-3
    assert done.train.x.dtype == np.float32


@pytest.mark.parametrize("rows", [3, 6, 7, 10, 100, 1000])
@pytest.mark.parametrize("how", ["feature", "global", "channel"])
def test_a_constant_is_not_divided_by_the_rounding_of_its_mean(how: str, rows: int) -> None:
    constant = np.full((rows, 2), 0.1)
    dataset = Dataset(Split(constant, np.zeros(rows, int)), *[Split(constant[:1] + 0.1, np.zeros(1, int))] * 2, ("a",))
    done = dataset.standardized(how)
    np.testing.assert_allclose(done.train.x, 0, atol=1e-12)
    np.testing.assert_allclose(done.test.x, 0.1)
    small = replace(dataset, train=Split(constant + [[0, 1e-9]] * (np.arange(rows)[:, None] % 2), dataset.train.y))
    assert small.standardized("feature").train.x[:, 1].std() == pytest.approx(1)
    split = Split(constant, constant)
    numbers = Dataset(split, split[:0], split[:0], (), targets=("p", "q"))
    np.testing.assert_allclose(numbers.with_scaled_targets().train.y, 0, atol=1e-12)


def test_a_constant_column_says_nothing_of_neighbours() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=200)
    x = np.stack([y + rng.normal(size=200) / 10, np.full(200, 0.1)], axis=1)
    halves = Split(x[:100], y[:100]), Split(x[100:], y[100:])
    dataset = Dataset(halves[0], halves[1][:0], halves[1], ("a", "b"))
    assert limits(dataset).neighbours == 1
    assert all(vote["wrong"] == 0 for vote in votes(dataset.train))  # pyright: ignore


@pytest.mark.parametrize(("folds", "validation"), [(2, 0.6), (2, 0.5), (4, 0.75)])
@pytest.mark.parametrize("classes", [True, False])
def test_a_fold_and_the_validation_leave_samples_to_train_on(classes: bool, folds: int, validation: float) -> None:
    y = np.arange(100) % 2
    spec = Csv(path="x.csv", label="y", folds=folds, validation=validation)
    x, targets = np.zeros((100, 2)), y[:, None].astype(float)
    with pytest.raises(twofold.DataError, match=f"change `folds` or `validation`.*{100 // folds} and"):
        _ = hold_out(x, y, ("a", "b"), spec, 0.2) if classes else hold_out_numbers(x, targets, ("y",), spec, 0.2)


def test_numbers_to_predict_must_fit_their_type() -> None:
    split = Split(np.ones((4, 1)), np.array([[1e200], [2e200], [3e39], [0.0]]))
    dataset = Dataset(split, split[:0], split[:0], (), targets=("p",))
    with pytest.raises(twofold.DataError, match="`p`: a number to predict must be small enough for a mean and a"):
        dataset.with_scaled_targets()
    with pytest.raises(twofold.DataError, match="a number to predict is too large for float32"):
        dataset.astype("float32")
    heavy = replace(split, y=np.ones((4, 1)), weight=np.full(4, 1e39))
    with pytest.raises(twofold.DataError, match="a weight is too large for float32"):
        replace(dataset, train=heavy).astype("float32")


def _dataset(x: np.ndarray, features: tuple[str, ...] = ()) -> Dataset:
    split = Split(x, np.zeros(len(x), np.int64))
    return Dataset(split, split[:0], split[:0], ("a", "b"), features)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_before_training(value: float) -> None:
    x = np.zeros((5, 2))
    x[3, 1] = value
    with pytest.raises(twofold.DataError, match=f"points: sample 3 of the train set holds {value} at \\(1,\\)"):
        check_finite(_dataset(x), "points")
    with pytest.raises(twofold.DataError, match="at width;"):
        check_finite(_dataset(x, ("length", "width")), "points")


SMALL = {
    "a share that is no sample": ({"data.samples": 4, "data.test": 0.1}, "`test = 0.1` of 4 samples is no sample"),
    "a class too small for its parts": (
        {"data.samples": 4, "data.test": 0.25, "data.validation": 0.25},
        "class `0` has 2 samples; a stratified split into train, test, validation needs at least 3 of each class",
    ),
    "a part smaller than the classes": (
        {"data.samples": 10, "data.test": 0.1}, "the test set would hold 1 of 10 samples, fewer than the 2 classes",
    ),
    "nothing left to train on": (
        {"data.validation": 800}, "the train set would hold 0 of 1000 samples, fewer than the 2 classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), SMALL.values(), ids=SMALL)
def test_a_split_that_cannot_be_made(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(twofold.DataError) as error:
        load_data(load_recipe("moons", settings).data)
    assert str(error.value).startswith(message)


# Files of one's own -----------------------------------------------------------------------------------------

GOOD = "length,width,species\n" + "".join(f"{i},{i % 3},{'abc'[i % 3]}\n" for i in range(30))


def _csv(tmp_path: Path, text: str | bytes, **settings: Any) -> Dataset:
    path = tmp_path / "f.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_data(Csv.model_validate({"path": str(path), "label": "species", **settings}))


def test_a_csv_file_of_ones_own(tmp_path: Path) -> None:
    dataset = _csv(tmp_path, GOOD, standardize="none", test=0.2)
    assert dataset.features == ("length", "width")
    assert dataset.classes == ("a", "b", "c")
    x = np.concatenate([dataset.train.x, dataset.test.x])
    y = np.concatenate([dataset.train.y, dataset.test.y])
    np.testing.assert_array_equal(x[:, 1], y)
    assert (len(dataset.train), len(dataset.test)) == (24, 6)


VARIANTS = {
    "another delimiter": (GOOD.replace(",", ";"), {"delimiter": ";"}),
    "a byte order mark": ("\ufeff" + GOOD, {}),
    "Windows line ends": (GOOD.replace("\n", "\r\n"), {}),
    "blank lines and spaces": (GOOD.replace("\n", "\n\n").replace(",", ", "), {}),
    "named features": ("id," + GOOD.replace("\n", "\nx", 30).removesuffix("x"), {"features": ["width"]}),
}


@pytest.mark.parametrize(("text", "settings"), VARIANTS.values(), ids=VARIANTS)
def test_the_same_file_in_other_clothes(tmp_path: Path, text: str, settings: dict[str, Any]) -> None:
    if settings.get("features"):
        text = "\n".join(f"x,{line}" if i else f"id,{line}" for i, line in enumerate(GOOD.splitlines()))
    dataset = _csv(tmp_path, text, standardize="none", **settings)
    plain = _csv(tmp_path, GOOD, standardize="none", **({"features": ["width"]} if "features" in settings else {}))
    assert dataset.fingerprint == plain.fingerprint


def test_numeric_labels_are_classes_in_the_order_of_their_values(tmp_path: Path) -> None:
    text = "x,species\n" + "".join(f"{i},{value}\n" for i in range(10) for value in (10, 9, -1))
    assert _csv(tmp_path, text).classes == ("-1", "9", "10")


FILES = {
    "a hole": (GOOD.replace("4,1,b", "4,,b"), "f.csv:6: column `width` is empty; fill the value in or remove the row"),
    "a word": (GOOD.replace("4,1,b", "4,one,b"), 'f.csv:6: column `width` must be a number; got "one"'),
    "NaN": (GOOD.replace("4,1,b", "4,NaN,b"), "f.csv:6: column `width` must be finite; got NaN"),
    "infinity": (GOOD.replace("4,1,b", "4,-inf,b"), "f.csv:6: column `width` must be finite; got -inf"),
    "no class": (GOOD.replace("4,1,b", "4,1,"), "f.csv:6: column `species` is empty; give every sample a class"),
    "several faults, by line": (
        GOOD.replace("4,1,b", "4,,").replace("2,2,c", "x,2,c"),
        'f.csv:4: column `length` must be a number; got "x"\nf.csv:6: column `width` is empty; fill the value in or '
        "remove the row\nf.csv:6: column `species` is empty",
    ),
    "one class only": (
        GOOD.replace(",b", ",a").replace(",c", ",a"),
        "f.csv: column `species` holds one class only, `a`, in lines 2 to 31; a classifier needs at least two.",
    ),
    "no rows": ("length,width,species\n", "f.csv:2: no rows under the header"),
    "nothing at all": ("", "f.csv:1: the file is empty; it must begin with a row of column names."),
    "no such label": (GOOD.replace("species", "specie"), "f.csv:1: no column `species`; did you mean `specie`?"),
    "the wrong delimiter": (GOOD.replace(",", ";"), "f.csv:1: a single column `length;width;species`; where columns"),
    "a row too long": (GOOD + "1,2,a,4\n", "f.csv:32: the row has 4 cells, the header 3."),
    "not text": (b"\xff\xfe\x00length", "f.csv:1: not UTF-8 text"),
    "a row too short": (GOOD + "1,2\n", "f.csv:32: the row has 2 cells, the header 3."),
    "an open quote": (GOOD + '"1,2,a\n', "f.csv:32: not a table: unexpected end of data"),
    "a name twice": (GOOD.replace("width", "length"), "f.csv:1: column `length` stands 2 times; names must differ."),
    "a column without a name": (GOOD.replace("width", ""), "f.csv:1: column 2 has no name"),
    "a decimal comma": (
        GOOD.replace(",", ";").replace("4;1;b", "4;1,5;b"), 'f.csv:6: column `width` must be a number; got "1,5"; ',
    ),
    "underscores": (GOOD.replace("4,1,b", "4,1_0,b"), 'f.csv:6: column `width` must be a number; got "1_0"'),
    "a line break in quotes before a hole": (
        GOOD.replace("1,1,b", '1,1,"b\n"').replace("4,1,b", "4,,b"), "f.csv:7: column `width` is empty",
    ),
    "a rare class": (GOOD + "1,2,d\n", "f.csv: column `species`: class `d` has 1 sample; a stratified split"),
    "numbers to predict": (
        "x,species\n" + "".join(f"{i},{i / 7}\n" for i in range(60)),
        "f.csv: column `species` holds 60 different values in 60 rows; a class needs several samples.",
    ),
    "values too large to standardize": (
        GOOD.replace("4,1,b", "4,1e308,b").replace("5,2,c", "5,-1e308,c"), "the data cannot be standardized",
    ),
    "no features": ("species\na\nb\n", "f.csv:1: no feature columns beside the label `species`."),
}  # fmt: skip


@pytest.mark.parametrize(("text", "message"), FILES.values(), ids=FILES)
def test_a_fault_in_a_file_is_named_by_line_and_column(tmp_path: Path, text: str | bytes, message: str) -> None:
    settings = {"delimiter": ";"} if isinstance(text, str) and "4;1,5;b" in text else {}
    with pytest.raises(twofold.DataError) as error:
        _csv(tmp_path, text, **settings)
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(message)


def test_many_faults_are_counted(tmp_path: Path) -> None:
    text = "\n".join(f"x{line}" if i else line for i, line in enumerate(GOOD.splitlines()))
    with pytest.raises(twofold.DataError) as error:
        _csv(tmp_path, text)
    assert "and 20 more\nWhere this column is no feature, name the features" in str(error.value)


def test_a_missing_file_and_wrong_names(tmp_path: Path) -> None:
    with pytest.raises(twofold.DataError, match=r"no file nowhere\.csv; a relative `data\.path` starts at the folder"):
        load_data(Csv(path="nowhere.csv", label="y"))
    with pytest.raises(twofold.DataError, match="no column `widht`; did you mean `width`"):
        _csv(tmp_path, GOOD, features=["widht"])
    with pytest.raises(twofold.DataError, match="column `species` is the label and cannot be a feature as well"):
        _csv(tmp_path, GOOD, features=["species"])
    with pytest.raises(twofold.DataError, match=r"holds 3 classes; `data\.classes` says 4"):
        _csv(tmp_path, GOOD, classes=4)


# Batches ----------------------------------------------------------------------------------------------------


def _batches(steps: int | None = None, **settings: Any) -> Batches:
    recipe = load_recipe("moons", {"data.samples": 100, "training.epochs": 3, "training.dtype": "float64", **settings})
    return Batches(recipe, load_data(recipe.data).train, steps)


def test_an_epoch_visits_every_sample_once_in_an_order_of_its_own() -> None:
    batches = _batches()
    taken = list(batches)
    assert [len(batch.x) for batch in taken[:3]] == [32, 32, 16]
    assert len(taken) == 9
    epochs = [np.concatenate([batch.x for batch in taken[i : i + 3]]) for i in (0, 3, 6)]
    for epoch in epochs:
        np.testing.assert_array_equal(np.unique(epoch, axis=0), np.unique(batches.train.x, axis=0))
    assert not np.array_equal(epochs[0], epochs[1])


def test_batches_are_a_function_of_the_step() -> None:
    layers = [{"kind": "dropout"}, {"kind": "dense", "units": 2}]
    batches = _batches(**{"layers": layers, "schedule.kind": "cosine"})
    whole = list(batches)
    for start in range(len(whole) + 1):
        for late, early in zip(batches.since(start), whole[start:], strict=True):
            assert late.step == early.step
            assert late.lr == early.lr
            assert digest({"x": late.x, "y": late.target, **late.masks}) == digest(
                {"x": early.x, "y": early.target, **early.masks}
            )


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [batch.x for batch in _batches()]
    monkeypatch.setattr("twofold.data.batches.CHUNK", 1)
    for a, b in zip(whole, [batch.x for batch in _batches()], strict=True):
        np.testing.assert_array_equal(a, b)


def test_masks_keep_the_share_that_they_should_and_leave_the_order_alone() -> None:
    layers = [{"kind": "dense", "units": 500}, {"kind": "dropout", "p": 0.2}, {"kind": "dense", "units": 2}]
    dropped, plain = list(_batches(layers=layers)), list(_batches())
    masks = np.concatenate([batch.masks["1"].ravel() for batch in dropped])
    assert masks.dtype == bool
    assert masks.mean() == pytest.approx(0.8, abs=4 * (0.16 / masks.size) ** 0.5)
    for a, b in zip(dropped, plain, strict=True):
        np.testing.assert_array_equal(a.x, b.x)


@pytest.mark.parametrize(("settings", "sizes"), [
    ({"training.batch_size": "full"}, [80, 80, 80]),
    ({"training.batch_size": 1, "training.epochs": 1}, [1] * 80),
    ({"training.batch_size": 999}, [80, 80, 80]),
    ({"training.steps": 4}, [32, 32, 16, 32]),
])  # fmt: skip
def test_sizes_of_batches(settings: dict[str, Any], sizes: list[int]) -> None:
    assert [len(batch.target) for batch in _batches(**settings)] == sizes


@pytest.mark.parametrize(("settings", "every"), [
    ({"training.evaluate_every": 2}, 6),
    ({"training.evaluate_every": 2, "training.evaluate_unit": "step"}, 2),
    ({"training.steps": 9, "training.evaluate_every": 4}, 4),
    ({"training.steps": 9, "training.evaluate_every": 4, "training.evaluate_unit": "epoch"}, 12),
])  # fmt: skip
def test_evaluation_counts_epochs_or_steps(settings: dict[str, Any], every: int) -> None:
    assert _batches(**settings).evaluate_every == every


def test_batches_are_of_the_recipes_type() -> None:
    assert {batch.x.dtype.name for batch in _batches(**{"training.dtype": "float32"})} == {"float32"}


def test_random_data_has_the_declared_shape() -> None:
    train = random_data(load_recipe("mnist-mlp").model, 7, seed=42).train
    assert train.x.shape == (7, 1, 28, 28)
    assert set(train.y) <= set(range(10))


def test_at_hand(tmp_path: Path) -> None:
    assert at_hand(load_recipe("moons").data)
    assert not at_hand(Csv(path=str(tmp_path / "none.csv"), label="y"))


def test_a_recipe_of_ones_own_data_needs_its_number_of_classes(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(GOOD)
    text = 'layers = [{ kind = "dense", units = 2 }]\n[data]\nsource = "csv"\npath = "PATH"\nlabel = "species"\n'
    recipe: Recipe = loads(text.replace("PATH", str(tmp_path / "f.csv")))
    with pytest.raises(twofold.DataError, match=r"holds 3 classes \(`a`, `b`, `c`\); the last layer gives 2 numbers"):
        twofold.run(recipe, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_value_too_large_for_the_type_is_refused_before_training(tmp_path: Path) -> None:
    text = 'layers = [{ kind = "dense", units = 3 }]\n[data]\nsource = "csv"\npath = "PATH"\nlabel = "species"\n'
    (tmp_path / "f.csv").write_text(GOOD.replace("4,1,b", "4,1e39,b"))
    recipe = loads(text.replace("PATH", str(tmp_path / "f.csv")))
    with pytest.raises(
        twofold.DataError, match=r"the data as float32: .* holds inf at width; .* training\.dtype = float64"
    ):
        twofold.run(recipe, overrides={"data.standardize": "none"}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_verifying_a_missing_file_takes_its_named_features(tmp_path: Path) -> None:
    text = 'layers = [{ kind = "dense", units = 3 }]\n[data]\nsource = "csv"\npath = "none.csv"\nlabel = "y"\n'
    with pytest.raises(twofold.DataError, match=r"no file none\.csv, and how many features it holds is not known"):
        twofold.verify(loads(text), steps=1)
    found = twofold.verify(loads(text), steps=1, overrides={"data.features": ["a", "b"]})
    assert (found.data, found.passed) == ("random", True)
