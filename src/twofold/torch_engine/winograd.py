"""Convolution with fewer multiplications: Winograd's minimal filtering F(m x m, 3 x 3), for windows that move by one.

    Y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A,   summed over the input channels

A tile d of a = m + 2 pixels a side gives m x m outputs with a² products in place of 9 m²: for m = 4 a quarter. Summed
over channels, ⊙ is a matrix product at each of the a² places. The three matrices evaluate polynomials at a points, one
of them infinity, and interpolate (Cook, Toom); larger m would lose digits. On the way back dX is the convolution of dY
with the kernels turned round, and dw = Gᵀ (Σ (Bᵀ d B) ⊙ (A dY Aᵀ)) G over all tiles.

Source: Lavin and Gray, Fast algorithms for convolutional neural networks, 2016. It is the same function as the plain
convolution; in 32 bits it rounds to about 1e-5 of the largest value, in 64 to 1e-14, where lock-step shows it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from twofold.torch_engine.ways import Way

KERNEL = 3
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)
"""Where the polynomials are evaluated, besides infinity: small numbers, whose powers round little."""
SIDES = (2, 3, 4)
"""Outputs a side of a tile."""
CHUNK = 1 << 21
"""Numbers of transformed tiles at once: what the processor's cache holds."""


class Transforms(NamedTuple):
    """The matrices for a tile whose pixels lie in one row: each ⊗ itself."""

    input: Tensor
    """Bᵀ ⊗ Bᵀ, (a², a²)."""
    kernel: Tensor
    """G ⊗ G, (a², 9)."""
    output: Tensor
    """Aᵀ ⊗ Aᵀ, (m², a²)."""


@lru_cache
def transforms(side: int, dtype: torch.dtype) -> Transforms:
    """Of F(side x side, 3 x 3)."""
    points = np.array(POINTS[: side + KERNEL - 2])
    size = side + KERNEL - 1
    at, g, bt = np.zeros((side, size)), np.zeros((size, KERNEL)), np.zeros((size, size))
    for k, point in enumerate(points):
        rest = np.delete(points, k)
        at[:, k] = point ** np.arange(side)
        g[k] = point ** np.arange(KERNEL) / np.prod(point - rest)
        bt[k, :-1] = np.poly(rest)[::-1]
    at[-1, -1] = g[-1, -1] = 1  # at infinity a polynomial is its highest coefficient
    bt[-1] = np.poly(points)[::-1]
    return Transforms(*(torch.from_numpy(np.kron(matrix, matrix)).to(dtype) for matrix in (bt, g, at)))


class Tiling(NamedTuple):
    """How tiles cover the outputs of a plane; the last ones may reach beyond."""

    side: int
    down: int
    across: int

    @classmethod
    def of(cls, height: int, width: int) -> Tiling:
        """That with the fewest products."""
        tilings = [cls(side, -(-height // side), -(-width // side)) for side in SIDES]
        return min(tilings, key=lambda tiling: tiling.down * tiling.across * tiling.size**2)

    @property
    def size(self) -> int:
        """Inputs a side of a tile."""
        return self.side + KERNEL - 1

    def images(self, channels: int) -> int:
        """How many images are taken at once."""
        return max(1, CHUNK // (self.down * self.across * self.size**2 * channels))

    def taken(self, x: Tensor, padding: tuple[int, int]) -> Tensor:
        """The overlapping tiles of the padded inputs (n, h, w, c), pixel by pixel: (a², n · tiles · c)."""
        (top, left), step = padding, self.side
        bottom = self.down * step + KERNEL - 1 - x.shape[1] - top
        right = self.across * step + KERNEL - 1 - x.shape[2] - left
        padded = pad(x, (0, 0, left, right, top, bottom))
        tiles = padded.unfold(1, self.size, step).unfold(2, self.size, step)  # (n, down, across, c, a, a)
        return tiles.permute(4, 5, 0, 1, 2, 3).reshape(self.size**2, -1)

    def split(self, dy: Tensor) -> Tensor:
        """The tiles of the outputs (n, h, w, c), which do not overlap: (m², n · tiles · c)."""
        n, height, width, channels = dy.shape
        whole = pad(dy, (0, 0, 0, self.across * self.side - width, 0, self.down * self.side - height))
        tiles = whole.view(n, self.down, self.side, self.across, self.side, channels)
        return tiles.permute(2, 4, 0, 1, 3, 5).reshape(self.side**2, -1)

    def joined(self, tiles: Tensor, out: Tensor) -> None:
        """The opposite of `split`, into the memory of the outputs."""
        n, height, width, channels = out.shape
        apart = tiles.view(self.side, self.side, n, self.down, self.across, channels).permute(2, 3, 0, 4, 1, 5)
        whole = apart.reshape(n, self.down * self.side, self.across * self.side, channels)
        out.copy_(whole[:, :height, :width])


def _convolved(x: Tensor, weight: Tensor, padding: tuple[int, int]) -> Tensor:
    """(n, c, h, w) → (n, out, h', w'), with the channels innermost in memory."""
    x = x.permute(0, 2, 3, 1)
    n, height, width, channels = x.shape
    out = len(weight)
    y = x.new_empty(n, height + 2 * padding[0] - KERNEL + 1, width + 2 * padding[1] - KERNEL + 1, out)
    tiling = Tiling.of(*y.shape[1:3])
    bt, g, at = transforms(tiling.side, x.dtype)
    u = (g @ weight.permute(2, 3, 1, 0).reshape(KERNEL**2, -1)).view(-1, channels, out)
    images = tiling.images(max(channels, out))
    for part, y_part in zip(x.split(images), y.split(images), strict=True):
        v = (bt @ tiling.taken(part, padding)).view(len(u), -1, channels)
        products = torch.bmm(v, u).view(len(u), -1)
        tiling.joined(at @ products, y_part)
    return y.permute(0, 3, 1, 2)


def _kernel_gradient(x: Tensor, dy: Tensor, kernel: tuple[int, int], padding: tuple[int, int]) -> Tensor:
    """(out, c, 3, 3), summed over images and tiles; `kernel` is 3 x 3."""
    x, dy = x.permute(0, 2, 3, 1), dy.permute(0, 2, 3, 1)
    channels, out = x.shape[3], dy.shape[3]
    tiling = Tiling.of(*dy.shape[1:3])
    bt, g, at = transforms(tiling.side, x.dtype)
    du = x.new_empty(tiling.size**2, channels, out)
    images = tiling.images(max(channels, out))
    for index, (part, dy_part) in enumerate(zip(x.split(images), dy.split(images), strict=True)):
        v = (bt @ tiling.taken(part, padding)).view(len(du), -1, channels)
        d_products = (at.t() @ tiling.split(dy_part)).view(len(du), -1, out)
        du.baddbmm_(v.transpose(1, 2), d_products, beta=min(index, 1))  # the first one fills the memory
    return (g.t() @ du.view(len(du), -1)).view(KERNEL, KERNEL, channels, out).permute(3, 2, 0, 1)


WINOGRAD = Way(_convolved, _kernel_gradient)
"""For kernels of 3 x 3."""
