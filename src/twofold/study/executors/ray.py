"""Tasks of Ray: in a running cluster, or in an instance that is started on this machine."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import final

from twofold.errors import MissingExtraError, StudyError
from twofold.study.executors.local import deaf_children
from twofold.study.executors.remote import LOOK_SECONDS, check_answers, no_answer
from twofold.study.executors.seam import Answer, Foreign, Lost, Results, Task
from twofold.study.executors.work import ONE_THREAD, train_task

START = (
    "Start one with `ray start --head --port 6379`, and on each machine `ray start --address HOST:6379`; on one of "
    "them `--on ray:auto` finds it. Or leave the address out, and `--on ray` starts an instance on this machine."
)

TOKEN = (
    "If one is running there, it may ask for a token, as newer versions of Ray do: set RAY_AUTH_TOKEN here to that of "
    "the cluster."
)
SETTINGS = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of what a later version does
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment that Ray reads when it is imported: with it Ray prints and reports nothing by itself."""
HANDSHAKE_SECONDS = 8.0
"""Seconds within which an address must answer as a cluster."""


def start(after: str, jobs: int | None) -> Ray:
    """Connect to the cluster at an address, or start an instance with `jobs` processors or one per core."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if after and _has_token():
        # Ray looks for a token by itself only where it is given no address.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        import ray  # pyright: ignore[reportMissingImports]  # an extra that CI does without
    except ImportError:
        raise MissingExtraError("ray", "ray", "`--on ray`") from None
    options: dict[str, Foreign] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if after and after != "auto":
        check_answers(after, START)
    if after:
        # A connection that is there already, or came too late for an attempt before this one, is taken as it is.
        options |= {"address": after, "runtime_env": {"env_vars": ONE_THREAD}, "ignore_reinit_error": True}
    else:
        import joblib

        options |= {"address": "local", "num_cpus": jobs or joblib.cpu_count(), "include_dashboard": False}
    with _own_signals(), deaf_children():
        if after:
            _connect(lambda: ray.init(**options), after)
        else:
            ray.init(**options)
    _check_address(ray, after)
    processors = int(ray.cluster_resources().get("CPU", 1))
    return Ray(ray, min(jobs or processors, processors))


def _has_token() -> bool:
    """Whether a token for clusters lies where Ray puts it: newer clusters ask for one."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token").is_file()


def _connect(connect: Callable[[], Foreign], address: str) -> None:
    """Connect, and give up an address at which something else answers: Ray by itself tries for half a minute."""
    failures = list[Exception]()

    def attempt() -> None:
        try:
            connect()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(HANDSHAKE_SECONDS)
    if thread.is_alive() or failures:
        reason = failures[0] if failures else f"what answers there is no Ray cluster, in {HANDSHAKE_SECONDS:g} seconds"
        raise StudyError(f"no Ray cluster at {address}: {reason}. {TOKEN} {START}")


def _check_address(ray: ModuleType, address: str) -> None:
    """Raises `StudyError` where this process was connected to another cluster before."""
    connected = str(ray.get_runtime_context().gcs_address)
    if address and address != "auto" and connected.rpartition(":")[2] != address.rpartition(":")[2]:
        raise StudyError(
            f"this process is connected to the Ray cluster at {connected} already, not to {address}; "
            "call ray.shutdown() before"
        )


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray would replace by its own."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@final
class Ray:
    """Trains `workers` tasks at a time, each on one processor."""

    def __init__(self, ray: ModuleType, workers: int) -> None:
        self.workers = workers
        self._ray = ray
        # A worker that dies takes its task with it: the study decides what is run again.
        self._train = ray.remote(num_cpus=1, max_retries=0)(train_task)

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """See `Executor`."""
        running: dict[Foreign, Task] = {}
        most = 1 if alone else self.workers
        try:
            while True:
                while len(running) < most and (task := next(tasks, None)) is not None:
                    running[self._train.remote(task)] = task
                if not running:
                    return
                ended = self._ended(list(running))
                if ended:
                    yield [self._result(handle, running.pop(handle)) for handle in ended]
        finally:
            for handle in running:
                with suppress(Exception):
                    self._ray.cancel(handle, force=True)

    def close(self) -> None:
        """Leave the cluster; an instance that was started here ends."""
        with _own_signals():
            self._ray.shutdown()

    def _ended(self, handles: list[Foreign]) -> list[Foreign]:
        try:
            ended, _ = self._ray.wait(handles, num_returns=1, timeout=LOOK_SECONDS)
            if ended and len(handles) > 1:
                ended, _ = self._ray.wait(handles, num_returns=len(handles), timeout=0)
        except self._ray.exceptions.RaySystemError as error:
            raise StudyError(_lost(error)) from None
        return ended

    def _result(self, handle: Foreign, task: Task) -> tuple[Task, Answer] | Lost:
        exceptions = self._ray.exceptions
        died = (exceptions.WorkerCrashedError, exceptions.OutOfMemoryError, exceptions.NodeDiedError)
        try:
            return task, self._ray.get(handle)
        except died as error:
            return Lost(task, str(error))
        except exceptions.RaySystemError as error:
            raise StudyError(_lost(error)) from None
        except Exception as error:  # the task or its answer could not be read: without Twofold, or with another
            raise no_answer("the Ray cluster", error) from error


def _lost(error: Exception) -> str:
    return (
        f"the Ray cluster was lost ({str(error)[:200]}); what has finished is kept. Start it again, and the same "
        "command goes on."
    )
