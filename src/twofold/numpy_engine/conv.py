"""Convolution as one matrix product a group."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.layer import Mode
from twofold.numpy_engine.windows import Windows, channels_first, channels_last

Images = Float[Array, "n c h w"]


class Unfolded(NamedTuple):
    """What the way back needs: the input's columns, and its shape."""

    columns: Float[Array, "groups windows elements"]
    shape: tuple[int, ...]


@final
class Conv2d:
    """y[n, o, i, j] = b[o] + Σ_{c u v} W[o, c, u, v] x[n, c, i s + u d − p, j s + v d − p]. `torch.nn.Conv2d`.

    Cross-correlation: the kernel is not turned round. With X the input unfolded, one row a window, zeros where the
    window reaches beyond the input, and W written as a matrix, each group is a dense layer over windows
    (L windows, k elements of a window = channels of the group · kernel height · kernel width):

        forward     Y  = X Wᵀ + b          (L, k) · (k, out) + (out)  → (L, out)
        backward    dW = dYᵀ X             (out, L) · (L, k)          → (out, k)
                    db = Σ_L dY            (L, out)                   → (out)
                    dX = dY W              (L, out) · (out, k)        → (L, k),  folded back by adding

    Chellapilla et al., High performance convolutional neural networks for document processing (2006).
    """

    def __init__(self, windows: Windows, groups: int = 1) -> None:
        self.windows = windows
        self.groups = groups

    def forward(self, params: Arrays, x: Images, mode: Mode) -> tuple[Float[Array, "n out i j"], Unfolded]:
        """X Wᵀ + b."""
        X = self._unfold(x)
        Y = X @ self._matrix(params["weight"]).swapaxes(-1, -2)
        n, rows, columns = len(x), *self.windows.plane(*x.shape[2:])
        y = Y[0] if self.groups == 1 else Y.transpose(1, 0, 2).reshape(Y.shape[1], -1)
        if "bias" in params:
            y += params["bias"]
        return channels_first(y.reshape(n, rows, columns, -1)), Unfolded(X, x.shape)

    def backward(
        self, params: Arrays, cache: Unfolded, dy: Float[Array, "n out i j"], wants_dx: bool = True
    ) -> tuple[Images | None, dict[str, Array]]:
        """dYᵀ X, Σ dY, and dY W folded back."""
        W, X = params["weight"], cache.columns
        dy_rows = channels_last(dy).reshape(-1, len(W))
        dY = dy_rows.reshape(len(dy_rows), self.groups, -1).swapaxes(0, 1)
        dW = dY.swapaxes(-1, -2) @ X
        out, channels, height, width = W.shape
        grads = {"weight": dW.reshape(out, height, width, channels).transpose(0, 3, 1, 2)}
        if "bias" in params:
            grads["bias"] = np.add.reduce(dy_rows, axis=0)
        return (self._fold(dY @ self._matrix(W), cache.shape) if wants_dx else None), grads

    def _matrix(self, W: Float[Array, "out c u v"]) -> Float[Array, "groups out_of_group elements"]:
        """Each kernel as a row, its channels innermost like those of the columns."""
        return channels_last(W).reshape(self.groups, len(W) // self.groups, -1)

    def _unfold(self, x: Images) -> Float[Array, "groups windows elements"]:
        """Each window as a row: (groups, n · rows · columns, kernel height · kernel width · channels of the group)."""
        n, c, height, width = x.shape
        plane, kernel, groups = self.windows.plane(height, width), self.windows.kernel, self.groups
        make = np.zeros if any(self.windows.padding) else np.empty
        X = make((groups, n, *plane, *kernel, c // groups), x.dtype)
        grouped = channels_last(x).reshape(n, height, width, groups, c // groups).transpose(3, 0, 1, 2, 4)
        for element in self.windows.elements(height, width):
            rows, columns = element.outputs
            X[:, :, rows, columns, element.row, element.column] = grouped[:, :, *element.inputs]
        return X.reshape(groups, n * plane[0] * plane[1], -1)

    def _fold(self, dX: Float[Array, "groups windows elements"], shape: tuple[int, ...]) -> Images:
        """The way back of `_unfold`: an element of the input adds up what every window that saw it wants of it."""
        n, c, height, width = shape
        plane, kernel, groups = self.windows.plane(height, width), self.windows.kernel, self.groups
        unfolded = dX.reshape(groups, n, *plane, *kernel, c // groups)
        dx = np.zeros((n, height, width, groups, c // groups), dX.dtype)
        grouped = dx.transpose(3, 0, 1, 2, 4)
        for element in self.windows.elements(height, width):
            rows, columns = element.outputs
            grouped[:, :, *element.inputs] += unfolded[:, :, rows, columns, element.row, element.column]
        return channels_first(dx.reshape(n, height, width, c))
