"""Sequences of different lengths: masks against PyTorch's packed sequences, and against the sequences one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import twofold
from cases import LayerCase, assert_same, dense, recipe
from twofold.analysis.rules.sampling import judged
from twofold.arrays import Array
from twofold.data.columns import sequences
from twofold.data.columns.frame import Frame
from twofold.data.columns.given import given_rows, read_given_rows
from twofold.data.columns.table import handed_over, load_table
from twofold.engine import NO_ANSWER, Batch, answered, lengths_of
from twofold.errors import DataError, RecipeError, UserError
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.losses import each_step, loss_function
from twofold.probe.kept import microscope_of, walk_of
from twofold.probe.walk_json import walk_from_json, walk_json
from twofold.proof.cases import SEQUENCES
from twofold.recipe import load_recipe
from twofold.recipe.columns import Table
from twofold.recipe.losses import BinaryCrossEntropy, CrossEntropy, Huber, Loss
from twofold.setup.building import build_engine, initial_state, prepare
from twofold.train.loop import scored

pytestmark = pytest.mark.usefixtures("undrawn")

by_name = pytest.mark.parametrize("case", SEQUENCES, ids=lambda case: case.name)


def passed(case: LayerCase, x: Array, dy: Array, lengths: Array | None) -> dict[str, Array]:
    layer, params = build_layer(case.spec), case.params()
    y, cache = layer.forward(params, x, Mode(True, lengths=lengths))
    dx, grads = layer.backward(params, cache, dy)
    assert dx is not None
    return {"y": y, "dx": dx, **grads}


@by_name
def test_masks_are_packed_sequences(case: LayerCase) -> None:
    """An independent witness: PyTorch's own layers, which never see the padding."""
    spec: Any = case.spec
    lengths = np.array(case.lengths)
    module = getattr(nn, spec.kind.upper())(case.shape[-1], spec.units, bias=spec.bias, batch_first=True).double()
    module.load_state_dict({f"{name}_l0": torch.tensor(array) for name, array in case.params().items()})
    x = torch.tensor(case.x(), requires_grad=True)
    packed, _ = module(pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False))
    states, _ = pad_packed_sequence(packed, batch_first=True, total_length=case.shape[1])
    last = states[torch.arange(len(lengths)), torch.tensor(lengths) - 1]
    y = {"last": last, "every": states, "mean": states.sum(1) / torch.tensor(lengths)[:, None]}[spec.output]
    y.backward(torch.tensor(case.dy()))
    assert x.grad is not None
    theirs = {"y": y, "dx": x.grad} | {n.removesuffix("_l0"): p.grad for n, p in module.named_parameters()}
    for name, array in passed(case, case.x(), case.dy(), lengths).items():
        assert_same(array, theirs[name].detach().numpy(), name)


@by_name
def test_gradients_of_masked_layers_against_central_differences(case: LayerCase) -> None:
    lengths, dy, eps = np.array(case.lengths), case.dy(), 1e-6
    tensors = {"x": case.x(), **case.params()}
    grads = passed(case, case.x(), dy, lengths)

    def loss(moved: dict[str, Array]) -> float:
        params = {name: array for name, array in moved.items() if name != "x"}
        y, _ = build_layer(case.spec).forward(params, moved["x"], Mode(True, lengths=lengths))
        return float((y * dy).sum())

    for name, array in tensors.items():
        v = np.random.default_rng(1).normal(size=array.shape)
        up, down = (loss({**tensors, name: array + sign * eps * v}) for sign in (1, -1))
        gradient = grads["dx" if name == "x" else name]
        assert float((gradient * v).sum()) == pytest.approx((up - down) / (2 * eps), rel=1e-6, abs=1e-8), name


@by_name
def test_what_stands_in_the_padding_changes_nothing(case: LayerCase) -> None:
    """Nor its length: every sequence alone gives what it gives among the others."""
    lengths, x, dy = np.array(case.lengths), case.x(), case.dy()
    there = (np.arange(x.shape[1]) < lengths[:, None])[..., None]
    plain, other = (passed(case, np.where(there, x, nothing), dy, lengths) for nothing in (0.0, 1e6))
    for name, array in plain.items():
        np.testing.assert_array_equal(other[name], array, name)
    assert not plain["dx"][~there[..., 0]].any()
    for place, length in enumerate(lengths):
        own = dy[place : place + 1] if case.spec.output != "every" else dy[place : place + 1, :length]  # pyright: ignore
        alone = passed(case, x[place : place + 1, :length], own, None)
        seen = plain["y"][place] if case.spec.output != "every" else plain["y"][place, :length]  # pyright: ignore
        np.testing.assert_allclose(alone["y"][0], seen, atol=1e-14)
        np.testing.assert_allclose(alone["dx"][0], plain["dx"][place, :length], atol=1e-14)


def test_the_mean_over_steps_is_pytorch_s_with_an_ignored_index() -> None:
    rng = np.random.default_rng(0)
    outputs, target = rng.normal(size=(4, 5, 3)), rng.integers(3, size=(4, 5))
    target[1, 2:] = target[3, 4:] = NO_ANSWER
    value, gradient = each_step(loss_function(CrossEntropy()))(outputs, target)
    z = torch.tensor(outputs, requires_grad=True)
    theirs = nn.functional.cross_entropy(z.flatten(0, 1), torch.tensor(target).flatten())
    theirs.backward()
    assert value == pytest.approx(theirs.item(), abs=1e-15)
    assert z.grad is not None
    assert_same(gradient, z.grad.numpy(), "dz")


ANSWERS: dict[str, tuple[Loss, np.ndarray, np.ndarray]] = {
    "classification": (CrossEntropy(), np.eye(3), np.arange(3)),
    "multi_label": (BinaryCrossEntropy(), np.eye(3), np.eye(3)),
    "regression": (Huber(), np.eye(3), np.eye(3)),
}


@pytest.mark.parametrize("task", ANSWERS)
def test_a_batch_without_an_answer_counts_nothing_in_an_evaluation(task: Any) -> None:
    spec, outputs, target = ANSWERS[task]
    loss, none = loss_function(spec), (outputs[:0], target[:0])
    assert scored([none, (outputs, target), none], loss, task) == scored([(outputs, target)], loss, task)
    nothing = scored([none, none], loss, task)
    assert (nothing.loss, nothing.quality) == (0.0, 0.0)


# Tables of sequences

HEAD = "id,t,v,mode,label,move"


def table(folder: Path, rows: list[str] | None = None, head: str = HEAD) -> Path:
    """Curves that rise or fall, of 3 to 9 steps, a row a step, in no order."""
    rng = np.random.default_rng(0)
    if rows is None:
        rows = []
        for curve in range(40):
            sign, steps = (1, -1)[curve % 2], int(rng.integers(3, 10))
            for t in range(steps):
                moved = "up" if rng.random() < 0.5 else "down"
                v = sign * t / 4 + rng.normal() / 10
                rows.append(f"c{curve},{t},{v:.3f},{'ab'[t % 2]},{('rise', 'fall')[curve % 2]},{moved}")
        rows = [rows[place] for place in rng.permutation(len(rows))]
    path = folder / "curves.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return path


def of_table(path: Path, *, label: str = "label", layer: dict[str, Any] | None = None, **data: Any) -> Any:
    other = {"label": "move", "move": "label"}.get(label, "mode")
    source = {"source": "table", "path": str(path), "label": label, "sequence": "id", "order": "t", "baselines": False}
    layers = [{"kind": "gru", "units": 6, **(layer or {})}, dense(data.pop("outputs", 2))]
    loss = data.pop("loss", "cross_entropy")
    return recipe(layers, data={**source, "columns": {other: "drop"}, **data}, loss={"kind": loss})


OUTPUTS = {"last": {}, "mean": {"output": "mean"}, "every": {"output": "every"}}


@pytest.mark.parametrize("output", OUTPUTS)
def test_both_engines_agree_on_sequences_of_a_table(tmp_path: Path, output: str) -> None:
    label = "move" if output == "every" else "label"
    proof = twofold.verify(of_table(table(tmp_path), layer=OUTPUTS[output], label=label))
    assert proof.passed
    assert proof.data == "real"
    assert max(proof.verdict.largest.values()) < 1e-9


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_answer_depends_neither_on_padding_nor_on_neighbours(tmp_path: Path, output: str) -> None:
    """Of whole networks, in both engines, in training and in evaluation."""
    made, dataset = prepare(
        of_table(table(tmp_path), layer=OUTPUTS[output], label="move" if output == "every" else "label")
    )
    split = dataset.astype("float64").train[:7]
    lengths = lengths_of(split.x)
    assert lengths is not None
    for name in ("numpy", "torch"):
        engine = build_engine(name, made)
        engine.load(initial_state(made.model))
        whole = engine.predict(split.x)
        longer = np.concatenate([split.x, np.full_like(split.x, np.nan)], axis=1)
        for place, length in enumerate(lengths):
            alone = engine.predict(split.x[place : place + 1, :length])[0]
            np.testing.assert_allclose(whole[place][:length] if output == "every" else whole[place], alone, atol=1e-14)
        wide = engine.predict(longer)
        np.testing.assert_allclose(wide[:, : whole.shape[1]] if output == "every" else wide, whole, atol=1e-14)
        steps = longer.shape[1] - split.x.shape[1]
        y = split.y
        padded = np.concatenate([y, np.full((len(y), steps), NO_ANSWER)], axis=1) if output == "every" else y
        plain = engine.gradients(Batch(split.x, y, 0.1, {}, 0))
        other = engine.gradients(Batch(longer, padded, 0.1, {}, 0))
        assert plain.loss == pytest.approx(other.loss, abs=1e-14)
        for parameter, gradient in plain.gradients.items():
            np.testing.assert_allclose(other.gradients[parameter], gradient, atol=1e-14, err_msg=parameter)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_run_on_sequences_answers_again_what_it_answered(tmp_path: Path, output: str) -> None:
    label, path = "move" if output == "every" else "label", table(tmp_path)
    run = twofold.run(of_table(path, layer=OUTPUTS[output], label=label), out=tmp_path / "run")
    assert json.loads((run.path / "columns.json").read_text())["labels"] == [label]
    again = twofold.evaluate(run)
    assert all(recorded.agrees for recorded in again.recorded.values())
    given = twofold.predict(run, str(path))
    lines = path.read_text().splitlines()[1:]
    assert len(given) == (len(lines) if output == "every" else 40)
    right = given.right("numpy")
    assert right is not None
    assert twofold.evaluate(run, data=str(path)).scores["numpy"].accuracy == right[0] / right[1]
    few = twofold.predict(
        run, {n: [line.split(",")[at] for line in lines[:50]] for at, n in enumerate(HEAD.split(","))}
    )
    assert set(few.classes) == set(given.classes)
    short = pd.DataFrame([line.split(",") for line in lines], columns=HEAD.split(","))
    short = short[short["t"].astype(int) < 2]  # none is as long as those trained on
    model, asked = twofold.load_model(run, "numpy"), twofold.predict(run, short, engines="numpy")
    assert model.predict(short).ravel().tolist() == [asked.answer("numpy", at).class_name for at in range(len(asked))]
    assert model.predict_proba(short).reshape(-1, 2) == pytest.approx(asked.values["numpy"])
    assert model.score(short, model.predict(short)) == 1
    assert model.outputs(asked.inputs)["1"].shape[:2] == model(asked.inputs).shape[:2]
    with pytest.raises(UserError, match=r"takes numbers of the shape \(N, \?, 3\); got"):
        model(asked.inputs[..., :1])
    page = twofold.write_report(run).read_text("utf-8")
    answers = len(run.evidence["target"])
    assert judged(run, run.record.data.held_out) == answers
    assert (judged(run, "train") > run.record.data.samples["train"]) == (output == "every")
    assert f"over {answers} test rows" in page
    assert f"the answers to {answers} test rows" in page
    walked = twofold.walk(run, sample=1)
    assert walked.gap is not None
    assert walked.gap < 1e-9


def test_features_are_fitted_to_the_steps_of_training_sequences(tmp_path: Path) -> None:
    _, dataset = prepare(of_table(table(tmp_path), features=["v"], columns={}))
    steps = np.concatenate([x[~np.isnan(x)] for x in dataset.train.x[..., 0]])
    assert steps.mean() == pytest.approx(0, abs=1e-6)
    assert steps.std() == pytest.approx(1, abs=1e-6)
    assert dataset.features == ("v",)


def test_steps_are_in_order_and_sequences_on_one_side(tmp_path: Path) -> None:
    path = table(tmp_path)
    _, dataset = prepare(
        of_table(path, columns={"mode": "drop", "move": "drop", "v": {"kind": "number", "scale": "none"}})
    )
    rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    curves: dict[str, list[tuple[int, float]]] = {}
    for curve, t, v, *_ in rows:
        curves.setdefault(curve, []).append((int(t), float(v)))
    wanted = {tuple(np.float32(v) for _, v in sorted(steps)) for steps in curves.values()}
    held = [tuple(x[~np.isnan(x)]) for _, split in dataset.splits() for x in split.x[..., 0]]
    assert set(held) == wanted
    assert len(held) == len(wanted) == 40


@pytest.mark.parametrize("output", ["last", "every"])
def test_a_test_of_its_own_is_encoded_once_and_as_long_as_the_longest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    (tmp_path / "own").mkdir()
    own = table(tmp_path / "own", [f"k{k},{t},{t},a,{'rise' if k else 'fall'},up" for k in (0, 1) for t in range(20)])
    calls, plain = list[str](), sequences.encoded

    def counted(spec: Any, columns: Any, frame: Frame) -> Array:
        calls.append(frame.source)
        return plain(spec, columns, frame)

    monkeypatch.setattr(sequences, "encoded", counted)
    made = of_table(table(tmp_path), test_path=str(own), layer={"output": output})
    _, dataset = prepare(made)
    assert len(calls) == 2
    assert dataset.train.x.shape[1] == dataset.test.x.shape[1] == 20
    assert not np.isnan(dataset.test.x).any()
    assert dataset.test.y.shape == ((2, 20) if output == "every" else (2,))


def test_numbers_to_predict_at_every_step_and_steps_without_an_answer(tmp_path: Path) -> None:
    path = table(tmp_path)
    text = path.read_text().splitlines()
    text[3] = ",".join([*text[3].split(",")[:2], "", *text[3].split(",")[3:]])
    path.write_text("\n".join(text))
    changes = {"label": "v", "layer": {"output": "every"}, "outputs": 1, "loss": "mean_squared", "features": ["mode"]}
    with pytest.raises(DataError, match=r"curves.csv:4: column `v` holds no label"):
        prepare(of_table(path, columns={}, **changes))
    made = of_table(path, columns={}, without_label="drop", **changes)
    _, dataset = prepare(made)
    missing = sum(int(np.isnan(s.y[..., 0]).sum() - np.isnan(s.x[..., 0]).sum()) for _, s in dataset.splits())
    assert missing == 1
    assert twofold.verify(made).passed


@pytest.mark.parametrize("label", ["v", "move"])
def test_a_sequence_without_any_answer_is_trained_on_with_loss_0(tmp_path: Path, label: str) -> None:
    rng, rows = np.random.default_rng(0), list[str]()
    for curve in range(30):
        for t in range(3):
            v, move = f"{rng.normal():.3f}", "up" if rng.random() < 0.5 else "down"
            if curve % 3 == 0 or t == 1:
                v, move = ("", move) if label == "v" else (v, "")
            rows.append(f"c{curve},{t},{v},{'ab'[t % 2]},rise,{move}")
    changes = {"label": label, "layer": {"output": "every"}, "features": ["mode"], "columns": {}, "test": 0.5}
    if label == "v":
        changes |= {"outputs": 1, "loss": "mean_squared"}
    made = load_recipe(
        of_table(table(tmp_path, rows), without_label="drop", **changes),
        {"training.batch_size": 1, "training.epochs": 1, "training.evaluate_samples": 1},
    )
    assert twofold.verify(made).passed
    run = twofold.run(made, out=tmp_path / "run")
    assert np.isfinite(run.engines["numpy"]["test_loss"])
    _, dataset = prepare(made)
    empty = int(np.flatnonzero(~answered(dataset.test.y).any(axis=1))[0])
    walked = twofold.walk(made, sample=empty)
    assert walked.number("loss.L").sums["torch"].own == 0
    assert not any(trace.gradients["1.weight"].any() for trace in walked.passage.traces.values())
    told = json.loads(json.dumps(walked.to_json(), allow_nan=False))
    assert told["target"] == [None if label == "v" else NO_ANSWER] * 3
    batches = json.loads(microscope_of(run))["batches"]
    assert batches[0]["targets"][0][1] == ([None] if label == "v" else NO_ANSWER)
    folder_walk = walk_of(run)
    assert folder_walk is not None
    assert walk_from_json(walk_json(folder_walk)).about == replace(
        folder_walk.about, target=pytest.approx(folder_walk.about.target, nan_ok=True)
    )


@pytest.mark.parametrize("form", ["file", "memory", "parquet"])
def test_a_word_of_symbols_stands_for_itself(tmp_path: Path, form: str) -> None:
    words = pd.DataFrame({"w": ["na", "null", "ab", "?"] * 10, "label": ["n", "y"] * 20})
    path = tmp_path / f"t.{'parquet' if form == 'parquet' else 'csv'}"
    words.to_parquet(path) if form == "parquet" else words.to_csv(path, index=False)
    spec = Table(path=str(path), label="label", symbols="w")
    dataset = handed_over(spec, words) if form == "memory" else load_table(spec)
    columns = dataset.columns
    assert columns is not None
    assert columns.alphabet is not None
    assert columns.alphabet.symbols == tuple("?ablnu")
    assert given_rows(spec, columns, words).x.shape[:2] == (40, 4)
    for asked in ([""], ["na", ""]):
        with pytest.raises(DataError, match="the empty word: column `w` is empty: a sequence has at least one symbol"):
            read_given_rows(spec, columns, asked)


@pytest.mark.parametrize("how", ["one_hot", "index"])
def test_words_are_read_letter_by_letter(tmp_path: Path, how: str) -> None:
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list(("aeix", "bcdx")[row % 2]), rng.integers(1, 7))) for row in range(60)]
    path = tmp_path / "words.csv"
    path.write_text("text,kind\n" + "".join(f"{word},{'vc'[row % 2]}\n" for row, word in enumerate(words)))
    data = {
        "source": "table",
        "path": str(path),
        "label": "kind",
        "symbols": "text",
        "symbols_as": how,
        "baselines": False,
    }
    first = [{"kind": "embedding", "num_embeddings": 8, "units": 3}] if how == "index" else []
    made = recipe([*first, {"kind": "rnn", "units": 5, "output": "mean"}, dense(2)], data=data)
    assert twofold.verify(made).passed
    run = twofold.run(made, out=tmp_path / "run")
    kept = json.loads((run.path / "columns.json").read_text())["alphabet"]
    assert kept["symbols"] == sorted("abcdeix")
    answers = twofold.predict(run, ["aei", "bcq"])
    assert answers.names == ("aei", "bcq")
    assert np.isfinite(answers.outputs["numpy"]).all()
    if how == "index":
        with pytest.raises(DataError, match="has 7 vectors; the alphabet of the training samples has 7 symbols"):
            prepare(load_recipe(made, {"layers.0.num_embeddings": 7}))


SHORT = [f"c{k},0,1,a,{('rise', 'fall')[k % 2]},up" for k in range(2, 9)]
EMPTY = ["c1,0,1,a,rise,up", ",1,1,a,rise,up"]
WRONG = {
    "no such column": ({"sequence": "curve"}, None, "no column `curve`"),
    "no order": ({"order": "time"}, None, "no column `time`"),
    "both": ({"symbols": "mode"}, None, "`sequence` makes a sequence of rows, `symbols` one of each row"),
    "standardized": ({"standardize": "feature"}, None, "`standardize` does not know which steps there are"),
    "split and group": ({"split": "mode", "group": "mode"}, None, "each divide the rows; choose one"),
    "a changing label": ({"label": "move"}, None, r"(?s)column `move` holds .*the sequence begins.*output = .every."),
    "a changing split": ({"split": "mode", "columns": {}}, ["c1,0,1,train,rise,up", "c1,1,1,test,rise,up", *SHORT],
                         r"curves.csv:3: column `mode` holds \"test\", another value than the sequence begins with"),
    "an empty id": ({}, EMPTY, r"curves.csv:3: column `id` is empty, and says to which"),
    "an empty place": ({}, ["c1,0,1,a,rise,up", "c1,,1,a,rise,up"], r"curves.csv:3: column `t` is empty, and orders"),
    "a place twice": ({}, ["c1,0,1,a,rise,up", "c1,0,2,a,rise,up"], r"curves.csv:3: column `t` holds \"0\" twice in a"),
    "a place in words": ({}, ["c1,0,1,a,rise,up", "c1,later,1,a,rise,up"], r"column `t` must be a number or a date"),
    "one class": ({}, ["c1,0,1,a,rise,up", "c2,0,1,a,rise,up"], "holds one class only"),
    "too few": ({}, ["c1,0,1,a,rise,up", "c2,0,1,a,fall,up"], "of 2 samples is no sample at all"),
    "a word among numbers": ({"columns": {"v": "number", "mode": "drop", "move": "drop"}},
                             ["c1,0,high,a,rise,up", *SHORT],
                             r"curves.csv:2: column `v` must be a number; got \"high\""),
    "no answer": ({"label": "move", "layer": {"output": "every"}, "without_label": "drop", "split": "mode"},
                  ["c1,0,1,train,rise,up", "c1,1,2,train,rise,down", "c2,0,1,test,rise,"],
                  "no step of the test set has an answer"),
    "no label": ({}, ["c1,0,1,a,,up", "c2,0,1,a,fall,up"], r"curves.csv:2: column `label` holds no label"),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_told_by_line_and_column(tmp_path: Path, fault: str) -> None:
    changes, rows, told = WRONG[fault]
    with pytest.raises((DataError, RecipeError, ValidationError), match=told):
        prepare(load_recipe(of_table(table(tmp_path, rows), **changes)))


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([{"kind": "flatten"}, dense(2)], "`flatten` looks at all steps of a sequence side by side"),
        ([{"kind": "layer_norm"}, {"kind": "gru", "units": 2}, dense(2)], "`layer_norm` looks at all steps"),
    ],
)
def test_layers_that_mix_steps_are_refused(tmp_path: Path, layers: list[dict[str, Any]], told: str) -> None:
    made = of_table(table(tmp_path))
    with pytest.raises((DataError, RecipeError, ValidationError), match=told):
        prepare(load_recipe(made, {"layers": layers}))


@pytest.mark.parametrize(
    "first", [{"kind": "dense", "units": 3}, {"kind": "layer_norm"}, {"kind": "dropout", "p": 0.5}]
)
def test_codes_of_symbols_are_for_an_embedding(tmp_path: Path, first: dict[str, Any]) -> None:
    (tmp_path / "words.csv").write_text(
        "text,kind\n" + "".join(f"{'ab' * (n % 3 + 1)},{'vc'[n % 2]}\n" for n in range(30))
    )
    data = {"source": "table", "path": str(tmp_path / "words.csv"), "label": "kind", "symbols": "text"}
    made = recipe([{"kind": "gru", "units": 2}, dense(2)], data=data)
    told = f"`{first['kind']}` looks at all steps of a sequence side by side.*Put an `embedding` before it, and a"
    with pytest.raises(RecipeError, match=f"(?s){told} recurrent layer"):
        load_recipe(made, {"data.symbols_as": "index", "layers": [first, dense(2)]})


def test_scripts_read_sequences_of_one_length(tmp_path: Path) -> None:
    run = twofold.run(of_table(table(tmp_path)), out=tmp_path / "run", engines="numpy")
    with pytest.raises(UserError, match="the scripts read sequences of one length"):
        twofold.eject(run, tmp_path / "out")


def test_a_file_to_predict_must_hold_the_columns_of_its_steps(tmp_path: Path) -> None:
    run = twofold.run(of_table(table(tmp_path)), out=tmp_path / "run")
    other = tmp_path / "other.csv"
    other.write_text("t,v,mode\n0,1,a\n")
    with pytest.raises(DataError, match="no column `id`"):
        twofold.predict(run, str(other))
    with pytest.raises(DataError, match="a sequence is rows of a file with the columns v, mode, id, t"):
        twofold.predict(run, "1,a")
    with pytest.raises(DataError, match="give a frame with the columns id, v, mode"):
        twofold.predict(run, np.zeros((3, 2)))
