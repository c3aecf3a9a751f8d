"""Tables of vectors, of numbers that come as the data's floating-point type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn


@final
class Embedding(nn.Embedding):
    """`torch.nn.Embedding` of numbers that come as the data's floating-point type."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (PyTorch's name)
        """A vector for each number."""
        return super().forward(input.long())


@final
class EmbedColumns(nn.Module):
    """What `torch.nn.Embedding` gives for the code in each of the first columns, and the other columns behind it."""

    def __init__(self, num_embeddings: Sequence[int], units: Sequence[int], device: str | None = None) -> None:
        super().__init__()
        self.tables = len(units)
        for place, size in enumerate(zip(num_embeddings, units, strict=True)):
            self.register_parameter(f"weight_{place}", nn.Parameter(torch.empty(size, device=device)))

    def forward(self, x: Tensor) -> Tensor:
        """The vectors beside each other, and the numbers as they are."""
        codes = x[..., : self.tables].long()
        tables = [self.get_parameter(f"weight_{place}") for place in range(self.tables)]
        vectors = [nn.functional.embedding(codes[..., place], W) for place, W in enumerate(tables)]
        return torch.cat([*vectors, x[..., self.tables :]], dim=-1)
