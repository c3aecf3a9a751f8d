"""Part 2: the reduced VGG network for CIFAR-10, as a module of PyTorch."""

from __future__ import annotations

from typing import Any, final

from torch import nn

import twofold


def layers(n_classes: int) -> list[Any]:
    """The layers of the built-in recipe `cifar10-vgg`, with another number of classes at the end."""
    *convolutions, _ = twofold.load_recipe("cifar10-vgg").layers
    return [*convolutions, {"kind": "dense", "units": n_classes}]


@final
class CNN(nn.Sequential):
    """Images (N, n_channels, 32, 32) → logits (N, n_classes); `print(CNN(3, 10))` shows every layer.

    Every convolution is 3x3, stride 1, padding 1, with a ReLU behind it; every pooling max, 3x3, stride 2, padding 1:
    conv 64, pool, conv 128, pool, conv 256, conv 256, pool, conv 512, conv 512, pool, conv 512, conv 512, pool, linear.
    """

    def __init__(self, n_channels: int, n_classes: int, *, seed: int = 0) -> None:
        super().__init__(*twofold.torch_module(layers(n_classes), (n_channels, 32, 32), seed=seed))
