"""From whole numbers to vectors."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.shapes import Float


@final
class Embedding:
    """y = W[x],  dW[k] = Σ dy over the places where x = k;  dx = 0: a step up or down of x is none of W's rows.

    `torch.nn.Embedding`. The numbers come as the data's floating-point type and are cut to whole ones.
    """

    def forward(
        self, params: Arrays, x: Float[Array, "*samples"], mode: Mode
    ) -> tuple[Float[Array, "*samples units"], Array]:
        """The cache is x."""
        W = params["weight"]
        if W.ndim == 2:
            return W[x.astype(np.intp)], x
        return W[_replica(x, W), x.astype(np.intp)], x

    def backward(
        self, params: Arrays, cache: Array, dy: Float[Array, "*samples units"], wants_dx: bool = True
    ) -> tuple[Array | None, dict[str, Array]]:
        """What every place of a number gives its vector adds up."""
        W, x = params["weight"], cache
        dW = np.zeros_like(W)
        np.add.at(dW, x.astype(np.intp) if W.ndim == 2 else (_replica(x, W), x.astype(np.intp)), dy)
        return (np.zeros_like(x) if wants_dx else None), {"weight": dW}


def _replica(x: Array, W: Array) -> Array:
    """The number of each place's replica, to stand beside x."""
    return np.arange(len(W)).reshape(-1, *(1,) * (x.ndim - 1))
