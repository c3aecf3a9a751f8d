"""A batch's shards on their way through the layers, side by side: a batch norm takes its statistics from all of them.

Every other layer treats its samples one by one, so that a shard passes it alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import Batch, floats
from twofold.engine.shards import ShardsPassed, Total, Whole, terms
from twofold.numpy_engine.layer import TRAINING
from twofold.numpy_engine.losses import Loss, Value, loss_function
from twofold.numpy_engine.norm import BatchNorm, Normalized, rest, spread
from twofold.numpy_engine.passes import Names, NumpyPass
from twofold.numpy_engine.plan import Stage
from twofold.recipe.losses import Loss as LossKind


@final
class NumpyShards:
    """An engine's network, for batches that are taken shard by shard. See `twofold.engine.shards.Shards`."""

    def __init__(
        self, places: Sequence[Stage], first: int, named: Names, loss: tuple[LossKind, int], memory: tuple[Array, Array]
    ) -> None:
        """`loss`: the recipe's, with its number of outputs; `memory`: the trained vector, and the one that predicts."""
        self._places = places
        self._first = first
        self._named = named
        spec, self._outputs = loss
        self._spec = spec
        self._memory = memory
        self._sum = loss_function(spec.model_copy(update={"reduction": "sum"}))

    def terms(self, batch: Batch) -> float:
        """The number by which a batch's sum of losses is divided: see `Whole`."""
        return terms(self._spec, batch, self._outputs)

    def forward_back(self, shards: Sequence[Batch], whole: Whole, total: Total[Array]) -> ShardsPassed[Array]:
        """Take some shards of a batch through the layers side by side, and back."""
        places, dtype = self._places, self._memory[0].dtype
        outputs, caches = forward(places, shards, whole.samples, total, dtype)
        shares = losses(self._sum, [layers[-1] for layers in outputs], shards, whole.terms)
        pieces = backward(places, self._first, caches, [dy for _, dy in shares], whole.samples, total)
        vectors = [
            np.concatenate([*gradients, np.array([loss], dtype)])
            for gradients, (loss, _) in zip(pieces, shares, strict=True)
        ]
        return ShardsPassed(vectors, outputs, running(places, caches, whole.samples))

    def whole_pass(self, vector: Array, passed: ShardsPassed[Array]) -> NumpyPass:
        """The pass of a batch, from the sum of its shards' vectors."""
        return NumpyPass(self._named, Added(vector[:-1], passed), float(vector[-1]))

    def as_array(self, value: Array) -> Array:
        """The value itself, which is an array already."""
        return value

    def memory(self, *, averaged: bool) -> list[Array]:
        """The flat vector that is trained or, if `averaged`, all that predicts: the memory itself, not a copy."""
        return [self._memory[averaged]]


@final
class Added:
    """A batch's way, put together from its shards: the sum of their gradients, and the outputs of the first."""

    def __init__(self, vector: Array, passed: ShardsPassed[Array]) -> None:
        self.vector, self.buffers = vector, dict(passed.statistics)
        self._outputs = list(passed.outputs[0])

    def outputs(self) -> list[Array]:
        """The output of every layer, for the first shard."""
        return self._outputs


Caches = list[list[Any]]
"""For each layer the cache of each shard."""


def forward(
    places: Sequence[Stage], shards: Sequence[Batch], samples: int, total: Total[Array], dtype: np.dtype
) -> tuple[list[list[Array]], Caches]:
    """The output of each layer for each shard, and what the way back needs."""
    xs = [floats(shard, dtype) for shard in shards]
    outputs, caches = [list[Array]() for _ in shards], Caches()
    for name, layer, params in places:
        if isinstance(layer, BatchNorm):
            passed = norm_forward(layer, params, xs, samples, total)
        else:
            modes = [TRAINING._replace(mask=shard.masks.get(name)) for shard in shards]
            passed = [layer.forward(params, x, mode) for x, mode in zip(xs, modes, strict=True)]
        xs = [y for y, _ in passed]
        caches.append([cache for _, cache in passed])
        for shard_outputs, y in zip(outputs, xs, strict=True):
            shard_outputs.append(y)
    return outputs, caches


def backward(
    places: Sequence[Stage], first: int, caches: Caches, dys: list[Array], samples: int, total: Total[Array]
) -> list[list[Array]]:
    """For each shard the flat gradients of the parameters, in the order of the layers from `first` on."""
    pieces = [list[Array]() for _ in dys]
    for index in range(len(places) - 1, first - 1, -1):
        _, layer, params = places[index]
        if isinstance(layer, BatchNorm):
            passed = norm_backward(params, caches[index], dys, samples, total)
        else:
            pairs = zip(caches[index], dys, strict=True)
            passed = [layer.backward(params, cache, dy, index > first) for cache, dy in pairs]
        for shard, (_, grads) in zip(pieces, passed, strict=True):
            shard[:0] = [grads[name].reshape(-1) for name in params if name in grads]
        dys = [dy if dx is None else dx for dy, (dx, _) in zip(dys, passed, strict=True)]
    return pieces


def losses(loss: Loss, outputs: Sequence[Array], shards: Sequence[Batch], terms: float) -> list[tuple[Value, Array]]:
    """What each shard adds to the loss, with its gradient: the shard's sum divided by the terms of the whole batch."""
    pairs = []
    for y, shard in zip(outputs, shards, strict=True):
        weights = () if shard.weight is None else (shard.weight.astype(y.dtype, copy=False),)
        value, dy = loss(y, shard.target, *weights)
        pairs.append((value / terms, dy / terms))
    return pairs


def norm_forward(
    layer: BatchNorm, params: Arrays, xs: Sequence[Array], samples: int, total: Total[Array]
) -> list[tuple[Array, Normalized]]:
    """μ = 1/n Σ_s Σ x,   σ² = 1/n Σ_s Σ (x − μ)²,   y = γ (x − μ) / √(σ² + ε) + β

    The inner sums are over a shard, the outer one over all shards; n counts a channel's numbers in the whole batch.
    """
    n = samples * math.prod(xs[0].shape[2:])
    mean = total([x.sum(axis=rest(x)) for x in xs]) / n
    centred = [x - spread(mean, x) for x in xs]
    variance = total([(c * c).sum(axis=rest(c)) for c in centred]) / n
    rstd = 1 / np.sqrt(variance + layer.eps)
    passed = []
    for c in centred:
        x_hat = c * spread(rstd, c)
        y = x_hat * spread(params["weight"], c) + spread(params["bias"], c) if "weight" in params else x_hat
        passed.append((y, Normalized(x_hat, rstd, mean, variance)))
    return passed


def norm_backward(
    params: Arrays, caches: Sequence[Normalized], dys: Sequence[Array], samples: int, total: Total[Array]
) -> list[tuple[Array, dict[str, Array]]]:
    """dx = γ / √(σ² + ε) · (dy − 1/n Σ_s Σ dy − x̂ · 1/n Σ_s Σ dy ⊙ x̂);   per shard dγ = Σ dy ⊙ x̂, dβ = Σ dy

    A sample of one shard moves the mean and the variance of all: the two sums are over the whole batch.
    """
    n = samples * math.prod(dys[0].shape[2:])
    sums = [
        np.stack([dy.sum(axis=rest(dy)), (dy * cache.x_hat).sum(axis=rest(dy))])
        for dy, cache in zip(dys, caches, strict=True)
    ]
    mean_dy, mean_dy_x_hat = total(sums) / n
    passed = []
    for dy, cache, (dbeta, dgamma) in zip(dys, caches, sums, strict=True):
        scale = cache.rstd * params["weight"] if "weight" in params else cache.rstd
        dx = (dy - spread(mean_dy, dy) - cache.x_hat * spread(mean_dy_x_hat, dy)) * spread(scale, dy)
        passed.append((dx, {"weight": dgamma, "bias": dbeta} if "weight" in params else {}))
    return passed


def running(places: Sequence[Stage], caches: Caches, samples: int) -> Mapping[str, Array]:
    """The running statistics after the batch, by name."""
    statistics = dict[str, Array]()
    for (name, layer, params), (cache, *_) in zip(places, caches, strict=True):
        if isinstance(layer, BatchNorm):
            n = samples * math.prod(cache.x_hat.shape[2:])
            new = layer.running_after(params, cache, n)
            statistics |= {f"{name}.{what}": value for what, value in new.items()}
    return statistics
