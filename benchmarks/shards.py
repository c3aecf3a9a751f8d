"""Training in several processes: the same bytes from 1, 2, 4 and 8, a killed rank and another number, and the speed.

    python benchmarks/shards.py [--short]

Four recipes with `training.shards = 8`: SHA-256 of both engines' weights after 1, 2, 4 and 8 processes; a run of four
whose randomly chosen rank is killed by SIGKILL after a checkpoint and that goes on with two; the NumPy engine in shards
against PyTorch in shards, at 1e-9. Then the reduced VGG network in PyTorch: whole batches in one process with all
threads, shards in one process, shards in two, in turn. `--short` takes a few steps and writes no page. Exits with
status 1 where bytes differ.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from timing import machine, publish, ratio, table, take_turns

from twofold.engine import Batch
from twofold.engine.threads import few_threads
from twofold.proof.verify import verify
from twofold.recipe import load_recipe
from twofold.setup.building import initial_state, training_engine
from twofold.train.shards import follow, follows, process_group

SHORT = "--short" in sys.argv
PROCESSES = (1, 2, 4, 8)
ROUNDS = 1 if SHORT else 3
NORMED = [
    {"kind": "conv2d", "channels": 8, "kernel": 3},
    {"kind": "batch_norm"},
    {"kind": "relu"},
    {"kind": "flatten"},
    {"kind": "dropout", "p": 0.2},
    {"kind": "dense", "units": 32},
    {"kind": "batch_norm"},
    {"kind": "relu"},
    {"kind": "dense", "units": 10},
]
SHARDED = {"training.shards": 8}
RECIPES: dict[str, tuple[str, int, dict[str, object]]] = {
    "digits": ("digits", 100, {"training.batch_size": 32}),
    "mnist-lenet": ("mnist-lenet", 200, {"training.batch_size": 64}),
    "digits, batch norm, dropout, smoothing, clipping": (
        "digits",
        100,
        {"training.batch_size": 40, "layers": NORMED, "loss.label_smoothing": 0.1, "optimizer.max_norm": 1.0},
    ),
    "palindrome-lstm": ("palindrome-lstm", 40, {}),
}
BATCH, STEPS = (16, 1) if SHORT else (64, 6)


def words(settings: Mapping[str, object]) -> list[str]:
    """As options of a command."""
    return [word for key, value in settings.items() for word in ("--set", f"{key}={toml(value)}")]


def toml(value: object) -> str:
    """A value as the command line takes it."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value)


def twofold(*command: str) -> None:
    """A command that must end well."""
    subprocess.run([sys.executable, "-m", "twofold", *command, "-q"], check=True)


def steps(count: int) -> dict[str, object]:
    """A training of so many steps, evaluated before and after."""
    length = max(4, count // 10) if SHORT else count
    return {"training.steps": length, "training.evaluate_every": length}


def digests(folder: Path) -> tuple[str, ...]:
    """SHA-256 of each engine's weights."""
    return tuple(
        hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest() for name in ("numpy", "torch")
    )


def killed(command: Sequence[str], folder: Path) -> int:
    """A run in four processes whose random rank is killed when there is a checkpoint: that rank."""
    rank = random.randrange(4)
    process = subprocess.Popen(
        [sys.executable, "-m", "twofold", *command, "--processes", "4", "-q"], stderr=subprocess.DEVNULL
    )
    while not any((folder / "checkpoints").glob("*.json")):
        time.sleep(0.01)
        assert process.poll() is None, "the run ended before it could be killed"
    for child in (int(name) for name in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()):
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            os.kill(child, signal.SIGKILL)
    assert process.wait(timeout=600) == 1
    return rank


def same_bytes(room: Path, name: str) -> tuple[list[str], bool]:
    """A row of the table, and whether all bytes are the same."""
    recipe, count, settings = RECIPES[name]
    chosen = {**settings, **SHARDED, **steps(count)}
    run = ["run", recipe, *words(chosen)]
    for processes in PROCESSES:
        twofold(*run, "--out", str(room / str(processes)), "--processes", str(processes))
    ends = [digests(room / str(processes)) for processes in PROCESSES]
    rank = killed([*run, "--out", str(room / "killed"), "--checkpoint-every", "2"], room / "killed")
    twofold("resume", str(room / "killed"), "--processes", "2")
    again = digests(room / "killed")
    gap = verify(recipe, overrides=chosen, steps=min(50, int(str(chosen["training.steps"]))))
    same, goes_on = len(set(ends)) == 1, again == ends[0]
    shown = f"{max(gap.verdict.largest.values()):.0e}" + ("" if gap.passed else ", too much")
    row = [name, str(chosen["training.steps"]), "yes" if same else "no", f"rank {rank}"]
    return [*row, "yes" if goes_on else "no", shown, ends[0][1][:12]], same and goes_on and gap.passed


def seconds_a_step(shards: int, processes: int) -> float:
    """Of the reduced VGG network in PyTorch, in processes of their own."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), __file__, "--steps", str(shards)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"} if processes > 1 else None
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return float(done.stdout.splitlines()[-1])


def measure_steps(shards: int) -> None:
    """What `seconds_a_step` runs: steps on images of noise, after one that warms up."""
    if follows():
        follow()
        return
    settings = {"training.batch_size": BATCH, "training.engines": ["torch"], "training.shards": shards or None}
    recipe = load_recipe("cifar10-vgg-bn", settings)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(BATCH, 3, 32, 32)).astype(np.float32)
    batch = Batch(images, rng.integers(10, size=BATCH), 0.01, {}, 0)
    with process_group() as group:
        group.begin(recipe)
        engine = training_engine("torch", recipe, group)
        engine.load(initial_state(recipe.model))
        with few_threads(recipe, BATCH):
            assert np.isfinite(engine.step(batch).loss)
            began = time.perf_counter()
            for _ in range(STEPS):
                assert np.isfinite(engine.step(batch).loss)
            took = time.perf_counter() - began
    print(took / STEPS)


def main() -> int:
    """Bytes, then speed; 1 where bytes differ."""
    if "--steps" in sys.argv:
        measure_steps(int(sys.argv[-1]))
        return 0
    rows, all_same = list[list[str]](), True
    for name in RECIPES:
        with tempfile.TemporaryDirectory() as room:
            row, same = same_bytes(Path(room), name)
        rows.append(row)
        all_same &= same
        print(*row, flush=True)
    contestants = {
        "whole batches, one process, all threads": lambda: seconds_a_step(0, 1),
        "8 shards, one process, one thread": lambda: seconds_a_step(8, 1),
        "8 shards, two processes, a thread each": lambda: seconds_a_step(8, 2),
    }
    figures = take_turns(contestants, ROUNDS)
    first = next(iter(contestants))
    one = list(contestants)[1]
    speeds = [
        [name, f"{min(values):.2f}", f"{ratio(figures, name, one):.2f}", f"{ratio(figures, name, first):.2f}"]
        for name, values in figures.items()
    ]
    columns = [
        "recipe",
        "steps",
        "1, 2, 4, 8: same bytes",
        "killed",
        "goes on with 2: same bytes",
        "engines' gap",
        "SHA",
    ]
    text = f"{machine()}\n\n{table(columns, rows)}\n\n"
    text += f"The reduced VGG network with batch norm, batches of 64 images, {STEPS} steps a round:\n\n"
    text += table(["how", "s a step, the least", "of one process with shards", "of whole batches"], speeds)
    print(text)
    if not SHORT:
        publish("shards", "Training in several processes", text)
    return 0 if all_same else 1


if __name__ == "__main__":
    sys.exit(main())
