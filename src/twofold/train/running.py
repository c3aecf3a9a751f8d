"""Train each engine of a recipe into a run folder."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from twofold.data import Batches, Dataset
from twofold.data.limits import limits
from twofold.engine import Engine
from twofold.engine.threads import few_threads
from twofold.engines import ENGINES, TITLES
from twofold.errors import RunFolderError, TrainingDivergedError, UserError
from twofold.probe.kept import asked
from twofold.recipe import Recipe, load_recipe
from twofold.runs import (
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
from twofold.runs.record import Status
from twofold.setup.building import Overrides, prepare, training_engine
from twofold.setup.events import Noted, Watcher, watching
from twofold.setup.needed import check_memory
from twofold.setup.samples import data_again
from twofold.setup.versions import LIBRARIES, code, versions
from twofold.train.checkpointing import Flows, course_of
from twofold.train.course import Course
from twofold.train.evidence import kept_samples
from twofold.train.reusing import find_run
from twofold.train.session import Session, train_engine


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
    replaces the recipe's; `out` is a new folder, `runs/NAME-N` where left out; `checkpoint_every` is a number of steps:
    after so many each time a checkpoint is written, from which `resume` goes on.
    With `reuse` a finished run of the same recipe, data and code, in `out` or else in `runs`, is taken instead of
    training again; `Run.reused` says so.

    Raises `RecipeError`, `UnknownNameError`, `DataError` or `RunFolderError` before anything is trained, and
    `TrainingDivergedError` at the step where the loss stops being finite; what was recorded until then stays in
    the folder, marked as failed. `KeyboardInterrupt` marks it as interrupted.
    """
    if checkpoint_every is not None and checkpoint_every < 1:
        raise UserError(f"`checkpoint_every` is a number of steps, at least 1; got {checkpoint_every}")
    recipe = load_recipe(recipe, overrides)
    if engines is not None:
        chosen = [engines] if isinstance(engines, str) else list(engines)
        recipe = load_recipe(recipe, {"training.engines": chosen})
    watch = watching(watcher)
    recipe, dataset = prepare(recipe, watch, data)
    facts = facts_of(recipe, dataset)
    dataset = dataset.astype(recipe.training.dtype)
    if reuse:
        match = find_run(recipe, facts.fingerprint, out)
        if match.run:
            return match.run
        if match.reason:
            watch(Noted(match.reason))
    built = _built(recipe, dataset)
    beginning = Beginning(data=facts, circumstances=circumstances(built), checkpoint_every=checkpoint_every)
    folder = create_run_folder(out, recipe.name)
    with locked(folder):
        claim_run_folder(folder)
        writer = RunWriter(folder, recipe, beginning)
        _train(Session(recipe, dataset, writer, watch), built)
    return open_run(folder)


def resume(run: str | Path | Run, *, data: object = None, watcher: Watcher | None = None) -> Run:
    """Go on with a run that was killed or interrupted: it ends with the bytes with which it would have ended.

    It goes on from the newest checkpoint that is whole; without one from its beginning. Engines that have ended are not
    trained again. A run that is finished already is given back as it is. `data` is the pair `(X, y)` again, of a run
    to which its samples were handed over in memory.

    Raises `RunFolderError` where the folder is in use, is no run's, its recipe is not the one it began with, its data
    are others now, or its training diverged; and whatever `run` raises while it trains.
    """
    folder = run.path if isinstance(run, Run) else Path(run)
    watch = watching(watcher)
    if _ended(folder, read_record(folder)):
        return open_run(folder)
    with locked(folder):
        record = read_record(folder)
        if _ended(folder, record):  # while this process came for the lock
            return open_run(folder)
        sweep(folder)
        recipe = sealed_recipe(folder, record)
        recipe, dataset = data_again(recipe, watch, data, folder, "resume")
        _check_data(folder, record, dataset.fingerprint)
        dataset = dataset.astype(recipe.training.dtype)
        built = _built(recipe, dataset)
        differences = list(_differences(record.circumstances, circumstances(built)))
        for difference in differences:
            watch(Noted(f"{folder} was begun with {difference}: the last bits of its numbers may differ"))
        since, refusals = newest(folder, record.files[RECIPE])
        for line in refusals:
            watch(Noted(f"{folder}: {line}; {_where(since)}"))
        start = course_of(since.facts, arrays_of(folder, since)) if since and since.engine else None
        writer = RunWriter.again(folder, record, since)
        engine, step = (since.engine, start[0].mark.taken) if since and start else (None, 0)
        writer.resumed(Resumed(at=now(), engine=engine, step=step, differences=tuple(differences)))
        _train(Session(recipe, dataset, writer, watch), built, start)
    return open_run(folder)


def _train(session: Session, engines: dict[str, Engine], start: tuple[Course, Flows] | None = None) -> None:
    """Each engine that has not ended yet, the first of them from `start` on; the record says how it went."""
    recipe, dataset, writer = session.recipe, session.dataset, session.writer
    status: Status = "failed"
    try:
        evidence = kept_samples(recipe, dataset)
        try:
            with few_threads(recipe, len(dataset.train)), np.errstate(all="ignore"):  # overflow is named, not warned of
                for name, engine in engines.items():
                    if name in writer.record.engines:
                        evidence |= evidence_of(writer.folder, name)
                        continue
                    evidence |= train_engine(name, engine, session, start)
                    start = None
            writer.checkpoints.wait()
        finally:  # the report of a run that ended early draws what there is
            writer.save(EVIDENCE, evidence)
        writer.save(EVIDENCE, evidence | asked(Run(writer.folder, writer.record)))
        status = "finished"
    except KeyboardInterrupt as interrupt:
        status = "interrupted"
        interrupt.add_note(f"what was recorded until then is in {writer.folder}")
        interrupt.add_note(f"`twofold resume {writer.folder}` goes on with it")
        raise
    except RunFolderError as error:
        raise RunFolderError(f"{error}\n  When that is mended, `twofold resume {writer.folder}` goes on.") from error
    except TrainingDivergedError as error:
        writer.failed(Failure(engine=error.engine, step=error.step, message=str(error)))
        raise
    finally:
        writer.finish(status)


def _built(recipe: Recipe, dataset: Dataset) -> dict[str, Engine]:
    """Its engines, after whatever cannot be trained on is refused."""
    check_memory(recipe, recipe.training.engines, *(split for _, split in dataset.splits()))
    Batches(recipe, dataset.train)
    return {name: training_engine(name, recipe) for name in recipe.training.engines}


def _ended(folder: Path, record: Record) -> bool:
    """Whether the run is finished; what a process left that was killed right after is swept away.

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


def _differences(then: Circumstances, today: Circumstances) -> Iterator[str]:
    """The circumstances that numbers depend on and that are others now, one phrase each."""
    after = _deciding(today)
    for key, value in _deciding(then).items():
        if after.get(key) != value:
            yield f"{key} {value}, now {after.get(key)}"


def _deciding(circumstances: Circumstances) -> dict[str, Any]:
    """What numbers depend on beside the recipe, by a name for people."""
    values: dict[str, Any] = dict(circumstances.versions)
    values |= {f"device of the {name} engine": device for name, device in circumstances.devices.items()}
    values["threads of BLAS"] = circumstances.blas_threads
    if circumstances.blas_kernel is not None:
        values["kernel of BLAS"] = circumstances.blas_kernel
    if circumstances.torch_capability is not None:
        values["instructions of PyTorch"] = circumstances.torch_capability
    for name, title in TITLES.items():
        for what in ("threads", "arithmetic"):
            if (value := getattr(circumstances, f"{name}_{what}", None)) is not None:
                values[f"{what} of {title}"] = value
    return values


def _where(since: Checkpoint | None) -> str:
    if since is None:
        return "there is none before it, and the run begins anew"
    return f"the run goes on from checkpoint {since.name}"


def facts_of(recipe: Recipe, dataset: Dataset) -> DataFacts:
    """What the record says of the data, as they are before they become numbers of the recipe's type."""
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
    )


def _kernel(pools: list[dict[str, Any]]) -> str:
    """The library of NumPy's matrix products and the kind of processor that it computes for."""
    blas = sorted(
        {
            f"{pool['internal_api']} {pool.get('architecture', '')}".strip()
            for pool in pools
            if pool["user_api"] == "blas"
        }
    )
    return ", ".join(blas)


def circumstances(engines: dict[str, Engine]) -> Circumstances:
    """Versions, threads and devices: what a figure was measured with."""
    from threadpoolctl import threadpool_info

    facts: dict[str, Any] = {
        "versions": versions(*engines),
        "code": code(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "blas_threads": max((pool["num_threads"] for pool in threadpool_info()), default=1),
        "blas_kernel": _kernel(threadpool_info()),
        "devices": {name: engine.device for name, engine in engines.items()},
    }
    if "torch" in engines and "torch" in sys.modules:
        facts["torch_capability"] = str(sys.modules["torch"].backends.cpu.get_cpu_capability())
    for name, engine in engines.items():
        if ENGINES[name].library not in LIBRARIES:  # NumPy's threads are those of BLAS, its arithmetic is the recipe's
            facts |= {f"{name}_threads": engine.threads, f"{name}_arithmetic": engine.arithmetic}
    return Circumstances(**facts)
