"""Normalizations of each sample by itself, with switches: over its last axes, or over groups of channels."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Making, Scene, number, whole
from twofold.proof.mistakes.norm import Kept, Normalization


@final
class LayerNorm(Normalization[Kept]):
    """y = γ (x − μ) / √(σ² + ε) + β for each sample, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.eps = number(making.settings, "eps", 1e-5)
        self.axes = whole(making.settings, "axes", 0)

    def _over(self, x: Array) -> tuple[int, ...]:
        on = self.on
        if "over_the_batch" in on:
            return (0,)
        if "over_everything" in on:
            return tuple(range(x.ndim))
        if "over_the_last_alone" in on:
            return (x.ndim - 1,)
        return tuple(range(x.ndim - (self.axes or x.ndim - 1), x.ndim))

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Kept]:
        """The cache holds x̂ and the statistics."""
        standard = self._standard(x, None, None, self._over(x))
        y = self._affine(standard.x_hat, params["weight"], params["bias"]) if "weight" in params else standard.x_hat
        return y, standard

    def backward(self, params: Arrays, cache: Kept, dy: Array) -> tuple[Array, dict[str, Array]]:
        """The sample's own mean and variance pass a gradient on to its every element."""
        on, standard = self.on, cache
        over = self._over(dy)
        rest = tuple(range(dy.ndim - (self.axes or dy.ndim - 1)))
        grads: dict[str, Array] = {}
        gamma = np.ones(())
        if "weight" in params:
            gamma = params["weight"]
            dgamma, dbeta = self._parameter_gradients(standard, dy, rest)
            grads = {"weight": dgamma, "bias": dbeta}
        if "gamma_after_the_means" in on:
            return gamma * self._dx(standard, dy, over), grads
        return self._dx(standard, dy if "dx_without_gamma" in on else dy * gamma, over), grads


@final
class GroupNorm(Normalization[tuple[Kept, Array]]):
    """y = γ (x − μ) / √(σ² + ε) + β for each sample and group of channels, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.eps = number(making.settings, "eps", 1e-5)
        self.groups = whole(making.settings, "num_groups")
        if "one_group" in self.on:
            self.groups = 1

    def _over(self, x: Array) -> tuple[int, ...]:
        if "over_the_batch" in self.on:
            return (0, *range(2, x.ndim))
        return tuple(range(x.ndim)) if "over_everything" in self.on else tuple(range(2, x.ndim))

    def _grouped(self, x: Array) -> Array:
        """x as (n, groups, channels of a group, ...)."""
        n, c = x.shape[:2]
        groups = c if "a_channel_a_group" in self.on else self.groups
        if "groups_interleaved" in self.on:
            return x.reshape(n, c // groups, groups, *x.shape[2:]).swapaxes(1, 2)
        if "group_sizes_swapped" in self.on and c % (c // groups) == 0:
            groups = c // groups
        return x.reshape(n, groups, c // groups, *x.shape[2:])

    def _back(self, x: Array, shape: tuple[int, ...]) -> Array:
        return (x.swapaxes(1, 2) if "groups_interleaved" in self.on else x).reshape(shape)

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, tuple[Kept, Array]]:
        """The cache holds x̂ and the statistics, in groups."""
        grouped = self._grouped(x)
        standard = self._standard(grouped, None, None, self._over(grouped))
        x_hat = self._back(standard.x_hat, x.shape)
        if "weight" not in params:
            return x_hat, (standard, x)
        shape = (1, -1, *(1,) * (x.ndim - 2))
        return self._affine(x_hat, params["weight"].reshape(shape), params["bias"].reshape(shape)), (standard, x)

    def backward(self, params: Arrays, cache: tuple[Kept, Array], dy: Array) -> tuple[Array, dict[str, Array]]:
        """Each group's own mean and variance pass a gradient on to its every element."""
        standard, x = cache
        rest, shape = (0, *range(2, dy.ndim)), (1, -1, *(1,) * (dy.ndim - 2))
        grads: dict[str, Array] = {}
        gamma = np.ones(())
        if "weight" in params:
            gamma = params["weight"].reshape(shape)
            whole = standard._replace(
                **{name: self._back(getattr(standard, name), x.shape) for name in ("x", "x_hat", "centred")}
            )
            dgamma, dbeta = self._parameter_gradients(whole, dy, rest)
            grads = {"weight": dgamma, "bias": dbeta}
        g = self._grouped(dy if "dx_without_gamma" in self.on or "gamma_after_the_means" in self.on else dy * gamma)
        dx = self._back(self._dx(standard, g, self._over(g)), dy.shape)
        return (dx * gamma if "gamma_after_the_means" in self.on else dx), grads
