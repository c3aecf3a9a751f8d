"""A run folder in the making."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from twofold.arrays import Arrays
from twofold.errors import TwofoldError
from twofold.recipe import Recipe, dump
from twofold.runs.checkpoints import Checkpoint, Checkpoints
from twofold.runs.folders import tidy
from twofold.runs.lines import Lines
from twofold.runs.names import (
    FORMAT,
    HISTORY,
    HISTORY_COLUMNS,
    RECIPE,
    RECORD,
    SIGNAL_COLUMNS,
    SIGNALS,
    TIME_COLUMNS,
    TIMES,
    weights_name,
)
from twofold.runs.packing import packed
from twofold.runs.whole import now, seal, write_whole

GROWING = {HISTORY: HISTORY_COLUMNS, TIMES: TIME_COLUMNS, SIGNALS: SIGNAL_COLUMNS}
"""The files that grow, and their columns. All others are written whole or not at all."""


@final
class RunWriter:
    """A run folder in the making: a new one, or one that goes on where a checkpoint was."""

    def __init__(self, folder: Path, recipe: Recipe, facts: Mapping[str, Any]) -> None:
        """Begin: `facts` are what the record holds of data and circumstances."""
        self.folder = folder
        recipe_seal = write_whole(folder / RECIPE, dump(recipe).encode())
        self.record: dict[str, Any] = {
            "format": FORMAT,
            "status": "running",
            "recipe": recipe.name,
            "title": recipe.title,
            "started": now(),
            "engines": {},
            **facts,
        }
        self._start(recipe_seal, None)

    @classmethod
    def again(cls, folder: Path, record: Mapping[str, Any], since: Checkpoint | None) -> RunWriter:
        """Go on in the folder of a run that was killed or stopped: what was written after the checkpoint is cut off."""
        writer = cls.__new__(cls)
        writer.folder = folder
        writer.record = {key: value for key, value in record.items() if key not in ("files", "finished")}
        writer.record |= {"status": "running", "engines": dict(since.results) if since else {}}
        writer._start(record["files"][RECIPE], since)
        return writer

    def _start(self, recipe: dict[str, Any], since: Checkpoint | None) -> None:
        self._weights = {name: kept.model_dump() for name, kept in since.weights.items()} if since else {}
        self._whole = [RECIPE, *(weights_name(engine) for engine in self._weights)]
        self._write_record({RECIPE: recipe})  # before a file that an earlier record seals is cut back
        grown = since.grown if since else {}
        self._lines = {
            name: Lines(self.folder / name, columns, grown[name].bytes if name in grown else 0)
            for name, columns in GROWING.items()
        }
        self.checkpoints = Checkpoints(self.folder, recipe, since)

    def write(self, name: str, content: bytes) -> None:
        """A file of the run, whole or not at all."""
        self._sealed(name, write_whole(self.folder / name, content))

    def save(self, name: str, arrays: Arrays) -> dict[str, Any]:
        """Arrays by name, as safetensors; the file's seal."""
        return self._sealed(name, write_whole(self.folder / name, *packed(arrays)))

    def _sealed(self, name: str, sealed: dict[str, Any]) -> dict[str, Any]:
        if name not in self._whole:
            self._whole.append(name)
        return sealed

    def add_row(self, engine: str, values: Mapping[str, Any]) -> None:
        """A line of the history and one of the times, with the system before training goes on; `values` by column."""
        line = {"engine": engine, **values}
        for name in (HISTORY, TIMES):
            self._add(name, line)

    def add_signals(self, engine: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Lines of the signals of one moment, by column."""
        for values in rows:
            self._add(SIGNALS, {"engine": engine, **values})

    def _add(self, name: str, line: Mapping[str, Any]) -> None:
        self._lines[name].add([line[column] for column in GROWING[name]])

    def checkpoint(self, engine: str | None, facts: Mapping[str, Any], arrays: Arrays) -> None:
        """A place to go on from, written while training goes on. `engine` is in training, or `None` between two.

        Raises `RunFolderError` where the checkpoint before it could not be written.
        """
        results = self.record["engines"]
        self.checkpoints.write(engine, facts, arrays, results, self._weights, self._lines)

    def engine_ended(self, engine: str, weights: Arrays, result: Mapping[str, Any], evidence: Arrays) -> None:
        """Keep what an engine has left behind: whatever comes, it is not trained again."""
        self._weights[engine] = self.save(weights_name(engine), weights)
        self.checkpoints.wait()  # its manifest must not hold what comes now
        self.checkpoints.keep_evidence(engine, evidence)
        self.record["engines"][engine] = dict(result)
        self.checkpoint(None, {}, {})

    def resumed(self, entry: Mapping[str, Any]) -> None:
        """Say in the record when the run went on, and from where."""
        self.record["resumed"] = [*self.record.get("resumed", []), dict(entry)]

    def finish(self, status: str) -> None:
        """Write the record, last of all: from here on the folder is what its status says."""
        if status != "finished":  # of a checkpoint that could not be written the one before is there
            with suppress(TwofoldError):
                self.checkpoints.wait()
        try:
            for lines in self._lines.values():
                lines.close()
        except OSError:
            status = "failed"  # what is on the disk is sealed below; what is not is lost
        self.record |= {"status": status, "finished": now()}
        self._write_record({name: seal(self.folder / name) for name in [*self._whole, *self._lines]})
        if status == "finished" or "failure" in self.record:
            tidy(self.folder)

    def _write_record(self, files: Mapping[str, Any]) -> None:
        text = json.dumps(self.record | {"files": dict(files)}, indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(self.folder / RECORD, text.encode())
