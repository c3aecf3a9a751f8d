"""Losses: the value, and its gradient with respect to the network's output."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Int

from twofold.arrays import Array
from twofold.recipe.losses import Loss as LossKind

Value: TypeAlias = float | Array
"""A loss, of replicas one each."""
Loss = Callable[[Array, Array], tuple[Value, Array]]
"""From outputs and classes to the loss and its gradient."""


def cross_entropy(
    logits: Float[Array, "*batch classes"],
    target: Int[Array, "*batch"],
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[Value, Float[Array, "*batch classes"]]:
    """Mean cross-entropy in nats, and its gradient. `torch.nn.functional.cross_entropy`.

    L = −(1/n) Σ log softmax(z)[target],   ∂L/∂z = (softmax(z) − onehot(target)) / n

    The division by n is here and nowhere else: every later gradient is a mean over the batch because this one is.
    With `reduction="sum"` there is none. With label smoothing ε the target is (1 − ε) onehot + ε / C for C classes:

    L = −(1/n) Σ ((1 − ε) log softmax(z)[target] + (ε / C) Σ_c log softmax(z)[c]).   Szegedy et al. (2015), section 7.
    """
    chosen = (*_places(target), target)
    n = target.shape[-1] if reduction == "mean" else 1
    z = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    e = np.exp(z)
    total = np.add.reduce(e, axis=-1, keepdims=True)
    log_total = np.log(total[..., 0])
    loss = _summed(log_total - z[chosen]) / n
    dz = e / (n * total)
    dz[chosen] -= (1 - label_smoothing) / n
    if label_smoothing:
        uniform = _summed(log_total - z.mean(axis=-1)) / n
        loss = (1 - label_smoothing) * loss + label_smoothing * uniform
        dz -= label_smoothing / (n * logits.shape[-1])
    return loss, dz


def _places(target: Array) -> tuple[Array, ...]:
    """The index of each target along its axes: the rows, and before them the replicas."""
    return (np.arange(len(target)),) if target.ndim == 1 else tuple(np.indices(target.shape, sparse=True))


def _summed(terms: Array) -> Value:
    """Over the batch: a number, or of replicas one each."""
    total = np.add.reduce(terms, axis=-1)
    return float(total) if terms.ndim == 1 else total.astype(np.float64)


def mean_squared(
    outputs: Float[Array, "*batch classes"], target: Int[Array, "*batch"], reduction: str = "mean"
) -> tuple[Value, Float[Array, "*batch classes"]]:
    """Mean squared distance to the one-hot target, and its gradient. `torch.nn.functional.mse_loss`.

    L = (1 / n c) Σ (y − onehot(target))²,   ∂L/∂y = 2 (y − onehot(target)) / (n c)

    The mean is over batch and outputs, as PyTorch's; not over the batch alone, and without the half that
    some books put in front.
    """
    distance = outputs.copy()
    distance[(*_places(target), target)] -= 1
    terms = outputs.shape[-2] * outputs.shape[-1] if reduction == "mean" else 1
    squares = np.add.reduce(distance * distance, axis=-1)
    return _summed(squares) / terms, distance * (2 / terms)


LOSSES = {"cross_entropy": cross_entropy, "mean_squared": mean_squared}


def loss_function(spec: LossKind) -> Loss:
    """The loss of a recipe, with its reduction."""
    options = spec.model_dump(exclude={"kind"})
    return partial(LOSSES[spec.kind], **options)
