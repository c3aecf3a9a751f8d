"""Part 3: a vanilla recurrent network, written step by step: no `torch.nn.RNN`, no `torch.nn.LSTM`."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class VanillaRNN(nn.Module):
    """h(t) = tanh(W_hx x(t) + W_hh h(t−1) + b_h), h(0) = 0, and after the last step o = W_ph h(T) + b_o.

    Sequences (N, seq_length, input_dim), or (N, seq_length) where a digit is one number, → logits o (N, output_dim):
    softmax belongs to `torch.nn.CrossEntropyLoss`. All parameters begin as
    U(−1/√hidden_dim, 1/√hidden_dim), as those of `torch.nn.RNN` do.
    """

    def __init__(self, seq_length: int, input_dim: int, hidden_dim: int, output_dim: int) -> None:
        super().__init__()
        self.seq_length = seq_length
        self.input_dim = input_dim
        self.W_hx = nn.Parameter(torch.empty(hidden_dim, input_dim))
        self.W_hh = nn.Parameter(torch.empty(hidden_dim, hidden_dim))
        self.b_h = nn.Parameter(torch.empty(hidden_dim))
        self.W_ph = nn.Parameter(torch.empty(output_dim, hidden_dim))
        self.b_o = nn.Parameter(torch.empty(output_dim))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden_dim), 1 / math.sqrt(hidden_dim))

    def hidden_states(self, x: Tensor) -> list[Tensor]:
        """h(1), ..., h(T), each (N, hidden_dim): the loop over time."""
        x = x.reshape(len(x), self.seq_length, self.input_dim)
        h = x.new_zeros(len(x), len(self.b_h))
        states = []
        for t in range(self.seq_length):
            h = torch.tanh(x[:, t] @ self.W_hx.T + h @ self.W_hh.T + self.b_h)
            states.append(h)
        return states

    def forward(self, x: Tensor) -> Tensor:
        """The logits after the last step."""
        return self.hidden_states(x)[-1] @ self.W_ph.T + self.b_o
