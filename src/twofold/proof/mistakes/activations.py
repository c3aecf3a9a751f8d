"""The mistakes of activations: each a pair of functions, y of x and the slope of x and y."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.activation_table import WRONG
from twofold.proof.mistakes.base import Making, Mistake, Scene, number, on
from twofold.proof.mistakes.functions import FUNCTIONS, SLOPES
from twofold.proof.mistakes.layer import Plain


@final
class Activation(Plain):
    """y = f(x),  dx = dy · f'(x), with switches that put another f or another f' in their place."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        settings = making.settings
        self.a = number(settings, "negative_slope", number(settings, "alpha", 1.0))
        self.kind = "gelu_tanh" if settings.get("approximate") == "tanh" else making.kind
        wrongs = [wrong for name, wrong in WRONG.get(self.kind, {}).items() if _switch(self.kind, name) in self.on]
        self.f = next((w.f for w in wrongs if w.f), FUNCTIONS[self.kind])
        self.slope = next((w.slope for w in wrongs if w.slope), SLOPES[self.kind])

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, tuple[Array, Array]]:
        """The cache is x and y."""
        y = self.f(x, self.a)
        return y, (x, y)

    def backward(self, params: Arrays, cache: tuple[Array, Array], dy: Array) -> tuple[Array, dict[str, Array]]:
        """dy times the slope."""
        x, y = cache
        if "slope_without_dy" in self.on:
            return self.slope(x, y, self.a) + 0 * dy, {}
        if "mask_of_dy" in self.on:
            return np.where(dy > 0, dy, self.a * dy if self.kind == "leaky_relu" else 0), {}
        if "mask_of_both" in self.on:
            return dy * (dy > 0) * (y > 0), {}
        if "constant_where_negative" in self.on:
            slope = self.slope(x, y, self.a) + 0 * dy
            return np.where(slope == 1 if self.kind == "leaky_relu" else np.real(x) > 0, dy, slope), {}
        if "one_where_positive" in self.on:
            return np.where(np.real(x) > 0, 1 + 0 * dy, dy * self.slope(x, y, self.a)), {}
        if "slope_of_f_of_y" in self.on:
            return dy * self.slope(y, self.f(y, self.a), self.a), {}
        if "slope_twice" in self.on:
            return dy * self.slope(x, y, self.a) ** 2, {}
        if "slope_added" in self.on:
            return dy + self.slope(x, y, self.a), {}
        return dy * self.slope(x, y, self.a), {}


GENERAL: tuple[tuple[str, str], ...] = (
    ("slope_without_dy", "dx is the slope alone: it is not multiplied by dy, dx = dy · f'(x)."),
    ("slope_of_f_of_y", "The slope is taken at y where it is taken at x: f' is applied to what is already the output."),
    ("slope_twice", "The slope is multiplied twice: dx = dy · f'(x)²."),
    ("slope_added", "The slope is added to dy where the chain rule multiplies: dx = dy · f'(x)."),
)
MASKS = (
    ("mask_of_dy", "The mask is that of dy > 0 where it is that of x > 0."),
    ("mask_of_both", "Negative dy is blocked as well (guided back-propagation): the mask is that of x > 0 alone."),
)
SIDES = (
    ("constant_where_negative", "Where x is negative dx is the slope alone: it is not multiplied by dy there."),
    ("one_where_positive", "Where x is positive dx is 1, where it is dy."),
)
ACTIVATIONS: tuple[str, ...] = tuple(kind for kind in FUNCTIONS if kind != "gelu_tanh")


def _switch(kind: str, name: str) -> str:
    """The switch of a mistake of `WRONG`: both forms of gelu can lack the half, and each has its own sentence."""
    return f"{kind}_{name}"


def _mistakes() -> list[Mistake]:
    catalogue = []
    for kind, wrongs in WRONG.items():
        for name, wrong in wrongs.items():
            where_to = "The line that computes y." if wrong.f else "The derivative on the way back."
            asked = (
                "What is y at x = −2, 0 and 2?" if wrong.f else "Derive the slope by hand, and compare at x = −2, 0, 2."
            )
            catalogue.append(
                Mistake(
                    f"{kind.replace('_', '-')}-{name.replace('_', '-')}",
                    (kind.removesuffix("_tanh"),),
                    wrong.sentence,
                    (where_to, asked),
                    on(_switch(kind, name)),
                )
            )
    for switch, sentence in (*GENERAL, *MASKS, *SIDES):
        kinds = ACTIVATIONS if (switch, sentence) in GENERAL else ("relu", "leaky_relu")
        kinds = ("leaky_relu", "elu") if (switch, sentence) in SIDES else kinds
        hints = ("The line that computes dx.", "What is multiplied with what?")
        catalogue.append(Mistake(f"activation-{switch.replace('_', '-')}", kinds, sentence, hints, on(switch)))
    return catalogue


MISTAKES = _mistakes()
