"""Windows over the plane: which elements of the input each one sees.

Images are (N, C, H, W) in shape. In memory the samples lie innermost, as those of `Dense` do: an element of the window
is then a run of numbers, however few the channels, and from images to vectors nothing is copied. Layers take any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.recipe.base import Pair
from twofold.recipe.windows import steps


class Element(NamedTuple):
    """One element of the window, at all positions of the window where the element lies within the input."""

    row: int
    column: int
    inputs: tuple[slice, slice]
    """Where it lies in the input's plane, window after window."""
    outputs: tuple[slice, slice]
    """The windows whose element it is: rows and columns of the output's plane."""


class Windows(NamedTuple):
    """Sizes of a sliding window, each as height and width. Padding is not stored: what it would hold is left out."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    ceil_mode: bool = False

    def plane(self, height: int, width: int) -> Pair:
        """The number of windows down and across: rows and columns of the output's plane."""
        sizes = zip((height, width), self.kernel, self.stride, self.padding, self.dilation, strict=True)
        rows, columns = (steps(*axis, self.ceil_mode) for axis in sizes)
        return rows, columns

    def tile(self, height: int, width: int) -> bool:
        """Whether every element of the plane lies in exactly one window."""
        covered = all(size % length == 0 for size, length in zip((height, width), self.kernel, strict=True))
        return covered and self.kernel == self.stride and self.padding == (0, 0) and self.dilation == (1, 1)

    def elements(self, height: int, width: int) -> Iterator[Element]:
        """The window's elements in row order, without those that never lie within the input."""
        plane = self.plane(height, width)
        for row in range(self.kernel[0]):
            for column in range(self.kernel[1]):
                down = self._along(0, row, height, plane[0])
                across = self._along(1, column, width, plane[1])
                if down and across:
                    yield Element(row, column, (down[0], across[0]), (down[1], across[1]))

    def _along(self, axis: int, index: int, size: int, count: int) -> tuple[slice, slice] | None:
        """Along one axis, the places of an element within the input and the windows k that have it there; or `None`."""
        stride = self.stride[axis]
        offset = index * self.dilation[axis] - self.padding[axis]  # window k has the element at k · stride + offset
        first = max(0, -(offset // stride))  # ⌈−offset / stride⌉
        last = min(count - 1, (size - 1 - offset) // stride)
        if last < first:
            return None
        start = first * stride + offset
        return slice(start, start + (last - first) * stride + 1, stride), slice(first, last + 1)


def samples_last(x: Array) -> Array:
    """(N, C, H, W) → (C, H, W, N): a view."""
    return x.transpose(1, 2, 3, 0)


def samples_first(x: Array) -> Array:
    """(C, H, W, N) → (N, C, H, W): a view."""
    return x.transpose(3, 0, 1, 2)


def empty_images(shape: tuple[int, ...], dtype: np.dtype, fill: float | int | None = None) -> Array:
    """An array (N, C, H, W) with the samples innermost in memory, filled with `fill` if that is given."""
    n, *planes = shape
    memory = np.empty((*planes, n), dtype) if fill is None else np.full((*planes, n), fill, dtype)
    return samples_first(memory)
