"""Processes of this machine, one task at a time each: joblib's loky, which survives the death of a process."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import NamedTuple, final

from twofold.study.executors.seam import Answer, Foreign, Lost, Results, Task
from twofold.study.executors.work import ONE_THREAD, train_task

WATCH_SECONDS = 0.5
"""Seconds between two looks of a worker at whether the process that started it is still there."""
DIED = "its process died"
SHORT_SECONDS = 1.0
"""Seconds up to which a task is short: it costs little to wait behind another such task."""


def start(after: str, jobs: int | None) -> Local:
    """The processes: as many as the text after the colon or `jobs` says, else one per core."""
    import joblib

    return Local(int(after) if after else jobs or joblib.cpu_count())


@final
class Local:
    """Trains in `workers` processes of this machine.

    Each process is a pool of its own: where one dies, only its task is a suspect, and no other process dies with it.
    Where tasks are short, a process holds its next task already while the answer to the last one is written; else it
    would wait longer than it computes.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pools: list[Foreign] = []

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """See `Executor`. Closed early, it kills what is being trained."""
        most = 1 if alone else self.workers
        seats = list[_Seat]()
        again = deque[Task]()
        short = False

        def following() -> Task | None:
            return again.popleft() if again else next(tasks, None)

        with _quiet():
            try:
                while True:
                    self._hand_out(seats, following, again, (most, 2 if short and not alone else 1))
                    if not seats:
                        return
                    wait([seat.handed[0].future for seat in seats], return_when=FIRST_COMPLETED)
                    results, short = self._collected(seats, again)
                    yield results
            finally:
                for seat in seats:
                    seat.pool.shutdown(wait=False, kill_workers=True)

    def close(self) -> None:
        """End the processes: another study starts its own, with its own environment."""
        for pool in self._pools:
            pool.shutdown(wait=False, kill_workers=True)
        self._pools = []

    def _hand_out(
        self, seats: list[_Seat], following: Callable[[], Task | None], again: deque[Task], sizes: tuple[int, int]
    ) -> None:
        """Give every process a task, then a further one; `sizes`: the most processes, and the most tasks of each.

        A process may have died unnoticed: the further task that it cannot take goes into `again`.
        """
        most, most_each = sizes
        for count in range(1, most_each + 1):
            while len(seats) < most and (task := following()) is not None:
                seats.append(self._seat(task))
            for seat in seats:
                if len(seat.handed) < count and (task := following()) is not None:
                    try:
                        seat.handed.append(_submitted(seat.pool, task))
                    except BrokenProcessPool:
                        again.append(task)
                        return  # the result of its first task will tell of its death

    def _seat(self, task: Task) -> _Seat:
        """A process with the task: an idle one that still lives, or a new one."""
        while True:
            pool = self._free()
            try:
                return _Seat(pool, deque([_submitted(pool, task)]))
            except BrokenProcessPool:
                pool.shutdown(wait=False, kill_workers=True)

    def _free(self) -> Foreign:
        return self._pools.pop() if self._pools else _pool()

    def _collected(self, seats: list[_Seat], again: deque[Task]) -> tuple[Results, bool]:
        """The results so far, and whether their tasks were short. Processes without a task leave their seats."""
        results: Results = []
        began = list[float]()
        for seat in list(seats):
            while seat.handed and seat.handed[0].future.done():
                handed = seat.handed.popleft()
                began.append(handed.at)
                try:
                    results.append((handed.task, handed.future.result()))
                except BrokenProcessPool as error:
                    # The tasks behind it had not begun.
                    seat.pool.shutdown(wait=False, kill_workers=True)
                    results.append(Lost(handed.task, f"{DIED}: {error}"))
                    again.extend(other.task for other in seat.handed)
                    seat.handed.clear()
                    seats.remove(seat)
            if seat in seats and not seat.handed:
                seats.remove(seat)
                self._pools.append(seat.pool)
        return results, time.monotonic() - min(began) < SHORT_SECONDS


class _Handed(NamedTuple):
    """A task that was handed to a process."""

    task: Task
    future: Future[Answer]
    at: float
    """When it was handed over, in seconds of `time.monotonic`."""


@dataclass(eq=False)
class _Seat:
    """A process at work, and its tasks: the first is being trained."""

    pool: Foreign
    handed: deque[_Handed]


def _pool() -> Foreign:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    # One without a timeout: after a timeout loky starts another process, and does not notice when that one dies.
    return ProcessPoolExecutor(
        max_workers=1, timeout=None, initializer=_end_with, initargs=(os.getpid(),), env=ONE_THREAD
    )


def _submitted(pool: Foreign, task: Task) -> _Handed:
    """Hand a task to a process. The process may be started by this, and then inherits the blocked signals."""
    with deaf_children():
        return _Handed(task, pool.submit(train_task, task), time.monotonic())


@contextmanager
def deaf_children() -> Iterator[None]:
    """Start processes that do not hear Ctrl-C, which a terminal sends to all: this one answers it, and ends the others.

    The signal is blocked while the context lasts, and processes and threads that start meanwhile inherit that. One that
    comes meanwhile is answered at the end. Where the system has no signal masks, the children hear it as before.
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


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence loky's warning that it replaces a process that has grown, as by loading PyTorch: nothing is lost."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
        yield


def _end_with(parent: int) -> None:
    """In a worker: end this process when the one that started it is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
