"""A pass whose results are tensors, and the conversion of arrays to tensors and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import final

import numpy as np
import torch
from torch import Tensor

from twofold.arrays import Array, Arrays

THERE = "steps that are there"
"""The name, among dropout's masks, of the mask of steps (batch, steps), for batches in which some are padding."""
ALIGNED = 64
"""Bytes to which PyTorch aligns its own memory."""


@final
class TorchPass:
    """A pass whose results stay tensors on their device until a field is read. See `twofold.engine.Pass`."""

    __slots__ = ("_loss", "_names", "_outputs", "statistics", "tensors")

    def __init__(
        self,
        outputs: Sequence[Tensor],
        loss: Tensor,
        names: Iterable[str],
        tensors: Sequence[Tensor | None],
        statistics: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        self._outputs = outputs
        self._loss = loss
        self._names = names
        self.tensors = tensors
        """∂loss/∂parameter in the order of `names`."""
        self.statistics = statistics
        """The module's buffers after the batch, by name; empty if the module itself holds them already."""

    @property
    def outputs(self) -> Arrays:
        """The output of each layer by the layer's name."""
        return {str(index): as_array(output) for index, output in enumerate(self._outputs)}

    @property
    def logits(self) -> Array:
        """The output of the last layer."""
        return as_array(self._outputs[-1])

    @property
    def loss(self) -> float:
        """The loss of the batch."""
        return self._loss.item()

    @property
    def gradients(self) -> Arrays:
        """∂loss/∂parameter by name."""
        named = zip(self._names, self.tensors, strict=True)
        return {name: as_array(gradient) for name, gradient in named if gradient is not None}

    @property
    def buffers(self) -> Arrays:
        """The running statistics after the batch, without the count of batches that PyTorch keeps beside them."""
        return {name: as_array(t) for name, t in self.statistics.items() if t.is_floating_point()}


def as_tensor(array: Array) -> Tensor:
    """An array as a tensor in the same memory; a copy if it is read-only, strided, or of the other order of bytes."""
    plain = array.flags.writeable and array.flags.c_contiguous and array.dtype.isnative
    return torch.from_numpy(array if plain else np.array(array, array.dtype.newbyteorder("="), order="C"))


def aligned(tensor: Tensor) -> Tensor:
    """The tensor itself, or a copy if PyTorch would not have aligned it so: products would round differently."""
    return tensor.clone() if tensor.is_cpu and tensor.data_ptr() % ALIGNED else tensor


def as_array(tensor: Tensor, copy: bool = False) -> Array:
    """A tensor as an array, in the same memory if it is on the processor and no `copy` is asked for."""
    dtype = torch.float32 if tensor.dtype is torch.bfloat16 else tensor.dtype  # NumPy has no bfloat16
    return tensor.detach().to("cpu", dtype, copy=copy).numpy()


def as_arrays(tensors: Mapping[str, Tensor]) -> dict[str, Array]:
    """Tensors as arrays, each a copy."""
    return {name: as_array(tensor, copy=True) for name, tensor in tensors.items()}


def told_apart(x: Tensor, sequences: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """Sequences with 0 in place of padding, which is NaN, and the mask of steps by its name, if there is padding."""
    if not sequences or not x[:, -1:].isnan().any():
        return x, {}
    return x.nan_to_num(nan=0.0), {THERE: ~(x.isnan() if x.dim() == 2 else x.isnan().any(dim=-1))}
