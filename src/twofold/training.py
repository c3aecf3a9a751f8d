"""The training loop. It takes an engine and never builds one, and its outcome is a value."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays, all_finite
from twofold.data import Batches, Dataset, Split, mirrored
from twofold.engine import Engine, State, Step
from twofold.recipe import Network

EVALUATION_BATCH = 2000
EVALUATION_NUMBERS = 1 << 24
"""A layer's output for an evaluation batch holds at most so many: 64 MiB, of which a convolution takes a few."""
WATCH_SECONDS = 0.1


class Score(NamedTuple):
    """Mean loss and share of right answers on one split."""

    loss: float
    accuracy: float


class Row(NamedTuple):
    """One evaluation: what `history.csv` holds in a line. A split without samples gives `None`."""

    step: int
    epoch: float
    lr: float
    seconds: float
    train_loss: float
    train_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None


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
    row: Row
    """The evaluation of the weights that the engine is left with."""
    failure: Failure | None = None


@dataclass(frozen=True)
class Validation:
    """What the validation samples decide; by default nothing."""

    keep_best: bool = False
    """The engine is left with the weights of the evaluation with the best accuracy; of equals, the lowest loss."""
    patience: int | None = None
    """Training stops after so many evaluations in a row without a lower loss."""


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
    engine: Engine, split: Split, loss: LossFunction, *, flip: bool = False, batch: int = EVALUATION_BATCH
) -> Score:
    """Mean loss, in float64, and accuracy over all samples of a split, in evaluation mode."""
    return scored(predictions(engine, split, flip=flip, batch=batch), loss)


def scored(answers: Iterable[tuple[Array, Array]], loss: LossFunction) -> Score:
    """Mean loss, in float64, and accuracy of logits and targets that come in batches."""
    total, right, samples = 0.0, 0, 0
    for logits, target in answers:
        total += loss(logits.astype(np.float64), target)[0] * len(target)
        right += int((logits.argmax(axis=-1) == target).sum())
        samples += len(target)
    return Score(total / samples, right / samples)


def predictions(
    engine: Engine, split: Split, *, flip: bool = False, batch: int = EVALUATION_BATCH
) -> Iterator[tuple[Array, Array]]:
    """Logits and targets, in large batches; with `flip` the mean of an image's logits and its mirror image's."""
    for start in range(0, len(split), batch):
        part = split[start : start + batch]
        x = part.floats()
        logits = engine.predict(x)
        yield ((logits + engine.predict(mirrored(x))) / 2 if flip else logits), part.y


def evaluation_batch(network: Network) -> int:
    """As many samples at once as fit where a sample has most numbers: large, but not in memory."""
    return min(EVALUATION_BATCH, max(1, EVALUATION_NUMBERS // network.largest))


def train(
    engine: Engine,
    batches: Batches,
    evaluate: Evaluate,
    record: Callable[[Row], None],
    watch: Callable[[int, float], None],
    validation: Validation = Validation(),
    look: Look | None = None,
) -> Outcome:
    """Take every step, evaluate on the way, stop at a loss that is not finite, or when patience ends.

    `record` gets every evaluation, the first before training; `watch` gets step and loss ten times a second; `look`
    gets the first step and that of every evaluation, with the parameters before and after it; its time is not counted.
    """
    clock, taken, seconds = time.perf_counter, 0, 0.0
    with np.errstate(all="ignore"):  # overflow is found in the loss, where it can be named
        mark = Mark(0, engine.state())
        record(row := row_of(evaluate(engine), batches, 0, 0.0))
        if bad := bad_split(row):
            return Outcome(0, 0.0, row, _failure(engine, batches, mark, 0, *bad))
        course = _Course(validation, row, mark.state)
        if look:
            look(Moment(0, mark.state.parameters, mark.state.parameters, None))
        started = seen = clock()
        for batch in batches:
            evaluates = (taken + 1) % batches.evaluate_every == 0 or taken + 1 == batches.steps
            before = None
            if look and (evaluates or not taken):
                paused = clock()
                before = engine.state().parameters
                started += clock() - paused
            step = engine.step(batch)
            loss = step.loss
            taken += 1
            if not math.isfinite(loss):
                return Outcome(taken, seconds + clock() - started, row, _failure(engine, batches, mark, taken, loss))
            if (now := clock()) - seen > WATCH_SECONDS:
                watch(taken, loss)
                seen = now
            if evaluates:
                seconds += clock() - started
                row = row_of(evaluate(engine), batches, taken, seconds)
                record(row)
                watch(taken, loss)
                if bad := bad_split(row):
                    return Outcome(taken, seconds, row, _failure(engine, batches, mark, taken, *bad))
                mark = Mark(taken, engine.state(), largest(step.gradients))
                course.add(row, mark.state)
                if look and before:
                    look(Moment(taken, before, mark.state.parameters, step))
                if course.patience_ended:
                    break
                started = clock()
            elif look and before:
                paused = clock()
                look(Moment(taken, before, engine.state().parameters, step))
                started += clock() - paused
            del step  # the next one takes its memory, which is still in the cache
        if validation.keep_best:
            engine.load(course.best)
    return Outcome(taken, seconds, course.row if validation.keep_best else row)


@final
class _Course:
    """What the validation samples have said so far."""

    def __init__(self, validation: Validation, row: Row, state: State) -> None:
        self.validation = validation
        self.losses = [row.validation_loss or 0.0]
        self.row, self.best = row, state

    def add(self, row: Row, state: State) -> None:
        """After each evaluation."""
        self.losses.append(row.validation_loss or 0.0)
        if self.validation.keep_best and _merit(row) > _merit(self.row):
            self.row, self.best = row, state

    @property
    def patience_ended(self) -> bool:
        """Whether too many evaluations have come since the lowest loss."""
        waited = len(self.losses) - 1 - self.losses.index(min(self.losses))
        return self.validation.patience is not None and waited >= self.validation.patience


def _merit(row: Row) -> tuple[float, float]:
    """Of weights, on the validation samples: accuracy, then loss."""
    assert row.validation_accuracy is not None
    assert row.validation_loss is not None
    return row.validation_accuracy, -row.validation_loss


class Mark(NamedTuple):
    """A state to go back to, and how many steps it had taken."""

    taken: int
    state: State
    gradient: tuple[str, float] | None = None
    """The largest of the last step."""


def judged_splits(dataset: Dataset, train_samples: int | None) -> dict[str, Split]:
    """What an evaluation looks at: every split, of the training samples at most so many."""
    splits = dict(dataset.splits())
    splits["train"] = splits["train"][:train_samples]
    return splits


def row_of(scores: Mapping[str, Score], batches: Batches, taken: int, seconds: float) -> Row:
    """The line of an evaluation after so many steps."""
    values = {f"{split}_{key}": value for split, score in scores.items() for key, value in score._asdict().items()}
    epoch = taken / batches.steps_per_epoch
    return Row(taken, epoch, batches.rate(max(taken - 1, 0)), seconds, **values)


def bad_split(row: Row) -> tuple[float, str] | None:
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
