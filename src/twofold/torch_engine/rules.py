"""Losses and optimizers of a recipe as PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import partial, singledispatch
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor, nn

from twofold.recipe.losses import CrossEntropy, Loss, MeanSquared
from twofold.recipe.optimizers import Adam, Adamw, Optimizer, Rmsprop, Sgd


@singledispatch
def loss_function(spec: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """From outputs and classes to the loss, with the recipe's reduction and smoothing."""
    raise TypeError(f"no loss {spec!r}")


@loss_function.register
def _(spec: CrossEntropy) -> Callable[[Tensor, Tensor], Tensor]:
    return partial(nn.functional.cross_entropy, reduction=spec.reduction, label_smoothing=spec.label_smoothing)


@loss_function.register
def _(spec: MeanSquared) -> Callable[[Tensor, Tensor], Tensor]:
    def loss(outputs: Tensor, target: Tensor) -> Tensor:
        onehot = nn.functional.one_hot(target, outputs.shape[-1]).to(outputs.dtype)
        return nn.functional.mse_loss(outputs, onehot, reduction=spec.reduction)

    return loss


def optimizer(spec: Optimizer, parameters: Mapping[str, nn.Parameter], weights: Set[str]) -> torch.optim.Optimizer:
    """The optimizer of `torch.optim` with the recipe's settings; `weights` names what decays where not all do."""
    _leave_the_compiler_alone()
    # A fused kernel passes the memory once; for a few numbers it costs more to call than what it replaces.
    every = list(parameters.values())
    fused = any(parameter.is_cuda for parameter in every) or sum(p.numel() for p in every) > 20_000
    lr, decay, groups = spec.lr, spec.weight_decay, _groups(spec, parameters, weights)
    match spec:
        case Sgd(momentum=momentum, nesterov=nesterov):
            return torch.optim.SGD(groups, lr, momentum, 0, decay, nesterov, foreach=False, fused=fused)
        case Adam(betas=betas, eps=eps):
            return torch.optim.Adam(groups, lr, betas, eps, decay, fused=True)
        case Adamw(betas=betas, eps=eps):
            return torch.optim.AdamW(groups, lr, betas, eps, decay, fused=True)
        case Rmsprop(alpha=alpha, eps=eps):
            return torch.optim.RMSprop(groups, lr, alpha, eps, decay)


def update(made: torch.optim.Optimizer) -> Callable[[], None]:
    """The optimizer's own step, without what PyTorch wraps around it: a profiler's mark, and marks for its compiler.

    The wrapping imports the compiler at the first step, which takes longer than many a training.
    """
    step = unwrap(type(made).step)

    @torch.no_grad()
    def bare() -> None:
        step(made)

    return bare


def _leave_the_compiler_alone() -> None:
    """Tell PyTorch that groups of parameters are added as they are, outside of any compiled program.

    It would import its compiler to find a function that says so (`torch._compile`); the function itself is one. A
    version of PyTorch that looks elsewhere takes its time and does the same.
    """
    added = unwrap(torch.optim.Optimizer.add_param_group)
    if not hasattr(added, "__dynamo_disable"):
        setattr(added, "__dynamo_disable", added)


def _groups(spec: Optimizer, parameters: Mapping[str, nn.Parameter], weights: Set[str]) -> list[dict[str, Any]]:
    """What decays and what does not."""
    if spec.decayed == "all" or weights == parameters.keys():
        return [{"params": list(parameters.values())}]
    decayed = [parameter for name, parameter in parameters.items() if name in weights]
    others = [parameter for name, parameter in parameters.items() if name not in weights]
    return [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
