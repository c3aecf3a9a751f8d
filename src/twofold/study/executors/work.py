"""The work of a worker, on any engine: train the points of a task and give back what came of them.

It writes no file, changes no folder and ends no process.
"""

from __future__ import annotations

import io
import os
import socket
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from twofold.data import Dataset, load_data
from twofold.errors import TwofoldError
from twofold.recipe import Recipe
from twofold.recipe.data import DataSpec
from twofold.setup.versions import code, versions
from twofold.study.executors.prints import fingerprint, mark, read_paths
from twofold.study.executors.seam import Answer, Foreign, Task, Trained, Worker
from twofold.train.points import Point, Stops, train_points

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""Environment of a worker: as many workers as cores leave no second thread anything to gain, and the number of threads
may change the last digits."""
_ONE_TASK = threading.Lock()
"""Held by the task that this process trains: what is printed, warnings and the number of threads are the process's, and
a worker of Dask may have several threads."""
MOST_LOG = 20_000
"""Characters of a log that are handed back, from its end."""


def train_task(task: Task) -> Answer:
    """Train the points of a task, with one thread, and catch whatever they raise."""
    worker = Worker(socket.gethostname(), os.getpid(), worker_versions(task.engine))
    refusal = _refusal(task, worker)
    if refusal:
        return Answer(worker, refusal=refusal)
    with _ONE_TASK, _one_thread():
        return Answer(worker, tuple(_train(task, range(len(task.names)))))


def trained(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Train recipes as `train_points` does; data that the last task had too are not read again."""
    return train_points(recipes, engine, _remembered)


def searched(recipes: Sequence[Recipe], engine: str, stops: Stops | None = None) -> list[Point]:
    """Train recipes as `trained` does, for a search: without the test set, and stopped early where `stops` says so."""
    return train_points(recipes, engine, _without_test, stops)


def _without_test(spec: DataSpec) -> Dataset:
    dataset = _remembered(spec)
    return replace(dataset, test=dataset.test[:0])


def _remembered(spec: DataSpec) -> Dataset:
    kind: Foreign = type(spec)
    return _last_data(spec.model_dump_json(), mark(*read_paths(spec)), kind)


@lru_cache(maxsize=1)
def _last_data(text: str, mark: str, kind: Foreign) -> Dataset:
    """The samples of a source; the last ones asked for stay in memory. `mark` changes when the files do."""
    return load_data(kind.model_validate_json(text))


@cache
def worker_versions(engine: str) -> dict[str, str]:
    """The versions of what takes part in a training, by name, `code` for a digest of Twofold's own sources."""
    return {**versions(engine), "code": code()[:12]}


def _refusal(task: Task, worker: Worker) -> str:
    """Why this worker must not train the task: other versions, or other data than the study's."""
    for name, wanted in task.expected.items():
        installed = worker.versions.get(name, "none")
        if installed != wanted:
            return (
                f"the worker {worker} has {_version(name, installed)}, this command has {_version(name, wanted)}: "
                "the numbers may differ. Install the same on both, or take it with --allow-different."
            )
    for path, wanted in task.data.items():
        if fingerprint_here(path, mark(path)) != wanted:
            lacking = "cannot see the data at" if not Path(path).exists() else "has other data at"
            return (
                f"the worker {worker} {lacking} {path}. "
                "Put the same file there, or the study's data into a folder that all machines share."
            )
    return ""


def _version(name: str, version: str) -> str:
    return f"another code of Twofold, {version}" if name == "code" else f"{name.capitalize()} {version}"


@lru_cache(maxsize=100)
def fingerprint_here(path: str, mark: str) -> str:
    """The fingerprint of data as this process sees them, computed again when `mark` is another."""
    return fingerprint(Path(path))


def _train(task: Task, members: range) -> Iterator[Trained]:
    """Train some points of a task together; where that raises an exception, each of them by itself."""
    output = io.StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(output), warnings.catch_warnings():
            warnings.simplefilter("default")
            points = task.train([task.recipes[index] for index in members], task.engine)
    except Exception as error:
        if len(members) > 1:
            for index in members:
                yield from _train(task, range(index, index + 1))
            return
        failure = str(error) if isinstance(error, TwofoldError) else f"{type(error).__name__}: {error}"
        log = (output.getvalue() + traceback.format_exc())[-MOST_LOG:]
        yield Trained(task.names[members[0]], None, failure, log)
        return
    for index, point in zip(members, points, strict=True):
        yield Trained(task.names[index], point, point.failure, output.getvalue()[-MOST_LOG:] if point.failure else "")


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for the libraries that are loaded, and for those that will be."""
    from threadpoolctl import threadpool_limits

    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    with threadpool_limits(1):
        yield
