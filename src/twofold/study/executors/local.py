"""Processes of this machine, one task at a time each: joblib's loky, which survives the death of a process."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any, final

from twofold.study.executors.seam import Answer, Lost, Results, Task
from twofold.study.executors.work import ONE_THREAD, train_task

WATCH_SECONDS = 0.5
IDLE_SECONDS = 60
"""After which a process that has nothing to do ends."""
DIED = "its process died"

_idle: list[Any] = []
"""Processes that an earlier study of this process has started and that are still good."""


def start(after: str, jobs: int | None) -> Local:
    """The processes: as many as the text after the colon or `jobs` says, else one a core."""
    import joblib

    return Local(int(after) if after else jobs or joblib.cpu_count())


@final
class Local:
    """So many processes. Each is a pool of one, so that a death has one suspect and no sibling dies with it."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pools: list[Any] = []

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """See `Executor`. Closed early, it kills what is being trained."""
        running: dict[Future[Answer], tuple[Task, Any]] = {}
        most = 1 if alone else self.workers
        with _quiet():
            try:
                while True:
                    while len(running) < most and (task := next(tasks, None)) is not None:
                        pool = self._free()
                        running[_submitted(pool, task)] = (task, pool)
                    if not running:
                        return
                    ended, _ = wait(running, return_when=FIRST_COMPLETED)
                    yield [self._result(future, *running.pop(future)) for future in ended]
            finally:
                for _, pool in running.values():
                    pool.shutdown(wait=False, kill_workers=True)

    def close(self) -> None:
        """The processes stay for the next study, until they have been idle for a minute."""
        _idle.extend(self._pools)
        self._pools = []

    def _free(self) -> Any:
        pools = self._pools or _idle
        return pools.pop() if pools else _pool()

    def _result(self, future: Future[Answer], task: Task, pool: Any) -> tuple[Task, Answer] | Lost:
        try:
            answer = future.result()
        except BrokenProcessPool as error:
            pool.shutdown(wait=False, kill_workers=True)
            return Lost(task, f"{DIED}: {error}")
        self._pools.append(pool)
        return task, answer


def _pool() -> Any:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    return ProcessPoolExecutor(
        max_workers=1, timeout=IDLE_SECONDS, initializer=_end_with, initargs=(os.getpid(),), env=ONE_THREAD
    )


def _submitted(pool: Any, task: Task) -> Future[Answer]:
    """A process may be started here, and inherits the signals that are blocked."""
    with deaf_children():
        return pool.submit(train_task, task)


@contextmanager
def deaf_children() -> Iterator[None]:
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


@contextmanager
def _quiet() -> Iterator[None]:
    """loky begins a process anew that has grown, as the first that loads PyTorch does, and says so; nothing is lost."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="A worker stopped while some jobs", category=UserWarning)
        yield


def _end_with(parent: int) -> None:
    """In a process of this machine: it ends when the one that started it is gone, and wastes nobody's time."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
