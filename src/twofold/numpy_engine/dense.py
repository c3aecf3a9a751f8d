"""The fully connected layer."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.shapes import Float


@final
class Dense:
    """y = x Wᵀ + b, over the last axis; W is (out, in), as in `torch.nn.Linear`.

        forward     yᵀ = W xᵀ + b          (out, in) · (in, n) + (out)  → (out, n)
        backward    dxᵀ = Wᵀ dyᵀ           (in, out) · (out, n)         → (in, n)
                    dW = dyᵀ x             (out, n) · (n, in)           → (out, in)
                    db = dyᵀ 1 = Σ_n dy    (out, n) · (n)               → (out)

    y and dx, (n, features), are computed as their transposes: in memory the samples lie innermost, so that adding a
    bias or summing a feature runs along the batch, which is longer than most layers are wide.
    The code works over leading axes: with W (replicas, out, in) one pass serves a stack of networks.
    Further axes between the samples and the features count as samples.
    """

    def forward(
        self, params: Arrays, x: Float[Array, "*samples inputs"], mode: Mode
    ) -> tuple[Float[Array, "*samples units"], Array]:
        """x Wᵀ + b; the cache is x."""
        W = params["weight"]
        yT = W @ _rows(x, W).swapaxes(-1, -2)
        if "bias" in params:
            yT += params["bias"][..., None]
        return yT.swapaxes(-1, -2).reshape(*x.shape[:-1], W.shape[-2]), x

    def backward(
        self, params: Arrays, cache: Array, dy: Float[Array, "*samples units"], wants_dx: bool = True
    ) -> tuple[Float[Array, "*samples inputs"] | None, dict[str, Array]]:
        """dx = dy W, dW = dyᵀ x and db = Σ dy."""
        W, x = params["weight"], cache
        dyT = _rows(dy, W).swapaxes(-1, -2)
        grads = {"weight": dyT @ _rows(x, W)}
        if "bias" in params:
            grads["bias"] = dyT @ np.ones(dyT.shape[-1], dyT.dtype)
        dx = (W.swapaxes(-1, -2) @ dyT).swapaxes(-1, -2).reshape(x.shape) if wants_dx else None
        return dx, grads


def _rows(a: Array, W: Array) -> Array:
    """The array as (*replicas, samples, features): axes between these count as samples."""
    return a if a.ndim == W.ndim else a.reshape(*W.shape[:-2], -1, a.shape[-1])
