"""A run folder in the making."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import final

from twofold.arrays import Arrays
from twofold.errors import TwofoldError
from twofold.recipe import Recipe, dump
from twofold.runs.agreement import Lockstep, PartedByRounding
from twofold.runs.checkpoints import Checkpoint, Checkpoints
from twofold.runs.folders import tidy
from twofold.runs.lines import Lines
from twofold.runs.names import (
    FORMAT,
    HISTORY,
    RECIPE,
    RECORD,
    SIGNAL_COLUMNS,
    SIGNALS,
    TIME_COLUMNS,
    TIMES,
    history_columns,
    weights_name,
)
from twofold.runs.packing import packed
from twofold.runs.part import Status
from twofold.runs.record import Beginning, Failure, Record, Result, Resumed
from twofold.runs.whole import Seal, now, seal, write_whole


def growing(task: str) -> dict[str, tuple[str, ...]]:
    """The files that grow, and their columns. All others are written whole or not at all."""
    return {HISTORY: history_columns(task), TIMES: TIME_COLUMNS, SIGNALS: SIGNAL_COLUMNS}


@final
class RunWriter:
    """A run folder in the making: a new one, or one that goes on where a checkpoint was."""

    def __init__(self, folder: Path, recipe: Recipe, beginning: Beginning) -> None:
        """Write the recipe and the record of a run that begins."""
        self.folder = folder
        content = {
            "format": FORMAT,
            "status": "running",
            "recipe": recipe.name,
            "title": recipe.title,
            "started": now(),
            "engines": {},
            **dict(beginning.given()),
            "files": {RECIPE: write_whole(folder / RECIPE, dump(recipe).encode())},
        }
        self._start(Record.model_validate(content), None)

    @classmethod
    def again(cls, folder: Path, record: Record, since: Checkpoint | None) -> RunWriter:
        """Go on in the folder of a run that was killed or stopped: what was written after the checkpoint is cut off."""
        writer = cls.__new__(cls)
        writer.folder = folder
        writer._start(record.begun_again(since.results if since else {}), since)
        return writer

    def _start(self, record: Record, since: Checkpoint | None) -> None:
        self._weights = dict[str, Seal](since.weights) if since else {}
        self._whole = [RECIPE, *(weights_name(engine) for engine in self._weights)]
        self.record = record
        self._write_record()  # before a file that an earlier record seals is cut back
        grown = since.grown if since else {}
        self._lines = {
            name: Lines(self.folder / name, columns, grown[name].bytes if name in grown else 0)
            for name, columns in growing(record.data.task).items()
        }
        self.checkpoints = Checkpoints(self.folder, record.files[RECIPE], since)

    def write(self, name: str, content: bytes) -> None:
        """A file of the run, whole or not at all."""
        self._sealed(name, write_whole(self.folder / name, content))

    def save(self, name: str, arrays: Arrays) -> Seal:
        """Arrays by name, as safetensors; the file's seal."""
        return self._sealed(name, write_whole(self.folder / name, *packed(arrays)))

    def _sealed(self, name: str, sealed: Seal) -> Seal:
        if name not in self._whole:
            self._whole.append(name)
        return sealed

    def add_row(self, engine: str, values: Mapping[str, object]) -> None:
        """A line of the history and one of the times, with the system before training goes on; `values` by column."""
        line = {"engine": engine, **values}
        for name in (HISTORY, TIMES):
            self._add(name, line)

    def add_signals(self, engine: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Lines of the signals of one moment, by column."""
        for values in rows:
            self._add(SIGNALS, {"engine": engine, **values})

    def _add(self, name: str, line: Mapping[str, object]) -> None:
        self._lines[name].add([line[column] for column in self._lines[name].columns])

    def checkpoint(self, engine: str | None, facts: Mapping[str, object], arrays: Arrays) -> None:
        """A place to go on from, written while training goes on. `engine` is in training, or `None` between two.

        Raises `RunFolderError` where the checkpoint before it could not be written.
        """
        self.checkpoints.write(engine, facts, arrays, self.record.engines, self._weights, self._lines)

    def engine_ended(self, engine: str, weights: Arrays, result: Result, evidence: Arrays) -> None:
        """Keep what an engine has left behind: whatever comes, it is not trained again."""
        self._weights[engine] = self.save(weights_name(engine), weights)
        self.checkpoints.wait()  # its manifest must not hold what comes now
        self.checkpoints.keep_evidence(engine, evidence)
        self.add_result(engine, result)
        self.checkpoint(None, {}, {})

    def add_result(self, engine: str, result: Result) -> None:
        """Say in the record how an engine ended."""
        self.record = self.record.changed(engines={**self.record.engines, engine: result})

    def resumed(self, entry: Resumed) -> None:
        """Say in the record when the run went on, and from where: at once, since the process may be killed."""
        self.record = self.record.changed(resumed=(*self.record.resumed, entry))
        self._write_record()

    def failed(self, failure: Failure) -> None:
        """Say in the record why the run would fail again."""
        self.record = self.record.changed(failure=failure)

    def proved(self, lockstep: Lockstep, parted: PartedByRounding | None) -> None:
        """Say in the record that both engines compute the same, and where their trainings parted."""
        self.record = self.record.changed(lockstep=lockstep, **({"parted": parted} if parted else {}))

    def finish(self, status: Status) -> None:
        """Write the record, last of all: from here on the folder is what its status says."""
        if status != "finished":  # where a checkpoint could not be written, the one before it is still there
            with suppress(TwofoldError):
                self.checkpoints.wait()
        try:
            self.close()
        except OSError:
            status = "failed"  # what is on the disk is sealed below; what is not is lost
        files = {name: seal(self.folder / name) for name in [*self._whole, *self._lines]}
        self.record = self.record.changed(status=status, finished=now(), files=files)
        self._write_record()
        if status == "finished" or self.record.failure:
            tidy(self.folder)

    def close(self) -> None:
        """Close the files that grow a line at a time: all that a scratch folder needs at its end.

        Every one of them, also where another fails. Raises `OSError`.
        """
        with ExitStack() as stack:
            for lines in self._lines.values():
                stack.callback(lines.close)

    def _write_record(self) -> None:
        write_whole(self.folder / RECORD, self.record.text().encode())
