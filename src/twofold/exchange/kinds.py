"""Every kind of layer by its class: what converters and writers of all formats name."""

from twofold.recipe.activations import Elu, Gelu, LeakyRelu, Prelu, Relu, Sigmoid, Silu, Softmax, Tanh
from twofold.recipe.dense import Dense, Dropout, EmbedColumns, Embedding, Flatten
from twofold.recipe.layer import LayerSpec
from twofold.recipe.norms import BatchNorm, GroupNorm, LayerNorm
from twofold.recipe.pooling import AvgPool2d, GlobalAvgPool2d, MaxPool2d
from twofold.recipe.recurrent import Gru, Lstm, Recurrent, Rnn
from twofold.recipe.windows import Conv2d

__all__ = [
    "AvgPool2d",
    "BatchNorm",
    "Conv2d",
    "Dense",
    "Dropout",
    "Elu",
    "EmbedColumns",
    "Embedding",
    "Flatten",
    "Gelu",
    "GlobalAvgPool2d",
    "GroupNorm",
    "Gru",
    "LayerNorm",
    "LayerSpec",
    "LeakyRelu",
    "Lstm",
    "MaxPool2d",
    "Prelu",
    "Recurrent",
    "Relu",
    "Rnn",
    "Sigmoid",
    "Silu",
    "Softmax",
    "Tanh",
]
