"""The cells of recurrent layers with switches: one step of time, forward and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, final

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes.base import Making
from twofold.proof.mistakes.functions import sigmoid

Stored: TypeAlias = tuple[Array, ...]
"""The cache of one step of a cell, for its backward pass."""
Ahead: TypeAlias = tuple[Array, Array, Stored]
"""The result of a step forward: h(t), the memory, and the cache for the backward pass."""
Back: TypeAlias = tuple[Array, Array, Array, Array]
"""The result of a step back: ∂L/∂a, ∂L/∂c, the part of ∂L/∂h(t−1) not by W_hh, and ∂L/∂memory(t−1)."""


class Cell(Protocol):
    """One step: a = W_ih x(t) + b_ih is given, c = W_hh h(t−1) + b_hh is formed here."""

    def forward(self, a: Array, h: Array, memory: Array, U: Array, b: Array) -> Ahead:
        """One step forward."""
        ...

    def backward(self, cache: Stored, dh: Array, dmemory: Array, U: Array, b: Array) -> Back:
        """One step back."""
        ...

    def memory(self, cache: Stored) -> Array:
        """The memory that an LSTM carries on beside h; other cells give an h in its place."""
        ...


@final
class Vanilla:
    """h = tanh(a + c) or max(a + c, 0)."""

    def __init__(self, making: Making) -> None:
        self.on = making.switches
        self.relu = making.settings.get("nonlinearity", "tanh") == "relu"
        if "other_nonlinearity" in self.on:
            self.relu = not self.relu

    def forward(self, a: Array, h: Array, memory: Array, U: Array, b: Array) -> Ahead:
        """The cache is the sum, h and h(t−1)."""
        on = self.on
        s = a + h @ U.T + b
        if "sigmoid" in on:
            new = sigmoid(s)
        elif "linear" in on:
            new = s
        elif "tanh_of_the_input_alone" in on:
            new = np.tanh(a) + h @ U.T + b
        else:
            new = s * (np.real(s) > 0) if self.relu else np.tanh(s)
        if "state_added" in on:
            new = new + h
        return new, memory, (s, new, h)

    def backward(self, cache: Stored, dh: Array, dmemory: Array, U: Array, b: Array) -> Back:
        """∂L/∂a = ∂L/∂c = dh times the slope of the activation."""
        on, (s, new, before) = self.on, cache
        slope = (new > 0).astype(float) if self.relu else 1 - new * new
        table = {
            "slope_of_the_sum": 1 - s * s,
            "slope_one_minus": 1 - new,
            "slope_of_the_state_before": 1 - before * before,
            "slope_left_out": np.ones_like(new),
            "slope_of_sigmoid": new * (1 - new),
        }
        slope = next((value for switch, value in table.items() if switch in on), slope)
        da = dh * slope
        return da, da, np.zeros_like(dh), dmemory

    def memory(self, cache: Stored) -> Array:
        """h(t), in place of a memory, which this cell does not have."""
        return cache[1]


ORDERS = ("ifog", "iofg", "igfo", "figo", "fiog", "oifg", "ofig", "gifo", "fgio", "ifgo")
"""Orders of an LSTM's gates that libraries and books have; PyTorch's is the last one."""


@final
class Lstm:
    """i, f, o = σ, g = tanh;  m = f m(t−1) + i g,  h = o tanh m."""

    def __init__(self, making: Making) -> None:
        self.on = making.switches
        self.order = next((order for order in ORDERS if f"gates_{order}" in self.on), "ifgo")

    def _split(self, s: Array) -> list[Array]:
        blocks = dict(zip(self.order, np.split(s, 4, axis=-1), strict=True))
        return [blocks[gate] for gate in "ifgo"]

    def _joined(self, gates: tuple[Array, ...]) -> Array:
        blocks = dict(zip("ifgo", gates, strict=True))
        return np.concatenate([blocks[gate] for gate in self.order], axis=-1)

    def forward(self, a: Array, h: Array, memory: Array, U: Array, b: Array) -> Ahead:
        """The cache is the gates, both memories and their tanh."""
        on = self.on
        si, sf, sg, so = self._split(a + h @ U.T + b)
        i, f, o = sigmoid(si), sigmoid(sf + 1 if "forget_bias_one" in on else sf), sigmoid(so)
        g = sigmoid(sg) if "candidate_of_sigmoid" in on else sg if "candidate_linear" in on else np.tanh(sg)
        if "coupled" in on:
            i = 1 - f
        if "forget_turned" in on:
            f = 1 - f
        remembered = memory if "nothing_forgotten" in on else f * memory
        new = remembered + (g if "input_gate_left_out" in on else i * g)
        if "forgets_the_new" in on:
            new = f * (memory + i * g)
        if "input_and_forget_swapped" in on:
            new = i * memory + f * g
        if "memory_not_carried" in on:
            new = i * g
        if "forget_is_one_minus_input" in on:
            new = (1 - i) * memory + i * g
        tanh = new if "no_tanh_of_the_memory" in on else sigmoid(new) if "sigmoid_of_the_memory" in on else np.tanh(new)
        out = tanh if "output_gate_left_out" in on else (i if "output_by_i" in on else o) * tanh
        out = f * tanh if "output_by_f" in on else out
        if "tanh_outside" in on:
            out = np.tanh(o * new)
        return out, new, (i, f, g, o, memory, tanh, new)

    def backward(self, cache: Stored, dh: Array, dmemory: Array, U: Array, b: Array) -> Back:
        """The gradients that come along h and along the memory add up."""
        on, (i, f, g, o, before, tanh, new) = self.on, cache
        dm = dh * o * (1.0 if "memory_slope_left_out" in on else 1 - (new if "memory_slope_of_m" in on else tanh) ** 2)
        if "memory_slope_is_tanh" in on:
            dm = dh * o * tanh
        if "dm_without_o" in on:
            dm = dh * (1 - tanh**2)
        if "memory_gradient_forgotten" not in on:
            dm = dm + dmemory
        if "h_gradient_forgotten" in on:
            dm = dmemory
        slope = (lambda s: np.ones_like(s)) if "gate_slopes_left_out" in on else (lambda s: s * (1 - s))
        di = dm * g * slope(i)
        df = dm * (new if "df_of_the_new_memory" in on else before) * slope(f)
        dg = dm * i * (slope(g) if "dg_of_sigmoid" in on else 1 - g * g)
        do = dh * (new if "do_without_tanh" in on else tanh) * slope(o)
        if "dg_without_i" in on:
            dg = dm * (1 - g * g)
        if "dg_slope_left_out" in on:
            dg = dm * i
        if "di_with_i" in on:
            di = dm * i * slope(i)
        parts = {"di": (i, dm * g, dm), "df": (f, dm * before, dm), "do": (o, dh * tanh, dh)}
        di, df, do = (self._gate(name, parts[name], gate) for name, gate in (("di", di), ("df", df), ("do", do)))
        table = {"di_zero": di, "df_zero": df, "dg_zero": dg, "do_zero": do}
        for switch, gradient in table.items():
            if switch in on:
                gradient[...] = 0
        da = self._joined((di, df, dg, do))
        passed = dm * (i if "memory_back_by_i" in on else 1.0 if "memory_back_without_f" in on else f)
        return da, da, np.zeros_like(dh), passed

    def _gate(self, name: str, parts: tuple[Array, Array, Array], right: Array) -> Array:
        """A gate's gradient with a part of it missing."""
        s, without_slope, alone = parts
        if f"{name}_slope_left_out" in self.on:
            return without_slope
        if f"{name}_without_one_minus" in self.on:
            return without_slope * s
        return alone * s * (1 - s) if f"{name}_without_partner" in self.on else right

    def memory(self, cache: Stored) -> Array:
        """The memory m(t)."""
        return cache[6]


@final
class Gru:
    """r, z = σ, n = tanh(a_n + r c_n),  h = (1 − z) n + z h(t−1)."""

    def __init__(self, making: Making) -> None:
        self.on = making.switches
        orders = ("zrn", "nrz", "rnz", "nzr", "znr")
        self.order = next((order for order in orders if f"gates_{order}" in self.on), "rzn")

    def _split(self, s: Array) -> list[Array]:
        blocks = dict(zip(self.order, np.split(s, 3, axis=-1), strict=True))
        return [blocks[gate] for gate in "rzn"]

    def _joined(self, gates: tuple[Array, ...]) -> Array:
        blocks = dict(zip("rzn", gates, strict=True))
        return np.concatenate([blocks[gate] for gate in self.order], axis=-1)

    def forward(self, a: Array, h: Array, memory: Array, U: Array, b: Array) -> Ahead:
        """The cache is the gates, the hidden part of n and h(t−1)."""
        on = self.on
        product = h @ U.T
        (ar, az, an), (cr, cz, cn), (_, _, bn) = (self._split(s) for s in (a, product + b, b + 0 * a))
        r, z = sigmoid(ar + cr), sigmoid(az + cz)
        if "reset_before_the_product" in on:
            _, _, inner = self._split((r * h) @ U.T)
            s = an + inner + bn
        elif "bias_outside_of_reset" in on:
            s = an + r * (cn - bn) + bn
        elif "reset_of_everything" in on:
            s = r * (an + cn)
        elif "reset_by_z" in on:
            s = an + z * cn
        else:
            s = an + (cn if "reset_left_out" in on else r * cn)
        n = sigmoid(s) if "candidate_of_sigmoid" in on else s if "candidate_linear" in on else np.tanh(s)
        new = z * n + (1 - z) * h if "update_turned" in on else (1 - z) * n + z * h
        if "update_adds" in on:
            new = z * n + h
        if "update_by_r" in on:
            new = (1 - r) * n + r * h
        if "past_left_out" in on:
            new = (1 - z) * n
        return new, memory, (r, z, n, cn, h)

    def backward(self, cache: Stored, dh: Array, dmemory: Array, U: Array, b: Array) -> Back:
        """∂L/∂c is ∂L/∂a but for the block of n."""
        on, (r, z, n, cn, h) = self.on, cache
        dn = dh * (z if "dn_by_z" in on else 1.0 if "dn_without_z" in on else 1 - z)
        ds = dn * (1.0 if "slope_of_n_left_out" in on else 1 - n * n)
        dz = dh * (n - h if "dz_turned" in on else h - n) * (1.0 if "gate_slopes_left_out" in on else z * (1 - z))
        inner = cn - self._split(b + 0 * np.concatenate([cn] * 3, axis=-1))[2] if "dr_without_bias" in on else cn
        dr = ds * inner * (1.0 if "gate_slopes_left_out" in on else r * (1 - r))
        if "dr_of_the_state" in on:
            dr = ds * h * r * (1 - r)
        if "dr_slope_left_out" in on:
            dr = ds * inner
        if "dz_slope_left_out" in on:
            dz = dh * (h - n)
        if "dr_zero" in on:
            dr = 0 * dr
        if "dz_zero" in on:
            dz = 0 * dz
        if "dz_without_past" in on:
            dz = -dh * n * z * (1 - z)
        da = self._joined((dr, dz, ds))
        dc = self._joined((dr, dz, ds if "one_gradient_for_both" in on else ds * r))
        direct = dh * (0.0 if "direct_path_forgotten" in on else 1 - z if "direct_path_turned" in on else z)
        return da, dc, direct, dmemory

    def memory(self, cache: Stored) -> Array:
        """h(t−1), in place of a memory, which this cell does not have."""
        return cache[4]


CELLS: dict[str, Callable[[Making], Cell]] = {"rnn": Vanilla, "lstm": Lstm, "gru": Gru}
