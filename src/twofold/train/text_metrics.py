"""Metrics of predicting the next character of a text, and how well tables of frequencies predict it.

    perplexity          exp of the mean of −log p of the right character: the number of equally likely characters
                        among which a choice is as hard
    bits_per_character  the same mean in bits

The tables count, in the training text, how often each character follows each sequence of the n − 1 before it. Their
probabilities are those of Witten and Bell (1991), with the counts of shorter sequences mixed in:

    p(c | s) = (count(s c) + t(s) p(c | shorter s)) / (count(s) + t(s)),   t(s) how many different c follow s
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from twofold.arrays import Array
from twofold.data import Dataset, Split
from twofold.data.text import codes_of, text_parts
from twofold.engine import answered
from twofold.recipe.text import CharacterText
from twofold.setup.outputs import SMALLEST
from twofold.train.metrics import Measured, measured_mean

ORDERS = {1: "frequencies", 2: "pairs", 4: "four in a row"}
"""The number of characters that a table counts, including the answer, and the table's name."""


def text_metrics(p: Array, target: Array) -> dict[str, Measured]:
    """The metrics of probabilities (characters, alphabet)."""
    terms = -np.log(np.maximum(p[np.arange(len(p)), target], SMALLEST))
    right = (p.argmax(axis=1) == target).astype(np.float64)
    mean, accuracy = measured_mean(terms), measured_mean(right)
    bits = Measured(*(value / np.log(2) for value in mean))
    return {"perplexity": Measured(*map(float, np.exp(mean))), "bits_per_character": bits, "accuracy": accuracy}


def tables(spec: CharacterText, dataset: Dataset) -> Iterator[tuple[str, Array]]:
    """The probabilities of each table of frequencies for the next character, by name: (characters, alphabet).

    A table is given what a network is given: the characters before the answer, within the window.
    """
    size = len(dataset.alphabet)
    train = codes_of(text_parts(spec)["train"], dataset.alphabet).tolist()
    longest = max(ORDERS) - 1
    contexts = list(_contexts(dataset.held_out[1], size, longest))
    table = _Table(train, size, longest)
    for order, name in ORDERS.items():
        yield name, np.array([table(context[max(0, len(context) - order + 1) :]) for context in contexts])


def _contexts(split: Split, size: int, most: int) -> Iterator[tuple[int, ...]]:
    """The characters before each answer, at most `most`."""
    x = split.x.astype(np.int64) if split.x.ndim == 2 else np.where(split.x.any(-1), split.x.argmax(-1), size)
    for window, y in zip(x.tolist(), split.y, strict=True):
        steps = np.flatnonzero(answered(y)) if split.each_step else [len(window) - 1]
        for step in steps:
            yield tuple(window[max(0, step + 1 - most) : step + 1])


class _Table:
    """The probabilities p(c | s) for sequences s of at most `longest` characters."""

    def __init__(self, codes: Sequence[int], size: int, longest: int) -> None:
        self.size = size
        self.counts = defaultdict[tuple[int, ...], Counter[int]](Counter)
        for length in range(longest + 1):
            for at in range(length, len(codes)):
                self.counts[tuple(codes[at - length : at])][codes[at]] += 1
        self._cached = dict[tuple[int, ...], Array]()

    def __call__(self, context: tuple[int, ...]) -> Array:
        """The probabilities after a context."""
        if context not in self._cached:
            shorter = self(context[1:]) if context else np.full(self.size, 1 / self.size)
            counted = self.counts.get(context, Counter[int]())
            counts = np.array([counted[code] for code in range(self.size)], np.float64)
            kinds = np.count_nonzero(counts)
            total = counts.sum() + kinds
            self._cached[context] = (counts + kinds * shorter) / total if total else shorter
        return self._cached[context]
