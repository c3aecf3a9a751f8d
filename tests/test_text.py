"""Text, character by character: windows, division by position, perplexity, and what a network writes."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import twofold
from cases import assert_bits, dense, recipe
from twofold.cli.main import app
from twofold.data.limits import limits
from twofold.data.text import load_text, read_text, text_parts
from twofold.data.traits import traits
from twofold.engine import NO_ANSWER
from twofold.errors import DataError, RecipeError, UserError
from twofold.inference.writing import write_text
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.text import CharacterText
from twofold.setup.building import prepare
from twofold.setup.events import Evaluated
from twofold.train.replicas import together

pytestmark = pytest.mark.usefixtures("undrawn")

LSTM = {"kind": "lstm", "units": 8, "output": "every"}
SIZE = 35
"""Characters of the text that comes along."""


def of_text(*first: dict[str, Any], training: dict[str, Any] | None = None, **data: Any) -> Recipe:
    source = {"source": "text", "length": 16, "stride": 40, **data}
    return recipe([*(first or (LSTM,)), dense(SIZE)], data=source, training=training)


def test_windows_are_characters_and_those_that_follow() -> None:
    spec = CharacterText(length=7, stride=5, each_step=True, test=0.1, validation=0.1, encoding="index")
    text, parts, dataset = read_text(spec), text_parts(spec), load_text(spec)
    assert "".join(parts.values()) == text
    assert len(parts["test"]) == round(0.1 * len(text))
    alphabet, train = dataset.alphabet, dataset.train
    for window in (0, 1, len(train) - 1):
        assert "".join(alphabet[int(code)] for code in train.x[window]) == text[5 * window : 5 * window + 7]
        assert "".join(alphabet[code] for code in train.y[window]) == text[5 * window + 1 : 5 * window + 8]
    held = "".join(alphabet[code] for code in dataset.test.y.reshape(-1))
    assert parts["test"][1:].startswith(held)  # every character of the end is asked for once
    last = load_text(spec.model_copy(update={"each_step": False, "encoding": "one_hot"}))
    assert last.train.x.shape[1:] == (7, len(alphabet))
    assert last.test.y.tolist() == [alphabet.index(character) for character in parts["test"][7:]]


def test_characters_that_were_not_trained_on_are_read_and_not_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("ab" * 50 + "abzab")
    dataset = load_text(CharacterText(path=str(path), length=2, test=5 / 105, each_step=True))
    assert dataset.classes == ("a", "b")
    assert (dataset.test.y == NO_ANSWER).sum() == 1
    assert "1 characters that the training text does not hold (z)" in dataset.notes[0]


@pytest.mark.parametrize("each_step", [True, False])
@pytest.mark.parametrize("encoding", ["index", "one_hot"])
def test_short_windows_have_no_limits(encoding: Any, each_step: bool) -> None:
    dataset = load_text(CharacterText(length=5, stride=40, each_step=each_step, encoding=encoding))
    assert limits(dataset) == (None, None)
    assert bool(traits(dataset).get("votes")) == (encoding == "one_hot" and not each_step)


PLACES = {"kind": "embedding", "num_embeddings": SIZE + 1, "units": 6}
BY = {
    "every": (LSTM,),
    "last": ({"kind": "gru", "units": 8},),
    "index": (PLACES, {"kind": "rnn", "units": 8, "output": "every"}),
}  # fmt: skip


@pytest.mark.parametrize("way", BY)
def test_both_engines_agree_on_a_text(way: str) -> None:
    proof = twofold.verify(of_text(*BY[way], encoding="index" if way == "index" else "one_hot"))
    assert proof.passed
    assert max(proof.verdict.largest.values()) < 1e-9


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> twofold.Run:
    made = of_text(training={"steps": 8, "dtype": "float32"})
    return twofold.run(made, out=tmp_path_factory.mktemp("text") / "run")


def test_perplexity_is_exp_of_the_loss_and_stands_beside_tables(trained: twofold.Run) -> None:
    metrics = json.loads((trained.path / "metrics.json").read_text())
    for engine in ("numpy", "torch"):
        value = metrics["engines"][engine]["perplexity"]
        loss = trained.record.engines[engine].loss("test")
        assert loss is not None
        assert value["value"] == pytest.approx(math.exp(loss), rel=1e-5)
        assert value["low"] < value["value"] < value["high"]
    frequencies, pairs, fours = (
        metrics["baselines"][n]["perplexity"]["value"] for n in ("frequencies", "pairs", "four in a row")
    )
    assert SIZE > frequencies > pairs > fours > 1
    page = trained.report.read_text() if trained.report.is_file() else twofold.write_report(trained).read_text()
    assert "perplexity" in page
    assert "What the networks write" in page


def test_a_network_writes_the_same_for_the_same_seed(trained: twofold.Run) -> None:
    texts = write_text(trained, 30, temperature=0.5, seed=3, start="The ")
    assert texts["numpy"] == texts["torch"] == write_text(trained, 30, temperature=0.5, seed=3, start="The ")["torch"]
    assert len(texts["numpy"]) == 30
    assert write_text(trained, 30, seed=4)["numpy"] != write_text(trained, 30, seed=5)["numpy"]
    assert len(set(write_text(trained, 5, temperature=0)["numpy"])) <= 5
    told = CliRunner().invoke(
        app, ["predict", str(trained.path), "The", "--sample", "12", "--temperature", "0", "--json"]
    )
    assert told.exit_code == 0, told.output
    assert len(json.loads(told.output)["texts"]["numpy"]) == 12


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"characters": 0}, "`sample` is a number of characters, 1 to 100,000; got 0"),
        ({"temperature": -1.0}, "`temperature` must be a number of 0 or more"),
        ({"temperature": math.nan}, "`temperature` must be a number of 0 or more"),
        ({"start": "Ω"}, "the text that was trained on holds no 'Ω'"),
        ({"engines": "jax"}, "jax"),
    ],
)
def test_what_cannot_be_written_is_told(trained: twofold.Run, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        write_text(trained, **options)


WRONG = {
    "no file": (None, {}, "no file .*text.txt; set data.path"),
    "empty": (b"", {}, "the file is empty; it must hold a text"),
    "short": (b"ab" * 9, {}, "too few for a window of 16 and the one that follows. Set data.length lower"),
    "one character": (b"a" * 400, {}, "holds one character only"),
    "no text": (b"ab\ncd\xff" * 90, {}, r"text.txt:2: not UTF-8 text"),
    "zeros": (b"ab\0" * 90, {}, "holds a zero byte"),
    "too few outputs": (b"abcd" * 90, {}, r"4 different characters; the last layer gives 35 .*layers.1.units=4"),
    "standardized": (b"ab" * 90, {"standardize": "feature"}, "`standardize` is for quantities"),
    "shards": (b"ab" * 90, {"training": {"shards": 2}}, "`shards` of sequences that differ in length, or are answered"),
    "twice": (b"ab" * 90, {"alphabet": "aba"}, "`alphabet` must hold two characters or more, each once"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_of_a_text_is_told(tmp_path: Path, fault: str) -> None:
    content, data, told = WRONG[fault]
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((DataError, RecipeError, ValueError), match=told):
        prepare(of_text(path=str(path), **data))


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"cannot read {tmp_path}: Is a directory"):
        load_text(CharacterText(path=str(tmp_path)))


def test_an_embedding_has_a_row_for_unknown_characters() -> None:
    with pytest.raises(DataError, match=f"has {SIZE} vectors; the alphabet of the training samples has {SIZE} symbols"):
        prepare(load_recipe(of_text(*BY["index"], encoding="index"), {"layers.0.num_embeddings": SIZE}))


@pytest.mark.filterwarnings("ignore:.*was not finished")
def test_a_run_that_was_interrupted_ends_with_the_same_bytes(tmp_path: Path) -> None:
    made = of_text(training={"steps": 9, "dtype": "float32", "evaluate_every": 3})
    whole = twofold.run(made, out=tmp_path / "whole", engines="numpy", checkpoint_every=2)

    def stop(event: object) -> None:
        if isinstance(event, Evaluated) and event.row.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        twofold.run(made, out=tmp_path / "cut", engines="numpy", checkpoint_every=2, watcher=stop)
    again = twofold.resume(tmp_path / "cut")
    assert_bits(again.weights("numpy"), whole.weights("numpy"))
    for name in ("metrics.json", "sample.json"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()


def test_a_run_of_other_data_writes_no_text(tmp_path: Path) -> None:
    made = recipe([dense(2)], data={"source": "moons", "samples": 40}, training={"steps": 2})
    with pytest.raises(UserError, match="was not trained on a text"):
        write_text(twofold.run(made, out=tmp_path / "run", engines="numpy"))


def test_networks_that_answer_every_step_are_trained_one_by_one() -> None:
    assert not together([of_text(), load_recipe(of_text(), {"training.seed": 1})])
