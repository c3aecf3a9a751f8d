"""Part 3: palindromes, for a `DataLoader` or one at a time."""

from __future__ import annotations

import numpy as np

from twofold import PalindromeDataset

__all__ = ["PalindromeDataset", "generate_palindrome"]


def generate_palindrome(seq_length: int) -> np.ndarray:
    """A random palindrome of `seq_length` digits, (seq_length,) float32."""
    return PalindromeDataset(seq_length).generate_palindrome()
