"""Losses: the value, and its gradient with respect to the network's output.

Losses with weights of samples or classes, and losses of numbers and labels, are in `term_losses`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from twofold.arrays import Array
from twofold.engine import answered
from twofold.numpy_engine.shapes import Float, Int
from twofold.numpy_engine.term_losses import TERMS, Terms, reduced
from twofold.recipe.losses import Loss as LossKind

Value: TypeAlias = float | Array
"""A loss; for replicas an array with one each."""


Loss = Callable[..., tuple[Value, Array]]
"""From outputs and targets to the loss and its gradient.

The weights of the samples are a third argument, where the data have them.
"""


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
    """Indices that go with the targets: along the batch, and before it along the replicas if there are any."""
    return (np.arange(len(target)),) if target.ndim == 1 else tuple(np.indices(target.shape, sparse=True))


def _summed(terms: Array) -> Value:
    """The sum over the batch: a number, or for replicas one each."""
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


def each_step(loss: Loss) -> Loss:
    """The loss of sequences answered step by step: each answered step counts as a sample, the others have gradient 0.

    A mean is over steps, not over sequences, as in `torch.nn.functional.cross_entropy` with `ignore_index`. Of a batch
    without an answer loss and gradient are 0, so that its step is one of weight decay and momentum; PyTorch's own are
    NaN there.
    """

    def over_steps(outputs: Array, target: Array, *weight: Array) -> tuple[Value, Array]:
        there = answered(target)
        if not there.any():
            return 0.0, np.zeros_like(outputs)
        value, gradient = loss(outputs[there], target[there], *(part[there] for part in weight))
        dy = np.zeros_like(outputs)
        dy[there] = gradient
        return value, dy

    return over_steps


def _termwise(terms: Any) -> Any:
    """The loss function of a batch, made from the function that gives the terms of its samples."""

    def loss(
        outputs: Array, target: Array, weight: Array | None = None, reduction: str = "mean", **options: Any
    ) -> tuple[Any, Array]:
        made: Terms = terms(outputs, target, **options)
        return reduced(made, weight, reduction)

    return loss


WEIGHTED: dict[str, Any] = {kind: _termwise(terms) for kind, terms in TERMS.items()}
LOSSES: dict[str, Any] = WEIGHTED | {"cross_entropy": cross_entropy, "mean_squared": mean_squared}
"""The losses without weights: cross-entropy and mean squared error have a shorter form here."""
TRAINING_ONLY = {"reduction", "label_smoothing", "class_weight"}
"""Settings that the reported loss leaves at their defaults."""


def loss_function(spec: LossKind) -> Loss:
    """The loss function of a recipe's settings: of outputs, targets and, where there are any, the samples' weights.

    Raises `ValueError` for class weights that are still to be computed from the data.
    """
    options = spec.model_dump(exclude={"kind"})
    if (weights := options.get("class_weight")) is not None:
        if isinstance(weights, str):
            raise ValueError(f"class_weight {weights!r} waits for the data: its numbers are not known yet")
        return partial(WEIGHTED[spec.kind], **options | {"class_weight": np.array(weights)})
    plain, weighted = (partial(table[spec.kind], **options) for table in (LOSSES, WEIGHTED))

    def loss(outputs: Array, target: Array, weight: Array | None = None) -> tuple[Any, Array]:
        if weight is not None or target.ndim == outputs.ndim:
            return weighted(outputs, target, weight)
        return plain(outputs, target)

    return loss


def reported_loss(spec: LossKind) -> Callable[..., tuple[Any, Array]]:
    """The loss function for reports: the plain mean over samples, without label smoothing and class weights."""
    return loss_function(type(spec)(**spec.model_dump(exclude={"kind", *TRAINING_ONLY})))
