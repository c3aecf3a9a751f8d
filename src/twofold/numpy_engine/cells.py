"""The cells of recurrent layers: one step of time, forward and back. The loop over time stands in `recurrent.py`.

A pass begins with a = W_ih x(t) + b_ih of all steps, (gates, T, ..., n, h), and with memory for h(0), ..., h(T). A step
is given its a and c = W_hh h(t−1) + b_hh, (gates, ..., n, h), both of which it may overwrite, and writes h(t). The way
back begins with what multiplies the gradient at every step: few large operations in place of many small ones, between
which threads wait for Python's lock. A step back is then given ∂L/∂h(t), and makes of it ∂L/∂a and ∂L/∂c.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypeVar, final, runtime_checkable

import numpy as np

from twofold.arrays import Array
from twofold.numpy_engine.shapes import Float

Gates = Float[Array, "gates *n h"]
State = Float[Array, "*n h"]
GatesInTime = Float[Array, "gates steps *n h"]
Steps = Float[Array, "steps *n h"]
States = Float[Array, "states *n h"]
"""h(0), ..., h(T), or as many of another state."""


class Way(NamedTuple):
    """What one step back passes on along time beside its product with W_hh; `None` where there is none."""

    direct: State | None = None
    """∂L/∂h(t−1) on paths that avoid W_hh."""
    memory: State | None = None
    """∂L/∂m(t−1)."""


class Slopes(NamedTuple):
    """∂h/∂a and ∂h/∂c of every step alone, until the step back puts ∂L/∂a and ∂L/∂c in their place, (gates, T, ...)."""

    da: GatesInTime
    dc: GatesInTime
    """The same array as `da` where a and c enter as their sum."""


Kept = TypeVar("Kept")
"""What a cell keeps of all steps for the way back."""


@runtime_checkable  # the tests check annotations while they run
class Cell(Protocol[Kept]):
    """What tells one recurrent layer from another. Steps are counted from 0: step t leads from h[t] to h[t + 1]."""

    gates: int
    """How many gates there are, and blocks of h rows in each weight."""
    apart: bool
    """Whether c enters in another way than a, so that their gradients differ."""

    def begin(self, a: GatesInTime, h: States) -> Kept:
        """What the steps of a pass write to, given a of all steps, which they may overwrite, and h with h(0)."""
        ...

    def carried(self, record: Kept) -> tuple[States, ...]:
        """What step t reads at t and writes at t + 1; a sequence that has ended keeps it."""
        ...

    def forward(self, record: Kept, t: int, a: Gates, c: Gates) -> None:
        """Write h[t + 1]."""
        ...

    def values(self, record: Kept) -> dict[str, Array]:
        """What each gate gave at every step, (T, ..., h), by its letter."""
        ...

    def slopes(self, record: Kept) -> Slopes:
        """What the gradient is multiplied by at every step."""
        ...

    def backward(self, record: Kept, slopes: Slopes, t: int, dh: State, dmemory: State | None) -> Way:
        """Put ∂L/∂a and ∂L/∂c in the place of their slopes, given ∂L/∂h[t + 1]."""
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

    def begin(self, a: GatesInTime, h: States) -> States:
        """Nothing is kept but h."""
        return h

    def carried(self, record: States) -> tuple[States, ...]:
        """The state alone."""
        return (record,)

    def forward(self, record: States, t: int, a: Gates, c: Gates) -> None:
        """The sum, then tanh or relu of it."""
        (s,) = np.add(a, c, out=c)
        if self.relu:
            np.maximum(s, 0, out=record[t + 1])
        else:
            np.tanh(s, out=record[t + 1])

    def values(self, record: States) -> dict[str, Array]:
        """There is no gate but the state itself."""
        return {"h": record[1:]}

    def slopes(self, record: States) -> Slopes:
        """1 − h² or [h > 0]: nothing passes a saturated unit."""
        h, da = record[1:], np.empty_like(record[1:])
        if self.relu:
            np.greater(h, 0, out=da)
        else:
            np.multiply(h, h, out=da)
            np.subtract(1, da, out=da)
        return Slopes(da[None], da[None])

    def backward(self, record: States, slopes: Slopes, t: int, dh: State, dmemory: State | None) -> Way:
        """∂L/∂h times the slope."""
        da = slopes.da[:, t]
        da *= dh
        return Way()


class LongShort(NamedTuple):
    """What an LSTM keeps."""

    gates: GatesInTime
    """i, f, g and o, in the place of a."""
    memory: States
    """m(0), ..., m(T)."""
    tanh_memory: Steps
    """tanh m(1), ..., tanh m(T)."""
    h: States


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

    def begin(self, a: GatesInTime, h: States) -> LongShort:
        """The memory is 0 at first."""
        memory = np.empty_like(h)
        memory[0] = 0
        return LongShort(a, memory, np.empty_like(h[1:]), h)

    def carried(self, record: LongShort) -> tuple[States, ...]:
        """The state and the memory."""
        return record.h, record.memory

    def forward(self, record: LongShort, t: int, a: Gates, c: Gates) -> None:
        """The gates stay where a was."""
        m, tanh_m = record.memory[t + 1], record.tanh_memory[t]
        a += c
        i, f, g, o = a
        _sigmoid(a[:2])
        np.tanh(g, out=g)
        _sigmoid(o)
        np.multiply(f, record.memory[t], out=m)
        m += np.multiply(i, g, out=tanh_m)
        np.tanh(m, out=tanh_m)
        np.multiply(o, tanh_m, out=record.h[t + 1])

    def values(self, record: LongShort) -> dict[str, Array]:
        """i, f, g and o."""
        return dict(zip("ifgo", record.gates, strict=True))

    def slopes(self, record: LongShort) -> Slopes:
        """g i (1 − i), m(t−1) f (1 − f) and i (1 − g²), which wait for dm, and tanh m o (1 − o), which waits for dh."""
        i, _, g, _ = record.gates
        da = 1 - record.gates
        da *= record.gates
        di, df, dg, do = da
        di *= g
        df *= record.memory[:-1]
        np.multiply(g, g, out=dg)
        np.subtract(1, dg, out=dg)
        dg *= i
        do *= record.tanh_memory
        return Slopes(da, da)

    def backward(self, record: LongShort, slopes: Slopes, t: int, dh: State, dmemory: State | None) -> Way:
        """What comes along h and along the memory adds up. o (1 − tanh² m) is o − h tanh m."""
        _, f, _, o = record.gates[:, t]
        d_ifg, do = slopes.da[:3, t], slopes.da[3, t]
        dm = record.h[t + 1] * record.tanh_memory[t]
        np.subtract(o, dm, out=dm)
        dm *= dh
        if dmemory is not None:
            dm += dmemory
        d_ifg *= dm
        do *= dh
        dm *= f
        return Way(memory=dm)


class Gated(NamedTuple):
    """What a GRU keeps."""

    gates: GatesInTime
    """r, z and n, in the place of a."""
    hidden: Steps
    """c of n, which r is multiplied with."""
    h: States


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

    def begin(self, a: GatesInTime, h: States) -> Gated:
        """Nothing but the state is carried."""
        return Gated(a, np.empty_like(h[1:]), h)

    def carried(self, record: Gated) -> tuple[States, ...]:
        """The state alone."""
        return (record.h,)

    def forward(self, record: Gated, t: int, a: Gates, c: Gates) -> None:
        """c of n is kept: the way back through r wants it."""
        h, after, hidden = record.h[t], record.h[t + 1], record.hidden[t]
        rz, (r, z, n) = a[:2], a
        rz += c[:2]
        _sigmoid(rz)
        hidden[...] = c[2]
        n += np.multiply(r, hidden, out=after)
        np.tanh(n, out=n)
        np.subtract(h, n, out=after)
        after *= z
        after += n

    def values(self, record: Gated) -> dict[str, Array]:
        """r, z and n."""
        return dict(zip("rzn", record.gates, strict=True))

    def slopes(self, record: Gated) -> Slopes:
        """ds c r (1 − r), (h(t−1) − n) z (1 − z) and ds = (1 − z) (1 − n²), all for dh; those of c come later."""
        (r, z, n), h = record.gates, record.h[:-1]
        da = 1 - record.gates
        dc = np.empty_like(da)
        dr, dz, ds = da
        np.multiply(n, n, out=ds)
        np.subtract(1, ds, out=ds)
        ds *= dz
        dr *= r
        dr *= record.hidden
        dr *= ds
        dz *= z
        dz *= np.subtract(h, n, out=dc[0])
        return Slopes(da, dc)

    def backward(self, record: Gated, slopes: Slopes, t: int, dh: State, dmemory: State | None) -> Way:
        """∂L/∂c is ∂L/∂a but for that of n."""
        r, z, _ = record.gates[:, t]
        da, dc = slopes.da[:, t], slopes.dc[:, t]
        da *= dh
        dc[:2] = da[:2]
        np.multiply(da[2], r, out=dc[2])
        return Way(direct=dh * z)


def _sigmoid(s: Gates) -> None:
    """1 / (1 + exp(−s)) in the place of s; where exp(−s) is infinite that is 0, as it should be."""
    np.negative(s, out=s)
    with np.errstate(over="ignore"):
        np.exp(s, out=s)
    s += 1
    np.reciprocal(s, out=s)
