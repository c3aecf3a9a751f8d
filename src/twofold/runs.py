"""The run folder: a plain folder that can be copied anywhere and opened.

    recipe.toml              the recipe, with every default written out
    record.json              status, results, versions, and size and SHA-256 of every other file; written last
    history.csv              one line an evaluation
    numpy.safetensors        weights, one file an engine, by PyTorch's names
    torch.safetensors
    evidence.safetensors     what the report draws: predictions, a few samples
    report.html              made from the rest, and made again by `twofold report`

While it is being written its status is `running`; it is taken for whole only when `record.json` says otherwise
and every file it lists has the size and checksum it lists.
"""

from __future__ import annotations

import csv
import hashlib
import html
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from twofold.arrays import Arrays
from twofold.errors import RunFolderError
from twofold.recipe import Recipe, dump, loads

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
ENGINES = ("numpy", "torch")
RECIPE, RECORD, HISTORY, EVIDENCE, REPORT = (
    "recipe.toml",
    "record.json",
    "history.csv",
    "evidence.safetensors",
    "report.html",
)
SCORES = ("train_accuracy", "validation_accuracy", "test_accuracy", "train_loss", "validation_loss", "test_loss")
HISTORY_COLUMNS = (
    "engine",
    "step",
    "epoch",
    "lr",
    "seconds",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
    "test_loss",
    "test_accuracy",
)


BareName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]


class _Checked(BaseModel):
    """What `record.json` must hold for a reader not to stumble; more may stand there."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Seal(_Checked):
    bytes: int
    sha256: str


class _Result(_Checked):
    train_accuracy: float
    validation_accuracy: float | None
    test_accuracy: float | None
    train_loss: float
    validation_loss: float | None
    test_loss: float | None
    seconds: float
    steps: int


class _Facts(_Checked):
    source: str
    fingerprint: str
    samples: dict[str, int]
    held_out: str
    classes: list[str]
    features: list[str]


class _Circumstances(_Checked):
    versions: dict[str, str]
    platform: str
    processors: int | None
    blas_threads: int
    devices: dict[str, str]


class _Record(_Checked):
    status: Literal["finished", "interrupted", "failed"]
    recipe: str
    title: str
    started: Annotated[datetime, Field(strict=False)]
    finished: Annotated[datetime, Field(strict=False)]
    engines: dict[BareName, _Result]
    data: _Facts
    circumstances: _Circumstances
    files: dict[BareName, _Seal]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {RECIPE, HISTORY, *(f"{engine}.safetensors" for engine in self.engines)}
        needed |= {EVIDENCE} if self.status == "finished" else set()
        if missing := sorted(needed - self.files.keys()):
            raise ValueError(f"it lists no {missing[0]}")
        return self


@final
class RunWriter:
    """A run folder in the making. Every file but the history is written whole or not at all."""

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
        self._history = (folder / HISTORY).open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._history, lineterminator="\n")
        self._rows.writerow(HISTORY_COLUMNS)
        self._files.append(HISTORY)

    def write(self, name: str, content: bytes) -> None:
        """A file of the run, whole or not at all."""
        write_whole(self.folder / name, content)
        self._files.append(name)

    def add_row(self, engine: str, row: tuple[Any, ...]) -> None:
        """A line of the history, on disk before training goes on."""
        try:
            self._rows.writerow((engine, *("" if value is None else value for value in row)))
            self._history.flush()
        except OSError as error:
            raise RunFolderError(f"cannot write {self.folder / HISTORY}: {error.strerror}") from error

    def save(self, name: str, arrays: Arrays) -> None:
        """Arrays by name, as safetensors."""
        import numpy as np
        from safetensors.numpy import save

        self.write(name, save({key: np.ascontiguousarray(array) for key, array in arrays.items()}))

    def finish(self, status: str, **facts: Any) -> None:
        """Write the record, last of all: from here on the folder is what its status says."""
        try:
            with self._history:
                self._history.flush()
                os.fsync(self._history.fileno())
        except OSError:
            status = "failed"  # what is on the disk is sealed below; what is not is lost
        self.record |= {"status": status, "finished": _now(), **facts}
        self.record["files"] = {name: _seal(self.folder / name) for name in self._files}
        self._write_record()

    def _write_record(self) -> None:
        text = json.dumps(self.record, indent=2, ensure_ascii=False, allow_nan=False)
        write_whole(self.folder / RECORD, text.encode())


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder, opened and verified. In a notebook it shows its results."""

    path: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.record["recipe"]

    @property
    def status(self) -> str:
        """`finished`, `interrupted` or `failed`."""
        return self.record["status"]

    @property
    def engines(self) -> dict[str, dict[str, Any]]:
        """The results of each engine: accuracies, losses, seconds, steps."""
        return self.record["engines"]

    @property
    def report(self) -> Path:
        """Where the report is, or would be: `twofold report RUN` writes it."""
        return self.path / REPORT

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe with every default written out."""
        return loads((self.path / RECIPE).read_text("utf-8"), str(self.path / RECIPE))

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an evaluation; the columns are those of `history.csv`."""
        import pandas as pd

        return pd.read_csv(self.path / HISTORY)

    def weights(self, engine: str) -> Arrays:
        """The trained parameters by PyTorch's names."""
        if engine not in ENGINES:
            raise RunFolderError(f"an engine is `numpy` or `torch`; got `{engine}`")
        return self._arrays(f"{engine}.safetensors")

    @cached_property
    def evidence(self) -> Arrays:
        """Predictions and samples that the report draws."""
        return self._arrays(EVIDENCE)

    def to_json(self) -> dict[str, Any]:
        """The folder, the recipe's name and the results: what `twofold run --json` prints."""
        return {"run": str(self.path), "recipe": self.name, "engines": self.engines}

    def _arrays(self, name: str) -> Arrays:
        from safetensors.numpy import load_file

        if not (self.path / name).is_file():
            raise RunFolderError(f"{self.path} holds no {name}: the run is {self.status}")
        return load_file(self.path / name)

    def __repr__(self) -> str:
        scores = ", ".join(
            f"{engine} {result['test_accuracy']:.4f}"
            for engine, result in self.engines.items()
            if result["test_accuracy"] is not None
        )
        return f"<Run {self.path} {self.status}{': test accuracy ' + scores if scores else ''}>"

    def _repr_html_(self) -> str:
        keys = ["train_accuracy", "validation_accuracy", "test_accuracy", "test_loss", "seconds", "steps"]
        head = "".join(f"<th>{key.replace('_', ' ')}</th>" for key in ["engine", *keys])
        rows = "".join(
            f"<tr><td>{engine}</td>{''.join(f'<td>{_cell(result[key])}</td>' for key in keys)}</tr>"
            for engine, result in self.engines.items()
        )
        title = html.escape(self.record["title"] or self.name)
        return f"<b>{title}</b> ({self.status}, <code>{html.escape(str(self.path))}</code>)<table>{head}{rows}</table>"


def open_run(path: str | Path) -> Run:
    """Open a run folder. Raises `RunFolderError` for one that is missing, half-written or damaged."""
    folder = Path(path)
    if not folder.is_dir():
        raise RunFolderError(f"no run folder {path}; `twofold run RECIPE` makes one")
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
    except FileNotFoundError:
        raise RunFolderError(f"{path} is no run folder: it holds no {RECORD}") from None
    except (ValueError, OSError) as error:
        raise RunFolderError(f"{path}: {RECORD} cannot be read: {error}") from error
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise RunFolderError(f"{path}: {RECORD} is not of format {FORMAT}, which this version reads")
    if record.get("status") == "running":
        raise RunFolderError(
            f"{path} is half-written: its run has not ended, or was killed. Run the recipe again into another folder."
        )
    try:
        _Record.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(f"{path}: {RECORD} is damaged: {where + ': ' if where else ''}{first['msg']}") from error
    for name, seal in record["files"].items():
        if not (folder / name).is_file():
            raise RunFolderError(f"{path}: {name} is missing")
        if _seal(folder / name) != seal:
            raise RunFolderError(f"{path}: {name} is not what the run wrote: size or checksum differ")
    return Run(folder, record)


def create_run_folder(out: str | Path | None, name: str) -> Path:
    """A new, empty folder: `out`, or the next free `runs/NAME-N`. Raises `RunFolderError` where it is in use."""
    try:
        if out is None:
            return _next_folder(Path("runs"), name)
        folder = Path(out)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunFolderError(f"{out} exists and is not an empty folder; choose another --out")
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise RunFolderError(f"{error.filename} is a file and no folder; choose another --out") from error
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"cannot make the run folder {out or 'runs'}: {_reason(error)}; choose another --out"
        ) from error
    return folder


def _next_folder(parent: Path, name: str) -> Path:
    parent.mkdir(exist_ok=True)
    number = 1
    while True:
        try:
            (folder := parent / f"{name}-{number}").mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one move: a reader sees the old bytes or the new ones, after a power cut too."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(f"cannot write {path} ({len(content)} bytes): {error.strerror}") from error
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _seal(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _cell(value: float | int | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
