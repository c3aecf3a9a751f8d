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
    """A recurrent layer on (n, steps, inputs): gives the last or the mean h(t), (n, h), or all, (n, steps, h)."""

    def __init__(self, inputs: int, units: int, gates: int, step: str, output: str, bias: bool, device: str) -> None:
        super().__init__()
        self.units, self.step, self.output = units, step, output
        rows = gates * units
        self.weight_ih = nn.Parameter(torch.empty(rows, inputs, device=device))
        self.weight_hh = nn.Parameter(torch.empty(rows, units, device=device))
        self.bias_ih, self.bias_hh = (nn.Parameter(torch.empty(rows, device=device)) if bias else None for _ in "ih")

    def forward(self, input: Tensor, there: Tensor | None = None) -> Tensor:  # noqa: A002  (PyTorch's name)
        """The output for the next layer; `there`, (n, steps), is false for padded steps; `None` without padding."""
        return self.read(self.unroll(input, there), there)

    def unroll(self, x: Tensor, there: Tensor | None = None) -> list[Tensor]:
        """h(1), ..., h(T), from h(0) = 0; a sequence that has ended keeps its state."""
        step = STEPS[self.step]
        h = memory = x.new_zeros(len(x), self.units)
        states = []
        for t, a in enumerate(linear(x, self.weight_ih, self.bias_ih).unbind(1)):
            after, memory_after = step(a, linear(h, self.weight_hh, self.bias_hh), h, memory)
            if there is not None:
                goes_on = there[:, t, None]
                after, memory_after = after.where(goes_on, h), memory_after.where(goes_on, memory)
            h, memory = after, memory_after
            states.append(h)
        return states

    def read(self, states: list[Tensor], there: Tensor | None = None) -> Tensor:
        """The layer's output: the last state, the mean over steps that are no padding, or all states, (n, steps, h)."""
        if self.output == "last":
            return states[-1]
        y = torch.stack(states, dim=1)
        if there is not None:
            y = y.masked_fill(~there[:, :, None], 0)
        if self.output == "every":
            return y
        return y.sum(dim=1) / (len(states) if there is None else there.sum(dim=1, keepdim=True))

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        return f"{self.weight_ih.shape[1]}, {self.units}, step={self.step}, output={self.output}"
