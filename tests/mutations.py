"""Random damage to a sound weight file. `tests/test_tensors.py` runs a few hundred, `benchmarks/hostile.py` a hundred
thousand."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import numpy as np
from safetensors.numpy import save

from twofold.arrays import Arrays

BASE = {
    "0.weight": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
    "0.bias": np.linspace(0, 1, 3, dtype=np.float32),
    "2.weight (exp_avg)": np.linspace(-2, 2, 6, dtype=np.float64).reshape(2, 3),
    "updates": np.array(12, np.int64),
}
EXPECTED = {name: (array.shape, array.dtype) for name, array in BASE.items()}
SOUND = save(BASE)
NUMBERS = [b"-1", b"0", b"1", b"1e3", b"0.5", b"NaN", b"Infinity", b"9" * 19, b"9" * 30, b"4294967296", b"00", b"true"]
TOKENS = [
    *NUMBERS,
    *(bytes([each]) for each in b'{}[]:,"\\ \n\t\0'),
    b"\\u0000",
    b'"dtype"',
    b"null",
    b'"__metadata__":{},',
]


def mutated(seed: int) -> tuple[bytes, Callable[[Arrays], bool]]:
    """A file with one to four faults, and whether arrays read from it are the base's but for the data's own bytes."""
    rng = np.random.default_rng(seed)
    content = bytearray(SOUND)
    for _ in range(int(rng.integers(1, 5))):
        _DAMAGES[int(rng.integers(len(_DAMAGES)))](content, rng)

    def sound(found: Arrays) -> bool:
        length = struct.unpack("<Q", content[:8])[0]
        data = b"".join(array.tobytes() for array in found.values())
        return {name: (a.shape, a.dtype) for name, a in found.items()} == EXPECTED and data == content[8 + length :]

    return bytes(content), sound


def _place(content: bytearray, rng: np.random.Generator) -> int:
    """Mostly in the header, where a fault can be seen."""
    end = len(content) if rng.random() < 0.1 else min(len(content), len(SOUND) - sum(a.nbytes for a in BASE.values()))
    return int(rng.integers(max(end, 1)))


def _flip(content: bytearray, rng: np.random.Generator) -> None:
    if content:
        content[min(_place(content, rng), len(content) - 1)] ^= 1 << int(rng.integers(8))


def _replace(content: bytearray, rng: np.random.Generator) -> None:
    if content:
        content[min(_place(content, rng), len(content) - 1)] = int(rng.integers(256))


def _insert(content: bytearray, rng: np.random.Generator) -> None:
    at = _place(content, rng)
    content[at:at] = rng.bytes(int(rng.integers(1, 9)))


def _token(content: bytearray, rng: np.random.Generator) -> None:
    at = _place(content, rng)
    content[at : at + int(rng.integers(2))] = TOKENS[int(rng.integers(len(TOKENS)))]


def _delete(content: bytearray, rng: np.random.Generator) -> None:
    at = _place(content, rng)
    del content[at : at + int(rng.integers(1, 9))]


def _double(content: bytearray, rng: np.random.Generator) -> None:
    at, size = _place(content, rng), int(rng.integers(1, 80))
    content[at:at] = content[at : at + size]


def _cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content) + 1)) :]


def _append(content: bytearray, rng: np.random.Generator) -> None:
    content += rng.bytes(int(rng.integers(1, 9)))


def _number(content: bytearray, rng: np.random.Generator) -> None:
    """Another number in place of one of the header's."""
    if found := list(re.finditer(rb"\d+", content[8:])):
        match = found[int(rng.integers(len(found)))]
        content[8 + match.start() : 8 + match.end()] = NUMBERS[int(rng.integers(len(NUMBERS)))]


def _length(content: bytearray, rng: np.random.Generator) -> None:
    content[:8] = struct.pack("<Q", int(rng.integers(2 ** int(rng.integers(1, 64)), dtype=np.uint64)))


def _keep_length(content: bytearray, rng: np.random.Generator) -> None:
    """The length set right again, so that a fault lies deeper."""
    data = sum(array.nbytes for array in BASE.values())
    if len(content) > 8 + data:
        content[:8] = struct.pack("<Q", len(content) - 8 - data)


_DAMAGES = (
    _flip, _replace, _insert, _token, _delete, _double, _cut, _append, _number, _length, _keep_length, _keep_length
)  # fmt: skip
