"""The device on which PyTorch computes, whether it has products of 16 bits, and whether it can compile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from twofold.errors import UserError

NARROW_UNITS = ("avx512_bf16", "amx_bf16", "bf16")
"""PyTorch's names of processor features for products of 16 bits: on x86 the first two, on ARM the last."""

Forward = Callable[[Tensor, Mapping[str, Tensor]], list[Tensor]]


def resolve_device(device: str) -> torch.device:
    """The device by its name in a recipe; `auto` is CUDA if there is one. Raises `UserError` if `cuda` is missing."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError('training.device = "cuda", and PyTorch finds no CUDA device; use "auto" or "cpu"')
    return torch.device("cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu")


def has_narrow_products(device: torch.device) -> bool:
    """Whether a device multiplies numbers of 16 bits itself; a processor that does not takes twenty times as long."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of PyTorch do not tell
    return any(able.get(unit, False) for unit in NARROW_UNITS)


def compiled(forward: Forward, device: torch.device) -> Forward:
    """The forward pass, compiled. Raises `UserError` where the compiler that PyTorch would call is missing."""
    compilers = [os.environ.get("CXX", "c++"), "g++", "clang++", "cl"]
    if device.type == "cpu" and not any(map(shutil.which, compilers)):
        raise UserError(
            f"training.compile = true wants a C++ compiler; none of {', '.join(compilers)} is found. "
            "Install one, or set training.compile = false"
        )
    return torch.compile(forward)
