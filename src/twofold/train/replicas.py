"""Training networks of one shape at once, as replicas: the NumPy engine with an axis of replicas in front.

A step in R small networks costs little more than in one, since most of it is the calls. Each replica takes the batches,
the initial weights, the masks and the rates of its own recipe, and so the trajectory of its lone run, up to rounding.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, final

import numpy as np

from twofold.arrays import Array
from twofold.data import Batches, Dataset, Split
from twofold.data.batches import CHUNK, Chunk, Gathered
from twofold.engine import Batch, Engine, State
from twofold.recipe import Recipe
from twofold.runs.history import HistoryRow
from twofold.setup.events import Evaluated, Progressed
from twofold.train.events import Ended, Failed, Failure, Outcome
from twofold.train.loop import Score, bad_split, judged_splits, r_squared, row_of

SMALL_BATCH = 1 << 16
"""Numbers in a layer's largest array up to which replicas pay. Beyond, calls are cheap beside arithmetic, and a network
alone stays in the processor's cache: ten of 128 units over 20 steps took 48 ms at once, 41 ms one after another."""


def pays(recipe: Recipe) -> bool:
    """Whether network and batch are so small that replicas cost less than trainings one after another."""
    batch = recipe.training.batch_size
    return batch != "full" and batch * recipe.network.largest <= SMALL_BATCH


def together(recipes: Sequence[Recipe]) -> bool:
    """Whether networks of these recipes can be trained at once: they differ in seed and learning rate alone."""
    first = recipes[0]
    training = first.training
    judged = training.flip_test or training.shift_test or training.patience or training.keep == "best"
    varied = first.augmentation.any or training.ema or training.shards or judged
    sequences = first.data.varying or first.network.each_step  # lengths and steps without an answer differ
    written = not (varied or sequences) and all(layer.stacks for layer in first.layers)
    return written and all(common(recipe) == common(first) for recipe in recipes)


def common(recipe: Recipe) -> Recipe:
    """The recipe with seed and learning rate, in which replicas may differ, set to fixed values."""
    training = recipe.training.model_copy(update={"seed": 0})
    optimizer = recipe.optimizer.model_copy(update={"lr": 1.0})
    return recipe.model_copy(update={"training": training, "optimizer": optimizer})


def stacked(states: Sequence[State]) -> State:
    """The initial states of replicas as one state, with an axis of replicas in front."""
    names = states[0].parameters
    return State({name: np.stack([state.parameters[name] for state in states]) for name in names})


def many(a: Array, replicas: int) -> Array:
    """An array repeated for every replica, (replicas, ...), without a copy."""
    return np.broadcast_to(a, (replicas, *a.shape))


@final
class StackedBatches:
    """The batches of several recipes side by side: x is (replicas, batch, *sample)."""

    def __init__(self, batches: Sequence[Batches]) -> None:
        self.each = batches
        self.first = first = batches[0]
        same = all(one.train is first.train for one in batches)
        self._from_one_set = same and first.train.draw is None and first.vary is None and first.size < len(first.train)

    def __iter__(self) -> Iterator[Batch]:
        step, epoch, rates = 0, 0, self._rates(0)
        while step < self.first.steps:
            for x, target, weight in self._epoch(epoch):
                if not self.first.constant_rate:
                    rates = self._rates(step)
                masks = self._masks(step, target.shape[1]) if self.first.masks.drops else {}
                yield Batch(x, target, rates, masks, step, weight=weight)
                step += 1
                if step == self.first.steps:
                    return
            epoch += 1

    def _rates(self, step: int) -> Array:
        return np.array([batches.rate(step) for batches in self.each])[:, None]

    def _masks(self, step: int, samples: int) -> dict[str, Array]:
        masks = [batches.masks(step, samples) for batches in self.each]
        return {name: np.stack([mask[name] for mask in masks]) for name in masks[0]}

    def _epoch(self, epoch: int) -> Iterator[Gathered]:
        if self._from_one_set:
            yield from self._gathered(epoch)
            return
        for chunks in zip(*(batches.chunks(epoch, 0) for batches in self.each), strict=True):
            if isinstance(chunks[0], Chunk):
                x, y = (np.stack([getattr(chunk, part) for chunk in chunks]) for part in "xy")
                weighted = chunks[0].weight is not None
                weight = np.stack([chunk.weight for chunk in chunks]) if weighted else None
                yield from Chunk(x, y, chunks[0].size, weight, lead=1)
            else:
                for batch in zip(*chunks, strict=True):
                    yield Gathered(np.stack([one.x for one in batch]), np.stack([one.y for one in batch]))

    def _gathered(self, epoch: int) -> Iterator[Gathered]:
        """The batches of replicas that train on the same samples, each in its own order: gathered for all at once."""
        first, orders = self.first, np.stack([batches.order(epoch) for batches in self.each])
        train, size = first.train, first.size
        samples = size * max(1, CHUNK // (len(orders) * size * math.prod(train.x.shape[1:])))
        for start in range(0, len(train), samples):
            x, y, weight = first.taken(orders[:, start : start + samples])
            yield from Chunk(first.numbers(x), y, size, weight, lead=1)


class Scores(NamedTuple):
    """Loss, and accuracy or R², on one split, with an element for each replica."""

    loss: Array
    accuracy: Array | None
    r2: Array | None = None

    def of(self, replica: int) -> Score:
        """The scores of one replica."""
        accuracy, r2 = (None if part is None else float(part[replica]) for part in (self.accuracy, self.r2))
        return Score(float(self.loss[replica]), accuracy, r2)


Judge = Callable[[Engine], dict[str, Scores]]
Loss = Callable[[Array, Array], tuple[Any, Array]]
"""From outputs and targets of replicas to the loss of each, and its gradient."""


def scorer(recipe: Recipe, dataset: Dataset, replicas: int, loss: Loss, batch: int) -> Judge:
    """Loss, and accuracy or R², of every replica on each split, as `twofold.train.loop.evaluate` has them of one."""
    splits = judged_splits(dataset, recipe.training.evaluate_samples)
    scored = {"classification": _classes, "multi_label": _labels, "regression": _numbers}[recipe.task]

    def answers(engine: Engine, split: Split) -> Iterator[tuple[Array, Array]]:
        for start in range(0, len(split), batch):
            part = split[start : start + batch]
            yield engine.predict(many(part.floats(), replicas)), part.y

    def score(engine: Engine) -> dict[str, Scores]:
        return {name: scored(answers(engine, split), len(split), loss) for name, split in splits.items()}

    return score


def _classes(answers: Iterable[tuple[Array, Array]], samples: int, loss: Loss) -> Scores:
    total, right = 0.0, 0.0
    for logits, target in answers:
        total += _loss(loss, logits, target) * len(target)
        right += (logits.argmax(axis=-1) == target).sum(axis=-1)
    return Scores(np.asarray(total / samples), np.asarray(right / samples))


def _labels(answers: Iterable[tuple[Array, Array]], samples: int, loss: Loss) -> Scores:
    total, right = 0.0, 0.0
    for logits, target in answers:
        total += _loss(loss, logits, target) * len(target)
        right += ((logits > 0) == (target > 0.5)).mean(axis=-1).sum(axis=-1)
    return Scores(np.asarray(total / samples), np.asarray(right / samples))


def _numbers(answers: Iterable[tuple[Array, Array]], samples: int, loss: Loss) -> Scores:
    outputs, targets = zip(*answers, strict=True)
    y, t = np.concatenate(outputs, axis=1).astype(np.float64), np.concatenate(targets).astype(np.float64)
    return Scores(_loss(loss, y, t), None, np.array([r_squared(one, t) for one in y]))


def _loss(loss: Loss, outputs: Array, target: Array) -> Array:
    """The mean loss of each replica."""
    return np.asarray(loss(outputs.astype(np.float64), many(target, len(outputs)))[0])


class ReplicaEvent(NamedTuple):
    """What happens to one replica; `Progressed` happens to all of them, `replica` is `None` then."""

    replica: int | None
    event: Evaluated | Progressed | Failed | Ended


def train_replicas(
    engine: Engine, batches: StackedBatches, score: Judge, watch: Callable[[ReplicaEvent], None] = lambda _: None
) -> tuple[list[Outcome], list[list[HistoryRow]]]:
    """Run a whole training of replicas; every event goes to `watch`. Returns each one's outcome and evaluations."""
    rows = [list[HistoryRow]() for _ in batches.each]
    outcomes = dict[int, Outcome]()
    for happened in training_replicas(engine, batches, score):
        watch(happened)
        match happened:
            case ReplicaEvent(int(index), Evaluated(row)):
                rows[index].append(row)
            case ReplicaEvent(int(index), Failed(outcome) | Ended(outcome)):
                outcomes[index] = outcome
    return [outcomes[index] for index in range(len(rows))], rows


def training_replicas(engine: Engine, batches: StackedBatches, score: Judge) -> Iterator[ReplicaEvent]:
    """Train all replicas step by step; one whose loss is not finite ends there, and the others go on.

    Yields the events of `twofold.train.loop.training` for each, without close looks, checkpoints and the keeping of
    best weights. Seconds are a replica's share. Not asking for the next event pauses all of them.
    """
    going = dict[int, HistoryRow]()
    for index, row in _rows(engine, batches, score, 0, 0.0):
        going[index] = row
        yield ReplicaEvent(index, Evaluated(row))
    taken, seconds = 0, 0.0
    yield from _failed_splits(going, batches, taken, seconds)
    batches_left = iter(batches)
    while taken < batches.first.steps and going:
        taken, spent, losses = _steps(engine, batches.first, batches_left, list(going))
        seconds += spent / len(batches.each)
        for index in [index for index in going if not math.isfinite(losses[index])]:
            failure = _failure(batches, index, taken, float(losses[index]))
            yield ReplicaEvent(index, Failed(Outcome(taken, seconds, going.pop(index), failure)))
        if going and _evaluates(batches.first, taken):
            for index, row in _rows(engine, batches, score, taken, seconds):
                if index in going:
                    going[index] = row
                    yield ReplicaEvent(index, Evaluated(row))
            yield from _failed_splits(going, batches, taken, seconds)
            yield ReplicaEvent(None, Progressed(taken))
    for index, row in going.items():
        yield ReplicaEvent(index, Ended(Outcome(taken, seconds, row)))


def _steps(engine: Engine, first: Batches, batches_left: Iterator[Batch], going: list[int]) -> tuple[int, float, Array]:
    """Take steps until an evaluation is due or a loss in `going` is not finite. Returns steps, seconds, losses."""
    with np.errstate(all="ignore"):
        begun = time.perf_counter()
        for batch in batches_left:
            losses = np.asarray(engine.step(batch).loss)
            if _evaluates(first, batch.step + 1) or not np.isfinite(losses[going]).all():
                return batch.step + 1, time.perf_counter() - begun, losses
    raise AssertionError("a training's last step is due to be evaluated")


def _evaluates(first: Batches, taken: int) -> bool:
    return taken % first.evaluate_every == 0 or taken == first.steps


def _rows(
    engine: Engine, batches: StackedBatches, score: Judge, taken: int, seconds: float
) -> Iterator[tuple[int, HistoryRow]]:
    """The line of an evaluation for each replica."""
    with np.errstate(all="ignore"):
        scores = score(engine)
    for index, one in enumerate(batches.each):
        lone = {split: parts.of(index) for split, parts in scores.items()}
        yield index, row_of(lone, one, taken, seconds)


def _failed_splits(
    going: dict[int, HistoryRow], batches: StackedBatches, taken: int, seconds: float
) -> Iterator[ReplicaEvent]:
    """End the replicas whose evaluation is not finite, and take them out of `going`."""
    for index in list(going):
        if bad := bad_split(going[index]):
            failure = _failure(batches, index, taken, *bad)
            yield ReplicaEvent(index, Failed(Outcome(taken, seconds, going.pop(index), failure)))


def _failure(batches: StackedBatches, index: int, taken: int, loss: float, split: str | None = None) -> Failure:
    epoch = max(taken - 1, 0) // batches.first.steps_per_epoch + 1
    return Failure(taken, epoch, loss, batches.each[index].rate(max(taken - 1, 0)), None, None, split)
