"""Gradients against central differences, by random projection: two evaluations a tensor, not two a parameter.

For a direction v:  ⟨∂L/∂p, v⟩ ≈ (L(p + ε v) − L(p − ε v)) / 2ε, with an error of order ε². In float64.
It needs nothing but the seam, so it checks either engine, with whatever masks the batch carries.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from twofold.engine import Batch, Engine, State
from twofold.streams import stream

EPSILON = 1e-6
"""The first step; below `SMALLER` the rounding of the loss is what a difference measures."""
SMALLER = 1e-7
TRIES = ((0, EPSILON), (0, SMALLER), (1, SMALLER), (2, SMALLER))
"""Directions and steps, one after the other until one agrees. Where ReLUs and poolings are many, one of them turns
between the two points, and the difference measures two slopes: with a tenth of the step that is a tenth as likely. A
wrong gradient is wrong along every direction and with every step."""
TOLERANCE = 1e-5
FLOOR = 1e-3
"""Times the loss: below this slope the rounding of the loss, about 1e-16 / ε of it, is what a difference measures."""


JITTER = 1e-2
"""Parameters are moved about so far first: biases that begin at 0 put whole units exactly on ReLU's kink, where
a central difference measures half a slope."""


class Projection(NamedTuple):
    """A tensor's gradient along one random direction of length 1, computed and measured."""

    name: str
    computed: float
    measured: float
    loss: float = 1.0
    """Where the slope was measured: a difference holds the loss's own rounding."""

    @property
    def size(self) -> float:
        """Relative distance of the two."""
        scale = max(abs(self.computed), abs(self.measured), FLOOR * max(1.0, abs(self.loss)))
        return abs(self.computed - self.measured) / scale


def check_gradients(engine: Engine, state: State, batch: Batch, seed: int = 0) -> list[Projection]:
    """Each parameter's gradient near `state` against central differences. The engine is left at `state`."""
    original, state = state, beside(state, seed)
    engine.load(state)
    step = engine.step(batch)
    gradients, loss = dict(step.gradients), step.loss
    projections = []
    for name, gradient in gradients.items():
        tried = list[Projection]()
        for number, epsilon in TRIES:
            v = _direction(name, gradient.shape, seed, number)
            up, down = (_loss(engine, state, batch, name, sign * epsilon * v) for sign in (1, -1))
            tried.append(Projection(name, float((gradient * v).sum()), (up - down) / (2 * epsilon), loss))
            if tried[-1].size <= TOLERANCE:
                break
        projections.append(min(tried, key=lambda projection: projection.size))
    engine.load(original)
    return projections


def _direction(name: str, shape: tuple[int, ...], seed: int, number: int) -> np.ndarray:
    """A random direction of length 1; `number` counts those of one tensor."""
    v = stream(seed, f"direction {name}" + (f" {number}" if number else "")).normal(size=shape)
    return v / np.linalg.norm(v)


def beside(state: State, seed: int = 0) -> State:
    """A point near it, where no unit is exactly on a kink and no two numbers are exactly alike."""
    moved = {
        name: array + JITTER * stream(seed, f"jitter {name}").normal(size=array.shape)
        for name, array in state.parameters.items()
    }
    return replace(state, parameters=moved)


def _loss(engine: Engine, state: State, batch: Batch, name: str, shift: np.ndarray) -> float:
    moved = {**state.parameters, name: state.parameters[name] + shift}
    engine.load(replace(state, parameters=moved))
    return engine.step(batch).loss
