"""What the executors of clusters share: whether anybody answers at an address, and results that arrive in a queue."""

from __future__ import annotations

import queue
import socket
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar
from urllib.parse import urlsplit

from twofold.errors import StudyError
from twofold.study.executors.seam import Answer, Lost, Results, Task

ANSWER_SECONDS = 4.0
"""Seconds that an address may take to answer at all; the library's own handshake may take as long again."""
LOOK_SECONDS = 0.5
"""Seconds between two looks at whether the cluster is still there."""

Handle = TypeVar("Handle")


def check_answers(address: str, remedy: str) -> None:
    """Raises `StudyError` within seconds where nobody listens at `host:port` or `scheme://host:port`."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise StudyError(f"`{address}` is no address; it must be HOST:PORT. {remedy}")
    try:
        socket.create_connection((host, port), ANSWER_SECONDS).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise StudyError(f"nobody answers at {address}: tried {host}, port {port}: {reason}. {remedy}") from None


def no_answer(cluster: str, error: Exception) -> StudyError:
    """The error of a study whose worker gave no answer to a task, for another reason than its death."""
    reason = f"{type(error).__name__}: {str(error)[:300]}"
    return StudyError(
        f"a worker of {cluster} gave no answer: {reason}. Install there what this command runs with, the same version "
        "of Twofold above all; what has finished is kept, and the same command goes on."
    )


def stream(
    tasks: Iterator[Task],
    most: int,
    submit: Callable[[Task, Callable[[], None]], Handle],
    result: Callable[[Handle, Task], Answer | Lost],
    check: Callable[[], None],
    cancel: Callable[[list[Handle]], None],
) -> Generator[Results, None, None]:
    """Keep `most` tasks with the cluster, and yield what has ended.

    `submit` hands over a task, and its second argument is called from any thread when the task has ended; `check`
    raises where the cluster is lost; `cancel` is asked to end what runs when the caller stops early.
    """
    ended: queue.SimpleQueue[Task] = queue.SimpleQueue()
    running: dict[int, tuple[Task, Handle]] = {}
    try:
        while True:
            while len(running) < most and (task := next(tasks, None)) is not None:
                running[id(task)] = (task, submit(task, _putting(ended, task)))
            if not running:
                return
            batch: Results = []
            for task in _arrived(ended, check):
                _, handle = running.pop(id(task))
                answer = result(handle, task)
                batch.append(answer if isinstance(answer, Lost) else (task, answer))
            yield batch
    finally:
        if running:
            cancel([handle for _, handle in running.values()])


def _putting(ended: queue.SimpleQueue[Task], task: Task) -> Callable[[], None]:
    return lambda: ended.put(task)


def _arrived(ended: queue.SimpleQueue[Task], check: Callable[[], None]) -> list[Task]:
    """Wait for a task to end; returns all that have ended by then."""
    while True:
        try:
            first = ended.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            check()
            continue
        arrived: list[Task] = [first]
        while not ended.empty():
            arrived.append(ended.get())
        return arrived
