"""Factors by which a tensor may be wrong, each a function of the scene: of its sizes, or the learning rate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from twofold.arrays import Array
from twofold.proof.mistakes import Scene
from twofold.proof.mistakes.base import number

Factor = Callable[[Scene, Array], float]


def _batch(scene: Scene, right: Array) -> float:
    first = scene.arrays.get("x", scene.arrays.get("outputs"))
    return float(len(first)) if first is not None else np.nan


def _classes(scene: Scene, right: Array) -> float:
    return float(scene.arrays["outputs"].shape[1]) if "outputs" in scene.arrays else np.nan


def _all(scene: Scene, right: Array) -> float:
    return float(scene.arrays["outputs"].size) if "outputs" in scene.arrays else np.nan


def _inputs(scene: Scene, right: Array) -> float:
    return float(scene.arrays["x"].shape[-1]) if "x" in scene.arrays else np.nan


def _plane(scene: Scene, right: Array) -> float:
    dy = scene.arrays.get("dy")
    return float(np.prod(dy.shape[2:])) if dy is not None and dy.ndim == 4 else np.nan


def _steps(scene: Scene, right: Array) -> float:
    x = scene.arrays.get("x")
    return float(x.shape[1]) if x is not None and x.ndim == 3 else np.nan


def _terms(scene: Scene, right: Array) -> float:
    dy = scene.arrays.get("dy")
    return float(dy.size / dy.shape[1]) if dy is not None and dy.ndim in (2, 4) else np.nan


def _units(scene: Scene, right: Array) -> float:
    dy = scene.arrays.get("dy")
    return float(dy.shape[1]) if dy is not None else np.nan


def _rate(scene: Scene, right: Array) -> float:
    return number(scene.facts, "lr", np.nan)


FACTORS: tuple[tuple[str, Factor, str, str], ...] = (
    ("minus", lambda s, r: -1.0, "−1", "has the wrong sign"),
    ("two", lambda s, r: 2.0, "2", "is twice too large: a factor 2 too many"),
    ("half", lambda s, r: 0.5, "1/2", "is half of what is right: a factor 2 is missing, or a 1/2 too many"),
    ("n", _batch, "N", "is multiplied by the batch size N: the division by N is missing, a sum where a mean belongs"),
    ("over-n", lambda s, r: 1 / _batch(s, r), "1/N", "is divided by the batch size N: averaged over the batch where "
                                                     "the right one is summed"),
    ("over-n-squared", lambda s, r: 1 / _batch(s, r) ** 2, "1/N²", "is divided by the batch size N twice"),
    ("minus-n", lambda s, r: -_batch(s, r), "−N", "has the wrong sign and is N times too large"),
    ("minus-over-n", lambda s, r: -1 / _batch(s, r), "−1/N", "has the wrong sign and is divided by the batch size N"),
    ("classes", _classes, "C", "is multiplied by the number of classes C: a mean over the classes is missing"),
    ("over-classes", lambda s, r: 1 / _classes(s, r), "1/C", "is divided by the number of classes C"),
    ("all", _all, "N C", "is a sum where the mean over batch and outputs belongs: N C times too large"),
    ("over-all", lambda s, r: 1 / _all(s, r), "1/(N C)", "is divided by the number of all outputs N C once more"),
    ("n-over-two", lambda s, r: _batch(s, r) / 2, "N/2", "is N/2 times too large: not divided by N, and a factor 2 "
                                                         "missing"),
    ("two-n", lambda s, r: 2 * _batch(s, r), "2N", "is 2N times too large: not divided by N, and a factor 2 too many"),
    ("half-classes", lambda s, r: _classes(s, r) / 2, "C/2", "is C/2 times too large: divided by N alone and without "
                                                             "the factor 2"),
    ("over-two-n", lambda s, r: 0.5 / _batch(s, r), "1/(2N)", "is divided by 2N"),
    ("plane", _plane, "H W", "is multiplied by the number of positions H W: a sum where a mean belongs"),
    ("over-plane", lambda s, r: 1 / _plane(s, r), "1/(H W)", "is divided by the number of positions H W: averaged "
                                                             "where it is summed"),
    ("over-terms", lambda s, r: 1 / _terms(s, r), "1/(N H W)", "is averaged over batch and positions where it is "
                                                               "summed"),
    ("terms", _terms, "N H W", "is summed over batch and positions where it is averaged"),
    ("steps", _steps, "T", "is multiplied by the number of time steps T"),
    ("over-steps", lambda s, r: 1 / _steps(s, r), "1/T", "is divided by the number of time steps T: averaged over "
                                                         "time where all add up"),
    ("over-n-steps", lambda s, r: 1 / (_steps(s, r) * _batch(s, r)), "1/(N T)",
     "is averaged over batch and time where all add up"),
    ("over-inputs", lambda s, r: 1 / _inputs(s, r), "1/inputs", "is divided by the number of inputs"),
    ("inputs", _inputs, "inputs", "is multiplied by the number of inputs"),
    ("units", _units, "units", "is multiplied by the number of units"),
    ("over-units", lambda s, r: 1 / _units(s, r), "1/units", "is divided by the number of units"),
    ("root-n", lambda s, r: _batch(s, r) ** 0.5, "√N", "is √N times too large"),
    ("over-root-n", lambda s, r: _batch(s, r) ** -0.5, "1/√N", "is divided by √N"),
    ("rate", _rate, "η", "is multiplied by the learning rate"),
)  # fmt: skip
