"""The microscope's record of a run: one batch before training and after, for a report that has no engine."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from twofold.engine import State, Trace
from twofold.errors import UserError
from twofold.probe.microscope.answers import about
from twofold.probe.microscope.record import Json, batch_json
from twofold.probe.microscope.scope import under
from twofold.probe.passage import Passage
from twofold.runs import Run
from twofold.runs.evidence import MOST_OF_A_RECORD
from twofold.setup.building import build_engine, initial_state

A_NUMBER = 5.4
"""Characters of a four-byte number in base64."""


def record_of(run: Run, passage: Passage) -> str:
    """The record as JSON; empty for a network whose batches would be too large. `passage` is that of the run's walk.

    The batch before training is left out if the initial weights are not known from the recipe alone.
    """
    if _least(passage) > MOST_OF_A_RECORD:
        return ""
    steps = max((result.kept for result in run.record.engines.values()), default=0)
    batches, left = list[Json](), MOST_OF_A_RECORD
    for title, step, moment in (("Before training", 0, _begun(run, passage)), ("After training", steps, passage)):
        if moment is None:
            continue
        scope = under(moment)
        states = {engine: at.state for engine, at in scope.moments.items()}
        batch = batch_json(scope, {**about(moment, states), "title": title, "step": step}, left)
        if batch is None:
            return ""
        batches.append(batch)
        left -= len(json.dumps(batch))
    return json.dumps({"batches": batches}, allow_nan=False) if left > 0 else ""


def _least(passage: Passage) -> float:
    """A lower bound for the characters of both batches: weights, and in each engine gradients, updates and outputs."""
    parameters = passage.recipe.network.count or 0
    numbers = sum(trace.size for at in passage.traces.values() for trace in at.outputs.values())
    return 2 * A_NUMBER * (parameters * (1 + 2 * len(passage.traces)) + numbers)


def _begun(run: Run, passage: Passage) -> Passage | None:
    """The same batch before the first step; `None` if the initial weights are not known from the recipe alone."""
    if run.record.imported is not None:
        return None
    try:
        state = initial_state(passage.recipe.model)
    except UserError:
        return None
    traces = {name: _traced(name, passage, state) for name in passage.traces}
    return replace(passage, weights="initial", parameters=state.parameters, buffers=state.buffers, traces=traces)


def _traced(name: str, passage: Passage, state: State) -> Trace:
    """The trace of the passage's batch with the weights of `state`; with one thread, to the last digit as in a walk."""
    with threadpool_limits(1), np.errstate(all="ignore"):
        engine = build_engine(name, passage.recipe)
        engine.load(state)
        return engine.trace(passage.batch)
