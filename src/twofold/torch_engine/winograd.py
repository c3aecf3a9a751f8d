"""Convolution with fewer multiplications: Winograd's minimal filtering F(m x m, 3 x 3), for windows that move by one.

    Y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ d B) ] A,   summed over the input channels

A tile d of a = m + 2 pixels a side gives m x m outputs with a² products in place of 9 m²: for m = 4 a quarter. Summed
over channels, ⊙ is a matrix product at each of the a² places. G and A evaluate polynomials at a points, one of them
infinity, and B interpolates (Cook, Toom): filtering is the transpose of a product of polynomials. Bᵀ d B and the like
are sums of slices of the images, rows first, then columns. On the way back each step is transposed: dM = A dY Aᵀ, with
which dw = Gᵀ (Σ V ⊙ dM) G for V = Bᵀ d B, kept from the way forward, and dd = B ((G w Gᵀ) ⊙ dM) Bᵀ, added up where
tiles overlap.

Source: Lavin and Gray, Fast algorithms for convolutional neural networks, 2016. It is the same function as the plain
convolution; in 32 bits it rounds to about 1e-5 of the largest value, in 64 to 1e-14, where lock-step shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol, final

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

from twofold.arrays import Array

KERNEL = 3
OVERLAP = KERNEL - 1
"""Pixels that a tile shares with the next one."""
POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""The points at which polynomials are evaluated, besides infinity: the further apart their powers, the larger the
rounding."""
SIDES = (2, 3, 4, 5, 6)
"""Outputs a side of a tile; with 6 it rounds twice as much as with 4."""
CHUNK = 1 << 22
"""Numbers of transformed tiles at once: found by trying, a balance of the cost of calls and the size of caches."""

Padding = tuple[int, int]
Term = tuple[int, float]
"""A term of a sum: the index of a part, and its factor."""
Sums = tuple[tuple[Term, ...], ...]
"""The rows of a matrix as sums, without terms that are zero."""


class Factors(NamedTuple):
    """A matrix as the product `last` · `first`, which together have fewer terms."""

    first: Sums
    last: Sums


class Transforms(NamedTuple):
    """The matrices for tiles of one size, forward and backward."""

    input: Factors
    """Bᵀ, (a, a)."""
    output: Factors
    """Aᵀ, (m, a)."""
    input_back: Factors
    """B."""
    output_back: Factors
    """A."""
    kernel: Array
    """G ⊗ G, (a², 9): applied to kernels flattened to 9 weights."""


@lru_cache
def transforms(side: int) -> Transforms:
    """The matrices of F(side x side, 3 x 3)."""
    size = side + OVERLAP
    points = np.array(POINTS[: size - 1])
    a, g, bt = np.zeros((size, side)), np.zeros((size, KERNEL)), np.zeros((size, size))
    for k, point in enumerate(points):
        rest = np.delete(points, k)
        a[k] = point ** np.arange(side)
        g[k] = point ** np.arange(KERNEL) / np.prod(point - rest)
        bt[k, :-1] = np.poly(rest)[::-1]
    a[-1, -1] = g[-1, -1] = 1  # at infinity a polynomial is its highest coefficient
    bt[-1] = np.poly(points)[::-1]
    (to_tiles, to_tiles_back), (output_back, output) = _factors(bt), _factors(a)
    return Transforms(to_tiles, output, to_tiles_back, output_back, kernel=np.kron(g, g))


def _factors(matrix: Array) -> tuple[Factors, Factors]:
    """The factors of a matrix and of its transpose: rows of two opposite points share their even and odd parts."""
    signs, units = (-1.0) ** np.arange(matrix.shape[1]), np.eye(len(matrix))
    rows, columns = list[Array](), list[Array]()
    row = 0
    while row < len(matrix):
        values, mirror = matrix[row], _mirrored(matrix[row : row + 2], signs)
        if mirror:
            for part, sign in ((values * (signs > 0), mirror), (values * (signs < 0), -mirror)):
                scale = min(part[part != 0][::-1], key=abs)
                rows.append(part / scale)
                columns.append(scale * (units[row] + sign * units[row + 1]))
            row += 2
        else:
            rows.append(values)
            columns.append(units[row])
            row += 1
    first, last = np.array(rows), np.array(columns).T
    return Factors(_sums(first), _sums(last)), Factors(_sums(last.T), _sums(first.T))


def _mirrored(rows: Array, signs: Array) -> int:
    """±1 if the second row is ± the first one with its odd places negated, and sharing saves terms; else 0."""
    if len(rows) < 2 or np.count_nonzero(rows[0]) <= 2:
        return 0
    return next((sign for sign in (1, -1) if np.array_equal(rows[1], sign * signs * rows[0])), 0)


def _sums(matrix: Array) -> Sums:
    """The rows of a matrix as sums, with a term of factor 1 first: it costs no product."""
    rows = ([(int(part), float(row[part])) for part in np.flatnonzero(row)] for row in matrix)
    return tuple(tuple(sorted(row, key=lambda term: term[1] != 1)) for row in rows)


def _transformed(factors: Factors, parts: Sequence[Tensor], outs: Sequence[Tensor | None]) -> list[Tensor]:
    """The product of the matrix and the parts, written into `outs` where these are given."""
    between = [_sum(row, parts, None) for row in factors.first]
    return [_sum(row, between, out) for row, out in zip(factors.last, outs, strict=True)]


def _sum(row: Sequence[Term], parts: Sequence[Tensor], out: Tensor | None) -> Tensor:
    (part, factor), *rest = row
    if not rest and factor == 1 and out is None:
        return parts[part]
    if not rest or factor != 1:
        total = torch.mul(parts[part], factor, out=out)
    else:
        (second, times), *rest = rest
        total = torch.add(parts[part], parts[second], alpha=times, out=out)
    for other, times in rest:
        total.add_(parts[other], alpha=times)
    return total


class Tiling(NamedTuple):
    """How square tiles cover the outputs of a plane; the last ones may reach beyond it."""

    side: int
    down: int
    across: int

    @classmethod
    def of(cls, height: int, width: int) -> Tiling:
        """The tiling of a plane with the fewest products."""
        tilings = [cls(side, -(-height // side), -(-width // side)) for side in SIDES]
        return min(tilings, key=lambda tiling: tiling.products)

    @property
    def size(self) -> int:
        """Inputs along a side of a tile."""
        return self.side + OVERLAP

    @property
    def covered(self) -> tuple[int, int]:
        """Outputs that the tiles cover, along height and width."""
        return self.down * self.side, self.across * self.side

    @property
    def products(self) -> int:
        """Products that a plane of one input and one output channel takes."""
        return self.down * self.across * self.size**2

    def images(self, channels: int) -> int:
        """How many images are transformed at once."""
        return max(1, CHUNK // (self.products * channels))

    def input_tiles(self, x: Tensor, padding: Padding) -> Tensor:
        """Bᵀ d B of each tile of the padded inputs (n, h, w, c): (a, a, n, down, across, c)."""
        (top, left), (n, height, width, channels), (down, across) = padding, x.shape, self.covered
        bottom, right = down + OVERLAP - height - top, across + OVERLAP - width - left
        padded = pad(x, (0, 0, left, right, top, bottom))
        rows = x.new_empty(self.size, n, self.down, padded.shape[2], channels)
        tiles = x.new_empty(self.size, self.size, n, self.down, self.across, channels)
        bt = transforms(self.side).input
        _transformed(bt, padded.unfold(1, self.size, self.side).unbind(-1), rows.unbind())
        _transformed(bt, rows.unfold(3, self.size, self.side).unbind(-1), tiles.unbind(1))
        return tiles

    def input_back(self, d_tiles: Tensor, padding: Padding, dx: Tensor) -> None:
        """B dV Bᵀ of each tile, added up where they overlap, into the memory of dX (n, h, w, c)."""
        (top, left), (n, height, width, channels), (down, across) = padding, dx.shape, self.covered
        d_rows = d_tiles.new_empty(self.size, n, self.down, across + OVERLAP, channels)
        d_padded = d_tiles.new_empty(n, down + OVERLAP, across + OVERLAP, channels)
        d_rows[..., across:, :].zero_()
        d_padded[:, down:].zero_()
        self._added(d_tiles.unbind(1), d_rows.unfold(3, self.size, self.side).unbind(-1))
        self._added(d_rows.unbind(), d_padded.unfold(1, self.size, self.side).unbind(-1))
        dx.copy_(d_padded[:, top : top + height, left : left + width])

    def _added(self, parts: Sequence[Tensor], places: Sequence[Tensor]) -> None:
        """Write tiles to their places; the last `OVERLAP` places, shared with the next tile, are added to."""
        own, shared = places[: self.side], places[self.side :]
        totals = _transformed(transforms(self.side).input_back, parts, [*own, *[None] * OVERLAP])
        for place, total in zip(shared, totals[self.side :], strict=True):
            place.add_(total)

    def outputs(self, products: Tensor, y: Tensor) -> None:
        """Aᵀ M A of each tile (a, a, n, down, across, c), into the memory of the outputs (n, h, w, c)."""
        n, height, width, channels = y.shape
        whole = y if (height, width) == self.covered else y.new_empty(n, *self.covered, channels)
        rows = products.new_empty(self.side, *products.shape[1:])
        pixels = whole.view(n, self.down, self.side, self.across, self.side, channels).permute(2, 4, 0, 1, 3, 5)
        at = transforms(self.side).output
        _transformed(at, products.unbind(), rows.unbind())
        _transformed(at, rows.unbind(1), pixels.unbind(1))
        if whole is not y:
            y.copy_(whole[:, :height, :width])

    def output_back(self, dy: Tensor) -> Tensor:
        """A dY Aᵀ of each tile of the outputs (n, h, w, c): (a, a, n, down, across, c)."""
        (n, height, width, channels), (down, across) = dy.shape, self.covered
        fits = (height, width) == self.covered
        whole = dy if fits else pad(dy, (0, 0, 0, across - width, 0, down - height))
        pixels = whole.view(n, self.down, self.side, self.across, self.side, channels)
        d_rows = dy.new_empty(self.size, n, self.down, self.across, self.side, channels)
        d_products = dy.new_empty(self.size, self.size, n, self.down, self.across, channels)
        a = transforms(self.side).output_back
        _transformed(a, pixels.unbind(2), d_rows.unbind())
        _transformed(a, d_rows.unbind(4), d_products.unbind(1))
        return d_products


class Context(Protocol):
    """What autograd keeps between forward and backward pass."""

    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]
    shape: torch.Size
    padding: Padding
    tiling: Tiling
    images: int

    def save_for_backward(self, *tensors: Tensor) -> None:
        """Keep tensors, which `saved_tensors` gives back."""
        ...


@final
class Winograd(torch.autograd.Function):
    """The convolution Y = X ∗ W for X (n, c, h, w) and W (out, c, 3, 3), with the channels innermost in memory."""

    @staticmethod
    def forward(ctx: Context, x: Tensor, weight: Tensor, padding: Padding) -> Tensor:  # pyright: ignore
        """The convolution. Keeps G w Gᵀ, and Bᵀ d B if the gradient of W is needed."""
        x = x.permute(0, 2, 3, 1)
        n, height, width, channels = x.shape
        out = len(weight)
        y = x.new_empty(n, height + 2 * padding[0] - OVERLAP, width + 2 * padding[1] - OVERLAP, out)
        tiling = Tiling.of(*y.shape[1:3])
        u = (_kernel(tiling, x) @ weight.permute(2, 3, 1, 0).reshape(KERNEL**2, -1)).view(-1, channels, out)
        images = tiling.images(max(channels, out))
        tiles_kept = list[Tensor]()
        for part, y_part in zip(x.split(images), y.split(images), strict=True):
            tiles = tiling.input_tiles(part, padding)
            v = tiles.view(len(u), -1, channels)
            tiling.outputs(torch.bmm(v, u).view(*tiles.shape[:-1], out), y_part)
            if ctx.needs_input_grad[1]:
                tiles_kept.append(v)
        ctx.save_for_backward(u, *tiles_kept)
        ctx.shape, ctx.padding, ctx.tiling, ctx.images = x.shape, padding, tiling, images
        return y.permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, dy: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # pyright: ignore
        """The gradients dX and dW, each if it is needed."""
        u, *tiles = ctx.saved_tensors
        tiling: Tiling = ctx.tiling
        _, channels, out = u.shape
        dy = dy.permute(0, 2, 3, 1)
        dx, du = dy.new_empty(ctx.shape) if ctx.needs_input_grad[0] else None, torch.empty_like(u)
        dx_parts = [] if dx is None else dx.split(ctx.images)
        for index, dy_part in enumerate(dy.split(ctx.images)):
            d_tiles = tiling.output_back(dy_part)
            d_products = d_tiles.view(len(u), -1, out)
            if tiles:  # the first part fills the memory
                du.baddbmm_(tiles[index].transpose(1, 2), d_products, beta=min(index, 1))
            if dx_parts:
                dv = torch.bmm(d_products, u.transpose(1, 2)).view(*d_tiles.shape[:-1], channels)
                tiling.input_back(dv, ctx.padding, dx_parts[index])
        dw = _kernel(tiling, dy).t() @ du.view(len(u), -1) if tiles else None
        return (
            None if dx is None else dx.permute(0, 3, 1, 2),
            None if dw is None else dw.view(KERNEL, KERNEL, channels, out).permute(3, 2, 0, 1),
            None,
        )


def _kernel(tiling: Tiling, like: Tensor) -> Tensor:
    return torch.from_numpy(transforms(tiling.side).kernel).to(like.dtype)
