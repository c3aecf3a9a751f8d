"""Losses sample by sample: of numbers, of labels, and with weights. One rule makes the loss of a batch from them.

A loss gives ℓ(n) of each sample, its gradient ∂ℓ(n)/∂y(n), and a weight c(n): that of the sample's class, or 1 without
class weights. With the weight w(n) that the data give the sample,

    L = Σₙ w(n) ℓ(n) / Σₙ w(n) c(n),   ∂L/∂y(n) = w(n) ∂ℓ(n)/∂y(n) / Σₙ w(n) c(n);   `sum`: without the division.

Without weights the divisor is the batch size N. Losses that compare each output with a number of its own are means over
these C outputs as well: their divisor is C times as large, as PyTorch's is. A sample of weight 2 counts as two equal
ones, a sample of weight 0 as none. Where all weights of a batch are 0, so are its loss and its gradient; PyTorch has no
weights of samples, and its means over class weights of sum 0 are NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.numpy_engine.shapes import Float, Int


class Terms(NamedTuple):
    """What a loss is made of, sample by sample; leading axes are replicas."""

    loss: Array
    """ℓ, (*batch,)."""
    gradient: Array
    """∂ℓ/∂y, (*batch, outputs)."""
    weight: Array | None = None
    """c, (*batch,); `None`: 1 for each."""
    outputs: int = 1
    """C, if a mean is over the outputs as well; 1 where a sample has one loss, not one for each output."""


def reduced(terms: Terms, weight: Array | None, reduction: str) -> tuple[Any, Array]:
    """The loss of a batch and its gradient; `weight` are the weights of its samples."""
    losses, gradient = terms.loss, terms.gradient
    own = terms.weight
    if weight is not None:
        losses = losses * weight
        gradient = gradient * weight[..., None]
        own = weight if own is None else own * weight
    total: Any = np.add.reduce(losses, axis=-1)
    if reduction == "mean":
        divisor: Any = losses.shape[-1] if own is None else _sum_or_infinity(own)
        divisor = divisor * terms.outputs
        total = total / divisor
        gradient = gradient / (divisor if np.ndim(divisor) == 0 else divisor[..., None, None])
    return (float(total) if losses.ndim == 1 else total.astype(np.float64)), gradient


def _sum_or_infinity(weight: Array) -> Array:
    """The sum of a batch's weights as a divisor: infinity in place of 0, so that the loss of nothing is 0."""
    total = np.add.reduce(weight, axis=-1)
    return np.where(total == 0, np.inf, total)


def cross_entropy_terms(
    logits: Float[Array, "*batch classes"],
    target: Int[Array, "*batch"],
    label_smoothing: float = 0.0,
    class_weight: Array | None = None,
) -> Terms:
    """ℓ = −Σ_c a_c log softmax(z)_c,   ∂ℓ/∂z = (Σ_c a_c) softmax(z) − a,   a = w (onehot(t) (1 − ε) + ε / C)

    w are the weights of the classes, ε is the label smoothing, C the number of classes. The sample's own weight is
    that of its class, w_t, whatever ε is: as in `torch.nn.functional.cross_entropy`.
    """
    z = logits - np.maximum.reduce(logits, axis=-1, keepdims=True)
    e = np.exp(z)
    total = np.add.reduce(e, axis=-1, keepdims=True)
    classes = logits.shape[-1]
    onehot = np.arange(classes) == target[..., None]
    a = onehot * (1 - label_smoothing) + label_smoothing / classes
    w = None if class_weight is None else class_weight.astype(logits.dtype)
    a = (a if w is None else a * w).astype(logits.dtype)
    loss = np.add.reduce(a * (np.log(total) - z), axis=-1)
    gradient = np.add.reduce(a, axis=-1, keepdims=True) * (e / total) - a
    return Terms(loss, gradient, None if w is None else w[target])


def distance(outputs: Float[Array, "*batch outputs"], target: Array) -> Float[Array, "*batch outputs"]:
    """d = y − t, where t are numbers, (*batch, outputs), or of classes, (*batch,), onehot(target)."""
    if target.ndim == outputs.ndim:
        return outputs - target.astype(outputs.dtype, copy=False)
    return outputs - (np.arange(outputs.shape[-1]) == target[..., None])


def squared_terms(outputs: Float[Array, "*batch outputs"], target: Array) -> Terms:
    """ℓ = Σ d²,   ∂ℓ/∂y = 2 d,   d = y − t. `torch.nn.functional.mse_loss`."""
    d = distance(outputs, target)
    return Terms(np.add.reduce(d * d, axis=-1), 2 * d, outputs=outputs.shape[-1])


def absolute_terms(outputs: Float[Array, "*batch outputs"], target: Array) -> Terms:
    """ℓ = Σ |d|,   ∂ℓ/∂y = sign(d), 0 at d = 0. `torch.nn.functional.l1_loss`."""
    d = distance(outputs, target)
    return Terms(np.add.reduce(np.abs(d), axis=-1), np.sign(d), outputs=outputs.shape[-1])


def huber_terms(outputs: Float[Array, "*batch outputs"], target: Array, delta: float = 1.0) -> Terms:
    """ℓ = Σ (d² / 2 where |d| ≤ δ, else δ (|d| − δ / 2)),   ∂ℓ/∂y = clip(d, −δ, δ).

    `torch.nn.functional.huber_loss`. At δ = 1 it is also `smooth_l1_loss`, which for other δ divides by δ.
    """
    d = distance(outputs, target)
    slope = np.clip(d, -delta, delta)
    return Terms(np.add.reduce(slope * (d - slope / 2), axis=-1), slope, outputs=outputs.shape[-1])


def binary_cross_entropy_terms(logits: Float[Array, "*batch labels"], target: Array) -> Terms:
    """ℓ = Σ (max(z, 0) − z t + log(1 + e^−|z|)),   ∂ℓ/∂z = σ(z) − t.

    −t log σ(z) − (1 − t) log σ(−z), written so that no exponential overflows.
    `torch.nn.functional.binary_cross_entropy_with_logits`.
    """
    t = target.astype(logits.dtype, copy=False)
    e = np.exp(-np.abs(logits))
    loss = np.maximum(logits, 0) - logits * t + np.log1p(e)
    sigmoid = np.where(logits >= 0, 1, e) / (1 + e)
    return Terms(np.add.reduce(loss, axis=-1), sigmoid - t, outputs=logits.shape[-1])


TERMS: Mapping[str, Callable[..., Terms]] = {
    "cross_entropy": cross_entropy_terms,
    "mean_squared": squared_terms,
    "mean_absolute": absolute_terms,
    "huber": huber_terms,
    "binary_cross_entropy": binary_cross_entropy_terms,
}
