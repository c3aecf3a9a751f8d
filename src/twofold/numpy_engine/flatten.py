"""Flattening: from a sample of any shape to a vector."""

from __future__ import annotations

from typing import final

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.shapes import Float


@final
class Flatten:
    """(n, c, h, w) → (n, c · h · w), the last index fastest, as `torch.nn.Flatten`."""

    def forward(
        self, params: Arrays, x: Float[Array, "*shape"], mode: Mode
    ) -> tuple[Float[Array, "*batch features"], tuple[int, ...]]:
        """The cache is the shape of x."""
        return x.reshape(*x.shape[: mode.lead + 1], -1), x.shape

    def backward(
        self, params: Arrays, cache: tuple[int, ...], dy: Float[Array, "*batch features"], wants_dx: bool = True
    ) -> tuple[Float[Array, "*shape"], dict[str, Array]]:
        """Back to the shape of x."""
        return dy.reshape(cache), {}
