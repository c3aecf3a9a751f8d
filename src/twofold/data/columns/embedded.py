"""Columns of many levels: which are proposed to be embedded, how many rows their tables have, the layer they want."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from twofold.data.columns.frame import Cells, Words, words_of
from twofold.plain import Parsed
from twofold.recipe.columns import Category

WIDE = 64
"""Levels above which an embedding is proposed, and in a recipe for a bare table taken."""
PROPOSED = Category(least=2, embed_above=0)
"""What is said of such a column. A level that one row holds tells nothing of the next: it is `other`."""
MOST_UNITS = 50
"""Numbers of a vector, however many levels a column has."""


def is_wide(cells: Cells) -> bool:
    """Whether a column holds so many words that, if these are levels, they had better be embedded."""
    if not isinstance(cells, Words):
        return False
    counts = cells.counts()
    return bool(WIDE < np.count_nonzero(counts) <= counts.sum() / 2)


def codes_of(cells: Cells, spec: Category) -> int:
    """How many codes the cells ask for at most: of the levels, a missing value and all others."""
    words = words_of(cells)
    counts = words.counts()
    return 1 + int((counts[counts > 0] >= spec.least).sum()) + bool((words.codes < 0).any())


def vector_size(rows: int) -> int:
    """Numbers of the vector for one of so many codes: 1.6 rows^0.56, as fastai has it, and at most 50."""
    return min(MOST_UNITS, max(1, round(1.6 * rows**0.56)))


def first_layer(rows: Sequence[int]) -> dict[str, Parsed]:
    """The layer for columns of so many codes."""
    return {"kind": "embed_columns", "num_embeddings": list(rows), "units": [vector_size(count) for count in rows]}


def layer_line(rows: Sequence[int]) -> str:
    """The same, as a recipe writes it."""
    return f"{{ {', '.join(f'{key} = {json.dumps(value)}' for key, value in first_layer(rows).items())} }}"
