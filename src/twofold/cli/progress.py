"""Progress bars, on standard error: how far, how good so far, how long still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from twofold.cli.forecast import Forecast
from twofold.cli.terminal import Terminal
from twofold.cli.views import noted, print_note
from twofold.interrupts import check
from twofold.setup.events import Began, Evaluated, Noted, PointDone, Prepared, Progressed, Started, Watcher

if TYPE_CHECKING:
    from twofold.runs.history import HistoryRow


@contextmanager
def shown(wanted: bool) -> Iterator[Watcher]:
    """A watcher that draws while the context lasts, or one that passes on what a user must be told."""
    if not wanted:
        yield notes_alone
        return
    with _progress() as progress:
        yield Bars(progress)


def notes_alone(event: object) -> None:
    """Draws nothing and reads signals; notes go to standard error."""
    _read_signals(event)
    if isinstance(event, Noted):
        print_note(event.text)


def _read_signals(event: object) -> None:
    """Raise `KeyboardInterrupt` for a signal that has come, between parts of the data and between steps only."""
    if isinstance(event, Prepared | Progressed):
        check()


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


@final
class Bars:
    """A bar for each part of the data, each training, and all points of a study, timed by the points still missing.

    A forecast of over a minute is printed once as a line: it stays where there is no terminal to draw on.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._data: dict[str, TaskID] = {}
        self._task: TaskID | None = None
        self._forecast = Forecast()

    def __call__(self, event: object) -> None:
        """Move the bar that an event is about; a signal that came is read between two steps."""
        _read_signals(event)
        match event:
            case Prepared(what, done, total):
                if what not in self._data:
                    self._data[what] = self._add(what, total)
                self._progress.update(self._data[what], completed=done, total=total)
            case Started(what, steps):
                self._task = self._add(what, steps)
            case Progressed(step):
                self._move(step)
            case Evaluated(row):
                self._move(row.step, _scores(row))
            case Began(done, total):
                self._task = self._add("points", total, done)
            case PointDone(done, words):
                self._move(done, words)
            case Noted(text):
                self._say(text)
        if forecast := self._forecast(event):
            self._say(forecast)

    def _say(self, text: str) -> None:
        self._progress.console.print(noted(text))  # above the bar

    def _add(self, what: str, total: int, done: int = 0) -> TaskID:
        self._progress.start()  # not before there is something to show
        return self._progress.add_task(what, total=total, completed=done, scores="")

    def _move(self, done: int, scores: str | None = None) -> None:
        assert self._task is not None
        if scores is None:
            self._progress.update(self._task, completed=done)
        else:
            self._progress.update(self._task, completed=done, scores=scores)


def _scores(row: HistoryRow) -> str:
    """Loss and accuracy, or R², on validation where there is one, else in training."""
    split = "train" if row.validation_loss is None else "validation"
    word = "R²" if row.train_accuracy is None else "accuracy"
    return f"{split} loss {getattr(row, f'{split}_loss'):.4f} {word} {row.quality(split):.4f}"
