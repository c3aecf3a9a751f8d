"""Modules whose `forward` is written in one of the many usual ways, and modules that look like a chain and are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from architectures import Architecture, images, sequences, tokens, vectors

Step = Callable[["Own", Tensor], Tensor]


@final
class Own(nn.Module):
    """Its parts by name, and a forward pass that a function writes out."""

    def __init__(self, step: Step, **parts: nn.Module | nn.Parameter | Tensor) -> None:
        super().__init__()
        self.step = step
        for name, part in parts.items():
            if isinstance(part, nn.Module | nn.Parameter):
                setattr(self, name, part)
            else:
                self.register_buffer(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.step(self, x)


def two(step: Step, **parts: nn.Module | nn.Parameter | Tensor) -> Callable[[], nn.Module]:
    """Two dense layers, `a` and `b`, and what else the forward pass reads."""
    return lambda: Own(step, a=nn.Linear(4, 4), b=nn.Linear(4, 3), **parts)


def plane(step: Step) -> Callable[[], nn.Module]:
    return lambda: Own(step, c=nn.Conv2d(2, 4, 3), f=nn.Linear(4, 3))


def reading(kind: type[nn.RNNBase], step: Step, layers: int = 1, **parts: nn.Parameter) -> Callable[[], nn.Module]:
    """A recurrent module `r` and a dense layer `f`."""
    return lambda: Own(step, r=kind(3, 5, layers, batch_first=True), f=nn.Linear(5, 3), **parts)


class CharRnnWithState(nn.Module):
    """Karpathy's char-rnn in PyTorch: the state is an argument that may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.e, self.r, self.f = nn.Embedding(11, 6), nn.LSTM(6, 7, 2, batch_first=True), nn.Linear(7, 11)

    def forward(self, x: Tensor, hidden: tuple[Tensor, Tensor] | None = None) -> Tensor:
        out, hidden = self.r(self.e(x), hidden)
        return self.f(out[:, -1])


class ByName(nn.Module):
    """Inputs and settings by name."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        return self.b(torch.tanh(input=self.a(input=x)))


def same_tensor() -> nn.Module:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return nn.Sequential(first, nn.ReLU(), second)


def not_a_number() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        module[0].weight[1, 2] = torch.nan
    return module


def with_norm() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.ReLU(), nn.Linear(4, 3))


W = nn.Parameter(torch.linspace(-1, 1, 16).reshape(4, 4))

FORWARDS = [
    Architecture("state left out", CharRnnWithState, tokens(5, 11)),
    Architecture("inputs by name", ByName, vectors(4)),
    Architecture("x.float()", two(lambda m, x: m.b(F.relu(m.a(x.float())))), vectors(4)),
    Architecture("bytes made floats", two(lambda m, x: m.b(F.relu(m.a(x.to(torch.float32))))), tokens(4, 256)),
    Architecture("relu_ and clamp", two(lambda m, x: m.b(F.relu_(m.a(x).clamp(min=0)))), vectors(4)),
    Architecture("a buffer that takes no part", two(lambda m, x: m.b(m.a(x)), spare=torch.ones(2)), vectors(4)),
    Architecture("F.linear", two(lambda m, x: m.b(F.linear(m.a(x), weight=m.w)), w=W), vectors(4)),
    Architecture("mean by mean", plane(lambda m, x: m.f(m.c(x).mean(3).mean(2))), images(2, 8)),
    Architecture("mean of a flat plane", plane(lambda m, x: m.f(m.c(x).flatten(2).mean(-1))), images(2, 8)),
    Architecture(
        "classes behind the mean of the plane",
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 3, 1), nn.Flatten()),
        images(2, 8),
    ),
    Architecture(
        "vectors made images",
        lambda: nn.Sequential(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3)),
        vectors(64),
    ),
    Architecture(
        "zeros of 32 bits",
        reading(nn.GRU, lambda m, x: m.f(m.r(x, torch.zeros(1, x.size(0), 5))[0][:, -1])),
        sequences(4, 3),
    ),
    Architecture(
        "zeros like a weight",
        reading(nn.GRU, lambda m, x: m.f(m.r(x, m.f.weight.new_zeros(1, x.size(0), 5))[0][:, -1])),
        sequences(4, 3),
    ),
    Architecture("the cell's state", reading(nn.LSTM, lambda m, x: m.f(m.r(x)[1][1][-1])), sequences(4, 3), "state, c"),
    Architecture(
        "the first layer's state",
        reading(nn.LSTM, lambda m, x: m.f(m.r(x)[1][0][0]), 2),
        sequences(4, 3),
        "`r` (LSTM): what is read is not its last layer's state",
    ),
    Architecture(
        "a constant for a weight",
        two(lambda m, x: m.b(F.linear(m.a(x), torch.ones(4, 4)))),
        vectors(4),
        "not a parameter of the module",
    ),
    Architecture(
        "a buffer for a weight",
        two(lambda m, x: m.b(F.linear(m.a(x), m.held)), held=torch.ones(4, 4)),
        vectors(4),
        "not a parameter of the module",
    ),
    Architecture(
        "one weight for two functions",
        two(lambda m, x: m.b(F.linear(F.linear(m.a(x), m.w), m.w)), w=W),
        vectors(4),
        "shared weights",
    ),
    Architecture("one tensor in two layers", same_tensor, vectors(4), "`2.weight` (parameter): it is the same tensor"),
    Architecture("a weight that is NaN", not_a_number, vectors(4), "`0` (Linear): its weight holds NaN"),
    Architecture("weight norm", with_norm, vectors(4), "`0` (Linear): its weight is computed from other tensors"),
    Architecture("no size yet", lambda: nn.Sequential(nn.LazyLinear(3)), vectors(4), "(LazyLinear): it has no size"),
    Architecture(
        "wrapped", lambda: nn.DataParallel(nn.Sequential(nn.Linear(4, 3))), vectors(4), "what it wraps: model.module"
    ),
    Architecture("cut at six", two(lambda m, x: m.b(m.a(x).clamp(0, 6))), vectors(4), "from 0 to 6"),
    Architecture("scaled", two(lambda m, x: m.b(m.a(x / 255.0))), vectors(4), "as the recipe's `[data]` says"),
]
