"""Activations and their slopes, written so that they take complex numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from twofold.arrays import Array

Function = Callable[[Array, float], Array]
Slope = Callable[[Array, Array, float], Array]
ROOT = math.sqrt(2 / math.pi)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(−x)), which cannot overflow."""
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def where(x: Array) -> Array:
    """1 where x > 0, else 0."""
    return (np.real(x) > 0).astype(float)


def cdf(x: Array) -> Array:
    """Φ(x), the distribution function of the standard normal distribution, also of complex numbers."""
    from scipy.special import erf

    return 0.5 * (1 + erf(x * math.sqrt(0.5)))


def density(x: Array) -> Array:
    """φ(x), the density of the standard normal distribution."""
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def tanh_u(x: Array) -> Array:
    """The tanh in the approximate GELU."""
    return np.tanh(ROOT * (x + 0.044715 * x * x * x))


def gelu_tanh_slope(x: Array, y: Array, a: float, inner: float = 3.0) -> Array:
    """Slope of the approximate GELU."""
    t = tanh_u(x)
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ROOT * (1 + inner * 0.044715 * x * x)


def elu(x: Array, a: float) -> Array:
    """x where x > 0, else a (exp(x) − 1)."""
    return np.where(np.real(x) > 0, x, a * (np.exp(np.where(np.real(x) > 0, 0, x)) - 1))


def exp_of_negative(x: Array) -> Array:
    """exp(x) where x < 0, else 1: it cannot overflow."""
    return np.exp(np.minimum(x, 0))


FUNCTIONS: Mapping[str, Function] = {
    "relu": lambda x, a: x * where(x),
    "leaky_relu": lambda x, a: np.where(np.real(x) > 0, x, a * x),
    "elu": elu,
    "gelu": lambda x, a: x * cdf(x),
    "gelu_tanh": lambda x, a: 0.5 * x * (1 + tanh_u(x)),
    "silu": lambda x, a: x * sigmoid(x),
    "sigmoid": lambda x, a: sigmoid(x),
    "tanh": lambda x, a: np.tanh(x),
}
SLOPES: Mapping[str, Slope] = {
    "relu": lambda x, y, a: where(y),
    "leaky_relu": lambda x, y, a: np.where(x > 0, 1, a),
    "elu": lambda x, y, a: np.where(x > 0, 1, a * exp_of_negative(x)),
    "gelu": lambda x, y, a: cdf(x) + x * density(x),
    "gelu_tanh": gelu_tanh_slope,
    "silu": lambda x, y, a: sigmoid(x) * (1 + x * (1 - sigmoid(x))),
    "sigmoid": lambda x, y, a: y * (1 - y),
    "tanh": lambda x, y, a: 1 - y * y,
}
