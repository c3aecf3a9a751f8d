"""A study folder, opened: its points as a tidy table, their means and intervals."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.errors import StudyError
from twofold.plain import without_nan
from twofold.runs import scores_beside
from twofold.study.folder import REPORT, RESULTS, read_points, read_study
from twofold.study.kept import Kept, point_file, read_point
from twofold.study.search.result import SearchResult
from twofold.study.spec import Study
from twofold.study.summary import summary
from twofold.study.table import CARRIED, LAST, cell

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A study folder, opened. In a notebook it shows its means."""

    path: Path
    study: Study
    read: tuple[Kept, ...] | None = None
    """The points, where they have been read already."""

    @cached_property
    def points(self) -> tuple[Kept, ...]:
        """The points that finished or failed, in the grid's order, without evaluations: `evaluations` reads these."""
        return self.read if self.read is not None else tuple(read_points(self.path, self.study))

    def evaluations(self, point: str) -> pd.DataFrame:
        """Every evaluation of the point with this `id`, as `history.csv` of a run has them."""
        import pandas as pd

        file = point_file(self.path, point)
        point_kept = read_point(file) if file.is_file() else None
        if point_kept is None:
            raise StudyError(f"{self.path} holds no point `{point}`; the column `id` of the table names them")
        return pd.DataFrame(point_kept.history)

    @property
    def total(self) -> int:
        """Points of the whole grid."""
        return math.prod(len(axis.values) for axis in self.study.axes) * len(self.study.seeds)

    @property
    def failed(self) -> int:
        """Points that could not be trained."""
        return sum(point.status == "failed" for point in self.points)

    @property
    def carried(self) -> list[str]:
        """The columns of the gradient that is carried through time, where a point has them."""
        return [name for name in CARRIED if any(name in (point.flow or {}) for point in self.points)]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each point: the value of every axis, the seed, the status, every score."""
        import pandas as pd

        fields, carried = [axis.field for axis in self.study.axes], self.carried
        scores = scores_beside(self.study.metric)
        rows = [
            {
                **dict(zip(fields, map(cell, point.values), strict=True)),
                "seed": point.seed,
                "status": point.status,
                **{name: point.scores.get(name) for name in scores},
                **{name: (point.flow or {}).get(name) for name in carried},
                "seconds": point.seconds,
                "steps": point.steps,
                "failure": point.failure,
                "id": point.id,
            }
            for point in self.points
        ]
        columns = [*fields, "seed", "status", *scores, *carried, *LAST]
        table = pd.DataFrame(rows, columns=columns)
        return table.astype(dict.fromkeys([*scores, *carried], "float64"))

    @cached_property
    def summary(self) -> pd.DataFrame:
        """One row for each combination of the axes: how many seeds, and the metric's mean with its 95 % interval.

        The mean is over folds as well as seeds. Trainings of different folds share samples, so that the interval is a
        little too narrow (Nadeau & Bengio, Inference for the Generalization Error, 2003).
        """
        return summary(self.table, [axis.field for axis in self.study.varied], self.study.metric)

    @property
    def report(self) -> Path:
        """Where the report is, or would be: `twofold report STUDY` writes it."""
        return self.path / REPORT

    def to_json(self) -> dict[str, object]:
        """What `twofold study --json` prints: the means, and where the rest is."""
        return {
            "study": str(self.path),
            "title": self.study.heading,
            "engine": self.study.engine,
            "metric": self.study.metric,
            "points": self.total,
            "finished": len(self.points) - self.failed,
            "failed": self.failed,
            "results": without_nan(self.summary.to_dict("records")),
            "table": str(self.path / RESULTS),
            "report": str(self.report),
        }

    def __repr__(self) -> str:
        return f"<StudyResult {self.path}: {len(self.points)} of {self.total} points, {self.failed} failed>"

    def _repr_html_(self) -> str:
        head = f"<b>{html.escape(self.study.heading)}</b>: mean {metric_name(self.study.metric)}, 95 % interval"
        return f"{head} (<code>{html.escape(str(self.path))}</code>){self.summary.to_html(index=False, na_rep='–')}"


def open_study(path: str | Path) -> StudyResult:
    """Open a study folder, whole or not. Raises `StudyError` for one that is missing."""
    folder = Path(path)
    study = _study_of(folder)
    if study.search:
        raise StudyError(f"{folder} holds a search and no grid; `twofold.open_search` opens it")
    return StudyResult(folder, study)


def open_search(path: str | Path) -> SearchResult:
    """Open the folder of a search, whole or not. Raises `StudyError` for one that is missing."""
    study = _study_of(Path(path))
    if study.search is None:
        raise StudyError(f"{path} holds a study of a grid and no search; `twofold.open_study` opens it")
    return SearchResult(Path(path), study)


def open_any(path: str | Path) -> StudyResult | SearchResult:
    """The study or the search of a folder. Raises `StudyError` for one that is missing."""
    return open_search(path) if _study_of(Path(path)).search else open_study(path)


def _study_of(folder: Path) -> Study:
    if not folder.is_dir():
        raise StudyError(f"no study folder {folder}; `twofold study` makes one")
    return read_study(folder)


def metric_name(metric: str) -> str:
    """The metric in words, as `test accuracy`."""
    return metric.replace("_r2", " R²").replace("_", " ").replace("train ", "training ")


def best_words(metric: str, best: float | None) -> str:
    """`best test accuracy 0.9850`, or nothing."""
    return "" if best is None else f"best {metric_name(metric)} {best:.4f}"
