"""Max poolings whose largest element is another one in each engine: values that are alike but for rounding.

Over an even part of an image a convolution gives the same number at every place, up to the order of its sum. Which of
them is the largest is then rounding's choice. Either is a right gradient. Where both saw the same pixels, as almost
always, the gradients of the parameters below do not differ; dx does, at those elements. Kernels that pass one pixel on,
as `dirac` makes them, may give two places one number that have other neighbours: then gradients differ, too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.recipe import Network
from twofold.recipe.pooling import MaxPool2d as Pooling


class Ties(NamedTuple):
    """How many windows of a max pooling part the engines, and how many it has."""

    layer: str
    parted: int
    windows: int

    def __str__(self) -> str:
        """As a sentence names them."""
        return f"{self.parted:,} of {self.windows:,} windows of {self.layer} max_pool2d"


def ties(network: Network, x: Array, first: Arrays, second: Arrays) -> list[Ties]:
    """The poolings that part two engines, in forward order, from their outputs by layer for a batch x.

    A window's largest is sought in each engine's own input.
    """
    from twofold.numpy_engine.layer import TRAINING
    from twofold.numpy_engine.pool import MaxPool2d
    from twofold.numpy_engine.windows import Windows

    decided, inputs = list[Ties](), (x, x)
    for node in network.nodes:
        if isinstance(node.spec, Pooling):
            pool = MaxPool2d(Windows(*node.spec.window, ceil_mode=node.spec.ceil_mode))
            one, other = (pool.forward({}, pooled, TRAINING)[1].number for pooled in inputs)
            parted = int(np.count_nonzero(one != other))
            decided += [Ties(node.name, parted, one.size)] if parted else []
        inputs = first[node.name], second[node.name]
    return decided
