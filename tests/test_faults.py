"""Faults in data, recipe and machine: each ends before training or at its step, and says what, where, and what next."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Outcome
from twofold.data import room
from twofold.data.checking import checked
from twofold.data.dataset import Dataset, Split
from twofold.data.sources import load_data
from twofold.errors import DataError
from twofold.recipe import load_recipe
from twofold.setup import needed
from twofold.setup.needed import needed_memory

RECIPE = """
layers = [{{ kind = "dense", units = 4 }}, {{ kind = "relu" }}, {{ kind = "dense", units = {classes} }}]

[data]
source = "csv"
path = "data.csv"
label = "class"
{data}

[training]
epochs = 3
{training}
"""
ROWS = [f"{0.1 * i:.1f},{(i * 7) % 5},{'ab'[i % 2]}" for i in range(40)]


def _table(*changed: tuple[int, str], rows: list[str] = ROWS) -> str:
    lines = ["x,y,class", *rows]
    for at, line in changed:
        lines[at] = line
    return "\n".join(lines) + "\n"


@dataclasses.dataclass(frozen=True)
class Case:
    """A CSV file, the keys of its recipe, and every part of what is said."""

    said: tuple[str, ...]
    table: str = dataclasses.field(default_factory=_table)
    data: str = ""
    training: str = ""
    classes: int = 2
    settings: tuple[str, ...] = ()
    status: int = 2


CASES = {
    "NaN in data": Case(("data.csv:6: column `x` must be finite; got nan",), _table((5, "nan,1,a"))),
    "infinity in data": Case(("data.csv:3: column `y` must be finite; got -inf",), _table((2, "0.1,-inf,b"))),
    "label beyond the classes": Case(
        (
            "data.csv: column `class` holds 3 classes (`0`, `1`, `7`)",
            "the last layer gives 2",
            "--set layers.2.units=3",
        ),
        _table(rows=[f"{i},1,{[0, 1, 7][i % 3]}" for i in range(30)]),
    ),
    "negative label": Case(
        (
            "data.csv: column `class` holds 3 classes (`-1`, `0`, `1`)",
            "the last layer gives 2",
            "--set layers.2.units=3",
        ),
        _table(rows=[f"{i},1,{[-1, 0, 1][i % 3]}" for i in range(30)]),
    ),
    "one class only": Case(
        ("data.csv: column `class` holds one class only, `a`, in lines 2 to 11", "needs at least two"),
        _table(rows=[f"{i},1,a" for i in range(10)]),
    ),
    "no samples": Case(("data.csv:2: no rows under the header", "at least one sample of each class"), "x,y,class\n"),
    "lengths that differ": Case(("data.csv:9: the row has 2 cells, the header 3.",), _table((8, "0.1,a"))),
    "fractional labels": Case(
        ("data.csv: column `class` holds 40 different values in 40 rows", "a class needs several samples"),
        _table(rows=[f"{i},1,{i + 0.5}" for i in range(40)]),
    ),
    "learning rate that diverges": Case(
        (
            "numpy engine: the loss of the train set was nan after step 1 (epoch 1)",
            "with learning rate 1e+30",
            "First non-finite value: ",
            "Try --set optimizer.lr=",
            "marked as failed",
        ),
        settings=("optimizer.lr=1e30",),
        status=1,
    ),
    "half labels": Case(
        (
            "data.csv:2: column `class` must hold classes, words or whole numbers; got 0.5.",
            "write it as a word, `class 0.5`",
            'to predict a number choose loss.kind = "mean_squared"',
        ),
        _table(rows=[f"{i},1,{[0.5, 1.5][i % 2]}" for i in range(40)]),
    ),
    "NaN as a label": Case(
        ('data.csv:6: column `class` is missing ("nan"); give every sample a class, or remove the row',),
        _table((5, "0.1,2,nan"), rows=[f"{i},1,{i % 2}" for i in range(40)]),
    ),
    "a label written in two ways": Case(
        ("data.csv:6: column `class` holds `1` and `1.0`, the same number; write each class in one way.",),
        _table((5, "0.1,2,1.0"), rows=[f"{i},1,{i % 2}" for i in range(40)]),
    ),
    "features of 1e30": Case(
        (
            "the data as float32: sample 0 of the train set holds ",
            "e+30 at x; a feature must be at most 1.8e+19 in size, or its square is beyond float32.",
            'Set training.dtype = float64, or data.standardize = "feature".',
        ),
        _table(rows=[f"{'-' * (i % 2)}1e30,{i % 3}e30,{'ab'[i % 2]}" for i in range(40)]),
        'standardize = "none"',
    ),
    "features of 1e200": Case(
        ("the data as float64: sample ", "at most 1.3e+154 in size", "Scale the data down"),
        _table(rows=[f"{'-' * (i % 2)}1e200,{i % 3},{'ab'[i % 2]}" for i in range(40)]),
        'standardize = "none"',
        'dtype = "float64"',
    ),
    "initial weights of 1e30": Case(
        ("numpy engine: the loss of the train set was nan after step 0", "Nothing was trained yet", "data.standardize"),
        settings=("initial.kind=normal", "initial.std=1e30"),
        status=1,
    ),
    "features that float32 cannot hold": Case(
        ("the data as float32: sample ", "holds inf at x", "Set training.dtype = float64, or data.standardize"),
        _table(rows=[f"1e39,{i % 3},{'ab'[i % 2]}" for i in range(40)]),
        'standardize = "none"',
    ),
    "a class with one sample and a validation share": Case(
        (
            "data.csv: column `class`: class `b` has 1 sample;",
            "into train, test, validation needs at least 3 of each class",
            "Add samples, drop the class, or hold out less.",
        ),
        _table(rows=[*(f"{i},1,a" for i in range(30)), "1,1,b"]),
        "validation = 0.2",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_fault_ends_with_what_where_and_what_next(name: str, in_tmp: Path, command: Callable[..., Outcome]) -> None:
    case = CASES[name]
    Path("data.csv").write_text(case.table)
    Path("a.toml").write_text(RECIPE.format(classes=case.classes, data=case.data, training=case.training))
    settings = [word for setting in case.settings for word in ("--set", setting)]
    done = command("run", "a.toml", "--out", "run", "--quiet", *settings)
    assert done.status == case.status, done.err
    for part in case.said:
        assert part in done.err
    assert "Traceback" not in done.err
    if case.status == 2:
        assert not Path("run").exists()
    else:
        record = json.loads(Path("run/record.json").read_text())
        assert record["status"] == "failed"
        assert not record["engines"]


LITTLE = 1 << 20


def test_memory_that_does_not_suffice_is_told_with_the_batch_that_fits(
    in_tmp: Path, command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("run", "blobs", "--set", "training.batch_size=full", "--engine", "numpy", "--out", "run", "--quiet")
    small = ("--set", "training.epochs=1", "--set", "data.samples=20000")
    recipe = load_recipe("blobs", {"training.batch_size": "full", "data.samples": 20000, "training.engines": ["numpy"]})
    splits = [split for _, split in load_data(recipe.data).astype(recipe.training.dtype).splits()]
    fitting = needed_memory(recipe, ["numpy"], *splits).fitting(LITTLE)
    monkeypatch.setattr(needed, "available_memory", lambda: LITTLE)
    done = command(*words, *small)
    assert done.status == 2
    assert "error: not enough memory: this training takes about " in done.err
    assert "1 MiB are" in done.err
    assert f"Set training.batch_size to at most {fitting}: --set training.batch_size={fitting}" in done.err
    assert not Path("run").exists()
    assert command(*words[:2], *words[4:], *small, "--set", f"training.batch_size={fitting}").status == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "blobs"), "No batch fits beside it: make the layers smaller, or take fewer samples."),
        (("verify", "blobs"), "No batch fits beside it: make the layers smaller, or take fewer samples."),
    ],
)
def test_where_no_batch_fits(
    words: tuple[str, ...], said: str, in_tmp: Path, command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needed, "available_memory", lambda: 100)
    done = command(*words)
    assert (done.status, said in done.err) == (2, True)
    monkeypatch.setattr(needed, "available_memory", lambda: None)
    assert command("verify", "blobs", "--steps", "1").status == 0


def test_samples_that_do_not_fit_are_not_drawn(
    in_tmp: Path, command: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "available_memory", lambda: LITTLE)
    done = command("run", "moons", "--set", "data.samples=100000000")
    assert done.status == 2
    assert "not enough memory: `data.samples = 100000000` takes about 11.2 GiB, 1 MiB are available." in done.err
    assert "Set it lower: a sample takes about 120 bytes." in done.err
    Path("data.csv").write_text(_table(rows=ROWS * 3000))
    Path("a.toml").write_text(RECIPE.format(classes=2, data="", training=""))
    done = command("run", "a.toml")
    assert (done.status, "data.csv takes about" in done.err) == (2, True)


ESTIMATED: dict[str, dict[str, Any]] = {
    "blobs": {"training.batch_size": "full", "data.samples": 8000, "layers.0.units": 512, "training.epochs": 1},
    "digits": {"training.batch_size": 1000, "optimizer.kind": "adam", "training.epochs": 1},
    "palindrome-lstm": {"training.batch_size": 500, "training.steps": 2, "data.length": 20},
}


@pytest.mark.parametrize("name", ESTIMATED)
def test_the_estimate_is_near_the_true_peak(name: str, in_tmp: Path) -> None:
    import tracemalloc

    from twofold.train.points import _lone

    recipe = load_recipe(name, {**ESTIMATED[name], "training.engines": ["numpy"]})
    dataset = load_data(recipe.data)
    estimate = needed_memory(recipe, ["numpy"], *(split for _, split in dataset.splits())).total
    dataset = dataset.astype(recipe.training.dtype)
    tracemalloc.start()
    _lone(recipe, dataset, "numpy")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak / 2 < estimate < 2 * peak, (estimate, peak)


def test_replicas_that_do_not_fit_at_once_are_trained_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    from twofold.train import points

    small = {"data.samples": 200, "training.epochs": 1, "training.engines": ["numpy"]}
    recipes = [load_recipe("moons", {**small, "training.seed": seed}) for seed in range(8)]
    splits = [split for _, split in load_data(recipes[0].data).astype("float32").splits()]
    one = needed_memory(recipes[0], ["numpy"], *splits).total
    at_once = points.train_points(recipes, "numpy")
    asked = list[int]()
    monkeypatch.setattr(points, "train_replicas", lambda *_: asked.append(1))
    monkeypatch.setattr(needed, "available_memory", lambda: 3 * one)
    alone = points.train_points(recipes, "numpy")
    assert not asked
    for a, b in zip(at_once, alone, strict=True):
        assert a.scores["train_loss"] == pytest.approx(b.scores["train_loss"], rel=1e-5)
        assert (a.note, b.note) == ("", points.IN_TURN)


SOUND = Split(np.zeros((4, 2)), np.array([0, 1, 0, 1]))
DATASETS: dict[str, tuple[Split, str]] = {
    "NaN": (Split(np.array([[0, 1], [np.nan, 1]]), np.array([0, 1])), "a: sample 1 of the train set holds nan at (0,)"),
    "lengths": (Split(np.zeros((4, 2)), np.array([0, 1])), "a: the train set holds 4 samples and 2 labels; "),
    "beyond": (
        Split(np.zeros((2, 2)), np.array([0, 2])),
        "a: sample 1 of the train set has label 2; it must be",
    ),
    "negative": (Split(np.zeros((2, 2)), np.array([-1, 0])), "a: sample 0 of the train set has label -1; it must be"),
    "fractions": (Split(np.zeros((2, 2)), np.array([0.5, 1])), "a: the labels of the train set must be whole numbers"),
    "no weight": (
        Split(np.zeros((2, 2)), np.array([1, 0]), weight=np.zeros(2)),
        "a: every sample of the train set has the weight 0: there is nothing to learn. Give some",
    ),
    "none": (Split(np.zeros((0, 2)), np.zeros(0, np.int64)), "a: the train set holds no sample"),
}


@pytest.mark.parametrize("fault", DATASETS)
def test_every_source_goes_through_the_same_checks(fault: str) -> None:
    train, message = DATASETS[fault]
    none = SOUND[:0]
    assert checked(Dataset(SOUND, none, none, ("a", "b")), "a").train is SOUND
    with pytest.raises(DataError) as caught:
        checked(Dataset(train, none, none, ("a", "b")), "a")
    assert str(caught.value).startswith(message)
