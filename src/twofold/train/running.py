"""Train each engine of a recipe into a run folder."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from shlex import quote

import numpy as np

from twofold.data import Batches, Dataset
from twofold.data.limits import limits
from twofold.data.traits import traits
from twofold.engine import Engine
from twofold.engine.shards import Group
from twofold.engine.threads import few_threads
from twofold.errors import GroupError, RunFolderError, TrainingDivergedError, UserError
from twofold.plain import whole
from twofold.probe.kept import asked
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.overrides import Overrides
from twofold.runs import (
    COLUMNS,
    EVIDENCE,
    RECIPE,
    Beginning,
    Checkpoint,
    Circumstances,
    DataFacts,
    Failure,
    Record,
    Resumed,
    Run,
    RunWriter,
    arrays_of,
    claim_run_folder,
    create_run_folder,
    evidence_of,
    locked,
    newest,
    now,
    open_run,
    read_record,
    sealed_recipe,
    sweep,
    tidy,
)
from twofold.runs.part import Status
from twofold.runs.samples import Traits
from twofold.setup.building import prepare, training_engine
from twofold.setup.events import Noted, Watcher, watching
from twofold.setup.needed import check_memory
from twofold.setup.samples import data_again
from twofold.train.checkpointing import Flows, course_of
from twofold.train.circumstances import circumstances, differences
from twofold.train.course import Course
from twofold.train.evidence import kept_samples
from twofold.train.judging import judged
from twofold.train.proved import prove
from twofold.train.reusing import find_run
from twofold.train.session import Session, train_engine
from twofold.train.shards import followed, follows, process_group


def run(
    recipe: str | Path | Recipe,
    *,
    overrides: Overrides = (),
    data: object = None,
    engines: str | Iterable[str] | None = None,
    out: str | Path | None = None,
    checkpoint_every: int | None = None,
    reuse: bool = False,
    watcher: Watcher | None = None,
) -> Run:
    """Train each engine of the recipe on identical data, order, initial weights and masks.

    `recipe` is a built-in name, a TOML file or a `Recipe`; `overrides` sets single keys, `{"optimizer.lr": 0.1}`;
    `data` is a pair `(X, y)` of arrays, lists or data frames that takes the place of the recipe's data; `engines`
    replaces the recipe's; `out` is a new folder, by default `runs/NAME-N`; `checkpoint_every` is the number of steps
    between two checkpoints, from which `resume` goes on. With `reuse` a finished run of the same recipe, data and code,
    in `out` or else in `runs`, is taken instead of training again; `Run.reused` says so.

    Raises `RecipeError`, `UnknownNameError`, `DataError` or `RunFolderError` before anything is trained, and
    `TrainingDivergedError` at the step where the loss stops being finite; what was recorded until then stays in
    the folder, marked as failed. `KeyboardInterrupt` marks it as interrupted.
    """
    every = whole(checkpoint_every)
    if checkpoint_every is not None and (every or 0) < 1:
        raise UserError(f"`checkpoint_every` is a number of steps, at least 1; got {checkpoint_every!r}")
    if follows():
        return open_run(followed())
    recipe = load_recipe(recipe, overrides)
    if engines is not None:
        chosen = [engines] if isinstance(engines, str) else list(engines)
        recipe = load_recipe(recipe, {"training.engines": chosen})
    watch = watching(watcher)
    with process_group() as group:
        group.begin(recipe)
        recipe, dataset = prepare(recipe, watch, data)
        facts = facts_of(recipe, dataset)
        if reuse and (finished := _finished(recipe, facts.fingerprint, out, watch)):
            group.end(finished.path)
            return finished
        dataset = dataset.astype(recipe.training.dtype)
        built = _built(recipe, dataset, group)
        conditions = _circumstances(recipe, built, group)
        beginning = Beginning(data=facts, circumstances=conditions, checkpoint_every=every)
        folder = create_run_folder(out, recipe.name)
        with locked(folder):
            claim_run_folder(folder)
            writer = RunWriter(folder, recipe, beginning)
            _train(Session(recipe, dataset, writer, watch), built)
        group.end(folder)
    return open_run(folder)


def _finished(recipe: Recipe, fingerprint: str, out: str | Path | None, watch: Watcher) -> Run | None:
    """A finished run that may take the place of a new one; if one nearly may, `watch` is told why it may not."""
    match = find_run(recipe, fingerprint, out)
    if match.reason and not match.run:
        watch(Noted(match.reason))
    return match.run


def resume(run: str | Path | Run, *, data: object = None, watcher: Watcher | None = None) -> Run:
    """Go on with a run that was killed or interrupted: it ends with the bytes with which it would have ended.

    It goes on from the newest checkpoint that is whole; without one from its beginning. Engines that have ended are not
    trained again. A run that is finished already is given back as it is. `data` is the pair `(X, y)` again, if the
    run's samples were handed over in memory.

    Raises `RunFolderError` where the folder is in use, is no run's, its recipe is not the one it began with, its data
    are others now, or its training diverged; and whatever `run` raises while it trains.
    """
    if follows():
        return open_run(followed())
    folder = run.path if isinstance(run, Run) else Path(run)
    with process_group() as group:
        if not _ended(folder, read_record(folder)):
            with locked(folder):
                _go_on(folder, data, watching(watcher), group)
        group.end(folder)
    return open_run(folder)


def _go_on(folder: Path, data: object, watch: Watcher, group: Group) -> None:
    """Train what the run still lacks, with its folder locked."""
    record = read_record(folder)
    if _ended(folder, record):  # while this process came for the lock
        return
    sweep(folder)
    recipe = sealed_recipe(folder, record)
    group.begin(recipe)
    recipe, dataset = data_again(recipe, watch, data, folder, "resume")
    _check_data(folder, record, dataset.fingerprint)
    dataset = dataset.astype(recipe.training.dtype)
    built = _built(recipe, dataset, group)
    changes = list(differences(record.circumstances, _circumstances(recipe, built, group)))
    for difference in changes:
        watch(Noted(f"{folder} was begun with {difference}: its numbers may differ, if only in the last bits"))
    since, refusals = newest(folder, record.files[RECIPE])
    for line in refusals:
        watch(Noted(f"{folder}: {line}; {_where(since)}"))
    start = course_of(since.facts, arrays_of(folder, since)) if since and since.engine else None
    writer = RunWriter.again(folder, record, since)
    engine, step = (since.engine, start[0].mark.taken) if since and start else (None, 0)
    writer.resumed(Resumed(at=now(), engine=engine, step=step, differences=tuple(changes)))
    _train(Session(recipe, dataset, writer, watch), built, start)


def _train(session: Session, engines: dict[str, Engine], start: tuple[Course, Flows] | None = None) -> None:
    """Train what has not ended yet, see `_fill`; the record says how it went."""
    writer = session.writer
    resuming = f"twofold resume {quote(str(writer.folder))}"
    status: Status = "failed"
    try:
        _fill(session, engines, start)
        status = "finished"
    except KeyboardInterrupt as interrupt:
        status = "interrupted"
        interrupt.add_note(f"what was recorded until then is in {writer.folder}")
        interrupt.add_note(f"`{resuming}` goes on with it")
        raise
    except GroupError as error:
        status = "interrupted"
        raise GroupError(
            f"{error}; what was recorded until then is in {writer.folder}.\n"
            f"  `{resuming}` goes on with it, alone or with --processes N."
        ) from error
    except RunFolderError as error:
        raise RunFolderError(f"{error}\n  When that is mended, `{resuming}` goes on.") from error
    except TrainingDivergedError as error:
        writer.failed(Failure(engine=error.engine, step=error.step, message=str(error)))
        raise
    finally:
        writer.finish(status)


def _built(recipe: Recipe, dataset: Dataset, group: Group) -> dict[str, Engine]:
    """The recipe's engines; data or settings that cannot be trained with are refused first."""
    check_memory(recipe, recipe.training.engines, *(split for _, split in dataset.splits()))
    Batches(recipe, dataset.train)
    group.begin(recipe)
    return {name: training_engine(name, recipe, group) for name in recipe.training.engines}


def _circumstances(recipe: Recipe, built: dict[str, Engine], group: Group) -> Circumstances:
    """The circumstances for the record; if the recipe decides the number of threads, with that number."""
    with few_threads(recipe, 0) if recipe.training.shards else nullcontext():
        return circumstances(built, group.processes)


def _ended(folder: Path, record: Record) -> bool:
    """Whether the run is finished; then what a killed process may have left in its folder is removed.

    Raises `RunFolderError` where its training diverged.
    """
    if record.failure:
        raise RunFolderError(
            f"{folder} ended when its training diverged, and would again: there is nothing to go on with.\n"
            f"  {record.failure.message}"
        )
    if record.status != "finished":
        if record.imported:
            raise RunFolderError(f"{folder} was killed while weights were loaded into it; load them again")
        return False
    sweep(folder)
    tidy(folder)
    return True


def _check_data(folder: Path, record: Record, fingerprint: str) -> None:
    """Raises `RunFolderError` where the data are not those that the run began with."""
    before = record.data.fingerprint
    if fingerprint != before:
        raise RunFolderError(
            f"{folder} was begun with other data: their fingerprint was {before[:12]}..., now it is "
            f"{fingerprint[:12]}.... Bring the data back as they were, or run the recipe again into another folder."
        )


def _where(since: Checkpoint | None) -> str:
    if since is None:
        return "there is none before it, and the run begins anew"
    return f"the run goes on from checkpoint {since.name}"


def facts_of(recipe: Recipe, dataset: Dataset) -> DataFacts:
    """The facts of the data for the record, measured before they become numbers of the recipe's type."""
    return DataFacts(
        source=recipe.data.source,
        title=dataset.title,
        fingerprint=dataset.fingerprint,
        samples={name: len(split) for name, split in dataset.splits()},
        held_out=dataset.held_out[0],
        classes=dataset.classes,
        features=dataset.features,
        **({} if recipe.task == "classification" else {"task": recipe.task, "targets": dataset.targets}),
        **{name: value for name, value in limits(dataset)._asdict().items() if value is not None},
        bits=dataset.bits,
        traits=Traits.model_validate(traits(dataset)),
    )


def _fill(session: Session, engines: dict[str, Engine], start: tuple[Course, Flows] | None) -> None:
    """Train every engine that has not ended, the first from `start` on, and write all files but the record."""
    recipe, dataset, writer = session.recipe, session.dataset, session.writer
    if dataset.columns is not None:
        writer.write(COLUMNS, dataset.columns.text().encode())
    evidence = session.evidence
    evidence |= kept_samples(recipe, dataset)
    try:
        with few_threads(recipe, len(dataset.train)), np.errstate(all="ignore"):  # overflow is named, not warned of
            for name, engine in engines.items():
                if name in writer.record.engines:
                    evidence |= evidence_of(writer.folder, name)
                    continue
                evidence |= train_engine(name, engine, session, start)
                start = None
        writer.checkpoints.wait()
        for file, text in judged(Run(writer.folder, writer.record), dataset, evidence, session.watch):
            writer.write(file, text.encode())
    finally:  # the report of a run that ended early draws what there is
        writer.save(EVIDENCE, evidence)
    with few_threads(recipe, len(dataset.train)):
        prove(session)
    writer.save(EVIDENCE, evidence | asked(Run(writer.folder, writer.record)))
