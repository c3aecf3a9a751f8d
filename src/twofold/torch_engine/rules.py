"""Losses and optimizers of a recipe as PyTorch's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import partial, singledispatch
from inspect import unwrap

import torch
from torch import Tensor, nn

from twofold.engine import NO_ANSWER
from twofold.recipe.losses import BinaryCrossEntropy, CrossEntropy, Huber, MeanAbsolute, MeanSquared
from twofold.recipe.losses import Loss as LossKind
from twofold.recipe.optimizers import Adam, Adamw, Optimizer, Rmsprop, Sgd

Loss = Callable[..., Tensor]
"""The loss as a function of outputs, targets and, if the data have them, the weights of the samples."""


def each_step(loss: Loss) -> Loss:
    """A loss over sequences: every step with an answer counts as a sample. Without any the loss is 0, not NaN."""

    def over_steps(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        there = ~target.isnan().any(dim=-1) if target.is_floating_point() else target != NO_ANSWER
        flat = outputs[there], target[there]
        if not len(flat[0]):
            return flat[0].sum()
        return loss(*flat) if weight is None else loss(*flat, weight[there])

    return over_steps


@singledispatch
def loss_function(spec: LossKind) -> Loss:
    """PyTorch's own loss, with the recipe's reduction, smoothing and class weights."""
    raise TypeError(f"no loss {spec!r}")


@loss_function.register
def _(spec: CrossEntropy) -> Loss:
    by_class = None if spec.class_weight is None else torch.tensor(spec.class_weight, dtype=torch.float64)

    def loss(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        classes = None if by_class is None else by_class.to(outputs)
        reduction = spec.reduction if weight is None else "none"
        value = nn.functional.cross_entropy(
            outputs, target, classes, reduction=reduction, label_smoothing=spec.label_smoothing
        )
        if weight is None:
            return value
        own = weight if classes is None else weight * classes[target]
        return _weighted(value, weight, own, spec.reduction)

    return loss


@loss_function.register
def _(spec: MeanSquared) -> Loss:
    def loss(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        if target.ndim < outputs.ndim:
            target = nn.functional.one_hot(target, outputs.shape[-1])
        return _elementwise(nn.functional.mse_loss, outputs, target, weight, spec.reduction)

    return loss


@loss_function.register
def _(spec: MeanAbsolute) -> Loss:
    def loss(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        return _elementwise(nn.functional.l1_loss, outputs, target, weight, spec.reduction)

    return loss


@loss_function.register
def _(spec: Huber) -> Loss:
    def loss(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        huber = partial(nn.functional.huber_loss, delta=spec.delta)
        return _elementwise(huber, outputs, target, weight, spec.reduction)

    return loss


@loss_function.register
def _(spec: BinaryCrossEntropy) -> Loss:
    def loss(outputs: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        function = nn.functional.binary_cross_entropy_with_logits
        return _elementwise(function, outputs, target, weight, spec.reduction)

    return loss


def _elementwise(
    function: Callable[..., Tensor], outputs: Tensor, target: Tensor, weight: Tensor | None, reduction: str
) -> Tensor:
    """A loss that compares each output with a number of its own."""
    target = target.to(outputs.dtype)
    if weight is None:
        return function(outputs, target, reduction=reduction)
    terms = function(outputs, target, reduction="none")
    return _weighted(terms.mean(dim=-1) if reduction == "mean" else terms.sum(dim=-1), weight, weight, reduction)


def _weighted(terms: Tensor, weight: Tensor, own: Tensor, reduction: str) -> Tensor:
    """The weighted sum of the samples' terms; for a mean, over the sum of `own`, each sample's whole weight.

    A mean is 0 where all weights are.
    """
    total = (terms * weight).sum()
    if reduction == "sum":
        return total
    divisor = own.sum()
    return total / torch.where(divisor == 0, torch.inf, divisor)


def optimizer(spec: Optimizer, parameters: Mapping[str, nn.Parameter], weights: Set[str]) -> torch.optim.Optimizer:
    """The optimizer of `torch.optim` with the recipe's settings; `weights` names those that decay if not all do."""
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
    """Keep PyTorch from importing its compiler when parameters are added to an optimizer.

    It imports the compiler (`torch._compile`) to make a function that is never compiled; marked like this, the plain
    function serves as one. A version of PyTorch that looks elsewhere takes its time and does the same.
    """
    added = unwrap(torch.optim.Optimizer.add_param_group)
    if not hasattr(added, "__dynamo_disable"):
        setattr(added, "__dynamo_disable", added)


def _groups(spec: Optimizer, parameters: Mapping[str, nn.Parameter], weights: Set[str]) -> list[dict[str, object]]:
    """The groups of parameters for PyTorch: those that decay and those that do not."""
    if spec.decayed == "all" or weights == parameters.keys():
        return [{"params": list(parameters.values())}]
    decayed = [parameter for name, parameter in parameters.items() if name in weights]
    others = [parameter for name, parameter in parameters.items() if name not in weights]
    return [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
