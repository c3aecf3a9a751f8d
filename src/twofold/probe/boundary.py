"""Points in the plane, and where each engine draws the line between their classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array
from twofold.runs import Run
from twofold.runs.evidence import evidence
from twofold.runs.names import SPLITS
from twofold.setup.outputs import probabilities

if TYPE_CHECKING:
    from twofold.data import Split

GRID = 200
MARGIN = 0.08


@dataclass(frozen=True)
class Boundary:
    """The outputs of one engine over a grid of the plane, (rows, columns, classes)."""

    engine: str
    x: Array
    """First coordinates of the columns."""
    y: Array
    """Second coordinates of the rows, ascending."""
    shares: Array
    """The share of each class at a point, summing to 1; under the cross-entropy its probability."""
    margins: Array
    """The output of each class minus the largest of the others: 0 on the boundary of the class."""


def points(run: Run) -> dict[str, Split]:
    """The points by split, as the network sees them; empty where the samples are not points in the plane."""
    arrays = evidence(run)
    splits = [split for split in SPLITS if f"{split}.x" in arrays]
    if not splits:
        return {}
    from twofold.data import Split

    return {split: Split(arrays[f"{split}.x"], arrays[f"{split}.y"]) for split in splits}


def boundary(run: Run, engine: str, size: int = GRID) -> Boundary:
    """The engine's answers over the box of all points, a little widened, as the run's folder keeps them.

    For an older folder, and for a grid of another size, the engine is restored from its weights and asked.
    """
    x, y = axes(np.concatenate([split.x for split in points(run).values()]), size)
    outputs = evidence(run).get(f"{engine}.boundary")
    if outputs is None or len(outputs) != size * size:
        outputs = grid_outputs(run, engine, size)
    shares = probabilities(run.recipe.model, outputs)
    if shares is None:
        shares = np.clip(outputs.astype(np.float64), 1e-6, None)
        shares /= shares.sum(axis=-1, keepdims=True)
    form = (size, size, outputs.shape[-1])
    return Boundary(engine, x, y, shares.reshape(form), _margins(outputs.astype(np.float64)).reshape(form))


def grid_outputs(run: Run, engine: str, size: int = GRID) -> Array:
    """The engine's outputs at `size` times `size` points of the plane, row by row, (points, classes)."""
    from twofold.setup.building import restore

    x, y = axes(np.concatenate([split.x for split in points(run).values()]), size)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(run.recipe.training.dtype)
    return restore(run, engine, device="cpu").predict(grid)  # the same picture on any machine


def axes(x: Array, size: int) -> tuple[Array, Array]:
    """The box of all points, a little widened: `size` coordinates of the columns, and of the rows from below."""
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    pad = MARGIN * np.where(high > low, high - low, 1.0)
    first, second = np.linspace(low - pad, high + pad, size).T
    return first, second


def _margins(outputs: Array) -> Array:
    """Each output minus the largest of the others."""
    ordered = np.sort(outputs, axis=-1)
    best, second = ordered[..., -1:], ordered[..., -2:-1]
    return np.where(outputs == best, outputs - second, outputs - best)
