"""The equations of recurrent layers: products of all steps of time at once, and those that every step waits for."""

from __future__ import annotations

from twofold.analysis.operation import Operation, Operations, Size, product, shape, times
from twofold.recipe import Node
from twofold.recipe.recurrent import Gru, Lstm, Recurrent, Rnn

CELLS: dict[type[Recurrent], tuple[list[str], list[str]]] = {
    Lstm: (
        [
            "i, f, o = σ(a + c), g = tanh(a + c), a block of rows each",
            "m(t) = f ⊙ m(t−1) + i ⊙ g, h(t) = o ⊙ tanh m(t)",
        ],
        [
            "dm(t) = dh(t) ⊙ o ⊙ (1 − tanh² m(t)) + dm(t+1) ⊙ f(t+1)",
            "da = dc = dm ⊙ (g, m(t−1), i), dh ⊙ tanh m, ⊙ slope",
        ],
    ),
    Gru: (
        ["r, z = σ(a + c), n = tanh(a + r ⊙ c), a block of rows each", "h(t) = (1 − z) ⊙ n + z ⊙ h(t−1)"],
        ["ds = dh(t) ⊙ (1 − z) ⊙ (1 − n²), dz = dh(t) ⊙ (h(t−1) − n), dr = ds ⊙ c", "dc = da, but of n dc = ds ⊙ r"],
    ),
}
"""What a step does element by element, forward and back."""


def recurrent(node: Node, spec: Recurrent, n: Size) -> tuple[Operations, Operations]:
    """One row a product: those of all steps at once, and those of one step, h(0) = 0, dh(T+1) = 0."""
    steps, inputs = ("?" if size is None else size for size in node.input_shape)
    h, rows, every = spec.units, len(spec.gates) * spec.units, times(n, steps)
    state, gates, out = f"({n}, {h})", f"({n}, {rows})", shape(n, node.output_shape)
    forth, back = _cell(spec)
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
            *(Operation(line, f"{gates} → {state}", timed=True) for line in forth),
            Operation("y = h(T)" if last else "y = h(1), ..., h(T)", f"{state} → {out}", "y"),
        ],
        [
            Operation("dh(T) = dy" if last else "dh(t) begins as dy(t)", f"{out} → {state}"),
            *(Operation(line, f"{state} → {gates}", timed=True) for line in back),
            product(f"dh(t−1) = dc(t) W_hh{past}", n, rows, h, timed=True),
            product("dW_ih = Σₜ da(t)ᵀ x(t)", rows, every, inputs, "weight_ih"),
            product("dW_hh = Σₜ dc(t)ᵀ h(t−1)", rows, every, h, "weight_hh"),
            *(sums if spec.bias else []),
            product("dx = da W_ih", every, rows, inputs, "dx"),
        ],
    )


def _cell(spec: Recurrent) -> tuple[list[str], list[str]]:
    if not isinstance(spec, Rnn):
        return CELLS[type(spec)]
    if spec.nonlinearity == "tanh":
        return ["h(t) = tanh(a(t) + c(t))"], ["da(t) = dc(t) = dh(t) ⊙ (1 − h(t)²)"]
    return ["h(t) = max(a(t) + c(t), 0)"], ["da(t) = dc(t) = dh(t) ⊙ [h(t) > 0]"]
