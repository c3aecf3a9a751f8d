"""The mistakes of losses: a value and its gradient."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes.base import Making, Scene, Tensors, number, rows

STEP = 1e-30


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
        if "smoothing_undivided" in on:
            return onehot * (1 - e) + e
        return onehot + e / classes if "smoothing_added" in on else onehot * (1 - e) + e / classes

    def _divisor(self, z: Array, on: frozenset[str], where: str) -> float:
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
        if "eps_in_the_log" in on:
            log_p = np.log(e / e.sum(axis=axis, keepdims=True) + self._eps())
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

    @staticmethod
    def _eps() -> float:
        return 1e-12

    def _gradient(self, z: Array, target: Array, on: frozenset[str]) -> Array:
        axis = 0 if "softmax_over_the_batch" in on else -1
        top = 0 if "no_maximum" in on else z.max(axis=axis, keepdims=True)
        p = np.exp(z - top)
        p = p / p.sum(axis=axis, keepdims=True)
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
        """−y / (p N)."""
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
        d = z - np.eye(z.shape[1])[target]
        if "target_of_minus_one" in on:
            d = z - (2 * np.eye(z.shape[1])[target] - 1)
        if "no_target" in on:
            d = z
        if "of_the_target_alone" in on:
            d = d[np.arange(len(z)), target]
        total = (d * np.sign(np.real(d))).sum() if "absolute" in on else (d * d).sum()
        total = total / self._terms(z, on, "loss")
        if "root" in on:
            total = np.sqrt(total)
        return total / 2 if "half_the_loss" in on or "half" in on else total

    def _terms(self, z: Array, on: frozenset[str], where: str) -> float:
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
        y = np.eye(z.shape[1])[target]
        d = z if "no_target" in on else z - (2 * y - 1) if "target_of_minus_one" in on else z - y
        factor = 1.0 if "no_two" in on or "half" in on else 4.0 if "four" in on else 2.0
        d = factor * d / self._terms(z, on, "gradient")
        if "absolute" in on:
            d = np.sign(z - y) / self._terms(z, on, "gradient")
        return -d if "gradient_turned" in on else d


REDUCTION, SLOPE = "By what the sum is divided.", "The derivative of the loss."
BOTH = ("cross_entropy", "mean_squared")
LOSSES = [
    *rows(
        "cross_entropy",
        REDUCTION,
        ("gradient_over_all", "The gradient is divided by the batch size and by the number of classes, where it is "
                              "by the batch size alone.", "Over what is the mean?"),
        ("loss_over_all", "The loss is averaged over batch and classes (np.mean over the whole array), where it is "
                          "over the batch alone: the number of classes too small.", "Over what is the mean?"),
    ),
    *rows(
        "cross_entropy",
        "The logarithm and the softmax.",
        ("no_maximum", "The maximum is not subtracted before exp: large logits overflow to infinity and NaN.",
         "exp(1000)?"),
        ("softmax_over_the_batch", "Softmax is taken over the batch (axis 0), where it is over the classes (axis 1).",
         "What does each row sum to?"),
        ("softmax_twice", "Softmax is applied twice: the loss takes logits.",
         "What goes in: logits, or probabilities?"),
        ("probabilities_expected", "Softmax is left out: the logarithm is taken of the logits themselves.",
         "What goes in: logits, or probabilities?"),
        ("eps_in_the_log", "A small ε stands in the logarithm (log(p + 1e-12)), which caps the loss of a class of "
                           "probability 0; log softmax is computed from the logits.",
         "What is the loss of a certain error?"),
        ("base_two", "The logarithm has base 2 (bits), where it is the natural one (nats).", "Which logarithm?"),
        ("base_ten", "The logarithm has base 10, where it is the natural one.", "Which logarithm?"),
        ("binary", "Binary cross-entropy: a term (1 − y) log(1 − p) of the other classes is added.",
         "Which classes count?"),
        ("all_classes", "The log-probabilities of all classes are summed, where that of the target alone counts.",
         "Which class?"),
        ("probability_itself", "The probability of the target stands where its logarithm belongs.", "Is there a log?"),
        ("wrong_sign", "Loss and gradient have the wrong sign: the minus before the sum of logarithms is missing.",
         "Can the loss be negative?"),
        ("no_smoothing", "Label smoothing is left out.", "What is the target of a wrong class?"),
        ("smoothing_over_the_others", "Label smoothing gives ε/(C − 1) to the other classes, where every class gets "
                                      "ε/C.",
         "What is the target of a wrong class?"),
        ("smoothing_undivided", "Label smoothing's ε is not divided by the number of classes.",
         "What do the targets sum to?"),
        ("smoothing_added", "Label smoothing adds ε/C without taking ε from the target: 1 − ε is left out.",
         "What do the targets sum to?"),
    ),
    *rows(
        "cross_entropy",
        SLOPE,
        ("without_softmax", "The gradient is z − onehot: softmax is missing, (softmax(z) − onehot) / N.", "Which p?"),
        ("by_p_alone", "The gradient is −onehot / p, that with respect to the probabilities; with respect to the "
                       "logits it is (softmax(z) − onehot) / N.", "With respect to what is derived?"),
        ("p_alone", "The one-hot target is not subtracted: the gradient is softmax(z) / N.", "Where is the target?"),
        ("target_alone", "softmax(z) is missing: the gradient is −onehot / N.", "Where is p?"),
        ("target_zero", "At the target the gradient is 0, where it is (p − 1) / N.", "What is it at the target?"),
        ("at_the_target_alone", "Only the target's class has a gradient; every class has one, p / N.",
         "And the others?"),
        ("slope_of_softmax_too", "The gradient is multiplied with softmax's slope p (1 − p) once more: softmax(z) − "
                                 "onehot holds it already.", "Is softmax derived twice?"),
        ("p_and_target_added", "The one-hot target is added where it is subtracted.", "Which sign?"),
        ("of_softmax_too", "The gradient is p − onehot, that with respect to the logits; with respect to the "
                           "probabilities it is −onehot / (p N).", "With respect to what is derived?"),
        ("half_the_gradient", "The gradient is halved.", "Which factor?"),
    ),
    *rows(
        "mean_squared",
        REDUCTION,
        ("over_batch", "Loss and gradient are divided by the batch size alone, where the mean is over batch and "
                       "outputs (N · C).",
         "Over what is the mean?"),
        ("loss_over_batch", "The loss is divided by the batch size alone, where the mean is over batch and outputs.",
         "Over what is the mean?"),
        ("gradient_over_batch", "The gradient is divided by the batch size alone, where the mean is over batch and "
                                "outputs.",
         "Over what is the mean?"),
        ("over_classes", "Loss and gradient are divided by the number of outputs alone, where the mean is over batch "
                         "and outputs.",
         "Over what is the mean?"),
        ("half", "A half stands before the loss (and cancels the 2 of its gradient), where there is none.",
         "Is there a ½?"),
        ("half_the_loss", "A half stands before the loss while the gradient keeps its 2.", "Is there a ½?"),
        ("no_two", "The 2 is missing in the gradient: 2 (y − t) / (N C).", "What is the derivative of d²?"),
        ("four", "The gradient is twice too large: 2 (y − t) / (N C).", "What is the derivative of d²?"),
    ),
    *rows(
        "mean_squared",
        SLOPE,
        ("absolute", "The absolute distance stands where the square belongs.", "What is the loss at a distance of 2?"),
        ("root", "The root of the mean square (RMSE) stands where the mean square belongs.", "Is there a root?"),
        ("no_target", "The target is not subtracted.", "What is the loss of a perfect prediction?"),
        ("target_of_minus_one", "The targets of the other classes are −1 where they are 0.",
         "What is the target's zero?"),
        ("of_the_target_alone", "Only the target's output counts, where all outputs do.", "Which outputs count?"),
    ),
    *rows(
        BOTH,
        REDUCTION,
        ("sum_in_place_of_mean", "Loss and gradient are sums over the batch where they are means: not divided by the "
                                 "batch size N.", "Sum or mean?"),
        ("mean_in_place_of_sum", "Loss and gradient are means over the batch where sums were asked for.",
         "Sum or mean?"),
        ("gradient_undivided", "The gradient is not divided by the number of terms (the batch size N) while the loss "
                               "is their mean: it is N times too large.",
         "Is the gradient that of the mean, or of the sum?"),
        ("loss_undivided", "The loss is the sum over the batch where it is the mean, divided by the batch size N; "
                           "its gradient is that of the mean.", "Sum or mean?"),
        ("loss_averaged", "The loss is the mean over the batch where the sum was asked for.", "Sum or mean?"),
        ("gradient_averaged", "The gradient is divided by the batch size where the sum was asked for.", "Sum or mean?"),
        ("gradient_over_classes", "The gradient is divided by the number of classes (axis 1), where it is by the "
                                  "number of terms.",
         "What is `shape[1]`?"),
        ("loss_over_classes", "The loss is divided by the number of classes (axis 1), where it is by the number of "
                              "terms.",
         "What is `shape[1]`?"),
    ),
    *rows(
        BOTH,
        SLOPE,
        ("gradient_turned", "The gradient has the wrong sign: target − prediction, where it is prediction − target.",
         "In which direction does the loss grow?"),
    ),
]  # fmt: skip
