"""Train a network on arrays by the loop that every training goes through, without a run folder."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data import Batches, Dataset, Split
from twofold.data.checking import checked
from twofold.data.splits import hold_out, hold_out_numbers
from twofold.engine import Engine, Scaling, State
from twofold.errors import TrainingDivergedError
from twofold.numpy_engine import reported_loss
from twofold.recipe import Recipe
from twofold.setup.building import initial_state, training_engine, with_class_weights
from twofold.setup.codes import check_codes, row_rule
from twofold.setup.events import Evaluated, Progressed
from twofold.setup.needed import evaluation_batch
from twofold.train.course import validation_of
from twofold.train.events import Ended, Failed, Outcome
from twofold.train.loop import Evaluate, Plan, Score, evaluate, training


class Prepared(NamedTuple):
    """A recipe, and the samples on which it is trained."""

    recipe: Recipe
    dataset: Dataset


@dataclass(frozen=True)
class Fitted:
    """The trained engine, and the losses of its training."""

    engine: Engine
    losses: tuple[float, ...]
    """The mean loss of the steps of each epoch."""
    validation: tuple[float, ...]
    """The loss on the samples held out after each epoch; empty where none are."""
    steps: int
    """Steps that were taken."""


def prepared(
    recipe: Recipe, x: Array, y: Array, weight: Array | None = None, scaling: Scaling | None = None
) -> Prepared:
    """The samples as the recipe trains on them; some are held out where its data have a `validation` share.

    `x` is (samples, features), `y` as the engines take it. Numbers to predict are scaled by `scaling`, where there is
    one from an earlier fit, else to mean 0 and standard deviation 1. Raises `DataError`.
    """
    data, shaped = recipe.data, x.reshape(len(x), *(size or 0 for size in recipe.data.sample_shape))
    classes: tuple[str, ...] = getattr(data, "names", None) or ()
    if not data.validation:  # a part of the samples, for one, need not hold every class
        whole = Split(shaped, y, weight=weight)
        dataset = Dataset(whole, whole[:0], whole[:0], classes, targets=data.targets)
    elif recipe.task == "classification":
        dataset = hold_out(shaped, y, classes, data, 0.0, weight)
    else:
        dataset = hold_out_numbers(shaped, y, data.targets, data, 0.0, weight)
    dataset = checked(replace(dataset, features=getattr(data, "features", None) or ()), "X")
    check_codes(recipe, dataset)
    if recipe.task == "regression":
        dataset = dataset.with_scaled_targets(scaling)
    return Prepared(with_class_weights(recipe, dataset), dataset.astype(recipe.training.dtype))


def fitted(samples: Prepared, engine_name: str, since: State | None = None) -> Fitted:
    """Train the recipe from its beginning, or from a state on.

    Raises `TrainingDivergedError` where the loss stops being finite.
    """
    recipe, dataset = samples
    engine = training_engine(engine_name, recipe)
    engine.load(initial_state(recipe.model, dataset.train) if since is None else since)
    batches = Batches(recipe, dataset.train)
    course = _Course(batches, len(dataset.train))
    plan = Plan(_scorer(recipe, dataset, course), validation_of(recipe), watch_seconds=math.inf)
    outcome = course.followed(training(engine, batches, plan))
    if failure := outcome.failure:
        raise TrainingDivergedError(
            f"the loss became {failure.loss} at step {failure.step}; lower `lr`, or scale the features, with "
            "StandardScaler for instance.",
            engine=engine_name,
            step=failure.step,
        )
    return Fitted(engine, tuple(course.losses), tuple(course.validation), outcome.steps)


class _Course:
    """The losses of a training, epoch by epoch."""

    def __init__(self, batches: Batches, samples: int) -> None:
        self.losses: list[float] = []
        self.validation: list[float] = []
        self._batches = batches
        last = samples - (batches.steps_per_epoch - 1) * batches.size
        self._sizes = [batches.size] * (batches.steps_per_epoch - 1) + [last]
        self._sum, self._count = 0.0, 0

    def followed(self, events: Iterator[object]) -> Outcome:
        """Take a training to its end and keep its losses; returns its outcome."""
        for event in events:
            match event:
                case Progressed(step, losses=losses):
                    for place, loss in enumerate(losses, step - len(losses) + 1):
                        self._add(place, loss)
                case Evaluated(row):
                    if row.step and row.validation_loss is not None:
                        self.validation.append(row.validation_loss)
                case Ended(outcome) | Failed(outcome):
                    return outcome
        raise AssertionError("a training ends with an outcome")

    def _add(self, step: int, loss: float) -> None:
        place = (step - 1) % len(self._sizes)
        self._sum += loss * self._sizes[place]
        self._count += self._sizes[place]
        if place == len(self._sizes) - 1 or step == self._batches.steps:
            self.losses.append(self._sum / self._count)
            self._sum, self._count = 0.0, 0


def _scorer(recipe: Recipe, dataset: Dataset, course: _Course) -> Evaluate:
    """What an evaluation measures: the loss on the samples held out.

    For the training loss stands the mean over the last epoch's steps, which costs nothing.
    """
    loss, task, size = reported_loss(recipe.loss), recipe.task, evaluation_batch(recipe.network)

    def score(engine: Engine) -> dict[str, Score]:
        scores = {"train": Score(course.losses[-1] if course.losses else 0.0, None)}
        if len(dataset.validation):
            scores["validation"] = evaluate(engine, dataset.validation, loss, task=task, batch=size)
        return scores

    return score


def outputs_of(engine: Engine, recipe: Recipe, x: Array) -> Array:
    """The outputs of the last layer, (samples, outputs), computed batch by batch.

    Raises `ValueError` where columns that are looked up in an embedding hold no such numbers.
    """
    shaped = x.reshape(len(x), *(size or 0 for size in recipe.data.sample_shape)).astype(recipe.training.dtype)
    if rule := row_rule(recipe, shaped, "X holds"):
        raise ValueError(f"{rule}.")
    size = evaluation_batch(recipe.network)
    with np.errstate(all="ignore"):
        parts = [engine.predict(shaped[start : start + size]) for start in range(0, len(shaped), size)]
    return np.concatenate(parts).astype(np.float64)
