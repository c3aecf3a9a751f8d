"""A convolution by another way than PyTorch's, with its gradients: the seam between `conv.py` and the ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

Padding = tuple[int, int]


class Way(NamedTuple):
    """How to compute a convolution of stride 1, and the gradient of its kernels."""

    convolved: Callable[[Tensor, Tensor, Padding], Tensor]
    """From images (n, c, h, w), kernels (out, c, rows, columns) and the padding to (n, out, h', w')."""
    kernel_gradient: Callable[[Tensor, Tensor, tuple[int, int], Padding], Tensor]
    """From X, dY, the kernels' rows and columns and the padding to dW, (out, c, rows, columns)."""


@final
class Convolution(torch.autograd.Function):
    """Y = X ∗ W by a `Way`; dX is the convolution of dY with the kernels turned round."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: Padding, way: Way) -> Tensor:  # pyright: ignore
        """Only X and W are kept: what a way makes of them is cheaper to make again than to hold."""
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.way = padding, way
        return way.convolved(x, weight, padding)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor, None, None]:  # pyright: ignore
        """dX where it is wanted, and dW."""
        x, weight = ctx.saved_tensors
        rows, columns = weight.shape[2:]
        around = (rows - 1 - ctx.padding[0], columns - 1 - ctx.padding[1])
        turned = weight.flip(2, 3).transpose(0, 1)
        dx = ctx.way.convolved(dy, turned, around) if ctx.needs_input_grad[0] else None
        return dx, ctx.way.kernel_gradient(x, dy, (rows, columns), ctx.padding), None, None
