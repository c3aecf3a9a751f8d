"""Layers of a recipe as a module for a user's own training loop in PyTorch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn

from twofold.engine.initial import drawn_buffers, drawn_parameters
from twofold.recipe.layer import LayerSpec
from twofold.recipe.stack import stacked
from twofold.recipe.training import DefaultInitial
from twofold.torch_engine.modules import build


def torch_module(
    layers: Iterable[LayerSpec | Mapping[str, object]], shape: Sequence[int], *, seed: int = 0
) -> nn.Sequential:
    """The layers as an ordinary `nn.Sequential` in float32, for samples of `shape`, without the batch.

    >>> torch_module([{"kind": "dense", "units": 20}, {"kind": "relu"}, {"kind": "dense", "units": 2}], (2,))
    Sequential(
      (0): Linear(in_features=2, out_features=20, bias=True)
      (1): ReLU()
      (2): Linear(in_features=20, out_features=2, bias=True)
    )

    Its weights are those with which a run of the same layers and seed begins, from PyTorch's default distributions, and
    its `state_dict` has the names of the weights that a run keeps.

    Raises `RecipeError` for layers that are wrong or do not fit each other, `UserError` for a shape that is none.
    """
    network = stacked(layers, shape)
    module = build(network).to_empty(device="cpu")
    drawn = {**drawn_parameters(network, DefaultInitial(), seed), **drawn_buffers(network)}
    with torch.no_grad():
        for name, tensor in module.state_dict(keep_vars=True).items():
            if name in drawn:
                tensor.copy_(torch.from_numpy(drawn[name]))
            else:  # the batches that a batch norm has counted
                tensor.zero_()
    return module
