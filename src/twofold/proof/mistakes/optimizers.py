"""The mistakes of optimizers and of gradient clipping."""

from __future__ import annotations

import math
from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes.base import Making, Scene, Settings, Tensors, number, whole

DEFAULTS: dict[str, Settings] = {
    "sgd": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0},
    "adam": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "adamw": {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "rmsprop": {"alpha": 0.99, "eps": 1e-8, "weight_decay": 0.0},
}


@final
class OptimizerComputation:
    """An optimizer over steps in sequence: each parameter after the step, by name, with switches."""

    def __init__(self, making: Making) -> None:
        self.making, self.on = making, making.switches
        self.settings: Settings = {**DEFAULTS[making.kind], **making.settings}
        self.p: dict[str, Array] = {}
        self.m: dict[str, Array] = {}
        self.v: dict[str, Array] = {}
        self.stale: dict[str, Array] = {}
        self.rate = 0.0
        self.k = 0
        self.shared = 0

    def run(self, scene: Scene) -> Tensors:
        """One step along the scene's gradients; the parameters are taken from the first scene."""
        for name, array in scene.arrays.items():
            if name[:2] in ("p.", "m.", "v."):
                {"p.": self.p, "m.": self.m, "v.": self.v}[name[:2]].setdefault(name[2:], array.copy())
        gradients = {name[2:]: array for name, array in scene.arrays.items() if name.startswith("g.")}
        self.k = whole(scene.facts, "k") - ("count_from_zero" in self.on) + ("count_one_ahead" in self.on)
        lr = number(scene.facts, "lr")
        if "rate_of_the_first" in self.on:
            lr = self.rate = self.rate or lr
        if "rate_of_the_step_before" in self.on:
            lr, self.rate = self.rate or lr, lr
        max_norm = number(self.settings, "max_norm", 0.0)
        if max_norm:
            gradients = clipped(gradients, max_norm, self.on)
        for name, g in gradients.items():
            self._step(name, g, lr)
        return {name: array.copy() for name, array in self.p.items()}  # as they are now: the next step changes them

    def _step(self, name: str, g: Array, lr: float) -> None:
        on, kind, p = self.on, self.making.kind, self.p[name]
        if "first_parameter_alone" in on and name != next(iter(self.p)):
            return
        if "gradients_accumulate" in on:
            g = self.stale[name] = g + self.stale.get(name, 0)
        if "gradient_of_the_step_before" in on:
            g, self.stale[name] = self.stale.get(name, np.zeros_like(g)), g
        decay = number(self.settings, "weight_decay")
        if "no_decay" in on or ("decay_of_weights_alone" in on and "bias" in name):
            decay = 0.0
        if "decay_halved" in on:
            decay /= 2
        if "decay_doubled" in on:
            decay *= 2
        before = p.copy()
        decoupled = (kind == "adamw") != ("other_decay" in on)
        if decay and not decoupled:
            g = g + (-decay if "decay_turned" in on else decay) * (np.sign(p) if "decay_of_signs" in on else p)
        if "sign_of_the_gradient" in on:
            g = np.sign(g)
        direction = getattr(self, f"_{kind}")(name, g, lr)
        factors = {"rate_left_out": 1 / lr, "step_halved": 0.5, "step_doubled": 2.0, "rate_twice": lr}
        for switch in on & factors.keys():
            direction = direction * factors[switch]
        if "step_alone" in on:
            p[...] = direction
            return
        if decay and decoupled:
            factor = 1.0 if "decay_without_rate" in on else lr
            factor = -factor if "decay_turned" in on else factor
            p -= factor * decay * (before - direction if "decay_after_the_step" in on else before)
        p -= -direction if "ascends" in on else direction

    def _sgd(self, name: str, g: Array, lr: float) -> Array:
        on, mu = self.on, number(self.settings, "momentum")
        nesterov = bool(self.settings["nesterov"]) != ("nesterov_turned" in on)
        if not mu or "no_momentum" in on:
            return lr * g
        v = self.m.get(name, np.zeros_like(g))
        inside = lr if "rate_inside" in on else 1.0
        outside = 1.0 if "rate_inside" in on else lr
        if "dampened" in on:
            new = mu * v + (1 - mu) * g
        elif "dampened_after_the_first" in on:
            new = mu * v + (1 - mu) * g if name in self.m else g
        elif "momentum_of_the_gradient" in on:
            new = v + mu * g
        elif "momentum_turned" in on:
            new = (1 - mu) * v + mu * g
        elif "velocity_minus" in on:
            new = mu * v - inside * g
        else:
            new = mu * v + inside * g
        if "velocity_not_kept" not in on:
            self.m[name] = g if "gradient_kept_for_velocity" in on else new
        if "velocity_of_the_step_before" in on:
            return outside * v
        if nesterov:
            ahead = v if "nesterov_with_the_old" in on else new
            step = mu * ahead + (mu * g if "nesterov_mu_twice" in on else inside * g)
            if "nesterov_without_mu" in on:
                step = g + new
            if "nesterov_velocity_alone" in on:
                step = mu * new
            return outside * step
        return outside * new

    def _moments(self, name: str, g: Array, beta1: float, beta2: float) -> tuple[Array, Array]:
        on = self.on
        m, v = self.m.get(name, np.zeros_like(g)), self.v.get(name, np.zeros_like(g))
        square = np.abs(g) if "absolute_for_square" in on else g if "g_for_square" in on else g * g
        new_m = beta1 * m + (1.0 if "first_undamped" in on else 1 - beta1) * g
        new_v = beta2 * v + (1.0 if "second_undamped" in on else 1 - beta2) * square
        if "first_turned" in on:
            new_m = (1 - beta1) * m + beta1 * g
        if "second_turned" in on:
            new_v = (1 - beta2) * v + beta2 * square
        if "second_of_the_first" in on:
            new_v = beta2 * v + (1 - beta2) * new_m * new_m
        if "second_is_largest" in on:
            new_v = np.maximum(v, new_v)
        if "second_is_sum" in on:
            new_v = v + square
        if "moments_not_kept" not in on:
            self.m[name], self.v[name] = new_m, new_v
        if "second_of_the_step_before" in on:
            new_v = v
        return new_m, new_v

    def _adam(self, name: str, g: Array, lr: float) -> Array:
        on, eps = self.on, self._eps()
        beta1, beta2 = self._betas()
        if "betas_swapped" in on:
            beta1, beta2 = beta2, beta1
        if "beta2_99" in on:
            beta2 = 0.99
        if "beta2_9999" in on:
            beta2 = 0.9999
        m, v = self._moments(name, g, beta1, beta2)
        self.shared += 1
        k = self.shared if "count_of_every_parameter" in on else self.k
        one, two = self._corrections(beta1, beta2, k)
        if "eps_before_the_correction" in on:
            return lr * math.sqrt(two) / one * m / (np.sqrt(v) + eps)
        m_hat, v_hat = m / one, v / two
        if "g_for_m" in on:
            m_hat = g
        if "eps_inside" in on:
            return lr * m_hat / np.sqrt(v_hat + eps)
        if "corrected_moments_kept" in on:
            self.m[name], self.v[name] = m_hat, v_hat
        if "no_root" in on:
            return lr * m_hat / (v_hat + eps)
        return lr * m_hat / (np.sqrt(v_hat) + eps)

    _adamw = _adam

    def _corrections(self, beta1: float, beta2: float, k: int) -> tuple[float, float]:
        """The divisors of the two moments against their bias: 1 − β₁ᵏ and 1 − β₂ᵏ."""
        on = self.on
        one, two = 1 - beta1**k, 1 - beta2**k
        if "beta1_times_k" in on:
            one, two = 1 - beta1 * k, 1 - beta2 * k
        if "no_correction" in on or "no_first_correction" in on:
            one = 1.0
        if "no_correction" in on or "no_second_correction" in on:
            two = 1.0
        if "correction_once" in on:
            one, two = 1 - beta1, 1 - beta2
        if "first_correction_once" in on:
            one = 1 - beta1
        if "second_correction_once" in on:
            two = 1 - beta2
        if "corrections_swapped" in on:
            one, two = two, one
        if "correction_multiplied" in on:
            one, two = 1 / one, 1 / two
        return one, two

    def _betas(self) -> tuple[float, float]:
        betas = self.settings["betas"]
        assert isinstance(betas, list | tuple)
        return float(betas[0]), float(betas[1])

    def _eps(self) -> float:
        eps = number(self.settings, "eps")
        table = {"no_eps": 1e-300, "eps_7": 1e-7, "eps_10": 1e-10, "eps_6": 1e-6, "eps_5": 1e-5, "eps_8": 1e-8}
        return next((value for switch, value in table.items() if switch in self.on), eps)

    def _rmsprop(self, name: str, g: Array, lr: float) -> Array:
        on, eps, alpha = self.on, self._eps(), number(self.settings, "alpha")
        alpha = 0.9 if "alpha_9" in on else alpha
        _, v = self._moments(name, g, 0.0, alpha)
        if "corrected" in on:
            v = v / (1 - alpha**self.k)
        if "centred" in on:
            mean = self.stale[name] = alpha * self.stale.get(name, np.zeros_like(g)) + (1 - alpha) * g
            v = v - mean * mean
        if "eps_inside" in on:
            return lr * g / np.sqrt(v + eps)
        return lr * g / (v + eps) if "no_root" in on else lr * g / (np.sqrt(v) + eps)


def clipped(gradients: dict[str, Array], max_norm: float, on: frozenset[str] = frozenset()) -> dict[str, Array]:
    """g · min(1, c / (‖g‖ + 1e-6)), the norm over all parameters, with switches."""
    if "left_out" in on:
        return gradients
    if "by_value" in on:
        return {name: np.clip(g, -max_norm, max_norm) for name, g in gradients.items()}
    squares = {name: float((g * g).sum()) for name, g in gradients.items()}
    total = _measured(gradients, squares, on)
    eps = 0.0 if "eps_left_out" in on else 1e-8 if "norm_eps_8" in on else 1e-12 if "eps_12" in on else 1e-6
    result = {}
    for name, g in gradients.items():
        norm = math.sqrt(squares[name]) if "apart" in on else total
        factor = 1.0 if "first_alone" in on and name != next(iter(gradients)) else _factor(norm, max_norm, eps, on)
        result[name] = g * (math.sqrt(factor) if "root_of_the_factor" in on else factor)
    return result


def _measured(gradients: dict[str, Array], squares: dict[str, float], on: frozenset[str]) -> float:
    """‖g‖ over all parameters, or what wrong code takes for it; `squares` are the sums of squares by parameter."""
    total = math.sqrt(sum(squares.values()))
    if "norm_of_the_last" in on:
        total = math.sqrt(list(squares.values())[-1])
    if "norm_of_the_first" in on:
        total = math.sqrt(next(iter(squares.values())))
    if "sum_of_norms" in on:
        total = sum(math.sqrt(s) for s in squares.values())
    if "mean_of_norms" in on:
        total = sum(math.sqrt(s) for s in squares.values()) / len(squares)
    if "largest_of_norms" in on:
        total = max(math.sqrt(s) for s in squares.values())
    if "norm_squared" in on:
        total = total * total
    if "norm_of_magnitudes" in on:
        total = sum(float(np.abs(g).sum()) for g in gradients.values())
    if "largest_element" in on:
        total = max(float(np.abs(g).max()) for g in gradients.values())
    if "mean_square" in on:
        total = total / math.sqrt(sum(g.size for g in gradients.values()))
    return total


def _factor(norm: float, max_norm: float, eps: float, on: frozenset[str]) -> float:
    """The factor min(1, c / (‖g‖ + eps)), or what wrong code takes for it."""
    factor = max_norm / (norm + eps) if norm + eps else math.inf
    if "always" not in on:
        factor = min(factor, 1.0)
    if "turned" in on:
        factor = max(max_norm / (norm + eps), 1.0)
    if "factor_turned" in on:
        factor = 1.0 if norm <= max_norm else norm / max_norm
    if "factor_and_comparison_turned" in on:
        factor = min(norm / max_norm, 1.0)
    if "to_length_one" in on:
        factor = 1.0 if norm <= max_norm else 1 / (norm + eps)
    if "zeroed" in on and norm > max_norm:
        factor = 0.0
    return factor


@final
class ClippingComputation:
    """Gradients clipped to a norm over all of them."""

    def __init__(self, making: Making) -> None:
        self.making = making

    def run(self, scene: Scene) -> Tensors:
        """The gradients after clipping, by name."""
        gradients = {name[2:]: array for name, array in scene.arrays.items() if name.startswith("g.")}
        return dict(clipped(gradients, number(scene.facts, "max_norm"), self.making.switches))
