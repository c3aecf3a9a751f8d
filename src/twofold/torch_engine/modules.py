"""Builds ordinary modules of PyTorch from layer settings, uninitialised: nothing here draws a random number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor, nn

from twofold.recipe import Network, Node, activations, dense, norms, pooling, recurrent, windows
from twofold.recipe.layer import LayerSpec
from twofold.recipe.training import Training
from twofold.torch_engine.conv import NarrowConv2d
from twofold.torch_engine.embedding import EmbedColumns, Embedding
from twofold.torch_engine.filtering import FilteringConv2d
from twofold.torch_engine.passes import THERE
from twofold.torch_engine.recurrent import Recurrent

Builders: TypeAlias = Mapping[type[LayerSpec], Callable[[Any, Node], nn.Module]]
"""For each kind of layer, the function that builds its module from the settings and the place in the network."""


def build(network: Network, convolution: type[nn.Conv2d] = nn.Conv2d) -> nn.Sequential:
    """An ordinary `nn.Sequential` on the meta device: shapes, no memory, no random numbers.

    `convolution` is the module of every `conv2d`: PyTorch's own, or one that computes the same function in another way.
    """
    modules = (MODULES[type(node.spec)](node.spec, node) for node in network.nodes)
    return nn.Sequential(*(remade(m, convolution) if isinstance(m, nn.Conv2d) else m for m in modules))


def convolution_of(training: Training, narrow: bool) -> type[nn.Conv2d]:
    """The module that computes a training's convolutions; `narrow`: its products are in 16 bits."""
    if narrow:
        return NarrowConv2d
    # A compiler would make a program of each of its many small operations.
    return FilteringConv2d if training.convolution == "winograd" and not training.compile else nn.Conv2d


def remade(module: nn.Conv2d, convolution: type[nn.Conv2d]) -> nn.Conv2d:
    """A convolution of the same sizes, on the meta device."""
    m = module
    sizes = (m.kernel_size, m.stride, m.padding, m.dilation, m.groups)
    return convolution(m.in_channels, m.out_channels, *sizes, m.bias is not None, device="meta")  # pyright: ignore


def _dense(spec: dense.Dense, node: Node) -> nn.Module:
    return nn.Linear(node.input_shape[-1] or 0, spec.units, bias=spec.bias, device="meta")


def _conv(spec: windows.Conv2d, node: Node) -> nn.Module:
    channels = node.input_shape[0] or 0
    return nn.Conv2d(channels, spec.channels, *spec.window, spec.groups, bias=spec.bias, device="meta")


def _avg_pool(spec: pooling.AvgPool2d, node: Node) -> nn.Module:
    kernel, stride, padding, _ = spec.window
    return nn.AvgPool2d(kernel, stride, padding, count_include_pad=spec.count_include_pad)


def _batch_norm(spec: norms.BatchNorm, node: Node) -> nn.Module:
    module = nn.BatchNorm2d if len(node.input_shape) == 3 else nn.BatchNorm1d
    return module(node.input_shape[0] or 0, spec.eps, spec.momentum, spec.affine, device="meta")


def _layer_norm(spec: norms.LayerNorm, node: Node) -> nn.Module:
    shape = [size or 0 for size in (node.input_shape[-spec.axes :] if spec.axes else node.input_shape)]
    return nn.LayerNorm(shape, spec.eps, spec.affine, device="meta")


def _group_norm(spec: norms.GroupNorm, node: Node) -> nn.Module:
    return nn.GroupNorm(spec.num_groups, node.input_shape[0] or 0, spec.eps, spec.affine, device="meta")


def _recurrent(spec: recurrent.Recurrence, node: Node) -> nn.Module:
    step = spec.nonlinearity if isinstance(spec, recurrent.Rnn) else spec.kind
    return Recurrent(node.input_shape[-1] or 0, spec.units, len(spec.gates), step, spec.output, spec.bias, "meta")


MODULES: Builders = {
    dense.Dense: _dense,
    dense.Embedding: lambda spec, node: Embedding(spec.num_embeddings, spec.units, device="meta"),
    dense.EmbedColumns: lambda spec, node: EmbedColumns(spec.num_embeddings, spec.units, device="meta"),
    dense.Dropout: lambda spec, node: nn.Dropout(spec.p),
    dense.Flatten: lambda spec, node: nn.Flatten(),
    windows.Conv2d: _conv,
    pooling.MaxPool2d: lambda spec, node: nn.MaxPool2d(*spec.window, ceil_mode=spec.ceil_mode),
    pooling.AvgPool2d: _avg_pool,
    pooling.GlobalAvgPool2d: lambda spec, node: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    norms.BatchNorm: _batch_norm,
    norms.LayerNorm: _layer_norm,
    norms.GroupNorm: _group_norm,
    recurrent.Rnn: _recurrent,
    recurrent.Lstm: _recurrent,
    recurrent.Gru: _recurrent,
    activations.Relu: lambda spec, node: nn.ReLU(),
    activations.LeakyRelu: lambda spec, node: nn.LeakyReLU(spec.negative_slope),
    activations.Prelu: lambda spec, node: nn.PReLU(spec.num_parameters, device="meta"),
    activations.Elu: lambda spec, node: nn.ELU(spec.alpha),
    activations.Gelu: lambda spec, node: nn.GELU(spec.approximate),
    activations.Silu: lambda spec, node: nn.SiLU(),
    activations.Sigmoid: lambda spec, node: nn.Sigmoid(),
    activations.Tanh: lambda spec, node: nn.Tanh(),
    activations.Softmax: lambda spec, node: nn.Softmax(dim=-1),
}


def through(name: str, module: nn.Module, x: Tensor, masks: Mapping[str, Tensor]) -> Tensor:
    """A module's output: dropout takes the batch's mask, not its own; a loop over time gets that of steps."""
    if isinstance(module, Recurrent):
        return module(x, masks.get(THERE))
    if not isinstance(module, nn.Dropout):
        return module(x)
    return x if name not in masks else x * masks[name] / (1 - module.p)
