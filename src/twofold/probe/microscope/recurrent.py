"""Accounts of recurrent layers: steps of time with their gates, and gradients that add up over time and batch."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.engine import ThroughTime
from twofold.numpy_engine.layers import build_layer
from twofold.numpy_engine.recurrent import Recurrent as Loop
from twofold.probe.microscope.account import Account, Along, Axis, Explanation, Factor, Summand, along, axes_of, places
from twofold.probe.microscope.cells import gate_accounts
from twofold.probe.microscope.subject import Explainers, Subject
from twofold.recipe.recurrent import Gru, Lstm, Recurrent


def recurrent(subject: Subject, spec: Recurrent) -> Explanation:
    """Accounts of a recurrent layer. The first axis of h, dh and gates is time, from 0; that of x and y the batch."""
    derived = _through_time(subject, spec)
    accounts = (*_forward(subject, spec), *gate_accounts(spec, _states(subject, spec)), *_backward(subject, spec))
    return Explanation(accounts, derived)


def _states(subject: Subject, spec: Recurrent) -> tuple[Axis, Axis, Axis]:
    return Axis("t", subject.x.shape[1]), Axis("n", len(subject.x)), Axis("u", spec.units)


def _forward(subject: Subject, spec: Recurrent) -> list[Account]:
    t, n, _ = _states(subject, spec)
    r, i, j = Axis("r", len(spec.gates) * spec.units), Axis("i", subject.x.shape[2]), Axis("j", spec.units)
    x, before = Factor("x", "x", places((n, t, i))), Factor("h", "h", (along(-1, t=1), *places((n, j))))
    (b_ih, plus_ih), (b_hh, plus_hh) = (
        ((Summand((Factor(name, f"bias_{way}", places((r,))),)),), f" + {name}[r]") if spec.bias else ((), "")
        for name, way in (("b_ih", "ih"), ("b_hh", "hh"))
    )
    return [
        Account("a(t)", f"a[t, n, r] = Σ(i) x[n, t, i] · W_ih[r, i]{plus_ih}", (t, n, r), (t.size, n.size, r.size),
                (Summand((x, Factor("W_ih", "weight_ih", places((r, i)))), (i,)), *b_ih), kept="a"),
        Account("c(t)", f"c[t, n, r] = Σ(j) h[t−1, n, j] · W_hh[r, j]{plus_hh}", (t, n, r), (t.size, n.size, r.size),
                (Summand((before, Factor("W_hh", "weight_hh", places((r, j)))), (j,)), *b_hh), kept="c"),
        _read(subject, spec),
    ]  # fmt: skip


def _read(subject: Subject, spec: Recurrent) -> Account:
    """The account of y: what the next layer reads of h."""
    (t, n, u), shape = _states(subject, spec), subject.y.shape
    h = Factor("h", "h", places((t, n, u)))
    if spec.output == "every":
        return Account("y", "y[n, t, u] = h[t, n, u]", axes_of(("n", "t", "u"), shape), shape, (Summand((h,)),), "y")
    if spec.output == "mean":
        mean = Summand((h,), (t,), 1 / t.size)
        return Account("y", f"y[n, u] = Σ(t) h[t, n, u] / {t.size}", (n, u), shape, (mean,), "y")
    last = Factor("h", "h", (Along((), t.size - 1), *places((n, u))))
    return Account("y", "y[n, u] = h[T, n, u], of the last step", (n, u), shape, (Summand((last,)),), "y")


def _backward(subject: Subject, spec: Recurrent) -> list[Account]:
    t, n, u = _states(subject, spec)
    r, i, j = Axis("r", len(spec.gates) * spec.units), Axis("i", subject.x.shape[2]), Axis("j", spec.units)
    da, dc = (Factor(name, name, places((t, n, r))) for name in ("da", "dc"))
    x, before = Factor("x", "x", places((n, t, i))), Factor("h", "h", (along(-1, t=1), *places((n, j))))
    later = Factor("dc", "dc", (along(1, t=1), *places((n, r))))
    if spec.output == "every":
        arriving = Summand((Factor("dy", "dy", places((n, t, u))),))
    elif spec.output == "mean":
        arriving = Summand((Factor("dy", "dy", places((n, u))),), (), 1 / t.size)
    else:
        last = Factor("t = T", "times", places((t,)), equals=Along((), t.size - 1))
        arriving = Summand((last, Factor("dy", "dy", places((n, u)))))
    through = [arriving, Summand((later, Factor("W_hh", "weight_hh", places((r, u)))), (r,))]
    if isinstance(spec, Gru):
        through.append(Summand(tuple(Factor(name, name, (along(1, t=1), *places((n, u)))) for name in ("dh", "z"))))
    past = " + dh[t+1, n, u] · z[t+1, n, u]" if isinstance(spec, Gru) else ""
    accounts = [
        *_gates_back(spec, (t, n, r)),
        Account("dh(t)", f"dh[t, n, u] = dy, where it is read, + Σ(r) dc[t+1, n, r] · W_hh[r, u]{past}",
                (t, n, u), (t.size, n.size, u.size), tuple(through), "dh"),
        Account("weight_ih", "∂L/∂W_ih[r, i] = Σ(t, n) da[t, n, r] · x[n, t, i]", (r, i), (r.size, i.size),
                (Summand((da, x), (t, n)),), "d weight_ih"),
        Account("weight_hh", "∂L/∂W_hh[r, j] = Σ(t, n) dc[t, n, r] · h[t−1, n, j]", (r, j), (r.size, j.size),
                (Summand((dc, before), (t, n)),), "d weight_hh"),
        Account("dx", "dx[n, t, i] = Σ(r) da[t, n, r] · W_ih[r, i]", (n, t, i), subject.x.shape,
                (Summand((da, Factor("W_ih", "weight_ih", places((r, i)))), (r,)),), "dx"),
    ]  # fmt: skip
    if spec.bias:
        accounts += [
            Account(f"bias_{way}", f"∂L/∂b_{way}[r] = Σ(t, n) {factor.name}[t, n, r]", (r,), (r.size,),
                    (Summand((factor,), (t, n)),), f"d bias_{way}")
            for way, factor in (("ih", da), ("hh", dc))
        ]  # fmt: skip
    return accounts


def _gates_back(spec: Recurrent, axes: tuple[Axis, Axis, Axis]) -> list[Account]:
    """Accounts of da(t) and dc(t): the gates' blocks in a row. Blocks of dc equal those of da, except n of a GRU."""
    t, n, r = axes
    blocks = {"da": [f"da {gate}" for gate in spec.gates], "dc": [f"da {gate}" for gate in spec.gates]}
    if isinstance(spec, Gru):
        blocks["dc"][-1] = "dc n"
    return [
        Account(
            f"{way}(t)", f"{way}[t, n, r], the gates {', '.join(spec.gates)} below each other", axes,
            (t.size, n.size, r.size),
            tuple(
                Summand((Factor(name, name, (*places((t, n)), along(-place * spec.units, r=1))),))
                for place, name in enumerate(names)
            ),
            kept=way,
        )
        for way, names in blocks.items()
    ]  # fmt: skip


def _through_time(subject: Subject, spec: Recurrent) -> dict[str, Array]:
    """The gates and their gradients at every step: from the NumPy layer's cell, given the engine's h and ∂L/∂h."""
    layer, through = build_layer(spec), subject.through_time
    assert isinstance(layer, Loop)
    assert through is not None
    cell, (h, dh), (steps, n, units) = layer.cell, through, through.h.shape
    before = np.concatenate([np.zeros((1, n, units)), h[:-1]])
    a = np.moveaxis(subject.x, 1, 0) @ subject.params["weight_ih"].T
    c = before @ subject.params["weight_hh"].T
    if spec.bias:
        a, c = a + subject.params["bias_ih"], c + subject.params["bias_hh"]
    states, own_a, own_c = np.concatenate([before[:1], h]), _by_gate(a, units), _by_gate(c, units)
    record = cell.begin(own_a, states)
    recomputed, memory_gradients = np.empty_like(h), np.zeros_like(h)
    for t in range(steps):
        cell.forward(record, t, own_a[:, t], own_c[:, t])
        recomputed[t] = states[t + 1]
        states[t + 1] = h[t]  # the next step begins at the engine's own state
    slopes = cell.slopes(record)
    dmemory = None
    for t in range(steps - 1, -1, -1):
        memory_gradients[t] = 0 if dmemory is None else dmemory
        dmemory = cell.backward(record, slopes, t, dh[t], dmemory).memory
    da, dc = map(_beside_each_other, slopes)
    derived = {"a": a, "c": c, "da": da, "dc": dc, "times": np.arange(float(steps)), "f(a + c)": recomputed}
    gates = cell.values(record) if len(spec.gates) > 1 else {}
    return derived | _gate_arrays(spec, gates, derived, through, cell.carried(record)[-1][1:], memory_gradients)


def _by_gate(a: Array, units: int) -> Array:
    """A copy of the rows of each gate for themselves, (t, n, r) → (gates, t, n, u), as the layer has them."""
    return np.stack(np.split(a, a.shape[-1] // units, axis=-1))


def _beside_each_other(a: Array) -> Array:
    """The rows of all gates, (gates, t, n, u) → (t, n, r)."""
    return np.concatenate(list(a), axis=-1)


def _gate_arrays(
    spec: Recurrent, gates: dict[str, Array], derived: dict[str, Array], through: ThroughTime, m: Array, dmemory: Array
) -> dict[str, Array]:
    """Arrays of the gates, their slopes, and each gate's own block of da and dc.

    An LSTM also has its memory m and ∂L/∂m; `dmemory` is the part of ∂L/∂m that comes from the next step.
    """
    arrays, (h, dh) = dict(gates), through
    for place, name in enumerate(spec.gates):
        block = slice(place * spec.units, (place + 1) * spec.units)
        arrays |= {f"da {name}": derived["da"][..., block], f"dc {name}": derived["dc"][..., block]}
    if isinstance(spec, Lstm):
        tanh = np.tanh(m)
        arrays |= {"m": m, "tanh m": tanh, "1 − tanh² m": 1 - tanh * tanh}
        arrays["dm"] = dh * gates["o"] * (1 - tanh * tanh) + dmemory
        arrays |= {f"{name} (1 − {name})": gates[name] * (1 - gates[name]) for name in "ifo"}
        return arrays | {"1 − g²": 1 - gates["g"] ** 2}
    if isinstance(spec, Gru):
        arrays |= {f"{name} (1 − {name})": gates[name] * (1 - gates[name]) for name in "rz"}
        return arrays | {
            "1 − z": 1 - gates["z"], "1 − n²": 1 - gates["n"] ** 2, "c n": derived["c"][..., 2 * spec.units :]
        }  # fmt: skip
    relu = getattr(spec, "nonlinearity", "tanh") == "relu"
    return arrays | {"f′": (h > 0).astype(np.float64) if relu else 1 - h * h}


EXPLAINED: Explainers = {
    Recurrent: recurrent,
}
