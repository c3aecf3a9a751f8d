"""Dropout, with a mask drawn elsewhere."""

from __future__ import annotations

from typing import final

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.shapes import Float


@final
class Dropout:
    """y = x · m / (1 − p) in training, y = x else: inverted dropout, as in `torch.nn.Dropout`.

    The mask m comes with the batch, so that both engines drop the same units.
    Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting (2014).
    """

    def __init__(self, p: float) -> None:
        self.p = p

    def forward(
        self, params: Arrays, x: Float[Array, "*shape"], mode: Mode
    ) -> tuple[Float[Array, "*shape"], Array | None]:
        """The cache is m / (1 − p), or `None` where nothing was dropped."""
        if not mode.training or mode.mask is None:
            return x, None
        scale = mode.mask * x.dtype.type(1 / (1 - self.p))
        return x * scale, scale

    def backward(
        self, params: Arrays, cache: Array | None, dy: Float[Array, "*shape"], wants_dx: bool = True
    ) -> tuple[Float[Array, "*shape"], dict[str, Array]]:
        """dx = dy · m / (1 − p)."""
        return (dy if cache is None else dy * cache), {}
