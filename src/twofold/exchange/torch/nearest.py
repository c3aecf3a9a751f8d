"""What an operation of PyTorch is called, and what comes nearest to one that cannot be adopted."""

from __future__ import annotations

import operator
from collections.abc import Mapping

import torch
from torch import fx, nn

from twofold.exchange.torch.converters import CONVERTERS, Key

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
    operator.truediv: "Scale the samples before they reach the network, as the recipe's `[data]` says",
    operator.sub: "Scale the samples before they reach the network, as the recipe's `[data]` says",
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


def name_of(node: fx.Node, module: nn.Module | None) -> str:
    """What PyTorch calls the operation of a node."""
    if module is not None:
        return type(module).__name__
    if node.op == "call_method":
        return f".{node.target}"
    name = getattr(node.target, "__name__", str(node.target))
    where = getattr(node.target, "__module__", "") or ""
    return f"F.{name}" if where == "torch.nn.functional" else f"torch.{name}" if where.startswith("torch") else name
