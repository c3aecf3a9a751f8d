"""Convolution as matrix products over windows."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.shapes import Float
from twofold.numpy_engine.windows import Windows, channels_first, channels_last

Images = Float[Array, "n c h w"]

MANY_CHANNELS = 128
"""Input channels from which a product for each element of the kernel is as fast as one over whole windows."""
SMALL_PLANE = 64
"""Pixels up to which it is taken: the smaller the plane, the more of a window reaches beyond it."""


class Unfolded(NamedTuple):
    """What the way back needs: the input's windows, or the input where it was not unfolded, and its shape."""

    X: Array
    shape: tuple[int, ...]


@final
class Conv2d:
    """y[n, o, i, j] = b[o] + Σ_{c u v} W[o, c, u, v] x[n, c, i s + u d − p, j s + v d − p]. `torch.nn.Conv2d`.

    Cross-correlation: the kernel is not turned round. With X the input unfolded, one row a window, zeros where the
    window reaches beyond the input, and W written as a matrix, each group is a dense layer over windows
    (L windows, k elements of a window = kernel height · kernel width · channels of the group):

        forward     Y  = X Wᵀ + b          (L, k) · (k, out) + (out)  → (L, out)
        backward    dW = dYᵀ X             (out, L) · (L, k)          → (out, k)
                    db = Σ_L dY            (L, out)                   → (out)
                    dx = Σ_{u v} dY W_uv   (L, out) · (out, c)        → (L, c),  each at its place in the input

    Where planes are small and channels many, X is not made: `by_element` adds up Y and dW over the kernel's elements,
    too, each over those windows only that have it within the input.

    Chellapilla et al., High performance convolutional neural networks for document processing (2006).
    """

    def __init__(self, windows: Windows, groups: int = 1) -> None:
        self.windows = windows
        self.groups = groups

    def forward(self, params: Arrays, x: Images, mode: Mode) -> tuple[Float[Array, "n out i j"], Unfolded]:
        """X Wᵀ + b."""
        if self._by_element(x.shape):
            X, y = x, by_element(self.windows, params["weight"], x)
        else:
            X = self._unfold(x)
            Y = X @ self._matrix(params["weight"]).swapaxes(-1, -2)
            rows = Y[0] if self.groups == 1 else Y.transpose(1, 0, 2).reshape(Y.shape[1], -1)
            y = rows.reshape(len(x), *self.windows.plane(*x.shape[2:]), -1)
        if "bias" in params:  # as a whole plane: one long run of numbers in place of one for each window
            y += np.tile(params["bias"], (*y.shape[1:3], 1))
        return channels_first(y), Unfolded(X, x.shape)

    def backward(
        self, params: Arrays, cache: Unfolded, dy: Float[Array, "n out i j"], wants_dx: bool = True
    ) -> tuple[Images | None, dict[str, Array]]:
        """dYᵀ X, Σ dY, and Σ dY W_uv."""
        W, rows = params["weight"], channels_last(dy).reshape(-1, dy.shape[1])
        if self._by_element(cache.shape):
            dW = kernel_gradient(self.windows, W, cache.X, dy)
        else:
            dY = rows.reshape(len(rows), self.groups, -1).swapaxes(0, 1)
            products = dY.swapaxes(-1, -2) @ cache.X
            dW = products.reshape(len(W), *W.shape[2:], W.shape[1]).transpose(0, 3, 1, 2)
        grads = {"weight": dW}
        if "bias" in params:
            grads["bias"] = np.ones(len(rows), rows.dtype) @ rows
        return (input_gradient(self.windows, W, dy, cache.shape) if wants_dx else None), grads

    def _by_element(self, shape: tuple[int, ...]) -> bool:
        """Whether to take a product for each element of the kernel."""
        return self.groups == 1 and shape[1] >= MANY_CHANNELS and shape[2] * shape[3] <= SMALL_PLANE

    def _matrix(self, W: Float[Array, "out group_channels u v"]) -> Float[Array, "groups out_of_group elements"]:
        """Each kernel as a row, its channels innermost like those of the windows."""
        return channels_last(W).reshape(self.groups, len(W) // self.groups, -1)

    def _unfold(self, x: Images) -> Float[Array, "groups windows elements"]:
        """Each window as a row."""
        (down, across), kernel, (step, side) = self.windows.padding, self.windows.kernel, self.windows.stride
        last, (d, e) = channels_last(x), self.windows.dilation
        if down or across:
            last = np.pad(last, ((0, 0), (down, down), (across, across), (0, 0)))
        reach = (d * (kernel[0] - 1) + 1, e * (kernel[1] - 1) + 1)
        views = sliding_window_view(last, reach, axis=(1, 2))[:, ::step, ::side, :, ::d, ::e]  # (n, i, j, c, u, v)
        n, i, j, c, u, v = views.shape
        grouped = views.reshape(n, i, j, self.groups, c // self.groups, u, v).transpose(3, 0, 1, 2, 5, 6, 4)
        if c // self.groups == 1:  # a row of the plane is a longer run in memory than a row of the window
            columns = np.ascontiguousarray(grouped.transpose(0, 4, 5, 6, 1, 2, 3))
            return columns.reshape(self.groups, u * v, -1).swapaxes(-1, -2)
        return grouped.reshape(self.groups, n * i * j, -1)


def by_element(windows: Windows, W: Array, x: Images) -> Float[Array, "n i j out"]:
    """Y = Σ_{u v} x_uv W_uvᵀ, x_uv the element (u, v) of every window that has it within the input."""
    last, kernels = channels_last(x), np.ascontiguousarray(W.transpose(2, 3, 0, 1))
    y = np.zeros((len(x), *windows.plane(*x.shape[2:]), len(W)), x.dtype)
    for element in windows.elements(*x.shape[2:]):
        elements, into = last[:, *element.inputs], y[:, *element.outputs]
        into += (elements.reshape(-1, x.shape[1]) @ kernels[element.row, element.column].T).reshape(into.shape)
    return y


def kernel_gradient(windows: Windows, W: Array, x: Images, dy: Float[Array, "n out i j"]) -> Array:
    """dW_uv = dY_uvᵀ x_uv, over the windows that have the element (u, v) within the input; 0 where none has."""
    last, d_last = channels_last(x), channels_last(dy)
    dW = np.zeros((*W.shape[2:], *W.shape[:2]), x.dtype)
    for element in windows.elements(*x.shape[2:]):
        elements, d = last[:, *element.inputs], d_last[:, *element.outputs]
        np.matmul(d.reshape(-1, len(W)).T, elements.reshape(-1, x.shape[1]), out=dW[element.row, element.column])
    return dW.transpose(2, 3, 0, 1)


def input_gradient(windows: Windows, W: Array, dy: Float[Array, "n out i j"], shape: tuple[int, ...]) -> Images:
    """dx: an element of the input adds up dY W_uv of every window that saw it, group by group."""
    n, c, height, width = shape
    groups = c // W.shape[1]
    kernels = np.ascontiguousarray(W.reshape(groups, -1, *W.shape[1:]).transpose(3, 4, 0, 1, 2))
    d_last = channels_last(dy)
    dx = np.zeros((n, height, width, groups, W.shape[1]), dy.dtype)
    for element in windows.elements(height, width):
        d = d_last[:, *element.outputs]
        rows = d.reshape(-1, groups, len(W) // groups).swapaxes(0, 1)
        products = (rows @ kernels[element.row, element.column]).swapaxes(0, 1)
        dx[:, *element.inputs] += products.reshape(*d.shape[:3], groups, -1)
    return channels_first(dx.reshape(n, height, width, c))
