"""Columns of many levels: which ones are worth embedding, how many codes they have, and the layer that embeds them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from twofold.data.columns.frame import Cells, Words, words_of
from twofold.plain import Parsed
from twofold.recipe.columns import Category

WIDE = 64
"""Levels above which an embedding is proposed, and used in the default recipe of a table."""
PROPOSED = Category(least=2, embed_above=0)
"""The kind proposed for such a column. A level that only one row holds teaches nothing: it counts as `other`."""
MOST_UNITS = 50
"""Numbers of a vector at most, however many levels a column has."""


def is_wide(cells: Cells) -> bool:
    """Whether a column holds so many different words that, as levels, they are better embedded."""
    if not isinstance(cells, Words):
        return False
    counts = cells.counts()
    return bool(WIDE < np.count_nonzero(counts) <= counts.sum() / 2)


def codes_of(cells: Cells, spec: Category) -> int:
    """The number of codes that a column needs at most: one a level, one for a missing value, one for all others."""
    words = words_of(cells)
    counts = words.counts()
    return 1 + int((counts[counts > 0] >= spec.least).sum()) + bool((words.codes < 0).any())


def vector_size(rows: int) -> int:
    """Numbers of the vector for each of `rows` codes: 1.6 rows^0.56, as fastai has it, and at most 50."""
    return min(MOST_UNITS, max(1, round(1.6 * rows**0.56)))


def first_layer(rows: Sequence[int]) -> dict[str, Parsed]:
    """The layer that embeds columns with these numbers of codes, as a table of a recipe."""
    return {"kind": "embed_columns", "num_embeddings": list(rows), "units": [vector_size(count) for count in rows]}


def layer_line(rows: Sequence[int]) -> str:
    """The layer that embeds columns with these numbers of codes, as a line of a recipe."""
    return f"{{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in first_layer(rows).items())} }}"
