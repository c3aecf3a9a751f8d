"""How large the products of a training step are, and from which size on a second thread is worth waking."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

from twofold.recipe import Network, Node, Recipe
from twofold.recipe.base import elements
from twofold.recipe.network import recurrent_nodes
from twofold.recipe.windows import Conv2d

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
    from threadpoolctl import threadpool_limits

    if recipe.training.shards:  # what a thread computes must not depend on how many there are
        return threadpool_limits(1)
    batch = samples if recipe.training.batch_size == "full" else recipe.training.batch_size
    size = batch * largest_product(recipe.network)
    if recurrent_nodes(recipe.network):
        size //= MANY_PRODUCTS
    small = {library: 1 for library, limit in SMALL_PRODUCT.items() if size < limit}
    return threadpool_limits(small) if small else nullcontext()


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
