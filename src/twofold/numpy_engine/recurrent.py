"""Recurrent layers: one loop over time for every cell, and back-propagation through time by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import ThroughTime
from twofold.numpy_engine.cells import Cell, Gru, Lstm, Vanilla, Way
from twofold.numpy_engine.layer import Builders, Mode
from twofold.numpy_engine.shapes import Float
from twofold.recipe import recurrent as kinds

Output: TypeAlias = Literal["last", "mean", "every"]
Sequences = Float[Array, "*n steps inputs"]
Hidden = Float[Array, "*n h"]


class Unrolled(NamedTuple):
    """What a pass through time leaves for the way back. In `h` and `there` time is the first axis."""

    x: Array
    h: Array
    """h(0), h(1), ..., h(T)."""
    record: object
    """What the cell records of all steps."""
    there: Array | None = None
    """Whether each sequence has a step t, (T, *n, 1); `None` if all have every step."""


@final
class Recurrent:
    """h(t) = cell(W_ih x(t) + b_ih, W_hh h(t−1) + b_hh), h(0) = 0, for t = 1 ... T; W is (gates · h, ...).

    Each gate has h rows of its own in both W, and products of its own; Σ is the sum over the gates:

        forward     A = X W_ihᵀ + b_ih of all steps at once       (T n, in) · (in, h)   → (T n, h)
                    c = h(t−1) W_hhᵀ + b_hh step by step          (n, h) · (h, h)       → (n, h)
        backward    dh(t−1) = Σ dc(t) W_hh + what avoids W_hh     (n, h) · (h, h)       → (n, h)
                    dW_hh = Σ_t dc(t)ᵀ h(t−1), as one product     (h, T n) · (T n, h)   → (h, h)
                    dW_ih = Σ_t da(t)ᵀ x(t), dx = Σ dA W_ih       as in a dense layer

    After its ℓ < T steps a sequence keeps its state: h(t) = h(ℓ) for t > ℓ, and ∂L/∂h(t) passes unchanged to h(t−1).
    The output y is h(T), or (1/ℓ) Σ h(t) over t ≤ ℓ, or every h(t), with 0 for t > ℓ.

    Only what depends on the step before is in the loop. The code works over leading axes: with W
    (replicas, gates · h, in) one pass serves a stack of networks.
    Werbos, Backpropagation through time: what it does and how to do it (1990).
    """

    def __init__(self, cell: Cell[Any], output: Output) -> None:
        self.cell = cell
        self.output = output

    def forward(self, params: Arrays, x: Sequences, mode: Mode) -> tuple[Array, Unrolled]:
        """y is the last h, the mean of h over the steps, or h of every step, as `output` says."""
        lead = params["weight_hh"].ndim - 2
        W = np.ascontiguousarray(_by_gate(params["weight_hh"], self.cell.gates).swapaxes(-1, -2))  # read at every step
        steps = x.shape[-2]
        a = _input_part(params, x, self.cell.gates, self.cell.apart)
        h = np.empty((steps + 1, *x.shape[:-2], W.shape[-2]), x.dtype)
        h[0] = 0
        c = np.zeros_like(a[:, 0])  # h(0) is 0
        there = None if mode.lengths is None else _has_step(mode.lengths, steps)
        record = self.cell.begin(a, h)
        for t in range(steps):
            if t:
                np.matmul(h[t], W, out=c)
            if self.cell.apart and "bias_hh" in params:
                c += _rows_of(params["bias_hh"], self.cell.gates)
            self.cell.forward(record, t, a[:, t], c)
            if there is not None:
                for state in self.cell.carried(record):
                    np.copyto(state[t + 1], state[t], where=~there[t])
        unrolled = Unrolled(x, h, record, there)
        if self.output == "last":
            return h[-1], unrolled
        states = h[1:] if there is None else h[1:] * there
        if self.output == "every":
            return np.moveaxis(states, 0, lead + 1), unrolled
        return np.add.reduce(states, axis=0) / _counts(there, steps), unrolled

    def backward(
        self, params: Arrays, cache: Unrolled, dy: Array, wants_dx: bool = True
    ) -> tuple[Sequences | None, dict[str, Array]]:
        """Step by step back through time, then one product for each weight."""
        lead = params["weight_ih"].ndim - 2
        da, dc = self._back(params, cache, dy)[1:]
        x, rows = _rows(np.moveaxis(cache.x, -2, 0), lead), _rows(da, lead)
        grads = {
            "weight_ih": _by_rows(rows.swapaxes(-1, -2) @ x),
            "weight_hh": _by_rows(_rows(dc[:, 1:], lead).swapaxes(-1, -2) @ _rows(cache.h[1:-1], lead)),  # h(0) is 0
        }
        if "bias_ih" in params:
            ones = np.ones((rows.shape[-2], 1), rows.dtype)  # a product sums faster than `sum`
            grads["bias_ih"] = _by_rows(rows.swapaxes(-1, -2) @ ones)[..., 0]
            grads["bias_hh"] = grads["bias_ih"]
            if self.cell.apart:
                grads["bias_hh"] = _by_rows(_rows(dc, lead).swapaxes(-1, -2) @ ones)[..., 0]
        if not wants_dx:
            return None, grads
        W = _by_gate(params["weight_ih"], self.cell.gates)
        dx = rows[0] @ W[0]
        for gate in range(1, self.cell.gates):  # one product at a time: all at once would take as much memory as da
            dx += rows[gate] @ W[gate]
        return dx.reshape(*dx.shape[:-2], len(cache.h) - 1, -1, dx.shape[-1]).swapaxes(-2, -3), grads

    def through_time(self, params: Arrays, cache: Unrolled, dy: Array) -> ThroughTime:
        """h(t) and ∂L/∂h(t) of every step, on all paths to the loss."""
        dh, _, _ = self._back(params, cache, dy)
        return ThroughTime(cache.h[1:], dh)

    def gates(self, cache: Unrolled) -> dict[str, Array]:
        """The value of each gate at every step, (T, n, h), by the gate's letter."""
        return self.cell.values(cache.record)

    def _back(self, params: Arrays, cache: Unrolled, dy: Array) -> tuple[Array, Array, Array]:
        """∂L/∂h(t), ∂L/∂a(t) and ∂L/∂c(t) for t = 1 ... T."""
        W, cell = _by_gate(params["weight_hh"], self.cell.gates), self.cell
        dh, there = np.empty_like(cache.h[1:]), cache.there
        steps = len(dh)
        dys = None if self.output == "last" else self._arriving(dy, there, steps)
        dh[-1] = dy if dys is None else dys[-1]
        slopes, dmemory = cell.slopes(cache.record), None
        for t in range(steps - 1, -1, -1):
            if there is None:
                way = cell.backward(cache.record, slopes, t, dh[t], dmemory)
            else:
                way = _held(there[t], dh[t], dmemory, partial(cell.backward, cache.record, slopes, t))
            dmemory = way.memory
            if t == 0:
                break
            _summed(slopes.dc[:, t], W, dh[t - 1])
            if way.direct is not None:
                dh[t - 1] += way.direct
            if dys is not None:
                dh[t - 1] += dys[t - 1]
        return dh, slopes.da, slopes.dc

    def _arriving(self, dy: Array, there: Array | None, steps: int) -> Array:
        """The part of ∂L/∂h(t) that comes directly from y, (T, *n, h), if y is the mean or every h(t)."""
        if self.output == "every":
            dys = np.moveaxis(dy, -2, 0)
        else:
            share = dy / _counts(there, steps)
            dys = np.broadcast_to(share, (steps, *share.shape))
        return dys if there is None else dys * there


def _has_step(lengths: Array, steps: int) -> Array:
    """Whether each sequence has a step t, (T, *n, 1)."""
    return (np.arange(steps).reshape(-1, *(1,) * lengths.ndim) < lengths)[..., None]


def _counts(there: Array | None, steps: int) -> Array | int:
    """The number of steps of each sequence, (*n, 1), or T if all have every step."""
    return steps if there is None else there.sum(axis=0)


def _held(there: Array, dh: Array, dmemory: Array | None, back: Callable[[Array, Array | None], Way]) -> Way:
    """One step back where some sequences have ended: for those the gradient goes past the cell, unchanged.

    A cell's way back is linear in ∂L/∂h and ∂L/∂memory, so that it gives 0 for 0.
    """
    way = back(dh * there, None if dmemory is None else dmemory * there)
    past = dh * ~there
    memory = way.memory if dmemory is None or way.memory is None else way.memory + dmemory * ~there
    return Way(past if way.direct is None else way.direct + past, memory)


def _input_part(params: Arrays, x: Sequences, gates: int, apart: bool) -> Array:
    """W_ih x + b_ih of every step, (gates, T, *n, h), in one product: the bias is the weight of an input that is 1.

    b_hh is added here, too, unless the cell is `apart`: other cells add a and c anyway.
    """
    W, x = params["weight_ih"], np.moveaxis(x, -2, 0)
    if "bias_ih" in params:
        bias = params["bias_ih"] if apart else params["bias_ih"] + params["bias_hh"]
        W = np.concatenate([W, bias[..., None]], axis=-1)
        x = np.concatenate([x, np.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)
    rows = _by_gate(W, gates).swapaxes(-1, -2)
    if W.ndim > 2:
        return x @ rows[:, None]
    return (x.reshape(-1, x.shape[-1]) @ rows).reshape(gates, *x.shape[:-1], -1)


def _by_gate(weight: Array, gates: int) -> Array:
    """(*replicas, gates · h, k) → (gates, *replicas, h, k), a view."""
    return np.moveaxis(weight.reshape(*weight.shape[:-2], gates, -1, weight.shape[-1]), -3, 0)


def _rows_of(bias: Array, gates: int) -> Array:
    """(*replicas, gates · h) → (gates, *replicas, 1, h), a view."""
    return _by_gate(bias[..., None], gates).swapaxes(-1, -2)


def _by_rows(weight: Array) -> Array:
    """(gates, *replicas, h, k) → (*replicas, gates · h, k)."""
    moved = np.moveaxis(weight, 0, -3)
    return moved.reshape(*moved.shape[:-3], -1, moved.shape[-1])


def _summed(a: Array, W: Array, out: Array | None = None) -> Array:
    """Σ a W over the gates, which stand first."""
    if len(a) == 1:
        return np.matmul(a[0], W[0], out=out)
    return np.add.reduce(a @ W, axis=0, out=out)


def _rows(a: Array, lead: int) -> Array:
    """(..., T, *replicas, n, k) → (..., *replicas, T n, k): without replicas a view."""
    first = a.ndim - 3 - lead
    moved = np.moveaxis(a, first, first + lead)
    return moved.reshape(*moved.shape[:-3], -1, a.shape[-1])


RECURRENT: Builders = {
    kinds.Rnn: lambda spec: Recurrent(Vanilla(spec.nonlinearity), spec.output),
    kinds.Lstm: lambda spec: Recurrent(Lstm(), spec.output),
    kinds.Gru: lambda spec: Recurrent(Gru(), spec.output),
}
