"""Batches as a function of the step: order, masks and learning rate are the same for every engine."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array
from twofold.data.augmentation import Augmenter
from twofold.data.dataset import Draw, Split
from twofold.engine import Batch
from twofold.engine.schedules import averaging, learning_rate
from twofold.errors import UserError
from twofold.recipe import Network, Recipe
from twofold.recipe.dense import Dropout
from twofold.recipe.norms import BatchNorm
from twofold.recipe.training import Constant
from twofold.streams import stream


class Gathered(NamedTuple):
    """The samples of a batch, their answers, and their weights where they have any."""

    x: Array
    y: Array
    weight: Array | None = None


CHUNK = 1 << 20
"""Numbers gathered at once: enough to spread the cost of a call, few enough to stay near the processor."""


@dataclass(frozen=True)
class Chunk:
    """Several batches, one behind another in memory, (samples, ...); for replicas (replicas, samples, ...)."""

    x: Array
    y: Array
    size: int
    """Samples of a batch; the last may be smaller."""
    weight: Array | None = None
    lead: int = 0
    """Axes before that of the samples: 1 for replicas, else 0."""

    def __iter__(self) -> Iterator[Gathered]:
        """Each batch, as views."""
        x, y, weight, lead = self.x, self.y, self.weight, (slice(None),) * self.lead
        for start in range(0, y.shape[self.lead], self.size):
            rows = slice(start, start + self.size)
            part = (*lead, rows) if lead else rows
            yield Gathered(x[part], y[part], None if weight is None else weight[part])


@final
class Masks:
    """The masks of a network's dropout layers, as a function of the step."""

    def __init__(self, network: Network, seed: int) -> None:
        self.seed = seed
        self.drops = {
            node.name: (node.spec.p, tuple(size or 1 for size in shape))
            for node in network.nodes
            if isinstance(node.spec, Dropout) and (shape := node.spec.mask_shape(node.input_shape))
        }

    def __call__(self, step: int, samples: int) -> dict[str, Array]:
        """Which elements are kept: booleans (samples, *sample) by the layer's name."""
        return {
            name: stream(self.seed, f"dropout {name}", step).random((samples, *shape), dtype=np.float32) >= p
            for name, (p, shape) in self.drops.items()
        }


@final
class Batches:
    """The batches of a recipe's training on the samples of `train`.

    Every epoch visits the samples in a new order, a function of seed and epoch; the last batch of an epoch
    holds what is left. Iterating again gives the same batches.
    """

    def __init__(self, recipe: Recipe, train: Split, steps: int | None = None, *, raw: bool = False) -> None:
        """`raw`: hand bytes out as bytes, with their scaling: for a device to which they travel faster."""
        training = recipe.training
        self.train = train
        self.seed = training.seed
        self.dtype = np.dtype(training.dtype)
        endless = train.draw is not None and training.batch_size != "full"
        self.size = training.batch(sys.maxsize if endless else len(train))
        if not endless:
            _check_batch_of_one(recipe.network, len(train), self.size)
        self.steps_per_epoch = math.ceil(len(train) / self.size)
        length = training.length(len(train))
        self.length = length
        self.steps = length if steps is None else steps
        self.evaluate_every = training.evaluate_every * (
            self.steps_per_epoch if training.evaluation_unit == "epoch" else 1
        )
        self.scaling = train.scaling.astype(self.dtype) if train.scaling else None
        self.raw = raw and self.scaling is not None
        varies = recipe.augmentation.varies
        self.vary = Augmenter(recipe.augmentation, self.seed, train, length) if varies else None
        self.farthest = recipe.augmentation.adversarial
        self.ema = partial(averaging, training.ema)
        self.rate = learning_rate(recipe.schedule, recipe.optimizer.lr, length, self.steps_per_epoch)
        self.constant_rate = isinstance(recipe.schedule, Constant)
        self.masks = Masks(recipe.network, self.seed)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        return self.since(0)

    def since(self, step: int) -> Iterator[Batch]:
        """The batches from a step on, as if those before had been taken."""
        epoch, skipped = divmod(step, self.steps_per_epoch)
        drops, rate, ema, scaling = self.masks.drops, self.rate, self.ema, self.scaling if self.raw else None
        while step < self.steps:
            for x, target, weight in self._epoch(epoch, skipped):
                masks = self.masks(step, len(target)) if drops else {}
                yield Batch(x, target, rate(step), masks, step, ema(step), scaling, weight, self.radius(step, target))
                step += 1
                if step == self.steps:
                    return
            epoch, skipped = epoch + 1, 0

    def _epoch(self, epoch: int, skipped: int) -> Iterator[Gathered]:
        for chunk in self.chunks(epoch, skipped):
            yield from chunk

    def chunks(self, epoch: int, skipped: int) -> Iterator[Iterable[Gathered]]:
        """The epoch's batches from number `skipped` on: gathered a chunk at a time, handed out as views."""
        train, size = self.train, self.size
        whole = size == len(train)
        if train.draw is None and whole and not self.vary:  # one batch holds all: their order changes nothing
            yield Chunk(self.numbers(train.x), train.y, size, train.weight)
            return
        order = np.arange(size) if whole else self.order(epoch)
        batches = max(1, CHUNK // (size * math.prod(train.x.shape[1:])))

        def gather(first: int) -> Iterable[Gathered]:
            start = epoch * self.steps_per_epoch + first
            if train.draw is not None:
                stop = min(first + batches, self.steps_per_epoch) - first + start
                return [self._drawn(train.draw, step) for step in range(start, min(stop, self.steps))]
            chosen = order[first * size : (first + batches) * size]
            x, y, weight = self.taken(chosen)
            if self.vary is None:
                return Chunk(self.numbers(x), y, size, weight)
            parts = [slice(start, start + size) for start in range(0, len(y), size)]
            varied = (
                self.vary(x[p], chosen[p], epoch, step)
                for p, step in zip(parts, range(start, self.steps), strict=False)
            )
            return [
                Gathered(self.numbers(x), y[part], None if weight is None else weight[part])
                for x, part in zip(varied, parts, strict=False)
            ]

        yield from _ahead(gather, range(skipped, self.steps_per_epoch, batches))

    def order(self, epoch: int) -> Array:
        """The places of the samples in the order in which an epoch visits them, (samples,)."""
        return stream(self.seed, "shuffle", epoch).permutation(len(self.train))

    def taken(self, places: Array) -> Gathered:
        """The samples at these places, as they are kept, with their answers and weights."""
        train = self.train
        weight = None if train.weight is None else train.weight[places]
        return Gathered(np.take(train.x, places, axis=0, mode="clip"), train.y[places], weight)

    def radius(self, step: int, target: Array) -> Array | None:
        """How far each sample of a step is moved towards a higher loss, (batch,); `None` for not at all."""
        if not self.farthest:
            return None
        return (stream(self.seed, "adversarial", step).random(len(target)) * self.farthest).astype(self.dtype)

    def _drawn(self, draw: Draw, step: int) -> Gathered:
        x, y = draw(stream(self.seed, "draw", step), self.size, step / self.length)
        return Gathered(self.numbers(x), y)

    def numbers(self, x: Array) -> Array:
        """Samples as the engine is given them: as bytes if `raw`, else scaled and of the recipe's type."""
        if self.raw:
            return x
        return x.astype(self.dtype, copy=False) if self.scaling is None else self.scaling.apply(x)


def _check_batch_of_one(network: Network, samples: int, size: int) -> None:
    """Raises `UserError` where an epoch's last batch is too small for a layer that needs a variance."""
    if samples % size != 1 and size != 1:
        return
    for node in network.nodes:
        if isinstance(node.spec, BatchNorm) and math.prod(length or 1 for length in node.input_shape[1:]) == 1:
            fitting = next((b for b in range(size + 1, samples + 1) if samples % b != 1), None)
            remedy = f"set training.batch_size to {fitting}" if fitting else "give it more samples"
            raise UserError(
                f"of {samples} samples in batches of {size}, the last batch holds one, and `batch_norm` (layer "
                f"{node.name}) needs at least two to train on: {remedy}."
            )


def _ahead(gather: Callable[[int], Iterable[Gathered]], starts: Sequence[int]) -> Iterator[Iterable[Gathered]]:
    """Each chunk, gathered in a thread while the one before is used.

    Gathering waits for memory, an engine for the processor.
    """
    if len(starts) < 2:
        yield from map(gather, starts)
        return
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(gather, starts[0])
        for start in starts[1:]:
            current, following = following.result(), pool.submit(gather, start)
            yield current
        yield following.result()
