"""Adopt a PyTorch module: trace, convert, prove."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.exchange.adopted import Adopted, Wanted, adopted
from twofold.exchange.samples import numbers_of
from twofold.exchange.torch.call import Converter
from twofold.exchange.torch.converters import CONVERTERS, Key
from twofold.exchange.torch.converting import converted
from twofold.exchange.torch.proving import prove
from twofold.exchange.torch.tracing import Original
from twofold.streams import stream

SAMPLES = 8
"""Samples of the proof's batch; where the user gives fewer, more like them are drawn."""


def adopt_module(
    module: nn.Module,
    sample: ArrayLike | Tensor | None,
    wanted: Wanted,
    converters: Mapping[Key, Converter] = CONVERTERS,
) -> Adopted:
    """The recipe, weights and proof of a module; see `twofold.adopt`."""
    with torch.random.fork_rng(devices=[]):  # dropout draws while the module is traced
        original = Original(module, batch_of(module, sample))
        chain = converted(original, converters)
        return adopted(chain, wanted.named(original.name), lambda model: prove(original, model, chain), _dtype(module))


def _dtype(module: nn.Module) -> str:
    """The type in which the module's weights are kept: float64, or float32 for all others."""
    kinds = {parameter.dtype for parameter in module.parameters()}
    return "float64" if kinds == {torch.float64} else "float32"


def batch_of(module: nn.Module, sample: ArrayLike | Tensor | None) -> Tensor:
    """A batch of `SAMPLES` samples, float64 or int64. Raises `AdoptError` for what is no batch of finite numbers."""
    if sample is None:
        raise AdoptError(
            "`sample` is missing: the shape of one sample cannot be read off a module",
            operator=type(module).__name__,
            nearest="Give a batch as the module takes it: twofold.adopt(module, sample=torch.randn(8, 1, 28, 28))",
        )
    numbers = numbers_of(sample)
    x = torch.from_numpy(numbers)
    if len(x) >= SAMPLES:
        return x[:SAMPLES].clone()
    if x.is_floating_point() and any(isinstance(part, nn.Embedding) for part in module.modules()):  # codes among them
        return torch.cat([x, x[torch.arange(SAMPLES - len(x)) % len(x)]])
    return torch.cat([x, torch.from_numpy(_alike(numbers, SAMPLES - len(x)))])


def random_sample(shape: tuple[int, ...]) -> Array:
    """A batch of standard normal numbers for a module, where only the shape of a sample is known."""
    return stream(0, "adopt sample").standard_normal((SAMPLES, *shape))


def _alike(x: Array, count: int) -> Array:
    """More samples: normal numbers with the mean and spread of these, or whole numbers drawn from theirs."""
    rng = stream(0, "adopt sample")
    shape = (count, *x.shape[1:])
    if x.dtype.kind == "i":
        return rng.choice(x.reshape(-1), shape)
    return x.mean() + (x.std() or 1.0) * rng.standard_normal(shape)
