"""Accounts of pooling: the winner of each window, or its mean."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.numpy_engine.layer import TRAINING
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.pool import Chosen
from twofold.numpy_engine.windows import Windows
from twofold.probe.microscope.account import Account, Axis, Explanation, Factor, Summand, along, axes_of, places
from twofold.probe.microscope.subject import Explainers, Subject
from twofold.probe.microscope.windows import Window, seeing, seen
from twofold.recipe.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d

IMAGE = ("n", "c", "r", "q")


def max_pool2d(subject: Subject, spec: MaxPool2d) -> Explanation:
    """Accounts of max pooling: the winner of a window gets all of its dy; the first of equals wins."""
    u, v = _window_axes(spec.window)
    ways, above = axes_of(("n", "c", "i", "j"), subject.y.shape), places(("n", "c"))
    x = Factor("x", "x", (*above, *seen(spec.window)))
    dy = Factor("dy", "dy", (*above, *seeing(spec.window)))
    won = Factor("it won", "winner", dy.index, equals=along(u=v.size, v=1))
    accounts = (
        Account("y", "y[n, c, i, j] = the largest x of the window", ways, subject.y.shape,
                (Summand((x,), (u, v)),), "y", largest=True),
        Account("dx", "dx[n, c, r, q] = Σ(u, v) dy of the windows over (r, q) that it won",
                axes_of(IMAGE, subject.x.shape), subject.x.shape, (Summand((won, dy), (u, v)),), "dx"),
    )  # fmt: skip
    return Explanation(accounts, {"winner": winners(subject.x, spec)})


def winners(x: Array, spec: MaxPool2d) -> Array:
    """The place of each window's first largest number, u · width + v: the NumPy layer's own choice."""
    _, chosen = build_layer(spec).forward({}, x, TRAINING)
    assert isinstance(chosen, Chosen)
    width = spec.window[0][1]
    # The layer counts only those places of the window that ever lie within the input.
    elements = Windows(*spec.window, ceil_mode=spec.ceil_mode).elements(*x.shape[2:])
    return np.array([element.row * width + element.column for element in elements], np.float64)[chosen.number]


def avg_pool2d(subject: Subject, spec: AvgPool2d) -> Explanation:
    """Accounts of average pooling: each number of a window has the same weight, and gets the same share of dy."""
    u, v = _window_axes(spec.window)
    above = places(("n", "c"))
    x = Factor("x", "x", (*above, *seen(spec.window)))
    dy = Factor("dy", "dy", (*above, *seeing(spec.window)))
    accounts = (
        Account("y", "y[n, c, i, j] = Σ(u, v) x / count of the window", axes_of(("n", "c", "i", "j"), subject.y.shape),
                subject.y.shape, (Summand((x, Factor("1 / count", "1 / count", places(("i", "j")))), (u, v)),), "y"),
        Account("dx", "dx[n, c, r, q] = Σ(u, v) dy / count of the windows over (r, q)", axes_of(IMAGE, subject.x.shape),
                subject.x.shape,
                (Summand((dy, Factor("1 / count", "1 / count", seeing(spec.window))), (u, v)),), "dx"),
    )  # fmt: skip
    return Explanation(accounts, {"1 / count": 1 / _counts(subject, spec)})


def _counts(subject: Subject, spec: AvgPool2d) -> Array:
    """The count that the sum of each window is divided by, (rows, columns)."""
    kernel, stride, padding, _ = spec.window
    if spec.count_include_pad:
        return np.full(subject.y.shape[2:], float(kernel[0] * kernel[1]))
    sides = [
        np.array([
            len([place for place in range(kernel[axis]) if 0 <= k * stride[axis] + place - padding[axis] < size])
            for k in range(subject.y.shape[2 + axis])
        ], np.float64)
        for axis, size in enumerate(subject.x.shape[2:])
    ]  # fmt: skip
    return np.outer(*sides)


def global_avg_pool2d(subject: Subject, spec: GlobalAvgPool2d) -> Explanation:
    """Accounts of global average pooling: the mean of each plane."""
    n, c, r, q = axes_of(IMAGE, subject.x.shape)
    share = 1 / (r.size * q.size)
    accounts = (
        Account("y", "y[n, c] = Σ(r, q) x[n, c, r, q] / (h w)", (n, c), subject.y.shape,
                (Summand((Factor("x", "x", places((n, c, r, q))),), (r, q), share),), "y"),
        Account("dx", "dx[n, c, r, q] = dy[n, c] / (h w)", (n, c, r, q), subject.x.shape,
                (Summand((Factor("dy", "dy", places((n, c))),), (), share),), "dx"),
    )  # fmt: skip
    return Explanation(accounts, {})


def _window_axes(window: Window) -> tuple[Axis, Axis]:
    return Axis("u", window[0][0]), Axis("v", window[0][1])


EXPLAINED: Explainers = {
    MaxPool2d: max_pool2d,
    AvgPool2d: avg_pool2d,
    GlobalAvgPool2d: global_avg_pool2d,
}
