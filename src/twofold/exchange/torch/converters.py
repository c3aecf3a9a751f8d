"""From PyTorch's operations to layers: one table, by module class, function or name of a method."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812  (PyTorch's usual name)

from twofold.exchange import kinds as specs
from twofold.exchange.chain import Chain, Link
from twofold.exchange.torch.call import Attribute, Call, Converter, is_axis, plain_pair
from twofold.exchange.torch.recurrent import recurrent
from twofold.recipe.layer import LayerSpec


def _linear(call: Call, chain: Chain) -> None:
    call.add(chain, specs.Dense(units=call.module.out_features, bias=call.module.bias is not None))


def _linear_function(call: Call, chain: Chain) -> None:
    parts = {"weight": call.argument(0, "weight", None), "bias": call.argument(1, "bias", None)}
    held = {name: part for name, part in parts.items() if isinstance(part, Attribute)}
    if "weight" not in held or (parts["bias"] is not None and "bias" not in held):
        call.refuse("its weight is not a parameter of the module", "nn.Linear")
    spec = specs.Dense(units=held["weight"].array.shape[0], bias="bias" in held)
    tensors = {name: part.array for name, part in held.items()}
    origins = {name: part.name for name, part in held.items()}
    chain.add(Link(spec, call.label, call.operator, tensors, origins, call.node.name), call.y)


def _conv2d(call: Call, chain: Chain) -> None:
    module = call.module
    if module.padding_mode != "zeros":
        call.refuse(f'padding_mode is "{module.padding_mode}"', 'The nearest is padding_mode="zeros"')
    padding = module.padding
    if isinstance(padding, str):
        padding = _named_padding(call, padding)
    spec = specs.Conv2d(
        channels=module.out_channels,
        kernel=plain_pair(module.kernel_size),
        stride=plain_pair(module.stride),
        padding=plain_pair(padding),
        dilation=plain_pair(module.dilation),
        groups=module.groups,
        bias=module.bias is not None,
    )
    call.add(chain, spec)


def _named_padding(call: Call, padding: str) -> tuple[int, ...]:
    """`same` in numbers: half of the window's reach on every side, which an even reach does not allow."""
    if padding == "valid":
        return (0, 0)
    reach = [d * (k - 1) for d, k in zip(call.module.dilation, call.module.kernel_size, strict=True)]
    if any(size % 2 for size in reach):
        reason = f'padding="same" with a kernel of {call.module.kernel_size} puts one zero more behind than in front'
        call.refuse(reason, "The nearest is an odd kernel, or a number for padding")
    return tuple(size // 2 for size in reach)


def _max_pool2d(call: Call, chain: Chain) -> None:
    """As a module or a function: kernel, stride, padding, dilation, ceil_mode."""
    if _option(call, 5, "return_indices", False):
        call.refuse("return_indices is set: its output is two tensors", "Leave return_indices out")
    kernel, stride, padding = _window(call)
    spec = specs.MaxPool2d(
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=plain_pair(_option(call, 3, "dilation", 1)),
        ceil_mode=bool(_option(call, 4, "ceil_mode", False)),
    )
    call.add(chain, spec)


def _avg_pool2d(call: Call, chain: Chain) -> None:
    if _option(call, 3, "ceil_mode", False):
        call.refuse("ceil_mode is set", "The nearest is an `avg_pool2d` with padding, or `max_pool2d` with ceil_mode")
    if _option(call, 5, "divisor_override", None) is not None:
        call.refuse("divisor_override is set", "The nearest is the mean over the window")
    kernel, stride, padding = _window(call)
    counted = bool(_option(call, 4, "count_include_pad", True))
    call.add(chain, specs.AvgPool2d(kernel=kernel, stride=stride, padding=padding, count_include_pad=counted))


def _window(call: Call) -> tuple[Any, Any, Any]:
    """Kernel, stride (`None` where it is the kernel's) and padding of a pooling."""
    kernel = plain_pair(_option(call, 0, "kernel_size", None))
    stride = _option(call, 1, "stride", None)
    stride = None if not stride or plain_pair(stride) == kernel else plain_pair(stride)
    return kernel, stride, plain_pair(_option(call, 2, "padding", 0))


def _adaptive_avg_pool2d(call: Call, chain: Chain) -> None:
    """To one pixel a mean of the plane, to a divisor of the plane windows side by side, to the plane itself nothing."""
    if call.x.ndim != 4:
        call.refuse("it takes images (N, channels, height, width)")
    plane = call.x.shape[2:]
    size = _option(call, 0, "output_size", None)
    sizes = tuple(
        p if s is None else s for p, s in zip(plane, size if isinstance(size, tuple) else (size, size), strict=True)
    )
    if sizes == (1, 1):
        call.add(chain, specs.GlobalAvgPool2d())
    elif sizes != plane:
        if any(p % s for p, s in zip(plane, sizes, strict=True)):
            reason = f"windows of {plane} to {sizes} are not all of one size"
            call.refuse(reason, "The nearest is an output size that divides the plane, as `avg_pool2d`")
        kernel = plain_pair([p // s for p, s in zip(plane, sizes, strict=True)])
        call.add(chain, specs.AvgPool2d(kernel=kernel))


def _mean(call: Call, chain: Chain) -> None:
    axes = call.argument(0, "dim", None)
    axes = axes if isinstance(axes, tuple | list) else (axes,)
    if call.x.ndim != 4 or sorted(axis % 4 for axis in axes if axis is not None) != [2, 3]:
        call.refuse(f"a mean over the axes {axes} of {call.x.shape}", "The nearest is one over the plane, dim=(2, 3)")
    call.add(chain, specs.GlobalAvgPool2d())


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
    """Part of the cross-entropy: NLL of log-softmax. Only at the end."""
    _check_last_axis(call)
    if [user.op for user in call.node.users] != ["output"]:
        call.refuse("log-softmax inside a network", "The nearest is `softmax`; at the end it is part of cross-entropy")
    chain.loss = "cross_entropy"


def _check_last_axis(call: Call) -> None:
    axis = _option(call, 0, "dim", None)
    if axis is None or not is_axis(axis, -1, call.x.ndim):
        call.refuse(f"over axis {axis} of {call.x.shape}", "The nearest is over the last axis, dim=-1")


def _flatten(call: Call, chain: Chain) -> None:
    if call.y.shape[0] != call.x.shape[0]:
        call.refuse(f"it takes samples apart: {call.x.shape} becomes {call.y.shape}")
    if call.y.shape == call.x.shape:
        return
    if call.y.ndim == 2:
        chain.flatten(call.label, call.operator, call.y, call.node.name)
    elif chain.links and _without_ones(call.y.shape[1:]) == _without_ones(chain.shape):
        return  # the same numbers in the same order, axes of size 1 more or less
    elif not chain.links:
        chain.begin_as(call.y.astype(np.float64))
    else:
        reason = f"{call.x.shape} becomes {call.y.shape} between layers"
        call.refuse(reason, "The nearest is `flatten`; a change of form is taken before the first layer only")


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _nothing(call: Call, chain: Chain) -> None:
    """Gives back what it is given."""


def _elementwise(spec: LayerSpec) -> Converter:
    def convert(call: Call, chain: Chain) -> None:
        call.add(chain, spec)

    return convert


def _leaky_relu(call: Call, chain: Chain) -> None:
    slope = float(_option(call, 0, "negative_slope", 0.01))
    if slope < 0:
        call.refuse(f"negative_slope is {slope:g}", "The nearest is a slope of at least 0")
    call.add(chain, specs.LeakyRelu(negative_slope=slope))


def _elu(call: Call, chain: Chain) -> None:
    alpha = float(_option(call, 0, "alpha", 1.0))
    if alpha <= 0:
        call.refuse(f"alpha is {alpha:g}", "The nearest is one greater than 0")
    call.add(chain, specs.Elu(alpha=alpha))


def _gelu(call: Call, chain: Chain) -> None:
    call.add(chain, specs.Gelu(approximate=_option(call, 0, "approximate", "none")))


def _option(call: Call, position: int, name: str, default: Any) -> Any:
    """A setting of the module, or an argument of the function."""
    return getattr(call.module, name) if call.module is not None else call.argument(position, name, default)


Key = Any
"""A module's class, a function, or the name of a tensor's method."""

CONVERTERS: Mapping[Key, Converter] = {
    nn.Linear: _linear,
    F.linear: _linear_function,
    nn.Conv2d: _conv2d,
    nn.MaxPool2d: _max_pool2d,
    F.max_pool2d: _max_pool2d,
    torch.max_pool2d: _max_pool2d,
    nn.AvgPool2d: _avg_pool2d,
    F.avg_pool2d: _avg_pool2d,
    nn.AdaptiveAvgPool2d: _adaptive_avg_pool2d,
    F.adaptive_avg_pool2d: _adaptive_avg_pool2d,
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
    torch.flatten: _flatten,
    torch.reshape: _flatten,
    torch.squeeze: _flatten,
    torch.unsqueeze: _flatten,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "squeeze": _flatten,
    "unsqueeze": _flatten,
    nn.Identity: _nothing,
    "contiguous": _nothing,
    "float": _nothing,
    "double": _nothing,
    "long": _nothing,
    "clone": _nothing,
}
"""The operations that can be adopted. PyTorch's operators have no versions of their own."""

NEAREST: Mapping[Key, str] = {
    nn.Conv1d: "The nearest is `conv2d` with kernel (1, k), on samples (channels, 1, length)",
    nn.Conv3d: "The nearest is `conv2d`, on samples (channels, height, width)",
    nn.ConvTranspose2d: "The nearest is `conv2d`, which does not enlarge the plane",
    nn.MaxPool1d: "The nearest is `max_pool2d` with kernel (1, k), on samples (channels, 1, length)",
    nn.AvgPool1d: "The nearest is `avg_pool2d` with kernel (1, k), on samples (channels, 1, length)",
    nn.AdaptiveMaxPool2d: "The nearest is `max_pool2d`, or `global_avg_pool2d`",
    nn.InstanceNorm2d: "The nearest is `batch_norm` or `layer_norm`",
    nn.LocalResponseNorm: "The nearest is `batch_norm`, which took its place",
    nn.Dropout2d: "The nearest is `dropout`, of single numbers and not of channels",
    nn.AlphaDropout: "The nearest is `dropout`",
    nn.ReLU6: "The nearest is `relu`",
    nn.Hardswish: "The nearest is `silu`",
    nn.Hardsigmoid: "The nearest is `sigmoid`",
    nn.Hardtanh: "The nearest is `tanh`",
    nn.Mish: "The nearest is `silu`",
    nn.SELU: "The nearest is `elu`",
    nn.CELU: "The nearest is `elu`",
    nn.Softplus: "The nearest is `elu` or `relu`",
    nn.MultiheadAttention: "The nearest that reads sequences is `gru` or `lstm`",
    nn.TransformerEncoderLayer: "The nearest that reads sequences is `gru` or `lstm`",
    nn.TransformerEncoder: "The nearest that reads sequences is `gru` or `lstm`",
    nn.Bilinear: "The nearest is `dense`",
    nn.EmbeddingBag: "The nearest is `embedding`",
    nn.ZeroPad2d: "The nearest is the `padding` of the convolution behind it",
    nn.Upsample: "The nearest is smaller windows: no layer enlarges the plane",
    operator.add: "A skip connection joins two ways; Twofold's networks are chains, one layer behind the other",
    torch.add: "A skip connection joins two ways; Twofold's networks are chains, one layer behind the other",
    operator.iadd: "A skip connection joins two ways; Twofold's networks are chains, one layer behind the other",
    torch.cat: "Twofold's networks are chains, one layer behind the other",
    operator.mul: "The nearest is `silu`, x times its own sigmoid, as nn.SiLU",
    operator.matmul: "The nearest is nn.Linear",
    torch.matmul: "The nearest is nn.Linear",
    "permute": "Give the samples in the order in which the first layer takes them",
    "transpose": "Give the samples in the order in which the first layer takes them",
    torch.permute: "Give the samples in the order in which the first layer takes them",
    torch.transpose: "Give the samples in the order in which the first layer takes them",
    operator.getitem: "The nearest is the last step of a recurrent layer, out[:, -1]",
}
"""The nearest thing to what cannot be adopted."""


def nearest_to(key: Key) -> str:
    """What to use in place of an operation that no recipe expresses."""
    return NEAREST.get(
        key, "`twofold.adopt` takes: " + ", ".join(sorted(k.__name__ for k in CONVERTERS if isinstance(k, type)))
    )


def name_of(node: fx.Node, module: Any) -> str:
    """What PyTorch calls the operation of a node."""
    if module is not None:
        return type(module).__name__
    if node.op == "call_method":
        return f".{node.target}"
    name = getattr(node.target, "__name__", str(node.target))
    where = getattr(node.target, "__module__", "") or ""
    return f"F.{name}" if where == "torch.nn.functional" else f"torch.{name}" if where.startswith("torch") else name
