"""Activations: no parameters, one equation and its derivative each."""

from __future__ import annotations

from typing import final

import numpy as np
from jaxtyping import Float

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode

Same = Float[Array, "*shape"]


@final
class Relu:
    """y = max(x, 0),  dx = dy · [x > 0]: the derivative at 0 is 0, as in PyTorch."""

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is y: it is positive where x is."""
        y = np.maximum(x, 0)
        return y, y

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """dy where the unit was on."""
        return dy * (cache > 0), {}


@final
class Sigmoid:
    """y = 1 / (1 + exp(−x)),  dx = dy · y (1 − y)."""

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is y."""
        y = 0.5 + 0.5 * np.tanh(0.5 * x)  # the same function, and exp(−x) cannot overflow
        return y, y

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """At most a quarter of dy a layer: why deep sigmoid networks learn slowly."""
        y = cache
        return dy * y * (1 - y), {}


@final
class Tanh:
    """y = tanh x,  dx = dy · (1 − y²)."""

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is y."""
        y = np.tanh(x)
        return y, y

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """Nothing passes a saturated unit, y = ±1."""
        y = cache
        return dy * (1 - y * y), {}


@final
class Softmax:
    """y = exp(x) / Σ exp(x) over the last axis,  dx = y · (dy − Σ dy · y).

    The maximum is taken off before exp, which changes nothing in exact arithmetic and keeps exp finite.
    """

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is y."""
        e = np.exp(x - np.maximum.reduce(x, axis=-1, keepdims=True))
        y = e / np.add.reduce(e, axis=-1, keepdims=True)
        return y, y

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """The Jacobian diag(y) − y yᵀ times dy, without writing the matrix down."""
        y = cache
        return y * (dy - np.add.reduce(dy * y, axis=-1, keepdims=True)), {}
