"""Train each engine of a recipe into a run folder."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from twofold.api.building import Overrides, Silent, Watcher, build_engine, few_threads, initial_state, prepare
from twofold.api.evidence import kept_samples, mistakes, previewed
from twofold.api.failures import diverged
from twofold.api.needed import check_memory
from twofold.api.reusing import find_run
from twofold.api.scoring import evaluation, scorer
from twofold.api.versions import code, versions
from twofold.arrays import Array
from twofold.data import Batches, Dataset, Split
from twofold.engine import Engine
from twofold.errors import TrainingDivergedError
from twofold.flow import Flow, as_arrays, flow_batch, measure_flow, recurrent_nodes
from twofold.recipe import Recipe, load_recipe
from twofold.runs import EVIDENCE, SCORES, Run, RunWriter, create_run_folder, open_run
from twofold.signals import Signals, as_row
from twofold.training import Moment, Outcome, Row, Validation, predictions, train


def run(
    recipe: str | Path | Recipe,
    *,
    overrides: Overrides = (),
    engines: str | Iterable[str] | None = None,
    out: str | Path | None = None,
    reuse: bool = False,
    watcher: Watcher | None = None,
) -> Run:
    """Train each engine of the recipe on identical data, order, initial weights and masks.

    `recipe` is a built-in name, a TOML file or a `Recipe`; `overrides` sets single keys, `{"optimizer.lr": 0.1}`;
    `engines` replaces the recipe's; `out` is a new folder, `runs/NAME-N` where left out.
    With `reuse` a finished run of the same recipe, data and code, in `out` or else in `runs`, is taken instead of
    training again; `Run.reused` says so.

    Raises `RecipeError`, `UnknownNameError`, `DataError` or `RunFolderError` before anything is trained, and
    `TrainingDivergedError` at the step where the loss stops being finite; what was recorded until then stays in
    the folder, marked as failed. `KeyboardInterrupt` marks it as interrupted.
    """
    recipe = load_recipe(recipe, overrides)
    if engines is not None:
        chosen = [engines] if isinstance(engines, str) else list(engines)
        recipe = load_recipe(recipe, {"training.engines": chosen})
    watcher = watcher or Silent()
    recipe, dataset = prepare(recipe, watcher)
    check_memory(recipe, recipe.training.engines, *(split for _, split in dataset.splits()))
    fingerprint = dataset.fingerprint
    if reuse:
        found = find_run(recipe, fingerprint, out)
        if found.run:
            return found.run
        if found.reason:
            watcher.note(found.reason)
    dataset = dataset.astype(recipe.training.dtype)
    Batches(recipe, dataset.train)  # refuses what cannot be trained on before there is a folder
    built = {name: build_engine(name, recipe) for name in recipe.training.engines}
    writer = RunWriter(create_run_folder(out, recipe.name), recipe)
    writer.record |= {"data": _facts(recipe, dataset, fingerprint), "circumstances": circumstances(built)}
    status = "failed"
    try:
        evidence = kept_samples(recipe, dataset)
        try:
            with few_threads(recipe, len(dataset.train)), np.errstate(all="ignore"):  # overflow is named, not warned of
                for name, engine in built.items():
                    evidence |= _train_one(name, engine, recipe, dataset, writer, watcher)
        finally:  # the report of a run that ended early draws what there is
            writer.save(EVIDENCE, evidence)
        status = "finished"
    except KeyboardInterrupt as interrupt:
        status = "interrupted"
        interrupt.add_note(f"what was recorded until then is in {writer.folder}")
        raise
    except TrainingDivergedError as error:
        writer.record["failure"] = {"engine": error.engine, "step": error.step, "message": str(error)}
        raise
    finally:
        writer.finish(status)
    return open_run(writer.folder)


def _train_one(
    name: str, engine: Engine, recipe: Recipe, dataset: Dataset, writer: RunWriter, watcher: Watcher
) -> dict[str, Array]:
    """Train one engine, write its weights and results; the arrays that the report will draw."""
    batches = Batches(recipe, dataset.train, raw=str(getattr(engine, "device", "cpu")) != "cpu")
    how = evaluation(recipe)

    signals = Signals(engine, recipe.network, batches, dataset.train)
    flows = dict[int, dict[str, Flow]]()

    def look(step: int) -> None:
        if recurrent_nodes(recipe.network):
            flows[step] = measure_flow(engine, recipe.network, flow_batch(dataset.train, batches.size))

    def record(row: Row) -> None:
        writer.add_row(name, row._asdict())
        watcher.evaluated(row)
        if recipe.training.gradient_flow or row.step == 0:
            look(row.step)

    def closely(moment: Moment) -> None:
        writer.add_signals(name, map(as_row, signals.of(moment)))

    def answer(split: Split) -> Array:
        return np.concatenate([logits for logits, _ in predictions(engine, split, **how)])

    _, held_out = dataset.held_out
    preview = previewed(held_out)
    watcher.started(name, batches.steps)
    engine.load(initial_state(recipe))
    before = answer(preview)
    validation = Validation(recipe.training.keep == "best", recipe.training.patience)
    outcome = train(engine, batches, scorer(recipe, dataset), record, watcher.stepped, validation, closely)
    if outcome.failure:
        raise diverged(name, outcome.failure, recipe, dataset, writer.folder)
    if outcome.row.step not in flows:
        look(outcome.row.step)
    writer.save(f"{name}.safetensors", engine.state().weights())
    writer.record["engines"][name] = _result(outcome)
    outputs = answer(held_out)
    found = {"before": before, "after": answer(preview), "predicted": outputs.argmax(axis=-1)}
    found |= as_arrays(sorted(flows.items())) | mistakes(outputs, held_out, recipe)
    return {f"{name}.{what}": array for what, array in found.items()}


def _result(outcome: Outcome) -> dict[str, Any]:
    scores = {key: getattr(outcome.row, key) for key in SCORES}
    return scores | {"seconds": outcome.seconds, "steps": outcome.steps, "kept_step": outcome.row.step}


def _facts(recipe: Recipe, dataset: Dataset, fingerprint: str) -> dict[str, Any]:
    return {
        "source": recipe.data.source,
        "title": dataset.title,
        "fingerprint": fingerprint,
        "samples": {name: len(split) for name, split in dataset.splits()},
        "held_out": dataset.held_out[0],
        "classes": dataset.classes,
        "features": dataset.features,
    }


def circumstances(engines: dict[str, Engine]) -> dict[str, Any]:
    """Versions, threads and devices: what a figure was measured with."""
    from threadpoolctl import threadpool_info

    facts: dict[str, Any] = {
        "versions": versions("torch" in engines),
        "code": code(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "blas_threads": max((pool["num_threads"] for pool in threadpool_info()), default=1),
        "devices": {name: str(getattr(engine, "device", "cpu")) for name, engine in engines.items()},
    }
    if "torch" in engines:
        facts["torch_threads"] = sys.modules["torch"].get_num_threads()
    return facts
