"""Grading submissions by the items of a task, several at once; and what a student may read of each item."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from twofold.errors import UserError, nearest
from twofold.proof.check.checking import CheckReport, check_file
from twofold.proof.check.report import element
from twofold.proof.check.sandbox import Limits
from twofold.proof.check.task import Item, Task
from twofold.setup.events import Progressed, Started, Watcher, watching


@dataclass(frozen=True)
class Graded:
    """One item of one submission."""

    title: str
    points: float
    hidden: bool
    report: CheckReport
    hint: int

    @property
    def score(self) -> float:
        """The points reached: all of the item, or none."""
        return self.points if self.report.ok else 0.0

    def told(self) -> str:
        """The text that the student reads; of a hidden item only whether it passed."""
        if self.hidden:
            return "hidden: " + ("passed" if self.report.ok else "not passed")
        if self.report.ok:
            return "right: every tensor agrees"
        if self.report.status == "unchecked" or self.report.fault is None:
            return self.report.summary
        lines = [f"first wrong tensor: {element(self.report.first)}"] if self.report.first and self.hint else []
        return "\n".join([*lines, *(fault.hint(self.hint) for fault in self.report.faults)])


@dataclass(frozen=True)
class Grade:
    """The grade of a submission."""

    student: str
    items: tuple[Graded, ...]

    @property
    def score(self) -> float:
        """Points reached."""
        return sum(item.score for item in self.items)

    @property
    def points(self) -> float:
        """Points that could be reached."""
        return sum(item.points for item in self.items)

    @property
    def exit_status(self) -> int:
        """0 where all is right, 1 where something is wrong, 2 where something could not be checked."""
        return max(item.report.exit_status for item in self.items)


def grade(folder: Path, task: Task) -> Grade:
    """Grade one submission: a folder, or the only file of the task. Items of one file share a process.

    Raises `UserError` where the folder is not there; a missing file only leaves its items unchecked.
    """
    _require([folder])
    limits = Limits(task.seconds, task.megabytes)
    graded: dict[int, Graded] = {}
    files = dict.fromkeys(item.file for item in task.item)
    for file in files:
        numbered = [(number, item) for number, item in enumerate(task.item) if item.file == file]
        items = [item for _, item in numbered]
        path = folder if folder.is_file() else folder / file
        reports = _reports(path, folder, items, limits)
        for (number, item), report in zip(numbered, reports, strict=True):
            graded[number] = Graded(item.title, item.points, item.hidden, report, item.hint)
    student = Path(os.path.abspath(folder)).name  # `.` has none; a link keeps its own
    return Grade(student, tuple(graded[number] for number in sorted(graded)))


def _require(folders: Sequence[Path]) -> None:
    """Raises `UserError` with every folder that is not there."""
    missing = [str(folder) for folder in folders if not folder.exists()]
    if missing:
        raise UserError(f"no folder {', '.join(missing)}")


def _reports(path: Path, folder: Path, items: Sequence[Item], limits: Limits) -> list[CheckReport]:
    """The reports on the items of one file; if one of them ends the process, each is checked in its own."""
    if not path.is_file():
        near = nearest(path.name, [entry.name for entry in folder.iterdir() if entry.suffix == ".py"])
        hint = f"; did you mean {' or '.join(f'`{name}`' for name in near)}?" if near else ""
        missing = f"the submission has no file `{path.name}`{hint}"
        return [CheckReport(item.title, "", {}, "unchecked", missing) for item in items]
    reports = check_file(path, [item.request() for item in items], limits)
    if len(items) > 1 and any((report.errors or {}).get("the process") for report in reports):
        return [check_file(path, [item.request()], limits)[0] for item in items]  # one of them ended it: which?
    return reports


def grade_all(folders: Sequence[Path], task: Task, jobs: int, watcher: Watcher | None = None) -> list[Grade]:
    """Grade every submission, `jobs` at once; returns the grades in the order of the folders.

    Raises `UserError` before any is graded where folders are not there.
    """
    _require(folders)
    watch = watching(watcher)
    watch(Started("check", len(folders)))
    grades: dict[int, Grade] = {}
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = {pool.submit(grade, folder, task): number for number, folder in enumerate(folders)}
        for done, future in enumerate(as_completed(futures), 1):
            grades[futures[future]] = future.result()
            watch(Progressed(done))
    return [grades[number] for number in range(len(folders))]


def mistakes_of_class(grades: Sequence[Grade]) -> list[tuple[str, str, int]]:
    """How often each mistake was made: item, name, and number of submissions, the most frequent first."""
    count = Counter((item.title, _name(item.report)) for item in _wrong(grades))
    return [(title, name, times) for (title, name), times in count.most_common()]


def _wrong(grades: Sequence[Grade]) -> Iterator[Graded]:
    return (item for grade in grades for item in grade.items if not item.report.ok)


def _name(report: CheckReport) -> str:
    if report.fault is not None:
        return report.fault.sentence
    return "could not be checked" if report.status == "unchecked" else "no known mistake"
