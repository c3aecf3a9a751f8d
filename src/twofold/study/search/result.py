"""The folder of a search, opened: its trials as a table and ranked, the winner and its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.errors import StudyError
from twofold.runs import SCORES
from twofold.study.folder import REPORT, RESULTS
from twofold.study.kept import Kept, point_files, read_point
from twofold.study.search.folder import BEST, Found, read_found
from twofold.study.search.space import names
from twofold.study.search.spec import Search
from twofold.study.spec import Study
from twofold.study.table import LAST, cell

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The folder of a search, opened."""

    path: Path
    study: Study

    @property
    def search(self) -> Search:
        """What was searched."""
        if self.study.search is None:
            raise StudyError(f"{self.path} holds a study of a grid and no search")
        return self.study.search

    @cached_property
    def points(self) -> tuple[Kept, ...]:
        """The trials in their order, and after them the leaders' other seeds."""
        first = self.study.seeds[0]
        points = [point for path in point_files(self.path) if (point := read_point(path))]
        return tuple(sorted(points, key=lambda point: (point.seed != first, point.trial or 0, point.seed)))

    @property
    def trials(self) -> tuple[Kept, ...]:
        """The trials, each with the first seed of the study."""
        return tuple(point for point in self.points if point.seed == self.study.seeds[0])

    @cached_property
    def found(self) -> Found | None:
        """What was found; `None` while the search has not ended."""
        return read_found(self.path)

    @property
    def total(self) -> int:
        """Trials that are proposed in all."""
        return self.search.most

    @property
    def failed(self) -> int:
        """Trials that could not be trained."""
        return sum(point.status == "failed" for point in self.trials)

    @property
    def best(self) -> Path:
        """The best recipe as a file: `twofold run` trains it."""
        return self.path / BEST

    @property
    def report(self) -> Path:
        """Where the report is, or would be."""
        return self.path / REPORT

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each point: its trial, the value of every parameter, seed, status and scores."""
        import pandas as pd

        columns = names(self.search)
        rows = [
            {
                "trial": point.trial,
                **dict(zip(columns, map(cell, point.values), strict=True)),
                "seed": point.seed,
                "status": point.status,
                **{name: point.scores.get(name) for name in SCORES},
                **{name: getattr(point, name) for name in LAST},
            }
            for point in self.points
        ]
        return pd.DataFrame(rows, columns=["trial", *columns, "seed", "status", *SCORES, *LAST])

    def score(self, point: Kept) -> float | None:
        """The metric of a point that was trained to its end; `None` for any other."""
        return point.scores.get(self.search.metric) if point.status == "ok" else None

    def ranked(self) -> list[Kept]:
        """The trials that were trained to their end, the best first."""
        scored = [(score, point) for point in self.trials if (score := self.score(point)) is not None]
        sign = -1 if self.search.maximizes else 1
        return [point for _, point in sorted(scored, key=lambda pair: (sign * pair[0], pair[1].trial))]

    def values(self, point: Kept) -> dict[str, object]:
        """The parameters of a trial, without those of layers that it does not have."""
        pairs = zip(names(self.search), point.values, strict=True)
        return {name: value for name, value in pairs if value is not None}

    def to_json(self) -> dict[str, object]:
        """What `twofold study --json` prints."""
        ranked, outcome = self.ranked(), self.found
        return {
            "study": str(self.path),
            "title": self.study.heading,
            "engine": self.study.engine,
            "metric": self.search.metric,
            "trials": self.total,
            "finished": len(ranked),
            "pruned": sum(point.status == "pruned" for point in self.trials),
            "failed": self.failed,
            "winner": None if outcome is None else outcome.winner,
            "test": {} if outcome is None else outcome.test,
            "importance": {} if outcome is None else outcome.importance,
            "best": [
                {"trial": point.trial, "values": self.values(point), self.search.metric: self.score(point)}
                for point in ranked[:10]
            ],
            "recipe": str(self.best),
            "table": str(self.path / RESULTS),
            "report": str(self.report),
        }

    def __repr__(self) -> str:
        return f"<SearchResult {self.path}: {len(self.trials)} of {self.total} trials, {self.failed} failed>"
