"""The cells of recurrent layers: one step of time, forward and back. The loop over time stands in `recurrent.py`.

A step is given a = W_ih x(t) + b_ih and c = W_hh h(t−1) + b_hh, (..., n, gates · h), which it may overwrite, and writes
h(t). On the way back it is given ∂L/∂h(t), and writes ∂L/∂a and ∂L/∂c. σ(s) is (1 + tanh(s / 2)) / 2, which cannot
overflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar, final, runtime_checkable

import numpy as np

from twofold.arrays import Array
from twofold.numpy_engine.shapes import Float

Gates = Float[Array, "*n gates"]
State = Float[Array, "*n h"]


class Way(NamedTuple):
    """What one step passes on along time beside its product with W_hh, forward or back; `None` where there is none."""

    direct: State | None = None
    """∂L/∂h(t−1) on paths that avoid W_hh."""
    memory: State | None = None
    """c(t), or on the way back ∂L/∂c(t−1)."""


Kept = TypeVar("Kept")
"""What a cell keeps of a step for the way back."""


@runtime_checkable  # the tests check annotations while they run
class Cell(Protocol[Kept]):
    """What tells one recurrent layer from another."""

    gates: int
    """How many blocks of h rows each weight has."""
    apart: bool
    """Whether c enters in another way than a, so that their gradients differ."""

    def forward(self, a: Gates, c: Gates, h: State, memory: State | None, out: State) -> tuple[State | None, Kept]:
        """Write h(t) to `out`; the new memory, and what `backward` needs."""
        ...

    def slopes(self, h: Array, da: Array) -> None:
        """Before the way back, given h(1) ... h(T): what `backward` wants to find in `da`, of all steps at once.

        Few large operations in place of many small ones, between which threads wait for Python's lock.
        """
        ...

    def values(self, h: Array, caches: Sequence[Kept]) -> dict[str, Array]:
        """What each gate gave at every step, (T, ..., h), by its letter, given h(1) ... h(T) and the caches."""
        ...

    def backward(self, cache: Kept, dh: State, dmemory: State | None, da: Gates, dc: Gates) -> Way:
        """Write ∂L/∂a to `da` and, where they differ, ∂L/∂c to `dc`."""
        ...


@final
class Vanilla:
    """h = tanh(a + c),  da = dc = dh ⊙ (1 − h²); with relu h = max(a + c, 0),  da = dc = dh ⊙ [h > 0].

    Elman, Finding structure in time (1990). Why the gradient fades: every step multiplies it with W_hhᵀ and with
    1 − h² ≤ 1. Bengio et al., Learning long-term dependencies with gradient descent is difficult (1994).
    """

    gates = 1
    apart = False

    def __init__(self, nonlinearity: str) -> None:
        self.relu = nonlinearity == "relu"

    def forward(self, a: Gates, c: Gates, h: State, memory: State | None, out: State) -> tuple[State | None, None]:
        """Nothing is kept but h, which the loop has."""
        np.add(a, c, out=c)
        if self.relu:
            np.maximum(c, 0, out=out)
        else:
            np.tanh(c, out=out)
        return None, None

    def slopes(self, h: Array, da: Array) -> None:
        """1 − h² or [h > 0]: nothing passes a saturated unit."""
        if self.relu:
            np.greater(h, 0, out=da)
        else:
            np.multiply(h, h, out=da)
            np.subtract(1, da, out=da)

    def backward(self, cache: None, dh: State, dmemory: State | None, da: Gates, dc: Gates) -> Way:
        """Times the slope, which stands in `da`."""
        da *= dh
        return Way()

    def values(self, h: Array, caches: Sequence[None]) -> dict[str, Array]:
        """There is no gate but the state itself."""
        return {"h": h}


class LongShort(NamedTuple):
    """What a step of an LSTM keeps: its gates, the memory before it, tanh of the memory after it."""

    gates: Gates
    memory: State
    tanh_memory: State


@final
class Lstm:
    """i, f, o = σ(a + c), g = tanh(a + c);  m = f ⊙ m(t−1) + i ⊙ g,  h = o ⊙ tanh m.

        dm += dh ⊙ o ⊙ (1 − tanh² m),   dm(t−1) = dm ⊙ f
        di = dm ⊙ g,  df = dm ⊙ m(t−1),  dg = dm ⊙ i,  do = dh ⊙ tanh m,  each times the slope of its σ or tanh

    m is the memory, PyTorch's c. Along it a gradient is multiplied by f alone.
    Hochreiter & Schmidhuber, Long short-term memory (1997); Gers et al., Learning to forget (2000).
    """

    gates = 4
    apart = False

    def forward(self, a: Gates, c: Gates, h: State, memory: State | None, out: State) -> tuple[State | None, LongShort]:
        """All four gates at once: σ by way of tanh, of half the sum."""
        np.add(a, c, out=c)
        i, f, g, o = _blocks(c, 4)
        sigmoids = c[..., : 2 * h.shape[-1]], o
        for gates in sigmoids:
            gates *= 0.5
        np.tanh(c, out=c)
        for gates in sigmoids:
            gates *= 0.5
            gates += 0.5
        before = np.zeros_like(h) if memory is None else memory
        after = f * before
        after += i * g
        tanh_after = np.tanh(after)
        np.multiply(o, tanh_after, out=out)
        return after, LongShort(c, before, tanh_after)

    def slopes(self, h: Array, da: Array) -> None:
        """None: they are those of the gates, each in its step."""

    def backward(self, cache: LongShort, dh: State, dmemory: State | None, da: Gates, dc: Gates) -> Way:
        """What comes along h and along the memory adds up."""
        (i, f, g, o), before, tanh_after = _blocks(cache.gates, 4), cache.memory, cache.tanh_memory
        di, df, dg, do = _blocks(da, 4)
        dm = dh * o
        dm *= 1 - tanh_after * tanh_after
        if dmemory is not None:
            dm += dmemory
        np.multiply(dm, g * i * (1 - i), out=di)
        np.multiply(dm, before * f * (1 - f), out=df)
        np.multiply(dm, i * (1 - g * g), out=dg)
        np.multiply(dh, tanh_after * o * (1 - o), out=do)
        return Way(memory=dm * f)

    def values(self, h: Array, caches: Sequence[LongShort]) -> dict[str, Array]:
        """i, f, g and o."""
        return dict(zip("ifgo", _blocks(np.stack([cache.gates for cache in caches]), 4), strict=True))


class Gated(NamedTuple):
    """What a step of a GRU keeps: r and z side by side, n, the hidden part of n, the state before it."""

    rz: Gates
    n: State
    hidden: State
    h: State


@final
class Gru:
    """r, z = σ(a + c), n = tanh(a + r ⊙ c),  h = (1 − z) ⊙ n + z ⊙ h(t−1).

        dz = dh ⊙ (h(t−1) − n),  ds = dh ⊙ (1 − z) ⊙ (1 − n²),  dr = ds ⊙ c,  dr and dz times the slope of σ
        da of n: ds,  dc of n: ds ⊙ r,  and past W_hh: dh(t−1) = dh ⊙ z

    Cho et al., Learning phrase representations using RNN encoder-decoder (2014), with the reset gate after the product,
    as in PyTorch and cuDNN.
    """

    gates = 3
    apart = True

    def forward(self, a: Gates, c: Gates, h: State, memory: State | None, out: State) -> tuple[State | None, Gated]:
        """The third block of c is kept: the way back through r wants it."""
        size = h.shape[-1]
        rz = a[..., : 2 * size] + c[..., : 2 * size]
        rz *= 0.5
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        r, z = _blocks(rz, 2)
        hidden = c[..., 2 * size :]
        n = r * hidden
        n += a[..., 2 * size :]
        np.tanh(n, out=n)
        np.subtract(h, n, out=out)
        out *= z
        out += n
        return None, Gated(rz, n, hidden, h)

    def slopes(self, h: Array, da: Array) -> None:
        """None: they are those of the gates, each in its step."""

    def backward(self, cache: Gated, dh: State, dmemory: State | None, da: Gates, dc: Gates) -> Way:
        """∂L/∂c is ∂L/∂a but for the block of n."""
        (r, z), n, hidden, h = _blocks(cache.rz, 2), cache.n, cache.hidden, cache.h
        dr, dz, ds = _blocks(da, 3)
        np.multiply(dh * (1 - z), 1 - n * n, out=ds)
        np.multiply(ds * hidden, r * (1 - r), out=dr)
        np.multiply(dh * (h - n), z * (1 - z), out=dz)
        dc[...] = da
        _blocks(dc, 3)[2][...] *= r
        return Way(direct=dh * z)

    def values(self, h: Array, caches: Sequence[Gated]) -> dict[str, Array]:
        """r, z and n."""
        r, z = _blocks(np.stack([cache.rz for cache in caches]), 2)
        return {"r": r, "z": z, "n": np.stack([cache.n for cache in caches])}


def _blocks(gates: Gates, count: int) -> list[Array]:
    """The gates as views."""
    size = gates.shape[-1] // count
    return [gates[..., k * size : (k + 1) * size] for k in range(count)]
