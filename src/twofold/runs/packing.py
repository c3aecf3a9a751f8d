"""Arrays by name as the bytes of a safetensors file, without a copy of them. `twofold.runs.tensors` reads them."""

from __future__ import annotations

import json
import math

import numpy as np

from twofold.arrays import Array, Arrays

ALIGNMENT = 8
KINDS = ("BOOL", "U8", "I8", "I16", "U16", "F16", "I32", "U32", "F32", "F64", "I64", "U64")
"""Types of numbers in the order of the library's own list; its writer puts the last of them first."""


def packed(arrays: Arrays) -> list[memoryview]:
    """The pieces of the file, in order: the length of the header, the header, each array.

    The same bytes as the library's own writer gives, which joins them first: wider numbers come before narrower ones,
    of one kind in the order of their names; blanks fill the header up.
    https://github.com/huggingface/safetensors#format
    """
    plain = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    places, at = dict[str, object](), 0
    order = sorted(plain, key=lambda name: (-KINDS.index(_kind(plain[name])), name))
    for name in order:
        size = math.prod(plain[name].shape) * plain[name].itemsize
        places[name] = {"dtype": _kind(plain[name]), "shape": list(plain[name].shape), "data_offsets": [at, at + size]}
        at += size
    header = json.dumps(places, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % ALIGNMENT)
    return [memoryview(len(header).to_bytes(8, "little") + header), *(_bytes(plain[name]) for name in order)]


def _kind(array: Array) -> str:
    return "BOOL" if array.dtype.kind == "b" else f"{array.dtype.kind.upper()}{8 * array.itemsize}"


def _bytes(array: Array) -> memoryview:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return little.reshape(-1).view(np.uint8).data
