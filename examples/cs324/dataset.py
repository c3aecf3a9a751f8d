"""Part 3: palindromes, for a `DataLoader` or one at a time."""

from __future__ import annotations

import sys

import numpy as np
from torch.utils.data import Dataset

MOST_LISTED = 10_000
"""First halves: of so many, those up to eight digits, all that exist are listed."""
HELD_OUT_SHARE = 0.2
MOST_HELD_OUT = 1000


def generate_palindrome(seq_length: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """A random palindrome of `seq_length` digits, (seq_length,) float32."""
    return palindrome(draw_half(rng or np.random.default_rng(), seq_length), seq_length)


def draw_half(rng: np.random.Generator, seq_length: int) -> np.ndarray:
    """The first ⌈seq_length / 2⌉ digits of a palindrome, uniformly."""
    return rng.integers(10, size=(seq_length + 1) // 2, dtype=np.uint8)


def palindrome(half: np.ndarray, seq_length: int) -> np.ndarray:
    """The first half, then the same backwards; the middle digit of an odd length stands once."""
    return np.concatenate([half, half[: seq_length // 2][::-1]]).astype(np.float32)


def different_halves(rng: np.random.Generator, seq_length: int, count: int, hidden: set[bytes]) -> np.ndarray:
    """`count` first halves, no two alike and none of them hidden, (count, ⌈seq_length / 2⌉)."""
    digits = (seq_length + 1) // 2
    if 10**digits <= MOST_LISTED:
        every = np.indices((10,) * digits, np.uint8).reshape(digits, -1).T
        return np.array([half for half in rng.permutation(every) if half.tobytes() not in hidden][:count], np.uint8)
    halves: dict[bytes, np.ndarray] = {}
    while len(halves) < count:
        half = draw_half(rng, seq_length)
        if half.tobytes() not in hidden:
            halves[half.tobytes()] = half
    return np.stack(list(halves.values()))


class PalindromeDataset(Dataset):
    """x: all digits of a palindrome but the last; y: the last one.

    x is (seq_length − 1,) float32, or (seq_length − 1, 10) with `one_hot`; y is a whole number from 0 to 9. A fifth of
    all palindromes of the length, at most 1000, is held out: `train=False` gives those, and training never shows them.
    Item k is drawn from a generator of its own, the same whenever it is asked for; without `total_len` the set has no
    end. With `replacement=False` no two of the `total_len` palindromes are alike. Of length 2 there are ten, one a
    class, and none is held out.

    Raises `ValueError` for a length below 2 and for more different palindromes than there are.
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
        if seq_length < 2:
            raise ValueError(f"`seq_length` must be at least 2: all digits but the last are read; got {seq_length}")
        if total_len is not None and total_len < 1:
            raise ValueError(f"`total_len` must be at least 1; got {total_len}")
        self.seq_length = seq_length
        self.one_hot = one_hot
        self.seed = seed
        existing = 10 ** ((seq_length + 1) // 2)
        count = 0 if seq_length == 2 else min(MOST_HELD_OUT, int(HELD_OUT_SHARE * existing))
        held_out = (
            different_halves(np.random.default_rng(seed), seq_length, count, set()) if count else np.empty((0, 1))
        )
        self._hidden = {half.tobytes() for half in held_out}
        self._halves: np.ndarray | None = None  # those that are not drawn anew for every item
        if not train:
            self._halves = self._first(held_out, total_len, count)
        elif not replacement:
            left = existing - count
            if total_len is None and left > MOST_LISTED:
                raise ValueError(f"`total_len` must say how many of {left:,} palindromes; none is drawn again")
            rng = np.random.default_rng((seed, 1))
            size = left if total_len is None else min(total_len, left)
            self._halves = self._first(different_halves(rng, seq_length, size, self._hidden), total_len, left)
        endless = sys.maxsize if total_len is None else total_len
        self.length = endless if self._halves is None else len(self._halves)

    def _first(self, halves: np.ndarray, total_len: int | None, existing: int) -> np.ndarray:
        if total_len is not None and total_len > existing:
            raise ValueError(
                f"there are {existing:,} different palindromes of {self.seq_length} digits to give; "
                f"got total_len={total_len}"
            )
        return halves[:total_len]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        if not 0 <= index < self.length:
            raise IndexError(f"there are {self.length} palindromes; got index {index}")
        digits = self.generate_palindrome(index)
        x = np.eye(10, dtype=np.float32)[digits[:-1].astype(int)] if self.one_hot else digits[:-1]
        return x, int(digits[-1])

    def generate_palindrome(self, index: int) -> np.ndarray:
        """All digits of palindrome number `index`, (seq_length,) float32; one that is held out is drawn again."""
        if self._halves is not None:
            return palindrome(self._halves[index], self.seq_length)
        rng = np.random.default_rng((self.seed, 2, index))
        half = draw_half(rng, self.seq_length)
        while half.tobytes() in self._hidden:
            half = draw_half(rng, self.seq_length)
        return palindrome(half, self.seq_length)
