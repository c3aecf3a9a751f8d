"""The training loop. It takes an engine and never builds one, and its outcome is a value."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays, all_finite
from twofold.data import Batches, Dataset, Split, Views
from twofold.engine import Engine, Step
from twofold.runs.history import HistoryRow
from twofold.setup.needed import EVALUATION_BATCH
from twofold.train.course import NOTHING_DECIDED, Course, Mark, Validation

WATCH_SECONDS = 0.1
ONE_VIEW = Views()


class Score(NamedTuple):
    """Mean loss and share of right answers on one split."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class Failure:
    """What is known of a loss that became NaN or infinite at `step`, counted from 1."""

    step: int
    epoch: int
    loss: float
    lr: float
    layer: str | None
    """The first layer with a non-finite output; `None` where only the loss is."""
    gradient: tuple[str, float] | None
    """The largest gradient before it, as (parameter, max |g|); `None` at the first step."""
    split: str | None = None
    """The split whose evaluation found it, after the step; `None` where the step itself did."""


@dataclass(frozen=True)
class Outcome:
    """`seconds` are those of training alone, without evaluation."""

    steps: int
    seconds: float
    row: HistoryRow
    """The evaluation of the weights that the engine is left with."""
    failure: Failure | None = None


class Keep(NamedTuple):
    """Who is told, every so many steps, what it takes to go on from there. Its time is not counted."""

    every: int
    write: Callable[[Course], None]


class Moment(NamedTuple):
    """A moment of training that is looked at closely: the first step, and every evaluation with the step before it."""

    taken: int
    before: Arrays
    """The parameters before the step; before training the initial ones."""
    after: Arrays
    step: Step | None
    """Its record; `None` before training."""


Look = Callable[[Moment], None]
LossFunction = Callable[[Array, Array], tuple[float, Array]]
Evaluate = Callable[[Engine], dict[str, Score]]


def evaluate(
    engine: Engine, split: Split, loss: LossFunction, *, views: Views = ONE_VIEW, batch: int = EVALUATION_BATCH
) -> Score:
    """Mean loss, in float64, and accuracy over all samples of a split, in evaluation mode."""
    return scored(predictions(engine, split, views=views, batch=batch), loss)


def scored(answers: Iterable[tuple[Array, Array]], loss: LossFunction) -> Score:
    """Mean loss, in float64, and accuracy of logits and targets that come in batches."""
    total, right, samples = 0.0, 0, 0
    for logits, target in answers:
        total += loss(logits.astype(np.float64), target)[0] * len(target)
        right += int((logits.argmax(axis=-1) == target).sum())
        samples += len(target)
    return Score(total / samples, right / samples)


def predictions(
    engine: Engine, split: Split, *, views: Views = ONE_VIEW, batch: int = EVALUATION_BATCH
) -> Iterator[tuple[Array, Array]]:
    """Logits, the mean over an image's views, and targets, in large batches."""
    for start in range(0, len(split), batch):
        part = split[start : start + batch]
        yield views.judged(engine.predict, part.floats()), part.y


def train(
    engine: Engine,
    batches: Batches,
    evaluate: Evaluate,
    record: Callable[[HistoryRow], None],
    watch: Callable[[int, float], None],
    validation: Validation = NOTHING_DECIDED,
    look: Look | None = None,
    *,
    since: Course | None = None,
    keep: Keep | None = None,
) -> Outcome:
    """Take every step, evaluate on the way, stop at a loss that is not finite, or when patience ends.

    `record` gets every evaluation, the first before training; `watch` gets step and loss ten times a second; `look`
    gets the first step and that of every evaluation, with the parameters before and after it; `keep` gets the course
    every so many steps. The time of all these is not counted. Begun anew `since` a course that was kept, a training
    ends with the same bytes.
    """
    clock = time.perf_counter
    with np.errstate(all="ignore"):  # overflow is found in the loss, where it can be named
        if since is None:
            state = engine.state()
            record(row := row_of(evaluate(engine), batches, 0, 0.0))
            if bad := bad_split(row):
                return Outcome(0, 0.0, row, _failure(engine, batches, Mark(0, state), 0, *bad))
            course = Course.beginning(row, state, validation)
            if look:
                look(Moment(0, state.parameters, state.parameters, None))
        else:
            course = since
            engine.load(course.mark.state)
        taken, seconds = course.mark.taken, course.seconds
        started = seen = clock()
        for batch in batches.since(taken):
            evaluates = (taken + 1) % batches.evaluate_every == 0 or taken + 1 == batches.steps
            keeps = keep is not None and (taken + 1) % keep.every == 0 and taken + 1 < batches.steps
            before = None
            if look and (evaluates or not taken):
                paused = clock()
                before = engine.state().parameters
                started += clock() - paused
            step = engine.step(batch)
            loss = step.loss
            taken += 1
            if not math.isfinite(loss):
                failure = _failure(engine, batches, course.mark, taken, loss)
                return Outcome(taken, seconds + clock() - started, course.row, failure)
            if (now := clock()) - seen > WATCH_SECONDS:
                watch(taken, loss)
                seen = now
            if evaluates or keeps or before:
                seconds += clock() - started
                mark = Mark(taken, engine.state(), largest(step.gradients))
                if evaluates:
                    row = row_of(evaluate(engine), batches, taken, seconds)
                    record(row)
                    watch(taken, loss)
                    if bad := bad_split(row):
                        return Outcome(taken, seconds, row, _failure(engine, batches, course.mark, taken, *bad))
                    course = course.evaluated(row, mark.state)
                course = course.at(mark, seconds)
                if look and before:
                    look(Moment(taken, before, mark.state.parameters, step))
                if evaluates and course.ended(validation):
                    break
                if keep and keeps:
                    keep.write(course)
                started = clock()
            del step  # the next one takes its memory, which is still in the cache
        if course.best:
            engine.load(course.best.state)
    return Outcome(taken, seconds, course.best.row if course.best else course.row)


def judged_splits(dataset: Dataset, train_samples: int | None) -> dict[str, Split]:
    """What an evaluation looks at: every split, of the training samples at most so many."""
    splits = dict(dataset.splits())
    splits["train"] = splits["train"][:train_samples]
    return splits


def row_of(scores: Mapping[str, Score], batches: Batches, taken: int, seconds: float) -> HistoryRow:
    """The line of an evaluation after so many steps."""
    epoch = taken / batches.steps_per_epoch
    return HistoryRow(taken, epoch, batches.rate(max(taken - 1, 0)), seconds, **by_column(scores))


def by_column(scores: Mapping[str, Score]) -> dict[str, float]:
    """`train_loss`, `train_accuracy` and so on: as a row has them."""
    return {f"{split}_{key}": value for split, score in scores.items() for key, value in score._asdict().items()}


def bad_split(row: HistoryRow) -> tuple[float, str] | None:
    """The first loss of an evaluation that is not finite, and its split."""
    for split in ("train", "validation", "test"):
        loss = getattr(row, f"{split}_loss")
        if loss is not None and not math.isfinite(loss):
            return loss, split
    return None


def _failure(
    engine: Engine, batches: Batches, mark: Mark, taken: int, loss: float, split: str | None = None
) -> Failure:
    """Take the steps since the last evaluation once more, which gives the same numbers, and look at the last two.

    To keep every step's record in case the next one fails would cost a tenth of the time of all that do not.
    A loss that an evaluation found comes after the last update: its layers' outputs are those of one step more.
    """
    engine.load(mark.state)
    gradient, outputs = mark.gradient, dict[str, Array]()
    for batch in islice(batches.since(mark.taken), taken - mark.taken):
        step = engine.step(batch)
        if batch.step + 1 == (taken if split else taken - 1):
            gradient = largest(step.gradients)
        if batch.step + 1 == taken:
            outputs = engine.step(batch).outputs if split else step.outputs
    layer = next((name for name, output in outputs.items() if not all_finite(output)), None)
    epoch = max(taken - 1, 0) // batches.steps_per_epoch + 1
    return Failure(taken, epoch, loss, batches.rate(max(taken - 1, 0)), layer, gradient, split)


def largest(gradients: Arrays) -> tuple[str, float]:
    """The parameter with the largest gradient, and that gradient's size."""
    sizes = {name: float(np.abs(gradient).max()) for name, gradient in gradients.items()}
    name = max(sizes, key=lambda key: sizes[key])
    return name, sizes[name]
