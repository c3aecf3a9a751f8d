"""Accounts of a recurrent cell's step of time, gate by gate, forward and back: one function for each kind."""

from __future__ import annotations

from functools import singledispatch

from twofold.probe.microscope.account import Account, Axis, Factor, Summand, along, places
from twofold.recipe.recurrent import Gru, Lstm, Recurrent, Rnn

Axes = tuple[Axis, Axis, Axis]
"""The variables of time, batch and unit."""


@singledispatch
def gate_accounts(spec: Recurrent, axes: Axes) -> list[Account]:
    """Accounts of the gates and the state at a step, and of the gradient at each gate."""
    raise TypeError(f"no cell {spec!r}")


@gate_accounts.register
def _(spec: Rnn, axes: Axes) -> list[Account]:
    f = "tanh(a + c)" if spec.nonlinearity == "tanh" else "max(a + c, 0)"
    slope = "1 − h²" if spec.nonlinearity == "tanh" else "[h > 0]"
    return [
        _state(axes, "h(t)", f"h = {f}", [(_now(axes, "f(a + c)", f),)], "h"),
        _state(axes, "da h", f"da = dh · ({slope})", [(_now(axes, "dh"), _now(axes, "f′", slope))], "da h"),
    ]


@gate_accounts.register
def _(spec: Lstm, axes: Axes) -> list[Account]:
    def now(name: str) -> Factor:
        return _now(axes, name)

    m_before, dm_after, f_after = _then(axes, "m", -1), _then(axes, "dm", 1), _then(axes, "f", 1)
    gates = [_state(axes, name, f"{name} = σ(a + c), its block of rows", [(now(name),)], name) for name in "ifo"]
    return [
        *gates,
        _state(axes, "g", "g = tanh(a + c), its block of rows", [(now("g"),)], "g"),
        _state(axes, "m(t)", "m = f · m[t−1] + i · g", [(now("f"), m_before), (now("i"), now("g"))], "m"),
        _state(axes, "h(t)", "h = o · tanh m", [(now("o"), now("tanh m"))], "h"),
        _state(axes, "dm(t)", "dm = dh · o · (1 − tanh² m) + dm[t+1] · f[t+1]",
               [(now("dh"), now("o"), now("1 − tanh² m")), (dm_after, f_after)], "dm"),
        _state(axes, "da i", "da_i = dm · g · i (1 − i)", [(now("dm"), now("g"), now("i (1 − i)"))], "da i"),
        _state(axes, "da f", "da_f = dm · m[t−1] · f (1 − f)", [(now("dm"), m_before, now("f (1 − f)"))], "da f"),
        _state(axes, "da g", "da_g = dm · i · (1 − g²)", [(now("dm"), now("i"), now("1 − g²"))], "da g"),
        _state(axes, "da o", "da_o = dh · tanh m · o (1 − o)", [(now("dh"), now("tanh m"), now("o (1 − o)"))], "da o"),
    ]  # fmt: skip


@gate_accounts.register
def _(spec: Gru, axes: Axes) -> list[Account]:
    def now(name: str) -> Factor:
        return _now(axes, name)

    before, z_slope = _then(axes, "h", -1), now("z (1 − z)")
    return [
        *(_state(axes, name, f"{name} = σ(a + c), its block of rows", [(now(name),)], name) for name in "rz"),
        _state(axes, "n", "n = tanh(a + r · c), its block of rows", [(now("n"),)], "n"),
        _state(axes, "h(t)", "h = (1 − z) · n + z · h[t−1]", [(now("1 − z"), now("n")), (now("z"), before)], "h"),
        _state(axes, "da n", "da_n = dh · (1 − z) · (1 − n²)", [(now("dh"), now("1 − z"), now("1 − n²"))], "da n"),
        _state(axes, "da r", "da_r = da_n · c_n · r (1 − r)", [(now("da n"), now("c n"), now("r (1 − r)"))], "da r"),
        Account("da z", "da_z = dh · (h[t−1] − n) · z (1 − z)", axes, _sizes(axes),
                (Summand((now("dh"), before, z_slope)), Summand((now("dh"), now("n"), z_slope), (), -1.0)),
                kept="da z"),
        _state(axes, "dc n", "dc_n = da_n · r", [(now("da n"), now("r"))], "dc n"),
    ]  # fmt: skip


def _state(axes: Axes, what: str, equation: str, products: list[tuple[Factor, ...]], array: str) -> Account:
    """An account of an array (t, n, u) with these products; h is in the trace, all else is worked out from it."""
    own, derived = (array, "") if array == "h" else ("", array)
    return Account(what, f"{equation}, at [t, n, u]", axes, _sizes(axes), tuple(map(Summand, products)), own, derived)


def _sizes(axes: Axes) -> tuple[int, ...]:
    return tuple(axis.size for axis in axes)


def _now(axes: Axes, array: str, name: str = "") -> Factor:
    """A factor: the array at the same step."""
    return Factor(name or array, array, places(axes))


def _then(axes: Axes, array: str, later: int) -> Factor:
    """A factor: the array `later` steps on, −1 for the step before; outside the sequence there is no such product."""
    return Factor(array, array, (along(later, t=1), *places(axes[1:])))
