"""The mistakes of recurrent layers: the loop over time, and what every cell shares. The cells stand in `cells.py`."""

from __future__ import annotations

from typing import TypeAlias, final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Making, Scene
from twofold.proof.mistakes.cells import CELLS, Cell, Stored
from twofold.proof.mistakes.layer import Plain

Unrolled: TypeAlias = tuple[Array, list[Array], list[tuple[Array, Stored]]]
"""The cache: x, every state in sequence, and for each step its input and the cell's own cache."""


@final
class Recurrent(Plain):
    """h(t) = cell(W_ih x(t) + b_ih, W_hh h(t−1) + b_hh), h(0) = 0, and back through time, with switches."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self.cell: Cell = CELLS[making.kind](making)
        self.output = making.settings.get("output", "last")
        self.every = self.output == "every"
        self.carried: tuple[Array, Array] | None = None

    def _begin(self, x: Array, units: int) -> tuple[Array, Array]:
        """h(0) and the memory before the first step."""
        zeros = np.zeros((len(x), units), x.dtype)
        begin = np.ones_like(zeros) if "begins_at_one" in self.on else zeros
        if self.carried is None or not ({"state_carried", "memory_carried"} & self.on):
            return begin, zeros
        h, memory = (np.resize(a, zeros.shape) for a in self.carried)
        return (begin if "memory_carried" in self.on else h), memory

    def _products(self, params: Arrays) -> tuple[Array, Array, Array, Array]:
        """W_ih, W_hh, b_ih and b_hh as the layer uses them."""
        on, W, U = self.on, params["weight_ih"], params["weight_hh"]
        b = params.get("bias_ih", np.zeros(len(W)))
        c = params.get("bias_hh", np.zeros(len(W)))
        if "W_hh_transposed" in on:
            blocks = np.split(U, len(U) // U.shape[1])
            U = np.concatenate([block.T for block in blocks])
        if "no_recurrence" in on:
            U = 0 * U
        b = 0 * b if "no_b_ih" in on or "no_biases" in on else 2 * b if "b_ih_twice" in on else b
        return W, U, b, 0 * c if "no_b_hh" in on or "no_biases" in on else c

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Unrolled]:
        """The cache holds x and every state in sequence."""
        on, (W, U, b, c) = self.on, self._products(params)
        order = range(x.shape[1])
        h, memory = self._begin(x, U.shape[1])
        states, caches = [h], list[tuple[Array, Stored]]()
        for t in reversed(order) if "time_reversed" in on else order:
            now = x[:, max(t - 1, 0)] * (t > 0) if "x_of_the_step_before" in on else x[:, t]
            if "first_x_at_every_step" in on:
                now = x[:, 0]
            before = np.zeros_like(h) if "state_not_carried" in on else h
            h, memory, cache = self.cell.forward(now @ W.T + b, before, memory, U, c)
            states.append(h)
            caches.append((now, cache))
        self.carried = (np.real(h), np.real(memory))
        return self._read(states, caches), (x, states, caches)

    def _read(self, states: list[Array], caches: list[tuple[Array, Stored]]) -> Array:
        """y, from h(0), h(1), ..., h(T)."""
        on = self.on
        if self.every:
            if "states_before" in on:
                return np.stack(states[:-1], axis=1)
            return np.stack(states[:0:-1] if "every_reversed" in on else states[1:], axis=1)
        if self.output == "mean":
            return sum(states[1:], np.zeros_like(states[0])) / (len(states) - 1)
        if "reads_the_first" in on:
            return states[1]
        if "reads_the_one_before" in on:
            return states[-2]
        if "reads_the_mean" in on:
            return sum(states[1:], np.zeros_like(states[0])) / (len(states) - 1)
        if "reads_the_sum" in on:
            return sum(states[1:], np.zeros_like(states[0]))
        return np.asarray(self.cell.memory(caches[-1][1])) if "reads_the_memory" in on else states[-1]

    def backward(self, params: Arrays, cache: Unrolled, dy: Array) -> tuple[Array, dict[str, Array]]:
        """Step by step back through time, adding up the gradient of the weights from every step."""
        on, (x, states, caches) = self.on, cache
        W, U, _, c = self._products(params)
        if "U_transposed_back" in on:
            U = np.concatenate([block.T for block in np.split(U, len(U) // U.shape[1])])
        grads = {name: np.zeros_like(params[name]) for name in params if name in NAMES}
        dx, dh, dmemory = np.zeros(x.shape), np.zeros(states[0].shape), np.zeros(states[0].shape)
        steps_back = range(len(caches))
        for t in steps_back if "back_from_the_first_step" in on else reversed(steps_back):
            dh = self._from_behind(dh, dy, t, len(caches))
            now, cell_cache = caches[t]
            da, dc, direct, dmemory = self.cell.backward(cell_cache, dh, dmemory, U, c)
            before = states[t + 1] if "dW_hh_of_its_own_state" in on else states[t]
            steps = {"weight_ih": da.T @ now, "weight_hh": dc.T @ before, "bias_ih": da.sum(0), "bias_hh": dc.sum(0)}
            self._added(grads, steps, t, len(caches))
            dx[:, t] = da @ W
            dh = (dc @ U) * ("past_W_hh_alone" not in on) + direct
            if "not_through_time" in on or t == len(caches) - 1 - self._truncated():
                dh, dmemory = 0 * dh, 0 * dmemory
        return self._finished(grads, dx, len(x), len(caches), dy)

    def _truncated(self) -> int:
        """The number of steps after which the backward pass stops; longer than any sequence if it does not."""
        names = {"one_step_back": 1, "two_steps_back": 2, "three_steps_back": 3}
        return next((count for switch, count in names.items() if switch in self.on), 10**9)

    def _from_behind(self, dh: Array, dy: Array, t: int, count: int) -> Array:
        """∂L/∂h after step t (from 0): what later steps pass back, and the part of dy that reads this state."""
        on = self.on
        if self.output == "mean":
            return dh + dy / count
        if not self.every:
            end = 0 if "back_from_the_first_step" in on else count - 1
            return dh + dy if t == end or "dy_at_every_step" in on else dh
        if "last_dy_alone" in on:
            return dh + dy[:, t] if t == count - 1 else dh
        return dy[:, t] if "dy_overwrites" in on else dh + dy[:, t]

    def _added(self, grads: dict[str, Array], steps: dict[str, Array], t: int, count: int) -> None:
        on = self.on
        for name, gradient in grads.items():
            short = name.replace("weight", "dW").replace("bias", "db")
            if f"{short}_overwritten" in on or "all_overwritten" in on:
                gradient[...] = steps[name]
            elif f"{short}_of_the_last_step" in on:
                gradient += steps[name] * (t == count - 1)
            else:
                gradient += steps[name]

    def _finished(
        self, grads: dict[str, Array], dx: Array, n: int, count: int, dy: Array
    ) -> tuple[Array, dict[str, Array]]:
        on = self.on
        for name, gradient in grads.items():
            if "averaged_over_time" in on:
                gradient /= count
            if "db_averaged" in on and name.startswith("bias"):
                gradient /= n
            if "clipped_inside" in on:
                np.clip(gradient, -1, 1, out=gradient)
        if "dx_of_the_last_step" in on:
            dx[:, :-1] = 0
        return (dx[:, ::-1] if "dx_time_reversed" in on else dx), grads


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
