"""Part 1: the fully connected network in PyTorch. The same by hand is `mlp_numpy.py`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn


class MLP(nn.Sequential):
    """h = max(x W₁ᵀ + b₁, 0) for each width of `n_hidden`, then z = h W₂ᵀ + b₂.

    Inputs (N, n_inputs) → logits z (N, n_classes): softmax belongs to `torch.nn.CrossEntropyLoss`.
    """

    def __init__(self, n_inputs: int, n_hidden: Sequence[int], n_classes: int) -> None:
        widths = [n_inputs, *n_hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, n_hidden, strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        super().__init__(*layers, nn.Linear(widths[-1], n_classes))
