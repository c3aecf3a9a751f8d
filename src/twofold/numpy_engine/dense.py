"""The fully connected layer."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode


@final
class Dense:
    """y = x Wᵀ + b, over the last axis; W is (out, in), as in `torch.nn.Linear`.

        forward     y  = x Wᵀ + b          (n, in) · (in, out) + (out)  → (n, out)
        backward    dx = dy W              (n, out) · (out, in)         → (n, in)
                    dW = dyᵀ x             (out, n) · (n, in)           → (out, in)
                    db = Σ_n dy            (n, out)                     → (out)

    All of it is written over leading axes: with W (replicas, out, in) a stack of networks takes one pass.
    Further axes between the samples and the features count as samples.
    """

    def forward(
        self, params: Arrays, x: Float[Array, "*samples inputs"], mode: Mode
    ) -> tuple[Float[Array, "*samples units"], Array]:
        """x Wᵀ + b; the cache is x."""
        W = params["weight"]
        y = _rows(x, W) @ W.swapaxes(-1, -2)
        if "bias" in params:
            y += params["bias"][..., None, :]
        return y.reshape(*x.shape[:-1], W.shape[-2]), x

    def backward(
        self, params: Arrays, cache: Array, dy: Float[Array, "*samples units"], wants_dx: bool = True
    ) -> tuple[Float[Array, "*samples inputs"] | None, dict[str, Array]]:
        """dy W, dyᵀ x and Σ dy."""
        W, x = params["weight"], cache
        rows = _rows(dy, W)
        grads = {"weight": rows.swapaxes(-1, -2) @ _rows(x, W)}
        if "bias" in params:
            grads["bias"] = np.add.reduce(rows, axis=-2)
        return ((rows @ W).reshape(x.shape) if wants_dx else None), grads


def _rows(a: Array, W: Array) -> Array:
    """(*replicas, samples, features), whatever axes lie between."""
    return a if a.ndim == W.ndim else a.reshape(*W.shape[:-2], -1, a.shape[-1])
