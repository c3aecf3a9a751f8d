"""A batch's shards in ordinary modules; each shard has parameters of its own, which share one memory.

So autograd keeps the gradients of the shards apart, and they are added outside, in the fixed tree. A batch norm takes
its statistics from all shards of the batch; PyTorch's own (`torch.nn.SyncBatchNorm`) adds in no fixed order, and on
CUDA alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, TypeAlias, cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from twofold.arrays import Array
from twofold.engine import Batch
from twofold.engine.shards import ShardsPassed, Total, Whole, terms
from twofold.recipe.losses import Loss
from twofold.torch_engine.passes import TorchPass, as_array

BatchNorm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d
Through = Callable[[str, nn.Module, Tensor, Mapping[str, Tensor]], Tensor]
"""Gives the output of a module, by its name, for one shard with its masks."""


class Shard(NamedTuple):
    """A shard of a batch, on the device, and the modules that it goes through."""

    module: nn.Sequential
    x: Tensor
    masks: Mapping[str, Tensor]


class Statistics(NamedTuple):
    """The mean and variance that a batch norm found in a batch, and over how many numbers of each channel."""

    mean: Tensor
    variance: Tensor
    n: int


@final
class TorchShards:
    """An engine's batches shard by shard. See `twofold.engine.shards.Shards`."""

    def __init__(
        self,
        forward_back: Callable[[Sequence[Batch], Whole, Total[Tensor]], ShardsPassed[Tensor]],
        parameters: Mapping[str, nn.Parameter],
        predicting: Sequence[Tensor],
        loss: tuple[Loss, int],
    ) -> None:
        """`predicting` are the tensors by which the engine predicts; `loss` is the recipe's, and its outputs."""
        self.forward_back = forward_back
        self._parameters = parameters
        self._predicting = predicting
        self._loss = loss

    def terms(self, batch: Batch) -> float:
        """What the mean of a batch is divided by."""
        spec, outputs = self._loss
        return terms(spec, batch, outputs)

    def whole_pass(self, vector: Tensor, passed: ShardsPassed[Tensor]) -> TorchPass:
        """The pass of a batch, from the sum of its shards' vectors; each gradient in its parameter's order of axes."""
        tensors = split(vector[:-1], list(self._parameters.values()))
        return TorchPass(passed.outputs[0], vector[-1], self._parameters, tensors, passed.statistics)

    def as_array(self, value: Tensor) -> Array:
        """The tensor's own memory, or a copy of what lies elsewhere."""
        return as_array(value)

    def memory(self, *, averaged: bool) -> list[Tensor]:
        """The tensors of the module itself."""
        return [tensor.detach() for tensor in (self._predicting if averaged else self._parameters.values())]


def alias(module: nn.Sequential) -> nn.Sequential:
    """A copy of modules whose parameters share memory with the originals, but have gradients of their own."""
    memo: dict[int, object] = {id(parameter): nn.Parameter(parameter.detach()) for parameter in module.parameters()}
    memo |= {id(buffer): buffer for buffer in module.buffers()}
    return deepcopy(module, memo).train()


def forward(
    names: Sequence[str], shards: Sequence[Shard], samples: int, total: Total[Tensor], through: Through
) -> tuple[list[list[Tensor]], dict[str, Statistics]]:
    """The output of each layer for each shard, and the statistics of each batch norm by its name."""
    xs, outputs, statistics = [shard.x for shard in shards], [list[Tensor]() for _ in shards], dict[str, Statistics]()
    for index, name in enumerate(names):
        layers = [shard.module[index] for shard in shards]
        if isinstance(layers[0], BatchNorm):
            xs, statistics[name] = normalized(cast(list[BatchNorm], layers), xs, samples, total)
        else:
            xs = [through(name, layer, x, shard.masks) for layer, x, shard in zip(layers, xs, shards, strict=True)]
        for passed_layers, y in zip(outputs, xs, strict=True):
            passed_layers.append(y)
    return outputs, statistics


def vectors(losses: Sequence[Tensor], shards: Sequence[Shard]) -> list[Tensor]:
    """For each shard ∂loss/∂parameter of all parameters and the loss itself, as one vector."""
    sources = [parameter for shard in shards for parameter in shard.module.parameters()]
    derivatives = iter(torch.autograd.grad(list(losses), sources, materialize_grads=True))
    return [
        torch.cat([*(next(derivatives).reshape(-1) for _ in shard.module.parameters()), loss.detach().reshape(1)])
        for loss, shard in zip(losses, shards, strict=True)
    ]


def normalized(
    layers: Sequence[BatchNorm], xs: Sequence[Tensor], samples: int, total: Total[Tensor]
) -> tuple[list[Tensor], Statistics]:
    """The outputs of all shards from one batch norm, and its statistics of the whole batch."""
    weights = [part for layer in layers for part in (layer.weight, layer.bias) if layer.affine]
    n = samples * xs[0][0, 0].numel()
    wide = [x.to(layers[0].running_mean.dtype) for x in xs]  # pyright: ignore  # products of 16 bits come in
    *ys, mean, variance = NormOverShards.apply(total, n, layers[0].eps, len(xs), *wide, *weights)  # pyright: ignore
    return [y.to(x.dtype) for x, y in zip(xs, ys, strict=True)], Statistics(mean, variance, n)


def running(modules: Mapping[str, nn.Module], statistics: Mapping[str, Statistics]) -> dict[str, Tensor]:
    """Running statistics by name: r ← (1 − momentum) r + momentum · statistic; the variance is over n − 1 here."""
    after = dict[str, Tensor]()
    for name, (mean, variance, n) in statistics.items():
        layer = cast(BatchNorm, modules[name])
        momentum = layer.momentum or 0.0
        for what, value in (("running_mean", mean), ("running_var", variance * (n / (n - 1)))):
            after[f"{name}.{what}"] = (1 - momentum) * layer.get_buffer(what) + momentum * value
    return after


def split(vector: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """A vector cut into the parameters' parts, each in its parameter's shape and order of axes."""
    pieces = vector.split([parameter.numel() for parameter in parameters])
    return [
        torch.empty_like(parameter, requires_grad=False).copy_(piece.view(parameter.shape))
        for parameter, piece in zip(parameters, pieces, strict=True)
    ]


@final
class NormOverShards(torch.autograd.Function):
    """μ = 1/n Σ_s Σ x,   σ² = 1/n Σ_s Σ (x − μ)²,   y = γ (x − μ) / √(σ² + ε) + β

        dx = γ / √(σ² + ε) · (dy − 1/n Σ_s Σ dy − x̂ · 1/n Σ_s Σ dy ⊙ x̂);   of a shard dγ = Σ dy ⊙ x̂, dβ = Σ dy

    The inner sums are over a shard, the outer one over all shards of the batch, in whichever process they are.
    """

    @staticmethod
    def forward(ctx: Any, total: Total[Tensor], n: int, eps: float, shards: int, *tensors: Tensor) -> Any:  # pyright: ignore
        """The outputs y of all shards, then μ and σ². `tensors` are x of each shard, then γ and β of each, if any."""
        xs, scales = tensors[:shards], tensors[shards:]
        over = _rest(xs[0])
        mean = total([x.sum(over) for x in xs]) / n
        variance = total([(x - _spread(mean, x)).square_().sum(over) for x in xs]) / n
        weight, bias = scales[:2] if scales else (None, None)
        ys = [batch_norm(x, mean, variance, weight, bias, False, 0.0, eps) for x in xs]
        ctx.save_for_backward(*xs, mean, (variance + eps).rsqrt(), *scales[:1])
        ctx.total, ctx.n, ctx.shards = total, n, shards
        ctx.mark_non_differentiable(mean, variance)
        return (*ys, mean, variance)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:  # pyright: ignore
        """The gradients; every sample affects mean and variance of all shards, hence the sums over all."""
        shards: int = ctx.shards
        *xs, mean, rstd = ctx.saved_tensors[: shards + 2]
        weight = ctx.saved_tensors[shards + 2 :]
        dys, over = gradients[:shards], _rest(xs[0])
        x_hats = [(x - _spread(mean, x)).mul_(_spread(rstd, x)) for x in xs]
        sums = [torch.stack([dy.sum(over), (dy * x_hat).sum(over)]) for dy, x_hat in zip(dys, x_hats, strict=True)]
        mean_dy, mean_dy_x_hat = ctx.total(sums) / ctx.n
        scale = rstd * weight[0] if weight else rstd
        dxs = [
            x_hat.mul_(_spread(-mean_dy_x_hat, dy)).add_(dy).sub_(_spread(mean_dy, dy)).mul_(_spread(scale, dy))
            for dy, x_hat in zip(dys, x_hats, strict=True)
        ]
        scales = [part for dbeta, dgamma in sums for part in (dgamma, dbeta)] if weight else []
        return (None, None, None, None, *dxs, *scales)


def _rest(x: Tensor) -> tuple[int, ...]:
    """All axes except that of the channels."""
    return (0, *range(2, x.dim()))


def _spread(values: Tensor, x: Tensor) -> Tensor:
    """One value for each channel, shaped to broadcast against x."""
    return values.view(-1, *(1,) * (x.dim() - 2))
