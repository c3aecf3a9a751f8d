"""Run a study: plan every point, claim the folder, train what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from twofold.data import load_data
from twofold.errors import StudyError, TwofoldError
from twofold.recipe import Recipe
from twofold.recipe.data import Cifar10, DataSpec, Mnist
from twofold.setup.building import Silent
from twofold.study.files import Axes, Settings, Source, load_study
from twofold.study.folder import Kept, claim, finished, locked, make_folder, read_point
from twofold.study.grid import Planned, plan
from twofold.study.pool import Train, finish, train_points
from twofold.study.result import StudyResult, best_words, open_study


class StudyWatcher(Protocol):
    """Whoever shows how far a study is."""

    def data(self, what: str, done: int, total: int) -> None:
        """Published data are being prepared, once for all processes."""
        ...

    def began(self, done: int, total: int) -> None:
        """So many points of all were there before."""
        ...

    def finished(self, done: int, words: str) -> None:
        """So many points are there now; `words` say how many failed and the best so far."""
        ...

    def note(self, text: str) -> None:
        """A damaged point, a process that died."""
        ...


class Unwatched(Silent):
    """A watcher that shows nothing."""

    def began(self, done: int, total: int) -> None:
        """Nothing."""

    def finished(self, done: int, words: str) -> None:
        """Nothing."""


def run_study(
    source: str | Path | Recipe,
    *,
    axes: Axes = (),
    seeds: int | Sequence[int] | str | None = None,
    overrides: Settings = (),
    engine: str | None = None,
    metric: str | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    watcher: StudyWatcher | None = None,
) -> StudyResult:
    """Train every point of a study that its folder does not hold yet, in parallel processes.

    `source` is a built-in study or a study's file, or a recipe: a built-in name, a file or a `Recipe`. `axes` adds
    axes, `{"optimizer.lr": [0.01, 0.1]}`, or replaces one of the same field; `seeds` is a number of seeds or a list;
    `overrides` sets single keys of the recipe at every point; `out` is the folder, `studies/NAME` where left out;
    `jobs` is how many processes train at a time, where left out one a core.

    The same call goes on where a study was stopped. A point that cannot be trained is kept as failed.

    Raises `StudyError` or `UnknownNameError` before anything is trained; `KeyboardInterrupt` keeps what is finished.
    """
    planned_source = load_study(source, axes=axes, seeds=seeds, overrides=overrides, engine=engine, metric=metric)
    return run_source(planned_source, out=out, jobs=jobs, watcher=watcher)


def run_source(
    source: Source,
    *,
    out: str | Path | None = None,
    jobs: int | None = None,
    watcher: StudyWatcher | None = None,
    train: Train = train_points,
) -> StudyResult:
    """What `run_study` does, of a study that was read; `train` may take the place of the engines."""
    if jobs is not None and jobs < 1:
        raise StudyError(f"`jobs` must be at least 1; got {jobs}")
    watcher, study, planned = watcher or Unwatched(), source.study, plan(source)
    folder = make_folder(out, study.name)
    with locked(folder):
        for name in claim(folder, study, planned):
            watcher.note(f"{folder}/points/{name} is damaged: its point is run again")
        state = _State(folder, study.metric, planned)
        missing = _prepared([point for point in planned if not finished(folder, point.id)], watcher)
        watcher.began(state.done, len(planned))
        running = finish(missing, study.engine, folder, jobs or _processors(), watcher.note, train)
        try:
            with closing(running):
                for point in running:
                    state.add(read_point(folder, point.id))
                    watcher.finished(state.done, state.words)
        except KeyboardInterrupt as interrupt:
            there = sum(finished(folder, point.id) for point in planned)
            interrupt.add_note(f"{there:,} of {len(planned):,} points are kept in {folder}")
            raise
        finally:
            result = open_study(folder)
            result.write_table()
    return result


class _State:
    """How far a study is, and how good so far."""

    def __init__(self, folder: Path, metric: str, planned: Sequence[Planned]) -> None:
        self.metric, self.done, self.failed = metric, 0, 0
        self.best: float | None = None
        for point in planned:
            if finished(folder, point.id):
                self.add(read_point(folder, point.id))

    def add(self, point: Kept | None) -> None:
        """A point more."""
        self.done += 1
        self.failed += point is None or point.status == "failed"
        score = point.scores.get(self.metric) if point else None
        if score is not None:
            better = min if self.metric.endswith("loss") else max
            self.best = score if self.best is None else better(self.best, score)

    @property
    def words(self) -> str:
        """`best test accuracy 0.9850, 2 failed`."""
        failed = f"{self.failed} failed" if self.failed else ""
        return ", ".join(part for part in (best_words(self.metric, self.best), failed) if part)


def _prepared(planned: Sequence[Planned], watcher: StudyWatcher) -> list[Planned]:
    """The points with the names of their data.

    Published images are fetched and decoded once, here, and not by every process at the same time.
    """
    titles: dict[tuple[str, str | None], str] = {}

    def title(spec: DataSpec) -> str:
        if not isinstance(spec, Mnist | Cifar10):
            return ""
        if (key := (spec.source, spec.root)) not in titles:
            titles[key] = ""
            with suppress(TwofoldError):  # the points will say so
                titles[key] = load_data(spec, watcher.data).title
        return titles[key]

    return [replace(point, data=title(point.recipe.data)) for point in planned]


def _processors() -> int:
    import joblib

    return joblib.cpu_count()
