"""Adversarial samples: each is moved a short way along the gradient of the loss with respect to that sample.

A network that also fits these is smoother around its training samples. After Goodfellow, Shlens and Szegedy,
Explaining and harnessing adversarial examples (2014), with the Euclidean norm of Miyato et al., Virtual adversarial
training (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from twofold.arrays import Array
from twofold.numpy_engine.plan import Stage


def input_gradient(stages: Sequence[Stage], caches: Sequence[Any], dy: Array) -> Array:
    """∂loss/∂x of a batch (batch, *sample), from ∂loss/∂y of the last layer and the cache of every layer."""
    for (_, layer, params), cache in zip(reversed(stages), reversed(caches), strict=True):
        dx, _ = layer.backward(params, cache, dy, True)
        dy = dy if dx is None else dx
    return dy


def moved(x: Array, gradient: Array, radius: Array) -> Array:
    """x + r g / ‖g‖ for each sample of x (batch, *sample), r its entry of `radius` (batch,); x itself where g is 0."""
    samples = tuple(range(1, x.ndim))
    largest = np.abs(gradient).max(axis=samples, keepdims=True)  # g is divided by it first: squares could underflow
    direction = gradient / np.where(largest > 0, largest, 1)
    norm = np.sqrt(np.square(direction).sum(axis=samples, keepdims=True))
    r = radius.astype(x.dtype).reshape(-1, *(1 for _ in samples))
    return x + r * direction / np.where(norm > 0, norm, 1)
