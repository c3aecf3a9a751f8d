"""Optimizers: a pair of functions over one vector that holds every parameter of the network.

`init(p)` gives the moments of a vector, `update(p, g, moments, lr, k)` changes p and the moments in place;
k is the number of the update, from 1. All follow PyTorch's variant of each algorithm, which the docstrings name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import singledispatch
from typing import NamedTuple, TypeAlias

import numpy as np

from twofold.arrays import Array
from twofold.numpy_engine.shapes import Float
from twofold.recipe.optimizers import Adam, Adamw, Optimizer, Rmsprop, Sgd

Vector = Float[Array, "*replicas size"]
Moments = dict[str, Array]
Rate: TypeAlias = float | Array
"""The learning rate of a step: a number, or for replicas one each, (replicas, 1)."""
Update = Callable[[Array, Array, Moments, Rate, int], None]


class Rule(NamedTuple):
    """An optimizer as its two functions."""

    init: Callable[[Array], Moments]
    update: Update


@singledispatch
def optimizer(spec: Optimizer, decayed: Vector | float = 1.0) -> Rule:
    """The rule for an optimizer's settings, without clipping: see `clip`.

    λ is the weight decay times `decayed`: 1 for all parameters, or 1 or 0 for each number of the vector.
    """
    raise TypeError(f"no optimizer {spec!r}")


BLOCK = 1 << 16
"""Numbers that are updated together: so few that they and their moments stay in the processor's cache."""


def in_blocks(spec: Optimizer, decayed: Vector | float, size: int) -> Rule:
    """The rule for an optimizer's settings, block by block for long vectors: an update treats each number by itself."""
    if size <= BLOCK:
        return optimizer(spec, decayed)
    parts = [slice(start, start + BLOCK) for start in range(0, size, BLOCK)]
    rules = [optimizer(spec, decayed[part] if isinstance(decayed, np.ndarray) else decayed) for part in parts]

    def update(p: Vector, g: Vector, moments: Moments, lr: Rate, k: int) -> None:
        for part, rule in zip(parts, rules, strict=True):
            block = {name: moment[..., part] for name, moment in moments.items()}
            rule.update(p[..., part], g[..., part], block, lr, k)

    return Rule(rules[0].init, update)


def clip(g: Vector, max_norm: float) -> Vector:
    """g · min(1, c / (‖g‖ + 1e-6)), the norm over all parameters. `torch.nn.utils.clip_grad_norm_`.

    Pascanu et al., On the difficulty of training recurrent neural networks (2013).
    """
    if g.ndim == 1:
        factor = max_norm / (math.sqrt(np.vdot(g, g)) + 1e-6)
        return g * min(factor, 1.0)  # in this order a NaN stays a NaN
    norms = np.sqrt(np.add.reduce(g * g, axis=-1, keepdims=True))
    return g * np.minimum(max_norm / (norms + 1e-6), 1)


@optimizer.register
def _(spec: Sgd, decayed: Vector | float = 1.0) -> Rule:
    """v ← μ v + g; p ← p − η v, with g ← g + λ p before it. `torch.optim.SGD`.

    The learning rate stands outside v; scikit-learn's stands inside, which differs as soon as η changes.
    Nesterov's variant steps along g + μ v.
    """
    mu, nesterov, decays, decay = spec.momentum, spec.nesterov, spec.weight_decay > 0, spec.weight_decay * decayed

    def init(p: Vector) -> Moments:
        return {"momentum_buffer": np.zeros_like(p)} if mu else {}

    def update(p: Vector, g: Vector, moments: Moments, lr: Rate, k: int) -> None:
        if not mu:  # p ← (1 − η λ) p − η g: the same, one pass through memory less
            if decays:
                p *= 1 - lr * decay
            p -= lr * g
            return
        if decays:
            g = g + decay * p
        v = moments["momentum_buffer"]
        v *= mu
        v += g
        p -= lr * (g + mu * v if nesterov else v)

    return Rule(init, update)


@optimizer.register
def _(spec: Adam, decayed: Vector | float = 1.0) -> Rule:
    """m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; p ← p − η m̂ / (√v̂ + ε). `torch.optim.Adam`.

    m̂ = m / (1 − β₁ᵏ), v̂ = v / (1 − β₂ᵏ): ε is added after the correction. Added before it, as scikit-learn
    does, it weighs 31.6 times as much at the first step. Weight decay is added to g: see AdamW.
    Kingma & Ba, Adam: a method for stochastic optimization (2014).
    """
    return Rule(_adam_init, _adam_update(spec, decayed, decoupled=False))


@optimizer.register
def _(spec: Adamw, decayed: Vector | float = 1.0) -> Rule:
    """Adam, with p ← p (1 − η λ) in place of g ← g + λ p. `torch.optim.AdamW`.

    Loshchilov & Hutter, Decoupled weight decay regularization (2017).
    """
    return Rule(_adam_init, _adam_update(spec, decayed, decoupled=True))


def _adam_init(p: Vector) -> Moments:
    return {"exp_avg": np.zeros_like(p), "exp_avg_sq": np.zeros_like(p)}


def _adam_update(spec: Adam | Adamw, decayed: Vector | float, decoupled: bool) -> Update:
    (beta1, beta2), eps, decays, decay = spec.betas, spec.eps, spec.weight_decay > 0, spec.weight_decay * decayed

    def update(p: Vector, g: Vector, moments: Moments, lr: Rate, k: int) -> None:
        m, v = moments["exp_avg"], moments["exp_avg_sq"]
        if decays and decoupled:
            p *= 1 - lr * decay
        elif decays:
            g = g + decay * p
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g * g
        root = np.sqrt(v)
        root /= math.sqrt(1 - beta2**k)
        root += eps
        p -= (lr / (1 - beta1**k)) * m / root

    return update


@optimizer.register
def _(spec: Rmsprop, decayed: Vector | float = 1.0) -> Rule:
    """v ← α v + (1 − α) g²; p ← p − η g / (√v + ε). `torch.optim.RMSprop`.

    ε stands outside the root, and v is not corrected for its start at 0: the first steps are long.
    Tieleman & Hinton, Lecture 6.5 of Neural networks for machine learning (2012).
    """
    alpha, eps, decays, decay = spec.alpha, spec.eps, spec.weight_decay > 0, spec.weight_decay * decayed

    def init(p: Vector) -> Moments:
        return {"square_avg": np.zeros_like(p)}

    def update(p: Vector, g: Vector, moments: Moments, lr: Rate, k: int) -> None:
        if decays:
            g = g + decay * p
        v = moments["square_avg"]
        v *= alpha
        v += (1 - alpha) * g * g
        p -= lr * g / (np.sqrt(v) + eps)

    return Rule(init, update)
