"""The coordinator of a study: it hands out what is missing and writes what comes back, each point exactly once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from twofold.errors import StudyError
from twofold.study.executors.prints import absolute
from twofold.study.executors.seam import Answer, Executor, Lost, Results, Task, Train
from twofold.study.executors.work import worker_versions
from twofold.study.grid import Planned
from twofold.study.kept import Kept, kept, kept_failure, write_log, write_points

DIED_TWICE = "its worker process died twice: killed from outside, or for want of memory"

Group = Sequence[Planned]


@dataclass(frozen=True)
class Work:
    """What the coordinator knows of a study: which points are missing, how they are trained, where they are written."""

    folder: Path
    """The folder of the points' files."""
    engine: str
    train: Callable[[Group], Train]
    """Gives the function that trains a group."""
    missing: set[str]
    """The names of points without a file. Other points of a group are trained with them, and not written again."""
    note: Callable[[str], None]
    """Tells a sentence to whoever watches."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """Versions that a worker must have; see `Task`."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Fingerprints of the data; see `Task`."""

    def task(self, group: Group) -> Task:
        """The task that a worker gets for a group."""
        names = tuple(point.id for point in group)
        recipes = tuple(absolute(point.recipe) for point in group)
        return Task(names, recipes, self.engine, self.train(group), self.expected, self.data)


def finish(groups: Iterator[Group], work: Work, executor: Executor) -> Generator[list[Kept], None, None]:
    """Train every group, and yield points when their files are there.

    `groups` is asked again whenever results have come: what it gives may depend on them. A group is trained whole, so
    that its numbers are those that it would have had without an interruption. One whose worker dies is a suspect: it is
    run once more when nothing else is to be done, with nothing beside it, so that a second death has one cause. The
    points of a group that dies again are then trained one by one, and one whose worker dies has failed.
    """
    while True:
        waiting: dict[str, Group] = {}
        suspects = list[Group]()
        with closing(executor.results(_Tasks(groups, work, waiting))) as batches:
            for batch in batches:
                lost = [result.task for result in batch if isinstance(result, Lost)]
                suspects += [waiting[task.names[0]] for task in lost]
                yield _written(batch, waiting, work)
                for task in lost:
                    work.note(f"a worker process died; {_points_text(task)} will be run once more, alone")
        for group in suspects:
            yield from _alone(group, work, executor)
        if not waiting:
            return


class _Tasks(Iterator[Task]):
    """The task of each group in turn; a group that was handed out is entered into `waiting` by its first point."""

    def __init__(self, groups: Iterator[Group], work: Work, waiting: dict[str, Group]) -> None:
        self._groups = groups
        self._work = work
        self._waiting = waiting

    def __next__(self) -> Task:
        group = next(self._groups)
        self._waiting[group[0].id] = group
        return self._work.task(group)


def _points_text(task: Task) -> str:
    count = len(task.names)
    return "the point that it was training" if count == 1 else f"the {count} points that it was training"


def _alone(group: Group, work: Work, executor: Executor) -> Generator[list[Kept], None, None]:
    """Train a group once more, alone, after a worker died with it; then, if need be, each of its points by itself."""
    points = {group[0].id: group}
    with closing(executor.results(iter([work.task(group)]), alone=True)) as batches:
        for batch in batches:
            yield _written(batch, points, work)
            for result in batch:
                if not isinstance(result, Lost):
                    continue
                if len(group) == 1:
                    yield _failed(group[0], result, work)
                else:
                    work.note("a group of points lost its worker process twice: they are trained one by one")
                    for point in group:
                        yield from _alone([point], work, executor)


def _failed(point: Planned, lost: Lost, work: Work) -> list[Kept]:
    """Keep a point as failed that has ended every process that trained it."""
    if point.id not in work.missing:
        return []
    work.note("a worker process died again: the point that it was training has failed")
    write_log(work.folder, point.id, f"{DIED_TWICE}\n{lost.reason}\n")
    return _keep([kept_failure(point, work.engine, DIED_TWICE)], work)


def _written(batch: Results, groups: Mapping[str, Group], work: Work) -> list[Kept]:
    """Write what the workers gave back, the points that are missing alone."""
    points = list[Kept]()
    for result in batch:
        if isinstance(result, Lost):
            continue
        task, answer = result
        if answer.refusal:
            raise StudyError(answer.refusal)
        if answer.requeued:
            work.note(f"a job was preempted or out of time; {_points_text(task)} began again")
        for note in {trained.point.note for trained in answer.trained if trained.point and trained.point.note}:
            work.note(f"{note}; the last digits may be others than with more memory")
        members = {point.id: point for point in groups[task.names[0]]}
        versions = _recorded(answer, work.engine)
        for trained in answer.trained:
            if trained.name not in work.missing:
                continue
            if trained.log:
                write_log(work.folder, trained.name, trained.log)
            planned = members[trained.name]
            if trained.point is None:
                point = kept_failure(planned, work.engine, trained.failure)
            else:
                point = kept(planned, work.engine, trained.point, versions)
            points.append(point.model_copy(update={"requeued": answer.requeued}))
    return _keep(points, work)


def _keep(points: list[Kept], work: Work) -> list[Kept]:
    """Write the files of points, and take their names out of those that are missing."""
    write_points(work.folder, points)
    work.missing.difference_update(point.id for point in points)
    return points


def _recorded(answer: Answer, engine: str) -> dict[str, str]:
    """The versions that a point was trained with, the digest of the code only where it is not the coordinator's."""
    versions = dict(answer.worker.versions)
    if versions.get("code") == worker_versions(engine)["code"]:
        del versions["code"]
    return versions
