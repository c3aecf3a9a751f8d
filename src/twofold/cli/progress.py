"""Progress bars, on standard error: how far, how good so far, how long still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from twofold.cli.terminal import Terminal
from twofold.cli.views import noted, print_note
from twofold.interrupts import check
from twofold.setup.building import Silent, Watcher
from twofold.study.progress import StudyWatcher, Unwatched

if TYPE_CHECKING:
    from twofold.runs.history import HistoryRow


@contextmanager
def shown(wanted: bool) -> Iterator[Watcher]:
    """A watcher that draws while the context lasts, or one that does not."""
    if not wanted:
        yield Quiet()
        return
    with _progress() as progress:
        yield Bars(progress)


@contextmanager
def study(wanted: bool) -> Iterator[StudyWatcher]:
    """The same for a study; what it has to say is said in either case."""
    if not wanted:
        yield Notes()
        return
    with _progress() as progress:
        yield StudyBars(progress)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[scores]}", markup=False),
        TimeRemainingColumn(compact=True, elapsed_when_finished=True),
    )
    progress = Progress(*columns, console=Terminal(stderr=True))
    try:
        yield progress
    finally:
        if progress.live.is_started:
            progress.stop()


class Bars:
    """One bar for each thing that is done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._data: dict[str, TaskID] = {}
        self._task: TaskID | None = None

    def data(self, what: str, done: int, total: int) -> None:
        """The data are being prepared."""
        check()
        if what not in self._data:
            self._data[what] = self._add(what, total)
        self._progress.update(self._data[what], completed=done, total=total)

    def started(self, what: str, steps: int) -> None:
        """A new bar."""
        self._task = self._add(what, steps)

    def _add(self, what: str, total: int, done: int = 0) -> TaskID:
        self._progress.start()  # not before there is something to show
        return self._progress.add_task(what, total=total, completed=done, scores="")

    def stepped(self, step: int, loss: float | None = None) -> None:
        """The bar moves on, and a signal that came is read."""
        check()
        assert self._task is not None
        self._progress.update(self._task, completed=step)

    def evaluated(self, row: HistoryRow) -> None:
        """Loss and accuracy, on validation where there is one, else in training."""
        assert self._task is not None
        split = "train" if row.validation_loss is None else "validation"
        loss, accuracy = getattr(row, f"{split}_loss"), getattr(row, f"{split}_accuracy")
        self._progress.update(self._task, completed=row.step, scores=f"{split} loss {loss:.4f} accuracy {accuracy:.4f}")

    def note(self, text: str) -> None:
        """Above the bar."""
        self._progress.console.print(noted(text))


class Quiet(Silent):
    """A watcher that draws nothing, reads signals, and passes on what cannot be left unsaid."""

    def data(self, what: str, done: int, total: int) -> None:
        """Between two parts of the data."""
        check()

    def stepped(self, step: int, loss: float | None = None) -> None:
        """Between two steps."""
        check()

    def note(self, text: str) -> None:
        """On standard error."""
        print_note(text)


class StudyBars(Bars):
    """One bar for the points of a study: those that were there before say nothing about how long a point takes."""

    def began(self, done: int, total: int) -> None:
        """The bar, as far as it is."""
        self._task = self._add("points", total, done)

    def finished(self, done: int, words: str) -> None:
        """The bar moves on."""
        assert self._task is not None
        self._progress.update(self._task, completed=done, scores=words)


class Notes(Unwatched):
    """A watcher of a study that draws nothing, and passes on what cannot be left unsaid."""

    def note(self, text: str) -> None:
        """On standard error."""
        print_note(text)
