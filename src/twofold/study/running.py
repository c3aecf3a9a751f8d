"""Run a study: plan every point, claim the folder, train what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from twofold.data import load_data
from twofold.errors import StudyError, TwofoldError
from twofold.recipe import Recipe
from twofold.recipe.data import DataSpec, PublishedImages
from twofold.runs import scores_beside
from twofold.setup.events import Began, Noted, Watcher, telling, watching
from twofold.study.coordinator import Work, finish
from twofold.study.executors.choice import Workers
from twofold.study.executors.local import Local
from twofold.study.executors.seam import Executor, Train
from twofold.study.executors.work import trained
from twofold.study.files import Axes, Settings, Source, load_study
from twofold.study.folder import claim, locked, make_folder
from twofold.study.grid import Planned, groups, plan
from twofold.study.kept import Kept
from twofold.study.progress import State
from twofold.study.result import StudyResult, open_study
from twofold.study.spec import Study
from twofold.study.table import Table, grid_cells

LOCAL = Workers()


def run_study(
    source: str | Path | Recipe,
    *,
    axes: Axes = (),
    seeds: int | Sequence[int] | str | None = None,
    overrides: Settings = (),
    engine: str | None = None,
    metric: str | None = None,
    folds: int | None = None,
    out: str | Path | None = None,
    jobs: int | None = None,
    on: str = "local",
    allow_different: bool = False,
    watcher: Watcher | None = None,
) -> StudyResult:
    """Train every point of a study that its folder does not hold yet, in parallel processes.

    `source` is a built-in study or a study's file, or a recipe: a built-in name, a file or a `Recipe`. `axes` adds
    axes, `{"optimizer.lr": [0.01, 0.1]}`, or replaces one of the same field; `seeds` is a number of seeds or a list;
    `folds` makes each part of the data the test in turn; `overrides` sets single keys of the recipe at every point;
    `out` is the folder, `studies/NAME` where left out; `on` is the engine that trains: `local[:N]`, `dask[:ADDRESS]`,
    `ray[:ADDRESS]` or `slurm[:PARTITION]`; `jobs` is how many points or groups of points are trained at a time, where
    left out one for each core or worker; `allow_different` takes workers with other versions.

    The same call goes on where a study was stopped. A point that cannot be trained is kept as failed.

    Raises `StudyError` or `UnknownNameError` before anything is trained; `KeyboardInterrupt` keeps what is finished.
    """
    workers = Workers(on, jobs, allow_different)
    planned_source = load_study(
        source, axes=axes, seeds=seeds, overrides=overrides, engine=engine, metric=metric, folds=folds
    )
    return run_source(planned_source, out=out, workers=workers, watcher=watcher)


def run_source(
    source: Source,
    *,
    out: str | Path | None = None,
    watcher: Watcher | None = None,
    workers: Workers = LOCAL,
    executor: Executor | None = None,
    train: Train = trained,
) -> StudyResult:
    """Run a study that was read already, as `run_study` does.

    `executor` may take the place of the one that `workers` names, and `train` that of the engines.
    """
    watch = watching(watcher)
    if source.study.search:
        raise StudyError(f"{source.label} is a search; `twofold.run_search` runs it, or `twofold study`")
    planned = plan(source, telling(watch))
    study = _measured(source.study, planned)
    folder = make_folder(out, study.name)
    with locked(folder):
        state, table = State(study.metric), _table(folder, study, planned)
        missing = _missing(folder, study, planned, state, table, watch)
        if missing:
            planned = _prepared(planned, watch)
        try:
            with table.following(), _executor(executor, workers, missing) as trainer:
                watch(Began(state.done, len(planned)))
                demands = workers.demands(planned, study.engine) if missing else ({}, {})
                work = Work(folder, study.engine, lambda group: train, missing, _noting(watch), *demands)
                lacking = (group for group in groups(planned, study.engine) if any(p.id in missing for p in group))
                with closing(finish(lacking, work, trainer)) as new:
                    for points in new:
                        table.add(points)
                        state.tell(points, watch)
        except KeyboardInterrupt as interrupt:
            interrupt.add_note(f"{len(table):,} of {len(planned):,} points are kept in {folder}")
            raise
    return open_study(folder)


def _missing(
    folder: Path, study: Study, planned: Sequence[Planned], state: State, table: Table, watch: Watcher
) -> set[str]:
    """The names of the points that the folder lacks. Those that it holds are counted; damaged ones are noted."""

    def present(point: Kept) -> None:
        state.add(point)
        table.add([point])

    present_names, damaged = claim(folder, study, planned, present)
    for name in damaged:
        watch(Noted(f"{folder}/points/{name} is damaged: its point is run again"))
    return {point.id for point in planned} - present_names


def _noting(watch: Watcher) -> Callable[[str], None]:
    """A function that tells the watcher a sentence as a note."""
    return lambda text: watch(Noted(text))


def _table(folder: Path, study: Study, planned: Sequence[Planned]) -> Table:
    """The table of a study's results, a row a point in the grid's order."""
    order = {point.id: place for place, point in enumerate(planned)}
    axes = [axis.field for axis in study.axes]
    return Table(folder, axes, grid_cells(study.axes), order, scores_beside(study.metric))


def _measured(study: Study, planned: Sequence[Planned]) -> Study:
    """The study with R² as its metric, where none was chosen and numbers are predicted."""
    numbers = any(point.recipe.task == "regression" for point in planned)
    return (
        study.model_copy(update={"metric": "test_r2"}) if numbers and "metric" not in study.model_fields_set else study
    )


@contextmanager
def _executor(chosen: Executor | None, workers: Workers, missing: set[str]) -> Iterator[Executor]:
    """The executor while the context lasts; where nothing is missing, one that is never asked and starts nothing."""
    executor = chosen or (workers.executor() if missing else Local(1))
    try:
        yield executor
    finally:
        executor.close()


def _prepared(planned: Sequence[Planned], watch: Watcher) -> list[Planned]:
    """The points with the names of their data.

    Published images are fetched and decoded once, here, and not by every process at the same time.
    """
    titles: dict[tuple[str, str | None], str] = {}

    def title(spec: DataSpec) -> str:
        if not isinstance(spec, PublishedImages):
            return ""
        if (key := (spec.source, spec.root)) not in titles:
            titles[key] = ""
            with suppress(TwofoldError):  # the points will say so
                titles[key] = load_data(spec, telling(watch)).title
        return titles[key]

    return [replace(point, data=title(point.recipe.data)) for point in planned]
