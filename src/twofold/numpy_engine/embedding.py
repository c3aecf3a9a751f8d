"""Embeddings: from whole numbers, in a sequence or in columns of a table, to vectors."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.shapes import Float


@final
class Embedding:
    """y = W[x],  dW[k] = Σ dy over the places where x = k;  dx = 0, since x only says which row is taken.

    `torch.nn.Embedding`. The numbers come in the data's floating-point type and are truncated to whole ones.
    """

    def forward(
        self, params: Arrays, x: Float[Array, "*samples"], mode: Mode
    ) -> tuple[Float[Array, "*samples units"], Array]:
        """The cache is x."""
        return _taken(params["weight"], x.astype(np.intp)), x

    def backward(
        self, params: Arrays, cache: Array, dy: Float[Array, "*samples units"], wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """Each row of dW sums dy over all places where its number stands; dx is 0."""
        W, x = params["weight"], cache
        dW = np.zeros_like(W)
        np.add.at(dW, x.astype(np.intp) if W.ndim == 2 else (_replica(x, W), x.astype(np.intp)), dy)
        return (np.zeros_like(x) if wants_dx else None), {"weight": dW}


@final
class EmbedColumns:
    """y = [W₀[x₀], ..., Wₖ₋₁[xₖ₋₁], xₖ, ...],  dWⱼ[c] = Σ dyⱼ over the samples with xⱼ = c;  dx = 0 for codes, else dy.

    `torch.nn.Embedding` for each column of codes, then `torch.cat`.
    Guo & Berkhahn, Entity embeddings of categorical variables (2016).
    """

    def __init__(self, tables: int) -> None:
        self.tables = tables
        """k: the first k columns hold codes."""

    def forward(
        self, params: Arrays, x: Float[Array, "*samples columns"], mode: Mode
    ) -> tuple[Float[Array, "*samples units"], Array]:
        """The cache is the codes."""
        codes = x[..., : self.tables].astype(np.intp)
        vectors = [_taken(params[f"weight_{place}"], codes[..., place]) for place in range(self.tables)]
        return np.concatenate([*vectors, x[..., self.tables :]], axis=-1), codes

    def backward(
        self, params: Arrays, cache: Array, dy: Float[Array, "*samples units"], wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """Each table takes its own part of dy; a row of its dW sums that part over the samples with the row's code."""
        codes, grads, start = cache, dict[str, Array](), 0
        for place in range(self.tables):
            W = params[f"weight_{place}"]
            grads[f"weight_{place}"] = _scattered(W, codes[..., place], dy[..., start : start + W.shape[-1]])
            start += W.shape[-1]
        dx = np.concatenate([np.zeros(codes.shape, dy.dtype), dy[..., start:]], axis=-1) if wants_dx else None
        return dx, grads


def _taken(W: Array, codes: Array) -> Array:
    """The row of W for each code; each replica reads its own table."""
    return W[codes] if W.ndim == 2 else W[_replica(codes, W), codes]


def _scattered(W: Array, codes: Array, dy: Array) -> Array:
    """dW: for each code the sum of dy over its samples, in float64. Except for small tables faster than `np.add.at`."""
    rows = codes if W.ndim == 2 else codes + _replica(codes, W) * W.shape[-2]
    places = rows[..., None] * W.shape[-1] + np.arange(W.shape[-1])
    return np.bincount(places.ravel(), dy.ravel(), W.size).reshape(W.shape).astype(W.dtype)


def _replica(codes: Array, W: Array) -> Array:
    """The index of each replica, shaped to broadcast with the codes."""
    return np.arange(len(W)).reshape(-1, *(1,) * (codes.ndim - 1))
