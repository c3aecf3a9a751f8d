"""Training one engine of a run, from the beginning or from a checkpoint, and keeping what it leaves behind."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from twofold.arrays import Array, Arrays
from twofold.data import Batches, Dataset
from twofold.engine import Engine
from twofold.plain import Parsed
from twofold.recipe import Recipe
from twofold.recipe.network import recurrent_nodes
from twofold.runs import Result, RunWriter
from twofold.setup.building import initial_state
from twofold.setup.events import Evaluated, Progressed, Started, Watcher
from twofold.train.checkpointing import Flows, arrays_of, facts_of
from twofold.train.course import Course, validation_of
from twofold.train.events import CheckpointDue, Event, LookedClosely, Outcome
from twofold.train.evidence import answers, kept_answers, previewed
from twofold.train.failures import diverged
from twofold.train.gradient_flow import as_arrays, flow_batch, measure_flow
from twofold.train.loop import Plan, train
from twofold.train.scoring import scorer, scores_of
from twofold.train.signals import Signals, as_row


@dataclass(frozen=True)
class Session:
    """Everything that the engines of a run share while they are trained."""

    recipe: Recipe
    dataset: Dataset
    writer: RunWriter
    watch: Watcher
    evidence: dict[str, Array] = field(default_factory=dict)
    """The arrays gathered so far for the report; of an engine that diverged, the gradient flow before."""


def train_engine(
    name: str, engine: Engine, session: Session, since: tuple[Course, Flows] | None = None
) -> dict[str, Array]:
    """Train one engine, keep its weights and results, and return the arrays that the report will draw.

    What is measured before training is measured again where a run goes on: it is a function of the recipe.

    Raises `TrainingDivergedError` where the loss stops being finite.
    """
    recipe, dataset, writer = session.recipe, session.dataset, session.writer
    batches = Batches(recipe, dataset.train, raw=engine.device != "cpu")
    course, flows = since or (None, Flows())
    keeper = _Keeper(name, engine, session, batches, flows)
    _, held_out = dataset.held_out
    session.watch(Started(name, batches.steps, math.ceil(batches.steps / batches.evaluate_every)))
    if course:
        session.watch(Progressed(course.mark.taken))
    engine.load(initial_state(recipe.model, dataset.train))
    before = answers(engine, previewed(held_out), recipe)
    plan = Plan(
        scorer(recipe, dataset),
        validation_of(recipe),
        look_closely=True,
        checkpoint_every=writer.record.checkpoint_every,
        since=course,
    )
    outcome = train(engine, batches, plan, keeper.take)
    if outcome.failure:
        session.evidence.update(_prefixed(name, as_arrays(sorted(flows.items()))))
        raise diverged(name, outcome.failure, recipe, dataset, writer.folder)
    if outcome.row.step not in flows:
        keeper.measure_gradient_flow(outcome.row.step)
    measured = kept_answers(engine, before, held_out, recipe, dataset.target_scaling) | as_arrays(sorted(flows.items()))
    evidence = _prefixed(name, measured)
    writer.engine_ended(name, engine.state().weights(), _result(outcome), evidence)
    return evidence


def _prefixed(engine: str, arrays: Arrays) -> dict[str, Array]:
    return {f"{engine}.{what}": array for what, array in arrays.items()}


@final
class _Keeper:
    """Writes the events of one engine's training into the run folder, and passes them on to the watcher."""

    def __init__(self, name: str, engine: Engine, session: Session, batches: Batches, flows: Flows) -> None:
        self.name, self.engine, self.session, self.flows = name, engine, session, flows
        network, train = session.recipe.network, session.dataset.train
        self._signals = Signals(engine, network, batches, train)
        self._flow_batch = flow_batch(train, batches.size) if recurrent_nodes(network) else None

    def take(self, event: Event) -> None:
        """One event of the training."""
        writer = self.session.writer
        match event:
            case Evaluated(row):
                writer.add_row(self.name, row._asdict())
            case LookedClosely(moment):
                writer.add_signals(self.name, map(as_row, self._signals.of(moment)))
            case CheckpointDue(course):
                writer.checkpoint(self.name, facts_of(course), arrays_of(course, self.flows))
        self.session.watch(event)
        if isinstance(event, Evaluated) and (self.session.recipe.training.gradient_flow or event.row.step == 0):
            self.measure_gradient_flow(event.row.step)

    def measure_gradient_flow(self, step: int) -> None:
        """Measure the gradient flow through recurrent layers now and keep it under `step`, if there are any."""
        if self._flow_batch:
            self.flows[step] = measure_flow(self.engine, self.session.recipe.network, self._flow_batch)


def _result(outcome: Outcome) -> Result:
    scores: Parsed = scores_of(outcome.row)
    return Result(**scores, seconds=outcome.seconds, steps=outcome.steps, kept_step=outcome.row.step)
