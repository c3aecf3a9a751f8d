"""The proof that goes with a run: a short lock-step, and the step at which two trainings part by rounding.

The lock-step is that of `twofold verify`, over few steps in float64. Two trainings that run free part sooner or later:
the engines round float32 sums in different orders, and a training that is sensitive to its beginning amplifies that
difference step by step, as it would a difference in a single last bit. Where the answers of the engines differ beyond
chance, both are trained once more to find the step at which they part, beside a twin of the first engine that began one
last bit away; from the state before that step both engines are then compared in lock-step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np

from twofold.arrays import Array, Arrays, largest
from twofold.data import Batches, Dataset
from twofold.engine import Engine, State
from twofold.engines import COMPARED
from twofold.proof.lockstep import Verdict, compare
from twofold.recipe import Recipe
from twofold.runs.agreement import PARTED
from twofold.setup.building import build_engine, initial_state

STEPS = 3
"""Steps of the short lock-step."""
SAMPLES = 32
"""Samples of a batch in the short lock-step, at most."""
TOLERANCE = 1e-9
"""Largest relative gap at which the engines still agree in float64."""
SECONDS = 30.0
"""Seconds after which the search for the step at which two trainings part is given up."""


@dataclass(frozen=True)
class Parting:
    """Where two trainings of one recipe parted."""

    step: int
    gap: float
    """The largest relative distance of a parameter after that step."""
    growth: float
    """The factor by which the difference grew a step, on geometric average until then."""
    twin_step: int | None
    """The step at which the twin, which began one last bit away, parted from the first engine; `None` if not by
    `step`."""
    lockstep: Verdict
    """Both engines from the state before that step, re-synchronised in float64."""


def short_proof(recipe: Recipe, dataset: Dataset) -> Verdict:
    """Lock-step over the first batches, re-synchronised in float64."""
    exact = _exact(recipe, _batch_size(recipe.training.batch_size, len(dataset.train)))
    return _lockstep(exact, dataset.astype("float64"), initial_state(exact.model, dataset.train), 0)


def parting(recipe: Recipe, dataset: Dataset, watch: Callable[[int], object]) -> Parting | None:
    """Train both engines again until they part; `None` where they do not within the training or `SECONDS`.

    `watch` gets the number of every step taken.
    """
    first, second = (build_engine(name, recipe, fast=True) for name in COMPARED)
    twin = build_engine(COMPARED[0], recipe, fast=True)
    begun = time.monotonic()
    start = initial_state(recipe.model, dataset.train)
    for engine, state in ((first, start), (second, start), (twin, one_bit_away(start, recipe.training.dtype))):
        engine.load(state)
    first_gap = None
    twin_step = None
    for step, batch in enumerate(Batches(recipe, dataset.train), 1):
        before = first.state()
        for engine in (first, second, twin):
            engine.step(batch._replace(x=batch.x.copy(), target=batch.target.copy()))
        gap = _largest_distance(first, second)
        if twin_step is None and not _largest_distance(first, twin) <= PARTED:
            twin_step = step
        first_gap = (step, gap) if first_gap is None and gap > 0 else first_gap
        watch(step)
        if math.inf > gap > PARTED and first_gap is not None:
            growth = (gap / first_gap[1]) ** (1 / max(1, step - first_gap[0]))
            verdict = _lockstep(_exact(recipe, recipe.training.batch_size), dataset.astype("float64"), before, step - 1)
            return Parting(step, gap, growth, twin_step, verdict)
        if not math.isfinite(gap) or time.monotonic() - begun > SECONDS:
            return None
    return None


def one_bit_away(state: State, dtype: str) -> State:
    """The state with the first number of its first matrix changed to the next larger one of the type."""
    parameters = {name: np.array(array, dtype=dtype) for name, array in state.parameters.items()}
    name = next((name for name, array in parameters.items() if array.ndim > 1), next(iter(parameters)))
    number = parameters[name].flat  # not `reshape`, which copies a matrix in Fortran order
    number[0] = np.nextafter(number[0], np.inf, dtype=dtype)
    return State(parameters, state.optimizer, state.updates, state.buffers, state.average)


def _largest_distance(a: Engine, b: Engine) -> float:
    """The largest relative distance max|a − b| / max|a| of a parameter between two engines; NaN if one is NaN."""
    ours, theirs = a.state().parameters, b.state().parameters
    return largest(_distance(ours[name], theirs[name]) for name in ours)


def _distance(a: Array, b: Array) -> float:
    """max|a − b| / max|a|; 0 where a is 0 everywhere."""
    size = float(np.abs(a).max(initial=0.0))
    return float(np.abs(a - b).max(initial=0.0)) / size if size else 0.0


def _batch_size(size: int | Literal["full"], samples: int) -> int:
    """A size of at most `SAMPLES`; if it is not the recipe's own, one that leaves no last batch of one sample.

    A batch norm cannot train on a single sample, and only the recipe's own size was checked for that.
    """
    if size != "full" and size <= SAMPLES:
        return size
    return next((fitting for fitting in range(SAMPLES, 1, -1) if samples % fitting != 1), SAMPLES)


def _exact(recipe: Recipe, batch_size: int | Literal["full"]) -> Recipe:
    """The recipe in float64 and without shortcuts, in batches of this size."""
    changed: dict[str, object] = {
        "dtype": "float64",
        "autocast": "none",
        "compile": False,
        "shards": None,
        "batch_size": batch_size,
    }
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=changed)})


def _lockstep(recipe: Recipe, dataset: Dataset, start: State, taken: int) -> Verdict:
    """Compare the engines over `STEPS` steps from a state, with the batches that follow the first `taken`."""
    first, second = (build_engine(name, recipe) for name in COMPARED)
    chosen = islice(Batches(recipe, dataset.train, taken + STEPS), taken, taken + STEPS)
    return compare(first, second, _in_double(start), chosen, TOLERANCE)


def _in_double(state: State) -> State:
    """The state in float64."""
    optimizer = {moment: _floats(arrays) for moment, arrays in state.optimizer.items()}
    return State(_floats(state.parameters), optimizer, state.updates, _floats(state.buffers), _floats(state.average))


def _floats(arrays: Arrays) -> dict[str, Array]:
    return {name: np.asarray(array, np.float64) for name, array in arrays.items()}
