"""The message about a loss that stopped being finite: where, what came before, what to try."""

from __future__ import annotations

import math
import time
from itertools import islice
from pathlib import Path
from shlex import quote

import numpy as np

from twofold.data import Batches, Dataset
from twofold.errors import TrainingDivergedError
from twofold.numpy_engine import reported_loss
from twofold.recipe import Network, Recipe, load_recipe
from twofold.setup.building import initial_state, training_engine
from twofold.setup.needed import evaluation_batch
from twofold.train.loop import Failure, evaluate

TRIAL_STEPS = (50, 500)
"""The least and the most steps by which a smaller learning rate is tried."""
TRIAL_SECONDS = 30.0
"""No further rate is tried after so long."""


def diverged(name: str, failure: Failure, recipe: Recipe, dataset: Dataset, folder: Path) -> TrainingDivergedError:
    """The exception for a loss that stopped being finite, with everything that is known in its message."""
    message = (
        f"{name} engine: {_what(failure)} (epoch {failure.epoch}), with learning rate {failure.lr:g}.\n"
        f"  First non-finite value: {_where(failure, recipe.network)}.\n"
        f"  Largest gradient before it: {_before(failure)}.\n"
        f"  {_suggestion(name, failure, recipe, dataset)}\n"
        f"  What was recorded until then is in {folder}, marked as failed; "
        f"`twofold report {quote(str(folder))}` draws it."
    )
    return TrainingDivergedError(message, engine=name, step=failure.step)


def _what(failure: Failure) -> str:
    if failure.split:
        return f"the loss of the {failure.split} set was {failure.loss} after step {failure.step}"
    return f"the loss became {failure.loss} at step {failure.step}"


def _where(failure: Failure, network: Network) -> str:
    if failure.layer is None:
        return (
            f"the loss of the {failure.split} set"
            if failure.split
            else "the loss itself; every layer's output is finite"
        )
    kinds = {node.name: node.kind for node in network.nodes}
    return f"the output of layer {failure.layer} ({kinds[failure.layer]})"


def _before(failure: Failure) -> str:
    if failure.gradient is None:
        return "none, this was before the first update"
    parameter, size = failure.gradient
    return f"{parameter}, with an element of size {size:.3g}"


def _suggestion(name: str, failure: Failure, recipe: Recipe, dataset: Dataset) -> str:
    """A sentence with the largest of some smaller rates that, when tried, lowers the loss over the same first steps."""
    if failure.step == 0:
        return "Nothing was trained yet: look at the scale of the data (data.standardize) and of the initial weights."
    steps = min(max(failure.step + 1, TRIAL_STEPS[0]), TRIAL_STEPS[1])
    rate_taken, usual = recipe.optimizer.lr, type(recipe.optimizer)().lr
    rates = {rate_taken / 10**power for power in range(1, 5)} | {usual / 10**power for power in range(4)}
    started = time.monotonic()
    for lr in sorted((float(f"{rate:.3g}") for rate in rates if rate < rate_taken), reverse=True):
        if time.monotonic() - started > TRIAL_SECONDS:
            return f"Try a smaller learning rate: --set optimizer.lr={lr:g}, to which the trials here did not come."
        if _learns(name, load_recipe(recipe, {"optimizer.lr": lr}), dataset, steps):
            return f"Try --set optimizer.lr={lr:g}: with it the loss fell over the first {steps} steps."
    return "No smaller learning rate was found to help: look at the scale of the data (data.standardize)."


def _learns(name: str, recipe: Recipe, dataset: Dataset, steps: int) -> bool:
    """Whether the loss on the first batches is finite and lower after `steps` steps than before."""
    engine, batches = training_engine(name, recipe), Batches(recipe, dataset.train)
    sample = dataset.train[: batches.size]
    loss, size = reported_loss(recipe.loss), evaluation_batch(recipe.network)
    engine.load(initial_state(recipe.model, dataset.train))
    with np.errstate(all="ignore"):
        before = evaluate(engine, sample, loss, task=recipe.task, batch=size).loss
        for batch in islice(batches, steps):
            engine.step(batch)
        after = evaluate(engine, sample, loss, task=recipe.task, batch=size).loss
    return math.isfinite(after) and after < before
