"""Max poolings in which the two engines pick different largest elements, since values are equal but for rounding.

Over an even part of an image a convolution gives the same number at every place, up to the order of its sum. Rounding
then decides which of them is the largest, and either gradient is right. Where both saw the same pixels, as almost
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
    """The number of windows of a max pooling in which the engines differ, and of all its windows."""

    layer: str
    parted: int
    windows: int

    def __str__(self) -> str:
        """The ties in words, to stand in a sentence."""
        return f"{self.parted:,} of {self.windows:,} windows of {self.layer} max_pool2d"


def ties(network: Network, x: Array | None, first: Arrays, second: Arrays) -> list[Ties]:
    """The poolings in which two engines differ, in forward order, from their outputs by layer for a batch x.

    Without x, which is not known where an engine moves its samples, a pooling that comes first is not looked at. The
    largest element of a window is looked for in each engine's own input.
    """
    from twofold.numpy_engine.layer import TRAINING
    from twofold.numpy_engine.pool import MaxPool2d
    from twofold.numpy_engine.windows import Windows

    decided, inputs = list[Ties](), () if x is None else (x, x)
    for node in network.nodes:
        if isinstance(node.spec, Pooling) and inputs:
            pool = MaxPool2d(Windows(*node.spec.window, ceil_mode=node.spec.ceil_mode))
            chosen, chosen_too = (pool.forward({}, pooled, TRAINING)[1].number for pooled in inputs)
            parted = int(np.count_nonzero(chosen != chosen_too))
            decided += [Ties(node.name, parted, chosen.size)] if parted else []
        inputs = first[node.name], second[node.name]
    return decided
