"""Losses: softmax, the terms of the sum over the batch, and where the way back begins."""

from __future__ import annotations

from functools import singledispatch

import numpy as np

from twofold.arrays import Array
from twofold.probe.microscope.account import Account, Axis, Explanation, Factor, Summand, along, axes_of, places
from twofold.recipe.losses import CrossEntropy, Loss, MeanSquared


@singledispatch
def loss(spec: Loss, outputs: Array, target: Array) -> Explanation:
    """What becomes of the last layer's outputs, (n, classes): `L`, and `dy`, which goes back."""
    raise TypeError(f"no loss {spec!r}")


@loss.register
def _(spec: CrossEntropy, outputs: Array, target: Array) -> Explanation:
    n, k = axes_of(("n", "k"), outputs.shape)
    share = 1 / n.size if spec.reduction == "mean" else 1.0
    z = outputs - outputs.max(axis=-1, keepdims=True)
    total = np.exp(z).sum(axis=-1, keepdims=True)
    at = places((n, k))
    p, log_p, q = Factor("p", "p", at), Factor("log p", "log p", at), _wanted(n, k, spec.label_smoothing)
    mean = " / N" if spec.reduction == "mean" else ""
    right = "p[n, t]" if not spec.label_smoothing else "p[n, k] · q[n, k]"
    accounts = (
        Account("p", "p[n, k] = exp(z) / Σ exp(z), z = y − max y", (n, k), outputs.shape,
                (Summand((Factor("exp(z)", "exp(z)", at), Factor("1 / Σ", "1 / Σ", places((n,))))),), kept="p"),
        Account("L", f"L = −Σ(n) log {right}{mean}", (), (), (Summand((q, log_p), (n, k), -share),), "L"),
        Account("dy", f"dy[n, k] = (p[n, k] − q[n, k]){mean}, q the target", (n, k), outputs.shape,
                (Summand((p,), (), share), Summand((q,), (), -share)), "dy"),
    )  # fmt: skip
    derived = {
        "exp(z)": np.exp(z),
        "1 / Σ": 1 / total[:, 0],
        "p": np.exp(z) / total,
        "log p": z - np.log(total),
        "t": target.astype(np.float64),
    }
    if spec.label_smoothing:
        q_array = np.full(outputs.shape, spec.label_smoothing / k.size)
        q_array[np.arange(n.size), target] += 1 - spec.label_smoothing
        derived["q"] = q_array
    return Explanation(accounts, derived)


@loss.register
def _(spec: MeanSquared, outputs: Array, target: Array) -> Explanation:
    n, k = axes_of(("n", "k"), outputs.shape)
    share = 1 / outputs.size if spec.reduction == "mean" else 1.0
    d = Factor("d", "d", places((n, k)))
    mean = " / (N C)" if spec.reduction == "mean" else ""
    accounts = (
        Account("d", "d[n, k] = y[n, k] − [t = k]", (n, k), outputs.shape,
                (Summand((Factor("y", "y", places((n, k))),)), Summand((_wanted(n, k, 0.0),), (), -1.0)), kept="d"),
        Account("L", f"L = Σ(n, k) d²{mean}", (), (), (Summand((d, d), (n, k), share),), "L"),
        Account("dy", f"dy[n, k] = 2 d[n, k]{mean}", (n, k), outputs.shape, (Summand((d,), (), 2 * share),), "dy"),
    )  # fmt: skip
    distance = outputs.copy()
    distance[np.arange(n.size), target] -= 1
    return Explanation(accounts, {"d": distance, "t": target.astype(np.float64)})


def _wanted(n: Axis, k: Axis, smoothing: float) -> Factor:
    """The target: 1 at the true class, or smoothed."""
    if smoothing:
        return Factor("q", "q", places((n, k)))
    return Factor("t = k", "t", places((n,)), equals=along(k=1))
