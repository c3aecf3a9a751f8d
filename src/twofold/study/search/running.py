"""Run a search: propose, train, tell; then the leaders' other seeds, and the winner's test."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from twofold.errors import StudyError, UserError
from twofold.recipe import Recipe
from twofold.setup.events import Began, Noted, Watcher, watching
from twofold.study.coordinator import Work, finish
from twofold.study.executors.choice import Workers
from twofold.study.executors.prints import absolute
from twofold.study.executors.seam import Executor, Lost, Task, Train
from twofold.study.executors.work import searched, trained
from twofold.study.files import Settings, Source, load_study
from twofold.study.folder import locked, make_folder
from twofold.study.grid import Planned, base_recipe
from twofold.study.kept import Kept, kept
from twofold.study.measured import of_another_task, without_samples
from twofold.study.progress import State
from twofold.study.search.feed import Feed
from twofold.study.search.folder import Found, claim, write_found
from twofold.study.search.proposals import Proposals
from twofold.study.search.result import SearchResult
from twofold.study.search.space import extremes, middle, recipe_of, text_of
from twofold.study.spec import Study
from twofold.study.table import Table, cell

LOCAL = Workers()


def run_search(
    source: str | Path,
    *,
    seeds: int | Sequence[int] | str | None = None,
    overrides: Settings = (),
    engine: str | None = None,
    out: str | Path | None = None,
    workers: Workers = LOCAL,
    watcher: Watcher | None = None,
) -> SearchResult:
    """Search over the keys of a recipe: a study's file with a table `search`, see docs/studies.md.

    The first of the seeds is that of every trial; the best trials are repeated with the others. The same call goes on
    where a search was stopped, and proposes what it would have proposed.

    Raises `StudyError` before anything is trained, and `MissingExtraError` without Optuna.
    """
    read = load_study(source, seeds=seeds, overrides=overrides, engine=engine)
    return search_source(read, out=out, workers=workers, watcher=watcher)


def search_source(
    source: Source,
    *,
    out: str | Path | None = None,
    workers: Workers = LOCAL,
    executor: Executor | None = None,
    watcher: Watcher | None = None,
) -> SearchResult:
    """Run a search that was read already, as `run_search` does; `executor` may take the place of that of `workers`."""
    study = source.study
    if study.search is None:
        raise StudyError(f"{source.label} has no table `search`; `twofold.run_study` runs a grid")
    base, proposals = checked_base(source), Proposals(study.search)
    folder = make_folder(out, study.name)
    with locked(folder):
        feed = Feed(study, base, proposals, claim(folder, study, base))
        _run(feed, proposals, folder, workers, executor, watching(watcher))
    return SearchResult(folder, study)


def _run(
    feed: Feed,
    proposals: Proposals,
    folder: Path,
    workers: Workers,
    executor: Executor | None,
    watch: Watcher,
) -> None:
    """Train the points of a search, write its table, and at the end what was found."""
    study, known = feed.study, feed.known
    columns = ["trial", *feed.columns]
    table = Table(folder, columns, lambda point: [point.trial, *map(cell, point.values)], feed.order)
    state = State(feed.search.metric)
    for point in known.values():
        state.add(point)
    demands = workers.demands([Planned("", (), 0, feed.base)], study.engine)
    work = Work(folder, study.engine, partial(_train, feed), _Missing(known), lambda text: watch(Noted(text)), *demands)
    try:
        with table.following(), closing(executor or workers.executor()) as trainer:
            watch(Began(state.done, feed.total))
            with closing(finish(feed, work, trainer)) as batches:
                for points in batches:
                    known.update({point.id: point for point in points})
                    table.add(points)
                    state.tell(points, watch)
            table.add(known[name] for name in feed.order if name in known)
            winner = feed.winner()
            tested = _tested(winner, work, trainer) if winner else None
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(f"{state.done:,} of at most {feed.total:,} points are kept in {folder}")
        raise
    write_found(folder, _found(feed, proposals, winner, tested), _best(study, winner))


def checked_base(source: Source) -> Recipe:
    """The recipe of a search with what `set` says.

    Raises `StudyError` where it lacks what the metric is measured on, or where a value within the search's ranges makes
    no recipe of it.
    """
    study = source.study
    assert study.search is not None
    search = study.search
    base = base_recipe(source)
    _check_measured(source, search.metric, base)
    for values in (middle(search), *extremes(search)):
        try:
            recipe = recipe_of(base, search, values)
        except UserError as error:
            raise StudyError(f"the search makes no recipe at {text_of(values)}:\n{error}") from None
        _check_measured(source, search.metric, recipe)
    return base


def _check_measured(source: Source, metric: str, recipe: Recipe) -> None:
    """Raises `StudyError` where no trial with this recipe would have the score that is searched for."""
    fault = partial(source.fault, ("search", "metric"))
    if rule := of_another_task(metric, recipe):
        remedy = f'Choose metric = "{metric.partition("_")[0]}_loss"; a search is judged by no R².'
        raise StudyError(str(fault(rule, remedy)))
    if rule := without_samples(metric, recipe):
        remedy = 'Set data.validation, as in [set] "data.validation" = 0.2, or take a metric of the training set.'
        raise StudyError(str(fault(rule, remedy)))


class _Missing(set[str]):
    """The points that have no file: all but those that are known."""

    def __init__(self, known: dict[str, Kept]) -> None:
        super().__init__()
        self._known = known

    def __contains__(self, name: object) -> bool:
        return name not in self._known


def _train(feed: Feed, group: Sequence[Planned]) -> Train:
    """The function that trains a point: it may stop a trial early, never a leader's other seeds."""
    return partial(searched, stops=feed.stops.get(group[0].id))


def _tested(winner: Planned, work: Work, executor: Executor) -> Kept | None:
    """The winner trained once more, with the test set beside: the same weights, and their test scores."""
    task = Task((winner.id,), (absolute(winner.recipe),), work.engine, trained, work.expected, work.data)
    for _ in range(2):
        with closing(executor.results(iter([task]), alone=True)) as batches:
            answers = [result[1] for batch in batches for result in batch if not isinstance(result, Lost)]
        for answer in answers:
            if answer.refusal:
                raise StudyError(answer.refusal)
            (attempt,) = answer.trained
            if attempt.point and not attempt.failure:
                return kept(winner, work.engine, attempt.point, {})
            work.note(f"the winner could not be tested: {attempt.failure}; the same command tries again")
            return None
    work.note("the winner could not be tested: its worker process died; the same command tries again")
    return None


def _found(feed: Feed, proposals: Proposals, winner: Planned | None, tested: Kept | None) -> Found:
    test = {name: value for name, value in (tested.scores if tested else {}).items() if name.startswith("test")}
    return Found(
        optuna=proposals.version,
        winner=winner.trial if winner else None,
        id=winner.id if winner else "",
        leaders=[leader.trial or 0 for leader in feed.leaders()],
        test=test,
        importance=proposals.importance(),
    )


def _best(study: Study, winner: Planned | None) -> Recipe | None:
    if winner is None:
        return None
    return winner.recipe.model_copy(
        update={"title": f"The best of the search {study.name}", "name": f"{study.name}-best"}
    )
