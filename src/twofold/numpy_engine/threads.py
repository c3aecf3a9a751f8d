"""One layer on several processors: each takes a part of the batch."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, reduce
from typing import Generic, TypeVar, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import ThroughTime
from twofold.engine.threads import MANY_PRODUCTS, SMALL_PRODUCT, blas_threads, largest_product
from twofold.numpy_engine.layer import Cache, Mode, Timed
from twofold.recipe import Model
from twofold.recipe.recurrent import Recurrent
from twofold.recipe.training import Training

S = TypeVar("S")
T = TypeVar("T")

HAND_OVER = 5e-6
"""Seconds after which a thread that waits for Python's lock may insist on it."""
SHARED_PRODUCT = 1 << 19
"""Multiply-adds of a recurrent layer's product, of one gate and one step of time, from which threads share it out."""
MOST_PARTS = 4
"""More threads wait for Python's lock."""


def worthwhile_parts(model: Model, training: Training) -> int:
    """How many parts of the batch a recurrent layer takes at once: one for each processor that the libraries may use.

    One where the product of a step of time is too small to be worth sharing out, or so large that the library does.
    """
    if training.shards:
        return 1  # they are the parts, and so many wherever they are computed
    batch = training.batch_size
    hidden = max((layer.units**2 for layer in model.layers if isinstance(layer, Recurrent)), default=0)
    if batch == "full" or batch * hidden < SHARED_PRODUCT:
        return 1
    if batch * largest_product(model.network) >= MANY_PRODUCTS * SMALL_PRODUCT["blas"]:
        return 1  # so large that the library's own threads pay
    return min(blas_threads(), MOST_PARTS)


@final
class InParts(Generic[Cache]):
    """The layer, taken by `parts` threads at once: samples are independent, and gradients of parameters add up.

    For the many small products of a loop over time, which a linear algebra library would not share out. NumPy holds no
    lock while it computes.
    """

    def __init__(self, layer: Timed[Cache], parts: int) -> None:
        self.layer = layer
        self.parts = parts

    def forward(self, params: Arrays, x: Array, mode: Mode) -> tuple[Array, list[Cache]]:
        """The cache is that of each part."""
        lengths = mode.lengths
        modes = [mode] * self.parts if lengths is None else [mode._replace(lengths=n) for n in self._split(lengths)]
        parts = list(zip(self._split(x), modes, strict=False))
        passed = self._each(lambda part: self.layer.forward(params, *part), parts)
        return np.concatenate([y for y, _ in passed]), [cache for _, cache in passed]

    def backward(
        self, params: Arrays, cache: list[Cache], dy: Array, wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """∂L/∂x beside each other, ∂L/∂parameter as a sum."""
        pairs = list(zip(cache, self._split(dy), strict=True))
        passed = self._each(lambda pair: self.layer.backward(params, pair[0], pair[1], wants_dx), pairs)
        dxs = [dx for dx, _ in passed if dx is not None]
        grads = {name: reduce(np.add, [grads[name] for _, grads in passed]) for name in passed[0][1]}
        return (np.concatenate(dxs) if wants_dx else None), grads

    def through_time(self, params: Arrays, cache: list[Cache], dy: Array) -> ThroughTime:
        """h(t) and ∂L/∂h(t) of the whole batch, the parts beside each other."""
        parts = [self.layer.through_time(params, *pair) for pair in zip(cache, self._split(dy), strict=True)]
        return ThroughTime(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))

    def _split(self, a: Array) -> list[Array]:
        return np.array_split(a, max(1, min(self.parts, len(a))))  # none of nothing

    def _each(self, call: Callable[[S], T], items: Sequence[S]) -> list[T]:
        """The first here, the others in threads that wait for them."""
        with _handing_over():
            others = [_pool(self.parts - 1).submit(_quietly, call, item) for item in items[1:]]
            return [call(items[0]), *(other.result() for other in others)]


@contextmanager
def _handing_over() -> Iterator[None]:
    """Threads that want Python's lock get it between two operations of NumPy.

    An operation gives the lock up and takes it again so soon that a thread which waits for it wakes too late;
    it may insist only after this interval, by default 5 ms: more than the whole pass.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(HAND_OVER)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _quietly(call: Callable[[S], T], item: S) -> T:
    """Overflow is found in the loss, in whatever thread it happens: NumPy's settings are a thread's own."""
    with np.errstate(all="ignore"):
        return call(item)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


if hasattr(os, "register_at_fork"):  # a forked process has the pool, and none of its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
