"""Part 1: fully connected layers with ReLU, as a module of PyTorch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

from torch import nn

import twofold


def layers(n_hidden: Iterable[int], n_classes: int) -> list[dict[str, Any]]:
    """The layers as a recipe names them: dense and ReLU for each hidden width, then dense; softmax is the loss's."""
    hidden = [layer for units in n_hidden for layer in ({"kind": "dense", "units": units}, {"kind": "relu"})]
    return [*hidden, {"kind": "dense", "units": n_classes}]


@final
class MLP(nn.Sequential):
    """h = max(x W₁ᵀ + b₁, 0) for each width of `n_hidden`, then z = h W₂ᵀ + b₂.

    Inputs (N, n_inputs) → logits (N, n_classes).

    `backward` is autograd's; the same by hand is `twofold/numpy_engine/dense.py` and `activations.py`.
    """

    def __init__(self, n_inputs: int, n_hidden: Iterable[int], n_classes: int, *, seed: int = 0) -> None:
        super().__init__(*twofold.torch_module(layers(n_hidden, n_classes), (n_inputs,), seed=seed))
