"""Runs in a process that is killed at a place one chooses, or at any: what tests/test_resume.py and the torture share.

The process is a fork of this one, which has imported everything: a run that dies and its resumption take a fraction of
a second. SIGKILL cannot be caught; what is not with the system by then is lost.
"""

from __future__ import annotations

import hashlib
import os
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import twofold
from twofold.arrays import digest
from twofold.recipe import Recipe, load_recipe
from twofold.runs import RunWriter
from twofold.setup.building import build_engine
from twofold.train import running, session

EVERYTHING: dict[str, Any] = {
    "layers": [
        {"kind": "conv2d", "channels": 3, "kernel": 3, "bias": False},
        {"kind": "batch_norm"},
        {"kind": "relu"},
        {"kind": "dropout", "p": 0.3},
        {"kind": "flatten"},
        {"kind": "dense", "units": 10},
    ],
    "data": {"source": "digits", "validation": 60, "test": 0.05},
    "augmentation": {"flip": "random", "translate": 1, "cutout": 2, "rotate": 10.0, "elastic": 0.3},
    "loss": {"kind": "cross_entropy", "label_smoothing": 0.1},
    "optimizer": {"kind": "adamw", "lr": 0.02, "max_norm": 5.0},
    "schedule": {"kind": "one_cycle"},
    "training": {
        "seed": 16,  # validation is best at step 36
        "steps": 60,
        "batch_size": 67,  # an epoch is 25 steps, the last of a smaller batch
        "evaluate_every": 6,
        "evaluate_samples": 100,
        "ema": 0.8,
        "keep": "best",
        "patience": 50,
        "engines": ["numpy"],
        "device": "cpu",
    },
}
"""A recipe with everything that could depend on where a training stands: 60 steps, two epochs and a half."""


def everything(engine: str = "numpy", **training: Any) -> Recipe:
    """The recipe, for one engine or for `both`."""
    import tomli_w

    from twofold.recipe.files import loads

    engines = ["numpy", "torch"] if engine == "both" else [engine]
    return loads(tomli_w.dumps({**EVERYTHING, "training": {**EVERYTHING["training"], "engines": engines, **training}}))


@contextmanager
def quiet_fork() -> Iterator[int]:
    """A fork: 0 within it, which ends with the context, with status 1 after an exception, whose text is printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from 3.12 on: of the threads that a fork leaves behind
        child = os.fork()
    status = 1
    try:
        yield child
        status = 0
    except twofold.TwofoldError as error:
        if child:
            raise
        print(error)
    except BaseException:
        if child:
            raise
        traceback.print_exc()
    finally:
        if not child:
            os._exit(status)


def apart(work: Callable[[], object]) -> int:
    """Do it in a fork: its exit status, or −9 where it was killed."""
    with quiet_fork() as child:
        if not child:
            work()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    """At once, as when the power fails."""
    os.kill(os.getpid(), signal.SIGKILL)


def half_written(path: Path, *pieces: bytes) -> None:
    """In place of `write_whole`: the process ends while the bytes are still beside the file."""
    (path.parent / f".{path.name}.7.tmp").write_bytes(b"half")
    raise KeyboardInterrupt


def after(engine: str, step: int, happens: Callable[[], object]) -> None:
    """Plant something right after an engine's step, counted from 1."""
    kind: Any = type(build_engine(engine, load_recipe("moons")))
    take = kind.step

    def planted(self: Any, batch: Any) -> Any:
        done = take(self, batch)
        if batch.step + 1 == step:
            happens()
        return done

    kind.step = planted


def dies_after(engine: str, step: int) -> None:
    """Plant the death of this process right after an engine's step."""
    after(engine, step, die)


CALLS = ("fsync", "replace", "unlink", "mkdir", "rename")
"""What changes a folder, or brings it to the disk."""


def dies_at(call: int, after: bool) -> None:
    """Plant the death of this process at one of its calls of the system, counted from 0, before or after it."""
    made = 0

    def planted(real: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            number = made
            made += 1  # meanwhile another thread calls
            if number == call and not after:
                die()
            try:
                return real(*arguments, **options)
            finally:
                if number == call:
                    die()

        return function

    for name in CALLS:
        setattr(os, name, planted(getattr(os, name)))


def writes_down(log: Path) -> None:
    """Plant a log of the digest of all that every checkpoint of this process holds, moments included."""
    write = RunWriter.checkpoint

    def logged(self: RunWriter, engine: str | None, facts: Mapping[str, Any], arrays: Any) -> None:
        with log.open("a") as file:
            file.write(f"{engine} {facts.get('taken')} {digest(arrays)}\n")
        write(self, engine, facts, arrays)

    RunWriter.checkpoint = logged


def train(recipe: Recipe, folder: Path, log: Path, every: int | None = 7) -> None:
    """A run that writes down its checkpoints."""
    writes_down(log)
    running.run(recipe, out=folder, checkpoint_every=every)


def go_on(folder: Path, log: Path) -> None:
    """Its resumption."""
    writes_down(log)
    running.resume(folder)


def traces(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a run that does not say when or where it was made."""
    names = (path for path in folder.iterdir() if path.name not in ("record.json", "times.csv", "report.html"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


def same(folder: Path, log: Path, reference: Path, wanted: Path) -> bool:
    """Whether a run that was killed has the files of one that was not, every checkpoint held what its twin did, and no
    temporary file, lock or checkpoint is left."""
    known = set(wanted.read_text().splitlines()) if wanted.is_file() else set()
    seen = set(log.read_text().splitlines()) if log.is_file() else set()
    return traces(folder) == traces(reference) and seen <= known


assert session  # imported before the fork
