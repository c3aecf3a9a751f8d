"""The memory that a pass holds for the way back, measured on the caches themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from twofold.arrays import Array


def held_bytes(caches: Sequence[object], beside: Array) -> list[int]:
    """The bytes that each cache keeps in memory and no cache before it does.

    A view keeps the whole array behind it in memory, so that array is counted, once. `beside` is never counted: it is
    in memory anyway.
    """
    counted = {id(_owner(beside))}
    sizes = list[int]()
    for cache in caches:
        owners = {id(owner): owner.nbytes for owner in map(_owner, _arrays(cache)) if id(owner) not in counted}
        counted |= owners.keys()
        sizes.append(sum(owners.values()))
    return sizes


def _arrays(cache: object) -> Iterator[Array]:
    """The arrays in a cache, however deep: caches are arrays, tuples, lists and mappings of such, sizes, or nothing."""
    if isinstance(cache, np.ndarray):
        yield cache
    elif isinstance(cache, tuple | list | Mapping):
        for part in cache.values() if isinstance(cache, Mapping) else cache:
            yield from _arrays(part)


def _owner(array: Array) -> Array:
    """The array that owns the memory of `array`, which may be a view."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
