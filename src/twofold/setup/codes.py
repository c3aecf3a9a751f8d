"""Whether a first layer that takes numbers for rows of a table has all of these rows."""

from __future__ import annotations

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset
from twofold.errors import DataError
from twofold.recipe import Recipe
from twofold.recipe.dense import EmbedColumns, Embedding
from twofold.recipe.text import CharacterText


def check_codes(recipe: Recipe, dataset: Dataset) -> None:
    """Raises `DataError` where the data and the first layer do not fit, with what to write."""
    first = recipe.layers[0]
    if dataset.columns and not dataset.columns.alphabet:
        _check_columns(first if isinstance(first, EmbedColumns) else None, dataset)
    if isinstance(first, Embedding):
        _check_alphabet(recipe, first, dataset)
    for name, split in dataset.splits():
        if rule := row_rule(recipe, split.floats(), f"the {name} set holds"):
            raise DataError(f"{rule}. Set its num_embeddings, or leave data.standardize out.")


def row_rule(recipe: Recipe, x: Array, holder: str) -> str:
    """The rule broken by samples whose codes have no row in the first layer; empty if none is. NaN: a missing step."""
    first = recipe.layers[0]
    if isinstance(first, Embedding):
        columns = [(x, first.num_embeddings)]
    elif isinstance(first, EmbedColumns):
        columns = [(x[..., place], rows) for place, rows in enumerate(first.num_embeddings)]
    else:
        return ""
    for numbers, rows in columns:
        wrong = (numbers < 0) | (numbers >= rows) | (numbers > np.floor(numbers))
        if wrong.any():
            what = f"whole numbers from 0 to {rows - 1}; {holder} {numbers[wrong][0]:g}"
            return f"layer 0 ({first.kind}) takes {what}"
    return ""


def _check_columns(first: EmbedColumns | None, dataset: Dataset) -> None:
    """Raises `DataError` unless the first layer has a table for each embedded column, with a row for each code."""
    from twofold.data.columns.embedded import layer_line

    assert dataset.columns is not None
    embedded = dataset.columns.embedded
    rows = tuple(embedded.values())
    if first is None and not rows:
        return
    named = ", ".join(f"`{name}`" for name in list(embedded)[:10]) + (", ..." if len(embedded) > 10 else "")
    if first is None:
        raise DataError(
            f"{named}: the levels of an embedded column are codes, which the first layer would take for quantities. "
            f"Put this before it, under layers: {layer_line(rows)}"
        )
    if not rows:
        raise DataError(
            "layer 0 (embed_columns) takes codes, and no column of the table is embedded. Say so of one, under [data]: "
            'columns.NAME = { kind = "category", embed_above = 0 }; or leave the layer out.'
        )
    if len(rows) != len(first.num_embeddings) or any(map(int.__lt__, first.num_embeddings, rows)):
        raise DataError(
            f"layer 0 (embed_columns) has tables of {_listed(first.num_embeddings)} rows; the training rows ask for "
            f"{_listed(rows)} of {named}, with one each for what they do not hold. Write {layer_line(rows)}"
        )


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))


def _check_alphabet(recipe: Recipe, spec: Embedding, dataset: Dataset) -> None:
    """Raises `DataError` unless the layer has a vector for each symbol, and one for symbols unseen in training."""
    if isinstance(recipe.data, CharacterText):
        size, one_hot, key = len(dataset.alphabet), recipe.data.encoding == "one_hot", "encoding"
    elif dataset.columns and (alphabet := dataset.columns.alphabet):
        size, one_hot, key = len(alphabet.symbols), alphabet.one_hot, "symbols_as"
    else:
        return
    if one_hot:
        raise DataError(
            "layer 0 (embedding) takes whole numbers, and symbols enter as numbers of which one is 1. "
            f'Set data.{key} = "index", or leave the embedding out.'
        )
    if spec.num_embeddings < size + 1:
        raise DataError(
            f"layer 0 (embedding) has {spec.num_embeddings} vectors; the alphabet of the training samples has {size} "
            f"symbols, and one vector is for any other: --set layers.0.num_embeddings={size + 1}"
        )
