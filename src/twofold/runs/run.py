"""A finished run folder, opened and verified."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from twofold.arrays import Arrays
from twofold.engines import ENGINES, unknown_engine
from twofold.errors import DataError, RunFolderError, TwofoldError
from twofold.foreign import MOST_RECIPE, read_foreign, read_json
from twofold.plain import Parsed
from twofold.recipe import Recipe, loads
from twofold.runs.columns import Columns, read_columns
from twofold.runs.names import (
    COLUMNS,
    EVIDENCE,
    FORMAT,
    HISTORY,
    METRICS,
    QUALITY_TITLES,
    RECIPE,
    RECORD,
    REPORT,
    SAMPLE,
    SIGNAL_COLUMNS,
    SIGNALS,
    TABLE,
    TIMES,
)
from twofold.runs.record import Record
from twofold.runs.tensors import Expected, read_tensors
from twofold.runs.whole import Seal, seal

if TYPE_CHECKING:
    import pandas as pd

    from twofold.data.columns.encoding import FittedColumns
    from twofold.runs.table import TableFacts


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder, opened and verified. In a notebook it shows its results."""

    path: Path
    record: Record
    reused: bool = False
    """Whether it was there already and was taken instead of a training: `twofold.run(..., reuse=True)`."""

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.record.recipe

    @property
    def status(self) -> str:
        """`finished`, `interrupted` or `failed`."""
        return self.record.status

    @property
    def engines(self) -> dict[str, dict[str, Parsed]]:
        """The results of each engine as plain values; `record.engines` has them as attributes."""
        return {name: result.to_json() for name, result in self.record.engines.items()}

    @property
    def report(self) -> Path:
        """Where the report is, or would be: `twofold report RUN` writes it."""
        return self.path / REPORT

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe with every default written out."""
        return _recipe(self.path)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an evaluation: the columns of `history.csv`, and the `seconds` of training until then."""
        import pandas as pd

        return pd.read_csv(self.path / HISTORY).merge(pd.read_csv(self.path / TIMES), on=["engine", "step"], how="left")

    @cached_property
    def evaluations(self) -> Columns:
        """The same as columns: what the analysis reads, without pandas."""
        table = read_columns(self.path / HISTORY, ["engine"])
        times = read_columns(self.path / TIMES, ["engine"])
        taken = dict(zip(zip(times["engine"], times["step"], strict=True), times["seconds"], strict=True))
        rows = zip(table["engine"], table["step"], strict=True)
        return Columns({**table.by_name, "seconds": np.array([taken.get(row, np.nan) for row in rows])})

    @cached_property
    def signals(self) -> pd.DataFrame:
        """Norms of parameters, gradients and updates, and shares of sleeping units; of an older folder without rows."""
        import pandas as pd

        if SIGNALS not in self.record.files:
            return pd.DataFrame(columns=list(SIGNAL_COLUMNS))
        return pd.read_csv(self.path / SIGNALS, dtype={"layer": str, "part": str})

    @cached_property
    def recorded_signals(self) -> Columns:
        """The same as columns: what the analysis reads, without pandas."""
        texts = ["engine", "layer", "part"]
        if SIGNALS not in self.record.files:
            return Columns({name: np.array([], str if name in texts else np.float64) for name in SIGNAL_COLUMNS})
        return read_columns(self.path / SIGNALS, texts)

    def weights(self, engine: str) -> Arrays:
        """The trained parameters by PyTorch's names."""
        if engine not in ENGINES:
            raise RunFolderError(unknown_engine(engine))
        return self._arrays(f"{engine}.safetensors", self._shapes())

    def _shapes(self) -> Expected:
        """What the recipe's network holds, before anything is allocated for what a file says it does."""
        network, dtype = self.recipe.network, self.recipe.training.dtype
        sizes = {**network.parameters, **network.buffers}
        unknown = [name for name, shape in sizes.items() if None in shape]
        if unknown:
            raise RunFolderError(f"{self.path}: {RECIPE} does not say how large `{unknown[0]}` is; it was altered")
        return {name: (tuple(size or 0 for size in shape), dtype) for name, shape in sizes.items()}

    @cached_property
    def evidence(self) -> Arrays:
        """Predictions and samples that the report draws."""
        return self._arrays(EVIDENCE, None)

    @cached_property
    def columns(self) -> FittedColumns:
        """What was fitted to the columns of the table that the run was trained on.

        Raises `RunFolderError` where the run holds none, or where they are damaged.
        """
        from twofold.data.columns.encoding import FittedColumns

        if COLUMNS not in self.record.files:
            raise RunFolderError(f"{self.path} holds no {COLUMNS}: it was trained on no table; run its recipe again")
        try:
            return FittedColumns.from_json(read_json(self.path / COLUMNS), str(self.path / COLUMNS))
        except (ValueError, OSError, DataError) as error:
            raise RunFolderError(f"{self.path}: {COLUMNS} cannot be read: {error}") from error

    @cached_property
    def metrics(self) -> dict[str, Parsed] | None:
        """Metrics with their intervals, of the engines and of simpler models; `None` where the data are no table."""
        return self._table(METRICS)

    @cached_property
    def sample(self) -> dict[str, Parsed] | None:
        """What the engines wrote at the end of the training, by engine; `None` where the data are no text."""
        return self._table(SAMPLE)

    def _table(self, name: str) -> dict[str, Parsed] | None:
        """A file of the folder that holds a table, where there is one."""
        try:
            content = read_json(self.path / name) if name in self.record.files else None
        except (ValueError, OSError) as error:
            raise RunFolderError(f"{self.path}: {name} cannot be read: {error}") from error
        if content is None or isinstance(content, dict):
            return content
        raise RunFolderError(f"{self.path}: {name} holds no table")

    @cached_property
    def table(self) -> TableFacts | None:
        """What its network makes of the columns of a table; `None` where samples are none, and of an older folder."""
        from twofold.runs.table import TableFacts

        try:
            return TableFacts.model_validate(content) if (content := self._table(TABLE)) else None
        except ValueError as error:
            raise RunFolderError(f"{self.path}: {TABLE} cannot be read: {error}") from error

    def to_json(self) -> dict[str, Parsed]:
        """The folder, the recipe's name and the results: what `twofold run --json` prints."""
        return {"run": str(self.path), "recipe": self.name, "engines": self.engines}

    def _arrays(self, name: str, expected: Expected | None) -> Arrays:
        """Finite numbers of these shapes; of any, where none are expected."""
        if not (self.path / name).is_file():
            raise RunFolderError(f"{self.path} holds no {name}: the run is {self.status}")
        return read_tensors(self.path / name, expected, finite=expected is not None)

    def __repr__(self) -> str:
        scores = ", ".join(
            f"{engine} {quality:.4f}"
            for engine, result in self.record.engines.items()
            if (quality := result.quality("test")) is not None
        )
        title = QUALITY_TITLES[self.record.data.quality]
        return f"<Run {self.path} {self.status}{f': test {title} ' + scores if scores else ''}>"

    def _repr_html_(self) -> str:
        quality = self.record.data.quality
        keys = [f"train_{quality}", f"validation_{quality}", f"test_{quality}", "test_loss", "seconds", "steps"]
        head = "".join(f"<th>{key.replace('_', ' ')}</th>" for key in ["engine", *keys])
        rows = "".join(
            f"<tr><td>{engine}</td>{''.join(f'<td>{_cell(result.get(key))}</td>' for key in keys)}</tr>"
            for engine, result in self.engines.items()
        )
        title = html.escape(self.record.title or self.name)
        return f"<b>{title}</b> ({self.status}, <code>{html.escape(str(self.path))}</code>)<table>{head}{rows}</table>"


def opened(run: Run | str | Path) -> Run:
    """The run itself, or that of a folder; raises as `open_run` does."""
    return run if isinstance(run, Run) else open_run(run)


def open_run(path: str | Path) -> Run:
    """Open a run folder. Raises `RunFolderError` for one that is missing, half-written or damaged."""
    record = read_record(path)
    if record.status == "running":
        raise RunFolderError(
            f"{path} is half-written: its run has not ended, or was killed. `twofold resume {path}` goes on with it."
        )
    for name, sealed in record.files.items():
        _check_file(Path(path), name, sealed)
    return Run(Path(path), record)


def read_record(path: str | Path) -> Record:
    """What `record.json` holds, of whatever status. Raises `RunFolderError` where there is none of this format."""
    folder = Path(path)
    if not folder.is_dir():
        raise RunFolderError(f"no run folder {path}; `twofold run RECIPE` makes one")
    try:
        content = read_json(folder / RECORD)
    except FileNotFoundError:
        raise RunFolderError(f"{path} is no run folder: it holds no {RECORD}") from None
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunFolderError(f"{path}: {RECORD} cannot be read: {reason}") from error
    _check_format(path, content)
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(f"{path}: {RECORD} is damaged: {where + ': ' if where else ''}{first['msg']}") from error


def sealed_recipe(path: str | Path, record: Record) -> Recipe:
    """The recipe of a run that is to go on. Raises `RunFolderError` where it is not the one that the run wrote."""
    _check_file(Path(path), RECIPE, record.files[RECIPE])
    return _recipe(Path(path))


def _recipe(folder: Path) -> Recipe:
    """The recipe of a run. Raises `RunFolderError` where its file cannot be read, `RecipeError` for its faults."""
    try:
        text = read_foreign(folder / RECIPE, MOST_RECIPE).decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise RunFolderError(f"{folder}: {RECIPE} cannot be read: {reason}") from error
    return loads(text, str(folder / RECIPE))


def _check_file(folder: Path, name: str, sealed: Seal) -> None:
    """Raises `RunFolderError` for a file that its seal does not fit."""
    if not (folder / name).is_file():
        raise RunFolderError(f"{folder}: {name} is missing")
    try:
        now = seal(folder / name)
    except OSError as error:
        raise RunFolderError(f"{folder}: {name} cannot be read: {error.strerror}") from error
    if now != sealed:
        raise RunFolderError(f"{folder}: {name} is not what the run wrote: size or checksum differ")


def _check_format(path: str | Path, record: object) -> None:
    """Raises `RunFolderError` for a folder of another version's, and says which is the newer."""
    version = record.get("format") if isinstance(record, dict) else None
    if version == FORMAT:
        return
    if not isinstance(version, int) or isinstance(version, bool):
        raise RunFolderError(f"{path}: {RECORD} names no format; this version reads format {FORMAT}")
    age, remedy = ("a newer", "upgrade Twofold") if version > FORMAT else ("an older", "run its recipe again")
    raise RunFolderError(
        f"{path} was written by {age} version of Twofold: its format is {version}, this version reads {FORMAT}; "
        f"{remedy}"
    )


def _cell(value: float | int | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def peek_recipe(path: str | Path) -> Recipe | None:
    """The recipe of a run folder that is not opened, hence not verified; `None` where none can be read there."""
    try:
        return loads(read_foreign(Path(path) / RECIPE, MOST_RECIPE).decode(), str(path))
    except (OSError, ValueError, TwofoldError):
        return None
