"""Accounts of normalizations: statistics, normalized numbers, and the three paths of the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array
from twofold.probe.microscope.account import (
    Account,
    Along,
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
from twofold.recipe.norms import BatchNorm, GroupNorm, LayerNorm

REST = ("r", "q")


@dataclass(frozen=True)
class _Variables:
    """The difference between normalizations: the variables of x, of the statistics, and of γ and β."""

    every: tuple[Axis, ...]
    """The variables that name a number of x."""
    x: tuple[Along, ...]
    """The place of that number in arrays of the shape of x."""
    statistic: tuple[Axis, ...]
    """The variables that name a mean."""
    parameter: tuple[Axis, ...]
    """The variables that name a γ."""
    place: tuple[Along, ...]
    """The place of that γ, and its β, in their arrays."""

    def without(self, some: Sequence[Axis]) -> tuple[Axis, ...]:
        """All variables except `some`: those that are summed over."""
        return tuple(axis for axis in self.every if axis not in some)


def batch_norm(subject: Subject, spec: BatchNorm) -> Explanation:
    """Accounts of a batch norm: statistics of each channel over batch and plane, and the running statistics."""
    every = axes_of(("n", "c", *REST), subject.x.shape)
    c = every[1:2]
    explained = _explained(subject, _Variables(every, places(every), c, c, places(c)), spec.eps)
    n = subject.x.size // c[0].size
    new, old, shape = spec.momentum, 1 - spec.momentum, (c[0].size,)
    parts = [
        Account(
            name, f"{name}[c] ← {old:g} {name}[c] + {new:g} {letter}[c]{more}", c, shape,
            (Summand((Factor(name, name, places(c)),), (), old),
             Summand((Factor(letter, letter, places(c)),), (), share)),
            f"{name} after",
        )
        for name, letter, more, share in (
            ("running_mean", "μ", "", new), ("running_var", "σ²", " n / (n − 1)", new * n / max(1, n - 1))
        )
    ]  # fmt: skip
    return Explanation((*explained.accounts, *parts), explained.derived)


def layer_norm(subject: Subject, spec: LayerNorm) -> Explanation:
    """Accounts of a layer norm: statistics of each sample over its last axes; a γ for each of their elements."""
    axes = spec.axes or subject.x.ndim - 1
    lead = subject.x.ndim - axes
    names = ("n", *inner_names(lead - 1), *(f"k{place}" if axes > 1 else "k" for place in range(axes)))
    every = axes_of(names, subject.x.shape)
    inner = every[lead:]
    return _explained(subject, _Variables(every, places(every), every[:lead], inner, places(inner)), spec.eps)


def group_norm(subject: Subject, spec: GroupNorm) -> Explanation:
    """Accounts of a group norm: statistics of each sample's groups of channels; a γ for each channel."""
    n, channels, *rest = subject.x.shape
    N, g, c = Axis("n", n), Axis("g", spec.num_groups), Axis("c", channels // spec.num_groups)
    plane = axes_of(REST, rest)
    channel = along(g=c.size, c=1)
    variables = _Variables((N, g, c, *plane), (along(n=1), channel, *places(plane)), (N, g), (g, c), (channel,))
    return _explained(subject, variables, spec.eps)


def _explained(subject: Subject, v: _Variables, eps: float) -> Explanation:
    derived = _derived(subject, v, eps)
    at, one, share = indexed(v.every), indexed(v.statistic), 1 / np.prod([a.size for a in v.without(v.statistic)])
    over, affine = v.without(v.statistic), "weight" in subject.params
    shape, few = subject.x.shape, tuple(axis.size for axis in v.statistic)
    x, dy, x_hat, d = (Factor(name, array, v.x) for name, array in
                       (("x", "x"), ("dy", "dy"), ("x̂", "x̂"), ("(x − μ)", "x − μ")))  # fmt: skip
    mean, rstd, mean_g, mean_gx = (Factor(name, name, places(v.statistic)) for name in
                                   ("μ", "1 / √(σ² + ε)", "mean(g)", "mean(g ⊙ x̂)"))  # fmt: skip
    g = Factor("g", "g", v.x)
    gamma, beta = (Factor(letter, name, v.place) for letter, name in (("γ", "weight"), ("β", "bias")))
    y = (Summand((gamma, x_hat)), Summand((beta,))) if affine else (Summand((x_hat,)),)
    accounts = [
        Account("μ", f"μ{one} = mean of x", v.statistic, few, (Summand((x,), over, share),), kept="μ"),
        Account("σ²", f"σ²{one} = mean of (x − μ)²", v.statistic, few, (Summand((d, d), over, share),), kept="σ²"),
        Account("x̂", f"x̂{at} = (x − μ) / √(σ² + ε), ε = {eps:g}", v.every, shape,
                (Summand((x, rstd)), Summand((mean, rstd), (), -1.0)), kept="x̂"),
        Account("y", f"y{at} = γ x̂ + β" if affine else f"y{at} = x̂", v.every, shape, y, "y"),
        Account("dx", f"dx{at} = (g − mean(g) − x̂ mean(g ⊙ x̂)) / √(σ² + ε), g = {'γ dy' if affine else 'dy'}",
                v.every, shape,
                (Summand((g, rstd)), Summand((mean_g, rstd), (), -1.0), Summand((x_hat, mean_gx, rstd), (), -1.0)),
                "dx"),
    ]  # fmt: skip
    if affine:
        along_it, size = v.without(v.parameter), subject.params["weight"].shape
        which = indexed(v.parameter)
        accounts += [
            Account("weight", f"∂L/∂γ{which} = {sigma(along_it)}dy · x̂", v.parameter, size,
                    (Summand((dy, x_hat), along_it),), "d weight"),
            Account("bias", f"∂L/∂β{which} = {sigma(along_it)}dy", v.parameter, size,
                    (Summand((dy,), along_it),), "d bias"),
        ]  # fmt: skip
    return Explanation(tuple(accounts), derived)


def _derived(subject: Subject, v: _Variables, eps: float) -> dict[str, Array]:
    """The arrays beside those of the trace, computed with an axis for each variable, then in the shapes shown."""
    sizes = [axis.size for axis in v.every]
    over = tuple(place for place, axis in enumerate(v.every) if axis not in v.statistic)
    few, shape = tuple(axis.size for axis in v.statistic), subject.x.shape
    x = subject.x.reshape(sizes)
    mean = x.mean(axis=over, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=over, keepdims=True)
    rstd = 1 / np.sqrt(variance + eps)
    x_hat = (x - mean) * rstd
    derived = {
        "μ": mean.reshape(few),
        "σ²": variance.reshape(few),
        "1 / √(σ² + ε)": rstd.reshape(few),
        "x − μ": (x - mean).reshape(shape),
        "x̂": x_hat.reshape(shape),
    }
    if subject.dy is None:
        return derived
    g = subject.dy.reshape(sizes)
    if "weight" in subject.params:
        beside = [axis.size if axis in v.parameter else 1 for axis in v.every]
        g = g * subject.params["weight"].reshape(beside)
    return derived | {
        "g": g.reshape(shape),
        "mean(g)": g.mean(axis=over).reshape(few),
        "mean(g ⊙ x̂)": (g * x_hat).mean(axis=over).reshape(few),
    }


EXPLAINED: Explainers = {
    BatchNorm: batch_norm,
    LayerNorm: layer_norm,
    GroupNorm: group_norm,
}
