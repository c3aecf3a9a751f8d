"""The order of a sum: where a batch is cut, which process has which shards, and the tree in which they are added.

A node of the tree is the range of its shards: of eight, `range(0, 8)` is the root and `range(4, 6)` a grandchild.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from twofold.plain import Parsed

T = TypeVar("T")
"""What an engine computes with: an array, or a tensor."""


def cut(samples: int, shards: int) -> list[slice]:
    """Where each shard of a batch lies: sizes apart by at most one, the larger first; no shard is empty.

    An epoch's last batch may hold fewer samples than there are shards: it has fewer shards then.
    """
    count = min(shards, samples)
    size, larger = divmod(samples, count)
    ends = np.cumsum([size + (number < larger) for number in range(count)]).tolist()
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def owned(shards: int, rank: int, processes: int) -> range:
    """The consecutive shards of process `rank`. With fewer shards than processes some processes have none."""
    return range(-(-rank * shards // processes), -(-(rank + 1) * shards // processes))


def halves(node: range) -> tuple[range, range]:
    """The two nodes of the tree below one; a node is the range of its shards."""
    middle = node.start + (len(node) + 1) // 2
    return range(node.start, middle), range(middle, node.stop)


def nodes_within(own: range, node: range) -> Iterator[range]:
    """The largest nodes of the tree below `node` whose shards are all in `own`."""
    if own.start <= node.start and node.stop <= own.stop:
        yield node
    elif own.start < node.stop and node.start < own.stop:
        for half in halves(node):
            yield from nodes_within(own, half)


def added(known: Mapping[range, T], node: range) -> T:
    """The sum over the shards of a node: that of its first half plus that of its second; `known` holds some sums."""
    if node in known:
        return known[node]
    first, second = (added(known, half) for half in halves(node))
    total: Parsed = first  # an array, or a tensor
    return total + second


def total(parts: Sequence[T]) -> T:
    """The sum over all shards of a batch, each of which is in this process."""
    return added({range(index, index + 1): part for index, part in enumerate(parts)}, range(len(parts)))
