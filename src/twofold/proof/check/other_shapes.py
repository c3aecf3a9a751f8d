"""Relations of tensors whose shape is not the right one: sums over other axes, a border not cut off."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from twofold.arrays import Array
from twofold.proof.check.compared import same
from twofold.proof.check.orders import Rows
from twofold.proof.check.relation import Holding


def shaped_otherwise(rows: Rows, tolerance: float) -> Iterator[Holding]:
    """The relations that hold for a tensor of another shape."""
    yield from _summed_otherwise(rows, tolerance)
    if all(mine.ndim == theirs.ndim == 4 for _, mine, theirs in rows):
        yield from _not_cropped(rows, tolerance)
        yield from _at_other_places(rows, tolerance)


def _axes_of(dy: Array, right: Array, tolerance: float) -> tuple[int, ...] | None:
    """The axes over which the right tensor is the sum of dy."""
    for count in range(1, dy.ndim):
        for axes in itertools.combinations(range(dy.ndim), count):
            summed = dy.sum(axis=axes)
            if summed.shape == right.shape and same(summed, right, tolerance):
                return axes
    return None


def _summed_otherwise(rows: Rows, tolerance: float) -> Iterator[Holding]:
    """The relation of a sum or mean of dy over wrong axes."""
    held = [(scene.arrays["dy"], mine, theirs) for scene, mine, theirs in rows if "dy" in scene.arrays]
    wanted = _axes_of(held[0][0], held[0][2], tolerance) if len(held) == len(rows) and held else None
    if wanted is None:
        return
    for count in range(1, held[0][0].ndim + 1):
        for axes in itertools.combinations(range(held[0][0].ndim), count):
            for kind, reduce in (("summed", np.sum), ("averaged", np.mean)):
                if axes != wanted and all(same(m, reduce(dy, axis=axes), tolerance) for dy, m, _ in held):
                    where = f"axis {axes[0]}" if len(axes) == 1 else f"the axes {axes}"
                    right = f"axis {wanted[0]}" if len(wanted) == 1 else f"the axes {wanted}"
                    sentence = f"is dy {kind} over {where}, where it is summed over {right}"
                    yield Holding("other-axes", f"dy {kind} over {where}", sentence)
                    return


def _not_cropped(rows: Rows, tolerance: float) -> Iterator[Holding]:
    """The relation of a right tensor that still has the border of the padding."""
    _, mine, theirs = rows[0]
    borders = [a - b for a, b in zip(mine.shape[2:], theirs.shape[2:], strict=True)]
    if mine.shape[:2] != theirs.shape[:2] or min(borders) < 0 or not any(borders) or any(b % 2 for b in borders):
        return
    down, side = (border // 2 for border in borders)
    inside = [m[:, :, down : m.shape[2] - down, side : m.shape[3] - side] for _, m, _ in rows]
    if all(same(part, right, tolerance) for part, (_, _, right) in zip(inside, rows, strict=True)):
        sentence = f"still has the border of the padding: {down} rows and {side} columns on each side are to be cut off"
        yield Holding("not-cropped", "{t} with its border", sentence)


def _at_other_places(rows: Rows, tolerance: float) -> Iterator[Holding]:
    """Relations of windows at wrong places: the stride is ignored, or the padding is left out."""
    for stride in (2, 3, 4):
        every = [m[:, :, ::stride, ::stride][:, :, : t.shape[2], : t.shape[3]] for _, m, t in rows]
        if all(same(part, right, tolerance) for part, (_, _, right) in zip(every, rows, strict=True)):
            sentence = f"is computed at every pixel: the stride is not used, where windows move by {stride}"
            yield Holding("stride-ignored", "{t} at every pixel", sentence)
    _, mine, theirs = rows[0]
    lacking = [b - a for a, b in zip(mine.shape[2:], theirs.shape[2:], strict=True)]
    if min(lacking) > 0 and not any(size % 2 for size in lacking):
        down, side = (size // 2 for size in lacking)
        inside = [t[:, :, down : t.shape[2] - down, side : t.shape[3] - side] for _, _, t in rows]
        if all(same(mine, part, tolerance) for (_, mine, _), part in zip(rows, inside, strict=True)):
            sentence = f"lacks {down} rows and {side} columns on each side: the padding is left out"
            yield Holding("padding-left-out", "{t} without padding", sentence)
