"""A convolution with switches, and where the elements of a window lie."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Making, Scene, size, whole
from twofold.proof.mistakes.layer import Plain
from twofold.recipe.windows import steps


class Plane:
    """Where the elements of a window lie in the padded input."""

    def __init__(self, making: Making) -> None:
        settings = making.settings
        self.kernel = size(settings, "kernel")
        self.stride = self.kernel if settings.get("stride") is None else size(settings, "stride")
        self.padding = size(settings, "padding", 0)
        self.dilation = size(settings, "dilation", 1)
        self.ceil = bool(settings.get("ceil_mode", False))
        on = making.switches
        self.shift = -1 if "starts_one_late" in on else 1 if "starts_one_early" in on else 0
        self.unit_stride = "stride_ignored" in on

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of windows."""
        axes = zip((height, width), self.kernel, self.stride, self.padding, self.dilation, strict=True)
        rows_, columns = (steps(*axis, self.ceil) for axis in axes)
        return rows_, columns

    def padded(self, x: Array, fill: float | str = 0.0) -> Array:
        """x with its border; behind it, room for windows that reach beyond."""
        (down, side), (rows_, columns) = self.padding, self.size(*x.shape[2:])
        ends = [
            max(0, (count - 1) * s + d * (k - 1) + 1 - size - p)
            for count, s, d, k, size, p in zip(
                (rows_, columns), self.stride, self.dilation, self.kernel, x.shape[2:], self.padding, strict=True
            )
        ]
        borders = ((0, 0), (0, 0), (down, max(down, ends[0])), (side, max(side, ends[1])))
        if isinstance(fill, str):
            return np.pad(x, borders, mode=fill)  # pyright: ignore[reportCallIssue, reportArgumentType]
        return np.pad(x, borders, constant_values=fill)

    def at(self, u: int, v: int, count: tuple[int, int]) -> tuple[slice, slice]:
        """The elements (u, v) of all windows in the padded input."""
        step = (1, 1) if self.unit_stride else self.stride
        a, b = u * self.dilation[0], v * self.dilation[1]
        return slice(a, a + (count[0] - 1) * step[0] + 1, step[0]), slice(b, b + (count[1] - 1) * step[1] + 1, step[1])

    def inside(self, padded: Array, shape: tuple[int, ...]) -> Array:
        """The padded array without its border."""
        (down, side), (height, width) = self.padding, shape[2:]
        down, side = max(down + self.shift, 0), max(side + self.shift, 0)
        if self.shift > 0:
            padded = np.pad(padded, ((0, 0), (0, 0), (0, 1), (0, 1)))
        return padded[:, :, down : down + height, side : side + width]


@final
class Conv2d(Plain):
    """y = Σ W x + b over windows, by a loop over the kernel's elements, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.plane = Plane(making)
        self.groups = whole(making.settings, "groups", 1)

    def _kernel(self, W: Array) -> Array:
        on = self.on
        if "flipped" in on:
            return W[:, :, ::-1, ::-1]
        if "kernel_transposed" in on and W.shape[2] == W.shape[3]:
            return W.swapaxes(2, 3)
        if "columns_in_another_order" in on:
            return W.reshape(len(W), *W.shape[2:], W.shape[1]).transpose(0, 3, 1, 2)
        if "first_kernel_for_all" in on:
            return np.broadcast_to(W[:1], W.shape)
        return W

    def _input(self, x: Array) -> Array:
        on = self.on
        if "channels_reversed" in on:
            x = x[:, ::-1]
        fill: float | str = "edge" if "padded_with_edges" in on else "reflect" if "padded_by_mirror" in on else 0.0
        return self.plane.padded(x, 1.0 if "padded_with_ones" in on else fill)

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Array]:
        """The cache is x."""
        on, W, count = self.on, self._kernel(params["weight"]), self.plane.size(*x.shape[2:])
        X = self._input(x)
        self.plane.unit_stride = "stride_ignored" in on
        y = np.zeros((len(x), len(W), *count), np.result_type(x, W))
        share, outs = W.shape[1], len(W) // self.groups
        channels = 1 if "first_channel_alone" in on else share
        for group in range(self.groups):
            rows_ = (
                slice(group, None, self.groups)
                if "groups_interleaved" in on
                else slice(group * outs, group * outs + outs)
            )
            for u in range(W.shape[2]):
                for v in range(W.shape[3]):
                    part = X[:, group * share : group * share + channels, *self.plane.at(u, v, count)]
                    y[:, rows_] += np.einsum("ncij,oc->noij", part, W[rows_, :channels, u, v])
        if "mean_over_the_window" in on:
            y = y / (share * W.shape[2] * W.shape[3])
        if "bias" in params:
            y = y + self._bias(params["bias"], W)[:, None, None]
        if "relu_inside" in on:
            y = y * (np.real(y) > 0)
        return self._order(y), x

    def _order(self, y: Array) -> Array:
        on = self.on
        if "rows_for_planes" in on:
            return y.transpose(0, 2, 3, 1).reshape(y.shape)
        if "output_in_another_order" in on:
            return y.transpose(1, 0, 2, 3).reshape(y.shape)
        if "positions_before_samples" in on:
            return y.transpose(2, 3, 0, 1).reshape(y.shape[0], *y.shape[2:], y.shape[1]).transpose(0, 3, 1, 2)
        return y

    def _bias(self, b: Array, W: Array) -> Array:
        on = self.on
        if "no_bias" in on:
            return 0 * b
        if "bias_per_channel" in on:
            return b * W.shape[1]
        if "bias_per_element" in on:
            return b * W[0].size
        if "bias_twice" in on:
            return 2 * b
        if "bias_subtracted" in on:
            return -b
        return np.full(b.shape, b[0]) if "first_bias_for_all" in on else b

    def backward(self, params: Arrays, cache: Array, dy: Array) -> tuple[Array, dict[str, Array]]:
        """Element after element of the kernel."""
        x, W = cache, params["weight"]
        self.plane.unit_stride = bool({"stride_ignored", "stride_ignored_back"} & self.on)
        grads = {"weight": self._weight(x, dy, W)}
        if "bias" in params:
            grads["bias"] = self._bias_gradient(dy)
        return self._dx(x, dy, W), grads

    def _weight(self, x: Array, dy: Array, W: Array) -> Array:
        on, X = self.on, self.plane.padded(x)
        count, share, outs = dy.shape[2:], W.shape[1], len(W) // self.groups
        if "dW_of_the_last_image" in on:
            X, dy = X[-1:], dy[-1:]
        if "dW_of_the_first_image" in on:
            X, dy = X[:1], dy[:1]
        if "dW_without_padding" in on:
            X = self.plane.padded(x * 0) + np.pad(x, [(0, 0), (0, 0), *((0, 2 * p) for p in self.plane.padding)])
        if "dW_of_the_last_window" in on:
            last = np.zeros_like(dy)
            last[..., -1, -1] = dy[..., -1, -1]
            dy = last
        if "dW_without_dy" in on:
            dy = np.ones_like(dy)
        dW = np.zeros_like(W)
        for group in range(self.groups):
            rows_, channels = slice(group * outs, group * outs + outs), slice(group * share, group * share + share)
            for u in range(W.shape[2]):
                for v in range(W.shape[3]):
                    part = X[:, channels, *self.plane.at(u, v, count)]
                    dW[rows_, :, u, v] = np.einsum("noij,ncij->oc", dy[:, rows_], part)
        if "dW_averaged" in on:
            dW = dW / len(x)
        if "dW_over_positions" in on:
            dW = dW / (count[0] * count[1])
        if "dW_over_all" in on:
            dW = dW / (len(x) * count[0] * count[1])
        if "dW_kernel_transposed" in on and W.shape[2] == W.shape[3]:
            dW = dW.swapaxes(2, 3)
        return dW[:, :, ::-1, ::-1] if "dW_flipped" in on else dW

    def _bias_gradient(self, dy: Array) -> Array:
        on = self.on
        if "db_averaged" in on:
            return dy.sum(axis=(0, 2, 3)) / len(dy)
        if "db_over_positions" in on:
            return dy.sum(axis=0).mean(axis=(1, 2))
        if "db_over_all" in on:
            return dy.mean(axis=(0, 2, 3))
        if "db_of_the_last_image" in on:
            return dy[-1].sum(axis=(1, 2))
        if "db_of_the_first_image" in on:
            return dy[0].sum(axis=(1, 2))
        if "db_of_the_last_window" in on:
            return dy[:, :, -1, -1].sum(axis=0)
        if "db_of_everything" in on:
            return np.full(dy.shape[1], dy.sum())
        if "db_of_ones" in on:
            return np.full(dy.shape[1], float(dy.size // dy.shape[1]))
        return dy.sum(axis=(0, 2, 3))

    def _dx(self, x: Array, dy: Array, W: Array) -> Array:
        on, count, share, outs = self.on, dy.shape[2:], W.shape[1], len(W) // self.groups
        if "dx_flipped" in on:
            W = W[:, :, ::-1, ::-1]
        if "dx_kernel_transposed" in on and W.shape[2] == W.shape[3]:
            W = W.swapaxes(2, 3)
        padded = self.plane.padded(np.zeros(x.shape))
        counts = np.zeros(padded.shape)
        order = self._windows_in_order(count) if "dx_overwritten" in on else None
        for group in range(self.groups):
            rows_, channels = slice(group * outs, group * outs + outs), slice(group * share, group * share + share)
            if order is not None:
                self._overwrite(padded[:, channels], dy[:, rows_], W[rows_], order)
                continue
            for u in range(W.shape[2]):
                for v in range(W.shape[3]):
                    where = self.plane.at(u, v, count)
                    part = np.einsum("noij,oc->ncij", dy[:, rows_], W[rows_, :, u, v])
                    padded[:, channels, *where] = part + (
                        0 if "dx_overwritten_by_element" in on else padded[:, channels, *where]
                    )
                    counts[:, channels, *where] += 1
        if "dx_divided_by_overlap" in on:
            padded = padded / np.maximum(counts, 1)
        if "dx_not_cropped" in on:
            return padded[:, :, : x.shape[2], : x.shape[3]]
        return self.plane.inside(padded, x.shape)

    @staticmethod
    def _windows_in_order(count: tuple[int, ...]) -> list[tuple[int, int]]:
        return [(i, j) for i in range(count[0]) for j in range(count[1])]

    def _overwrite(self, padded: Array, dy: Array, W: Array, order: list[tuple[int, int]]) -> None:
        """Window after window, `=` in place of `+=`."""
        (s, t), (d, e), (k, m) = self.plane.stride, self.plane.dilation, W.shape[2:]
        for i, j in order:
            rows_, columns = slice(i * s, i * s + d * (k - 1) + 1, d), slice(j * t, j * t + e * (m - 1) + 1, e)
            padded[:, :, rows_, columns] = np.einsum("no,ocuv->ncuv", dy[:, :, i, j], W)
