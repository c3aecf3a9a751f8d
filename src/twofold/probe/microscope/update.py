"""Accounts of an optimizer's update of one parameter: clipping, decay, moments, correction, rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.engine import State
from twofold.numpy_engine.optimizers import optimizer
from twofold.probe.microscope.account import Account, Axis, Factor, Root, Summand, axes_of, places
from twofold.probe.microscope.subject import wide
from twofold.recipe.optimizers import Adam, Adamw, Optimizer, OptimizerSpec, Rmsprop, Sgd

STEP = "Δp"


@dataclass(frozen=True)
class Updated:
    """The accounts of a parameter's update, and their arrays: the moments before, and the parameter after, if known."""

    accounts: tuple[Account, ...]
    arrays: Arrays


@dataclass(frozen=True)
class _Moving:
    """The facts of one parameter's update that all optimizers share."""

    axes: tuple[Axis, ...]
    decay: float
    """λ of this parameter: 0 where it does not decay."""
    lr: float
    k: int
    """The number of the update, from 1."""
    clipped: bool

    @property
    def g(self) -> str:
        """The name of the account of the gradient that enters the moments."""
        return "g + λ p" if self.decay else "g"

    def account(self, what: str, equation: str, summands: tuple[Summand, ...], own: str = "") -> Account:
        """An account of a number of the parameter's shape."""
        return Account(what, equation, self.axes, tuple(axis.size for axis in self.axes), summands, own)

    def array(self, name: str, array: str) -> Factor:
        """A factor from an array of the parameter's shape."""
        return Factor(name, array, places(self.axes))


@dataclass(frozen=True)
class Parameter:
    """One parameter of an engine, as its optimizer treats it."""

    name: str
    """Its full name, with the layer's: `2.weight`."""
    decays: bool
    after: Array | None = None
    """The parameter after the engine's own update; `None` if it made none."""


def update_of(parameter: Parameter, spec: Optimizer, gradients: Arrays, before: State, lr: float) -> Updated:
    """The accounts of a parameter's update along an engine's gradients, from its state `before`."""
    name, p = parameter.name, before.parameters[parameter.name]
    axes = axes_of([f"w{place}" for place in range(p.ndim)], p.shape)
    decay = spec.weight_decay if parameter.decays else 0.0
    moving = _Moving(axes, decay, lr, before.updates + 1, spec.max_norm is not None)
    accounts = _gradient(spec, moving) + _moved(spec, moving)
    arrays = {"p": wide(p), "g": wide(gradients[name])}
    if spec.max_norm is not None:
        squares = sum(float(np.vdot(wide(g), wide(g))) for g in gradients.values())
        arrays["clip"] = np.minimum(1.0, spec.max_norm / (math.sqrt(squares) + 1e-6))  # NaN stays
    for moment in spec.moments:
        moments = before.optimizer.get(moment, {})
        arrays[moment] = wide(moments[name]) if name in moments else np.zeros(p.shape)
    if any(factor.array == STEP for account in accounts for s in account.summands for factor in s.factors):
        arrays[STEP] = _step(spec, moving, arrays)
    if parameter.after is not None:
        arrays["p after"] = wide(parameter.after)
    return Updated(tuple(accounts), arrays)


def _gradient(spec: OptimizerSpec, moving: _Moving) -> list[Account]:
    """Accounts of the gradient that the optimizer uses: clipped, and with the weight decay that is added to it."""
    g = moving.array("∂L/∂p", "g")
    factors = (g, Factor("min(1, c / ‖g‖)", "clip")) if moving.clipped else (g,)
    clipping = f" · min(1, {spec.max_norm:g} / ‖g‖), ‖g‖ over all parameters" if moving.clipped else ""
    accounts = [moving.account("g", f"g = ∂L/∂p{clipping}", (Summand(factors),))]
    coupled = isinstance(spec, Adam | Rmsprop) or (isinstance(spec, Sgd) and spec.momentum)
    if moving.decay and coupled:
        decayed = (Summand((Factor("g", account="g"),)), Summand((moving.array("p", "p"),), (), moving.decay))
        accounts.append(moving.account("g + λ p", f"g ← g + {moving.decay:g} p", decayed))
    return accounts


def _step(spec: Optimizer, moving: _Moving, arrays: Arrays) -> Array:
    """The change of the parameter by the NumPy engine's rule, along the clipped gradient."""
    rule = optimizer(spec, 1.0 if moving.decay else 0.0)
    p, g = arrays["p"].ravel(), (arrays["g"] * arrays.get("clip", 1.0)).ravel()
    after, moments = p.copy(), {moment: arrays[moment].flatten() for moment in spec.moments}
    rule.update(after, g, moments, moving.lr, moving.k)
    return (after - p).reshape(arrays["p"].shape)


@singledispatch
def _moved(spec: OptimizerSpec, moving: _Moving) -> list[Account]:
    """Accounts from the gradient to the updated parameter; of any optimizer, by the step that its rule makes."""
    summands = (Summand((moving.array("p", "p"),)), Summand((moving.array(STEP, STEP),)))
    return [moving.account("p", f"p ← p + {STEP}, the step of the optimizer", summands, "p after")]


@_moved.register
def _(spec: Sgd, moving: _Moving) -> list[Account]:
    p, lr = moving.array("p", "p"), moving.lr
    if not spec.momentum:
        share = 1 - lr * moving.decay
        text = f"p ← {'' if not moving.decay else f'(1 − {lr:g} · {moving.decay:g}) '}p − {lr:g} g"
        return [
            moving.account(
                "p", text, (Summand((p,), (), share), Summand((Factor("g", account="g"),), (), -lr)), "p after"
            )
        ]
    g, mu = Factor("g", account=moving.g), spec.momentum
    v = moving.account(
        "v", f"v ← {mu:g} v + g", (Summand((moving.array("v", "momentum_buffer"),), (), mu), Summand((g,)))
    )
    step = (Summand((Factor("v", account="v"),), (), -lr),)
    text = f"p ← p − {lr:g} v"
    if spec.nesterov:
        step = (Summand((g,), (), -lr), Summand((Factor("v", account="v"),), (), -lr * mu))
        text = f"p ← p − {lr:g} (g + {mu:g} v)"
    return [v, moving.account("p", text, (Summand((p,)), *step), "p after")]


@_moved.register
def _(spec: Adam, moving: _Moving) -> list[Account]:
    return _adam(spec, moving, Factor("g", account=moving.g), 1.0, "p")


@_moved.register
def _(spec: Adamw, moving: _Moving) -> list[Account]:
    text = f"(1 − {moving.lr:g} · {moving.decay:g}) p" if moving.decay else "p"
    return _adam(spec, moving, Factor("g", account="g"), 1 - moving.lr * moving.decay, text)


def _adam(spec: Adam | Adamw, moving: _Moving, g: Factor, share: float, text: str) -> list[Account]:
    (beta1, beta2), k, lr = spec.betas, moving.k, moving.lr
    m_before, v_before = moving.array("m", "exp_avg"), moving.array("v", "exp_avg_sq")
    m, v = Factor("m", account="m"), Factor("v", account="v")
    correction1, correction2 = 1 - beta1**k, 1 - beta2**k
    over = Factor("1 / (√v̂ + ε)", account="v", root=Root(math.sqrt(correction2), spec.eps))
    return [
        moving.account("m", f"m ← {beta1:g} m + (1 − {beta1:g}) g",
                       (Summand((m_before,), (), beta1), Summand((g,), (), 1 - beta1))),
        moving.account("v", f"v ← {beta2:g} v + (1 − {beta2:g}) g²",
                       (Summand((v_before,), (), beta2), Summand((g, g), (), 1 - beta2))),
        moving.account("m̂", f"m̂ = m / (1 − {beta1:g}^{k})", (Summand((m,), (), 1 / correction1),)),
        moving.account("v̂", f"v̂ = v / (1 − {beta2:g}^{k})", (Summand((v,), (), 1 / correction2),)),
        moving.account("p", f"p ← {text} − {lr:g} m̂ / (√v̂ + {spec.eps:g})",
                       (Summand((moving.array("p", "p"),), (), share), Summand((m, over), (), -lr / correction1)),
                       "p after"),
    ]  # fmt: skip


@_moved.register
def _(spec: Rmsprop, moving: _Moving) -> list[Account]:
    g, alpha = Factor("g", account=moving.g), spec.alpha
    v_before, over = moving.array("v", "square_avg"), Factor("1 / (√v + ε)", account="v", root=Root(1.0, spec.eps))
    return [
        moving.account("v", f"v ← {alpha:g} v + (1 − {alpha:g}) g²",
                       (Summand((v_before,), (), alpha), Summand((g, g), (), 1 - alpha))),
        moving.account("p", f"p ← p − {moving.lr:g} g / (√v + {spec.eps:g})",
                       (Summand((moving.array("p", "p"),)), Summand((g, over), (), -moving.lr)), "p after"),
    ]  # fmt: skip
