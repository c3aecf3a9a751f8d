"""Adversarial samples, as `twofold.numpy_engine.adversarial` makes them, with PyTorch's operations."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import normalize

TINY = 1e-30
"""A norm below which a gradient counts as 0."""


def moved(x: Tensor, gradient: Tensor, radius: Tensor) -> Tensor:
    """x + r g / ‖g‖ for each sample of x (batch, *sample), r its entry of `radius` (batch,); x itself where g is 0."""
    flat = gradient.flatten(1)
    largest = flat.abs().amax(dim=1, keepdim=True)  # g is divided by it first: squares could underflow
    direction = normalize(flat / largest.where(largest > 0, 1), eps=TINY)
    return x + (radius[:, None] * direction).view_as(x)
