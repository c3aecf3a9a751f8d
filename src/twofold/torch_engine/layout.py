"""One flat tensor behind all parameters of a module, so that an optimizer updates one tensor and not many."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

import torch
from torch import Tensor, nn

from twofold.arrays import Array


@final
class Layout:
    """Moves a module's parameters into one vector; they stay ordinary parameters that share its memory."""

    def __init__(self, module: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        self.shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
        sizes = [shape.numel() for shape in self.shapes.values()]
        self.sizes = sizes
        self.vector = nn.Parameter(torch.zeros(sum(sizes), dtype=dtype, device=device))
        self.parameters: list[nn.Parameter] = []
        for name, view in self.views(self.vector.detach()).items():
            owner, _, leaf = name.rpartition(".")
            parameter = nn.Parameter(view)
            setattr(module.get_submodule(owner), leaf, parameter)
            self.parameters.append(parameter)

    def views(self, vector: Tensor) -> dict[str, Tensor]:
        """The named parts of a vector, sharing its memory."""
        parts = vector.split(self.sizes) if self.sizes else ()
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def arrays(self, vector: Tensor) -> dict[str, Array]:
        """A copy of the named parts as NumPy arrays."""
        copied = vector.detach().to("cpu", copy=True)
        return {name: view.numpy() for name, view in self.views(copied).items()}

    def join(self, gradients: Iterable[Tensor]) -> Tensor:
        """A new vector from one tensor a parameter."""
        pieces = [gradient.reshape(-1) for gradient in gradients]
        return torch.cat(pieces) if pieces else torch.zeros_like(self.vector)
