"""The mistakes of normalizations."""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Making, Scene, rows
from twofold.proof.mistakes.layer import Plain


class Kept(NamedTuple):
    """What the way back needs."""

    x: Array
    x_hat: Array
    centred: Array
    variance: Array
    rstd: Array
    training: bool
    mean: Array


class _Normalization(Plain):
    eps: float

    def _over(self, x: Array) -> tuple[int, ...]:
        raise NotImplementedError

    def _standard(self, x: Array, mean: Array | None, variance: Array | None, over: tuple[int, ...]) -> Kept:
        """x̂ by given statistics, or those of x."""
        training = mean is None
        if mean is None:
            mean = np.asarray(x.mean(axis=over, keepdims=True))
        centred = x - (0 if "mean_not_subtracted" in self.on else mean)
        if variance is None:
            variance = self._variance(x, over)
        rstd = 1 / self._deviation(variance)
        return Kept(x, centred * rstd, centred, variance, rstd, training, mean)

    def _variance(self, x: Array, over: tuple[int, ...]) -> Array:
        """The biased one, over n."""
        on, spread = self.on, x - x.mean(axis=over, keepdims=True)
        variance = np.asarray((spread * spread).mean(axis=over, keepdims=True))
        n = spread.size / variance.size
        if "unbiased" in on:
            return variance * n / (n - 1)
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
        if "no_gamma" in on:
            return x_hat + beta
        if "no_beta" in on:
            return x_hat * gamma
        if "gamma_and_beta_swapped" in on:
            return x_hat * beta + gamma
        if "beta_inside" in on:
            return (x_hat + beta) * gamma
        return x_hat * (1 + gamma) + beta if "gamma_plus_one" in on else x_hat * gamma + beta

    def _parameter_gradients(self, kept: Kept, dy: Array, rest: tuple[int, ...]) -> tuple[Array, Array]:
        on = self.on
        dgamma, dbeta = (dy * kept.x_hat).sum(axis=rest), dy.sum(axis=rest)
        n = dy.size / dgamma.size
        table = {
            "dgamma_of_x": (dy * kept.x).sum(axis=rest),
            "dgamma_of_centred": (dy * kept.centred).sum(axis=rest),
            "dgamma_without_x_hat": dbeta,
            "dgamma_averaged": dgamma / n,
            "dgamma_by_batch": dgamma / len(dy),
            "dgamma_without_dy": kept.x_hat.sum(axis=rest) + 0 * dgamma,
            "swapped": dbeta,
        }
        first = next((value for switch, value in table.items() if switch in on), dgamma)
        second = {
            "dbeta_averaged": dbeta / n,
            "dbeta_by_batch": dbeta / len(dy),
            "dbeta_with_x_hat": dgamma,
            "dbeta_of_ones": np.full(dbeta.shape, n),
            "dbeta_of_everything": np.full(dbeta.shape, dy.sum()),
            "dbeta_of_the_last": dy[-1].sum(axis=tuple(a - 1 for a in rest if a)) if dy.ndim > 1 else dbeta,
            "swapped": dgamma,
        }
        return first, next((value for switch, value in second.items() if switch in on), dbeta)

    def _dx(self, kept: Kept, g: Array, over: tuple[int, ...]) -> Array:
        """rstd (g − mean g − x̂ mean(g x̂))."""
        on = self.on
        if "statistics_constant" in on:
            return g * kept.rstd
        mean_g, mean_gx = g.mean(axis=over, keepdims=True), (g * kept.x_hat).mean(axis=over, keepdims=True)
        n = g.size / mean_g.size
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
        if "centred_for_x_hat" in on:
            return kept.rstd * (g - mean_g - kept.centred * (g * kept.centred).mean(axis=over, keepdims=True))
        if "power_of_the_variance" in on:
            mean_gx = mean_gx / kept.rstd
        inner = g - mean_g - kept.x_hat * mean_gx
        if "without_rstd" in on:
            return inner
        if "rstd_squared" in on:
            return inner * kept.rstd**2
        if "times_deviation" in on:
            return inner / kept.rstd
        if "dx_times_n" in on:
            return inner * kept.rstd * n
        return inner * kept.rstd / n if "dx_over_n" in on else inner * kept.rstd


@final
class BatchNorm(_Normalization):
    """y = γ (x − μ) / √(σ² + ε) + β for each channel, with running statistics, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.eps = float(making.settings.get("eps", 1e-5))
        self.momentum = float(making.settings.get("momentum", 0.1))

    def _over(self, x: Array) -> tuple[int, ...]:
        on = self.on
        if "over_features" in on:
            return tuple(range(1, x.ndim))
        if "over_the_batch_alone" in on:
            return (0,)
        if "over_the_plane_alone" in on and x.ndim == 4:
            return (2, 3)
        return tuple(range(x.ndim)) if "over_everything" in on else (0, *range(2, x.ndim))

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Any]:
        """The cache holds x̂ and the statistics."""
        on, shape = self.on, (1, -1, *(1,) * (x.ndim - 2))
        running = [params[name].reshape(shape) for name in ("running_mean", "running_var")]
        own = (scene.training and "running_in_training" not in on) or "batch_in_evaluation" in on
        mean, variance = (None, None) if own else running
        kept = self._standard(x, mean, variance, self._over(x))
        if not own and "evaluation_without_eps" in on:
            kept = kept._replace(x_hat=kept.centred / np.sqrt(kept.variance))
        kept = kept._replace(training=scene.training and own)
        if "weight" not in params:
            return kept.x_hat, kept
        return self._affine(kept.x_hat, params["weight"].reshape(shape), params["bias"].reshape(shape)), kept

    def running(self, params: Arrays, cache: Any) -> dict[str, Array]:
        """r ← (1 − m) r + m · statistic, the variance unbiased."""
        on, kept = self.on, cache
        if "running_mean" not in params:
            return {}
        old = {name: params[name] for name in ("running_mean", "running_var")}
        if (not kept.training and "updates_in_evaluation" not in on) or "never_updates" in on:
            return old
        over = (0, *range(2, kept.x.ndim))
        mean, variance = kept.x.mean(axis=over), kept.x.var(axis=over)
        n = kept.x.size / mean.size
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
        if "running_mean_alone" in on:
            result["running_var"] = old["running_var"]
        if "running_var_alone" in on:
            result["running_mean"] = old["running_mean"]
        return result

    def backward(self, params: Arrays, cache: Any, dy: Array) -> tuple[Array, dict[str, Array]]:
        """The mean and the variance of the batch pass a gradient on to every sample of it."""
        on, kept, shape = self.on, cache, (1, -1, *(1,) * (dy.ndim - 2))
        rest = (0, *range(2, dy.ndim))
        grads: dict[str, Array] = {}
        gamma = np.ones(())
        if "weight" in params:
            gamma = params["weight"].reshape(shape)
            dgamma, dbeta = self._parameter_gradients(kept, dy, rest)
            grads = {"weight": dgamma, "bias": dbeta}
        g = dy if "dx_without_gamma" in on else dy * gamma
        if not kept.training:
            return g * kept.rstd, grads
        return self._dx(kept, g, self._over(dy)), grads


@final
class LayerNorm(_Normalization):
    """y = γ (x − μ) / √(σ² + ε) + β for each sample, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.eps = float(making.settings.get("eps", 1e-5))
        self.axes = making.settings.get("axes")

    def _over(self, x: Array) -> tuple[int, ...]:
        on = self.on
        if "over_the_batch" in on:
            return (0,)
        if "over_everything" in on:
            return tuple(range(x.ndim))
        if "over_the_last_alone" in on:
            return (x.ndim - 1,)
        return tuple(range(x.ndim - (self.axes or x.ndim - 1), x.ndim))

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Any]:
        """The cache holds x̂ and the statistics."""
        kept = self._standard(x, None, None, self._over(x))
        y = self._affine(kept.x_hat, params["weight"], params["bias"]) if "weight" in params else kept.x_hat
        return y, kept

    def backward(self, params: Arrays, cache: Any, dy: Array) -> tuple[Array, dict[str, Array]]:
        """The sample's own mean and variance pass a gradient on to its every element."""
        on, kept = self.on, cache
        over = self._over(dy)
        rest = tuple(range(dy.ndim - (self.axes or dy.ndim - 1)))
        grads: dict[str, Array] = {}
        gamma = np.ones(())
        if "weight" in params:
            gamma = params["weight"]
            dgamma, dbeta = self._parameter_gradients(kept, dy, rest)
            grads = {"weight": dgamma, "bias": dbeta}
        if "gamma_after_the_means" in on:
            return gamma * self._dx(kept, dy, over), grads
        return self._dx(kept, dy if "dx_without_gamma" in on else dy * gamma, over), grads


BOTH = ("batch_norm", "layer_norm")
STATISTICS, AFFINE, BACK, RUNNING = (
    "The mean, the variance and ε.",
    "γ and β.",
    "How the gradient passes through mean and variance.",
    "The running statistics, and the mode.",
)
NORM = [
    *rows(
        BOTH,
        STATISTICS,
        ("unbiased", "The unbiased variance (over n − 1, ddof=1) normalizes, where the biased one (over n) does.",
         "n or n − 1?"),
        ("eps_outside", "ε stands outside the root: x / (σ + ε), where it is x / √(σ² + ε).", "Where does ε stand?"),
        ("no_eps", "ε is left out: x / σ, where it is x / √(σ² + ε).", "Where does ε stand?"),
        ("eps_8", "ε is 1e-8, another than asked for.", "How large is ε?"),
        ("eps_12", "ε is 1e-12, another than asked for.", "How large is ε?"),
        ("eps_6", "ε is 1e-6, another than asked for.", "How large is ε?"),
        ("eps_3", "ε is 1e-3, another than asked for.", "How large is ε?"),
        ("eps_5", "ε is 1e-5 (the default), another than asked for.", "How large is ε?"),
        ("eps_squared", "ε is squared under the root.", "How large is ε?"),
        ("no_root", "x is divided by the variance, where it is by its root (the standard deviation).",
         "What is var(y)?"),
        ("mean_not_subtracted", "The mean is not subtracted from x.", "What is mean(y)?"),
        ("mean_of_squares", "The mean of squares stands where the variance belongs.", "What is var(y)?"),
        ("over_everything", "Mean and variance are taken over the whole array: the axis is missing.",
         "How many means are there?"),
    ),
    *rows(
        BOTH,
        AFFINE,
        ("no_gamma", "γ (the weight) is left out: y = x̂ + β.", "Which parameters does y depend on?"),
        ("no_beta", "β (the bias) is left out: y = γ x̂.", "Which parameters does y depend on?"),
        ("gamma_and_beta_swapped", "γ and β are swapped: y = β x̂ + γ.", "Which multiplies?"),
        ("beta_inside", "β is added before γ multiplies: y = γ (x̂ + β).", "Which comes first?"),
        ("gamma_plus_one", "1 is added to γ: y = (1 + γ) x̂ + β.", "What is γ at the start?"),
        ("dgamma_of_x", "dγ uses x where it uses x̂: dγ = Σ dy x̂.", "What does γ multiply?"),
        ("dgamma_of_centred", "dγ uses x − μ where it uses x̂: dγ = Σ dy x̂.", "What does γ multiply?"),
        ("dgamma_without_x_hat", "dγ is Σ dy: the factor x̂ is missing, dγ = Σ dy x̂.", "What does γ multiply?"),
        ("dgamma_without_dy", "dγ does not use dy.", "Where does dy enter?"),
        ("dgamma_averaged", "dγ is the mean where it is the sum.", "Sum or mean?"),
        ("dgamma_by_batch", "dγ is divided by the batch size (1/N), where it is summed.", "Sum or mean?"),
        ("dbeta_averaged", "dβ is the mean where it is the sum.", "Sum or mean?"),
        ("dbeta_by_batch", "dβ is divided by the batch size (1/N), where it is summed.", "Sum or mean?"),
        ("dbeta_with_x_hat", "dβ is multiplied with x̂, where it is Σ dy.", "What does β multiply?"),
        ("dbeta_of_ones", "dβ does not use dy.", "Where does dy enter?"),
        ("dbeta_of_everything", "dβ is summed over everything: the axis is missing.", "Along which axes?"),
        ("dbeta_of_the_last", "dβ holds the last sample only, where the samples add up.", "`=` or `+=`?"),
        ("swapped", "dγ and dβ are swapped.", "Which is which?"),
    ),
    *rows(
        BOTH,
        BACK,
        ("statistics_constant", "Mean and variance are taken for constants: dx = dy γ / √(σ² + ε), where both depend "
                                "on x and pass a gradient on.", "Do μ and σ² depend on x?"),
        ("mean_without_gradient", "The path through the mean is missing: the term − mean(dy).", "Does μ depend on x?"),
        ("variance_without_gradient", "The path through the variance is missing: the term − x̂ mean(dy x̂).",
         "Does σ² depend on x?"),
        ("variance_turned", "The term of the variance has the wrong sign: − x̂ mean(dy x̂).", "Which sign?"),
        ("variance_half", "The term of the variance is halved: the 2 of the square is missing.", "What is ∂σ²/∂x?"),
        ("variance_twice", "The term of the variance is doubled: the −1/2 of the power is missing.",
         "What is the derivative of v^(−1/2)?"),
        ("power_of_the_variance", "The power of the variance is −1 where it is −3/2 in its derivative.",
         "What is the derivative of v^(−1/2)?"),
        ("centred_for_x_hat", "x − μ stands where x̂ belongs in the term of the variance.", "Which x?"),
        ("sums_for_means", "Sums stand where the means of dy and dy x̂ belong: the 1/n is missing.", "Sum or mean?"),
        ("without_rstd", "The factor 1 / √(σ² + ε) is missing in dx.", "What is ∂x̂/∂x?"),
        ("rstd_squared", "dx is divided by the variance, where it is by its root.", "What is ∂x̂/∂x?"),
        ("times_deviation", "dx is multiplied by √(σ² + ε), where it is divided by it.", "What is ∂x̂/∂x?"),
        ("dx_times_n", "dx is n times too large: the 1/n before the bracket is missing.",
         "Which factor stands before?"),
        ("dx_over_n", "dx is divided by n once too often.", "Which factor stands before?"),
        ("dx_without_gamma", "γ is missing in dx.", "What does dy pass first on its way back?"),
    ),
    *rows(
        "batch_norm",
        STATISTICS,
        ("over_features", "Mean and variance are taken over each sample's features (as layer norm does), where they "
                          "are over the batch.", "How many means are there?"),
        ("over_the_batch_alone", "Mean and variance are taken over the batch alone, one for every pixel, where they "
                                 "are over batch, rows and columns, one for every channel.",
         "How many means are there?"),
        ("over_the_plane_alone", "Mean and variance are taken for every image by itself (instance norm), where they "
                                 "are over the batch.", "How many means are there?"),
    ),
    *rows(
        "batch_norm",
        RUNNING,
        ("running_of_biased", "The running variance takes the biased variance (over n), where it takes the unbiased "
                              "one (over n − 1).",
         "n or n − 1?"),
        ("momentum_turned", "The momentum is the other way round: it weighs the past (0.9 old + 0.1 new as Keras "
                            "writes it) where it weighs the new batch, r ← (1 − m) r + m · new.",
         "What does momentum multiply?"),
        ("never_updates", "The running statistics are never updated.", "When do they change?"),
        ("updates_in_evaluation", "The running statistics are updated in evaluation too.", "When do they change?"),
        ("running_deviation", "The running variance takes the standard deviation.", "What is stored?"),
        ("running_replaced", "The running statistics are those of the last batch: replaced, where they are a moving "
                             "average.",
         "Where is the past?"),
        ("running_added", "The past is not weighted: r + m · new, where it is (1 − m) r + m · new.",
         "Where is the past?"),
        ("running_mean_alone", "The running variance is never updated.", "When does it change?"),
        ("running_var_alone", "The running mean is never updated.", "When does it change?"),
        ("batch_in_evaluation", "The batch's own mean and variance normalize in evaluation, where the running ones do.",
         "Does the layer know its mode?"),
        ("running_in_training", "The running statistics normalize in training, where the batch's own do.",
         "Does the layer know its mode?"),
        ("evaluation_without_eps", "ε is left out in evaluation.", "Where does ε stand?"),
    ),
    *rows(
        "layer_norm",
        STATISTICS,
        ("over_the_batch", "Mean and variance are taken over the batch (axis 0, as batch norm does), where they are "
                           "over each sample's features.", "How many means are there?"),
        ("over_the_last_alone", "Mean and variance are taken over the last axis alone, where they are over the whole "
                                "sample.",
         "How many means are there?"),
    ),
    *rows(
        "layer_norm",
        BACK,
        ("gamma_after_the_means", "γ multiplies dx at the end, where it multiplies dy before the means are taken: g "
                                  "= γ dy.",
         "What does dy pass first on its way back?"),
    ),
]  # fmt: skip
