"""Convolution as matrix products over windows."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.windows import Windows, channels_first, channels_last

Images = Float[Array, "n c h w"]


class Unfolded(NamedTuple):
    """What the way back needs: the input's windows, and its shape."""

    X: Float[Array, "groups windows elements"]
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

    Chellapilla et al., High performance convolutional neural networks for document processing (2006).
    """

    def __init__(self, windows: Windows, groups: int = 1) -> None:
        self.windows = windows
        self.groups = groups

    def forward(self, params: Arrays, x: Images, mode: Mode) -> tuple[Float[Array, "n out i j"], Unfolded]:
        """X Wᵀ + b."""
        X = self._unfold(x)
        Y = X @ self._matrix(params["weight"]).swapaxes(-1, -2)
        y = Y[0] if self.groups == 1 else Y.transpose(1, 0, 2).reshape(Y.shape[1], -1)
        if "bias" in params:
            y += params["bias"]
        return channels_first(y.reshape(len(x), *self.windows.plane(*x.shape[2:]), -1)), Unfolded(X, x.shape)

    def backward(
        self, params: Arrays, cache: Unfolded, dy: Float[Array, "n out i j"], wants_dx: bool = True
    ) -> tuple[Images | None, dict[str, Array]]:
        """dYᵀ X, Σ dY, and Σ dY W_uv."""
        W, rows = params["weight"], channels_last(dy).reshape(-1, dy.shape[1])
        out, channels, height, width = W.shape
        dY = rows.reshape(len(rows), self.groups, -1).swapaxes(0, 1)
        dW = dY.swapaxes(-1, -2) @ cache.X
        grads = {"weight": dW.reshape(out, height, width, channels).transpose(0, 3, 1, 2)}
        if "bias" in params:
            grads["bias"] = np.add.reduce(rows, axis=0)
        return (self._input_gradient(W, dY, cache.shape) if wants_dx else None), grads

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
        grouped = views.reshape(n, i, j, self.groups, c // self.groups, u, v)
        return grouped.transpose(3, 0, 1, 2, 5, 6, 4).reshape(self.groups, n * i * j, -1)

    def _input_gradient(
        self,
        W: Float[Array, "out group_channels u v"],
        dY: Float[Array, "groups windows out_of_group"],
        shape: tuple[int, ...],
    ) -> Images:
        """An element of the input adds up what every window that saw it wants of it."""
        n, c, height, width = shape
        kernels = W.reshape(self.groups, -1, *W.shape[1:])
        dx = np.zeros((n, height, width, self.groups, c // self.groups), dY.dtype)
        for element in self.windows.elements(height, width):
            d = dY @ kernels[..., element.row, element.column]
            windows = d.reshape(self.groups, n, *self.windows.plane(height, width), -1).transpose(1, 2, 3, 0, 4)
            dx[:, *element.inputs] += windows[:, *element.outputs]
        return channels_first(dx.reshape(n, height, width, c))
