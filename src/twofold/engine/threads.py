"""How large the products of a training step are, and from which size on a second thread is worth waking."""

from __future__ import annotations

import math
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, final

from twofold.recipe import Network, Node, Recipe
from twofold.recipe.base import elements
from twofold.recipe.network import recurrent_nodes
from twofold.recipe.windows import Conv2d

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

SMALL_PRODUCT = {"blas": 1 << 24, "openmp": 1 << 20}
"""Multiply-adds of a matrix product below which a second thread is not worth waking: OpenMP's threads are PyTorch's."""

MANY_PRODUCTS = 16
"""A loop over time waits for its threads at every step: its products must be so many times larger. With two threads a
step of the palindromes took PyTorch 5.6 ms on a quiet machine, 7.8 ms with one; on a busy one 220 ms."""


def few_threads(recipe: Recipe, samples: int) -> AbstractContextManager[object]:
    """One thread for the matrix products of NumPy, and for PyTorch, where the largest product of a step is small.

    A second thread gains such a product nothing on a quiet machine; on a busy one the threads wait for each other
    longer than they compute: 9.5 s in place of 0.2 s for an epoch of MNIST with 64 units, 12 ms in place of 0.15 ms for
    a step of a 2-20-2 network in PyTorch. Enter it when the engines are built: it limits the libraries then loaded.
    """
    if recipe.training.shards:  # what a thread computes must not depend on how many there are
        return _one_thread(set(SMALL_PRODUCT))
    batch = samples if recipe.training.batch_size == "full" else recipe.training.batch_size
    size = batch * largest_product(recipe.network)
    if recurrent_nodes(recipe.network):
        size //= MANY_PRODUCTS
    small = {library for library, limit in SMALL_PRODUCT.items() if size < limit}
    return _one_thread(small) if small else nullcontext()


@contextmanager
def _one_thread(libraries: set[str]) -> Iterator[None]:
    """One thread for these libraries, where a limit of OpenMP is the calling thread's own."""
    from threadpoolctl import threadpool_limits

    with ExitStack() as limits:
        if "blas" in libraries:
            limits.enter_context(ONE_BLAS_THREAD)
        if "openmp" in libraries:
            limits.enter_context(threadpool_limits(1, user_api="openmp"))
        yield


@final
class Shared:
    """A setting of the whole process, made by the first of overlapping calls in several threads and taken back by the
    last. If each call restored what it had found, it could restore what another had set."""

    def __init__(self, setting: Callable[[], AbstractContextManager[object]]) -> None:
        self._setting, self._held, self._users = setting, ExitStack(), 0
        self._renew()
        if hasattr(os, "register_at_fork"):  # a forked process inherits the lock, but not the thread that holds it
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._held.enter_context(self._setting())
            self._users += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._held.close()


def threaded_libraries() -> ThreadpoolController:
    """Control over the libraries with threads that are loaded now."""
    return _libraries(tuple(name in sys.modules for name in ("torch", "scipy.linalg")))


@cache
def _libraries(loaded: tuple[bool, ...]) -> ThreadpoolController:
    """Looks for the libraries once, which takes milliseconds, and again when others are `loaded`."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def _limited_blas() -> Iterator[None]:
    _let_any_thread_set_it()
    limits = threaded_libraries().limit(limits=1, user_api="blas")
    try:
        yield
    finally:
        _let_any_thread_set_it()
        limits.restore_original_limits()
        _let_any_thread_set_it()


def _let_any_thread_set_it() -> None:
    """Newer versions of threadpoolctl silently ignore a limit that is changed by another thread than the one that first
    set it. Here the last of several overlapping calls changes it, in whichever thread that is."""
    import threadpoolctl

    clear = getattr(getattr(threadpoolctl, "OpenBLASController", None), "clear_controlling_thread", None)
    if clear is not None:
        clear(force=True)


ONE_BLAS_THREAD = Shared(_limited_blas)
"""While it is entered, in whatever threads, the products of NumPy take one thread each."""


def blas_threads() -> int:
    """How many threads the linear algebra of NumPy may use now."""
    from threadpoolctl import threadpool_info

    return max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)


def largest_product(network: Network) -> int:
    """Multiply-adds of the network's largest matrix product, for one sample."""
    return max(map(multiply_adds, network.nodes), default=0)


def multiply_adds(node: Node) -> int:
    """Multiply-adds of a layer's largest product, for one sample: each weight once a window."""
    windows = math.prod(size or 1 for size in node.output_shape[1:]) if isinstance(node.spec, Conv2d) else 1
    return windows * max((elements(shape) or 1 for shape in node.parameters.values()), default=0)
