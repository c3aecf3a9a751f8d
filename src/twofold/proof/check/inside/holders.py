"""Parameters in the forms that a user's optimizer may want: objects with `data` and `grad`, or a layer."""

from __future__ import annotations

import numpy as np

from twofold.proof.check.inside.theirs import Tensors


class Parameter:
    """A parameter as an object: `data`, `value`, and `grad`."""

    def __init__(self, value: np.ndarray) -> None:
        self.data = value
        self.grad: np.ndarray | None = None
        self.g: np.ndarray | None = None

    @property
    def value(self) -> np.ndarray:
        """The numbers."""
        return self.data

    @value.setter
    def value(self, value: np.ndarray) -> None:
        self.data = value


LAYERS = {"weight": (("weights", "dweights"), ("W", "dW"), ("w", "dw")),
          "bias": (("biases", "dbiases"), ("b", "db"), ("bias", "dbias"))}  # fmt: skip
"""Names that a layer may give its arrays and their gradients."""


class HoldingLayer:
    """A layer as an optimizer sees it: `weights` and `dweights`, `W` and `dW`, `params` and `grads`."""

    def __init__(self) -> None:
        self.params: Tensors = {}
        self.grads: Tensors = {}

    def fill(self, held: Tensors, grads: Tensors) -> None:
        """The parameters before the step, and their gradients, under every name."""
        for name, pairs in LAYERS.items():
            for own, gradient in pairs:
                setattr(self, own, held[name].copy())
                setattr(self, gradient, grads[name].copy())
            key = pairs[1][0]
            self.params[key], self.grads[key] = held[name].copy(), grads[name].copy()

    def now(self, held: Tensors) -> Tensors:
        """The parameters after the step, under whichever name they were changed."""
        after: Tensors = {}
        for name, pairs in LAYERS.items():
            values = [*(getattr(self, own) for own, _ in pairs), self.params[pairs[1][0]]]
            after[name] = next((v for v in values if not np.array_equal(v, held[name])), held[name])
        return after
