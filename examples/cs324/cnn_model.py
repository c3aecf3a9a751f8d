"""Part 2: the reduced VGG network for CIFAR-10."""

from __future__ import annotations

from torch import nn


def convolution(n_in: int, n_out: int) -> list[nn.Module]:
    """3x3, stride 1, padding 1: height and width stay; then ReLU."""
    return [nn.Conv2d(n_in, n_out, kernel_size=3, stride=1, padding=1), nn.ReLU()]


def pooling() -> list[nn.Module]:
    """Max over overlapping windows of 3x3, stride 2, padding 1: height and width become half."""
    return [nn.MaxPool2d(kernel_size=3, stride=2, padding=1)]


class CNN(nn.Sequential):
    """Images (N, n_channels, 32, 32) → logits (N, n_classes); `print(CNN(3, 10))` shows every layer."""

    def __init__(self, n_channels: int, n_classes: int) -> None:
        super().__init__(
            *convolution(n_channels, 64),  # 64 x 32 x 32
            *pooling(),  # 64 x 16 x 16
            *convolution(64, 128),
            *pooling(),  # 128 x 8 x 8
            *convolution(128, 256),
            *convolution(256, 256),
            *pooling(),  # 256 x 4 x 4
            *convolution(256, 512),
            *convolution(512, 512),
            *pooling(),  # 512 x 2 x 2
            *convolution(512, 512),
            *convolution(512, 512),
            *pooling(),  # 512 x 1 x 1
            nn.Flatten(),  # 512
            nn.Linear(512, n_classes),
        )
