"""Networks of one shape trained at once: the NumPy engine with an axis of replicas in front.

A step in R small networks costs little more than in one, since most of it is the calls. Each replica takes the batches,
the initial weights, the masks and the rates of its own recipe, and so the trajectory of its lone run, up to rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array
from twofold.data import Batches, Dataset
from twofold.data.batches import Chunk, Gathered
from twofold.engine import Batch, Engine, State
from twofold.recipe import Recipe
from twofold.runs.history import HistoryRow
from twofold.train.loop import Failure, Outcome, Score, bad_split, judged_splits, row_of

SMALL_BATCH = 1 << 16
"""Numbers in a layer's largest array up to which replicas pay. Beyond, calls are cheap beside arithmetic, and a network
alone stays in the processor's cache: ten of 128 units over 20 steps took 48 ms at once, 41 ms one after another."""


def pays(recipe: Recipe) -> bool:
    """Whether the network and its batch are small enough for replicas to cost less than one after another."""
    batch = recipe.training.batch_size
    return batch != "full" and batch * recipe.network.largest <= SMALL_BATCH


def together(recipes: Sequence[Recipe]) -> bool:
    """Whether networks of these recipes can be trained at once: they differ in seed and learning rate alone."""
    first = recipes[0]
    training = first.training
    judged = training.flip_test or training.shift_test or training.patience or training.keep == "best"
    plain = not (first.augmentation.any or training.ema or judged)
    written = plain and all(layer.stacks for layer in first.layers)
    return written and all(common(recipe) == common(first) for recipe in recipes)


def common(recipe: Recipe) -> Recipe:
    """The recipe without what replicas may differ in, the seed and the learning rate."""
    training = recipe.training.model_copy(update={"seed": 0})
    optimizer = recipe.optimizer.model_copy(update={"lr": 1.0})
    return recipe.model_copy(update={"training": training, "optimizer": optimizer})


def stacked(states: Sequence[State]) -> State:
    """The initial states of replicas as one."""
    names = states[0].parameters
    return State({name: np.stack([state.parameters[name] for state in states]) for name in names})


def many(a: Array, replicas: int) -> Array:
    """The same for every replica, without a copy."""
    return np.broadcast_to(a, (replicas, *a.shape))


@final
class StackedBatches:
    """The batches of several recipes side by side: x is (replicas, batch, *sample)."""

    def __init__(self, each: Sequence[Batches]) -> None:
        self.each = each
        self.first = each[0]

    def __iter__(self) -> Iterator[Batch]:
        step, epoch = 0, 0
        while step < self.first.steps:
            for x, target in self._epoch(epoch):
                masks = [batches.masks(step, target.shape[1]) for batches in self.each]
                joined = {name: np.stack([mask[name] for mask in masks]) for name in masks[0]}
                yield Batch(x, target, np.array([[batches.rate(step)] for batches in self.each]), joined, step)
                step += 1
                if step == self.first.steps:
                    return
            epoch += 1

    def _epoch(self, epoch: int) -> Iterator[Gathered]:
        for chunks in zip(*(batches.chunks(epoch, 0) for batches in self.each), strict=True):
            if isinstance(chunks[0], Chunk):
                x, y = (np.stack([getattr(chunk, part) for chunk in chunks]) for part in "xy")
                yield from Chunk(x, y, chunks[0].size)
            else:
                for batch in zip(*chunks, strict=True):
                    yield np.stack([x for x, _ in batch]), np.stack([y for _, y in batch])


class Scores(NamedTuple):
    """Of one split, an element a replica."""

    loss: Array
    accuracy: Array


Judge = Callable[[Engine], dict[str, Scores]]


def scorer(
    recipe: Recipe, dataset: Dataset, replicas: int, loss: Callable[[Array, Array], tuple[Array, Array]], batch: int
) -> Judge:
    """Loss and accuracy of every replica on each split, as `twofold.train.loop.evaluate` has them of one."""
    splits = judged_splits(dataset, recipe.training.evaluate_samples)

    def score(engine: Engine) -> dict[str, Scores]:
        found = {}
        for name, split in splits.items():
            total, right = np.zeros(replicas), np.zeros(replicas)
            for start in range(0, len(split), batch):
                part = split[start : start + batch]
                logits = engine.predict(many(part.floats(), replicas))
                total += loss(logits.astype(np.float64), many(part.y, replicas))[0] * len(part)
                right += (logits.argmax(axis=-1) == part.y).sum(axis=-1)
            found[name] = Scores(total / len(split), right / len(split))
        return found

    return score


def train_replicas(
    engine: Engine, batches: StackedBatches, score: Judge, watch: Callable[[int], None] = lambda step: None
) -> tuple[list[Outcome], list[list[HistoryRow]]]:
    """Take every step in all replicas; a replica whose loss is not finite ends there, and the others go on.

    Seconds are a replica's share. What `twofold.train.loop.train` does for one, without its keeping of best weights.
    """
    replicas, first, clock = len(batches.each), batches.first, time.perf_counter
    rows = [list[HistoryRow]() for _ in range(replicas)]
    ended = dict[int, Outcome]()
    seconds, taken = 0.0, 0

    def record() -> None:
        scores = score(engine)
        for index, one in enumerate(batches.each):
            if index in ended:
                continue
            lone = {split: Score(float(s.loss[index]), float(s.accuracy[index])) for split, s in scores.items()}
            rows[index].append(row := row_of(lone, one, taken, seconds / replicas))
            if bad := bad_split(row):
                end(index, *bad)

    def end(index: int, loss: float, split: str | None = None) -> None:
        epoch = max(taken - 1, 0) // first.steps_per_epoch + 1
        failure = Failure(taken, epoch, loss, batches.each[index].rate(max(taken - 1, 0)), None, None, split)
        ended[index] = Outcome(taken, seconds / replicas, rows[index][-1], failure)

    with np.errstate(all="ignore"):
        record()
        started = clock()
        for batch in batches:
            step = engine.step(batch)
            losses = np.asarray(step.loss)
            taken += 1
            if not np.isfinite(losses).all():
                for index in np.flatnonzero(~np.isfinite(losses)):
                    if int(index) not in ended:
                        end(int(index), float(losses[index]))
                if len(ended) == replicas:
                    break
            if taken % first.evaluate_every == 0 or taken == first.steps:
                seconds += clock() - started
                record()
                watch(taken)
                started = clock()
    finished = [ended.get(i) or Outcome(taken, seconds / replicas, rows[i][-1]) for i in range(replicas)]
    return finished, rows
