"""Relations of tensors with the right numbers at wrong places: transposed, reversed, offset, permuted gates."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from twofold.arrays import Array
from twofold.proof.check.compared import same
from twofold.proof.check.relation import Holding
from twofold.proof.mistakes import Scene

Rows: TypeAlias = list[tuple[Scene, Array, Array]]
Holds: TypeAlias = Callable[[Callable[[Scene, Array], Array]], bool]


def laid_otherwise(rows: Rows, holds: Holds) -> Iterator[Holding]:
    """Relations of layout: transposed, an axis too many or too few."""
    for axes in itertools.permutations(range(rows[0][2].ndim)):
        if axes != tuple(range(len(axes))) and holds(lambda s, t, axes=axes: t.transpose(axes)):
            two = len(axes) == 2
            text = "is transposed" if two else f"has its axes in the order {axes}"
            yield Holding("transposed", "{t}ᵀ" if two else f"{{t}}.transpose{axes}", text, True, axes)
    for axis in range(rows[0][2].ndim + 1):
        if holds(lambda s, t, axis=axis: np.expand_dims(t, axis)):
            where = f"axis {axis}"
            yield Holding(
                "extra-axis",
                f"{{t}} with {where} of length 1",
                f"has an axis too many ({where}, keepdims): the right one has shape {rows[0][2].shape}",
                True,
            )
            break
    if holds(lambda s, t: t.reshape(-1)) and rows[0][2].ndim > 1:
        yield Holding("flattened", "{t} as one row", f"is flattened: the right one has shape {rows[0][2].shape}", True)
    for _, mine, theirs in rows[:1]:
        for axis in range(mine.ndim):
            if (
                mine.ndim == theirs.ndim + 1
                and mine.shape[axis] > 1
                and all(m.ndim == t.ndim + 1 and same(m.sum(axis=axis), t) for _, m, t in rows)
            ):
                yield Holding(
                    "not-summed",
                    f"{{t}} before the sum over axis {axis}",
                    f"is not summed over axis {axis}: the right one has shape {theirs.shape}",
                    True,
                )
                return


def ordered_otherwise(rows: Rows, holds: Holds, tolerance: float) -> Iterator[Holding]:
    """Relations of order: reversed, offset, turned, permuted, in column order."""
    ndim = rows[0][2].ndim
    yield from _moved_along(rows, holds)
    if ndim >= 2 and holds(lambda s, t: np.flip(t, (-1, -2))):
        yield Holding("turned", "{t} turned by 180°", "is turned by 180° (flipped in both axes)")
    for blocks in (3, 4):
        yield from _blocks(rows, holds, blocks)
    for axis in range(ndim):
        order = _permutation(rows, axis, tolerance)
        if order is not None:
            yield Holding(
                "permuted",
                f"{{t}} with axis {axis} in the order {order}",
                f"has the entries of axis {axis} in the order {order}: permuted",
            )
            return
    if holds(lambda s, t: t.T.reshape(t.shape)) and ndim >= 2:
        yield Holding(
            "column-order",
            "{t} read in column order",
            "holds the right numbers in column order (order='F', or a reshape for a transpose)",
        )
        return
    if all(m.size == t.size and t.size > 2 and same(np.sort(m, None), np.sort(t, None), tolerance) for _, m, t in rows):
        yield Holding(
            "reordered",
            "{t} in another order",
            "holds the right numbers at other places: a reshape without a transpose, or another order",
        )


def _moved_along(rows: Rows, holds: Holds) -> Iterator[Holding]:
    """Relations along an axis: reversed, or offset by one position."""
    for axis in range(rows[0][2].ndim):
        if holds(lambda s, t, a=axis: np.flip(t, a)):
            yield Holding(f"flipped-{axis}", f"{{t}} reversed along axis {axis}", f"is reversed along axis {axis}")
        for shift in (1, -1):
            if holds(lambda s, t, a=axis, k=shift: np.roll(t, k, a)):
                yield Holding(
                    "offset",
                    f"{{t}} moved by {shift} along axis {axis}",
                    f"is offset by one position along axis {axis}",
                )
            if holds(lambda s, t, a=axis, k=shift: _moved(t, k, a)):
                yield Holding(
                    "offset",
                    f"{{t}} moved by {shift} along axis {axis}",
                    f"is offset by one position along axis {axis}, zeros at its end",
                )


def _moved(t: Array, by: int, axis: int) -> Array:
    moved = np.roll(t, by, axis)
    edge = [slice(None)] * t.ndim
    edge[axis] = slice(0, 1) if by > 0 else slice(-1, None)
    moved[tuple(edge)] = 0
    return moved


def _blocks(rows: Rows, holds: Holds, count: int) -> Iterator[Holding]:
    """Relations of gates: blocks along the first axis in another order."""
    if rows[0][2].ndim == 0 or rows[0][2].shape[0] % count or rows[0][2].shape[0] == count:
        return
    names = {3: ("r", "z", "n"), 4: ("i", "f", "g", "o")}[count]
    for order in itertools.permutations(range(count)):
        if order == tuple(range(count)):
            continue
        if holds(lambda s, t, o=order: np.concatenate([np.split(t, count)[k] for k in o])):
            listed = ", ".join(names[k] for k in order)
            yield Holding(
                "gates",
                f"{{t}} with the gates {listed}",
                f"has its gates in the order {listed}, where PyTorch's is {', '.join(names)}",
            )


def _permutation(rows: Rows, axis: int, tolerance: float) -> tuple[int, ...] | None:
    """The order of an axis in which the student's tensor is the right one, the same in all scenes."""
    _, mine, theirs = rows[0]
    if mine.shape != theirs.shape or mine.shape[axis] < 2:
        return None
    a, b = np.moveaxis(mine, axis, 0), np.moveaxis(theirs, axis, 0)
    order = []
    for row in a:
        near = [k for k in range(len(b)) if same(row, b[k], tolerance)]
        if not near:
            return None
        order.append(near[0])
    if sorted(order) != list(range(len(b))) or order == sorted(order):
        return None
    for _, m, t in rows[1:]:
        if m.shape[axis] != len(order) or not same(m, np.take(t, order, axis), tolerance):
            return None
    return tuple(order)
