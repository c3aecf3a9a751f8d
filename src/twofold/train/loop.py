"""The training loop, as an iterator of events. It takes an engine and never builds one, and knows no consumer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays, all_finite
from twofold.data import Batches, Dataset, Split, Views
from twofold.engine import Batch, Engine, Step, answered
from twofold.plain import Parsed, finite
from twofold.recipe.task import Task
from twofold.runs.history import HistoryRow
from twofold.setup.events import Evaluated, Progressed
from twofold.setup.needed import EVALUATION_BATCH
from twofold.train.course import NOTHING_DECIDED, Course, Mark, Validation
from twofold.train.events import CheckpointDue, Ended, Event, Failed, Failure, LookedClosely, Moment, Outcome

WATCH_SECONDS = 0.1
"""Seconds between two events that tell of progress alone."""
ONE_VIEW = Views()


class Score(NamedTuple):
    """Mean loss on one split, and the share of right answers, or R² of numbers to predict."""

    loss: float
    accuracy: float | None
    r2: float | None = None

    @property
    def quality(self) -> float:
        """The accuracy, or R²."""
        return self.accuracy if self.accuracy is not None else self.r2 if self.r2 is not None else math.nan

    def to_json(self) -> dict[str, float | None]:
        """The loss, and accuracy or R² where there is one, by name; what is not finite is `None`."""
        scores = {name: value for name, value in self._asdict().items() if value is not None}
        return {name: finite(value) for name, value in scores.items()}


LossFunction = Callable[[Array, Array], tuple[float, Array]]
Evaluate = Callable[[Engine], dict[str, Score]]


@dataclass(frozen=True)
class Plan:
    """What a training does beside its steps."""

    evaluate: Evaluate
    """Loss and accuracy of the engine on each split."""
    validation: Validation = NOTHING_DECIDED
    look_closely: bool = False
    """Whether to yield `LookedClosely`."""
    checkpoint_every: int | None = None
    """Steps between two `CheckpointDue`; `None`: there are none."""
    since: Course | None = None
    """The course to go on from; `None`: from the beginning, with the weights that the engine holds."""
    watch_seconds: float = WATCH_SECONDS
    """Seconds between two `Progressed`; 0: one after every step."""


def evaluate(
    engine: Engine,
    split: Split,
    loss: LossFunction,
    *,
    task: Task = "classification",
    views: Views = ONE_VIEW,
    batch: int = EVALUATION_BATCH,
) -> Score:
    """Mean loss, in float64, and accuracy or R² over all samples of a split, in evaluation mode."""
    return scored(predictions(engine, split, views=views, batch=batch), loss, task)


def scored(answers: Iterable[tuple[Array, Array]], loss: LossFunction, task: Task = "classification") -> Score:
    """Mean loss, in float64, and accuracy or R² of outputs and targets that come in batches; 0 without any answer."""
    if task == "regression":
        return _scored_numbers(answers, loss)
    total, right, samples = 0.0, 0.0, 0
    for logits, target in (batch for batch in answers if len(batch[1])):  # of sequences, some may have no answer
        total += loss(logits.astype(np.float64), target)[0] * len(target)
        if task == "classification":
            right += int((logits.argmax(axis=-1) == target).sum())
        else:
            right += float(((logits > 0) == (target > 0.5)).mean(axis=-1).sum())
        samples += len(target)
    return Score(total / max(samples, 1), right / max(samples, 1))


def _scored_numbers(answers: Iterable[tuple[Array, Array]], loss: LossFunction) -> Score:
    """The loss and R² of numbers; all targets are gathered first, since R² needs their mean."""
    outputs, targets = (np.concatenate(parts).astype(np.float64) for parts in zip(*answers, strict=True))
    if not len(targets):
        return Score(0.0, None, 0.0)
    return Score(loss(outputs, targets)[0], None, r_squared(outputs, targets))


def r_squared(outputs: Array, targets: Array) -> float:
    """1 − Σ (t − y)² / Σ (t − mean)², the mean over the targets; of a constant one 1 or 0. As `r2_score` has it."""
    errors = np.square(targets - outputs).sum(axis=0)
    spread = np.square(targets - targets.mean(axis=0)).sum(axis=0)
    varies = (targets != targets[:1]).any(axis=0)  # the mean of equal numbers is rounded, and their spread above 0
    shares = np.where(varies, 1 - errors / np.where(varies, spread, 1), np.where(errors > 0, 0.0, 1.0))
    return float(shares.mean())


def predictions(
    engine: Engine, split: Split, *, views: Views = ONE_VIEW, batch: int = EVALUATION_BATCH
) -> Iterator[tuple[Array, Array]]:
    """Outputs, the mean over an image's views, and targets, in large batches; of steps only those with an answer."""
    for start in range(0, len(split), batch):
        part = split[start : start + batch]
        outputs = views.judged(engine.predict, part.floats())
        yield (outputs[answered(part.y)], part.answers) if part.each_step else (outputs, part.y)


def train(engine: Engine, batches: Batches, plan: Plan, watch: Callable[[Event], None] = lambda _: None) -> Outcome:
    """Run a whole training: every event goes to `watch`. Returns the outcome of the last one."""
    for event in training(engine, batches, plan):
        watch(event)
        if isinstance(event, Failed | Ended):
            return event.outcome
    raise AssertionError("a training ends with an outcome")


def training(engine: Engine, batches: Batches, plan: Plan) -> Iterator[Event]:
    """Train step by step and evaluate on the way, to the last step, a loss that is not finite, or the end of patience.

    Nothing is computed while the next event is not asked for: that pauses the training, and the pause is not counted as
    training time. Closing the iterator stops it. Begun again `since` a course that was kept, a training ends with the
    same bytes.
    """
    course = plan.since
    if course:
        engine.load(course.mark.state)
    else:
        state = engine.state()
        row = _evaluated(engine, batches, plan, 0, 0.0)
        yield Evaluated(row)
        if bad := bad_split(row):
            yield Failed(Outcome(0, 0.0, row, _failure(engine, batches, Mark(0, state), 0, *bad)))
            return
        course = Course.beginning(row, state, plan.validation)
        if plan.look_closely:
            yield LookedClosely(Moment(0, state.parameters, state.parameters, None))
    yield from _from_course(engine, batches, plan, course)


def _from_course(engine: Engine, batches: Batches, plan: Plan, course: Course) -> Iterator[Event]:
    """The events of a training from a course on, to the outcome."""
    taken, seconds = course.mark.taken, course.seconds
    batches_left = batches.since(taken)
    while taken < batches.steps and not course.ended(plan.validation):
        stretch = _stretch(engine, batches, plan, batches_left)
        taken, seconds = stretch.taken, seconds + stretch.seconds
        if not math.isfinite(stretch.loss):
            failure = _failure(engine, batches, course.mark, taken, stretch.loss)
            yield Failed(Outcome(taken, seconds, course.row, failure))
            return
        yield Progressed(taken, stretch.loss, stretch.losses)
        if stretch.due:
            mark = Mark(taken, engine.state(), largest(stretch.step.gradients))
            if stretch.evaluates:
                row = _evaluated(engine, batches, plan, taken, seconds)
                yield Evaluated(row)
                if bad := bad_split(row):
                    yield Failed(Outcome(taken, seconds, row, _failure(engine, batches, course.mark, taken, *bad)))
                    return
                course = course.evaluated(row, mark.state)
            course = course.at(mark, seconds)
            if stretch.before:
                yield LookedClosely(Moment(taken, stretch.before, mark.state.parameters, stretch.step))
            if stretch.keeps and not course.ended(plan.validation):
                yield CheckpointDue(course)
        del stretch  # the next step takes its memory, which is still in the cache
    if course.best:
        engine.load(course.best.state)
    yield Ended(Outcome(taken, seconds, course.best.row if course.best else course.row))


class _Stretch(NamedTuple):
    """Steps of which only the losses were looked at, and the record of the last one."""

    taken: int
    """Steps of the whole training."""
    seconds: float
    """Time of this stretch."""
    step: Step
    losses: Sequence[float]
    """The loss of every step; only the last may be infinite or NaN."""
    evaluates: bool
    """Whether an evaluation is due."""
    keeps: bool
    """Whether a checkpoint is due."""
    before: Arrays | None
    """The parameters before the last step, where it is looked at closely."""

    @property
    def loss(self) -> float:
        """The loss of the last step."""
        return self.losses[-1]

    @property
    def due(self) -> bool:
        """Whether there is more to do than to tell of progress."""
        return self.evaluates or self.keeps or self.before is not None


def _stretch(engine: Engine, batches: Batches, plan: Plan, batches_left: Iterator[Batch]) -> _Stretch:
    """Take steps until an evaluation, a checkpoint, a close look or a word of progress is due, or a step fails."""
    clock = time.perf_counter
    every, losses = plan.checkpoint_every, list[float]()
    with np.errstate(all="ignore"):  # overflow is found in the loss, where it can be named
        begun = clock()
        looking = 0.0
        for batch in batches_left:
            taken = batch.step + 1
            evaluates = taken % batches.evaluate_every == 0 or taken == batches.steps
            keeps = every is not None and taken % every == 0 and taken < batches.steps
            before = None
            if plan.look_closely and (evaluates or taken == 1):
                paused = clock()
                before = engine.state().parameters
                looking += clock() - paused
            step = engine.step(batch)
            losses.append(loss := step.loss)
            due = evaluates or keeps or before or not math.isfinite(loss)
            if due or clock() - begun >= plan.watch_seconds:
                return _Stretch(taken, clock() - begun - looking, step, losses, evaluates, keeps, before)
            del step  # the next one takes its memory, which is still in the cache
    raise AssertionError("a training's last step is due to be evaluated")


def _evaluated(engine: Engine, batches: Batches, plan: Plan, taken: int, seconds: float) -> HistoryRow:
    with np.errstate(all="ignore"):
        return row_of(plan.evaluate(engine), batches, taken, seconds)


def judged_splits(dataset: Dataset, train_samples: int | None) -> dict[str, Split]:
    """The splits that an evaluation uses: all, of the training samples at most `train_samples`."""
    splits = dict(dataset.splits())
    splits["train"] = splits["train"][:train_samples]
    return splits


def row_of(scores: Mapping[str, Score], batches: Batches, taken: int, seconds: float) -> HistoryRow:
    """The line of an evaluation after so many steps."""
    epoch = taken / batches.steps_per_epoch
    return HistoryRow(taken, epoch, batches.rate(max(taken - 1, 0)), seconds, **by_column(scores))


def by_column(scores: Mapping[str, Score]) -> dict[str, Parsed]:
    """Scores by the columns of a row: `train_loss`, `train_accuracy` and so on."""
    values = {f"{split}_{key}": value for split, score in scores.items() for key, value in score._asdict().items()}
    return {name: value for name, value in values.items() if value is not None or name == "train_accuracy"}


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
    """The facts of a failure: steps since `mark` are taken once more, with the same numbers, to look at the last two.

    To keep every step's record in case the next one fails would cost a tenth of the time of all that do not.
    A loss that an evaluation found comes after the last update: its layers' outputs are those of one step more.
    """
    engine.load(mark.state)
    gradient, outputs = mark.gradient, dict[str, Array]()
    with np.errstate(all="ignore"):
        for batch in islice(batches.since(mark.taken), taken - mark.taken):
            step = engine.step(batch)
            if batch.step + 1 == (taken if split else taken - 1):
                gradient = largest(step.gradients)
            if batch.step + 1 == taken:
                outputs = engine.gradients(batch).outputs if split else step.outputs
    layer = next((name for name, output in outputs.items() if not all_finite(output)), None)
    epoch = max(taken - 1, 0) // batches.steps_per_epoch + 1
    return Failure(taken, epoch, loss, batches.rate(max(taken - 1, 0)), layer, gradient, split)


def largest(gradients: Arrays) -> tuple[str, float]:
    """The parameter with the largest element of a gradient, and that element's size; one with NaN comes first."""
    sizes = {name: float(np.abs(gradient).max()) for name, gradient in gradients.items()}
    name = max(sizes, key=lambda key: (math.isnan(sizes[key]), sizes[key]))
    return name, sizes[name]
