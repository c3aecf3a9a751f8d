"""The mistakes of pooling."""

from __future__ import annotations

from typing import TypeAlias, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Making, Scene, rows
from twofold.proof.mistakes.conv import Plane
from twofold.proof.mistakes.layer import Plain

Shape: TypeAlias = tuple[int, ...]


class _Pool(Plain):
    """What pooling layers share: their windows, and the way back from these to x."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.plane = Plane(making)

    def _windows(self, X: Array, count: tuple[int, ...]) -> Array:
        """The windows of x as (n, c, i, j, elements), the elements of each in row order."""
        k, m = self.plane.kernel
        places = [(u, v) for u in range(k) for v in range(m)]
        return np.stack([X[:, :, *self.plane.at(u, v, (count[0], count[1]))] for u, v in places], axis=-1)

    def _scattered(self, parts: Array, shape: tuple[int, ...]) -> Array:
        """The gradient of x from those of its windows' elements: added, or overwritten by a switch; border cut off."""
        count, padded = parts.shape[2:4], self.plane.padded(np.zeros(shape))
        (s, t), (d, e), (k, m) = self.plane.stride, self.plane.dilation, self.plane.kernel
        for i in range(count[0]):
            for j in range(count[1]):
                rows_, columns = slice(i * s, i * s + d * (k - 1) + 1, d), slice(j * t, j * t + e * (m - 1) + 1, e)
                block = parts[:, :, i, j].reshape(*parts.shape[:2], k, m)
                if "overwritten" in self.on:
                    padded[:, :, rows_, columns] = block
                elif "overwritten_where_chosen" in self.on:
                    padded[:, :, rows_, columns] = np.where(block != 0, block, padded[:, :, rows_, columns])
                else:
                    padded[:, :, rows_, columns] += block
        return self.plane.inside(padded, shape)


@final
class MaxPool2d(_Pool):
    """y = max over the window, dy to the first of the largest, with switches."""

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, tuple[Array, Array, Shape]]:
        """The cache is the windows and the shape of x."""
        on, count = self.on, self.plane.size(*x.shape[2:])
        zeros = "padded_with_zeros" in on
        least = "minimum" in on
        X = self.plane.padded(x, 0.0 if zeros else np.inf if least else -np.inf)
        windows = self._windows(X, count)
        key = (
            -np.real(windows)
            if least
            else np.abs(windows) * np.isfinite(windows)
            if "absolute" in on
            else np.real(windows)
        )
        chosen = key.argmax(axis=-1)[..., None]
        if "first_element" in on:
            chosen = np.zeros_like(chosen)
        y = np.take_along_axis(windows, chosen, axis=-1)[..., 0]
        if "mean" in on:
            finite = np.isfinite(np.real(windows))
            y = np.where(finite, windows, 0).sum(axis=-1) / (windows.shape[-1])
        return y, (windows, y, x.shape)

    def backward(self, params: Arrays, cache: tuple[Array, Array, Shape], dy: Array) -> tuple[Array, dict[str, Array]]:
        """dy where the largest was."""
        on, (windows, y, shape) = self.on, cache
        largest = windows == y[..., None]
        number = windows.argmax(axis=-1)
        size = windows.shape[-1]
        if "to_the_last" in on:
            number = size - 1 - windows[..., ::-1].argmax(axis=-1)
        if "minimum" in on:
            number = windows.argmin(axis=-1)
        if "to_the_first_element" in on:
            number = np.zeros_like(number)
        if "window_transposed" in on:
            k, m = self.plane.kernel
            number = (number % m) * k + number // m if k == m else number
        chosen = np.arange(size) == number[..., None]
        weights: Array = chosen.astype(float)
        if "to_all_ties" in on:
            weights = largest.astype(float)
        elif "shared_by_ties" in on:
            weights = largest / largest.sum(axis=-1, keepdims=True)
        elif "to_every_element" in on:
            weights = np.ones(windows.shape)
        elif "spread" in on or "mean" in on:
            weights = np.full(windows.shape, 1 / size)
        if "times_y" in on:
            weights = weights * np.where(np.isfinite(y), y, 0)[..., None]
        if "divided_by_window" in on:
            weights = weights / size
        share = np.ones_like(dy) if "mask_alone" in on else dy
        return self._scattered(weights * share[..., None], shape), {}


@final
class AvgPool2d(_Pool):
    """y = mean over the window, dy / count to each of its elements, with switches."""

    def _count(self, shape: tuple[int, ...]) -> Array:
        k, m = self.plane.kernel
        inside = bool(self.making.settings.get("count_include_pad", True))
        if "other_count" in self.on:
            inside = not inside
        count = self.plane.size(*shape[2:])
        if inside:
            return np.full(count, float(k * m))
        ones = self.plane.padded(np.ones((1, 1, *shape[2:])))
        return self._windows(ones, count).sum(axis=-1)[0, 0]

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Shape]:
        """The cache is the shape of x."""
        on, count = self.on, self.plane.size(*x.shape[2:])
        windows = self._windows(self.plane.padded(x), count)
        y = windows.sum(axis=-1)
        if "summed" not in on and "sum_forward" not in on:
            y = y / (self.plane.kernel[0] if "divided_by_kernel" in on else self._count(x.shape))
        if "maximum" in on:
            y = np.take_along_axis(windows, np.real(windows).argmax(axis=-1)[..., None], axis=-1)[..., 0]
        if "first_element" in on:
            y = windows[..., 0]
        return y, x.shape

    def backward(self, params: Arrays, cache: Shape, dy: Array) -> tuple[Array, dict[str, Array]]:
        """Every element of a window gets the same."""
        on, shape = self.on, cache
        count: Array | float = self._count(shape)
        if "summed" in on or "dx_undivided" in on:
            count = 1.0
        if "dx_by_kernel" in on or "divided_by_kernel" in on:
            count = self.plane.kernel[0]
        if "dx_by_plane" in on:
            count = float(dy.shape[2] * dy.shape[3])
        size = self.plane.kernel[0] * self.plane.kernel[1]
        parts = np.repeat((dy / count)[..., None], size, axis=-1)
        if "dx_to_the_first" in on:
            parts[..., 1:] = 0
        if "dx_averaged_too" in on:
            parts = parts / len(dy)
        return self._scattered(parts, shape), {}


@final
class GlobalAvgPool2d(Plain):
    """y = mean over the plane, dx = dy / (h w), with switches."""

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Shape]:
        """The cache is the shape of x."""
        on, (h, w) = self.on, x.shape[2:]
        if "maximum" in on:
            flat = x.reshape(*x.shape[:2], -1)
            return np.take_along_axis(flat, np.real(flat).argmax(axis=-1)[..., None], axis=-1)[..., 0], x.shape
        total = x.sum(axis=(2, 3))
        divisor = {"summed": 1, "by_height": h, "by_width": w, "by_channels": x.shape[1] * h * w}
        return total / next((d for switch, d in divisor.items() if switch in on), h * w), x.shape

    def backward(self, params: Arrays, cache: Shape, dy: Array) -> tuple[Array, dict[str, Array]]:
        """Every element of the plane gets the same."""
        on, shape = self.on, cache
        h, w = shape[2:]
        divisor = {"dx_undivided": 1, "summed": 1, "dx_by_height": h, "by_height": h, "dx_by_width": w, "by_width": w,
                   "dx_by_channels": shape[1] * h * w, "by_channels": shape[1] * h * w,
                    "dx_by_root": np.sqrt(h * w)}  # fmt: skip
        d = next((d for switch, d in divisor.items() if switch in on), h * w)
        dx = np.broadcast_to((dy / d)[:, :, None, None], shape).copy()
        if "dx_to_the_first" in on:
            dx[:, :, 1:] = 0
            dx[:, :, :, 1:] = 0
        return dx, {}


FORWARD, BACK = "The way forward.", "How dy is handed to the elements of a window."
POOL = [
    *rows(
        "max_pool2d",
        FORWARD,
        ("padded_with_zeros", "The border is of zeros, which win where all of a window is negative; it is −∞, never "
                              "chosen.",
         "What is the maximum of a window of negative numbers at the border?"),
        ("minimum", "The smallest element is taken, where the largest is.", "Largest or smallest?"),
        ("absolute", "The element of largest magnitude is taken, where the largest is.", "What of negative numbers?"),
        ("mean", "The mean of the window is taken (average pooling), where its largest element is.",
         "Mean or maximum?"),
        ("first_element", "The first element of each window is taken, where the largest is.", "Which element?"),
        ("stride_ignored", "The windows move by one pixel: the stride is not used when they are cut out.",
         "Where does window 1 begin?"),
    ),
    *rows(
        "max_pool2d",
        BACK,
        ("to_all_ties", "At a tie every largest element gets dy (mask x == y), where the first alone does, as in "
                        "PyTorch.",
         "What if two elements are equal?"),
        ("shared_by_ties", "At a tie dy is shared by the largest elements, where the first gets all, as in PyTorch.",
         "What if two elements are equal?"),
        ("to_the_last", "At a tie the last of the largest gets dy, where the first does, as in PyTorch.",
         "`>` or `>=`?"),
        ("overwritten", "Where windows overlap dx is overwritten window by window, where what they give adds up.",
         "`=` or `+=`?"),
        ("overwritten_where_chosen", "An element chosen by several windows gets the dy of the last of them only "
                                     "(`dx[i, j] = dy`), where they add up (`+=`).", "`=` or `+=`?"),
        ("to_every_element", "Every element of a window gets dy, where the largest alone does.", "Who gets dy?"),
        ("spread", "dy is spread evenly over the window (as of average pooling), where the largest gets it.",
         "Who gets dy?"),
        ("to_the_first_element", "The first element of a window gets dy, where the largest does.", "Who gets dy?"),
        ("window_transposed", "The place of the largest is read with row and column swapped.",
         "Which is row, which column?"),
        ("times_y", "dx is multiplied by the largest value: dy · y, where it is dy.", "What is ∂max/∂x?"),
        ("divided_by_window", "dx is divided by the size of the window, as of average pooling.", "What is ∂max/∂x?"),
        ("mask_alone", "dx is the mask of the largest: it is not multiplied by dy.", "Where does dy enter?"),
    ),
    *rows(
        "avg_pool2d",
        FORWARD,
        ("summed", "The window is summed, where its mean is taken; dx likewise is not divided.", "Sum or mean?"),
        ("sum_forward", "The window is summed, where its mean is taken.", "Sum or mean?"),
        ("divided_by_kernel", "The sum is divided by the kernel's side k, where it is by its k · k elements.",
         "How many elements?"),
        ("other_count", "Whether the border counts in the mean (count_include_pad) is the other way round.",
         "By what is a window at the border divided?"),
        ("maximum", "The largest element is taken, where the mean is.", "Mean or maximum?"),
        ("first_element", "The first element of each window is taken, where the mean is.", "Mean of what?"),
        ("stride_ignored", "The windows move by one pixel: the stride is not used when they are cut out.",
         "Where does window 1 begin?"),
    ),
    *rows(
        "avg_pool2d",
        BACK,
        ("dx_undivided", "dx is not divided by the number of elements in the window.", "What is ∂mean/∂x?"),
        ("dx_by_kernel", "dx is divided by the kernel's side k, where it is by its k · k elements.",
         "How many elements?"),
        ("dx_by_plane", "dx is divided by the number of windows, where it is by the elements of one.",
         "How many elements?"),
        ("overwritten", "Where windows overlap dx is overwritten, where what they give adds up.", "`=` or `+=`?"),
        ("dx_to_the_first", "Only the first element of a window gets dy, where all get their share.", "Who gets dy?"),
        ("dx_averaged_too", "dx is divided by the batch size as well.", "How often is it divided by N?"),
    ),
    *rows(
        ("max_pool2d", "avg_pool2d"),
        BACK,
        ("starts_one_late", "dx is offset by one pixel: cropped one pixel too early.", "Where is the border?"),
        ("starts_one_early", "dx is offset by one pixel: cropped one pixel too late.", "Where is the border?"),
    ),
    *rows(
        "global_avg_pool2d",
        "By what the sum is divided.",
        ("summed", "The plane is summed, where its mean is taken; dx likewise is not divided.", "Sum or mean?"),
        ("by_height", "The sum is divided by the height alone, where it is by height times width.",
         "How many elements?"),
        ("by_width", "The sum is divided by the width alone, where it is by height times width.", "How many elements?"),
        ("by_channels", "The sum is divided by the channels too.", "How many elements?"),
        ("maximum", "The largest element is taken, where the mean is.", "Mean or maximum?"),
        ("dx_undivided", "dx is not divided by the number of elements h · w.", "What is ∂mean/∂x?"),
        ("dx_by_height", "dx is divided by the height alone, where it is by h · w.", "How many elements?"),
        ("dx_by_width", "dx is divided by the width alone, where it is by h · w.", "How many elements?"),
        ("dx_by_channels", "dx is divided by the channels too.", "How many elements?"),
        ("dx_to_the_first", "Only the first element of the plane gets dy, where all get their share.", "Who gets dy?"),
        ("dx_by_root", "dx is divided by √(h w), where it is by h · w.", "How many elements?"),
    ),
]  # fmt: skip
