"""Palindromes: sequences of digits. A network reads all digits but the last, and predicts the last.

A palindrome is given by its first half, ⌈T / 2⌉ digits. Those held out are drawn first, from the data's seed; a
training sample that is one of them is drawn again.
"""

from __future__ import annotations

from typing import final

import numpy as np

from twofold.arrays import Array
from twofold.data.dataset import Dataset, Split
from twofold.recipe.palindromes import MOST_DIFFERENT, Palindromes
from twofold.streams import stream

DIGITS = 10
ROUNDING = 1e-9
"""Allowance for rounding in a sum of shares; less than one step of a training."""
SHOWN = 1000
"""Palindromes drawn once to measure training loss and accuracy on, where every step draws new ones."""


def load_palindromes(spec: Palindromes) -> Dataset:
    """The palindromes of a recipe; without a number of samples, every step of training draws new ones."""
    whole = held_out_halves(spec)
    draw = Draw(spec, frozenset(half.tobytes() for half in whole))
    # Palindromes of two digits are ten, of which none can be held out: all of them are the test as well.
    test, validation = np.split(whole, [spec.held_out["test"]]) if len(whole) else (_all(2), whole)
    classes = tuple(str(digit) for digit in range(DIGITS))
    return Dataset(_train(spec, draw), _split(validation, spec), _split(test, spec), classes)


def held_out_halves(spec: Palindromes) -> Array:
    """The first halves of the palindromes that are never trained on: for the test, then for validation."""
    rng = stream(spec.seed, "palindromes")
    return different(rng, spec.length, sum(spec.held_out.values()), frozenset())


@final
class Draw:
    """Palindromes drawn uniformly from those that are not held out."""

    def __init__(self, spec: Palindromes, held_out: frozenset[bytes]) -> None:
        self.spec = spec
        self.held_out = held_out

    def __call__(self, rng: np.random.Generator, samples: int, progress: float = 1.0) -> tuple[Array, Array]:
        """Inputs and classes; `progress` is the share of the training that is over, for a curriculum."""
        length = self._length(progress)
        held_out = self.held_out if length == self.spec.length else frozenset[bytes]()
        return encoded(drawn(rng, length, samples, held_out), length, self.spec.encoding)

    def _length(self, progress: float) -> int:
        end = 0.0
        for length, share in self.spec.grow:
            end += share
            if progress < end - ROUNDING:
                return length
        return self.spec.length


def drawn(rng: np.random.Generator, length: int, samples: int, held_out: frozenset[bytes]) -> Array:
    """First halves, (samples, ⌈length / 2⌉), drawn again as long as they are held out."""
    halves = rng.integers(DIGITS, size=(samples, (length + 1) // 2), dtype=np.uint8)
    if held_out:
        while again := [index for index, half in enumerate(halves) if half.tobytes() in held_out]:
            halves[again] = rng.integers(DIGITS, size=(len(again), halves.shape[1]), dtype=np.uint8)
    return halves


def palindrome(halves: Array, length: int) -> Array:
    """Palindromes (samples, length) from first halves; the middle digit of an odd length is there once."""
    return np.concatenate([halves, halves[:, : length // 2][:, ::-1]], axis=1)


def encoded(halves: Array, length: int, encoding: str) -> tuple[Array, Array]:
    """The inputs of a network, and the last digits as int64, (samples,)."""
    digits = palindrome(halves, length)
    return encoded_digits(digits[:, :-1], encoding), digits[:, -1].astype(np.int64)


def encoded_digits(digits: Array, encoding: str) -> Array:
    """Digits (samples, steps) as inputs of a network: one-hot, as indices, or as one number a step."""
    if encoding == "one_hot":
        return np.eye(DIGITS, dtype=np.float32)[digits]
    x = digits.astype(np.float32)
    return x if encoding == "index" else x[..., None]


def _train(spec: Palindromes, draw: Draw) -> Split:
    rng = stream(spec.seed, "palindromes to train on")
    if not spec.replacement:
        left = spec.existing - len(draw.held_out)
        halves = different(rng, spec.length, spec.samples or left, draw.held_out)
        return _split(halves, spec)
    if spec.samples:
        return _split(drawn(rng, spec.length, spec.samples, draw.held_out), spec)
    x, y = encoded(drawn(rng, spec.length, SHOWN, draw.held_out), spec.length, spec.encoding)
    return Split(x, y, draw=draw)


def _split(halves: Array, spec: Palindromes) -> Split:
    return Split(*encoded(halves, spec.length, spec.encoding))


def different(rng: np.random.Generator, length: int, samples: int, held_out: frozenset[bytes]) -> Array:
    """First halves in random order, no two of them equal and none held out."""
    size = (length + 1) // 2
    if DIGITS**size <= MOST_DIFFERENT:
        left = [half for half in rng.permutation(_all(length)) if half.tobytes() not in held_out]
        return np.array(left[:samples], np.uint8).reshape(-1, size)
    distinct = dict[bytes, None]()
    while len(distinct) < samples:
        distinct |= dict.fromkeys(half.tobytes() for half in drawn(rng, length, samples - len(distinct), held_out))
    return np.frombuffer(b"".join(distinct), np.uint8).reshape(-1, size)


def _all(length: int) -> Array:
    """Every first half of palindromes of this length, in order."""
    size = (length + 1) // 2
    return np.indices((DIGITS,) * size, np.uint8).reshape(size, -1).T.copy()
