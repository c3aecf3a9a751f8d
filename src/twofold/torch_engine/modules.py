"""From layer settings to ordinary modules of PyTorch, uninitialised: nothing here draws a random number."""

from __future__ import annotations

from functools import singledispatch

from torch import nn

from twofold.recipe import Network, Node
from twofold.recipe import layers as specs
from twofold.torch_engine.conv import Conv2d
from twofold.torch_engine.recurrent import Embedding, Recurrent


def build(network: Network) -> nn.Sequential:
    """An ordinary `nn.Sequential` on the meta device: shapes, no memory, no random numbers."""
    return nn.Sequential(*(_module(node.spec, node) for node in network.nodes))


@singledispatch
def _module(spec: specs.LayerSpec, node: Node) -> nn.Module:
    raise TypeError(f"no module for {spec!r}")


@_module.register
def _(spec: specs.Dense, node: Node) -> nn.Module:
    return nn.Linear(node.input_shape[-1] or 0, spec.units, bias=spec.bias, device="meta")


@_module.register
def _(spec: specs.Conv2d, node: Node) -> nn.Module:
    kernel, stride, padding, dilation = spec.window
    channels = node.input_shape[0] or 0
    return Conv2d(
        channels, spec.channels, kernel, stride, padding, dilation, spec.groups, bias=spec.bias, device="meta"
    )


@_module.register
def _(spec: specs.MaxPool2d, node: Node) -> nn.Module:
    return nn.MaxPool2d(*spec.window, ceil_mode=spec.ceil_mode)


@_module.register
def _(spec: specs.AvgPool2d, node: Node) -> nn.Module:
    kernel, stride, padding, _ = spec.window
    return nn.AvgPool2d(kernel, stride, padding, count_include_pad=spec.count_include_pad)


@_module.register
def _(spec: specs.GlobalAvgPool2d, node: Node) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


@_module.register
def _(spec: specs.BatchNorm, node: Node) -> nn.Module:
    kind = nn.BatchNorm2d if len(node.input_shape) == 3 else nn.BatchNorm1d
    return kind(node.input_shape[0] or 0, spec.eps, spec.momentum, spec.affine, device="meta")


@_module.register
def _(spec: specs.LayerNorm, node: Node) -> nn.Module:
    shape = [size or 0 for size in (node.input_shape[-spec.axes :] if spec.axes else node.input_shape)]
    return nn.LayerNorm(shape, spec.eps, spec.affine, device="meta")


@_module.register
def _(spec: specs.Rnn | specs.Lstm | specs.Gru, node: Node) -> nn.Module:
    step = spec.nonlinearity if isinstance(spec, specs.Rnn) else spec.kind
    inputs, gates, every = node.input_shape[-1] or 0, len(spec.gates), spec.output == "every"
    return Recurrent(inputs, spec.units, gates, step, every, spec.bias, "meta")


@_module.register
def _(spec: specs.Embedding, node: Node) -> nn.Module:
    return Embedding(spec.num_embeddings, spec.units, device="meta")


@_module.register
def _(spec: specs.LeakyRelu, node: Node) -> nn.Module:
    return nn.LeakyReLU(spec.negative_slope)


@_module.register
def _(spec: specs.Elu, node: Node) -> nn.Module:
    return nn.ELU(spec.alpha)


@_module.register
def _(spec: specs.Gelu, node: Node) -> nn.Module:
    return nn.GELU(spec.approximate)


@_module.register
def _(spec: specs.Silu, node: Node) -> nn.Module:
    return nn.SiLU()


@_module.register
def _(spec: specs.Relu, node: Node) -> nn.Module:
    return nn.ReLU()


@_module.register
def _(spec: specs.Sigmoid, node: Node) -> nn.Module:
    return nn.Sigmoid()


@_module.register
def _(spec: specs.Tanh, node: Node) -> nn.Module:
    return nn.Tanh()


@_module.register
def _(spec: specs.Softmax, node: Node) -> nn.Module:
    return nn.Softmax(dim=-1)


@_module.register
def _(spec: specs.Dropout, node: Node) -> nn.Module:
    return nn.Dropout(spec.p)


@_module.register
def _(spec: specs.Flatten, node: Node) -> nn.Module:
    return nn.Flatten()
