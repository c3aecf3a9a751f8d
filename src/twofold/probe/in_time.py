"""The equations of recurrent layers: products of all steps of time at once, and those that every step waits for."""

from __future__ import annotations

from twofold.probe.operation import Operation, Operations, Size, product, shape, times
from twofold.recipe import Node
from twofold.recipe.recurrent import Gru, Lstm, Recurrent, Rnn

Line = tuple[str, str]
"""An equation, and what it goes from and to: `s`, the numbers of a state, or `g`, those of all gates."""

CELLS: dict[type[Recurrent], tuple[list[Line], list[Line]]] = {
    Lstm: (
        [
            ("i, f, o = σ(a + c), g = tanh(a + c), a block of rows each", "gg"),
            ("m(t) = f ⊙ m(t−1) + i ⊙ g, h(t) = o ⊙ tanh m(t)", "gs"),
        ],
        [
            ("dm(t) = dh(t) ⊙ o ⊙ (1 − tanh² m(t)) + dm(t+1) ⊙ f(t+1)", "ss"),
            ("da = dc = dm ⊙ (g, m(t−1), i), dh ⊙ tanh m, ⊙ slope", "sg"),
        ],
    ),
    Gru: (
        [
            ("r, z = σ(a + c), n = tanh(a + r ⊙ c), a block of rows each", "gg"),
            ("h(t) = (1 − z) ⊙ n + z ⊙ h(t−1)", "gs"),
        ],
        [
            ("ds = dh(t) ⊙ (1 − z) ⊙ (1 − n²), dz = dh(t) ⊙ (h(t−1) − n), dr = ds ⊙ c", "ss"),
            ("da = dr ⊙ r (1 − r), dz ⊙ z (1 − z), ds; dc = da, but of n ds ⊙ r", "sg"),
        ],
    ),
}
"""What a step does element by element, forward and back."""


def recurrent(node: Node, spec: Recurrent, n: Size) -> tuple[Operations, Operations]:
    """One row a product: those of all steps at once, and those of one step, h(0) = 0, dh(T+1) = 0."""
    steps, inputs = ("?" if size is None else size for size in node.input_shape)
    h, rows, every = spec.units, len(spec.gates) * spec.units, times(n, steps)
    state, gates, out = f"({n}, {h})", f"({n}, {rows})", shape(n, node.output_shape)
    shapes = {"s": state, "g": gates}
    forth, back = (
        [Operation(line, f"{shapes[before]} → {shapes[after]}", timed=True) for line, (before, after) in way]
        for way in _cell(spec)
    )
    b_ih, b_hh = (" + b_ih", " + b_hh") if spec.bias else ("", "")
    past = " + dh(t) ⊙ z" if isinstance(spec, Gru) else ""
    last = spec.output == "last"
    total = f"({every}, {rows}) → ({rows},)"
    sums = [
        Operation("db_ih = Σₜ Σₙ da(t)", total, "bias_ih"),
        Operation("db_hh = Σₜ Σₙ dc(t)", total, "bias_hh"),
    ]
    return (
        [
            product(f"a = x W_ihᵀ{b_ih}, t = 1 ... {steps}", every, inputs, rows, bias=spec.bias),
            product(f"c(t) = h(t−1) W_hhᵀ{b_hh}", n, h, rows, bias=spec.bias, timed=True),
            *forth,
            Operation("y = h(T)" if last else "y = h(1), ..., h(T)", f"{state} → {out}", "y"),
        ],
        [
            Operation("dh(T) = dy" if last else "dh(t) begins as dy(t)", f"{out} → {state}"),
            *back,
            product(f"dh(t−1) = dc(t) W_hh{past}", n, rows, h, timed=True),
            product("dW_ih = Σₜ da(t)ᵀ x(t)", rows, every, inputs, "weight_ih"),
            product("dW_hh = Σₜ dc(t)ᵀ h(t−1)", rows, every, h, "weight_hh"),
            *(sums if spec.bias else []),
            product("dx = da W_ih", every, rows, inputs, "dx"),
        ],
    )


def _cell(spec: Recurrent) -> tuple[list[Line], list[Line]]:
    """Of a vanilla layer all numbers are a state's: it has one gate, so to speak."""
    if not isinstance(spec, Rnn):
        return CELLS[type(spec)]
    if spec.nonlinearity == "tanh":
        return [("h(t) = tanh(a(t) + c(t))", "gs")], [("da(t) = dc(t) = dh(t) ⊙ (1 − h(t)²)", "sg")]
    return [("h(t) = max(a(t) + c(t), 0)", "gs")], [("da(t) = dc(t) = dh(t) ⊙ [h(t) > 0]", "sg")]
