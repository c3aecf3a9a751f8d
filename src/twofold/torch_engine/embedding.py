"""Embeddings of whole numbers that come in the data's floating-point type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn


@final
class Embedding(nn.Embedding):
    """`torch.nn.Embedding` for whole numbers that come in the data's floating-point type."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (PyTorch's name)
        """A vector for each number."""
        return super().forward(input.long())


@final
class EmbedColumns(nn.Module):
    """`torch.nn.Embedding` of the codes in the first columns, followed by the other columns as they are."""

    def __init__(self, num_embeddings: Sequence[int], units: Sequence[int], device: str | None = None) -> None:
        super().__init__()
        self.tables = len(units)
        for place, size in enumerate(zip(num_embeddings, units, strict=True)):
            self.register_parameter(f"weight_{place}", nn.Parameter(torch.empty(size, device=device)))

    def forward(self, x: Tensor) -> Tensor:
        """The vectors of all codes side by side, then the other columns."""
        codes = x[..., : self.tables].long()
        tables = [self.get_parameter(f"weight_{place}") for place in range(self.tables)]
        vectors = [nn.functional.embedding(codes[..., place], W) for place, W in enumerate(tables)]
        return torch.cat([*vectors, x[..., self.tables :]], dim=-1)
