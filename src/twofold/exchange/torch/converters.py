"""From PyTorch's operations to layers: one table, by module class, function or name of a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's usual name)

from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain, Link
from twofold.exchange.proof import without_ones
from twofold.exchange.torch.call import Call, Converter, is_axis
from twofold.exchange.torch.recurrent import recurrent
from twofold.exchange.torch.windows import (
    adaptive_avg_pool2d,
    avg_pool2d,
    conv2d,
    linear,
    linear_function,
    max_pool2d,
    option,
)
from twofold.recipe.layer import LayerSpec


def _mean(call: Call, chain: Chain) -> fx.Node | None:
    if (end := _plane_mean(call, chain)) is not None:
        return end
    axes = call.argument(0, "dim", None)
    axes = axes if isinstance(axes, tuple | list) else (axes,)
    if call.x.ndim != 4 or sorted(axis % 4 for axis in axes if axis is not None) != [2, 3]:
        call.refuse(f"a mean over the axes {axes} of {call.x.shape}", "The nearest is one over the plane, dim=(2, 3)")
    call.add(chain, specs.GlobalAvgPool2d())
    return None


def _plane_mean(call: Call, chain: Chain) -> fx.Node | None:
    """Add a mean of the plane in two operations, `x.mean(3).mean(2)` or `x.flatten(2).mean(-1)`; gives the second.

    `None`, and nothing is added, where it is none.
    """
    users = list(call.node.users)
    if call.x.ndim != 4 or len(users) != 1 or users[0].target not in ("mean", torch.mean):
        return None
    end, y = users[0], call.values[users[0].name]
    if not isinstance(y, np.ndarray) or without_ones(y.shape) != without_ones(call.x.shape[:2]):
        return None
    if not chain.gives(specs.GlobalAvgPool2d(), y):
        return None
    chain.add(Link(specs.GlobalAvgPool2d(), call.label, call.operator, output=end.name), y)
    return end


def _batch_norm(call: Call, chain: Chain) -> None:
    module = call.module
    if not module.track_running_stats or module.running_mean is None:
        call.refuse("track_running_stats is False: it has no running statistics", "The nearest is the default, True")
    if module.momentum is None:
        call.refuse("momentum is None: a plain mean over all batches", "The nearest is a number, 0.1")
    spec = specs.BatchNorm(momentum=float(module.momentum), eps=float(module.eps), affine=module.affine)
    call.add(chain, spec, buffers=True)


def _layer_norm(call: Call, chain: Chain) -> None:
    module = call.module
    if module.elementwise_affine and module.bias is None:
        call.refuse("it has γ and no β", "The nearest is bias=True")
    axes = len(module.normalized_shape)
    whole = axes == call.x.ndim - 1
    spec = specs.LayerNorm(axes=None if whole else axes, eps=float(module.eps), affine=module.elementwise_affine)
    call.add(chain, spec)


def _group_norm(call: Call, chain: Chain) -> None:
    module = call.module
    call.add(chain, specs.GroupNorm(num_groups=module.num_groups, eps=float(module.eps), affine=module.affine))


def _prelu(call: Call, chain: Chain) -> None:
    call.add(chain, specs.Prelu(num_parameters=call.module.num_parameters))


def _embedding(call: Call, chain: Chain) -> None:
    module = call.module
    odd = {"padding_idx": module.padding_idx, "max_norm": module.max_norm}
    for name, value in odd.items():
        if value is not None:
            call.refuse(f"{name} is {value}", f"The nearest is an embedding without {name}")
    if module.scale_grad_by_freq or module.sparse:
        call.refuse("scale_grad_by_freq or sparse is set", "The nearest is a plain embedding")
    call.add(chain, specs.Embedding(num_embeddings=module.num_embeddings, units=module.embedding_dim))


def _dropout(call: Call, chain: Chain) -> None:
    p = float(call.module.p if call.module is not None else call.argument(0, "p", 0.5))
    if call.module is None and not call.argument(1, "training", True):
        return
    if p >= 1:
        call.refuse(f"p is {p:g}: nothing is left", "The nearest is a share below 1")
    call.add(chain, specs.Dropout(p=p))


def _softmax(call: Call, chain: Chain) -> None:
    _check_last_axis(call)
    call.add(chain, specs.Softmax())


def _log_softmax(call: Call, chain: Chain) -> None:
    """Add no layer at the end, where it is part of the cross-entropy; refuse it anywhere else."""
    _check_last_axis(call)
    if [user.op for user in call.node.users] != ["output"]:
        call.refuse("log-softmax inside a network", "The nearest is `softmax`; at the end it is part of cross-entropy")
    chain.loss = "cross_entropy"


def _check_last_axis(call: Call) -> None:
    axis = option(call, 0, "dim", None)
    if axis is None or not is_axis(axis, -1, call.x.ndim):
        call.refuse(f"over axis {axis} of {call.x.shape}", "The nearest is over the last axis, dim=-1")


def _flatten(call: Call, chain: Chain) -> fx.Node | None:
    if (end := _plane_mean(call, chain)) is not None:
        return end
    if call.y.shape[0] != call.x.shape[0]:
        call.refuse(f"it takes samples apart: {call.x.shape} becomes {call.y.shape}")
    if call.y.shape == call.x.shape:
        return None
    if call.y.ndim == 2:
        chain.flatten(call.label, call.operator, call.y, call.node.name)
    elif chain.links and without_ones(call.y.shape[1:]) == without_ones(chain.shape):
        return None  # the same numbers in the same order, axes of size 1 more or less
    elif not chain.links:
        chain.begin_as(call.y.astype(np.float64))
    else:
        reason = f"{call.x.shape} becomes {call.y.shape} between layers"
        call.refuse(reason, "The nearest is `flatten`; a change of form is taken before the first layer only")
    return None


def _nothing(call: Call, chain: Chain) -> None:
    """Add no layer: the operation gives back what it is given."""


def _cast(call: Call, chain: Chain) -> None:
    """Add no layer for a cast to another type or device that keeps every number."""
    if not np.array_equal(call.x, call.y):
        call.refuse("it rounds the numbers that pass", "The nearest is a network of one floating-point type")


def _elementwise(spec: LayerSpec) -> Converter:
    def convert(call: Call, chain: Chain) -> None:
        call.add(chain, spec)

    return convert


def _clamp(call: Call, chain: Chain) -> None:
    """`clamp(min=0)` is a ReLU in other words."""
    least, most = call.argument(0, "min", None), call.argument(1, "max", None)
    if most is not None or not isinstance(least, int | float) or least != 0:
        call.refuse(f"it keeps the numbers from {least} to {most}", "The nearest is `relu`, clamp(min=0)")
    call.add(chain, specs.Relu())


def _leaky_relu(call: Call, chain: Chain) -> None:
    slope = float(option(call, 0, "negative_slope", 0.01))
    if slope < 0:
        call.refuse(f"negative_slope is {slope:g}", "The nearest is a slope of at least 0")
    call.add(chain, specs.LeakyRelu(negative_slope=slope))


def _elu(call: Call, chain: Chain) -> None:
    alpha = float(option(call, 0, "alpha", 1.0))
    if alpha <= 0:
        call.refuse(f"alpha is {alpha:g}", "The nearest is one greater than 0")
    call.add(chain, specs.Elu(alpha=alpha))


def _gelu(call: Call, chain: Chain) -> None:
    call.add(chain, specs.Gelu(approximate=option(call, 0, "approximate", "none")))


Key: TypeAlias = "type | Callable[..., object] | str"
"""A module's class, a function, or the name of a tensor's method."""

CONVERTERS: Mapping[Key, Converter] = {
    nn.Linear: linear,
    F.linear: linear_function,
    nn.Conv2d: conv2d,
    nn.MaxPool2d: max_pool2d,
    F.max_pool2d: max_pool2d,
    torch.max_pool2d: max_pool2d,
    nn.AvgPool2d: avg_pool2d,
    F.avg_pool2d: avg_pool2d,
    nn.AdaptiveAvgPool2d: adaptive_avg_pool2d,
    F.adaptive_avg_pool2d: adaptive_avg_pool2d,
    torch.mean: _mean,
    "mean": _mean,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.PReLU: _prelu,
    nn.Embedding: _embedding,
    nn.RNN: recurrent,
    nn.LSTM: recurrent,
    nn.GRU: recurrent,
    nn.Dropout: _dropout,
    F.dropout: _dropout,
    nn.ReLU: _elementwise(specs.Relu()),
    F.relu: _elementwise(specs.Relu()),
    torch.relu: _elementwise(specs.Relu()),
    "relu": _elementwise(specs.Relu()),
    "relu_": _elementwise(specs.Relu()),
    torch.relu_: _elementwise(specs.Relu()),
    torch.clamp: _clamp,
    "clamp": _clamp,
    "clamp_": _clamp,
    "clamp_min": _clamp,
    nn.Sigmoid: _elementwise(specs.Sigmoid()),
    F.sigmoid: _elementwise(specs.Sigmoid()),
    torch.sigmoid: _elementwise(specs.Sigmoid()),
    "sigmoid": _elementwise(specs.Sigmoid()),
    nn.Tanh: _elementwise(specs.Tanh()),
    F.tanh: _elementwise(specs.Tanh()),
    torch.tanh: _elementwise(specs.Tanh()),
    "tanh": _elementwise(specs.Tanh()),
    nn.SiLU: _elementwise(specs.Silu()),
    F.silu: _elementwise(specs.Silu()),
    nn.LeakyReLU: _leaky_relu,
    F.leaky_relu: _leaky_relu,
    nn.ELU: _elu,
    F.elu: _elu,
    nn.GELU: _gelu,
    F.gelu: _gelu,
    nn.Softmax: _softmax,
    F.softmax: _softmax,
    torch.softmax: _softmax,
    "softmax": _softmax,
    nn.LogSoftmax: _log_softmax,
    F.log_softmax: _log_softmax,
    torch.log_softmax: _log_softmax,
    "log_softmax": _log_softmax,
    nn.Flatten: _flatten,
    nn.Unflatten: _flatten,
    torch.flatten: _flatten,
    torch.reshape: _flatten,
    torch.squeeze: _flatten,
    torch.unsqueeze: _flatten,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "squeeze": _flatten,
    "unsqueeze": _flatten,
    "unflatten": _flatten,
    nn.Identity: _nothing,
    "contiguous": _nothing,
    "float": _cast,
    "double": _cast,
    "long": _cast,
    "to": _cast,
    "type": _cast,
    "cpu": _cast,
    "clone": _nothing,
}
"""The operations that can be adopted. PyTorch's operators have no versions of their own."""
