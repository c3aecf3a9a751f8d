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
    """A pass through time; in all arrays but x time stands first."""

    x: Array
    h: Array
    """h(0), h(1), ..., h(T)."""
    caches: list[Any]
    """What the cell keeps of each step."""
    there: Array | None = None
    """Which sequences have a step t, (T, *n, 1), where some are shorter than others."""


@final
class Recurrent:
    """h(t) = cell(W_ih x(t) + b_ih, W_hh h(t−1) + b_hh), h(0) = 0, for t = 1 ... T; W is (gates · h, ...).

        forward     A = X W_ihᵀ + b_ih of all steps at once       (T n, in) · (in, gates · h)   → (T n, gates · h)
                    c = h(t−1) W_hhᵀ + b_hh step by step          (n, h) · (h, gates · h)       → (n, gates · h)
        backward    dh(t−1) = dc(t) W_hh + what passes it by      (n, gates · h) · (gates · h, h) → (n, h)
                    dW_hh = Σ_t dc(t)ᵀ h(t−1), as one product     (gates · h, T n) · (T n, h)   → (gates · h, h)
                    dW_ih = Σ_t da(t)ᵀ x(t), dx = dA W_ih         as of a dense layer

    A sequence of ℓ < T steps stays where it is after them: h(t) = h(ℓ) for t > ℓ, and what comes back to h(t) goes on
    to h(t−1). What is read is h(T), or y = (1/ℓ) Σ h(t) over t ≤ ℓ, or every h(t), with 0 for t > ℓ.

    Only what a step must wait for stands in the loop. Written over leading axes: with W (replicas, gates · h, in) a
    stack of networks takes one pass. Werbos, Backpropagation through time: what it does and how to do it (1990).
    """

    def __init__(self, cell: Cell[Any], output: Output) -> None:
        self.cell = cell
        self.output = output

    def forward(self, params: Arrays, x: Sequences, mode: Mode) -> tuple[Array, Unrolled]:
        """h after the last step, the mean of all, or h after every one."""
        lead = params["weight_hh"].ndim - 2
        W = np.ascontiguousarray(params["weight_hh"].swapaxes(-1, -2))  # read at every step
        steps = x.shape[-2]
        a = _input_part(params, x, self.cell.apart)
        h = np.empty((steps + 1, *x.shape[:-2], W.shape[-2]), x.dtype)
        h[0] = 0
        there = None if mode.lengths is None else _there(mode.lengths, steps)
        memory, caches = None, list[object]()
        for t in range(steps):
            c = h[t] @ W if t else np.zeros((*h.shape[1:-1], W.shape[-1]), x.dtype)  # h(0) is 0
            if self.cell.apart and "bias_hh" in params:
                c += params["bias_hh"][..., None, :]
            after, cache = self.cell.forward(a[t], c, h[t], memory, h[t + 1])
            if there is not None:
                np.copyto(h[t + 1], h[t], where=~there[t])
                after = None if after is None else np.where(there[t], after, 0 if memory is None else memory)
            memory = after
            caches.append(cache)
        if self.output == "last":
            return h[-1], Unrolled(x, h, caches, there)
        states = h[1:] if there is None else h[1:] * there
        if self.output == "every":
            return np.moveaxis(states, 0, lead + 1), Unrolled(x, h, caches, there)
        return np.add.reduce(states, axis=0) / _counts(there, steps), Unrolled(x, h, caches, there)

    def backward(
        self, params: Arrays, cache: Unrolled, dy: Array, wants_dx: bool = True
    ) -> tuple[Sequences | None, dict[str, Array]]:
        """Step by step back through time, then one product for each weight."""
        _, da, dc = self._back(params, cache, dy)
        W, lead = params["weight_ih"], params["weight_ih"].ndim - 2
        x = np.moveaxis(cache.x, -2, 0)
        rows = _rows(da, lead)
        grads = {
            "weight_ih": rows.swapaxes(-1, -2) @ _rows(x, lead),
            "weight_hh": _rows(dc[1:], lead).swapaxes(-1, -2) @ _rows(cache.h[1:-1], lead),  # h(0) is 0
        }
        if "bias_ih" in params:
            grads["bias_ih"] = np.add.reduce(rows, axis=-2)
            grads["bias_hh"] = np.add.reduce(_rows(dc, lead), axis=-2) if self.cell.apart else grads["bias_ih"]
        return (np.moveaxis(da @ W, 0, -2) if wants_dx else None), grads

    def through_time(self, params: Arrays, cache: Unrolled, dy: Array) -> ThroughTime:
        """h(t) and ∂L/∂h(t) of every step, on all paths to the loss."""
        dh, _, _ = self._back(params, cache, dy)
        return ThroughTime(cache.h[1:], dh)

    def gates(self, cache: Unrolled) -> dict[str, Array]:
        """What each gate gave at every step, (T, n, h), by its letter."""
        return self.cell.values(cache.h[1:], cache.caches)

    def _back(self, params: Arrays, cache: Unrolled, dy: Array) -> tuple[Array, Array, Array]:
        """∂L/∂h(t), ∂L/∂a(t) and ∂L/∂c(t) for t = 1 ... T."""
        W, cell = params["weight_hh"], self.cell
        steps = len(cache.caches)
        dh = np.empty_like(cache.h[1:])
        da = np.empty((*dh.shape[:-1], W.shape[-2]), dh.dtype)
        dc = np.empty_like(da) if cell.apart else da
        there = cache.there
        dys = None if self.output == "last" else self._arriving(dy, there, steps)
        dh[-1] = dy if dys is None else dys[-1]
        cell.slopes(cache.h[1:], da)
        dmemory = None
        for t in range(steps - 1, -1, -1):
            if there is None:
                way = cell.backward(cache.caches[t], dh[t], dmemory, da[t], dc[t])
            else:
                way = _held(there[t], dh[t], dmemory, partial(cell.backward, cache.caches[t], da=da[t], dc=dc[t]))
            dmemory = way.memory
            if t == 0:
                break
            np.matmul(dc[t], W, out=dh[t - 1])
            if way.direct is not None:
                dh[t - 1] += way.direct
            if dys is not None:
                dh[t - 1] += dys[t - 1]
        return dh, da, dc

    def _arriving(self, dy: Array, there: Array | None, steps: int) -> Array:
        """What ∂L/∂y gives each h(t) directly, (T, *n, h), where not the last one alone is read."""
        if self.output == "every":
            dys = np.moveaxis(dy, -2, 0)
        else:
            share = dy / _counts(there, steps)
            dys = np.broadcast_to(share, (steps, *share.shape))
        return dys if there is None else dys * there


def _there(lengths: Array, steps: int) -> Array:
    """Which sequences have a step t, (T, *n, 1)."""
    return (np.arange(steps).reshape(-1, *(1,) * lengths.ndim) < lengths)[..., None]


def _counts(there: Array | None, steps: int) -> Array | int:
    """ℓ of each sequence, (*n, 1), or T of all."""
    return steps if there is None else there.sum(axis=0)


def _held(there: Array, dh: Array, dmemory: Array | None, back: Callable[[Array, Array | None], Way]) -> Way:
    """One step back where some sequences have none: to those the cell gives nothing, and what arrives passes by.

    A cell's way back is linear in ∂L/∂h and ∂L/∂memory, so that it gives 0 for 0.
    """
    way = back(dh * there, None if dmemory is None else dmemory * there)
    past = dh * ~there
    memory = way.memory if dmemory is None or way.memory is None else way.memory + dmemory * ~there
    return Way(past if way.direct is None else way.direct + past, memory)


def _input_part(params: Arrays, x: Sequences, apart: bool) -> Array:
    """a of every step, time first; b_hh is added here where a and c are added anyway."""
    W, lead = params["weight_ih"], params["weight_ih"].ndim - 2
    x = np.moveaxis(x, -2, 0)
    if x.shape[-1] == 1:
        a = x * W.swapaxes(-1, -2)  # the same product: no library is fast where there is nothing to add up
    elif lead:
        a = x @ W.swapaxes(-1, -2)
    else:
        a = (x.reshape(-1, x.shape[-1]) @ W.T).reshape(*x.shape[:-1], -1)
    if "bias_ih" in params:
        bias = params["bias_ih"] if apart else params["bias_ih"] + params["bias_hh"]
        a += bias[..., None, :]
    return a


def _rows(a: Array, lead: int) -> Array:
    """(T, *replicas, n, k) → (*replicas, T n, k): without replicas a view."""
    return np.moveaxis(a, 0, lead).reshape(*a.shape[1 : 1 + lead], -1, a.shape[-1])


RECURRENT: Builders = {
    kinds.Rnn: lambda spec: Recurrent(Vanilla(spec.nonlinearity), spec.output),
    kinds.Lstm: lambda spec: Recurrent(Lstm(), spec.output),
    kinds.Gru: lambda spec: Recurrent(Gru(), spec.output),
}
