"""Layers bound to memory: each computes what the plain layer computes, to the last bit, into arrays made once.

This pays for small batches, where making an array costs as much as filling it, and looking a parameter up as much as
adding it. The mathematics is best read in the plain layers; a test holds each bound layer to the bits of its layer.
`bound` is given the first batch: the arrays take their shapes and types from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.numpy_engine.activations import Relu, Sigmoid, Tanh
from twofold.numpy_engine.dense import Dense
from twofold.numpy_engine.layer import AnyLayer

Forward = Callable[[Array], Array]
"""From x to y, which lies in the same memory at every call."""
Backward = Callable[[Array], Array | None]
"""From ∂L/∂y to ∂L/∂x, or `None` where nobody wants that; gradients of parameters are written to `Place.grads`."""


class Place(NamedTuple):
    """A layer's parameters, the memory of their gradients, and whether its ∂L/∂x is wanted."""

    params: Arrays
    grads: Arrays
    """The memory of the parameters' gradients, by name."""
    wants_dx: bool


class Bound(NamedTuple):
    """A layer's pass forward and its pass back, each as a function of one array."""

    forward: Forward
    backward: Backward


def bound(layer: AnyLayer, place: Place, x: Array) -> Bound | None:
    """The layer bound to memory for batches like x; `None` if it has no bound form and makes its arrays anew."""
    if isinstance(layer, Dense):
        return _dense(place, x) if x.ndim == place.params["weight"].ndim else None
    bind = ACTIVATIONS.get(type(layer))
    return None if bind is None else bind(x)


def _dense(place: Place, x: Array) -> Bound:
    W, b = place.params["weight"], place.params.get("bias")
    WT, ones = W.swapaxes(-1, -2), np.ones(x.shape[-2], x.dtype)
    yT = np.empty((*W.shape[:-1], x.shape[-2]), x.dtype)
    y, column = yT.swapaxes(-1, -2), None if b is None else b[..., None]
    dxT = np.empty((*WT.shape[:-1], x.shape[-2]), x.dtype) if place.wants_dx else None
    dx = None if dxT is None else dxT.swapaxes(-1, -2)
    dW, db = place.grads["weight"], place.grads.get("bias")
    matmul, add, inputs = np.matmul, np.add, x

    def forward(x: Array) -> Array:
        nonlocal inputs
        inputs = x
        matmul(W, x.swapaxes(-1, -2), out=yT)
        if column is not None:
            add(yT, column, out=yT)
        return y

    def backward(dy: Array) -> Array | None:
        dyT = dy.swapaxes(-1, -2)
        matmul(dyT, inputs, out=dW)
        if db is not None:
            matmul(dyT, ones, out=db)
        if dxT is not None:
            matmul(WT, dyT, out=dxT)
        return dx

    return Bound(forward, backward)


def _relu(x: Array) -> Bound:
    y, on, zero = np.empty_like(x), np.empty_like(x, dtype=bool), np.zeros((), x.dtype)
    maximum, greater, multiply = np.maximum, np.greater, np.multiply
    dx: Array | None = None  # made by the first product, which chooses the order of its axes in memory

    def forward(x: Array) -> Array:
        return maximum(x, zero, out=y)

    def backward(dy: Array) -> Array:
        nonlocal dx
        dx = multiply(dy, greater(y, zero, out=on), out=dx)
        return dx

    return Bound(forward, backward)


def _sigmoid(x: Array) -> Bound:
    y, slope = np.empty_like(x), np.empty_like(x)
    half, one = np.full((), 0.5, x.dtype), np.ones((), x.dtype)
    multiply, add, subtract, tanh = np.multiply, np.add, np.subtract, np.tanh
    dx: Array | None = None

    def forward(x: Array) -> Array:
        tanh(multiply(x, half, out=y), out=y)
        return add(multiply(y, half, out=y), half, out=y)

    def backward(dy: Array) -> Array:
        nonlocal dx
        dx = multiply(dy, y, out=dx)
        return multiply(dx, subtract(one, y, out=slope), out=dx)

    return Bound(forward, backward)


def _tanh(x: Array) -> Bound:
    y, slope, one = np.empty_like(x), np.empty_like(x), np.ones((), x.dtype)
    multiply, subtract, tanh = np.multiply, np.subtract, np.tanh
    dx: Array | None = None

    def forward(x: Array) -> Array:
        return tanh(x, out=y)

    def backward(dy: Array) -> Array:
        nonlocal dx
        dx = multiply(dy, subtract(one, multiply(y, y, out=slope), out=slope), out=dx)
        return dx

    return Bound(forward, backward)


ACTIVATIONS: Mapping[type, Callable[[Array], Bound]] = {Relu: _relu, Sigmoid: _sigmoid, Tanh: _tanh}
