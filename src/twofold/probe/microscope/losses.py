"""Accounts of losses: softmax, the terms of the sum over the batch, and dy, with which the backward pass begins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from twofold.arrays import Array
from twofold.numpy_engine.term_losses import TERMS
from twofold.probe.microscope.account import Account, Axis, Explanation, Factor, Summand, along, axes_of, places
from twofold.recipe.losses import BinaryCrossEntropy, CrossEntropy, Huber, Loss, MeanAbsolute, MeanSquared


@dataclass(frozen=True)
class Judged:
    """The inputs of a loss: the last layer's outputs, (n, outputs), and the targets."""

    outputs: Array
    target: Array
    """Classes, (n,), or numbers or labels, (n, outputs)."""
    weight: Array | None = None
    """The weights of the samples, where the data have any."""

    @property
    def axes(self) -> tuple[Axis, Axis]:
        """The variables of sample and output."""
        n, k = axes_of(("n", "k"), self.outputs.shape)
        return n, k

    def factor(self, name: str, array: str = "") -> Factor:
        """A factor from an array with a row for each sample and a column for each output."""
        return Factor(name, array or name, places(("n", "k")))

    @property
    def wanted(self) -> Factor:
        """The target as a factor: a number, or 1 at the class and else nothing."""
        if self.target.ndim == self.outputs.ndim:
            return self.factor("t")
        return Factor("t = k", "t", places(("n",)), equals=along(k=1))


@dataclass(frozen=True)
class _Share:
    """The factor of each sample's loss in the batch's: one number for all, or its weight over the sum of weights."""

    coefficient: float
    factors: tuple[Factor, ...]
    derived: dict[str, Array]
    text: str
    """The factor as the end of an equation: ` / N`."""

    def of(self, *factors: Factor, times: float = 1.0, over: tuple[Axis, ...] = ()) -> Summand:
        """A summand of a sample's product, times the sample's share."""
        return Summand((*self.factors, *factors), over, times * self.coefficient)


def _share(judged: Judged, reduction: str, own: Array | None = None, outputs: int = 1) -> _Share:
    """The share of each sample; `own` are weights that the loss itself gives, `outputs` are averaged over as well."""
    weight, n = judged.weight, len(judged.outputs)
    divisor = n if weight is None and own is None else float(np.sum(_times(weight, own, n)))
    mean = 1 / (divisor * outputs) if divisor else 0.0
    over = mean if reduction == "mean" else 1.0
    if weight is None:
        sizes = "N" if own is None else "W"
        text = "" if reduction == "sum" else f" / {sizes}" if outputs == 1 else f" / ({sizes} C)"
        return _Share(over, (), {}, text)
    text = " · w[n]" if reduction == "sum" else " · w[n] / W" + (" / C" if outputs > 1 else "")
    return _Share(over, (Factor("w", "w", places(("n",))),), {"w": weight.astype(np.float64)}, text)


def _times(a: Array | None, b: Array | None, n: int) -> Array:
    return (np.ones(n) if a is None else a) * (np.ones(n) if b is None else b)


def loss(spec: Loss, outputs: Array, target: Array, weight: Array | None = None) -> Explanation:
    """The accounts of a loss on outputs (n, outputs): `L`, `dy`, and what stands between them and the outputs."""
    judged = Judged(outputs, target, weight)
    explanation = _explained(spec, judged)
    return Explanation(explanation.accounts, {"t": target.astype(np.float64), **explanation.derived})


@singledispatch
def _explained(spec: Loss, judged: Judged) -> Explanation:
    """Accounts of any loss: the samples' terms ℓ and slopes from the NumPy engine, times each sample's share."""
    options = spec.model_dump(exclude={"kind", "reduction"})
    terms = TERMS[spec.kind](judged.outputs, judged.target, **options)
    (n, k), share = judged.axes, _share(judged, spec.reduction, terms.weight, terms.outputs)
    term, slope = Factor("ℓ", "ℓ", places(("n",))), judged.factor("∂ℓ/∂y")
    accounts = (
        Account("L", f"L = Σ(n) ℓ[n]{share.text}", (), (), (share.of(term, over=(n,)),), "L"),
        Account("dy", f"dy[n, k] = ∂ℓ/∂y[n, k]{share.text}", (n, k), judged.outputs.shape, (share.of(slope),), "dy"),
    )
    return Explanation(accounts, {"ℓ": terms.loss, "∂ℓ/∂y": terms.gradient, **share.derived})


@_explained.register
def _(spec: CrossEntropy, judged: Judged) -> Explanation:
    (n, k), outputs = judged.axes, judged.outputs
    weights = None if spec.class_weight is None else np.array(spec.class_weight, np.float64)
    share = _share(judged, spec.reduction, None if weights is None else weights[judged.target])
    z = outputs - outputs.max(axis=-1, keepdims=True)
    total = np.exp(z).sum(axis=-1, keepdims=True)
    derived = {"exp(z)": np.exp(z), "1 / Σ": 1 / total[:, 0], "p": np.exp(z) / total, "log p": z - np.log(total)}
    p, log_p, wanted, all_wanted = judged.factor("p"), judged.factor("log p"), judged.wanted, ()
    text = "Σ(n) log p[n, t]", "p[n, k] − [t = k]"
    if weights is not None or spec.label_smoothing:
        a = (np.arange(k.size) == judged.target[:, None]) * (1 - spec.label_smoothing) + spec.label_smoothing / k.size
        a = a if weights is None else a * weights
        derived |= {"a": a, "Σ a": a.sum(axis=-1)}
        wanted, all_wanted = judged.factor("a"), (Factor("Σ a", "Σ a", places(("n",))),)
        text = "Σ(n, k) a[n, k] · log p[n, k]", "Σ a[n] · p[n, k] − a[n, k]"
    accounts = (
        Account("p", "p[n, k] = exp(z) / Σ exp(z), z = y − max y", (n, k), outputs.shape,
                (Summand((judged.factor("exp(z)"), Factor("1 / Σ", "1 / Σ", places((n,))))),), kept="p"),
        Account("L", f"L = −{text[0]}{share.text}", (), (),
                (share.of(wanted, log_p, times=-1, over=(n, k)),), "L"),
        Account("dy", f"dy[n, k] = ({text[1]}){share.text}", (n, k), outputs.shape,
                (share.of(*all_wanted, p), share.of(wanted, times=-1)), "dy"),
    )  # fmt: skip
    return Explanation(accounts, derived | share.derived)


@_explained.register
def _(spec: MeanSquared, judged: Judged) -> Explanation:
    d = judged.factor("d")
    return _of_distance(spec.reduction, judged, (("d²", (d, d), 1.0), ("2 d", (d,), 2.0)), {})


@_explained.register
def _(spec: MeanAbsolute, judged: Judged) -> Explanation:
    d = _distance(judged)
    ways = ("|d|", (judged.factor("|d|"),), 1.0), ("sign(d)", (judged.factor("sign(d)"),), 1.0)
    return _of_distance(spec.reduction, judged, ways, {"|d|": np.abs(d), "sign(d)": np.sign(d)})


@_explained.register
def _(spec: Huber, judged: Judged) -> Explanation:
    d = _distance(judged)
    e = np.clip(d, -spec.delta, spec.delta)
    clipped, rest = judged.factor("e"), judged.factor("(d − e / 2)", "d − e / 2")
    ways = ("e · (d − e / 2)", (clipped, rest), 1.0), ("e", (clipped,), 1.0)
    meaning = f", e = clip(d, −{spec.delta:g}, {spec.delta:g})"
    return _of_distance(spec.reduction, judged, ways, {"e": e, "d − e / 2": d - e / 2}, meaning)


_Way = tuple[str, tuple[Factor, ...], float]


def _of_distance(
    reduction: str, judged: Judged, ways: tuple[_Way, _Way], derived: dict[str, Array], meaning: str = ""
) -> Explanation:
    """Accounts of a loss of d = y − t; `ways` are text, factors and coefficient for L, and the same for dy."""
    n, k = judged.axes
    share = _share(judged, reduction, outputs=k.size)
    (text, terms, times), (text_back, terms_back, times_back) = ways
    shape, target = judged.outputs.shape, "t[n, k]" if judged.wanted.equals is None else "[t = k]"
    accounts = (
        Account("d", f"d[n, k] = y[n, k] − {target}", (n, k), shape,
                (Summand((judged.factor("y"),)), Summand((judged.wanted,), (), -1.0)), kept="d"),
        Account("L", f"L = Σ(n, k) {text}{share.text}{meaning}", (), (),
                (share.of(*terms, times=times, over=(n, k)),), "L"),
        Account("dy", f"dy[n, k] = {text_back}{share.text}{meaning}", (n, k), shape,
                (share.of(*terms_back, times=times_back),), "dy"),
    )  # fmt: skip
    return Explanation(accounts, {"d": _distance(judged), **derived, **share.derived})


def _distance(judged: Judged) -> Array:
    if judged.wanted.equals is None:
        return judged.outputs - judged.target
    return judged.outputs - (np.arange(judged.outputs.shape[1]) == judged.target[:, None])


@_explained.register
def _(spec: BinaryCrossEntropy, judged: Judged) -> Explanation:
    (n, k), z = judged.axes, judged.outputs
    share, shape = _share(judged, spec.reduction, outputs=k.size), judged.outputs.shape
    tail = np.log1p(np.exp(-np.abs(z)))
    t, sigma = judged.wanted, judged.factor("σ(y)")
    positive, negative = judged.factor("log σ(y)"), judged.factor("log σ(−y)")
    e = np.exp(-np.abs(z))
    derived = {
        "σ(y)": np.where(z >= 0, 1, e) / (1 + e),
        "log σ(y)": np.minimum(z, 0) - tail,
        "log σ(−y)": -np.maximum(z, 0) - tail,
        "1 − t": 1.0 - judged.target,
    }
    accounts = (
        Account("L", f"L = −Σ(n, k) (t log σ(y) + (1 − t) log σ(−y)){share.text}", (), (),
                (share.of(t, positive, times=-1, over=(n, k)),
                 share.of(judged.factor("(1 − t)", "1 − t"), negative, times=-1, over=(n, k))), "L"),
        Account("dy", f"dy[n, k] = (σ(y) − t){share.text}", (n, k), shape,
                (share.of(sigma), share.of(t, times=-1)), "dy"),
    )  # fmt: skip
    return Explanation(accounts, derived | share.derived)
