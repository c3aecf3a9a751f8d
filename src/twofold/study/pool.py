"""Points in parallel processes, each point exactly once, whatever happens to a process."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, NamedTuple

from twofold.errors import StudyError, TwofoldError
from twofold.recipe import Recipe
from twofold.setup.versions import versions
from twofold.study.folder import POINTS, finished, kept, kept_failure, write_point
from twofold.study.grid import Planned, groups
from twofold.train.points import Point, train_points

Train = Callable[[Sequence[Recipe], str], list[Point]]
"""What `twofold.train.points.train_points` is."""


class Home(NamedTuple):
    """The process that a worker works for, and where that process is now: a worker may be older than the study."""

    process: int
    folder: str


DIED_TWICE = "its worker process died twice: killed from outside, or for want of memory"
MOST_IDLE_DEATHS = 3
"""Pools in a row that break before a worker has begun a point."""
WATCH_SECONDS = 0.5


def finish(
    planned: Sequence[Planned],
    engine: str,
    folder: Path,
    jobs: int,
    note: Callable[[str], None],
    train: Train = train_points,
) -> Generator[Planned, None, None]:
    """Train every point once, and yield it when its file is there.

    After the death of a process the rest goes on in new ones. The points that were being trained are suspects: each is
    run once more, with a process of its own and nothing beside it, so that a second death has one cause; then the point
    has failed.
    """
    waiting = {point.id: point for point in planned}
    suspects, idle = dict[str, Planned](), 0
    while waiting:
        try:
            for names in _parallel(groups(waiting.values(), engine, jobs), engine, folder, jobs, train):
                yield from [waiting.pop(name) for name in names]
        except BrokenProcessPool:
            yield from [waiting.pop(name) for name in list(waiting) if finished(folder, name)]
            begun = {name: waiting.pop(name) for name in _begun(folder) if name in waiting}
            suspects |= begun
            idle = 0 if begun else idle + 1
            if idle == MOST_IDLE_DEATHS:
                raise StudyError(f"worker processes died {idle} times before they began a point") from None
            those = "the point" if len(begun) == 1 else f"the {len(begun)} points"
            note(f"a worker process died; {those} that it may have been training will be run once more, alone")
    for point in suspects.values():
        try:
            list(_parallel([[point]], engine, folder, 1, train))
        except BrokenProcessPool:
            _begun(folder)
            if not finished(folder, point.id):
                write_point(folder, kept_failure(point, engine, DIED_TWICE))
                note("a worker process died again: the point that it was training has failed")
        yield point


def _parallel(
    tasks: Iterable[Sequence[Planned]], engine: str, folder: Path, jobs: int, train: Train
) -> Iterator[list[str]]:
    """The names of the points of each task as it ends; `jobs` tasks at a time, one thread of BLAS each.

    joblib runs a pool of one in the calling process: of a pool of two one is used, so that a death kills no study.
    """
    import joblib

    parallel: Any = joblib.Parallel  # its annotations admit less than it takes
    home = Home(os.getpid(), os.getcwd())
    calls = (joblib.delayed(_work)(task, engine, folder, home, train) for task in tasks)
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1), warnings.catch_warnings():
        # Said when the caller stops early, as Ctrl-C does.
        warnings.filterwarnings("ignore", message=".*tasks.*", module="joblib")
        # joblib begins a process anew that has grown, as the first that loads PyTorch does; nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
        pool = parallel(n_jobs=max(2, jobs), pre_dispatch=jobs, batch_size=1, return_as="generator_unordered")
        with _deaf_children():
            done = pool(calls)
        yield from done


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Ctrl-C in a terminal reaches every process of its group; this one alone answers it, and ends the workers.

    Blocked signals are inherited: by the processes that begin here, and by the thread that begins others later. One
    that comes meanwhile is answered at the end. Where the system has no signal masks, the children hear it as before.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it leaves the signal unblocked where it is started, in Python 3.11
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(task: Sequence[Planned], engine: str, folder: Path, home: Home, train: Train) -> list[str]:
    """In a worker process: train the points and write their files."""
    _end_with(home.process)
    os.chdir(home.folder)
    marker = folder / POINTS / f"{task[0].id}.started"
    marker.write_text(json.dumps({"pid": os.getpid(), "points": [point.id for point in task]}))
    try:
        _train(task, engine, folder, train)
    finally:
        marker.unlink()
    return [point.id for point in task]


def _train(task: Sequence[Planned], engine: str, folder: Path, train: Train) -> None:
    """What stops one point of several stops them all: then each is trained alone."""
    try:
        points = train([point.recipe for point in task], engine)
    except Exception as error:
        if len(task) > 1:
            for point in task:
                _train([point], engine, folder, train)
            return
        said = str(error) if isinstance(error, TwofoldError) else f"{type(error).__name__}: {error}"
        write_point(folder, kept_failure(task[0], engine, said))
        return
    for planned, point in zip(task, points, strict=True):
        write_point(folder, kept(planned, engine, point, versions(engine == "torch")))


def _begun(folder: Path) -> list[str]:
    """The points that processes were training when they died; their markers are taken away."""
    names = list[str]()
    for marker in (folder / POINTS).glob("*.started"):
        text = marker.read_text()
        names += json.loads(text)["points"] if text.endswith("}") else [marker.stem]
        marker.unlink()
    return names


@cache
def _end_with(parent: int) -> None:
    """A worker ends when the process that started it is gone, and wastes nobody's time."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
