"""Randomness as a function of position: one generator for each (seed, purpose, index), none with a memory.

A run that was killed and resumed draws what it would have drawn without the interruption, and more dropout masks never
change the shuffle.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np


def stream(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """The generator of "dropout 3, step 812" or "shuffle, epoch 3": `stream(seed, "shuffle", 3)`.

    Philox, keyed by seed and purpose, with the index in the highest word of its counter: two positions share
    no number before 2¹⁹² draws. Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (2011).
    """
    counter = np.array([0, 0, 0, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=_key(seed, purpose), counter=counter))


@lru_cache(maxsize=256)
def _key(seed: int, purpose: str) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    text = f"{seed}/{purpose}".encode()
    return np.frombuffer(hashlib.blake2b(text, digest_size=16).digest(), dtype=np.uint64)
