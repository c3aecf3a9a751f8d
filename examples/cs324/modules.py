"""Part 1: the layers of a fully connected network by hand, forward and backward, in NumPy.

Every module keeps what its backward pass needs from its last forward pass. Inputs x (N, features), one sample a row.
"""

from __future__ import annotations

import numpy as np


class Linear:
    """y = x Wᵀ + b: x (N, in), W (out, in), b (out,), y (N, out).

    W and b begin as U(−1/√in, 1/√in), as in `torch.nn.Linear`. `grads` holds the gradients of the last `backward`.
    """

    def __init__(self, in_features: int, out_features: int, rng: np.random.Generator) -> None:
        bound = 1 / np.sqrt(in_features)
        self.params = {
            "weight": rng.uniform(-bound, bound, (out_features, in_features)),
            "bias": rng.uniform(-bound, bound, out_features),
        }
        self.grads = {name: np.zeros_like(value) for name, value in self.params.items()}

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The product, and the bias added to every row."""
        self.x = x
        return x @ self.params["weight"].T + self.params["bias"]

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """dW = doutᵀ x, db = Σ dout over the batch, dx = dout W; gives dx (N, in)."""
        self.grads["weight"] = dout.T @ self.x
        self.grads["bias"] = dout.sum(axis=0)
        return dout @ self.params["weight"]


class ReLU:
    """y = max(x, 0); its derivative at 0 is 0."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """What is negative becomes 0."""
        self.positive = x > 0
        return np.where(self.positive, x, 0.0)

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """dx = dout where x > 0, else 0."""
        return np.where(self.positive, dout, 0.0)


class SoftMax:
    """p = exp(x − max x) / Σ exp(x − max x), over the classes of each row."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        """The largest x is subtracted first, so that no exponential overflows; p is the same."""
        exponentials = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = exponentials / exponentials.sum(axis=1, keepdims=True)
        return self.p

    def backward(self, dout: np.ndarray) -> np.ndarray:
        """dx = p ⊙ (dout − Σ dout ⊙ p), the sum over the classes."""
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True))


class CrossEntropy:
    """L = −(1/N) Σ log p[target]: p (N, classes), target (N,) the index of the right class."""

    def forward(self, p: np.ndarray, target: np.ndarray) -> float:
        """The mean over the batch, in nats."""
        return float(-np.log(p[np.arange(len(target)), target]).mean())

    def backward(self, p: np.ndarray, target: np.ndarray) -> np.ndarray:
        """∂L/∂p = −1 / (N p) at the right class, 0 elsewhere."""
        rows = np.arange(len(target))
        dp = np.zeros_like(p)
        dp[rows, target] = -1 / (len(target) * p[rows, target])
        return dp
