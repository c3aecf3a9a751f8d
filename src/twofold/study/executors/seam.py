"""The seam between a study and whatever trains its points: tasks go out, results come back, and nothing else does.

An executor writes no file of the study and decides nothing about it. What it trains with is `work.train_task`, a
function of its arguments: it may run on another machine, in another folder, beside others or alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from twofold.recipe import Recipe
from twofold.train.points import Point

Train = Callable[[Sequence[Recipe], str], list[Point]]
"""The function that trains recipes in one engine, `twofold.train.points.train_points` but for tests."""


@dataclass(frozen=True)
class Task:
    """Points that are trained together by one worker."""

    names: tuple[str, ...]
    """The ID of each point."""
    recipes: tuple[Recipe, ...]
    """The recipe of each point, its paths absolute."""
    engine: str
    train: Train
    expected: Mapping[str, str] = field(default_factory=dict)
    """Versions by name without which a worker refuses the task; empty: any will do."""
    data: Mapping[str, str] = field(default_factory=dict)
    """The fingerprint of every file or folder that the recipes read, by its path."""


class Worker(NamedTuple):
    """The process that did a task."""

    host: str
    process: int
    versions: Mapping[str, str]

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"


class Trained(NamedTuple):
    """One point after its training."""

    name: str
    point: Point | None
    """`None` where the training could not be done at all."""
    failure: str = ""
    """Why not, in a sentence."""
    log: str = ""
    """What the worker printed, and the traceback, where the point failed."""


Foreign: TypeAlias = Any
"""An object of the library behind an executor: its classes are not there where the library is not installed."""


@dataclass(frozen=True)
class Answer:
    """A task's result: what a worker gives back."""

    worker: Worker
    trained: tuple[Trained, ...] = ()
    requeued: int = 0
    """How often a batch system had begun the task before: a job that was preempted, or whose time was over."""
    refusal: str = ""
    """Why the worker did not take the task: other versions, or data that it cannot see. The study ends with it."""


@dataclass(frozen=True)
class Lost:
    """A task whose worker died."""

    task: Task
    reason: str
    """What the executor's library tells about it, for the log."""


Results = list[tuple[Task, Answer] | Lost]


class Executor(Protocol):
    """What trains the points of a study."""

    workers: int
    """How many tasks are trained at a time."""

    def results(self, tasks: Iterator[Task], alone: bool = False) -> Generator[Results, None, None]:
        """All results that have come since the last ones, each task exactly once, in any order.

        A task is taken from `tasks` when a worker is free for it; an iterator that has none is asked again after the
        next results, which may give it some. `alone` has one at a time, with a worker of its own.
        Closed early, it ends what is being trained. Raises `StudyError` where the executor as a whole is lost.
        """
        ...

    def close(self) -> None:
        """Give back what was started for it."""
        ...
