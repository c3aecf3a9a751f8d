"""Palindromes for a user's own training loop in PyTorch, with a plain `DataLoader`."""

from __future__ import annotations

import sys
from numbers import Integral
from typing import final

import numpy as np
from torch.utils.data import Dataset

from twofold.arrays import Array
from twofold.data.palindromes import different, drawn, encoded, held_out_halves, palindrome
from twofold.errors import UserError
from twofold.recipe.palindromes import LONGEST, MOST_DIFFERENT, Palindromes, count_text
from twofold.streams import stream


@final
class PalindromeDataset(Dataset[tuple[Array, int]]):
    """A data set of palindromes: an item is all digits but the last, and the last digit.

    >>> loader = DataLoader(PalindromeDataset(5), batch_size=128)  # doctest: +SKIP
    >>> x, y = next(iter(loader))  # doctest: +SKIP

    x holds the digits as numbers, (128, 4) float32, or (128, 4, 10) with `one_hot`; y is (128,), int64.

    Without `total_len` the set has no end: item k is drawn from a generator of its own, and is the same whenever and in
    whichever process it is asked for. With `total_len` it holds that many items; with `replacement=False` no two of
    them are equal, and without `total_len` they are all palindromes that are not held out. `train=False` gives those
    that the training set of the same length and seed never holds: a fifth of all palindromes, at most 1000. With
    length 2 none can be spared.

    Do not shuffle a set without end: it is random already, and a `DataLoader` that shuffles would number all of its
    items first.

    Raises `UserError` for a length below 2 or above 1000, and where more different palindromes are asked for than there
    are.
    """

    def __init__(
        self,
        seq_length: int,
        total_len: int | None = None,
        one_hot: bool = False,
        *,
        replacement: bool = True,
        train: bool = True,
        seed: int = 42,
    ) -> None:
        self.seq_length, self.one_hot, self.seed = seq_length, one_hot, seed
        spec = _spec(seq_length, total_len)
        held_out = held_out_halves(spec.model_copy(update={"seed": seed}))
        self._held_out = frozenset(half.tobytes() for half in held_out)
        self._halves: Array | None = None
        if not train:
            if not len(held_out):
                raise UserError("of palindromes of two digits there are ten, one a class: none can be held out")
            if total_len is not None and total_len > len(held_out):
                raise UserError(
                    f"of palindromes of {seq_length} digits {len(held_out):,} are held out; got total_len={total_len}"
                )
            self._halves = held_out[:total_len]
        elif not replacement:
            left = spec.existing - len(held_out)
            if total_len is None and left > MOST_DIFFERENT:
                raise UserError(
                    f"`total_len` must say how many of the {count_text(left)} palindromes; none is drawn again"
                )
            if total_len is not None and total_len > left:
                raise UserError(
                    f"there are {spec.existing:,} palindromes of {seq_length} digits, {len(held_out):,} of them held "
                    f"out: `total_len` is at most {left:,} without replacement; got {total_len:,}"
                )
            rng = stream(seed, "palindromes to train on")
            self._halves = different(rng, seq_length, total_len or left, self._held_out)
        self._length = total_len if self._halves is None else len(self._halves)

    def __len__(self) -> int:
        return sys.maxsize if self._length is None else self._length

    def __getitem__(self, index: int) -> tuple[Array, int]:
        x, target = encoded(self._half(index)[None], self.seq_length, "one_hot" if self.one_hot else "index")
        return x[0], int(target[0])

    def generate_palindrome(self, index: int | None = None) -> Array:
        """All digits of palindrome number `index`, or of a random one, (seq_length,) float32."""
        half = self._half(int(np.random.default_rng().integers(len(self))) if index is None else index)
        return palindrome(half[None], self.seq_length)[0].astype(np.float32)

    def _half(self, index: int) -> Array:
        if not 0 <= index < len(self):  # what ends a loop over the set itself
            raise IndexError(f"there are {len(self)} palindromes; got index {index}")
        if self._halves is not None:
            return self._halves[index]
        return drawn(stream(self.seed, "palindrome", index), self.seq_length, 1, self._held_out)[0]


def _spec(seq_length: int, total_len: int | None) -> Palindromes:
    for name, value, least in (("seq_length", seq_length, 2), ("total_len", 1 if total_len is None else total_len, 1)):
        if not (isinstance(value, Integral) and value >= least):
            raise UserError(f"`{name}` must be a whole number of at least {least}; got {value!r}")
    if seq_length > LONGEST:
        raise UserError(f"`seq_length` must be a whole number of at most {LONGEST}; got {seq_length}")
    return Palindromes(length=int(seq_length))
