"""Batches in shards: the same numbers as whole batches, and the same bytes from any number of processes."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apart import Apart
from twofold.arrays import gap
from twofold.cli.processes import without_option
from twofold.data import Batches
from twofold.engine import Batch
from twofold.engine.shards import ShardedEngine
from twofold.engine.tree import added, cut, nodes_within, owned, total
from twofold.errors import RecipeError, UserError
from twofold.proof.lockstep import compare
from twofold.recipe import Recipe, dump, load_recipe
from twofold.runs import open_run
from twofold.setup.building import build_engine, initial_state, prepare
from twofold.train.shards import check_processes

# The cut and the tree


@pytest.mark.parametrize(
    ("samples", "shards", "sizes"),
    [(32, 8, [4] * 8), (37, 8, [5] * 5 + [4] * 3), (3, 8, [1] * 3), (8, 1, [8]), (5, 5, [1] * 5)],
)
def test_a_batch_is_cut_by_its_size_alone(samples: int, shards: int, sizes: list[int]) -> None:
    parts = cut(samples, shards)
    assert [part.stop - part.start for part in parts] == sizes
    assert np.concatenate([np.arange(samples)[part] for part in parts]).tolist() == list(range(samples))


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 8, 12])
def test_the_sum_is_the_same_to_the_bit_wherever_the_shards_are(shards: int) -> None:
    rng = np.random.default_rng(shards)
    parts = [rng.normal(size=50).astype(np.float32) * 10.0 ** rng.integers(-3, 4) for _ in range(shards)]
    alone = total(parts)
    for processes in range(1, shards + 3):
        owns = [owned(shards, rank, processes) for rank in range(processes)]
        assert [shard for own in owns for shard in own] == list(range(shards))
        assert owns[0]
        sums = {}
        for own in owns:
            mine = {range(shard, shard + 1): parts[shard] for shard in own}
            sums |= {node: added(mine, node) for node in nodes_within(own, range(shards))}
        assert added(sums, range(shards)).tobytes() == alone.tobytes()
    # Another order gives other bits: the test can fail.
    assert shards < 5 or np.add.reduce(parts).tobytes() != alone.tobytes()


# The same numbers as the whole batch, in both engines

CONV = [
    {"kind": "conv2d", "channels": 3, "kernel": 3},
    {"kind": "batch_norm"},
    {"kind": "relu"},
    {"kind": "flatten"},
    {"kind": "dropout", "p": 0.3},
    {"kind": "dense", "units": 10},
]
DENSE = [
    {"kind": "dense", "units": 7},
    {"kind": "batch_norm", "affine": False, "momentum": 0.3},
    {"kind": "tanh"},
    {"kind": "dense", "units": 5},
    {"kind": "batch_norm"},
    {"kind": "dense", "units": 2},
]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("digits", {"training.shards": 8, "training.batch_size": 32}),
    "one shard": ("moons", {"training.shards": 1, "training.batch_size": 32}),
    "shards of one sample": ("moons", {"training.shards": 8, "training.batch_size": 8}),
    "a full batch that does not divide": ("moons", {"training.shards": 7, "training.batch_size": "full"}),
    "batch norm of features": ("moons", {"layers": DENSE, "training.shards": 4, "training.batch_size": 28}),
    "batch norm of a few": (
        "moons",
        {"layers": DENSE, "data.samples": 75, "training.shards": 8, "training.batch_size": 24},
    ),
    "batch norm of images, and all else": (
        "digits",
        {
            "layers": CONV,
            "training.shards": 4,
            "training.batch_size": 20,
            "training.ema": 0.9,
            "loss.label_smoothing": 0.1,
            "optimizer.max_norm": 0.5,
        },
    ),
    "a sum": (
        "moons",
        {"training.shards": 4, "training.batch_size": 20, "loss.reduction": "sum", "optimizer.lr": 0.001},
    ),
    "squares": ("moons", {"training.shards": 4, "training.batch_size": 20, "loss.kind": "mean_squared"}),
    "weights of classes": (
        "moons",
        {
            "training.shards": 4,
            "training.batch_size": 20,
            "loss": {"kind": "cross_entropy", "class_weight": [1.0, 3.0], "label_smoothing": 0.1},
        },
    ),
    "a recurrent layer": ("palindrome-lstm", {"training.shards": 8, "training.batch_size": 16, "training.steps": 3}),
}


def recipe_of(name: str, settings: Mapping[str, Any], **training: Any) -> Recipe:
    changes = {"training.dtype": "float64", **settings, **{f"training.{key}": value for key, value in training.items()}}
    if "loss.kind" in changes:
        changes["loss"] = {"kind": changes.pop("loss.kind")}
    return load_recipe(name, changes)


@pytest.mark.parametrize("case", CASES)
def test_shards_are_the_whole_batch_in_both_engines(case: str) -> None:
    name, settings = CASES[case]
    recipe, dataset = prepare(recipe_of(name, settings))
    train = dataset.astype("float64").train
    whole = recipe.model_copy(update={"training": recipe.training.model_copy(update={"shards": None})})
    engines = [build_engine("numpy", recipe), build_engine("torch", recipe), build_engine("numpy", whole)]
    assert [type(engine) is ShardedEngine for engine in engines] == [True, True, False]
    batches = Batches(recipe, train)
    steps = batches.steps_per_epoch + 1 if recipe.training.batch_size != "full" and batches.length > 3 else 3
    initial = initial_state(recipe.model, train)
    for other in engines[1:]:
        verdict = compare(engines[0], other, initial, islice(batches, min(steps, 80)), 1e-9)
        assert verdict.agrees, verdict.first_divergence
    x = train.x[:30].astype("float64") if train.draw is None else next(iter(batches)).x
    logits = [engine.predict(x) for engine in engines]
    assert max(gap(logits[0], other) for other in logits[1:]) < 1e-9


def test_a_last_batch_may_hold_fewer_samples_than_shards() -> None:
    recipe, dataset = prepare(recipe_of("moons", {"layers": DENSE, "training.shards": 8, "training.batch_size": 8}))
    train = dataset.astype("float64").train
    engines = [build_engine(name, recipe) for name in ("numpy", "torch")]
    for engine in engines:
        engine.load(initial_state(recipe.model, train))
    batch = Batch(train.x[:3].astype("float64"), train.y[:3], 0.1, {}, 0)
    first, second = (engine.gradients(batch) for engine in engines)
    assert max(gap(first.gradients[name], second.gradients[name]) for name in first.gradients) < 1e-9
    assert max(gap(first.buffers[name], second.buffers[name]) for name in first.buffers) < 1e-9
    assert len(first.logits) == 3
    assert gap(first.logits, second.logits) < 1e-9


@pytest.mark.parametrize("weightless", [6, 20])
@pytest.mark.parametrize("loss", ["cross_entropy", "mean_squared"])
def test_weights_of_samples_count_in_the_whole_batch(loss: str, weightless: int) -> None:
    settings = {"loss": {"kind": loss}, "training.shards": 4, "training.dtype": "float64"}
    recipe = load_recipe("moons", settings)
    plain = load_recipe("moons", {**settings, "training.shards": 1})
    rng = np.random.default_rng(0)
    weight = rng.uniform(0.1, 3, size=20)
    weight[:weightless] = 0  # those of the first shard, or all
    batch = Batch(rng.normal(size=(20, 2)), rng.integers(2, size=20), 0.1, {}, 0, weight=weight)
    engines = [build_engine("numpy", recipe), build_engine("torch", recipe), build_engine("numpy", plain)]
    for engine in engines:
        engine.load(initial_state(recipe.model))
    inner = engines[2]
    assert isinstance(inner, ShardedEngine)
    whole = inner.inner.gradients(batch)
    assert (whole.loss == 0) == (weightless == 20)
    for engine in engines:
        passed = engine.gradients(batch)
        assert gap(np.asarray(passed.loss), np.asarray(whole.loss)) < 1e-9
        assert max(gap(passed.gradients[name], whole.gradients[name]) for name in whole.gradients) < 1e-9


def test_without_shards_an_engine_is_what_it_was() -> None:
    recipe = load_recipe("moons")
    assert recipe.training.shards is None
    assert "shards" not in dump(recipe)
    assert not isinstance(build_engine("numpy", recipe), ShardedEngine)


# What does not fit


def test_a_batch_that_does_not_divide_is_told_what_fits() -> None:
    with pytest.raises(RecipeError, match="`shards` must divide `batch_size`; got 8 and 30") as caught:
        load_recipe("digits", {"training.shards": 8, "training.batch_size": 30})
    assert "A batch of 24 or 32 fits 8 shards, 6 or 10 shards fit a batch of 30" in str(caught.value)
    with pytest.raises(RecipeError, match="A batch of 64 fits 64 shards, 16 or 32 shards fit a batch of 32"):
        load_recipe("digits", {"training.shards": 64, "training.batch_size": 32})
    with pytest.raises(RecipeError, match="`shards` and `compile` exclude each other"):
        load_recipe("digits", {"training.shards": 8, "training.batch_size": 32, "training.compile": True})


def test_processes_want_shards_and_no_more_than_there_are() -> None:
    with pytest.raises(
        UserError, match=r"set training.shards to 4 or a multiple of it that divides training.batch_size"
    ):
        check_processes(load_recipe("digits"), 4)
    sharded = load_recipe("digits", {"training.shards": 2, "training.batch_size": 32})
    with pytest.raises(UserError, match=r"4 processes, and training.shards = 2: at most one process a shard"):
        check_processes(sharded, 4)
    check_processes(sharded, 2)
    check_processes(load_recipe("digits"), 1)


@pytest.mark.parametrize("words", [["--processes", "4"], ["--processes=4"], []])
def test_the_processes_are_started_without_the_option_that_starts_them(words: list[str]) -> None:
    assert without_option(["run", *words, "digits", "-q"]) == ["run", "digits", "-q"]


# Several processes

SHARDED = {
    "layers": DENSE,
    "data.samples": 150,
    "training.shards": 4,
    "training.batch_size": 20,
    "training.steps": 12,
    "training.evaluate_every": 6,
}


def started(words: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "twofold", *words], text=True, **pipes, **options)


def finished(words: Sequence[str]) -> str:
    """What a command that ends well says on its way of errors."""
    process = started(words)
    _, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    return told


def trained(folder: Path) -> dict[str, str]:
    files = ("numpy.safetensors", "torch.safetensors", "history.csv")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}


@pytest.fixture
def recipe_file(in_tmp: Path) -> str:
    recipe = load_recipe("moons", SHARDED)
    (in_tmp / "r.toml").write_text(dump(recipe))
    return "r.toml"


@pytest.mark.torture
@pytest.mark.parametrize("count", [2, 3])
def test_one_two_and_three_processes_end_with_the_same_bytes(recipe_file: str, apart: Apart, count: int) -> None:
    assert apart("run", recipe_file, "--out", "p1", "-q", "--processes", "1").status == 0
    assert not finished(["run", recipe_file, "--out", "p", "-q", "--processes", str(count)])
    assert trained(Path("p")) == trained(Path("p1"))
    assert [open_run(path).record.circumstances.processes for path in ("p1", "p")] == [None, count]
    assert sorted(os.listdir()) == ["p", "p1", "r.toml"]


@pytest.mark.torture
def test_torchrun_by_hand_makes_one_run(recipe_file: str, apart: Apart) -> None:
    words = ["--standalone", "--nproc-per-node", "2", "-m", "twofold", "run", recipe_file, "--out", "p", "-q"]
    done = subprocess.run([sys.executable, "-m", "torch.distributed.run", *words], capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert apart("run", recipe_file, "--out", "alone", "-q").status == 0
    assert trained(Path("p")) == trained(Path("alone"))


LONGER = ["--set", "training.steps=120", "--set", "training.evaluate_every=60"]


def test_what_three_processes_began_one_finishes_to_the_same_bytes(recipe_file: str, apart: Apart) -> None:
    """One of the three is killed in the second engine: the run ends with one message."""
    process = started(["run", recipe_file, *LONGER, "--out", "p", "-q", "--processes", "3", "--checkpoint-every", "5"])
    os.kill(of_rank(process, 1, Path("p/checkpoints"), "numpy.safetensors"), signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert_told_once(process, told)
    assert open_run("p").record.circumstances.processes == 3
    assert apart("resume", "p", "-q").status == 0
    assert apart("run", recipe_file, *LONGER, "--out", "alone", "-q").status == 0
    assert trained(Path("p")) == trained(Path("alone"))
    assert sorted(os.listdir()) == ["alone", "p", "r.toml"]


@pytest.mark.torture
def test_ctrl_c_ends_all_processes_with_one_message(recipe_file: str) -> None:
    words = ["run", recipe_file, "--set", "training.steps=100000", "--out", "p", "-q", "--checkpoint-every", "100"]
    process = started([*words, "--processes", "2"], start_new_session=True)
    ranks = [of_rank(process, rank, Path("p/checkpoints")) for rank in (0, 1)]
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert told.count("interrupted") == 1, told
    assert "Traceback" not in told
    assert not any(Path(f"/proc/{rank}").exists() for rank in ranks)
    assert open_run("p").record.status == "interrupted"


@pytest.mark.torture
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_the_run_with_one_message_and_others_go_on(
    recipe_file: str, apart: Apart, rank: int
) -> None:
    many = ["--set", "training.steps=60", "--set", "training.evaluate_every=30"]
    process = started(["run", recipe_file, *many, "--out", "p", "-q", "--processes", "2", "--checkpoint-every", "10"])
    os.kill(of_rank(process, rank, Path("p/checkpoints")), signal.SIGKILL)
    _, told = process.communicate(timeout=120)
    assert_told_once(process, told)
    if rank:
        assert apart("resume", "p", "-q").status == 0
    else:
        finished(["resume", "p", "-q", "--processes", "3"])
    assert apart("run", recipe_file, *many, "--out", "alone", "-q").status == 0
    assert trained(Path("p")) == trained(Path("alone"))


def assert_told_once(process: subprocess.Popen[str], told: str) -> None:
    assert process.returncode == 1
    assert told.count("error:") == 1, told
    assert "twofold resume" in told
    assert "Traceback" not in told


def of_rank(launcher: subprocess.Popen[str], rank: int, checkpoints: Path, pattern: str = "*.json") -> int:
    """The process of a rank, once a file among the checkpoints has such a name."""
    until = time.monotonic() + 120
    while time.monotonic() < until and launcher.poll() is None:
        if any(checkpoints.glob(pattern)):
            for child in children(launcher.pid):
                environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                if f"RANK={rank}".encode() in environment:
                    return child
        time.sleep(0.05)
    raise AssertionError("no checkpoint came")


def children(process: int) -> list[int]:
    listed = [Path(task, "children").read_text().split() for task in Path(f"/proc/{process}/task").iterdir()]
    return [int(child) for words in listed for child in words]


def test_processes_that_do_not_fit_are_told_before_any_is_started(recipe_file: str, apart: Apart) -> None:
    status, _, told = apart("run", recipe_file, "--processes", "9")
    assert status == 2
    assert "9 processes, and training.shards = 4: at most one process a shard" in told
    assert "9 processes share" not in told
    status, _, told = apart("run", "moons", "--processes", "2")
    assert status == 2
    assert "2 processes share a batch only where it is cut into shards" in told
    assert not Path("runs").exists()
