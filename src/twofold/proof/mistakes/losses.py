"""The mistakes of losses: a value and its gradient."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes.base import STEP, Making, Scene, Tensors, number

EPS = {"eps_in_the_log": 1e-12, **{f"eps_{k}_in_the_log": 10.0**-k for k in (5, 6, 7, 8, 9, 10, 15, 16, 20)}}
"""The ε that wrong code adds inside the logarithm, by switch."""
CUTS = (7, 8, 10, 12, 15)
"""The k of the 10⁻ᵏ at which wrong code cuts probabilities."""


def cut(p: Array, on: frozenset[str]) -> Array:
    """Probabilities cut to [ε, 1 − ε], or from below alone, where a switch says so."""
    k = next((k for k in CUTS if {f"cut_at_{k}", f"cut_below_at_{k}"} & on), 0)
    if not k:
        return p
    p = np.where(np.real(p) < 10.0**-k, 10.0**-k, p)
    return np.where(np.real(p) > 1 - 10.0**-k, 1 - 10.0**-k, p) if f"cut_at_{k}" in on else p


def cut_rows() -> list[tuple[str, str, str]]:
    """Each cut as a mistake of the catalogue."""
    why, asked = "log of a softmax or sigmoid is computed from the logits.", "What is the loss of a certain error?"
    both = [(f"cut_at_{k}", f"Probabilities are cut to [1e-{k}, 1 − 1e-{k}] before the logarithm: {why}") for k in CUTS]
    below = [(f"cut_below_at_{k}", f"Probabilities are cut at 1e-{k} before the logarithm: {why}") for k in CUTS]
    return [(switch, sentence, asked) for switch, sentence in (*both, *below)]


@final
class LossComputation:
    """Cross-entropy or squared error over scenes of `outputs` and `target`, with switches: `loss` and `dz`."""

    def __init__(self, making: Making) -> None:
        self.making, self.on = making, making.switches
        self.smoothing = number(making.settings, "label_smoothing", 0.0)
        self.of_probabilities = making.settings.get("of") == "probabilities"
        self.summed = making.settings.get("reduction", "mean") == "sum"
        self.value = self._cross_entropy if making.kind == "cross_entropy" else self._squared

    def run(self, scene: Scene) -> Tensors:
        """Value and gradient; the gradient of a wrong value is its own derivative where the making says so."""
        z, target = scene.arrays["outputs"], scene.arrays["target"]
        value = np.asarray(np.real(self.value(z, target, self.on)), float)
        if self.making.derivative == "own":
            return {"loss": value, "dz": self._own(z, target)}
        on = frozenset() if self.making.derivative == "right" else self.on
        gradient = self._gradient if self.making.kind == "cross_entropy" else self._distance
        return {"loss": value, "dz": gradient(z, target, on)}

    def _own(self, z: Array, target: Array) -> Array:
        dz, shifted = np.zeros(z.shape), z.astype(complex)
        for place in np.ndindex(z.shape):
            original = shifted[place]
            shifted[place] = original + 1j * STEP
            dz[place] = float(np.imag(self.value(shifted, target, self.on))) / STEP
            shifted[place] = original
        return dz

    def _targets(self, z: Array, target: Array, on: frozenset[str]) -> Array:
        onehot, classes, e = np.eye(z.shape[1])[target], z.shape[1], self.smoothing
        if "no_smoothing" in on or not e:
            return onehot
        if "smoothing_over_the_others" in on:
            return onehot * (1 - e) + (1 - onehot) * e / max(classes - 1, 1)
        if "smoothing_of_others_added" in on:
            return onehot * (1 - e) + e / max(classes - 1, 1)
        if "smoothing_short_at_the_target" in on:
            return onehot * (1 - e) + (1 - onehot) * e / classes
        if "smoothing_undivided" in on:
            return onehot * (1 - e) + e
        return onehot + e / classes if "smoothing_added" in on else onehot * (1 - e) + e / classes

    def _divisor(self, z: Array, on: frozenset[str], where: str) -> float:
        """What the sum of a cross-entropy, or its gradient, is divided by; `where` is `loss` or `gradient`."""
        n, c = z.shape
        if f"{where}_undivided" in on or "sum_in_place_of_mean" in on:
            return 1.0
        if self.summed:
            return float(n) if f"{where}_averaged" in on or "mean_in_place_of_sum" in on else 1.0
        if f"{where}_over_all" in on:
            return float(n * c)
        return float(c) if f"{where}_over_classes" in on else float(n)

    def _cross_entropy(self, z: Array, target: Array, on: frozenset[str]) -> Array:
        axis = 0 if "softmax_over_the_batch" in on else -1
        if "softmax_twice" in on:
            first = np.exp(z - np.real(z).max(axis=-1, keepdims=True))
            z = first / first.sum(axis=-1, keepdims=True)
        top = 0 if "no_maximum" in on else np.real(z).max(axis=axis, keepdims=True)
        e = np.exp(z - top)
        if self.of_probabilities != ("probabilities_expected" in on):
            log_p = np.log(z)
        elif "no_maximum" in on:
            log_p = np.log(e / e.sum(axis=axis, keepdims=True))
        else:
            log_p = z - top - np.log(e.sum(axis=axis, keepdims=True))
        if "sum_to_base_two" in on:
            log_p = z - top - np.log2(e.sum(axis=axis, keepdims=True))
        if "logits_for_logarithms" in on:
            log_p = z + 0
        eps = next((value for switch, value in EPS.items() if switch in on), 0.0)
        if eps:
            log_p = np.log((z if self.of_probabilities else e / e.sum(axis=axis, keepdims=True)) + eps)
        if any(switch.startswith("cut_") for switch in on):
            log_p = np.log(cut(z if self.of_probabilities else e / e.sum(axis=axis, keepdims=True), on))
        if "base_two" in on:
            log_p = log_p / np.log(2)
        if "base_ten" in on:
            log_p = log_p / np.log(10)
        y = self._targets(z, target, on)
        terms = y * log_p
        if "binary" in on:
            p = e / e.sum(axis=axis, keepdims=True)
            terms = terms + (1 - y) * np.log(1 - p)
        if "all_classes" in on:
            terms = log_p
        if "probability_itself" in on:
            terms = y * np.exp(log_p)
        total = terms.sum() / self._divisor(z, on, "loss")
        return total if "wrong_sign" in on else -total

    def _gradient(self, z: Array, target: Array, on: frozenset[str]) -> Array:
        axis = 0 if "softmax_over_the_batch" in on else -1
        top = 0 if "no_maximum" in on else z.max(axis=axis, keepdims=True)
        p = np.exp(z - top)
        total = p.sum(axis=axis, keepdims=True)
        p = p / (np.exp(np.log2(total)) if "sum_to_base_two" in on else total)
        y = self._targets(z, target, on)
        if self.of_probabilities:
            return self._of_probabilities(z, y, on)
        if "without_softmax" in on:
            dz = z - y
        elif "by_p_alone" in on:
            dz = -y / p
        elif "p_alone" in on:
            dz = p
        elif "target_alone" in on:
            dz = -y
        elif "target_zero" in on:
            dz = p * (1 - y)
        elif "at_the_target_alone" in on:
            dz = (p - y) * (y == y.max(axis=-1, keepdims=True))
        elif "slope_of_softmax_too" in on:
            dz = (p - y) * p * (1 - p)
        elif "p_and_target_added" in on:
            dz = p + y
        else:
            dz = p - y
        dz = dz / self._divisor(z, on, "gradient")
        if "half_the_gradient" in on:
            dz = dz / 2
        return -dz if "gradient_turned" in on or "wrong_sign" in on else dz

    def _of_probabilities(self, p: Array, y: Array, on: frozenset[str]) -> Array:
        """Gradient of the cross-entropy with respect to probabilities p: −y / (p N)."""
        dp = (
            p - y
            if "of_softmax_too" in on
            else -y * p
            if "by_p_alone" in on
            else -y
            if "target_alone" in on
            else -y / p
        )
        dp = dp / self._divisor(p, on, "gradient")
        return -dp if "gradient_turned" in on or "wrong_sign" in on else dp

    def _squared(self, z: Array, target: Array, on: frozenset[str]) -> Array:
        d = z - _wanted(z, target)
        if "target_of_minus_one" in on:
            d = z - (2 * _wanted(z, target) - 1)
        if "no_target" in on:
            d = z
        if "of_the_target_alone" in on:
            d = d[_wanted(z, target) == _wanted(z, target).max(axis=1, keepdims=True)]
        total = (d * np.sign(np.real(d))).sum() if "absolute" in on else (d * d).sum()
        total = total / self._terms(z, on, "loss")
        if "root" in on:
            total = np.sqrt(total)
        return total / 2 if "half_the_loss" in on or "half" in on else total

    def _terms(self, z: Array, on: frozenset[str], where: str) -> float:
        """As `_divisor`, for squared errors."""
        n, c = z.shape
        if f"{where}_undivided" in on or "sum_in_place_of_mean" in on:
            return 1.0
        if self.summed:
            averaged = f"{where}_averaged" in on or "mean_in_place_of_sum" in on
            return float(n * c) if averaged else float(n) if f"{where}_over_batch" in on or "over_batch" in on else 1.0
        if f"{where}_over_batch" in on or "over_batch" in on:
            return float(n)
        return float(c) if f"{where}_over_classes" in on or "over_classes" in on else float(n * c)

    def _distance(self, z: Array, target: Array, on: frozenset[str]) -> Array:
        y = _wanted(z, target)
        d = z if "no_target" in on else z - (2 * y - 1) if "target_of_minus_one" in on else z - y
        factor = 1.0 if "no_two" in on or "half" in on else 4.0 if "four" in on else 2.0
        d = factor * d / self._terms(z, on, "gradient")
        if "absolute" in on:
            d = np.sign(z - y) / self._terms(z, on, "gradient")
        return -d if "gradient_turned" in on else d


def _wanted(z: Array, target: Array) -> Array:
    """One-hot of classes; numbers to predict as they are."""
    return target if target.ndim == z.ndim else np.eye(z.shape[1])[target]
