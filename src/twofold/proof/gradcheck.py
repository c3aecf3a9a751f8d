"""Gradients against central differences, by random projection: two evaluations a tensor, not two a parameter.

For a direction v:  ⟨∂L/∂p, v⟩ ≈ (L(p + ε v) − L(p − ε v)) / 2ε, with an error of order ε². In float64.
It uses only what every engine offers, so it checks either engine, with whatever masks the batch carries.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from twofold.engine import Batch, Engine, State
from twofold.streams import stream

EPSILON = 1e-6
"""The first ε to try; with one below `SMALLER` a difference would measure only the rounding of the loss."""
SMALLER = 1e-7
TRIES = ((0, EPSILON), (0, SMALLER), (1, SMALLER), (2, SMALLER))
"""Pairs (number of the direction, ε), tried in turn until one agrees. With many ReLUs and poolings, one may switch
between the two points, and the difference mixes two slopes; a tenth of ε makes that a tenth as likely. A wrong gradient
is wrong along every direction and with every ε."""
TOLERANCE = 1e-5
FLOOR = 1e-3
"""Smallest slope, as a share of the loss, that stands out from rounding, about 1e-16 / ε of the loss."""


JITTER = 1e-2
"""Standard deviation of the noise added to parameters first: biases that begin at 0 put whole units exactly on ReLU's
kink, where a central difference measures half a slope."""


class Projection(NamedTuple):
    """A tensor's gradient along one random direction of length 1, computed and measured."""

    name: str
    computed: float
    measured: float
    loss: float = 1.0
    """The loss at this point, whose rounding limits how exact `measured` can be."""

    @property
    def size(self) -> float:
        """Relative distance between `computed` and `measured`."""
        scale = max(abs(self.computed), abs(self.measured), FLOOR * max(1.0, abs(self.loss)))
        return abs(self.computed - self.measured) / scale


@np.errstate(all="ignore")  # overflow shows as a distance
def check_gradients(engine: Engine, state: State, batch: Batch, seed: int = 0) -> list[Projection]:
    """Each parameter's gradient near `state` against central differences, in float64. The engine is left at `state`.

    One projection a parameter, along a random direction drawn from `seed`: of the tries, the one that agrees best.
    """
    original, state, batch = state, beside(state, seed), batch._replace(radius=None)  # what moves samples is no loss
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
        projections.append(min(tried, key=lambda tried: (math.isnan(tried.size), tried.size)))
    engine.load(original)
    return projections


def _direction(name: str, shape: tuple[int, ...], seed: int, number: int) -> np.ndarray:
    """A random direction of length 1, the one of this number for the tensor."""
    v = stream(seed, f"direction {name}" + (f" {number}" if number else "")).normal(size=shape)
    return v / np.linalg.norm(v)


def beside(state: State, seed: int = 0) -> State:
    """The state with a little noise on its parameters: no unit is exactly on a kink, no two numbers are equal."""
    moved = {
        name: array + JITTER * stream(seed, f"jitter {name}").normal(size=array.shape)
        for name, array in state.parameters.items()
    }
    return replace(state, parameters=moved)


def _loss(engine: Engine, state: State, batch: Batch, name: str, shift: np.ndarray) -> float:
    moved = {**state.parameters, name: state.parameters[name] + shift}
    engine.load(replace(state, parameters=moved))
    return engine.step(batch).loss
