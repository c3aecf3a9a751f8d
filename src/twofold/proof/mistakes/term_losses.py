"""The mistakes of losses that are a sum over every output: distances to numbers, and cross-entropy of labels."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes.base import STEP, Making, Scene, Tensors, number, rows
from twofold.proof.mistakes.losses import EPS, cut, cut_rows


@final
class TermLossComputation:
    """`mean_absolute`, `huber` and `binary_cross_entropy` over `outputs` and `target` of one shape, with switches."""

    def __init__(self, making: Making) -> None:
        self.making, self.on = making, making.switches
        self.summed = making.settings.get("reduction", "mean") == "sum"
        self.delta = number(making.settings, "delta", 1.0)
        if "delta_is_one" in self.on:
            self.delta = 1.0
        self.terms = {"mean_absolute": self._absolute, "huber": self._huber}.get(making.kind, self._binary)

    def run(self, scene: Scene) -> Tensors:
        """Value and gradient; the gradient of a wrong value is its own derivative where the making says so."""
        z, t = scene.arrays["outputs"], scene.arrays["target"].astype(float)
        value = np.asarray(np.real(self._value(z, t)), float)
        if self.making.derivative == "own":
            shifted = z + 1j * STEP * np.eye(z.size).reshape(z.size, *z.shape)
            slopes = [float(np.imag(self._value(one, t))) / STEP for one in shifted]
            return {"loss": value, "dz": np.array(slopes).reshape(z.shape)}
        on = frozenset[str]() if self.making.derivative == "right" else self.on
        with np.errstate(all="ignore"):
            return {"loss": value, "dz": self._gradient(z, t, on)}

    def _count(self, z: Array, on: frozenset[str], where: str) -> float:
        """What the sum of the terms, or its gradient, is divided by; `where` is `loss` or `gradient`."""
        if f"{where}_undivided" in on or "sum_in_place_of_mean" in on:
            return 1.0
        if self.summed:
            return float(z.size) if "mean_in_place_of_sum" in on else 1.0
        if f"{where}_over_batch" in on or "over_batch" in on:
            return float(len(z))
        return float(z.shape[1]) if "over_outputs" in on else float(z.size)

    def _value(self, z: Array, t: Array) -> Array:
        total = self.terms(z, t).sum() / self._count(z, self.on, "loss")
        total = total / 2 if "half_the_loss" in self.on else total
        return -total if "wrong_sign" in self.on else total

    def _absolute(self, z: Array, t: Array) -> Array:
        d = z if "no_target" in self.on else z - t
        if "squared" in self.on:
            return d * d
        return d if "no_magnitude" in self.on else d * np.sign(np.real(d))

    def _huber(self, z: Array, t: Array) -> Array:
        on, c = self.on, self.delta
        d = z if "no_target" in on else z - t
        size = d * np.sign(np.real(d))
        near = d * d if "no_half" in on else d * d / 2
        far = c * size if "no_offset" in on else c * (size - (c if "whole_offset" in on else c / 2))
        if "far_without_delta" in on:
            far = size - c / 2
        if "squared_everywhere" in on:
            return near
        return size if "absolute_everywhere" in on else np.where(np.real(size) <= c, near, far)

    def _binary(self, z: Array, t: Array) -> Array:
        on = self.on
        if "softmax_for_sigmoid" in on:
            e = np.exp(z - np.real(z).max(axis=-1, keepdims=True))
            p = e / e.sum(axis=-1, keepdims=True)
            return -(t * np.log(p) + (1 - t) * np.log(1 - p))
        eps = next((value for switch, value in EPS.items() if switch in on), 0.0)
        if "overflows" in on or eps or any(switch.startswith("cut_") for switch in on):
            p = cut(1 / (1 + np.exp(-z)), on)
            return -(t * np.log(p + eps) + (1 - t) * np.log(1 - p + eps))
        if "probabilities_expected" in on:
            return -(t * np.log(z) + (1 - t) * np.log(1 - z))
        soft = np.where(np.real(z) > 0, 0, z) - np.log1p(np.exp(-z * np.sign(np.real(z) + 1e-300)))  # log σ(z)
        if "log_of_base_two" in on:
            soft = soft / np.log(2)
        if "labels_turned" in on:
            t = 1 - t
        first, second = t * soft, (1 - t) * (soft - (z / np.log(2) if "log_of_base_two" in on else z))
        return -first if "first_term_alone" in on else -second if "second_term_alone" in on else -(first + second)

    def _gradient(self, z: Array, t: Array, on: frozenset[str]) -> Array:
        c = 1.0 if "delta_is_one" in on else number(self.making.settings, "delta", 1.0)
        d = z if "no_target" in on else z - t
        if self.making.kind == "mean_absolute":
            dz = 2 * d if "squared" in on else d if "slope_is_distance" in on else np.sign(d)
            dz = np.where(d > 0, 1.0, -1.0) if "minus_one_at_zero" in on else dz
        elif self.making.kind == "huber":
            dz = np.clip(d, -c, c)
            dz = 2 * dz if "slope_doubled" in on else d if "slope_not_cut" in on or "squared_everywhere" in on else dz
            dz = np.where(np.abs(d) <= c, d, np.sign(d)) if "slope_without_delta" in on else dz
            dz = np.sign(d) if "absolute_everywhere" in on else dz
        else:
            dz = self._binary_slope(z, 1 - t if "labels_turned" in on else t, on)
        dz = dz / self._count(z, on, "gradient")
        dz = dz / 2 if "half_the_gradient" in on else dz
        return -dz if "gradient_turned" in on or "wrong_sign" in on else dz

    @staticmethod
    def _binary_slope(z: Array, t: Array, on: frozenset[str]) -> Array:
        p = 0.5 + 0.5 * np.tanh(0.5 * z)
        if "softmax_for_sigmoid" in on:
            e = np.exp(z - z.max(axis=-1, keepdims=True))
            p = e / e.sum(axis=-1, keepdims=True)
        table = {
            "slope_of_sigmoid_too": (p - t) * p * (1 - p),
            "by_p_alone": (p - t) / (p * (1 - p)),
            "p_alone": p,
            "target_alone": -t,
            "without_sigmoid": z - t,
            "first_term_alone": (p - 1) * t,
            "second_term_alone": p * (1 - t),
        }
        return next((slope for switch, slope in table.items() if switch in on), p - t)


REDUCTION, FORMULA, SLOPE = "By what the sum is divided.", "The formula of one term.", "The derivative of the loss."
TERM_LOSSES = ("mean_absolute", "huber", "binary_cross_entropy")
TABLE = [
    *rows(
        TERM_LOSSES,
        REDUCTION,
        ("sum_in_place_of_mean", "Loss and gradient are sums, where the mean is over batch and outputs (N · C).",
         "Sum or mean?"),
        ("mean_in_place_of_sum", "Loss and gradient are means, where sums were asked for.", "Sum or mean?"),
        ("over_batch", "Loss and gradient are divided by the batch size alone, where the mean is over batch and "
                       "outputs.", "Over what is the mean?"),
        ("over_outputs", "Loss and gradient are divided by the number of outputs alone, where the mean is over batch "
                         "and outputs.", "Over what is the mean?"),
        ("loss_over_batch", "The loss is divided by the batch size alone, where the mean is over batch and outputs.",
         "Over what is the mean?"),
        ("gradient_over_batch", "The gradient is divided by the batch size alone, where the mean is over batch "
                                "and outputs.", "Over what is the mean?"),
        ("loss_undivided", "The loss is a sum, while its gradient is that of the mean.", "Sum or mean?"),
        ("gradient_undivided", "The gradient is that of the sum, while the loss is the mean.", "Sum or mean?"),
        ("half_the_loss", "A half stands before the loss.", "Is there a ½?"),
        ("half_the_gradient", "The gradient is halved.", "Which factor?"),
    ),
    *rows(
        TERM_LOSSES,
        SLOPE,
        ("gradient_turned", "The gradient has the wrong sign.", "In which direction does the loss grow?"),
        ("wrong_sign", "Loss and gradient have the wrong sign.", "Can the loss be negative?"),
    ),
    *rows(
        ("mean_absolute", "huber"),
        FORMULA,
        ("no_target", "The target is not subtracted.", "What is the loss of a perfect prediction?"),
    ),
    *rows(
        "mean_absolute",
        FORMULA,
        ("squared", "The square stands where the magnitude belongs.", "What is the loss at a distance of 2?"),
        ("no_magnitude", "The magnitude is missing: distances of both signs cancel.", "Can the loss be negative?"),
        ("slope_is_distance", "The gradient is y − t, where it is sign(y − t).", "What is the derivative of |d|?"),
        ("minus_one_at_zero", "The slope at y = t is −1, where it is 0.", "What is it at y = t?"),
    ),
    *rows(
        "huber",
        FORMULA,
        ("delta_is_one", "δ is 1, another than asked for.", "Where does δ enter?"),
        ("no_half", "The ½ is missing within δ: d², where it is d² / 2.", "Do both pieces meet at δ?"),
        ("no_offset", "δ / 2 is missing beyond δ: δ |d|, where it is δ (|d| − δ / 2).", "Do both pieces meet at δ?"),
        ("whole_offset", "δ stands where δ / 2 belongs: δ (|d| − δ).", "Do both pieces meet at δ?"),
        ("far_without_delta", "The factor δ is missing beyond δ: |d| − δ / 2.", "Do both pieces meet at δ?"),
        ("squared_everywhere", "The square goes on beyond δ.", "What is the loss far from the target?"),
        ("absolute_everywhere", "The magnitude stands within δ too.", "What is the loss near the target?"),
        ("slope_not_cut", "The gradient is d beyond δ, where it is cut at ±δ.", "What is the slope far away?"),
        ("slope_without_delta", "The gradient beyond δ is sign(d), where it is δ sign(d).",
         "What is the slope far away?"),
        ("slope_doubled", "The gradient is 2 d: the ½ of d² / 2 cancels the 2.",
         "What is the derivative of d² / 2?"),
    ),
    *rows(
        "binary_cross_entropy",
        FORMULA,
        ("overflows", "log σ is computed as the logarithm of σ: of large logits it is −∞ or NaN.", "log σ(−1000)?"),
        ("eps_in_the_log", "1e-12 is added in the logarithm, which caps the loss; log σ is computed from the logits.",
         "What is the loss of a certain error?"),
        *((f"eps_{k}_in_the_log", f"1e-{k} is added in the logarithm, which caps the loss; log σ is computed from the "
           "logits.", "What is the loss of a certain error?") for k in (5, 6, 7, 8, 9, 10, 15, 16, 20)),
        *cut_rows(),
        ("probabilities_expected", "The sigmoid is left out: the logarithm is taken of the logits themselves.",
         "What goes in: logits, or probabilities?"),
        ("softmax_for_sigmoid", "Softmax stands where the sigmoid belongs: labels do not exclude each other.",
         "What do the probabilities of a sample sum to?"),
        ("first_term_alone", "The term (1 − t) log(1 − p) is missing.", "What if t = 0?"),
        ("second_term_alone", "The term t log p is missing.", "What if t = 1?"),
        ("labels_turned", "t and 1 − t are swapped.", "What is the loss of a perfect prediction?"),
        ("log_of_base_two", "The logarithm has base 2, where it is the natural one.", "Which logarithm?"),
        ("slope_of_sigmoid_too", "The gradient is multiplied with the sigmoid's slope p (1 − p) once more: p − t holds "
                                 "it already.", "Is the sigmoid derived twice?"),
        ("by_p_alone", "The gradient is that with respect to the probabilities, (p − t) / (p (1 − p)); with respect to "
                       "the logits it is p − t.", "With respect to what is derived?"),
        ("p_alone", "The target is not subtracted in the gradient.", "Where is the target?"),
        ("target_alone", "p is missing in the gradient.", "Where is p?"),
        ("without_sigmoid", "The gradient is z − t: the sigmoid is missing.", "Which p?"),
    ),
]  # fmt: skip
