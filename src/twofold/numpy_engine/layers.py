"""The NumPy engine's layer for each kind that a recipe may name: the tables of all families in one."""

from __future__ import annotations

from twofold.numpy_engine.activations import ACTIVATIONS
from twofold.numpy_engine.conv import Conv2d
from twofold.numpy_engine.dense import Dense
from twofold.numpy_engine.dropout import Dropout
from twofold.numpy_engine.embedding import EmbedColumns, Embedding
from twofold.numpy_engine.flatten import Flatten
from twofold.numpy_engine.layer import AnyLayer, Builders
from twofold.numpy_engine.norm import NORMS
from twofold.numpy_engine.pool import POOLING
from twofold.numpy_engine.recurrent import RECURRENT
from twofold.numpy_engine.windows import Windows
from twofold.recipe import dense as kinds
from twofold.recipe import windows
from twofold.recipe.layer import LayerSpec

LAYERS: Builders = {
    kinds.Dense: lambda spec: Dense(),
    kinds.Embedding: lambda spec: Embedding(),
    kinds.EmbedColumns: lambda spec: EmbedColumns(len(spec.units)),
    kinds.Dropout: lambda spec: Dropout(spec.p),
    kinds.Flatten: lambda spec: Flatten(),
    windows.Conv2d: lambda spec: Conv2d(Windows(*spec.window), spec.groups),
    **POOLING,
    **NORMS,
    **RECURRENT,
    **ACTIVATIONS,
}


def build_layer(spec: LayerSpec) -> AnyLayer:
    """The layer that a recipe's settings describe."""
    return LAYERS[type(spec)](spec)
