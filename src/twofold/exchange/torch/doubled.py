"""A forward pass that names 32 bits by itself, run in 64: `x.float()`, `torch.zeros(n, 7)`, `.to(torch.float32)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from twofold.exchange.torch.call import Value

SMALLER = (torch.float32, torch.float16, torch.bfloat16)
CASTS = (Tensor.float, Tensor.half, Tensor.bfloat16)


@final
class InDouble(TorchFunctionMode):
    """While it is entered, every floating-point tensor that a forward pass asks for is of float64."""

    def __torch_function__(
        self, func: Value, types: Value, args: tuple[Value, ...] = (), kwargs: Mapping[str, Value] | None = None
    ) -> Value:
        if func in CASTS:
            return args[0].double()
        y = func(*map(_wider, args), **{name: _wider(setting) for name, setting in (kwargs or {}).items()})
        return y.double() if isinstance(y, Tensor) and y.dtype in SMALLER else y


def _wider(argument: Value) -> Value:
    return torch.float64 if isinstance(argument, torch.dtype) and argument in SMALLER else argument
