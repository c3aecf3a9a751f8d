"""The mistakes of embedded columns."""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.proof.mistakes.base import Scene, rows
from twofold.proof.mistakes.dense import gradient_of_rows
from twofold.proof.mistakes.layer import Plain


@final
class EmbedColumns(Plain):
    """y = [W₀[x₀], W₁[x₁], ..., xₖ, ...],  dWⱼ[c] = Σ dyⱼ over the samples with xⱼ = c, with switches."""

    def forward(self, params: Arrays, x: Array, scene: Scene) -> tuple[Array, Array]:
        """The cache is the rows that were taken, (..., columns)."""
        on, tables = self.on, tables_of(params)
        places = np.real(x[..., : len(tables)]).astype(int)
        if "first_code_for_all" in on:
            places = np.repeat(places[..., :1], len(tables), axis=-1)
        places = places + ("next_row" in on) - ("counted_from_one" in on)
        places = places % [len(W) for W in tables]
        vectors = [self._vector(W, places[..., column]) for column, W in enumerate(tables)]
        if "columns_reversed" in on:
            vectors.reverse()
        numbers = [x[..., len(tables) :]]
        parts = [*numbers, *vectors] if "numbers_first" in on else [*vectors, *numbers]
        return np.concatenate(parts, axis=-1), places

    def _vector(self, W: Array, places: Array) -> Array:
        y = W[places]
        if "times_root" in self.on:
            y = y * np.sqrt(W.shape[1])
        return y * (places > 0)[..., None] if "zero_is_padding" in self.on else y

    def backward(self, params: Arrays, cache: Array, dy: Array) -> tuple[Array | None, dict[str, Array]]:
        """Each table takes its own part of dy."""
        grads, tables = dict[str, Array](), tables_of(params)
        start = dy.shape[-1] - sum(W.shape[1] for W in tables) if "parts_from_behind" in self.on else 0
        for column, W in enumerate(tables):
            part = dy[..., start : start + W.shape[1]]
            start += W.shape[1]
            grads[f"weight_{column}"] = gradient_of_rows(W, cache[..., column], part, self.on)
        return None, grads


def tables_of(params: Arrays) -> list[Array]:
    """W₀, W₁, ..., in the order of the columns."""
    return [params[f"weight_{column}"] for column in range(len(params))]


COLUMNS = [
    *rows(
        "embed_columns",
        "Which row a code takes, and where its vector stands.",
        ("counted_from_one", "The rows are counted from 1: code c takes row c − 1.", "Which row has code 0?"),
        ("next_row", "The rows are shifted by one: code c takes row c + 1.", "Which row has code 0?"),
        ("first_code_for_all", "Every table is asked for the first column's code, where each column has its own.",
         "Which column does the second table read?"),
        ("columns_reversed", "The vectors stand in reversed order: that of the last column first.",
         "Whose vector stands first?"),
        ("numbers_first", "The numbers stand before the vectors, where they stand behind them.",
         "What stands first in y?"),
        ("times_root", "The vectors are multiplied by √(units), as some transformers do; each is Wⱼ[xⱼ].",
         "Is y scaled?"),
        ("zero_is_padding", "Code 0 is taken for padding: its vector is zero where it is row 0 of its table.",
         "And code 0?"),
    ),
    *rows(
        "embed_columns",
        "Which part of dy a table gets, and how the gradients of one code come together.",
        ("parts_from_behind", "The tables take the last numbers of dy, as if their vectors stood behind the numbers.",
         "Where in dy does the first table's part begin?"),
        ("counted_once", "Of a code that stands several times only the last sample counts: overwritten (`dW[x] = dy`) "
                         "where all add up (`np.add.at`).", "What happens to a code that stands twice?"),
        ("averaged_over_places", "dW is averaged over the samples of each code, where they add up.", "Sum or mean?"),
        ("dW_averaged", "Each dW is divided by the batch size (1/N): the mean is in the loss already.",
         "Sum or mean?"),
        ("counts_for_gradients", "dW counts the samples of each code: it does not use dy.", "Where does dy enter?"),
        ("zero_gets_no_gradient", "Row 0 gets no gradient, as if code 0 were padding.", "And code 0?"),
    ),
]  # fmt: skip
