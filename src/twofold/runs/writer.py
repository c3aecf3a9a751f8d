"""A run folder in the making."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, final

from twofold.arrays import Arrays
from twofold.errors import RunFolderError
from twofold.recipe import Recipe, dump
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
)
from twofold.runs.whole import seal, write_whole


@final
class _Lines:
    """A CSV file that grows: each line is on disk before training goes on."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self.path = path
        self._file = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file, lineterminator="\n")
        self._rows.writerow(columns)

    def add(self, values: tuple[Any, ...]) -> None:
        try:
            self._rows.writerow("" if value is None else value for value in values)
            self._file.flush()
        except OSError as error:
            raise RunFolderError(f"cannot write {self.path}: {error.strerror}") from error

    def close(self) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


@final
class RunWriter:
    """A run folder in the making. Every file but the three that grow is written whole or not at all."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self.folder = folder
        self.record: dict[str, Any] = {
            "format": FORMAT,
            "status": "running",
            "recipe": recipe.name,
            "title": recipe.title,
            "started": _now(),
            "engines": {},
        }
        self._files: list[str] = []
        self.write(RECIPE, dump(recipe).encode())
        self._write_record()
        self._history = _Lines(folder / HISTORY, HISTORY_COLUMNS)
        self._times = _Lines(folder / TIMES, TIME_COLUMNS)
        self._signals = _Lines(folder / SIGNALS, SIGNAL_COLUMNS)
        self._files += [HISTORY, TIMES, SIGNALS]

    def write(self, name: str, content: bytes) -> None:
        """A file of the run, whole or not at all."""
        write_whole(self.folder / name, content)
        self._files.append(name)

    def add_row(self, engine: str, values: Mapping[str, Any]) -> None:
        """A line of the history and one of the times, on disk before training goes on; `values` by column."""
        line = {"engine": engine, **values}
        self._history.add(tuple(line[column] for column in HISTORY_COLUMNS))
        self._times.add(tuple(line[column] for column in TIME_COLUMNS))

    def add_signals(self, engine: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Lines of the signals of one moment, by column."""
        for values in rows:
            line = {"engine": engine, **values}
            self._signals.add(tuple(line[column] for column in SIGNAL_COLUMNS))

    def save(self, name: str, arrays: Arrays) -> None:
        """Arrays by name, as safetensors."""
        import numpy as np
        from safetensors.numpy import save

        self.write(name, save({key: np.ascontiguousarray(array) for key, array in arrays.items()}))

    def finish(self, status: str, **facts: Any) -> None:
        """Write the record, last of all: from here on the folder is what its status says."""
        try:
            self._history.close()
            self._times.close()
            self._signals.close()
        except OSError:
            status = "failed"  # what is on the disk is sealed below; what is not is lost
        self.record |= {"status": status, "finished": _now(), **facts}
        self.record["files"] = {name: seal(self.folder / name) for name in self._files}
        self._write_record()

    def _write_record(self) -> None:
        text = json.dumps(self.record, indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(self.folder / RECORD, text.encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
