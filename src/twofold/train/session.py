"""One engine of a run: trained from its beginning or from a checkpoint on, and what it leaves behind."""

from __future__ import annotations

from typing import Any

from twofold.arrays import Array
from twofold.data import Batches, Dataset
from twofold.engine import Engine
from twofold.recipe import Recipe
from twofold.recipe.network import recurrent_nodes
from twofold.runs import Result, RunWriter
from twofold.runs.history import HistoryRow
from twofold.setup.building import Watcher, initial_state
from twofold.train.checkpointing import Flows, arrays_of, facts_of
from twofold.train.course import Course, Validation
from twofold.train.evidence import answers, kept_answers, previewed
from twofold.train.failures import diverged
from twofold.train.gradient_flow import as_arrays, flow_batch, measure_flow
from twofold.train.loop import Keep, Moment, Outcome, train
from twofold.train.scoring import scorer, scores_of
from twofold.train.signals import Signals, as_row


def train_engine(
    name: str,
    engine: Engine,
    recipe: Recipe,
    dataset: Dataset,
    writer: RunWriter,
    watcher: Watcher,
    since: tuple[Course, Flows] | None = None,
) -> dict[str, Array]:
    """Train it, keep its weights and results; the arrays that the report will draw.

    What is measured before training is measured again where a run goes on: it is a function of the recipe.
    """
    batches = Batches(recipe, dataset.train, raw=engine.device != "cpu")
    course, flows = since or (None, Flows())
    signals = Signals(engine, recipe.network, batches, dataset.train)

    def look(step: int) -> None:
        if recurrent_nodes(recipe.network):
            flows[step] = measure_flow(engine, recipe.network, flow_batch(dataset.train, batches.size))

    def record(row: HistoryRow) -> None:
        writer.add_row(name, row._asdict())
        watcher.evaluated(row)
        if recipe.training.gradient_flow or row.step == 0:
            look(row.step)

    def closely(moment: Moment) -> None:
        writer.add_signals(name, map(as_row, signals.of(moment)))

    def checkpoint(course: Course) -> None:
        writer.checkpoint(name, facts_of(course), arrays_of(course, flows))

    _, held_out = dataset.held_out
    watcher.started(name, batches.steps)
    if course:
        watcher.stepped(course.mark.taken)
    engine.load(initial_state(recipe.model, dataset.train))
    before = answers(engine, previewed(held_out), recipe)
    every = writer.record.checkpoint_every
    outcome = train(
        engine,
        batches,
        scorer(recipe, dataset),
        record,
        watcher.stepped,
        Validation(recipe.training.keep == "best", recipe.training.patience),
        closely,
        since=course,
        keep=Keep(every, checkpoint) if every else None,
    )
    if outcome.failure:
        raise diverged(name, outcome.failure, recipe, dataset, writer.folder)
    if outcome.row.step not in flows:
        look(outcome.row.step)
    found = kept_answers(engine, before, held_out, recipe) | as_arrays(sorted(flows.items()))
    evidence = {f"{name}.{what}": array for what, array in found.items()}
    writer.engine_ended(name, engine.state().weights(), _result(outcome), evidence)
    return evidence


def _result(outcome: Outcome) -> Result:
    scores: Any = scores_of(outcome.row)
    return Result(**scores, seconds=outcome.seconds, steps=outcome.steps, kept_step=outcome.row.step)
