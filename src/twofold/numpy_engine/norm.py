"""Normalization of each channel over the batch, of each sample by itself, or of groups of channels of a sample."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.errors import UserError
from twofold.numpy_engine.layer import Builders, Mode
from twofold.numpy_engine.shapes import Float
from twofold.recipe import norms as kinds

Same = Float[Array, "*shape"]


class Normalized(NamedTuple):
    """What the way back needs, and what the running statistics take."""

    x_hat: Array
    """(x − μ) / √(σ² + ε)."""
    rstd: Array
    """1 / √(σ² + ε)."""
    mean: Array | None = None
    """μ of the batch; `None` in evaluation."""
    variance: Array | None = None
    """σ² of the batch, biased: over n."""


@final
class BatchNorm:
    """x̂ = (x − μ) / √(σ² + ε),  y = γ x̂ + β, for each channel. `torch.nn.BatchNorm1d`, `torch.nn.BatchNorm2d`.

    In training μ and σ² are those of the batch and the plane, n numbers a channel, and depend on x:

        dx = γ / √(σ² + ε) · (dy − mean(dy) − x̂ · mean(dy ⊙ x̂)),   dγ = Σ dy ⊙ x̂,   dβ = Σ dy

    In evaluation they are the running ones, and dx = γ / √(σ² + ε) · dy. The biased variance (over n) normalizes, the
    unbiased one (over n − 1) enters the running variance; the momentum is the weight of the new batch.
    Ioffe & Szegedy, Batch normalization: accelerating deep network training (2015).
    """

    def __init__(self, momentum: float, eps: float) -> None:
        self.momentum = momentum
        self.eps = eps

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Normalized]:
        """Raises `UserError` in training on one number a channel: it has no variance."""
        mean, variance = params["running_mean"], params["running_var"]
        if mode.training:
            if x.size == x.shape[1]:
                raise UserError(
                    f"`batch_norm` in training needs more than one number a channel; got {_text(x.shape)}. "
                    "Choose a batch size that leaves no batch of one sample."
                )
            mean = x.mean(axis=rest(x))
        x_hat = x - spread(mean, x)
        if mode.training:
            variance = _mean(x_hat, x_hat)
        rstd = 1 / np.sqrt(variance + self.eps)
        x_hat *= spread(rstd, x)
        y = x_hat
        if "weight" in params:
            y = x_hat * spread(params["weight"], x)
            y += spread(params["bias"], x)
        return y, Normalized(x_hat, rstd, mean, variance) if mode.training else Normalized(x_hat, rstd)

    def backward(
        self, params: Arrays, cache: Normalized, dy: Same, wants_dx: bool = True
    ) -> tuple[Same, dict[str, Array]]:
        """The mean and the variance of the batch pass a gradient on to every sample of it."""
        x_hat, rstd, mean, _ = cache
        mean_dy, mean_dy_x_hat = dy.mean(axis=rest(dy)), _mean(dy, x_hat)
        n = dy.size // dy.shape[1]
        grads = {"weight": mean_dy_x_hat * n, "bias": mean_dy * n} if "weight" in params else {}
        scale = rstd * params["weight"] if "weight" in params else rstd
        if mean is None:
            return dy * spread(scale, dy), grads
        dx = x_hat * spread(-mean_dy_x_hat, dy)
        dx += dy
        dx -= spread(mean_dy, dy)
        dx *= spread(scale, dy)
        return dx, grads

    def running(self, params: Arrays, cache: Normalized) -> dict[str, Array]:
        """The running statistics after a batch: r ← (1 − momentum) r + momentum · statistic of the batch."""
        return self.running_after(params, cache, cache.x_hat.size // len(cache.rstd))

    def running_after(self, params: Arrays, cache: Normalized, n: int) -> dict[str, Array]:
        """The running statistics after a batch of n numbers a channel; empty after a pass in evaluation."""
        if cache.mean is None or cache.variance is None:
            return {}
        new = {"running_mean": cache.mean, "running_var": cache.variance * (n / (n - 1))}
        return {name: (1 - self.momentum) * params[name] + self.momentum * value for name, value in new.items()}


@final
class LayerNorm:
    """x̂ = (x − μ) / √(σ² + ε),  y = γ x̂ + β, over the last axes of each sample. `torch.nn.LayerNorm`.

        dx = 1 / √(σ² + ε) · (g − mean(g) − x̂ · mean(g ⊙ x̂))  with g = γ ⊙ dy,   dγ = Σ_n dy ⊙ x̂,   dβ = Σ_n dy

    The same in training and evaluation. Ba et al., Layer normalization (2016).
    """

    def __init__(self, axes: int | None, eps: float) -> None:
        self.axes = axes
        self.eps = eps

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Normalized]:
        """The variance is the biased one, over the number of elements."""
        over = self._over(x)
        x_hat = x - x.mean(axis=over, keepdims=True)
        rstd = 1 / np.sqrt((x_hat * x_hat).mean(axis=over, keepdims=True) + self.eps)
        x_hat *= rstd
        y = x_hat * params["weight"] + params["bias"] if "weight" in params else x_hat
        return y, Normalized(x_hat, rstd)

    def backward(
        self, params: Arrays, cache: Normalized, dy: Same, wants_dx: bool = True
    ) -> tuple[Same, dict[str, Array]]:
        """The mean and the variance of a sample pass a gradient on to each of its elements."""
        over, (x_hat, rstd, *_) = self._over(dy), cache
        rest = tuple(range(dy.ndim - len(over)))
        affine = "weight" in params
        grads = {"weight": (dy * x_hat).sum(axis=rest), "bias": dy.sum(axis=rest)} if affine else {}
        g = dy * params["weight"] if affine else dy
        return rstd * (g - g.mean(axis=over, keepdims=True) - x_hat * (g * x_hat).mean(axis=over, keepdims=True)), grads

    def _over(self, x: Array) -> tuple[int, ...]:
        return tuple(range(-(self.axes or x.ndim - 1), 0))


@final
class GroupNorm:
    """x̂ = (x − μ) / √(σ² + ε),  y = γ x̂ + β, over each group of channels of each sample. `torch.nn.GroupNorm`.

        dx = 1 / √(σ² + ε) · (g − mean(g) − x̂ · mean(g ⊙ x̂))  with g = γ ⊙ dy,   dγ = Σ dy ⊙ x̂,   dβ = Σ dy

    Means are over a group, the sums over samples and plane: γ and β are (channels). The same in training and
    evaluation. Wu & He, Group normalization (2018).
    """

    def __init__(self, num_groups: int, eps: float) -> None:
        self.num_groups = num_groups
        self.eps = eps

    def forward(self, params: Arrays, x: Same, mode: Mode) -> tuple[Same, Normalized]:
        """The variance is the biased one, over the number of elements."""
        rows = self._grouped(x)
        centred = rows - rows.mean(axis=-1, keepdims=True)
        rstd = 1 / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.eps)
        centred *= rstd
        x_hat = centred.reshape(x.shape)
        y = x_hat
        if "weight" in params:
            y = x_hat * spread(params["weight"], x)
            y += spread(params["bias"], x)
        return y, Normalized(x_hat, rstd)

    def backward(
        self, params: Arrays, cache: Normalized, dy: Same, wants_dx: bool = True
    ) -> tuple[Same, dict[str, Array]]:
        """The mean and the variance of a group pass a gradient on to each of its elements."""
        affine, over = "weight" in params, rest(dy)
        grads = {"weight": (dy * cache.x_hat).sum(axis=over), "bias": dy.sum(axis=over)} if affine else {}
        g = self._grouped(dy * spread(params["weight"], dy) if affine else dy)
        x_hat = self._grouped(cache.x_hat)
        mean, along = g.mean(axis=-1, keepdims=True), (g * x_hat).mean(axis=-1, keepdims=True)
        return (cache.rstd * (g - mean - x_hat * along)).reshape(dy.shape), grads

    def _grouped(self, x: Same) -> Float[Array, "n groups elements"]:
        """A row for each group of each sample."""
        return x.reshape(len(x), self.num_groups, -1)


def rest(x: Array) -> tuple[int, ...]:
    """Every axis but the channels'."""
    return (0, *range(2, x.ndim))


def _mean(a: Array, b: Array) -> Array:
    """The mean of a ⊙ b for each channel."""
    return (a * b).mean(axis=rest(a))


def spread(values: Array, x: Array) -> Array:
    """The values, one a channel, shaped to broadcast with x."""
    return values.reshape(-1, *(1,) * (x.ndim - 2))


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in shape)


NORMS: Builders = {
    kinds.BatchNorm: lambda spec: BatchNorm(spec.momentum, spec.eps),
    kinds.LayerNorm: lambda spec: LayerNorm(spec.axes, spec.eps),
    kinds.GroupNorm: lambda spec: GroupNorm(spec.num_groups, spec.eps),
}
