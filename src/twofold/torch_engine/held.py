"""The memory that autograd keeps for the backward pass, measured as it is saved."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn


@final
class Held:
    """Counts the bytes that autograd saves in each layer.

    Each piece of memory counts once, in the first layer that saves it; parameters and running statistics do not count.
    """

    def __init__(self, module: nn.Module) -> None:
        self.bytes = dict[str, int]()
        self._skipped = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}

    @contextmanager
    def by(self, name: str) -> Iterator[None]:
        """A context that counts what autograd saves within it, for the layer of this name."""
        self.bytes[name] = 0

        def save(tensor: Tensor) -> Tensor:
            memory = tensor.untyped_storage()  # a view keeps the whole of it
            if memory.data_ptr() not in self._skipped:
                self._skipped.add(memory.data_ptr())
                self.bytes[name] += memory.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            yield
