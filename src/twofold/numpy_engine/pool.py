"""Pooling: the largest element of each window, or their mean."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Builders, Mode
from twofold.numpy_engine.shapes import Float, UInt
from twofold.numpy_engine.windows import Windows, empty_images
from twofold.recipe import pooling as kinds

Images = Float[Array, "n c h w"]
Pooled = Float[Array, "n c i j"]


class Chosen(NamedTuple):
    """Which element of each window was the largest, by its number in row order, and the shape of x."""

    number: UInt[Array, "n c i j"]
    shape: tuple[int, ...]


@final
class MaxPool2d:
    """y = max over the window; dx: dy goes to the element that was the largest. `torch.nn.MaxPool2d`.

    At a tie the first of the largest in the window's row order takes all of dy, as in PyTorch. The padding is −∞: never
    chosen. Where windows overlap, an element adds up what every window gives it.
    """

    def __init__(self, windows: Windows) -> None:
        self.windows = windows

    def forward(self, params: Arrays, x: Images, mode: Mode) -> tuple[Pooled, Chosen]:
        """Goes through the window element by element: a later one is chosen only if it is larger, not equal."""
        shape = (*x.shape[:2], *self.windows.plane(*x.shape[2:]))
        y = empty_images(shape, x.dtype, -np.inf)
        numbers = empty_images(shape, np.min_scalar_type(int(np.prod(self.windows.kernel)) - 1), 0)
        for number, element in enumerate(self.windows.elements(*x.shape[2:])):
            candidate, largest = x[:, :, *element.inputs], y[:, :, *element.outputs]
            if number:  # 0 is chosen until another is larger
                chosen = numbers[:, :, *element.outputs]
                # Numbers ascend, so their maximum is the last element that was larger: faster than a masked write.
                np.maximum(chosen, np.multiply(candidate > largest, number, dtype=numbers.dtype), out=chosen)
            np.maximum(largest, candidate, out=largest)  # a NaN stays
        return y, Chosen(numbers, x.shape)

    def backward(
        self, params: Arrays, cache: Chosen, dy: Pooled, wants_dx: bool = True
    ) -> tuple[Images, dict[str, Array]]:
        """dy goes to the element that was chosen in each window; where windows overlap, it is added up."""
        numbers, shape = cache
        tile = self.windows.tile(*shape[2:])
        dx = empty_images(shape, dy.dtype, None if tile else 0)
        for number, element in enumerate(self.windows.elements(*shape[2:])):
            part, chosen = dx[:, :, *element.inputs], numbers[:, :, *element.outputs] == number
            if tile:
                np.multiply(dy, chosen, out=part)
            else:
                part += dy[:, :, *element.outputs] * chosen
        return dx, {}


@final
class AvgPool2d:
    """y = mean over the window, dx = dy / count spread over the window. `torch.nn.AvgPool2d`.

    The zeros of the padding count in the mean (`count_include_pad`), or only the elements within the input do.
    """

    def __init__(self, windows: Windows, count_include_pad: bool) -> None:
        self.windows = windows
        self.count_include_pad = count_include_pad

    def forward(self, params: Arrays, x: Images, mode: Mode) -> tuple[Pooled, tuple[int, ...]]:
        """The cache is the shape of x."""
        y = empty_images((*x.shape[:2], *self.windows.plane(*x.shape[2:])), x.dtype, 0)
        for element in self.windows.elements(*x.shape[2:]):
            y[:, :, *element.outputs] += x[:, :, *element.inputs]
        y /= self._count(x.shape, x.dtype)
        return y, x.shape

    def backward(
        self, params: Arrays, cache: tuple[int, ...], dy: Pooled, wants_dx: bool = True
    ) -> tuple[Images, dict[str, Array]]:
        """Every element of a window gets the same share of dy."""
        dx = empty_images(cache, dy.dtype, 0)
        share = dy / self._count(cache, dy.dtype)
        for element in self.windows.elements(*cache[2:]):
            dx[:, :, *element.inputs] += share[:, :, *element.outputs]
        return dx, {}

    def _count(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        """How many elements each window is the mean of, (rows, columns)."""
        plane = self.windows.plane(*shape[2:])
        if self.count_include_pad:
            return np.full(plane, np.prod(self.windows.kernel), dtype)
        count = np.zeros(plane, dtype)
        for element in self.windows.elements(*shape[2:]):
            count[element.outputs] += 1
        return count


@final
class GlobalAvgPool2d:
    """y[n, c] = mean of x[n, c] over the plane,  dx = dy / (h w). `torch.nn.AdaptiveAvgPool2d(1)`, flattened."""

    def forward(self, params: Arrays, x: Images, mode: Mode) -> tuple[Float[Array, "n c"], tuple[int, ...]]:
        """The cache is the shape of x."""
        return x.mean(axis=(2, 3)), x.shape

    def backward(
        self, params: Arrays, cache: tuple[int, ...], dy: Float[Array, "n c"], wants_dx: bool = True
    ) -> tuple[Images, dict[str, Array]]:
        """Every element of the plane gets the same share of dy."""
        dx = empty_images(cache, dy.dtype)
        dx[...] = (dy / (cache[2] * cache[3]))[:, :, None, None]
        return dx, {}


POOLING: Builders = {
    kinds.MaxPool2d: lambda spec: MaxPool2d(Windows(*spec.window, ceil_mode=spec.ceil_mode)),
    kinds.AvgPool2d: lambda spec: AvgPool2d(Windows(*spec.window), spec.count_include_pad),
    kinds.GlobalAvgPool2d: lambda spec: GlobalAvgPool2d(),
}
