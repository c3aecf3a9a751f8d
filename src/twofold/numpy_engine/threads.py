"""A batch on several processors: each takes a part of it through the whole network, and back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine.threads import (
    MANY_PRODUCTS,
    ONE_BLAS_THREAD,
    SMALL_PRODUCT,
    Shared,
    blas_threads,
    largest_product,
    multiply_adds,
)
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.passes import Way
from twofold.recipe import Model
from twofold.recipe.norms import BatchNorm
from twofold.recipe.recurrent import Recurrent
from twofold.recipe.training import Training
from twofold.recipe.windows import Conv2d

S = TypeVar("S")
T = TypeVar("T")

HAND_OVER = 5e-6
"""Seconds after which a thread that waits for Python's lock may insist on it."""
SHARED_PRODUCT = 1 << 19
"""Multiply-adds of a recurrent layer's product, for one gate and one step, from which threads share out a batch."""
SHARED_CONVOLUTIONS = 1 << 32
"""Multiply-adds of a batch's way forward from which threads share out a batch of a network with convolutions. Below, a
pass is so many short operations that the threads wait for Python's lock longer than they compute."""
NEAR = 1 << 23
"""Numbers that the largest layer output may hold for the samples that a thread evaluates at once."""
MOST_PARTS = 4
"""The most parts of a batch: more threads than that wait for Python's lock."""


def worthwhile_parts(model: Model, training: Training) -> int:
    """The number of parts into which each batch is split: one for each thread of the libraries, up to `MOST_PARTS`.

    It is 1 where a batch is too small to be worth splitting, where the library does better with threads of its own, and
    where a batch norm must see all samples.
    """
    batch, nodes = training.batch_size, model.network.nodes
    if training.shards or batch == "full" or any(isinstance(node.spec, BatchNorm) for node in nodes):
        return 1  # shards are parts already, as many on every machine
    hidden = max((node.spec.units**2 for node in nodes if isinstance(node.spec, Recurrent)), default=0)
    shared = batch * hidden >= SHARED_PRODUCT
    if hidden and batch * largest_product(model.network) >= MANY_PRODUCTS * SMALL_PRODUCT["blas"]:
        shared = False  # so large that the library's own threads do better
    if any(isinstance(node.spec, Conv2d) for node in nodes):
        shared = batch * sum(map(multiply_adds, nodes)) >= SHARED_CONVOLUTIONS
    return min(blas_threads(), MOST_PARTS) if shared else 1


def parts_to_predict(model: Model, training: Training) -> int:
    """The number of parts into which samples to predict are split: convolutions are worth it, with a batch norm, too.

    An evaluation takes hundreds of samples at once, a training's step a few.
    """
    if any(isinstance(node.spec, Conv2d) for node in model.network.nodes):
        return min(blas_threads(), MOST_PARTS)
    return worthwhile_parts(model, training)


@final
class WayInParts:
    """Ways for parts of a batch, each in a thread of its own: samples are independent, and gradients add up.

    Only the loss, between the way forward and the way back, is computed from all samples together. NumPy releases
    Python's lock while it computes.
    """

    def __init__(self, parts: Sequence[Way], shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts])[:-1].tolist()
        self.vector = parts[0].vector
        self.buffers = dict[str, Array]()

    def forward(self, x: Array, masks: Arrays, mode: Mode) -> Array:
        """The output of the last layer."""
        split = {name: np.split(mask, self._ends) for name, mask in masks.items()}
        lengths = [None] * len(self._parts) if mode.lengths is None else np.split(mode.lengths, self._ends)
        rows = np.split(x, self._ends)

        def forward(index: int) -> Array:
            own = {name: parts[index] for name, parts in split.items()}
            return self._parts[index].forward(rows[index], own, mode._replace(lengths=lengths[index]))

        return np.concatenate(in_threads(forward, range(len(self._parts))))

    def backward(self, dy: Array) -> None:
        """Each part's own gradient, and their sum in the memory of the first."""
        pairs = list(zip(self._parts, np.split(dy, self._ends), strict=True))
        in_threads(lambda pair: pair[0].backward(pair[1]), pairs)
        for part in self._parts[1:]:
            np.add(self.vector, part.vector, out=self.vector)

    def outputs(self) -> list[Array]:
        """The output of every layer, the parts joined."""
        return [np.concatenate(layer) for layer in zip(*(part.outputs() for part in self._parts), strict=True)]

    def rest(self) -> None:
        """Release in each part what its next batch makes anew."""
        for part in self._parts:
            part.rest()


def sizes(samples: int, parts: int) -> list[int]:
    """The number of samples of each part: as even as possible, with fewer parts rather than empty ones."""
    parts = max(1, min(parts, samples))
    return [samples // parts + (index < samples % parts) for index in range(parts)]


def in_threads(call: Callable[[S], T], items: Sequence[S]) -> list[T]:
    """The result of the call for each item: the first is computed in this thread, the others in those of a pool."""
    with _HANDING_OVER, ONE_BLAS_THREAD:  # the parts have threads: each part's products need no more
        others = [_pool(len(items) - 1).submit(_quietly, call, item) for item in items[1:]]
        return [call(items[0]), *(other.result() for other in others)]


@contextmanager
def _handing_over() -> Iterator[None]:
    """Threads that want Python's lock get it between two operations of NumPy.

    An operation gives the lock up and takes it again so soon that a waiting thread wakes too late. That thread may
    insist only after the switch interval, by default 5 ms: more than the whole pass.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(HAND_OVER)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


_HANDING_OVER = Shared(_handing_over)


def _quietly(call: Callable[[S], T], item: S) -> T:
    """The call without NumPy's warnings, which each thread must silence for itself: overflow shows in the loss."""
    with np.errstate(all="ignore"):
        return call(item)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


if hasattr(os, "register_at_fork"):  # a forked process inherits the pool, but none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
