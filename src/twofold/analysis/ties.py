"""Max poolings whose largest element is another one in each engine: values that are alike but for rounding.

Over an even part of an image a convolution gives the same number at every place, up to the order of its sum. Which of
them is the largest is then rounding's choice. Either is a right gradient, and both saw the same pixels, so that the
gradients of the parameters below do not differ; dx does, at those elements.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from twofold.api import Passage
from twofold.numpy_engine.layer import TRAINING
from twofold.numpy_engine.pool import MaxPool2d
from twofold.numpy_engine.windows import Windows
from twofold.recipe import layers as specs


class Ties(NamedTuple):
    """How many windows of a max pooling part the engines, and how many it has."""

    layer: str
    parted: int
    windows: int


def ties(passage: Passage) -> list[Ties]:
    """The poolings that part the engines, in forward order; a window's largest is sought in each engine's own input."""
    found, inputs = list[Ties](), dict.fromkeys(passage.traces, passage.batch.x)
    for node in passage.recipe.network.nodes:
        if isinstance(node.spec, specs.MaxPool2d):
            pool = MaxPool2d(Windows(*node.spec.window, ceil_mode=node.spec.ceil_mode))
            first, *others = (pool.forward({}, x, TRAINING)[1].number for x in inputs.values())
            parted = sum(int(np.count_nonzero(first != other)) for other in others)
            found += [Ties(node.name, parted, first.size)] if parted else []
        inputs = {engine: trace.outputs[node.name] for engine, trace in passage.traces.items()}
    return found
