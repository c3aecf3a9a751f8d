"""Part 3: a vanilla recurrent network, written step by step, as a module of PyTorch."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

import twofold


def layers(hidden_dim: int, output_dim: int) -> list[dict[str, Any]]:
    """The layers as a recipe names them; softmax is the loss's."""
    return [{"kind": "rnn", "units": hidden_dim}, {"kind": "dense", "units": output_dim}]


@final
class VanillaRNN(nn.Sequential):
    """h(t) = tanh(W_hx x(t) + W_hh h(t−1) + b_h), h(0) = 0, and after the last step o = W_ph h(T) + b_o.

    Sequences (N, seq_length, input_dim), or (N, seq_length) where a digit is one number, → logits (N, output_dim).

    The loop over time is `twofold/torch_engine/recurrent.py`; there and here W_hx is `0.weight_ih`, W_hh `0.weight_hh`,
    b_h the sum of `0.bias_ih` and `0.bias_hh`, as PyTorch has two; W_ph is `1.weight`, b_o `1.bias`. The way back
    through time by hand is `twofold/numpy_engine/recurrent.py`.
    """

    def __init__(self, seq_length: int, input_dim: int, hidden_dim: int, output_dim: int, *, seed: int = 0) -> None:
        super().__init__(*twofold.torch_module(layers(hidden_dim, output_dim), (seq_length, input_dim), seed=seed))
        self.sequence = (seq_length, input_dim)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (PyTorch's name)
        """The logits after the last step."""
        return super().forward(input.reshape(len(input), *self.sequence))
