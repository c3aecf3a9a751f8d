"""A finished run folder, opened and verified."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Arrays
from twofold.engines import ENGINES, unknown_engine
from twofold.errors import DataError, RunFolderError
from twofold.foreign import read_json
from twofold.plain import Parsed
from twofold.recipe import Recipe
from twofold.recipe.data import Images
from twofold.runs.columns import Columns, read_columns
from twofold.runs.names import (
    COLUMNS,
    EVIDENCE,
    HISTORY,
    METRICS,
    QUALITY_TITLES,
    RECIPE,
    REPORT,
    SAMPLE,
    SIGNAL_COLUMNS,
    SIGNALS,
    TABLE,
    TIMES,
)
from twofold.runs.reading import check_file, read_record, recipe_of
from twofold.runs.record import Record
from twofold.runs.tensors import Expected, read_tensors

if TYPE_CHECKING:
    import pandas as pd

    from twofold.data.columns.encoding import FittedColumns
    from twofold.recipe.source import DataSpec
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
        return recipe_of(self.path)

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row an evaluation: the columns of `history.csv`, and the `seconds` of training until then."""
        import pandas as pd

        return pd.read_csv(self.path / HISTORY).merge(pd.read_csv(self.path / TIMES), on=["engine", "step"], how="left")

    @cached_property
    def evaluations(self) -> Columns:
        """The history as columns: what the analysis reads, without pandas."""
        table = read_columns(self.path / HISTORY, ["engine"])
        times = read_columns(self.path / TIMES, ["engine"])
        seconds_at = dict(zip(zip(times["engine"], times["step"], strict=True), times["seconds"], strict=True))
        rows = zip(table["engine"], table["step"], strict=True)
        return Columns({**table.by_name, "seconds": np.array([seconds_at.get(row, np.nan) for row in rows])})

    @cached_property
    def signals(self) -> pd.DataFrame:
        """Norms of parameters, gradients and updates, and shares of sleeping units; no rows for an older folder."""
        import pandas as pd

        if SIGNALS not in self.record.files:
            return pd.DataFrame(columns=list(SIGNAL_COLUMNS))
        return pd.read_csv(self.path / SIGNALS, dtype={"layer": str, "part": str})

    @cached_property
    def recorded_signals(self) -> Columns:
        """The signals as columns: what the analysis reads, without pandas."""
        texts = ["engine", "layer", "part"]
        if SIGNALS not in self.record.files:
            return Columns({name: np.array([], str if name in texts else np.float64) for name in SIGNAL_COLUMNS})
        return read_columns(self.path / SIGNALS, texts)

    def weights(self, engine: str) -> Arrays:
        """The trained parameters by PyTorch's names."""
        if engine not in ENGINES:
            raise RunFolderError(unknown_engine(engine))
        return self._arrays(f"{engine}.safetensors", self._shapes())

    @property
    def data(self) -> DataSpec:
        """The recipe's data, with what their files decided: how many bits the pixels of images use."""
        data, bits = self.recipe.data, self.record.data.bits
        return data.model_copy(update={"bits": bits}) if isinstance(data, Images) and bits else data

    def _shapes(self) -> Expected:
        """The shape and type of each array of the network, from the recipe: a file of weights must hold just these."""
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
        """The keys and values of a JSON file of the folder; `None` where the run has no such file."""
        try:
            content = read_json(self.path / name) if name in self.record.files else None
        except (ValueError, OSError) as error:
            raise RunFolderError(f"{self.path}: {name} cannot be read: {error}") from error
        if content is None or isinstance(content, dict):
            return content
        raise RunFolderError(f"{self.path}: {name} holds no table")

    @cached_property
    def table(self) -> TableFacts | None:
        """What its network makes of the columns of a table; `None` without a table, and in an older folder."""
        content = self._table(TABLE)
        if not content:
            return None
        from twofold.runs.table import TableFacts

        try:
            return TableFacts.model_validate(content)
        except ValueError as error:
            raise RunFolderError(f"{self.path}: {TABLE} cannot be read: {error}") from error

    def to_json(self) -> dict[str, Parsed]:
        """The folder, the recipe's name and the results: what `twofold run --json` prints."""
        return {"run": str(self.path), "recipe": self.name, "engines": self.engines}

    def _arrays(self, name: str, expected: Expected | None) -> Arrays:
        """The arrays of a file; if `expected`, they must have these shapes and types and be finite."""
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
            f"{path} is half-written: its run has not ended, or was killed. "
            f"`twofold resume {quote(str(path))}` goes on with it."
        )
    for name, sealed in record.files.items():
        check_file(Path(path), name, sealed)
    return Run(Path(path), record)


def _cell(value: float | int | None) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)
