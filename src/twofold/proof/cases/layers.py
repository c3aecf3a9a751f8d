"""The table of layers: every kind × its options × shapes, with single samples and pixels, extremes and kinks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twofold.arrays import Array
from twofold.proof.cases.layer import LayerCase
from twofold.recipe.activations import Elu, Gelu, LeakyRelu, Prelu, Relu, Sigmoid, Silu, Softmax, Tanh
from twofold.recipe.dense import Dense, Dropout, EmbedColumns, Embedding, Flatten
from twofold.recipe.norms import BatchNorm, GroupNorm, LayerNorm
from twofold.recipe.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from twofold.recipe.recurrent import Gru, Lstm, Rnn
from twofold.recipe.windows import Conv2d


def _half_zero(x: Array) -> Array:
    return np.where(x > 0, x, 0.0)


def _saturated(x: Array) -> Array:
    return x * 30


def _extreme(x: Array) -> Array:
    return np.where(x > 0, 1e3, -1e3)


def _whole(x: Array) -> Array:
    """Whole numbers from -1 to 1: most windows hold their largest several times."""
    return np.clip(np.rint(x), -1, 1)


def _numbers(x: Array) -> Array:
    """Whole numbers from 0 to 6, and a half above each, so that a small step changes none."""
    return np.clip(np.floor(np.abs(x) * 4), 0, 6) + 0.5


def _codes(x: Array) -> Array:
    """Two codes from 0 to 4 in the last axis, a half above each, followed by other numbers."""
    return np.where(np.arange(x.shape[-1]) < 2, np.clip(np.floor(np.abs(x) * 3), 0, 4) + 0.5, x)


def _thousands(x: Array) -> Array:
    return x * 1e3


LAYERS = [
    LayerCase("dense", Dense(units=3), (4, 5)),
    LayerCase("dense without bias", Dense(units=3, bias=False), (4, 5)),
    LayerCase("dense of one sample", Dense(units=3), (1, 5)),
    LayerCase("dense of one input", Dense(units=7), (6, 1)),
    LayerCase("dense to one unit", Dense(units=1), (6, 3)),
    LayerCase("dense one by one by one", Dense(units=1), (1, 1)),
    LayerCase("dense square", Dense(units=5), (5, 5)),
    LayerCase("dense wide", Dense(units=2), (3, 61)),
    LayerCase("dense with an axis between", Dense(units=3), (4, 7, 5)),
    LayerCase("dense with two axes between, without bias", Dense(units=3, bias=False), (3, 2, 7, 5)),
    LayerCase("dense replicas", Dense(units=3), (5, 2), replicas=4),
    LayerCase("dense replicas without bias", Dense(units=3, bias=False), (5, 2), replicas=3),
    LayerCase("dense replicas with an axis between", Dense(units=2), (5, 3, 7), replicas=3),
    LayerCase("conv2d", Conv2d(channels=4, kernel=3), (2, 3, 5, 7)),
    LayerCase("conv2d as in VGG", Conv2d(channels=4, kernel=3, padding=1), (2, 3, 6, 6)),
    LayerCase("conv2d without bias", Conv2d(channels=4, kernel=3, bias=False), (2, 3, 5, 7)),
    LayerCase("conv2d of one image", Conv2d(channels=2, kernel=5), (1, 1, 8, 8)),
    LayerCase("conv2d of one pixel", Conv2d(channels=5, kernel=1), (3, 2, 5, 3)),
    LayerCase("conv2d to one pixel", Conv2d(channels=2, kernel=(5, 3)), (3, 2, 5, 3)),
    LayerCase("conv2d of one pixel in, padded", Conv2d(channels=2, kernel=3, padding=1), (3, 2, 1, 1)),
    LayerCase("conv2d with stride", Conv2d(channels=3, kernel=3, stride=2, padding=1), (2, 2, 7, 8)),
    LayerCase("conv2d with a stride past the kernel", Conv2d(channels=3, kernel=2, stride=3), (2, 2, 8, 9)),
    LayerCase("conv2d unequal", Conv2d(channels=3, kernel=(3, 2), stride=(1, 2), padding=(0, 1)), (2, 2, 5, 6)),
    LayerCase("conv2d dilated", Conv2d(channels=2, kernel=3, dilation=2, padding=2), (2, 2, 6, 7)),
    LayerCase("conv2d dilated, unequal", Conv2d(channels=2, kernel=3, dilation=(1, 3), padding=(1, 2)), (2, 2, 4, 7)),
    LayerCase("conv2d as a whitening", Conv2d(channels=8, kernel=2, initial="whitening"), (2, 1, 5, 4)),
    LayerCase("conv2d in groups", Conv2d(channels=6, kernel=3, groups=2, padding=1), (2, 4, 5, 5)),
    LayerCase("conv2d a channel a group", Conv2d(channels=6, kernel=3, groups=3, bias=False), (2, 3, 5, 4)),
    LayerCase("conv2d with more padding than kernel", Conv2d(channels=2, kernel=2, padding=4), (2, 2, 3, 3)),
    LayerCase(
        "conv2d with everything",
        Conv2d(channels=4, kernel=(3, 2), stride=(2, 1), padding=(2, 1), dilation=(2, 3), groups=2),
        (3, 4, 9, 8),
    ),
    LayerCase("max_pool2d", MaxPool2d(kernel=2), (2, 3, 6, 8)),
    LayerCase("max_pool2d of odd sizes", MaxPool2d(kernel=2), (2, 3, 5, 7)),
    LayerCase("max_pool2d overlapping, as in VGG", MaxPool2d(kernel=3, stride=2, padding=1), (2, 3, 8, 8)),
    LayerCase("max_pool2d overlapping, of odd sizes", MaxPool2d(kernel=3, stride=2, padding=1), (2, 3, 7, 5)),
    LayerCase("max_pool2d of one image", MaxPool2d(kernel=3, stride=1, padding=1), (1, 1, 4, 4)),
    LayerCase("max_pool2d of one pixel", MaxPool2d(kernel=3, stride=2, padding=1), (2, 2, 1, 1)),
    LayerCase("max_pool2d unequal", MaxPool2d(kernel=(3, 2), stride=(2, 1), padding=(1, 0)), (2, 3, 6, 5)),
    LayerCase("max_pool2d dilated", MaxPool2d(kernel=3, stride=1, padding=1, dilation=2), (2, 3, 6, 7)),
    LayerCase("max_pool2d dilated, unequal", MaxPool2d(kernel=2, dilation=(2, 3)), (2, 3, 7, 9)),
    LayerCase("max_pool2d rounding up", MaxPool2d(kernel=3, stride=2, ceil_mode=True), (2, 3, 6, 8)),
    LayerCase(
        "max_pool2d rounding up, the last window dropped",
        MaxPool2d(kernel=2, stride=3, padding=1, ceil_mode=True),
        (2, 3, 4, 7),
    ),
    LayerCase("max_pool2d of ties", MaxPool2d(kernel=3, stride=2, padding=1), (2, 3, 8, 8), _whole, smooth=False),
    LayerCase("max_pool2d of zeros", MaxPool2d(kernel=2), (2, 3, 4, 4), lambda x: x * 0, smooth=False),
    LayerCase("avg_pool2d", AvgPool2d(kernel=2), (2, 3, 6, 8)),
    LayerCase("avg_pool2d of odd sizes", AvgPool2d(kernel=2), (2, 3, 5, 7)),
    LayerCase("avg_pool2d overlapping", AvgPool2d(kernel=3, stride=2, padding=1), (2, 3, 7, 6)),
    LayerCase(
        "avg_pool2d, the padding left out",
        AvgPool2d(kernel=3, stride=2, padding=1, count_include_pad=False),
        (2, 3, 7, 6),
    ),
    LayerCase("avg_pool2d unequal", AvgPool2d(kernel=(3, 1), stride=(1, 2)), (1, 2, 6, 5)),
    LayerCase("global_avg_pool2d", GlobalAvgPool2d(), (3, 4, 5, 7)),
    LayerCase("global_avg_pool2d of one pixel", GlobalAvgPool2d(), (1, 4, 1, 1)),
    LayerCase("batch_norm of vectors", BatchNorm(), (6, 4)),
    LayerCase("batch_norm of images", BatchNorm(), (3, 4, 5, 3)),
    LayerCase("batch_norm of one image", BatchNorm(), (1, 4, 5, 3)),
    LayerCase("batch_norm of two vectors", BatchNorm(), (2, 3)),
    LayerCase("batch_norm of one vector", BatchNorm(), (1, 3), trains=False),
    LayerCase("batch_norm of one pixel", BatchNorm(), (1, 3, 1, 1), trains=False),
    LayerCase("batch_norm without affine", BatchNorm(affine=False), (3, 4, 5, 3)),
    LayerCase("batch_norm of another eps and momentum", BatchNorm(eps=0.1, momentum=0.6), (6, 4)),
    LayerCase("batch_norm that forgets", BatchNorm(momentum=1.0), (3, 2, 3, 3)),
    # The mean of zeros is exact. With another constant only rounding is left to normalize, 1 / √ε = 316 times as large.
    LayerCase("batch_norm of zeros", BatchNorm(), (5, 4), lambda x: x * 0, smooth=False),
    LayerCase("layer_norm of vectors", LayerNorm(), (6, 4)),
    LayerCase("layer_norm of images", LayerNorm(), (3, 4, 5, 3)),
    LayerCase("layer_norm over the last axis", LayerNorm(axes=1), (3, 4, 5)),
    LayerCase("layer_norm over two axes", LayerNorm(axes=2), (3, 4, 5, 3)),
    LayerCase("layer_norm of one sample without affine", LayerNorm(affine=False), (1, 7)),
    LayerCase("layer_norm of another eps", LayerNorm(eps=0.1), (6, 4)),
    LayerCase("group_norm of images", GroupNorm(num_groups=2), (3, 6, 5, 4)),
    LayerCase("group_norm of vectors", GroupNorm(num_groups=2), (4, 14)),
    LayerCase("group_norm of one group", GroupNorm(num_groups=1), (3, 4, 5, 3)),
    LayerCase("group_norm of a channel a group", GroupNorm(num_groups=4), (3, 4, 5, 3)),
    LayerCase("group_norm of sequences", GroupNorm(num_groups=2), (3, 4, 5)),
    LayerCase("group_norm of one image without affine", GroupNorm(num_groups=2, affine=False), (1, 4, 3, 3)),
    LayerCase("group_norm of another eps", GroupNorm(num_groups=2, eps=0.1), (3, 4, 2, 3)),
    *(
        replace(case, scale=0.3)
        for kind in (Rnn, Lstm, Gru)
        for name in [kind.model_fields["kind"].default]
        for case in (
            LayerCase(name, kind(units=4), (5, 6, 3)),
            LayerCase(f"{name} after every step", kind(units=4, output="every"), (5, 6, 3)),
            LayerCase(f"{name}, mean over the steps", kind(units=4, output="mean"), (5, 6, 3)),
            LayerCase(f"{name} without bias", kind(units=3, bias=False), (4, 5, 2)),
            LayerCase(f"{name} of one number a step", kind(units=5), (4, 7, 1)),
            LayerCase(f"{name} of one step", kind(units=3), (4, 1, 2)),
            LayerCase(f"{name} of one sample", kind(units=3, output="every"), (1, 4, 2)),
            LayerCase(f"{name} of one unit", kind(units=1), (3, 4, 2)),
            LayerCase(f"{name} half saturated", kind(units=4), (5, 6, 3), lambda x: x * 4),
            LayerCase(f"{name} replicas", kind(units=4), (5, 6, 3), replicas=3),
            LayerCase(f"{name} replicas of one number a step", kind(units=4, output="every"), (5, 6, 1), replicas=2),
            LayerCase(f"{name} replicas, mean over the steps", kind(units=2, output="mean"), (3, 4, 2), replicas=2),
            # How W_hh begins changes no pass: the table of initial weights looks at it.
            LayerCase(f"{name} begun elsewhere", kind(units=2, initial_hh="orthogonal", gain_hh=0.5), (2, 3, 2)),
        )
    ),
    LayerCase("rnn of relu", Rnn(units=4, nonlinearity="relu"), (5, 6, 3)),
    LayerCase("rnn of relu, after every step", Rnn(units=4, nonlinearity="relu", output="every"), (5, 6, 3)),
    LayerCase("lstm that remembers from the start", Lstm(units=2, forget_bias=1.0), (2, 3, 2)),
    LayerCase("lstm that remembers for 5 steps", Lstm(units=2, chrono=5), (2, 3, 2)),
    LayerCase("gru that remembers for 5 steps", Gru(units=2, chrono=5), (2, 3, 2)),
    LayerCase("embedding", Embedding(num_embeddings=7, units=3), (5, 4), _numbers),
    LayerCase("embedding of one number", Embedding(num_embeddings=7, units=2), (1, 1), _numbers),
    LayerCase("embedding of one vector", Embedding(num_embeddings=9, units=1), (3, 2), _numbers),
    LayerCase("embedding replicas", Embedding(num_embeddings=7, units=3), (5, 4), _numbers, replicas=3),
    LayerCase("embed_columns", EmbedColumns(num_embeddings=(5, 8), units=(3, 2)), (6, 5), _codes),
    LayerCase("embed_columns of one column", EmbedColumns(num_embeddings=(7,), units=(3,)), (5, 1), _numbers),
    LayerCase("embed_columns of one sample", EmbedColumns(num_embeddings=(5, 5), units=(1, 4)), (1, 3), _codes),
    LayerCase("embed_columns of codes alone", EmbedColumns(num_embeddings=(6, 5), units=(2, 3)), (9, 2), _codes),
    LayerCase("embed_columns of sequences", EmbedColumns(num_embeddings=(5, 6), units=(3, 1)), (4, 3, 4), _codes),
    LayerCase("embed_columns replicas", EmbedColumns(num_embeddings=(5, 6), units=(3, 2)), (6, 4), _codes, replicas=3),
    LayerCase("leaky_relu", LeakyRelu(), (4, 5)),
    LayerCase("leaky_relu of another slope", LeakyRelu(negative_slope=0.3), (3, 2, 5, 7)),
    LayerCase("leaky_relu of exact zeros", LeakyRelu(), (9, 11), _half_zero, smooth=False),
    LayerCase("prelu", Prelu(), (4, 5)),
    LayerCase("prelu, a slope a feature", Prelu(num_parameters=5), (4, 5)),
    LayerCase("prelu of images", Prelu(), (3, 2, 5, 7)),
    LayerCase("prelu of images, a slope a channel", Prelu(num_parameters=2), (3, 2, 5, 7)),
    LayerCase("prelu of sequences, a slope a step", Prelu(num_parameters=4), (3, 4, 5)),
    LayerCase("prelu of one sample", Prelu(num_parameters=3), (1, 3)),
    LayerCase("prelu of exact zeros", Prelu(num_parameters=11), (9, 11), _half_zero, smooth=False),
    # Where the slope begins changes no pass: tests/test_initial.py looks at it.
    LayerCase("prelu begun elsewhere", Prelu(init=-0.5), (4, 5)),
    LayerCase("prelu replicas", Prelu(), (4, 5), replicas=3),
    LayerCase("prelu replicas, a slope a channel", Prelu(num_parameters=5), (4, 5, 3), replicas=3),
    LayerCase("elu", Elu(), (4, 5)),
    LayerCase("elu of another alpha", Elu(alpha=0.3), (3, 2, 5, 7)),
    LayerCase("elu saturated", Elu(), (9, 7), _saturated),
    LayerCase("elu of exact zeros", Elu(), (9, 11), _half_zero, smooth=False),
    LayerCase("gelu", Gelu(), (4, 5)),
    LayerCase("gelu saturated", Gelu(), (9, 7), _saturated),
    LayerCase("gelu, approximate", Gelu(approximate="tanh"), (4, 5)),
    LayerCase("gelu, approximate and saturated", Gelu(approximate="tanh"), (9, 7), _saturated),
    LayerCase("silu", Silu(), (4, 5)),
    LayerCase("silu saturated", Silu(), (9, 7), _saturated),
    LayerCase("silu of images", Silu(), (3, 2, 5, 7)),
    LayerCase("relu", Relu(), (4, 5)),
    LayerCase("relu of images", Relu(), (3, 2, 5, 7)),
    LayerCase("relu of exact zeros", Relu(), (9, 11), _half_zero, smooth=False),
    LayerCase("relu of zeros of both signs", Relu(), (3, 5), lambda x: np.copysign(0.0, x), smooth=False),
    LayerCase("sigmoid", Sigmoid(), (4, 5)),
    LayerCase("sigmoid of one sample", Sigmoid(), (1, 3)),
    LayerCase("sigmoid saturated", Sigmoid(), (9, 7), _saturated),
    LayerCase("sigmoid at its ends", Sigmoid(), (3, 5), _extreme),
    LayerCase("tanh", Tanh(), (4, 5)),
    LayerCase("tanh of images", Tanh(), (3, 2, 5, 7)),
    LayerCase("tanh saturated", Tanh(), (9, 7), _saturated),
    LayerCase("tanh at its ends", Tanh(), (3, 5), _extreme),
    LayerCase("softmax", Softmax(), (4, 5)),
    LayerCase("softmax of one sample", Softmax(), (1, 3)),
    LayerCase("softmax of one class", Softmax(), (4, 1)),
    LayerCase("softmax with an axis between", Softmax(), (4, 7, 5)),
    LayerCase("softmax of large logits", Softmax(), (9, 5), _thousands),
    LayerCase("softmax of equal logits", Softmax(), (3, 5), lambda x: x * 0 + 7),
    LayerCase("dropout", Dropout(), (9, 11)),
    LayerCase("dropout of a third", Dropout(p=0.3), (9, 11)),
    LayerCase("dropout of nearly all", Dropout(p=0.9), (31, 11)),
    LayerCase("dropout of images", Dropout(p=0.25), (3, 2, 5, 7)),
    LayerCase("dropout of nothing, without a mask", Dropout(p=0.0), (9, 11)),
    LayerCase("flatten of images", Flatten(), (4, 3, 5, 7)),
    LayerCase("flatten of one image", Flatten(), (1, 1, 8, 8)),
    LayerCase("flatten of vectors", Flatten(), (4, 5)),
]

SEQUENCES: list[LayerCase] = [
    replace(case, scale=0.3)
    for kind in (Rnn, Lstm, Gru)
    for output in ("last", "mean", "every")
    for name in [f"{kind.model_fields['kind'].default}, {output},"]
    for case in (
        LayerCase(
            f"{name} of lengths from one step to all", kind(units=4, output=output), (5, 6, 3), lengths=(6, 1, 3, 5, 2)
        ),
        LayerCase(
            f"{name} all shorter than the input", kind(units=3, output=output, bias=False), (3, 5, 2), lengths=(2, 3, 1)
        ),
        LayerCase(f"{name} of one step each", kind(units=2, output=output), (2, 4, 1), lengths=(1, 1)),
    )
]
"""Recurrent layers on sequences of different lengths."""
