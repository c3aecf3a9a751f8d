"""The walk: a batch through the network and back, told operation by operation, and every number in it is true."""

from __future__ import annotations

import json
import math
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.flop_counter import FlopCounterMode

import twofold
from apart import Apart
from engines import numpy_engine
from faults import Changed
from test_report import page
from twofold.arrays import Array
from twofold.data.batches import Batches
from twofold.data.sources import load_data
from twofold.errors import RunFolderError, UnknownNameError, UserError
from twofold.numpy_engine.conv import Conv2d
from twofold.numpy_engine.dense import Dense
from twofold.numpy_engine.held import held_bytes
from twofold.numpy_engine.windows import Windows
from twofold.probe import passage as walking
from twofold.probe.rows import few_steps
from twofold.probe.walk import Walk
from twofold.probe.walk_json import walk_from_json
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.files import builtin
from twofold.report.walk import bound, chapter
from twofold.runs import Run, open_run
from twofold.setup import building

EXACT = 1e-9


def dense(units: int) -> dict[str, Any]:
    return {"kind": "dense", "units": units}


def conv(channels: int, kernel: Any, **options: Any) -> dict[str, Any]:
    return {"kind": "conv2d", "channels": channels, "kernel": kernel, **options}


DIGITS, PALINDROMES = {"source": "digits"}, {"source": "palindromes", "length": 6}
FLAT: list[dict[str, Any]] = [{"kind": "flatten"}, dense(10)]
NETWORKS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "dense": ([{"kind": "flatten"}, dense(7), {"kind": "relu"}, dense(10)], DIGITS),
    "dense over a sequence": ([dense(7), {"kind": "tanh"}, *FLAT], PALINDROMES),
    "conv2d": ([conv(4, 3), conv(6, [3, 2], stride=2, padding=1), *FLAT], DIGITS),
    "conv2d dilated": ([conv(4, 2, dilation=2, bias=False), {"kind": "leaky_relu"}, *FLAT], DIGITS),
    **{
        kind: ([{"kind": kind, "units": 5, "output": "every"}, {"kind": kind, "units": 4}, dense(10)], PALINDROMES)
        for kind in ("rnn", "lstm", "gru")
    },
}
OTHERS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "conv2d in groups": ([conv(4, 3), conv(6, [3, 2], stride=2, groups=2), *FLAT], DIGITS),
    "pools and norms": (
        [conv(4, 3, padding=1), {"kind": "batch_norm"}, {"kind": "elu"}, {"kind": "max_pool2d", "kernel": 2},
         {"kind": "layer_norm"}, {"kind": "avg_pool2d", "kernel": 2}, {"kind": "global_avg_pool2d"}, dense(10)],
        DIGITS,
    ),
    "activations": (
        [{"kind": "flatten"}, dense(7), {"kind": "gelu"}, dense(7), {"kind": "silu"}, dense(7), {"kind": "sigmoid"},
         {"kind": "dropout", "p": 0.4}, dense(10), {"kind": "softmax"}],
        DIGITS,
    ),
    "embedding": (
        [{"kind": "embedding", "num_embeddings": 10, "units": 3}, {"kind": "rnn", "units": 4, "bias": False},
         dense(10)],
        PALINDROMES | {"encoding": "index"},
    ),
    "embedded columns": (
        [{"kind": "embed_columns", "num_embeddings": [10, 10], "units": [3, 2]}, dense(7), {"kind": "relu"}, dense(10)],
        PALINDROMES | {"encoding": "index"},
    ),
    "a layer that does nothing": ([{"kind": "flatten"}, dense(7), {"kind": "dropout", "p": 0.0}, dense(10)], DIGITS),
}  # fmt: skip
each_network = pytest.mark.parametrize("name", [*NETWORKS, *OTHERS])


def built(name: str, **settings: Any) -> Recipe:
    layers, data = {**NETWORKS, **OTHERS}[name]
    training = {"steps": 2, "batch_size": 3, "dtype": "float64"}
    return load_recipe("digits", {"data": data, "layers": layers, "training": training, **settings})


def walked(name: str, **options: Any) -> Walk:
    return twofold.walk(built(name), **options)


def work(found: Walk) -> int:
    return sum(row.multiply_adds for row in (*found.forward, *found.backward))


# The trace of an engine


@pytest.mark.parametrize("engine", ["numpy", "torch"])
@each_network
def test_a_trace_is_a_step_without_the_update(name: str, engine: str) -> None:
    recipe = built(name)
    traced, stepped = (building.build_engine(engine, recipe) for _ in range(2))
    for each in (traced, stepped):
        each.load(building.initial_state(recipe.model))
    batch = next(iter(Batches(recipe, load_data(recipe.data).train)))
    before = traced.state().arrays()
    trace, step = traced.trace(batch), stepped.step(batch)
    for name, array in traced.state().arrays().items():
        np.testing.assert_array_equal(array, before[name])
    assert trace.loss == step.loss
    assert list(trace.outputs) == list(step.outputs)
    assert list(trace.gradients) == list(step.gradients) == list(recipe.network.parameters)
    for ours, theirs in ((trace.outputs, step.outputs), (trace.gradients, step.gradients)):
        for name in theirs:
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-12, atol=1e-15, err_msg=name)


@each_network
def test_both_engines_give_the_same_signals(name: str) -> None:
    numpy, torch = walked(name).passage.traces.values()
    assert list(numpy.signals) == list(torch.signals)
    for layer, signal in numpy.signals.items():
        assert signal.shape == numpy.outputs[layer].shape
        np.testing.assert_allclose(signal, torch.signals[layer], rtol=EXACT, atol=1e-14, err_msg=layer)


# Work and memory


@pytest.mark.parametrize("name", NETWORKS)
def test_multiply_adds_are_those_that_pytorch_counts(name: str) -> None:
    """Its counter watches every matrix product and convolution that is computed, and counts a multiply-add twice."""
    found = walked(name)
    engine = building.build_engine("torch", built(name))
    with FlopCounterMode(display=False) as counter:
        engine.trace(found.passage.batch)
    assert work(found) == counter.get_total_flops() / 2


def test_multiply_adds_of_groups_are_counted_one_by_one() -> None:
    """PyTorch's counter takes a convolution in groups for a whole one on the way back."""
    found, n = walked("conv2d in groups"), 3
    counted = 0
    for _ in np.ndindex(n, 6, 2, 3):  # every number of the output (6 channels of 2 x 3) sees
        for _ in np.ndindex(2, 3, 2):  # the two channels of its group under a kernel of 3 x 2
            counted += 1
    rows = [row for row in found.forward if row.layer == "1"]
    assert sum(row.multiply_adds for row in rows) == counted
    dW, dX = (row for row in found.backward if row.layer == "1" and row.multiply_adds)
    assert (dW.multiply_adds, dX.multiply_adds) == (counted, counted)


def test_bytes_kept_are_those_of_distinct_arrays() -> None:
    x, y, beside = np.zeros(10), np.zeros((2, 3)), np.zeros(100)
    caches = [x, (x[2:], y.T, (4, 4)), None, [y, [np.zeros(1, np.uint8)]], beside[:3], {"x": x, "mask": np.ones(3)}]
    assert held_bytes(caches, beside) == [80, 48, 0, 1, 0, 24]


def test_bytes_kept_are_what_the_caches_hold() -> None:
    n = 3
    found = walked("dense")
    x, hidden = n * 64 * 8, n * 7 * 8
    assert [layer.held["numpy"] for layer in found.layers] == [0, x, hidden, 0]  # relu's y is the next layer's x
    assert found.held == {"numpy": x + hidden, "torch": x + hidden}


def test_a_convolution_keeps_its_windows_and_pooling_one_byte_a_window() -> None:
    found = twofold.walk("mnist-lenet", batch=2, overrides={"training.dtype": "float64"})
    kept = {layer.name: layer.held for layer in found.layers}
    assert kept["0"]["numpy"] == 2 * 24 * 24 * 25 * 8
    assert kept["2"]["numpy"] == 2 * 6 * 12 * 12
    assert kept["2"]["torch"] >= 2 * 6 * 12 * 12 * 8  # PyTorch keeps places as 64-bit numbers


# The rows


def last_shape(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in re.findall(r"\(([^)]*)\)", text)[-1].replace(" ", "").split(",") if size)


@each_network
def test_shapes_are_those_of_the_arrays(name: str) -> None:
    found = walked(name)
    trace, names = found.passage.traces["numpy"], list(found.passage.traces["numpy"].outputs)
    for row in (*found.forward, *found.backward):
        assert "N" not in row.shapes
        if row.numbers is None or row.layer in ("", "loss") or "groups" in row.equation:
            continue
        gives = row.numbers.name.split("[")[0]
        if row.step:
            array: Array = getattr(trace.through_time[row.layer], "h" if gives[0] == "h" else "gradient")[row.step - 1]
        elif gives in ("y", "dx"):
            before = names[names.index(row.layer) - 1]
            array = trace.outputs[row.layer] if gives == "y" else trace.signals[before]
        else:
            array = trace.gradients[gives.removeprefix("d ")]
        assert math.prod(last_shape(row.shapes)) == array.size, row
        norm = row.numbers.norm["numpy"]
        assert norm == pytest.approx(float(np.linalg.norm(array)), rel=1e-12), row


@each_network
def test_every_gradient_has_a_row_and_the_engines_agree(name: str) -> None:
    found = walked(name)
    made = [row.numbers.name.split("[")[0] for row in found.backward if row.numbers]
    for parameter in found.passage.recipe.network.parameters:
        assert made.count(f"d {parameter}") == 1
    assert found.gap < EXACT
    assert all(window.gap < EXACT for window in found.windows)


def test_numbers_stay_at_their_place_through_an_activation() -> None:
    x, y = (row.numbers for row in walked("dense").forward if row.layer in ("1", "2"))
    assert x is not None
    assert y is not None
    assert x.name == y.name
    assert y.few["numpy"] == tuple(max(number, 0) for number in x.few["numpy"])
    assert any(y.few["numpy"])


def test_a_recurrent_layer_has_a_row_a_step() -> None:
    found = walked("lstm")
    trace = found.passage.traces["torch"]
    for layer in ("0", "1"):
        forward = [row for row in found.forward if row.layer == layer and row.step]
        backward = [row for row in found.backward if row.layer == layer and row.step]
        assert [row.step for row in forward] == [1, 2, 3, 4, 5]
        assert [row.step for row in backward] == [5, 4, 3, 2, 1]
        assert backward[0].multiply_adds == 0  # no product has made the last
        for row in backward:
            assert row.numbers is not None
            wanted = np.linalg.norm(trace.through_time[layer].gradient[(row.step or 0) - 1])
            assert row.numbers.norm["torch"] == pytest.approx(float(wanted), rel=1e-12)


@pytest.mark.parametrize(
    ("length", "most", "kept"),
    [
        (6, 6, [1, 2, 3, 4, 5]),
        (31, 9, [1, 2, 3, 9, 16, 22, 28, 29, 30]),
        (200, 6, [1, 2, 67, 133, 198, 199]),
    ],
)
def test_of_many_steps_the_first_some_and_the_last_are_shown(length: int, most: int, kept: list[int]) -> None:
    found = twofold.walk("palindrome", batch=2, overrides={"data.length": length, "layers.0.units": 4})
    forward, left_out = few_steps(found.forward, most)
    assert [row.step for row in forward if row.step] == kept
    assert left_out == length - 1 - len(kept)
    assert [row for row in forward if not row.step] == [row for row in found.forward if not row.step]
    assert few_steps(found.backward, most)[1] == left_out


WINDOWS = {
    "plain": {"kernel": 3},
    "padded": {"kernel": 5, "padding": 4},
    "with everything": {"kernel": [3, 2], "stride": [2, 1], "padding": [2, 1], "dilation": [2, 3]},
    "in groups": {"kernel": 3, "groups": 2, "bias": False},
    "beside the input": {"kernel": [1, 1], "padding": 30},
}


@pytest.mark.parametrize("options", WINDOWS.values(), ids=WINDOWS)
def test_a_pixel_is_the_sum_of_its_window(options: dict[str, Any]) -> None:
    layers = [conv(4, 1), conv(6, **options), {"kind": "global_avg_pool2d"}, dense(10)]
    recipe = load_recipe("digits", {"layers": layers, "training.dtype": "float64"})
    _, window = twofold.walk(recipe, batch=2, sample=1).windows
    assert window.gap < EXACT
    assert window.part == pytest.approx(float((window.window * window.kernel).sum()), abs=1e-12)
    assert not window.window[~window.inside].any()


@pytest.mark.parametrize("name", builtin())
def test_every_recipe_can_be_walked_without_its_data(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("TWOFOLD_DATA", "TWOFOLD_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    exact = {"training.dtype": "float64", "training.autocast": "none"}
    found = twofold.walk(name, batch=2, overrides=exact)
    assert found.passage.data == ("random" if name.startswith(("mnist", "cifar")) else "real")
    assert found.gap < 1e-6  # of two samples a batch norm leaves little but rounding
    assert all(window.gap < EXACT for window in found.windows)
    assert found.parameters == found.passage.recipe.network.count
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["totals"]["parameters"] == found.parameters


# Planted faults are seen

FAULTS = {
    "a gradient twice as large": (
        "dense",
        "3",
        Changed(Dense(), grads=lambda g: g | {"weight": 2 * g["weight"]}),
        "dW",
    ),
    "a signal turned round": ("dense", "3", Changed(Dense(), dx=lambda dx: -dx), "dx"),
    "an output moved": ("dense", "1", Changed(Dense(), y=lambda y: y + 1e-6), "y"),
    "a pixel moved": ("conv2d", "0", Changed(Conv2d(Windows((3, 3), (1, 1), (0, 0), (1, 1))), y=lambda y: y + 1), "Y"),
}


@pytest.mark.parametrize(("network", "layer", "broken", "begins"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_a_gap_where_it_was_planted(
    network: str, layer: str, broken: Any, begins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(engine: str, recipe: Recipe) -> Any:
        if engine == "numpy":
            return numpy_engine(recipe, layers={layer: broken})
        return building.build_engine(engine, recipe)

    monkeypatch.setattr(walking, "build_engine", build)
    found = walked(network)
    first = next(r for r in (*found.forward, *found.backward) if r.numbers and not r.numbers.gap < EXACT)
    assert (first.layer, first.equation.startswith(begins)) == (layer, True)
    if network == "conv2d":
        assert found.windows[0].gap > 0.1


def rounded(y: Array) -> Array:
    """Another last bit at every other pixel."""
    y = y.copy()
    y[..., ::2] *= 1 + 1e-15
    return y


TIES = [conv(4, 1), {"kind": "max_pool2d", "kernel": 2}, {"kind": "relu"}, *FLAT]


@pytest.mark.parametrize("parts", [False, True], ids=["alike", "rounded"])
def test_ties_that_rounding_decides_are_told_apart_from_faults(
    parts: bool, monkeypatch: pytest.MonkeyPatch, command: Any
) -> None:
    """The even border of a digit gives windows of four numbers that are alike."""
    before = [{"kind": "batch_norm", "affine": False}, *TIES]
    recipe = load_recipe("digits", {"layers": before, "training.dtype": "float64", "training.batch_size": 8})
    broken = Changed(Conv2d(Windows((1, 1), (1, 1), (0, 0), (1, 1))), y=rounded if parts else lambda y: y)

    def build(engine: str, recipe: Recipe) -> Any:
        if engine == "numpy":
            return numpy_engine(recipe, layers={"1": broken})
        return building.build_engine(engine, recipe)

    monkeypatch.setattr(walking, "build_engine", build)
    found = twofold.walk(recipe)
    assert found.gap < EXACT
    if not parts:
        assert (list(found.ties), found.moved_gap) == ([], 0)
        return
    (tie,) = found.ties
    assert tie.layer == "2"
    assert 0 < tie.parted < tie.windows == 8 * 4 * 4 * 4
    assert found.moved_gap > 0.01
    told = found.to_json()
    assert told["ties"] == [{"layer": "2", "parted": tie.parted, "windows": tie.windows}]
    assert told["totals"]["moved_gap"] == found.moved_gap
    from twofold.cli.walk import _totals

    assert f"In {tie.parted:,} of 512 windows of 2 max_pool2d the largest number" in _totals(found)


CELL_SHAPES = {
    "lstm": ["(3, 16) → (3, 16)", "(3, 16) → (3, 4)", "(3, 4) → (3, 4)", "(3, 4) → (3, 16)"],
    "gru": ["(3, 12) → (3, 12)", "(3, 12) → (3, 4)", "(3, 4) → (3, 4)", "(3, 4) → (3, 12)"],
}


@pytest.mark.parametrize("kind", CELL_SHAPES)
def test_each_line_of_a_cell_has_its_own_shapes(kind: str) -> None:
    found = walked(kind)
    rows = [row for row in (*found.forward, *found.backward) if row.layer == "1" and "→" in row.shapes]
    told = [row.shapes for row in rows if not row.multiply_adds and "·" not in row.shapes and "(t)" not in row.shapes]
    assert [shapes for shapes in CELL_SHAPES[kind] if shapes not in told] == []


# Which sample


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> Run:
    return apart.run("digits", overrides={"training.epochs": 1}, out=tmp_path_factory.mktemp("walk") / "digits")


def test_a_run_walks_with_the_samples_in_its_folder_and_its_trained_weights(
    digits_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "found_data", None)  # no data are loaded
    monkeypatch.setattr(walking, "data_again", None)
    found = twofold.walk(digits_run, sample=3)
    assert found.passage.weights == "numpy"
    assert (found.passage.first, len(found.passage.batch.target), found.passage.place) == (0, 5, 3)
    np.testing.assert_array_equal(found.passage.batch.x, digits_run.evidence["preview"])
    for name, array in digits_run.weights("numpy").items():
        np.testing.assert_array_equal(found.passage.parameters[name], array)


def test_other_samples_come_from_the_data(digits_run: Run) -> None:
    _, held_out = load_data(digits_run.recipe.data).held_out
    found = twofold.walk(digits_run.path, sample=17)
    assert found.passage.first == 15
    np.testing.assert_array_equal(found.passage.batch.x[found.passage.place], held_out.x[17].astype(np.float32))
    last = twofold.walk("digits", sample=len(held_out) - 1).passage
    assert (last.first, last.place) == (len(held_out) - 32, 31)
    np.testing.assert_array_equal(last.batch.target, held_out.y[-32:])


def test_a_sample_out_of_range_is_told_with_the_range(digits_run: Run, command: Any) -> None:
    for source in ("digits", digits_run.path):
        done = command("walk", source, "--sample", 359)
        assert (done.status, done.out) == (2, "")
        assert done.err == "error: --sample counts the 359 test samples from 0 to 358; got 359\n"


def copied(run: Run, folder: Path) -> Path:
    shutil.copytree(run.path, folder / "copy")
    return folder / "copy"


def test_samples_that_are_nowhere(digits_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "at_hand", lambda spec: False)
    with pytest.raises(UserError, match=r"keeps 5 test samples, from 0, too few for sample 9, and the data \(source"):
        twofold.walk(digits_run, sample=9)
    with pytest.raises(UserError, match=r"too few for sample 0 in a batch of 6, and the data"):
        twofold.walk(digits_run, batch=6)


def test_data_that_are_others_are_not_taken_for_the_runs(digits_run: Run, tmp_path: Path) -> None:
    path = copied(digits_run, tmp_path)
    record = json.loads((path / "record.json").read_text())
    record["data"]["fingerprint"] = "another"
    (path / "record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="the data at hand are not those of the run: their fingerprint is another"):
        twofold.walk(path, sample=9)


def test_a_run_without_samples_and_data_walks_with_random_inputs(
    digits_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, "_kept", lambda run: None)
    for where in (walking, twofold.setup.samples):
        monkeypatch.setattr(where, "at_hand", lambda spec: False)
    assert twofold.walk(digits_run).passage.data == "random"


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no recipe": ({"source": "diggits"}, UnknownNameError, "no recipe `diggits`; did you mean `digits`"),
    "no run": (
        {"source": "runs/nothing-1"},
        RunFolderError,
        "no run folder runs/nothing-1; `twofold run RECIPE` makes",
    ),
    "no file": ({"source": "nothing.toml"}, UserError, "cannot read the recipe nothing.toml"),
    "no sample": (
        {"source": "digits", "sample": -1},
        UserError,
        "`sample` must be a whole number of at least 0; got -1",
    ),
    "no batch": ({"source": "digits", "batch": 0}, UserError, "`batch` must be a whole number of at least 1; got 0"),
    "a batch of one": (
        {"source": "cifar10-mlp-best", "batch": 1},
        UserError,
        "`batch_norm` in training needs more than one number a channel",
    ),
}


@pytest.mark.parametrize(("call", "kind", "text"), WRONG.values(), ids=WRONG)
def test_wrong_calls_are_told(call: dict[str, Any], kind: type[Exception], text: str, in_tmp: Path) -> None:
    with pytest.raises(kind, match=re.escape(text)):
        twofold.walk(**call)


def test_a_damaged_folder_and_one_that_is_none(digits_run: Run, command: Any, tmp_path: Path) -> None:
    path = copied(digits_run, tmp_path)
    (path / "numpy.safetensors").write_bytes(b"nothing")
    done = command("walk", path)
    assert (done.status, done.out) == (2, "")
    assert "numpy.safetensors is not what the run wrote" in done.err
    done = command("walk", tmp_path)
    assert (done.status, done.out) == (2, "")
    assert "is no run folder: it holds no record.json" in done.err


def test_a_run_takes_no_settings(digits_run: Run, command: Any) -> None:
    done = command("walk", digits_run.path, "--set", "layers.1.units=3")
    assert (done.status, done.out) == (2, "")
    assert "--set changes a recipe" in done.err


# The command and the page


def test_the_command_prints_a_table_that_a_terminal_holds(command: Any) -> None:
    done = command("walk", "digits", "--batch", 4)
    assert done.status == 0
    for text in (
        "(4, 64) · (64, 64) + (64,) → (4, 64)", "16,384", "dW = dyᵀ x", "(64, 4) · (4, 64) → (64, 64)", "PyTorch",
        "digits: the test samples 0 to 3, N = 4, with the initial weights",
    ):  # fmt: skip
        assert text in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_wide_windows_and_small_numbers_stay_in_the_terminal(command: Any) -> None:
    layers = '[{kind="conv2d",channels=2,kernel=5,padding=2},{kind="flatten"},{kind="dense",units=10}]'
    done = command("walk", "digits", "--batch", 2, "--set", f"layers={layers}")
    assert done.status == 0
    assert max(map(len, done.out.splitlines())) <= 80
    window = done.out.split("One pixel of layer 0")[1].split("Σ of these")[0]
    rows = re.findall(r"^(?: +(?:pad|-?[\d.]+(?:e-\d+)?)){5}$", window, re.MULTILINE)
    assert len(rows) == 10  # five of the window, and below them five of the kernel


def test_the_command_says_where_inputs_are_random(
    command: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("TWOFOLD_DATA", "TWOFOLD_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    done = command("walk", "mnist-lenet", "--batch", 2)
    assert "2 random inputs of the declared shape" in done.out
    assert "One pixel of layer 3, y[" in done.out


def test_json_is_one_value_and_has_every_step(command: Any) -> None:
    done = command("walk", "palindrome-200", "--batch", 2, "--json")
    found = json.loads(done.out)
    assert [row["step"] for row in found["forward"] if row["step"]] == list(range(1, 200))
    assert found["batch"] == {"first": 0, "samples": 2}
    assert "left out each way" in command("walk", "palindrome-200", "--batch", 2).out


def test_numbers_that_are_not_finite_are_null_in_json() -> None:
    """Everywhere, window and all; and a walk that is read again has NaN there."""
    wild = twofold.walk("mnist-lenet", batch=2, overrides={"initial": {"kind": "normal", "std": 1e38}})
    told = json.dumps(wild.to_json(), allow_nan=False)
    window = json.loads(told)["windows"][-1]
    assert window["sum"] is None
    assert None in window["outputs"].values()
    again = walk_from_json(json.loads(told))
    assert np.isnan(again.windows[-1].total)
    assert np.isnan(again.windows[-1].gap)
    assert json.dumps(again.to_json(), allow_nan=False) == told


def test_a_window_with_a_nan_in_one_engine_has_no_gap_of_zero() -> None:
    window = twofold.walk(built("conv2d")).windows[0]
    assert window.gap < 1e-5
    assert np.isnan(replace(window, outputs={"numpy": window.total, "torch": np.nan}).gap)


def test_numpy_s_numbers_are_whole_numbers() -> None:
    walked = twofold.walk("moons", sample=np.int64(3), batch=np.int64(2))  # pyright: ignore[reportArgumentType]
    assert json.dumps(walked.to_json()) == json.dumps(twofold.walk("moons", sample=3, batch=2).to_json())


def test_the_page_has_the_walk_and_is_written_the_same_again(digits_run: Run) -> None:
    first = page(digits_run)
    words = first.words
    assert "The walk: one batch forward and back" in words
    for text in ("(5, 64) · (64, 64) + (64,) → (5, 64)", "d 3.weight[", "4,160 parameters", "multiply-adds forward"):
        assert text in words
    assert twofold.write_report(digits_run).read_text("utf-8") == first.html


def test_the_page_of_a_long_sequence_leaves_steps_out(tmp_path: Path) -> None:
    overrides = {"data.length": 40, "training.steps": 1, "layers.0.units": 4, "data.test": 20}
    run = twofold.run("palindrome", overrides=overrides, engines="numpy", out=tmp_path / "long")
    words = page(run).words
    assert "steps of time are left out each way" in words
    assert "h(39)" in words
    assert "h(8)" not in words


def test_without_samples_there_is_no_chapter(digits_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(digits_run.path)
    kept = {name: array for name, array in run.evidence.items() if name != "preview"}
    monkeypatch.setitem(run.__dict__, "evidence", kept)
    assert chapter(run) is None


@pytest.mark.parametrize(("gap", "text"), [(0.0, "0"), (3e-7, "< 10⁻⁶"), (1e-7, "< 10⁻⁶"), (2.5, "< 10¹")])
def test_a_gap_is_told_by_its_power_of_ten(gap: float, text: str) -> None:
    assert bound(gap) == text
