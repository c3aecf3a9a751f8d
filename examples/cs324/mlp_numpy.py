"""Part 1: the fully connected network by hand, in NumPy: what autograd does in `pytorch_mlp.py` stands here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modules import CrossEntropy, Linear, ReLU, SoftMax


class MLP:
    """h = max(x W₁ᵀ + b₁, 0) for each width of `n_hidden`, then p = softmax(h W₂ᵀ + b₂)."""

    def __init__(self, n_inputs: int, n_hidden: Sequence[int], n_classes: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        widths = [n_inputs, *n_hidden]
        self.layers: list[Linear | ReLU | SoftMax] = []
        for inputs, outputs in zip(widths, n_hidden, strict=False):
            self.layers += [Linear(inputs, outputs, rng), ReLU()]
        self.layers += [Linear(widths[-1], n_classes, rng), SoftMax()]
        self.loss = CrossEntropy()

    @property
    def linear(self) -> list[Linear]:
        """The layers with parameters, first to last."""
        return [layer for layer in self.layers if isinstance(layer, Linear)]

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Inputs (N, n_inputs) → probabilities (N, n_classes)."""
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, dout: np.ndarray) -> None:
        """From ∂L/∂p back to every weight: each layer gives the one before it its dx."""
        for layer in reversed(self.layers):
            dout = layer.backward(dout)

    def step(self, x: np.ndarray, target: np.ndarray, learning_rate: float) -> float:
        """One step of gradient descent, w ← w − η ∂L/∂w; gives the loss before it."""
        p = self.forward(x)
        self.backward(self.loss.backward(p, target))
        for layer in self.linear:
            for name in layer.params:
                layer.params[name] -= learning_rate * layer.grads[name]
        return self.loss.forward(p, target)
