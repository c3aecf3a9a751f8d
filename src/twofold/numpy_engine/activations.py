"""Activations: the equation of each and its derivative; for PReLU also the gradient of the slope, which it learns."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Builders, Mode
from twofold.numpy_engine.shapes import Float
from twofold.recipe import activations as kinds

Same = Float[Array, "*shape"]


@final
class Relu:
    """y = max(x, 0),  dx = dy · [x > 0]: the derivative at 0 is 0, as in PyTorch."""

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is y: it is positive where x is."""
        y = np.maximum(x, 0)
        return y, y

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """dx = dy where the unit was on, else 0."""
        return dy * (cache > 0), {}


@final
class LeakyRelu:
    """y = x where x > 0, else a x,  dx = dy where x > 0, else a dy: at 0 the slope is a, as in PyTorch."""

    def __init__(self, negative_slope: float) -> None:
        self.a = negative_slope

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is x."""
        return np.where(x > 0, x, self.a * x), x

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """dx = dy where the unit was on, else a dy."""
        return np.where(cache > 0, dy, self.a * dy), {}


@final
class Prelu:
    """y = x where x > 0, else a x,  dx = dy where x > 0, else a dy,  da = Σ dy · x where x ≤ 0. `torch.nn.PReLU`.

    a is (1,) or (channels,), along axis 1 of x (n, channels, ...); da sums over all elements that share a slope. At 0
    the slope is a, as in PyTorch. If a is (replicas, 1 or channels), one pass serves a stack of networks.
    He et al., Delving deep into rectifiers (2015).
    """

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is x."""
        return np.where(x > 0, x, _by_channel(params["weight"], x) * x), x

    def backward(
        self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True
    ) -> tuple[Same | None, dict[str, Array]]:
        """dx = dy where the unit was on, else a dy; da sums dy · x over the units that were off."""
        x, a = cache, params["weight"]
        slopes = _by_channel(a, x)
        shared = tuple(axis for axis in range(a.ndim - 1, x.ndim) if slopes.shape[axis] == 1)
        da = np.where(x > 0, 0, dy * x).sum(axis=shared).reshape(a.shape)
        return (np.where(x > 0, dy, slopes * dy) if wants_dx else None), {"weight": da}


def _by_channel(a: Float[Array, "*replicas slopes"], x: Array) -> Array:
    """The slopes, shaped to broadcast with x (*replicas, n, channels, ...); a single slope also with (*replicas, n)."""
    lead = a.ndim - 1
    if x.ndim == lead + 1:
        return a
    return a.reshape(*a.shape[:-1], 1, a.shape[-1], *(1,) * (x.ndim - lead - 2))


@final
class Elu:
    """y = x where x > 0, else α (exp(x) − 1),  dx = dy where x > 0, else dy · (y + α).

    Clevert et al., Fast and accurate deep network learning by exponential linear units (2015).
    """

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is x."""
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0))), x

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """α exp(x) is the slope where the unit was off."""
        return dy * np.where(cache > 0, 1, self.alpha * np.exp(np.minimum(cache, 0))), {}


@final
class Gelu:
    """y = x Φ(x),  dx = dy · (Φ(x) + x φ(x)), Φ and φ the distribution function and the density of N(0, 1).

    Hendrycks & Gimpel, Gaussian error linear units (2016).
    """

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """Φ(x) = (1 + erf(x / √2)) / 2; the cache is x."""
        return x * _normal_cdf(x), x

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """φ(x) = exp(−x² / 2) / √(2π)."""
        x = cache
        density = np.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi))
        return dy * (_normal_cdf(x) + x * density), {}


def _normal_cdf(x: Array) -> Array:
    from scipy.special import erf

    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


@final
class GeluTanh:
    """y = x (1 + tanh u) / 2 with u = √(2/π) (x + 0.044715 x³): GELU approximated without erf.

    dx = dy · ((1 + tanh u) / 2 + x (1 − tanh² u) / 2 · √(2/π) (1 + 3 · 0.044715 x²)).
    """

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is x."""
        return 0.5 * x * (1 + self._tanh(x)), x

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """The product rule, and the chain rule through u."""
        x, t = cache, self._tanh(cache)
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope), {}

    @staticmethod
    def _tanh(x: Array) -> Array:
        return np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))


@final
class Silu:
    """y = x σ(x),  dx = dy · σ(x) (1 + x (1 − σ(x))), σ the sigmoid.

    Elfwing et al., Sigmoid-weighted linear units (2017).
    """

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is x."""
        return x * _sigmoid(x), x

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """dy times the slope, which is continuous, unlike that of ReLU."""
        x, s = cache, _sigmoid(cache)
        return dy * s * (1 + x * (1 - s)), {}


def _sigmoid(x: Array) -> Array:
    return 0.5 + 0.5 * np.tanh(0.5 * x)  # the same function, and exp(−x) cannot overflow


@final
class Sigmoid:
    """y = 1 / (1 + exp(−x)),  dx = dy · y (1 − y)."""

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Array]:
        """The cache is y."""
        y = _sigmoid(x)
        return y, y

    def backward(self, params: Arrays, cache: Array, dy: Same, wants_dx: bool = True) -> tuple[Same, dict[str, Array]]:
        """The slope is at most 1/4: one reason why deep sigmoid networks learn slowly."""
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
        """No gradient passes a saturated unit, y = ±1."""
        y = cache
        return dy * (1 - y * y), {}


@final
class Softmax:
    """y = exp(x) / Σ exp(x) over the last axis,  dx = y · (dy − Σ dy · y).

    The maximum is subtracted before exp, which changes nothing in exact arithmetic and keeps exp finite.
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


ACTIVATIONS: Builders = {
    kinds.Relu: lambda spec: Relu(),
    kinds.LeakyRelu: lambda spec: LeakyRelu(spec.negative_slope),
    kinds.Prelu: lambda spec: Prelu(),
    kinds.Elu: lambda spec: Elu(spec.alpha),
    kinds.Gelu: lambda spec: GeluTanh() if spec.approximate == "tanh" else Gelu(),
    kinds.Silu: lambda spec: Silu(),
    kinds.Sigmoid: lambda spec: Sigmoid(),
    kinds.Tanh: lambda spec: Tanh(),
    kinds.Softmax: lambda spec: Softmax(),
}
