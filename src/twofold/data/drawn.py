"""Random samples, for trying a network when no data are at hand."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.recipe.dense import EmbedColumns, Embedding
from twofold.recipe.layer import LayerSpec


def random_inputs(first: LayerSpec, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Standard normal inputs of the size (samples, *sample); whole numbers where the layer looks rows up by them."""
    if isinstance(first, Embedding):
        return rng.integers(first.num_embeddings, size=size) * 1.0
    x = rng.normal(size=size)
    if isinstance(first, EmbedColumns):
        for place, count in enumerate(first.num_embeddings):
            x[..., place] = rng.integers(count, size=size[:-1])
    return x
