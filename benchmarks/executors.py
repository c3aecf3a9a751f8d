"""One study on every engine, with workers killed at random: every point exactly once, every table the same.

    python benchmarks/executors.py [--short]

200 points on local processes, on a cluster of Dask's own, on a scheduler with two workers started by hand, on an
instance of Ray's own, on a Ray cluster started by hand and on submitit's local executor. 20 times a worker is killed by
SIGKILL at a random moment of a group, never twice with the same one. `--short` takes 24 points and 3 kills, and writes
no page. Exits with status 1 where a table differs. With names of engines, only those are measured, beside `local`.
"""

from __future__ import annotations

import os
import sys

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(os.path.abspath(__file__)), *sys.path])

import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import chdir, contextmanager
from functools import partial
from pathlib import Path

from timing import machine, publish, table

from twofold.errors import StudyError
from twofold.recipe import Recipe
from twofold.setup.events import Noted
from twofold.study import load_study
from twofold.study.executors import slurm
from twofold.study.executors.choice import Workers
from twofold.study.executors.seam import Executor, Lost, Results, Task
from twofold.study.executors.work import trained
from twofold.study.running import run_source
from twofold.train.points import Point

SHORT = "--short" in sys.argv
POINTS, KILLS = (24, 3) if SHORT else (200, 20)

FIRST_PORT = 18_900


def killing(folder: Path, doomed: frozenset[int], recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """What trains a group: of the doomed seeds, the first time, it ends its own process at a random moment."""
    mark = folder / str(recipes[0].training.seed)
    if recipes[0].training.seed in doomed and not mark.exists():
        mark.touch()
        _die_after(random.uniform(0.0, 0.05))
        trained(recipes, engine)
        time.sleep(60)  # it is killed by then, and with no other group
    return trained(recipes, engine)


def _die_after(seconds: float) -> None:
    """By a process beside it: SIGKILL comes from outside, in the middle of whatever is done then."""
    command = f"import os, time; time.sleep({seconds}); os.kill({os.getpid()}, 9)"
    subprocess.Popen([sys.executable, "-S", "-c", command], stderr=subprocess.DEVNULL)  # it may be dead by then
    time.sleep(0.02)


@contextmanager
def by_name(on: str) -> Iterator[Executor]:
    yield Workers(on, 2).executor()


@contextmanager
def by_hand() -> Iterator[Executor]:
    """A scheduler and two workers as somebody starts them at a prompt."""
    address = f"tcp://127.0.0.1:{FIRST_PORT + os.getpid() % 1000}"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    start = partial(subprocess.Popen, env=environment, **quiet)
    python = [sys.executable, "-m"]
    port = address.rpartition(":")[2]
    scheduler = start([*python, "distributed.cli.dask_scheduler", "--port", port, "--no-dashboard"])
    worker = [*python, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-dashboard"]
    processes = [scheduler, start(worker), start(worker)]
    try:
        yield _when_there(f"dask:{address}")
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(timeout=60)


def _when_there(on: str) -> Executor:
    for _ in range(60):
        try:
            return Workers(on, 2).executor()
        except StudyError:
            time.sleep(0.5)
    raise SystemExit(f"{on} does not answer")


@contextmanager
def ray_by_hand() -> Iterator[Executor]:
    """The head of a cluster, on this machine, and its address."""
    port = FIRST_PORT + 2000 + os.getpid() % 1000
    head = ["start", "--head", "--block", "--port", str(port), "--num-cpus", "2", "--include-dashboard", "false"]
    command = [sys.executable, "-m", "ray.scripts.scripts", *head]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _when_there(f"ray:127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=60)


@contextmanager
def jobs() -> Iterator[Executor]:
    yield slurm.start("", 2, "local")


ENGINES: dict[str, Callable[[], object]] = {
    "local": partial(by_name, "local"),
    "dask": partial(by_name, "dask"),
    "dask, by hand": by_hand,
    "ray": partial(by_name, "ray"),
    "ray, by hand": ray_by_hand,
    "submitit": jobs,
}


class Sparing:
    """An executor; a group that was lost beside another one is not killed a second time: that would be its failure."""

    def __init__(self, executor: Executor, marks: Path) -> None:
        self.workers = executor.workers
        self._executor, self._marks = executor, marks

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """See `Executor`."""
        for batch in self._executor.results(tasks, alone):
            for result in batch:
                if isinstance(result, Lost):
                    (self._marks / str(result.task.recipes[0].training.seed)).touch()
            yield batch

    def close(self) -> None:
        """See `Executor`."""
        self._executor.close()


class Counting:
    """Counts the deaths that it is told of."""

    deaths = 0

    def __call__(self, event: object) -> None:
        self.deaths += isinstance(event, Noted) and event.text.startswith("a worker process died;")


def study(room: Path, engine: str) -> tuple[str, int, float]:
    """The table but for times, the deaths and the seconds on one engine; the same groups are doomed on all."""
    marks = room / engine.replace(" ", "-")
    marks.mkdir()
    overrides = {"training.epochs": 2, "data.samples": 100, "training.batch_size": "full"}
    source = load_study("moons", seeds=POINTS, overrides=overrides)  # full batches: every point is a group of its own
    doomed = frozenset(random.Random(0).sample(range(POINTS), KILLS))
    watcher, started = Counting(), time.perf_counter()
    with ENGINES[engine]() as executor:  # pyright: ignore[reportGeneralTypeIssues]
        result = run_source(
            source,
            out=marks / "study",
            executor=Sparing(executor, marks),
            watcher=watcher,
            train=partial(killing, marks, doomed),
        )
    assert result.table["id"].is_unique
    return result.table.drop(columns="seconds").to_csv(), watcher.deaths, time.perf_counter() - started


def main() -> int:
    """Every engine in turn, against the first."""
    rows, tables = list[list[str]](), dict[str, str]()
    names = [word for word in sys.argv[1:] if word in ENGINES]
    chosen = list(dict.fromkeys(["local", *names])) if names else list(ENGINES)
    with tempfile.TemporaryDirectory() as name, chdir(name):
        for engine in chosen:
            tables[engine], deaths, took = study(Path(name), engine)
            same = "yes" if tables[engine] == tables["local"] else "no"
            complete = f"{tables[engine].count(',ok,')} of {POINTS}"
            rows.append([engine, complete, str(deaths), same, f"{took:.0f}"])
            print(*rows[-1], flush=True)
    if not SHORT and not names:
        text = f"{machine()}\n\n{POINTS} points on each engine, and {KILLS} workers killed at random moments.\n\n"
        columns = ["engine", "points, each once", "deaths", "the table of `local`", "s"]
        publish("executors", "One study on every engine", text + table(columns, rows))
    return 0 if all(row[1] == f"{POINTS} of {POINTS}" and row[3] == "yes" for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
