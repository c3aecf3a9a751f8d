"""Helpers for arrays: how far apart two are, whether one is finite, and a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Arrays: TypeAlias = Mapping[str, Array]

# Below this size a tensor's gap is measured against the floor and not against the tensor itself: where
# summands of ordinary size cancel (the bias gradient of a fitted network) only their rounding is left,
# and its relative size says nothing.
FLOOR = 1e-4


def gap(a: Array, b: Array) -> float:
    """The relative distance of two tensors: max|a − b| / max(max|a|, max|b|, 1e-4).

    NaN where either holds a NaN or an infinity; infinite where the shapes differ. Compare it as
    `not gap <= tolerance`, so that NaN counts as a divergence.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return float("inf")
    if a.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        distance = np.abs(a - b).max()
        return float(distance / max(np.abs(a).max(), np.abs(b).max(), FLOOR))


def largest(sizes: Iterable[float]) -> float:
    """The largest number, NaN if one is NaN: the built-in `max` passes over a NaN that does not come first."""
    return float(np.max(list(sizes)))


def all_finite(a: Array) -> bool:
    """Whether no element is NaN or infinite."""
    return bool(np.isfinite(a).all())


def digest(arrays: Arrays) -> str:
    """SHA-256 over the names, types, shapes and bytes of the arrays, in the order of their names."""
    sha = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        sha.update(array.data)
    return sha.hexdigest()
