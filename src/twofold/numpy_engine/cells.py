"""The cells of recurrent layers: one step of time, forward and back. The loop over time stands in `recurrent.py`.

A pass begins with a = W_ih x(t) + b_ih of all steps, (gates, T, ..., n, h), and with memory for h(0), ..., h(T). A step
takes its a and c = W_hh h(t−1) + b_hh, (gates, ..., n, h), may overwrite both, and writes h(t). The way back begins
with the slopes of all steps at once: a few large operations in place of many small ones, between which threads wait for
Python's lock. A step back then takes ∂L/∂h(t) and turns the slopes of its step into ∂L/∂a and ∂L/∂c.
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
"""h(0), ..., h(T), or another state at the same times, as the memory of an LSTM."""


class Way(NamedTuple):
    """What a step back hands to the step before it, besides ∂L/∂c(t) W_hh; `None` where there is no such path."""

    direct: State | None = None
    """∂L/∂h(t−1) on paths that avoid W_hh."""
    memory: State | None = None
    """∂L/∂m(t−1)."""


class Slopes(NamedTuple):
    """Slopes of h or the memory with respect to a at every step; each step back turns its own into ∂L/∂a and ∂L/∂c."""

    da: GatesInTime
    dc: GatesInTime
    """The same array as `da` where a and c enter as their sum; else filled step by step on the way back."""


Kept = TypeVar("Kept")
"""What a cell keeps of all steps for the way back."""


@runtime_checkable  # the tests check annotations while they run
class Cell(Protocol[Kept]):
    """One step of a recurrent layer, forward and back. Steps are counted from 0: step t leads from h[t] to h[t + 1]."""

    gates: int
    """Number of gates, each with a block of h rows in each weight."""
    apart: bool
    """Whether c enters in another way than a, so that their gradients differ."""

    def begin(self, a: GatesInTime, h: States) -> Kept:
        """The record that a pass fills, given a of all steps, which it may overwrite, and h, whose h(0) is set."""
        ...

    def carried(self, record: Kept) -> tuple[States, ...]:
        """The states that step t reads at t and writes at t + 1; in a sequence that has ended they stay the same."""
        ...

    def forward(self, record: Kept, t: int, a: Gates, c: Gates) -> None:
        """Write h[t + 1]."""
        ...

    def values(self, record: Kept) -> dict[str, Array]:
        """The value of each gate at every step, (T, ..., h), by the gate's letter."""
        ...

    def slopes(self, record: Kept) -> Slopes:
        """The factors of the gradient at every step, for all steps at once."""
        ...

    def backward(self, record: Kept, slopes: Slopes, t: int, dh: State, dmemory: State | None) -> Way:
        """Overwrite the slopes of step t with ∂L/∂a and ∂L/∂c, given ∂L/∂h[t + 1] and what comes along the memory."""
        ...


@final
class Vanilla:
    """h = tanh(a + c),  da = dc = dh ⊙ (1 − h²); with relu h = max(a + c, 0),  da = dc = dh ⊙ [h > 0].

    Elman, Finding structure in time (1990). Why the gradient fades: every step multiplies it by W_hhᵀ and by
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
        """h[t + 1] is tanh or relu of a + c."""
        (s,) = np.add(a, c, out=c)
        if self.relu:
            np.maximum(s, 0, out=record[t + 1])
        else:
            np.tanh(s, out=record[t + 1])

    def values(self, record: States) -> dict[str, Array]:
        """The state itself, as there are no gates."""
        return {"h": record[1:]}

    def slopes(self, record: States) -> Slopes:
        """1 − h² or [h > 0]: no gradient passes a saturated unit."""
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
    """What an LSTM records of a pass for the way back."""

    gates: GatesInTime
    """i, f, g and o, in the memory of a."""
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
        """The gates, which overwrite a, then the memory and h."""
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
        """The gates i, f, g and o."""
        return dict(zip("ifgo", record.gates, strict=True))

    def slopes(self, record: LongShort) -> Slopes:
        """g i (1 − i), m(t−1) f (1 − f) and i (1 − g²), the factors of dm, and tanh m · o (1 − o), the factor of dh."""
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
        """dm sums what comes along h and along the memory; o (1 − tanh² m) is computed as o − h tanh m."""
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
    """What a GRU records of a pass for the way back."""

    gates: GatesInTime
    """r, z and n, in the memory of a."""
    hidden: Steps
    """c of the gate n, which r multiplies."""
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
        """Memory for c of the gate n at every step."""
        return Gated(a, np.empty_like(h[1:]), h)

    def carried(self, record: Gated) -> tuple[States, ...]:
        """The state alone."""
        return (record.h,)

    def forward(self, record: Gated, t: int, a: Gates, c: Gates) -> None:
        """The gates, then h; c of the gate n is recorded, as the way back through r needs it."""
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
        """The gates r, z and n."""
        return dict(zip("rzn", record.gates, strict=True))

    def slopes(self, record: Gated) -> Slopes:
        """ds c r (1 − r), (h(t−1) − n) z (1 − z) and ds = (1 − z) (1 − n²), the factors of dh; dc is filled later."""
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
        """∂L/∂c equals ∂L/∂a for r and z; for n it is r times ∂L/∂a."""
        r, z, _ = record.gates[:, t]
        da, dc = slopes.da[:, t], slopes.dc[:, t]
        da *= dh
        dc[:2] = da[:2]
        np.multiply(da[2], r, out=dc[2])
        return Way(direct=dh * z)


def _sigmoid(s: Gates) -> None:
    """Overwrite s with 1 / (1 + exp(−s)): where exp(−s) overflows to infinity that is 0, as it should be."""
    np.negative(s, out=s)
    with np.errstate(over="ignore"):
        np.exp(s, out=s)
    s += 1
    np.reciprocal(s, out=s)
