"""Gaps of tensors, which are compared element by element, never by statistics."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from twofold.arrays import Array, gap

TOLERANCE = 1e-9
"""Largest relative gap in float64: both sides add the same numbers in another order, which costs some 1e-15."""
Run = Sequence[Mapping[str, Array]]
"""Tensors by name, scene after scene."""


@dataclass(frozen=True)
class Gap:
    """The largest gap of a tensor over all scenes, and where it is."""

    tensor: str
    size: float
    """Relative to the tensor's own size; infinite if shapes differ or the tensor is missing, NaN if it holds NaN."""
    tolerance: float
    scene: str = ""
    index: tuple[int, ...] | None = None
    yours: float | None = None
    right: float | None = None
    note: str = ""
    """Why there is no element to show: missing, another shape."""
    control: float | None = None
    """Gap of the right tensor to itself rolled by one element: what a wrong tensor looks like."""

    @property
    def ok(self) -> bool:
        """Whether the gap is within the tolerance; NaN is not."""
        return self.size <= self.tolerance


def same(a: Array, b: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether arrays are equal in shape, in value within `tolerance`, and finite at the same places."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape:
        return False
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        return False
    return not finite.any() or gap(a[finite], b[finite]) <= tolerance


def gaps(
    yours: Run,
    right: Run,
    scenes: Sequence[str],
    tolerances: Mapping[str, float],
    absent: frozenset[str] = frozenset(),
    failed: Collection[str] = (),
) -> list[Gap]:
    """The largest gap of each tensor over all scenes, in the order of computation.

    A tensor that is missing in a scene in which the code fails is left out there if another scene has it.
    """
    names = list(dict.fromkeys(name for tensors in right for name in tensors))
    results = []
    for name in names:
        if name in absent:
            continue
        worst: Gap | None = None
        for scene, mine, theirs in zip(scenes, yours, right, strict=False):
            if name in theirs and not (name not in mine and scene in failed and any(name in other for other in yours)):
                here = _gap(name, scene, mine.get(name), theirs[name], tolerances[name])
                if worst is None or (worst.ok and (not here.ok or here.size > worst.size)):
                    worst = here
        if worst is not None:
            results.append(worst)
    return results


def _gap(name: str, scene: str, mine: Array | None, right: Array, tolerance: float) -> Gap:
    control = _control(right)
    if mine is None:
        return Gap(name, math.inf, tolerance, scene, note=f"{name} was not given", control=control)
    if mine.shape != right.shape:
        note = f"yours has shape {_shape(mine)}, right is {_shape(right)}"
        return Gap(name, math.inf, tolerance, scene, note=note, control=control)
    size = gap(mine, right)
    distance = np.abs(mine - right)
    place = int(np.argmax(np.where(np.isfinite(distance), distance, np.inf))) if right.size else 0
    index = tuple(int(i) for i in np.unravel_index(place, right.shape)) if right.size else None
    element = (float(mine.flat[place]), float(right.flat[place])) if right.size else (None, None)
    return Gap(name, size, tolerance, scene, index, *element, control=control)


def _control(right: Array) -> float | None:
    return gap(np.roll(right, 1), right) if right.size > 1 else None


def _shape(a: Array) -> str:
    return "a single number" if a.ndim == 0 else f"({', '.join(map(str, a.shape))}{',' if a.ndim == 1 else ''})"
