"""Recurrent layers as modules with an explicit loop over time: none of `torch.nn.RNN`, `LSTM` and `GRU`.

Parameters have the names, shapes and gates of PyTorch's cells (`torch.nn.LSTMCell`), and gradients come from autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

Step = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""From W_ih x(t) + b_ih, W_hh h(t−1) + b_hh, h(t−1) and the memory to h(t) and the new memory."""


def tanh(a: Tensor, c: Tensor, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """h = tanh(a + c)."""
    return torch.tanh(a + c), memory


def relu(a: Tensor, c: Tensor, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """h = max(a + c, 0)."""
    return torch.relu(a + c), memory


def lstm(a: Tensor, c: Tensor, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """m = σ(f) m + σ(i) tanh(g), h = σ(o) tanh(m)."""
    i, f, g, o = (a + c).chunk(4, dim=-1)
    memory = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(memory), memory


def gru(a: Tensor, c: Tensor, h: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """n = tanh(a + r c), h = (1 − z) n + z h."""
    (a_r, a_z, a_n), (c_r, c_z, c_n) = a.chunk(3, dim=-1), c.chunk(3, dim=-1)
    r, z = torch.sigmoid(a_r + c_r), torch.sigmoid(a_z + c_z)
    return (1 - z) * torch.tanh(a_n + r * c_n) + z * h, memory


STEPS: Mapping[str, Step] = {"tanh": tanh, "relu": relu, "lstm": lstm, "gru": gru}


@final
class Recurrent(nn.Module):
    """h(t) of sequences (n, steps, inputs): after the last step (n, h), or after every one (n, steps, h)."""

    def __init__(self, inputs: int, units: int, gates: int, step: str, every: bool, bias: bool, device: str) -> None:
        super().__init__()
        self.units, self.step, self.every = units, step, every
        rows = gates * units
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs, device=device))
        self.weight_hh = nn.Parameter(torch.empty(rows, units, device=device))
        self.bias_ih, self.bias_hh = (nn.Parameter(torch.empty(rows, device=device)) if bias else None for _ in "ih")

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (PyTorch's name)
        """What the next layer reads."""
        return self.read(self.unroll(input))

    def unroll(self, x: Tensor) -> list[Tensor]:
        """h(1), ..., h(T), from h(0) = 0."""
        step = STEPS[self.step]
        h = memory = x.new_zeros(len(x), self.units)
        states = []
        for a in linear(x, self.weight_ih, self.bias_ih).unbind(1):
            h, memory = step(a, linear(h, self.weight_hh, self.bias_hh), h, memory)
            states.append(h)
        return states

    def read(self, states: list[Tensor]) -> Tensor:
        """The last of the states, or all of them beside each other."""
        return torch.stack(states, dim=1) if self.every else states[-1]

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        return f"{self.weight_ih.shape[1]}, {self.units}, step={self.step}, every={self.every}"


@final
class Embedding(nn.Embedding):
    """`torch.nn.Embedding` of numbers that come as the data's floating-point type."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (PyTorch's name)
        """A vector for each number."""
        return super().forward(input.long())
