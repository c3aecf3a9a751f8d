"""Convolution as matrix products over windows."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.shapes import Float
from twofold.numpy_engine.windows import Windows, samples_first, samples_last

Images = Float[Array, "n c h w"]
Planes = Float[Array, "c h w n"]
Columns = Float[Array, "groups elements windows"]

MANY_CHANNELS = 128
"""Input channels from which on a product for each element of the kernel is as fast as one over whole windows."""
SMALL_PLANE = 64
"""Pixels of a plane up to which products are by element: the smaller the plane, the more of a window lies beyond it."""


class Unfolded(NamedTuple):
    """What the way back needs: the input's windows, or the input where it was not unfolded, and its shape."""

    X: Array
    shape: tuple[int, ...]


@final
class Conv2d:
    """y[n, o, i, j] = b[o] + Σ_{c u v} W[o, c, u, v] x[n, c, i s + u d − p, j s + v d − p]. `torch.nn.Conv2d`.

    Cross-correlation: the kernel is not turned round. With X the input unfolded, one column a window, zeros where the
    window reaches beyond the input, and W written as a matrix, each group is a dense layer over windows
    (L windows, k elements of a window = channels of the group · kernel height · kernel width):

        forward     Y  = W X + b           (out, k) · (k, L) + (out)   → (out, L)
        backward    dW = dY Xᵀ             (out, L) · (L, k)           → (out, k)
                    db = dY 1 = Σ_L dY     (out, L) · (L)              → (out)
                    dx = Σ_{u v} W_uvᵀ dY  (c, out) · (out, L)         → (c, L),  each at its place in the input

    Where planes are small and channels many, X is not made: `by_element` and `kernel_gradient` then take one product
    for each element of the kernel, as `input_gradient` always does, over only those windows that have the element
    within the input.

    Chellapilla et al., High performance convolutional neural networks for document processing (2006).
    """

    def __init__(self, windows: Windows, groups: int = 1) -> None:
        self.windows = windows
        self.groups = groups

    def forward(self, params: Arrays, x: Images, mode: Mode) -> tuple[Float[Array, "n out i j"], Unfolded]:
        """Y = W X + b as images; the cache is X and the shape of x."""
        W, planes = params["weight"], np.ascontiguousarray(samples_last(x))
        if self._by_element(x.shape):
            X, y = planes, by_element(self.windows, W, planes)
        else:
            X = unfolded(self.windows, planes, self.groups)
            y = W.reshape(self.groups, len(W) // self.groups, -1) @ X
        y = y.reshape(len(W), *self.windows.plane(*x.shape[2:]), len(x))
        if "bias" in params:
            y += params["bias"][:, None, None, None]
        return samples_first(y), Unfolded(X, x.shape)

    def backward(
        self, params: Arrays, cache: Unfolded, dy: Float[Array, "n out i j"], wants_dx: bool = True
    ) -> tuple[Images | None, dict[str, Array]]:
        """dW = dY Xᵀ, db = Σ dY, and dx, to which every element of the kernel adds W_uvᵀ dY."""
        W, planes = params["weight"], np.ascontiguousarray(samples_last(dy))
        rows = planes.reshape(len(W), -1)
        grads = {"bias": rows @ np.ones(rows.shape[1], rows.dtype)} if "bias" in params else {}
        if self._by_element(cache.shape):
            dW = kernel_gradient(self.windows, W, cache.X, planes)
        else:
            dW = rows.reshape(self.groups, len(W) // self.groups, -1) @ cache.X.swapaxes(-1, -2)
        grads["weight"] = dW.reshape(W.shape)
        if not wants_dx:
            return None, grads
        return samples_first(input_gradient(self.windows, W, planes, cache.shape[1:])), grads

    def _by_element(self, shape: tuple[int, ...]) -> bool:
        """Whether to take a product for each element of the kernel, instead of one over whole windows."""
        return self.groups == 1 and shape[1] >= MANY_CHANNELS and shape[2] * shape[3] <= SMALL_PLANE


def unfolded(windows: Windows, planes: Planes, groups: int) -> Columns:
    """X: each window as a column, element after element; 0 where it reaches beyond the input."""
    c, height, width, n = planes.shape
    shape = (c, *windows.kernel, *windows.plane(height, width), n)
    X = np.zeros(shape, planes.dtype) if any(windows.padding) else np.empty(shape, planes.dtype)
    for element in windows.elements(height, width):
        X[:, element.row, element.column][:, *element.outputs] = planes[:, *element.inputs]
    return X.reshape(groups, c // groups * windows.kernel[0] * windows.kernel[1], -1)


def by_element(windows: Windows, W: Array, planes: Planes) -> Float[Array, "out i j n"]:
    """Y = Σ_{u v} W_uv x_uv, x_uv the element (u, v) of every window that has it within the input."""
    c, height, width, n = planes.shape
    kernels = np.ascontiguousarray(W.transpose(2, 3, 0, 1))
    y = np.zeros((len(W), *windows.plane(height, width), n), planes.dtype)
    for element in windows.elements(height, width):
        x, into = planes[:, *element.inputs], y[:, *element.outputs]
        into += (kernels[element.row, element.column] @ x.reshape(c, -1)).reshape(into.shape)
    return y


def kernel_gradient(windows: Windows, W: Array, planes: Planes, dy: Float[Array, "out i j n"]) -> Array:
    """dW_uv = dY_uv x_uvᵀ, over the windows that have the element (u, v) within the input; 0 where none has."""
    dW = np.zeros((*W.shape[2:], *W.shape[:2]), planes.dtype)
    for element in windows.elements(*planes.shape[1:3]):
        x, d = planes[:, *element.inputs], dy[:, *element.outputs]
        np.matmul(d.reshape(len(d), -1), x.reshape(len(x), -1).T, out=dW[element.row, element.column])
    return dW.transpose(2, 3, 0, 1)


def input_gradient(windows: Windows, W: Array, dy: Float[Array, "out i j n"], shape: tuple[int, ...]) -> Planes:
    """dx = Σ_{u v} W_uvᵀ dY_uv, each over the windows that have the element (u, v) within the input, group by group."""
    c, height, width = shape
    groups = c // W.shape[1]
    kernels = np.ascontiguousarray(W.reshape(groups, -1, *W.shape[1:]).transpose(3, 4, 0, 1, 2))
    dx = np.zeros((c, height, width, dy.shape[-1]), dy.dtype)
    for element in windows.elements(height, width):
        d, K = dy[:, *element.outputs], kernels[element.row, element.column]
        rows = d.reshape(groups, len(W) // groups, -1)
        dx[:, *element.inputs] += (K.swapaxes(-1, -2) @ rows).reshape(c, *d.shape[1:])
    return dx
