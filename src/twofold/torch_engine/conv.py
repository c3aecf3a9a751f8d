"""Convolution on the processor by other ways than oneDNN's: the same function, sooner.

*Small planes in 16 bits*, as one matrix product. oneDNN's gradient of a convolution's weight is slow where the plane is
a few pixels wide: for 512 channels in and out on 4 x 4 pixels, 74 ms in place of 19 ms (batch 256, two cores). A matrix
product over the unfolded images is not.

*Windows of 3 x 3 in 32 or 64 bits*, by Winograd's minimal filtering, where the recipe asks for it
(`torch_engine/winograd.py`): there and back 167 ms in place of 418 for 256 channels in and out on 8 x 8 pixels, 70 in
place of 138 on 5 x 5, 201 in place of 348 from 64 to 256 channels on 15 x 15 (batch 256, two cores without matrix
units). With 64 channels in and out the transforms cost what they save.

Everywhere else the module is PyTorch's own.
"""

from __future__ import annotations

from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from twofold.torch_engine.winograd import KERNEL, Tiling, Winograd

SMALL_PLANE = 25
"""Pixels up to which the product is faster."""
MANY_CHANNELS = 128
"""Input channels from which it is."""
MANY_PRODUCTS = 50
"""Products for each number that minimal filtering transforms, from which it is faster: c · out / (c + out)."""


@final
class Conv2d(nn.Conv2d):
    """`torch.nn.Conv2d`, with other ways to the same result on the processor."""

    winograd = False
    """Whether minimal filtering may be used."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (PyTorch's name)
        """The convolution of (n, c, h, w)."""
        x, padding = input, cast(tuple[int, int], self.padding)
        narrow = torch.is_autocast_enabled("cpu")
        if not self._plain(x) or not (self._small(x) if narrow else self.winograd and self._three(x)):
            return super().forward(x)
        weight = self.weight if torch.is_grad_enabled() else self.weight.detach()  # so that no way keeps what it makes
        if narrow:
            x, weight = x.to(torch.bfloat16), weight.to(torch.bfloat16)
        y = cast(Tensor, (Product if narrow else Winograd).apply(x, weight, padding))
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]

    def _plain(self, x: Tensor) -> bool:
        """On the processor, with windows that move by one pixel within their padding."""
        plain = (self.stride, self.dilation, self.groups) == ((1, 1), (1, 1), 1)
        within = all(p < k for p, k in zip(cast(tuple[int, int], self.padding), self.kernel_size, strict=True))
        return plain and within and x.device.type == "cpu" and x.dim() == 4

    def _small(self, x: Tensor) -> bool:
        """A small plane of many channels."""
        return self.in_channels >= MANY_CHANNELS and x.shape[2] * x.shape[3] <= SMALL_PLANE

    def _three(self, x: Tensor) -> bool:
        """Windows of 3 x 3, of which one fits in at least, where filtering saves more than its transforms cost."""
        channels, out = self.in_channels, self.out_channels
        if self.kernel_size != (KERNEL, KERNEL) or channels * out < MANY_PRODUCTS * (channels + out):
            return False
        sizes = zip(x.shape[2:], cast(tuple[int, int], self.padding), strict=True)
        height, width = (size + 2 * p - KERNEL + 1 for size, p in sizes)
        return min(height, width) > 0 and 2 * Tiling.of(height, width).products <= KERNEL**2 * height * width


@final
class Product(torch.autograd.Function):
    """Y = X W of the unfolded X: one matrix product. X is (n, c, h, w), W (out, c, rows, columns)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:  # pyright: ignore
        """Only X and W are kept: the unfolded X is cheaper to make again than to hold."""
        ctx.save_for_backward(x, weight)
        ctx.padding = padding
        return _convolved(x, weight, padding)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor, None]:  # pyright: ignore
        """dX where it is wanted, as the convolution of dY with the kernels turned round; dW = dYᵀ X."""
        x, weight = ctx.saved_tensors
        out, channels, rows, columns = weight.shape
        around = (rows - 1 - ctx.padding[0], columns - 1 - ctx.padding[1])
        turned = weight.flip(2, 3).transpose(0, 1)
        dx = _convolved(dy, turned, around) if ctx.needs_input_grad[0] else None
        dw = dy.permute(0, 2, 3, 1).reshape(-1, out).t() @ _unfolded(x, (rows, columns), ctx.padding)
        return dx, dw.view(out, rows, columns, channels).permute(0, 3, 1, 2), None


def _convolved(x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    """(n, c, h, w) → (n, out, h', w'), with the channels innermost in memory."""
    out, channels, rows, columns = weight.shape
    height, width = x.shape[2] + 2 * padding[0] - rows + 1, x.shape[3] + 2 * padding[1] - columns + 1
    matrix = weight.permute(2, 3, 1, 0).reshape(rows * columns * channels, out)
    y = _unfolded(x, (rows, columns), padding) @ matrix
    return y.view(len(x), height, width, out).permute(0, 3, 1, 2)


def _unfolded(x: Tensor, kernel: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """Each window as a row, its channels innermost: (n · h' · w', rows · columns · c)."""
    (down, across), (rows, columns) = padding, kernel
    last = pad(x.permute(0, 2, 3, 1), (0, 0, across, across, down, down))
    windows = last.unfold(1, rows, 1).unfold(2, columns, 1)  # (n, h', w', c, rows, columns)
    return windows.permute(0, 1, 2, 4, 5, 3).reshape(-1, rows * columns * x.shape[1])
