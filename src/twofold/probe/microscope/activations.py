"""Accounts of activations: the function and its slope at each number, the learned slope of `prelu`, and softmax."""

from __future__ import annotations

import numpy as np

from twofold.numpy_engine.layer import TRAINING
from twofold.numpy_engine.layers import build_layer
from twofold.probe.microscope.account import (
    Account,
    Axis,
    Explanation,
    Factor,
    Summand,
    along,
    axes_of,
    indexed,
    inner_names,
    places,
    sigma,
)
from twofold.probe.microscope.subject import Explainers, Subject
from twofold.recipe.activations import Elementwise, Prelu, Softmax


def elementwise(subject: Subject, spec: Elementwise) -> Explanation:
    """Accounts of y = f(x) and dx = dy · f′(x); the slope f′(x) is the NumPy layer's dx for dy = 1.

    If the layer computes it from y, it gets the engine's own y: 1 − y² of a saturated tanh is mostly rounding.
    """
    axes = _axes(subject)
    layer = build_layer(spec)
    f, cache = layer.forward({}, subject.x, TRAINING)
    slope, _ = layer.backward({}, subject.y if cache is f else cache, np.ones_like(subject.x))
    assert slope is not None
    where, shape = places(axes), subject.x.shape
    forward, backward = spec.formulas()
    accounts = (
        Account("y", f"{forward}, at {indexed(axes)}", axes, shape, (Summand((Factor("f(x)", "f(x)", where),)),), "y"),
        Account("dx", f"{backward}, at {indexed(axes)}", axes, shape,
                (Summand((Factor("dy", "dy", where), Factor("f′(x)", "f′(x)", where))),), "dx"),
    )  # fmt: skip
    return Explanation(accounts, {"f(x)": f, "f′(x)": slope})


def prelu(subject: Subject, spec: Prelu) -> Explanation:
    """Accounts of `prelu`; the gradient of a slope is a sum over numbers that are not above 0."""
    axes, shape = _axes(subject), subject.x.shape
    slopes = axes[1:2] if spec.num_parameters > 1 else (Axis("a", 1),)
    over = tuple(axis for axis in axes if axis not in slopes)
    where, at = places(axes), indexed(axes)
    a = Factor("a", "weight", places(slopes) if spec.num_parameters > 1 else (along(),))
    dy, below = Factor("dy", "dy", where), Factor("min(x, 0)", "min(x, 0)", where)
    slope = Factor("f′(x)", "f′(x)", where)
    wide = (
        subject.params["weight"].reshape(-1, *(1,) * (subject.x.ndim - 2))
        if subject.x.ndim > 1
        else subject.params["weight"]
    )
    accounts = (
        Account("y", f"y{at} = max(x, 0) + a · min(x, 0)", axes, shape,
                (Summand((Factor("max(x, 0)", "max(x, 0)", where),)), Summand((a, below))), "y"),
        Account("weight", f"∂L/∂a{indexed(slopes)} = {sigma(over)}dy · x where x ≤ 0", slopes, (spec.num_parameters,),
                (Summand((dy, below), over),), "d weight"),
        Account("dx", f"dx{at} = dy where x > 0, else a dy", axes, shape, (Summand((dy, slope)),), "dx"),
    )  # fmt: skip
    derived = {
        "max(x, 0)": np.maximum(subject.x, 0),
        "min(x, 0)": np.where(subject.x > 0, 0.0, subject.x),
        "f′(x)": np.where(subject.x > 0, 1.0, np.broadcast_to(wide, shape)),
    }
    return Explanation(accounts, derived)


def softmax(subject: Subject, spec: Softmax) -> Explanation:
    """Accounts of softmax, in which each output depends on every input of its row."""
    *lead, k = axes_of(("n", *inner_names(subject.x.ndim - 2), "k"), subject.x.shape)
    j, axes, at = Axis("j", k.size), (*lead, k), ", ".join(axis.name for axis in lead)
    e = np.exp(subject.x - subject.x.max(axis=-1, keepdims=True))
    y, dy = (Factor(name, name, places(axes)) for name in ("y", "dy"))
    beside = [Factor(name, name, places((*lead, j))) for name in ("y", "dy")]
    accounts = (
        Account("y", f"y[{at}, k] = exp(x − max x) / Σ exp(x − max x)", axes, subject.y.shape,
                (Summand((Factor("exp(x − max x)", "e", places(axes)), Factor("1 / Σ", "1 / Σ", places(lead)))),), "y"),
        Account("dx", f"dx[{at}, k] = y[k] · (dy[k] − Σ(j) dy[j] · y[j])", axes, subject.x.shape,
                (Summand((y, dy)), Summand((y, *beside), (j,), -1.0)), "dx"),
    )  # fmt: skip
    return Explanation(accounts, {"e": e, "1 / Σ": 1 / e.sum(axis=-1)})


def _axes(subject: Subject) -> tuple[Axis, ...]:
    """A variable for the batch, and for each axis after it."""
    inner = subject.x.ndim - 1
    return axes_of(("n", *(("c", "r", "q") if inner == 3 else inner_names(inner))), subject.x.shape)


EXPLAINED: Explainers = {
    Elementwise: elementwise,
    Prelu: prelu,
    Softmax: softmax,
}
