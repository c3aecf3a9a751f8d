"""What the coordinator of a study costs, and where it bends with more workers than there are here.

    python benchmarks/coordinator.py [--short]

Measured: 1,000 points of 50 ms on two local workers; finished points a second, from an executor that answers at once;
memory with 100,000 points; the report of 10,000. Simulated, by events: 10 and 1,000 workers, up to a million points.
`--short` takes a tenth of the points and writes no page.
"""

from __future__ import annotations

import heapq
import json
import os
import subprocess
import sys

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from timing import machine, publish, seconds, table

from twofold.recipe import Recipe
from twofold.report import write_study_report
from twofold.runs.history import HistoryRow
from twofold.setup.events import Began, PointDone
from twofold.study import load_study, open_study
from twofold.study.executors.choice import Workers
from twofold.study.executors.seam import Answer, Results, Task, Trained, Worker
from twofold.study.executors.work import worker_versions
from twofold.study.running import run_source
from twofold.train.points import Point

SHORT = "--short" in sys.argv
SLEEP = 0.05
BATCH = 64
"""Results that the executor which answers at once has ready at a time."""
WORKER = Worker("here", 0, worker_versions("numpy"))
LATENCY = 0.001
"""Seconds until a task is with a worker and its answer back, between machines."""


def empty(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Points that cost nothing."""
    row = HistoryRow(0, 0.0, 0.1, 0.0, 0.7, 0.5, test_loss=0.7, test_accuracy=0.5)
    scores: dict[str, float | None] = {"train_accuracy": 0.5, "test_accuracy": 0.5, "train_loss": 0.7, "test_loss": 0.7}
    return [Point(scores, 0.0, 10, (row,)) for _ in recipes]


def sleeping(recipes: Sequence[Recipe], engine: str) -> list[Point]:
    """Points of 50 ms of a processor each."""
    for _ in recipes:
        until = time.perf_counter() + SLEEP
        while time.perf_counter() < until:
            pass
    return empty(recipes, engine)


class AtOnce:
    """An executor that answers at once, in this process."""

    workers = BATCH

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """See `Executor`."""
        while True:
            batch: Results = []
            while len(batch) < BATCH and (task := next(tasks, None)) is not None:
                trained = zip(task.names, empty(task.recipes, task.engine), strict=True)
                batch.append((task, Answer(WORKER, tuple(Trained(name, point) for name, point in trained))))
            if not batch:
                return
            yield batch

    def close(self) -> None:
        """Nothing was started."""


def grid(points: int, folder: Path, executor: AtOnce | None = None, train=empty, watcher=None) -> float:
    """Seconds that a study of so many points takes, each a group of its own."""
    axis = [round(0.1 + 1e-6 * number, 6) for number in range(points)]
    source = load_study("moons", axes={"data.noise": axis}, seeds=1)
    work = lambda: run_source(  # noqa: E731
        source, out=folder, workers=Workers("local:2"), executor=executor, train=train, watcher=watcher
    )
    return seconds(work)


class Clock:
    """When a study began to hand out points, and when the last one was written: by the clock, and of this process."""

    def __init__(self) -> None:
        self.times = list[tuple[float, float]]()

    def __call__(self, event: object) -> None:
        if isinstance(event, Began | PointDone):
            self.times.append((time.perf_counter(), time.process_time()))

    def took(self) -> tuple[float, float]:
        (began, own), (ended, own_end) = self.times[0], self.times[-1]
        return ended - began, own_end - own


def finished(points: int, folder: Path) -> tuple[float, float]:
    """Empty points a second that a coordinator takes in, by the clock and of its own time, without the planning."""
    clock = Clock()
    grid(points, folder, AtOnce(), watcher=clock)
    took, own = clock.took()
    return points / took, points / own


def overhead(points: int, room: Path) -> tuple[float, float]:
    """Seconds of a study on two local workers, and of its arithmetic alone: half of its points' for each."""
    grid(4, room / "warm", train=sleeping)
    return grid(points, room / "overhead", train=sleeping), points * SLEEP / 2


def memory(points: int) -> dict[str, float]:
    """In a process of its own: seconds and the most memory of a coordinator of so many points."""
    done = subprocess.run(
        [sys.executable, __file__, "--memory", str(points)], stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure_memory(points: int) -> None:
    """What `memory` runs."""
    import resource

    with tempfile.TemporaryDirectory() as name:
        took = grid(points, Path(name) / "s", AtOnce())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": took, "memory": peak}))


def simulated(points: int, workers: int, each: float, handling: float) -> tuple[float, float]:
    """Seconds until the last point is written, and the share of the time in which the coordinator is busy.

    One event a result: it waits until the coordinator is free, is handled, and its worker gets the next task.
    """
    busy_until, busy, handed = 0.0, 0.0, min(workers, points)
    arrivals = [each + LATENCY] * handed
    heapq.heapify(arrivals)
    while arrivals:
        arrived = heapq.heappop(arrivals)
        busy_until = max(arrived, busy_until) + handling
        busy += handling
        if handed < points:
            handed += 1
            heapq.heappush(arrivals, busy_until + LATENCY + each)
    return busy_until, busy / busy_until


def predictions(handling: float) -> str:
    """A row for each size of a study and of a cluster."""
    rows = []
    for points in (10_000, 100_000, 1_000_000):
        for workers in (10, 1000):
            for each in (1.0, 60.0):
                took, busy = simulated(points, workers, each, handling)
                ideal = points * each / workers
                rows.append(
                    [
                        f"{points:,}",
                        f"{workers:,}",
                        f"{each:g}",
                        f"{took / 3600:.2f}",
                        f"{took / ideal:.2f}",
                        f"{busy:.0%}",
                    ]
                )
    return table(["points", "workers", "s a point", "hours", "times the ideal", "coordinator busy"], rows)


def main() -> int:
    """Measure, simulate, write the page; 1 where a goal is missed."""
    if "--memory" in sys.argv:
        measure_memory(int(sys.argv[-1]))
        return 0
    part = 10 if SHORT else 1
    rows = list[list[str]]()
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        took, arithmetic = overhead(1000 // part, room)
        rows.append(
            [f"{1000 // part:,} points of 50 ms, 2 workers, times the arithmetic", f"{took / arithmetic:.2f}", "1.25"]
        )
        count = 10_000 // part
        rate, processor = finished(count, room / "fast")
        rows.append(["finished points a second", f"{rate:,.0f}", "2,000"])
        rows.append(["finished points a second of the processor's time", f"{processor:,.0f}", ""])
        if Path("/dev/shm").is_dir():
            with tempfile.TemporaryDirectory(dir="/dev/shm") as memory_room:
                in_memory, _ = finished(count, Path(memory_room) / "fast")
            rows.append(["finished points a second, with the folder in memory", f"{in_memory:,.0f}", ""])
        large = memory(100_000 // part)
        rows.append([f"memory with {100_000 // part:,} points, MB", f"{large['memory'] * 1.048576:.0f}", "300"])
        grid(10_000 // part, room / "report", AtOnce())
        own = time.process_time()
        page = seconds(lambda: write_study_report(open_study(room / "report")))
        own = time.process_time() - own
        rows.append([f"report of {10_000 // part:,} points, s", f"{page:.1f}", "10"])
        rows.append(["the same, of the processor's time", f"{own:.1f}", ""])
    goals = [took / arithmetic <= 1.25, rate >= 2000, large["memory"] * 1.048576 <= 300, page <= 10]
    load = "" if not hasattr(os, "getloadavg") else f", beside other work: {os.getloadavg()[1]:.0f} processes waited"
    text = f"{machine()}{load}\n\n" + table(["what", "measured", "goal"], rows)
    text += (
        "\n\nSimulated, by events, with the coordinator's measured time a point; `docs/scale.md` says what follows:\n\n"
    )
    text += predictions(1 / rate)
    print(text)
    if not SHORT:
        publish("coordinator", "The coordinator of a study", text)
    return 0 if all(goals) else 1


if __name__ == "__main__":
    sys.exit(main())
