"""From layer settings to ordinary modules of PyTorch, uninitialised: nothing here draws a random number."""

from __future__ import annotations

from functools import singledispatch

from torch import nn

from twofold.recipe import Network, Node
from twofold.recipe import layers as specs


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
