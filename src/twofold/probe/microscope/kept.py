"""The record of a run: one batch before training and one after, for the report to look into without an engine."""

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
"""Characters of a number in base64, of four bytes."""


def record_of(run: Run, passage: Passage) -> str:
    """JSON; empty for a network whose batches would be too large. `passage` is the run's walk.

    Before training both engines hold the initial weights, where the recipe alone says what they were.
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
    """Characters of both batches at least: weights, and in each engine their gradients and what becomes of them."""
    parameters = passage.recipe.network.count or 0
    numbers = sum(trace.size for at in passage.traces.values() for trace in at.outputs.values())
    return 2 * A_NUMBER * (parameters * (1 + 2 * len(passage.traces)) + numbers)


def _begun(run: Run, passage: Passage) -> Passage | None:
    """The same batch before the first step; `None` where the initial weights stand elsewhere, or are of the data."""
    if run.record.imported is not None:
        return None
    try:
        state = initial_state(passage.recipe.model)
    except UserError:
        return None
    traces = {name: _traced(name, passage, state) for name in passage.traces}
    return replace(passage, weights="initial", parameters=state.parameters, buffers=state.buffers, traces=traces)


def _traced(name: str, passage: Passage, state: State) -> Trace:
    """With one thread, as in a walk, to the last digit."""
    with threadpool_limits(1), np.errstate(all="ignore"):
        engine = build_engine(name, passage.recipe)
        engine.load(state)
        return engine.trace(passage.batch)
