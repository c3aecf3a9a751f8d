"""A batch in shards of fixed shape, whose gradients are added in one fixed tree.

Floating-point sums depend on their order. Here it is fixed: a batch is cut by its size and the number of shards alone,
each shard is taken forward and back by itself, and what is to be added over the batch (gradients, the loss, the sums of
a batch norm) is added in a binary tree over the shards. So it does not matter in which process a shard is computed: one
process, two and eight end with the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine.seam import Batch, Engine, Keep, Pass, State, Trace, UpdatedPass
from twofold.engine.tree import T, cut, total
from twofold.recipe import Recipe
from twofold.recipe.losses import CrossEntropy, Loss

Total = Callable[[Sequence[T]], T]
"""Gives the sum over all shards of a batch; it takes one summand for each shard that this process computes."""


def shards_of(batch: Batch, shards: int) -> list[Batch]:
    """The batch cut into shards, each with its part of dropout's masks."""
    return [
        batch._replace(
            x=batch.x[part],
            target=batch.target[part],
            masks={name: mask[part] for name, mask in batch.masks.items()},
            weight=None if batch.weight is None else batch.weight[part],
        )
        for part in cut(len(batch.target), shards)
    ]


class Whole(NamedTuple):
    """What a shard must know of the whole batch: its number of samples, and of terms of the loss."""

    samples: int
    terms: float
    """What the loss is divided by: for a mean the number of its terms, or the sum of their weights; 1 for a sum."""


def terms(loss: Loss, batch: Batch, outputs: int) -> float:
    """A loss's divisor: the sum of the samples' weights, times `outputs` if each output has a term; 1 for a sum.

    Infinity in place of 0: where all weights are 0, so are the loss and its gradient.
    """
    if loss.reduction == "sum":
        return 1.0
    weights = np.ones(len(batch.target)) if batch.weight is None else batch.weight.astype(np.float64)
    if not isinstance(loss, CrossEntropy):
        return float(weights.sum()) * outputs or math.inf
    if loss.class_weight is not None:
        weights = weights * np.array(loss.class_weight)[batch.target]
    return float(weights.sum()) or math.inf


@dataclass(frozen=True)
class ShardsPassed(Generic[T]):
    """Some shards of a batch on their way forward and back."""

    vectors: Sequence[T]
    """For each shard what it adds to ∂loss/∂parameter, in the order of the parameters, and last what it adds to the
    loss."""
    outputs: Sequence[Sequence[T]]
    """For each shard the output of each layer."""
    statistics: Mapping[str, T]
    """The running statistics after the whole batch."""


class Shards(Protocol[T]):
    """How an engine takes a batch shard by shard. Nothing here changes the engine."""

    def terms(self, batch: Batch) -> float:
        """See `Whole`."""
        ...

    def forward_back(self, shards: Sequence[Batch], whole: Whole, total: Total[T]) -> ShardsPassed[T]:
        """Take some shards of a batch forward and back.

        `total` is called for each sum over the batch, in the same order in every process.
        """
        ...

    def whole_pass(self, vector: T, passed: ShardsPassed[T]) -> Pass:
        """The pass of a batch, from the sum of all its shards' vectors; its outputs are those of the first shard."""
        ...

    def as_array(self, value: T) -> Array:
        """The value as a NumPy array."""
        ...

    def memory(self, *, averaged: bool) -> list[T]:
        """The parameters' own memory, to be read or written; `averaged`: all that predicts, running statistics too."""
        ...


class ShardEngine(Engine, Protocol):
    """An engine that takes a batch shard by shard."""

    @property
    def shards(self) -> Shards[Any]:
        """How it takes them."""
        ...


class Group(Protocol):
    """Who computes the shards: this process, or several."""

    processes: int

    def begin(self, recipe: Recipe) -> None:
        """Called before an engine is built. Raises `UserError` where the recipe is not for so many processes."""
        ...

    def gradients(self, engine: ShardEngine, batch: Batch, shards: int) -> Pass:
        """Take a batch forward and back, shard by shard, by whichever processes there are."""
        ...

    def predict(self, engine: ShardEngine, x: Array, shards: int) -> Array:
        """The logits in evaluation mode."""
        ...

    def end(self, folder: Path) -> None:
        """Called when the run is whole; it lies in `folder`."""
        ...


@final
class Alone:
    """All shards, one after another, in this process."""

    processes = 1

    def begin(self, recipe: Recipe) -> None:
        """Nothing to check: one process is enough for any recipe."""

    def end(self, folder: Path) -> None:
        """Nothing to do: no other process waits for the run."""

    def gradients(self, engine: ShardEngine, batch: Batch, shards: int) -> Pass:
        """See `Group`."""
        way = engine.shards
        about = Whole(len(batch.target), way.terms(batch))
        passed = way.forward_back(shards_of(batch, shards), about, total)
        whole = way.whole_pass(total(passed.vectors), passed)
        return ShardedPass(whole, lambda: joined([[*map(way.as_array, shard)] for shard in passed.outputs]))

    def predict(self, engine: ShardEngine, x: Array, shards: int) -> Array:
        """See `Group`."""
        return np.concatenate([engine.predict(x[part]) for part in cut(len(x), shards)])


ALONE = Alone()


def joined(outputs: Sequence[Sequence[Array]]) -> list[Array]:
    """The output of each layer for the whole batch, from those of its shards."""
    return [np.concatenate(layer) for layer in zip(*outputs, strict=True)]


@final
class ShardedPass:
    """The pass of a batch that was taken in shards. See `Pass`; its outputs are put together when they are read."""

    def __init__(self, whole: Pass, outputs: Callable[[], list[Array]]) -> None:
        self.whole = whole
        """Loss, gradients and running statistics, as the engine itself has them."""
        self._collect = outputs
        self._collected: list[Array] | None = None

    def collect(self) -> list[Array]:
        """The output of each layer, fetched once."""
        if self._collected is None:
            self._collected = self._collect()
        return self._collected

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name."""
        return dict(zip(self.whole.outputs, self.collect(), strict=True))

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        return self.collect()[-1]

    @property
    def loss(self) -> float:
        """The loss of the batch."""
        return self.whole.loss

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by name."""
        return self.whole.gradients

    @property
    def buffers(self) -> Arrays:
        """The running statistics after the batch."""
        return self.whole.buffers


@final
class ShardedEngine:
    """An engine whose batches are cut into shards: for `training.shards`. See `Engine`.

    Training and evaluation go shard by shard, through `group`. What looks closely at one batch, `trace` and `outputs`,
    is the engine's own, of the whole batch.
    """

    def __init__(self, inner: ShardEngine, shards: int, group: Group = ALONE) -> None:
        self.inner = inner
        self.shards = shards
        self.group = group
        self.name, self.device, self.arithmetic = inner.name, inner.device, inner.arithmetic

    @property
    def threads(self) -> int:
        """The threads that its products may use now."""
        return self.inner.threads

    def load(self, state: State) -> None:
        """Take over a state, copied."""
        self.inner.load(state)

    def state(self) -> State:
        """A copy of the state."""
        return self.inner.state()

    def gradients(self, batch: Batch, keep: Keep = "gradients") -> Pass:
        """Take a batch forward and back, in shards."""
        return self.trace(batch) if keep == "everything" else self.group.gradients(self.inner, batch, self.shards)

    def update(self, gradients: Pass | Arrays, lr: float | Array, ema: float = 0.0) -> None:
        """One update along the gradients of the whole batch, which are clipped as such."""
        self.inner.update(gradients.whole if isinstance(gradients, ShardedPass) else gradients, lr, ema)

    def step(self, batch: Batch) -> UpdatedPass:
        """`gradients` and `update`."""
        passed = self.gradients(batch)
        self.update(passed, batch.lr, batch.ema)
        return UpdatedPass(self, passed)

    def trace(self, batch: Batch) -> Trace:
        """The pass of a batch, kept whole."""
        return self.inner.trace(batch)

    def predict(self, x: Array) -> Array:
        """The logits in evaluation mode."""
        return self.group.predict(self.inner, x, self.shards)

    def outputs(self, x: Array) -> list[Array]:
        """What each layer gives in evaluation mode."""
        return self.inner.outputs(x)
