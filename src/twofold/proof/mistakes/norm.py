"""Normalizations with switches: what they share, and batch normalization."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Making, Scene, number
from twofold.proof.mistakes.layer import Cache, Plain


class Kept(NamedTuple):
    """The cache of a normalization, for its backward pass."""

    x: Array
    x_hat: Array
    centred: Array
    variance: Array
    rstd: Array
    training: bool
    mean: Array


class Normalization(Plain[Cache]):
    """Statistics, γ and β, and the way back through both."""

    eps: float

    def _over(self, x: Array) -> tuple[int, ...]:
        """The axes over which mean and variance are taken."""
        raise NotImplementedError

    def _standard(self, x: Array, mean: Array | None, variance: Array | None, over: tuple[int, ...]) -> Kept:
        """x̂ by the given statistics, or by those of x where they are `None`."""
        training = mean is None
        if mean is None:
            mean = np.asarray(x.mean(axis=over, keepdims=True))
        if "mean_over_the_batch" in self.on:
            mean = np.asarray(x.mean(axis=0, keepdims=True))
        centred = x - (0 if "mean_not_subtracted" in self.on else mean)
        if variance is None:
            variance = self._variance(x, over)
        if "mean_over_the_batch" in self.on:
            variance = np.asarray((centred * centred).mean(axis=over, keepdims=True))
        rstd = 1 / self._deviation(variance)
        return Kept(x, centred * rstd, centred, variance, rstd, training, mean)

    def _variance(self, x: Array, over: tuple[int, ...]) -> Array:
        """The biased variance, with the divisor n."""
        on, spread = self.on, x - x.mean(axis=over, keepdims=True)
        variance = np.asarray((spread * spread).mean(axis=over, keepdims=True))
        n = spread.size / variance.size
        if "unbiased" in on:
            return variance * n / (n - 1)
        if "variance_summed" in on:
            return variance * n
        return np.asarray((x * x).mean(axis=over, keepdims=True)) if "mean_of_squares" in on else variance

    def _deviation(self, variance: Array) -> Array:
        on, eps = self.on, self.eps
        if "eps_outside" in on:
            return np.sqrt(variance) + eps
        if "eps_squared" in on:
            return np.sqrt(variance + eps * eps)
        if "no_eps" in on:
            return np.sqrt(variance)
        for switch, value in (("eps_8", 1e-8), ("eps_3", 1e-3), ("eps_12", 1e-12), ("eps_6", 1e-6), ("eps_5", 1e-5)):
            if switch in on:
                eps = value
        if "no_root" in on:
            return variance + eps
        return np.sqrt(variance + eps)

    def _affine(self, x_hat: Array, gamma: Array, beta: Array) -> Array:
        on = self.on
        if "no_scale_and_shift" in on:
            return x_hat + 0 * beta
        if "no_gamma" in on:
            return x_hat + beta
        if "no_beta" in on:
            return x_hat * gamma
        if "gamma_and_beta_swapped" in on:
            return x_hat * beta + gamma
        if "beta_inside" in on:
            return (x_hat + beta) * gamma
        return x_hat * (1 + gamma) + beta if "gamma_plus_one" in on else x_hat * gamma + beta

    def _parameter_gradients(self, cache: Kept, dy: Array, rest: tuple[int, ...]) -> tuple[Array, Array]:
        on = self.on
        dgamma, dbeta = (dy * cache.x_hat).sum(axis=rest), dy.sum(axis=rest)
        n = dy.size / dgamma.size
        if "averaged_gradients" in on:
            return dgamma / n, dbeta / n
        table = {
            "dgamma_of_x": (dy * cache.x).sum(axis=rest),
            "dgamma_of_centred": (dy * cache.centred).sum(axis=rest),
            "dgamma_without_x_hat": dbeta,
            "dgamma_averaged": dgamma / n,
            "dgamma_averaged_in_dx": dgamma / n,
            "dgamma_by_batch": dgamma / len(dy),
            "dgamma_without_dy": cache.x_hat.sum(axis=rest) + 0 * dgamma,
            "swapped": dbeta,
        }
        first = next((value for switch, value in table.items() if switch in on), dgamma)
        second = {
            "dbeta_averaged": dbeta / n,
            "dbeta_averaged_in_dx": dbeta / n,
            "dbeta_by_batch": dbeta / len(dy),
            "dbeta_with_x_hat": dgamma,
            "dbeta_of_ones": np.full(dbeta.shape, n),
            "dbeta_of_everything": np.full(dbeta.shape, dy.sum()),
            "dbeta_of_the_last": dy[-1].sum(axis=tuple(a - 1 for a in rest if a)) if dy.ndim > 1 else dbeta,
            "swapped": dgamma,
        }
        return first, next((value for switch, value in second.items() if switch in on), dbeta)

    def _dx(self, cache: Kept, g: Array, over: tuple[int, ...]) -> Array:
        """dx = rstd (g − mean g − x̂ mean(g x̂)), where g is the gradient of x̂."""
        on = self.on
        if "statistics_constant" in on:
            return g * cache.rstd
        mean_g, mean_gx, n = self._means_back(cache, g, over)
        if "centred_for_x_hat" in on:
            return cache.rstd * (g - mean_g - cache.centred * (g * cache.centred).mean(axis=over, keepdims=True))
        if "power_of_the_variance" in on:
            mean_gx = mean_gx / cache.rstd
        inner = g - mean_g - cache.x_hat * mean_gx
        if "without_rstd" in on:
            return inner
        if "rstd_squared" in on:
            return inner * cache.rstd**2
        if "times_deviation" in on:
            return inner / cache.rstd
        if "dx_times_n" in on:
            return inner * cache.rstd * n
        return inner * cache.rstd / n if "dx_over_n" in on else inner * cache.rstd

    def _means_back(self, cache: Kept, g: Array, over: tuple[int, ...]) -> tuple[Array, Array, float]:
        """mean g, mean(g x̂), and the number of elements that the means are over."""
        on = self.on
        mean_g, mean_gx = g.mean(axis=over, keepdims=True), (g * cache.x_hat).mean(axis=over, keepdims=True)
        n = g.size / mean_g.size
        if "means_over_the_batch_back" in on:
            mean_g, mean_gx = g.mean(axis=0, keepdims=True), (g * cache.x_hat).mean(axis=0, keepdims=True)
        if "means_by_batch_size" in on:
            mean_g, mean_gx = mean_g * n / len(g), mean_gx * n / len(g)
        if "averaged_gradients" in on or "dbeta_averaged_in_dx" in on:
            mean_g = mean_g / n
        if "averaged_gradients" in on or "dgamma_averaged_in_dx" in on:
            mean_gx = mean_gx / n
        if "sums_for_means" in on:
            mean_g, mean_gx = mean_g * n, mean_gx * n
        if "mean_without_gradient" in on:
            mean_g = 0 * mean_g
        if "variance_without_gradient" in on:
            mean_gx = 0 * mean_gx
        if "variance_turned" in on:
            mean_gx = -mean_gx
        if "variance_half" in on:
            mean_gx = mean_gx / 2
        if "variance_twice" in on:
            mean_gx = 2 * mean_gx
        return mean_g, mean_gx, n


@final
class BatchNorm(Normalization[Kept]):
    """y = γ (x − μ) / √(σ² + ε) + β for each channel, with running statistics, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.eps = number(making.settings, "eps", 1e-5)
        self.momentum = number(making.settings, "momentum", 0.1)

    def _over(self, x: Array) -> tuple[int, ...]:
        on = self.on
        if "over_features" in on:
            return tuple(range(1, x.ndim))
        if "over_the_batch_alone" in on:
            return (0,)
        if "over_the_plane_alone" in on and x.ndim == 4:
            return (2, 3)
        return tuple(range(x.ndim)) if "over_everything" in on else (0, *range(2, x.ndim))

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Kept]:
        """The cache holds x̂ and the statistics."""
        on, shape = self.on, (1, -1, *(1,) * (x.ndim - 2))
        running = [params[name].reshape(shape) for name in ("running_mean", "running_var")]
        own = (scene.training and "running_in_training" not in on) or "batch_in_evaluation" in on
        mean, variance = (None, None) if own else running
        standard = self._standard(x, mean, variance, self._over(x))
        if not own and "evaluation_without_eps" in on:
            standard = standard._replace(x_hat=standard.centred / np.sqrt(standard.variance))
        standard = standard._replace(training=scene.training and own)
        if "weight" not in params:
            return standard.x_hat, standard
        return self._affine(standard.x_hat, params["weight"].reshape(shape), params["bias"].reshape(shape)), standard

    def running(self, params: Arrays, cache: Kept) -> dict[str, Array]:
        """r ← (1 − m) r + m · statistic, the variance unbiased."""
        on, standard = self.on, cache
        if "running_mean" not in params:
            return {}
        old = {name: params[name] for name in ("running_mean", "running_var")}
        if (not standard.training and "updates_in_evaluation" not in on) or "never_updates" in on:
            return old
        over = (0, *range(2, standard.x.ndim))
        mean, variance = standard.x.mean(axis=over), standard.x.var(axis=over)
        n = standard.x.size / mean.size
        if "running_of_biased" not in on:
            variance = variance * n / (n - 1)
        if "running_deviation" in on:
            variance = np.sqrt(variance)
        m = 1 - self.momentum if "momentum_turned" in on else self.momentum
        if "running_replaced" in on:
            m = 1.0
        new = {"running_mean": mean, "running_var": variance}
        past = 1.0 if "running_added" in on else 1 - m
        result = {name: past * old[name] + m * value for name, value in new.items()}
        for name in new:
            if f"{name}_turned" in on:
                result[name] = m * old[name] + (1 - m) * new[name]
        if "running_mean_alone" in on:
            result["running_var"] = old["running_var"]
        if "running_var_alone" in on:
            result["running_mean"] = old["running_mean"]
        return result

    def backward(self, params: Arrays, cache: Kept, dy: Array) -> tuple[Array, dict[str, Array]]:
        """The mean and the variance of the batch pass a gradient on to every sample of it."""
        on, standard, shape = self.on, cache, (1, -1, *(1,) * (dy.ndim - 2))
        rest = (0, *range(2, dy.ndim))
        grads: dict[str, Array] = {}
        gamma = np.ones(())
        if "weight" in params:
            gamma = params["weight"].reshape(shape)
            dgamma, dbeta = self._parameter_gradients(standard, dy, rest)
            grads = {"weight": dgamma, "bias": dbeta}
        g = dy if "dx_without_gamma" in on else dy * gamma
        if not standard.training:
            return g * standard.rstd, grads
        return self._dx(standard, g, self._over(dy)), grads
