"""How much memory a training will take, from the shapes alone, before anything is allocated for it."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twofold.data import Split
from twofold.errors import UserError
from twofold.memory import available_memory, size_text
from twofold.recipe import Network, Node, Recipe
from twofold.recipe.base import elements
from twofold.recipe.layer import numbers

EVALUATION_BATCH = 2000
EVALUATION_NUMBERS = 1 << 24
"""Numbers in a layer's output for an evaluation batch, at most: 64 MiB, of which a convolution takes a few."""
COPIES = 2
"""Copies of the state beside the engine's own: that of the last evaluation, and the one that replaces it."""
STEP_VECTORS = 3
"""Vectors as long as the parameters: the gradient, its pieces, what the update rule makes of it."""
BACKWARD_ARRAYS = 3
"""Arrays of the widest layer's size on the way back: ∂L/∂y, ∂L/∂x, and what the layer makes between them."""
GATHERED_BATCHES = 2
"""Batches of samples in memory at once: the one in use, and the next."""


@dataclass(frozen=True)
class Needed:
    """Bytes that a training takes beside the samples that are already in memory."""

    state: int
    """Parameters, gradients, moments, averages, and the copies that training keeps."""
    data: int
    """The samples in another type, the answers of an evaluation."""
    sample: int
    """Bytes of one sample of a batch: what all layers keep for the way back, and what the widest computes on it."""
    batch: int
    """Samples of a batch."""
    evaluation: int
    """Bytes that an evaluation takes; it comes after a step, not beside one."""

    @property
    def total(self) -> int:
        """Bytes at the moment when most are taken."""
        return self.state + self.data + max(self.batch * self.sample, self.evaluation)

    def fitting(self, available: int) -> int:
        """The largest batch that fits into `available` bytes; below 1 where not even one sample does."""
        left = available - self.state - self.data
        return left // self.sample if left >= self.evaluation else 0


def evaluation_batch(network: Network) -> int:
    """The largest evaluation batch, up to `EVALUATION_BATCH`, whose widest output stays within `EVALUATION_NUMBERS`."""
    return min(EVALUATION_BATCH, max(1, EVALUATION_NUMBERS // network.largest))


def check_memory(recipe: Recipe, engines: Sequence[str], *splits: Split, side_by_side: bool = False) -> None:
    """Raises `UserError` where training would take more memory than there is, with the batch that would fit.

    `splits`: the training samples, then those that are evaluated. `side_by_side`: the engines take
    their steps together, as in a verification. Where it is not known how much memory there is, nothing is checked; an
    engine on a device is not counted.
    """
    available = available_memory()
    if available is None:
        return
    here = [engine for engine in engines if engine == "numpy" or not _on_a_device(recipe)]
    needed = needed_memory(recipe, here, *splits, side_by_side=side_by_side)
    if needed.total <= available:
        return
    fitting = needed.fitting(available)
    if fitting >= 1:
        remedy = f"Set training.batch_size to at most {fitting}: --set training.batch_size={fitting}"
    else:
        remedy = "No batch fits beside it: make the layers smaller, or take fewer samples."
    raise UserError(
        f"not enough memory: this training takes about {size_text(needed.total)}, {size_text(available)} are "
        f"available. Of it, parameters and moments take {size_text(needed.state)}, the data {size_text(needed.data)}, "
        f"a batch of {needed.batch} samples {size_text(needed.batch * needed.sample)}, {size_text(needed.sample)} "
        f"each; an evaluation {size_text(needed.evaluation)}.\n  {remedy}"
    )


def fit_at_once(recipe: Recipe, replicas: int, *splits: Split) -> bool:
    """Whether `replicas` of a network fit into memory at once; `True` where it is not known how much there is."""
    available = available_memory()
    one = needed_memory(recipe, ["numpy"], *splits)
    needed = one.data + replicas * (one.state + max(one.batch * one.sample, one.evaluation))
    return available is None or needed <= available


def _on_a_device(recipe: Recipe) -> bool:
    """Whether the torch engine computes on a device other than the processor."""
    if recipe.training.device == "cpu":
        return False
    from twofold.torch_engine.device import resolve_device

    return resolve_device(recipe.training.device).type != "cpu"


def needed_memory(recipe: Recipe, engines: Sequence[str], *splits: Split, side_by_side: bool = False) -> Needed:
    """The memory that training takes, from the shapes of network, batch and data."""
    network, training, train = recipe.network, recipe.training, splits[0]
    item, parameters = np.dtype(training.dtype).itemsize, network.count or 0
    weights = parameters + sum(elements(shape) or 0 for shape in network.buffers.values())
    held = weights * (2 if training.ema else 1) + parameters * len(recipe.optimizer.moments)
    state = held * (len(engines) + COPIES + (training.keep == "best")) + STEP_VECTORS * parameters
    converted = 0
    if train.scaling is None and train.x.dtype != training.dtype:
        converted = sum(map(len, splits)) * math.prod(train.x.shape[1:])
    batch = training.batch(sys.maxsize if train.draw is not None and training.batch_size != "full" else len(train))
    counts = [sample_numbers(network.nodes, engine) for engine in engines] or [0]
    sample = sum(counts) if side_by_side else max(counts)
    most = max(map(len, splits))
    judge = "numpy" if "numpy" in engines else "torch"
    evaluation = min(evaluation_batch(network), most) * max(_evaluated(node, judge) for node in network.nodes)
    return Needed(
        item * state, item * (converted + 2 * most * network.classes), max(1, item * sample), batch, item * evaluation
    )


def sample_numbers(nodes: Sequence[Node], engine: str) -> int:
    """How many numbers a sample of a batch takes in an engine."""
    held = GATHERED_BATCHES * numbers(nodes[0].input_shape) + sum(_kept(node, engine) for node in nodes)
    return held + BACKWARD_ARRAYS * _widest(nodes)


def _kept(node: Node, engine: str) -> int:
    """Numbers that the layer keeps of a sample for the way back, its output included."""
    numbers_kept = node.spec.kept(node.input_shape)
    return numbers_kept.by_hand if engine == "numpy" else numbers_kept.by_autograd


def _evaluated(node: Node, engine: str) -> int:
    """Numbers that the layer takes for a sample in an evaluation: what it computes, and its input."""
    return _kept(node, engine) + numbers(node.input_shape)


def _widest(nodes: Sequence[Node]) -> int:
    """The numbers of a sample at the layer that has most of them, in and out."""
    return max(numbers(node.input_shape) + numbers(node.output_shape) for node in nodes) // 2
