"""Prove that both engines compute the same for a recipe, and that its gradients are those of its loss."""

from __future__ import annotations

import html
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import get_args

import numpy as np

from twofold.arrays import largest
from twofold.data import Batches
from twofold.engine import Batch, Step, floats
from twofold.engine.threads import few_threads
from twofold.engines import COMPARED
from twofold.errors import UserError
from twofold.plain import Plain, finite, whole
from twofold.proof.gradcheck import TOLERANCE, Projection, beside, check_gradients
from twofold.proof.lockstep import Mode, Parting, Verdict, compare
from twofold.proof.ties import Ties, ties
from twofold.recipe import Recipe, load_recipe
from twofold.recipe.overrides import Overrides
from twofold.recipe.training import Dirac
from twofold.setup.building import build_engine, initial_state
from twofold.setup.events import Progressed, Started, Watcher, watching
from twofold.setup.needed import check_memory
from twofold.setup.samples import found_data

TOLERANCES = {"float64": 1e-9, "float32": 1e-4}
"""Largest relative gap at which the engines still agree, by type."""
RANDOM_BATCHES = 8
"""Batches of random inputs that are drawn where the recipe's data are not at hand."""


@dataclass(frozen=True)
class Verification:
    """The result of `twofold verify`: the verdict of the lock-step, the gradient check, and the kind of data used."""

    recipe: str
    mode: Mode
    dtype: str
    data: str
    """`real`, or `random` where the recipe's data are not at hand."""
    verdict: Verdict
    projections: tuple[Projection, ...]
    """The NumPy engine's gradients against central differences, at the first batch; in float64 only."""
    ties: tuple[Ties, ...] = ()
    """If gradients part: the max poolings in which rounding decides which number of a window is the largest."""
    cause: str = ""
    """Why the engines part, by name: the engine and its mistake, where it is a known one."""

    @property
    def agrees(self) -> bool:
        """Whether no gap between the engines was above the tolerance."""
        return self.verdict.agrees

    @property
    def passed(self) -> bool:
        """Whether engines agree and central differences confirm their gradients: two that agree may both be wrong."""
        return self.agrees and not self.wrong_gradients

    @property
    def gradient_gap(self) -> float | None:
        """The largest relative distance of a gradient from its central difference, or NaN; `None` without any."""
        return largest(projection.size for projection in self.projections) if self.projections else None

    @property
    def wrong_gradients(self) -> list[Projection]:
        """The tensors whose gradient central differences do not confirm."""
        return [projection for projection in self.projections if not projection.size <= TOLERANCE]

    def to_json(self) -> dict[str, Plain]:
        """Plain values: what `twofold verify --json` prints."""
        wrong, size = [p.name for p in self.wrong_gradients], self.gradient_gap
        check = {"largest": finite(size), "wrong": wrong} if self.projections else None
        return {
            **self.verdict.to_json(),
            "passed": self.passed,
            "recipe": self.recipe,
            "mode": self.mode,
            "dtype": self.dtype,
            "data": self.data,
            "central_differences": check,
            "cause": self.cause or None,
            "ties": [tie._asdict() for tie in self.ties],
        }

    def _repr_html_(self) -> str:
        wrong = ", ".join(f"<code>{html.escape(p.name)}</code>" for p in self.wrong_gradients)
        return self.verdict._repr_html_() + (
            f"<b>Central differences contradict the gradient of {wrong}</b>" if wrong else ""
        )


def verify(
    recipe: str | Path | Recipe,
    *,
    data: object = None,
    overrides: Overrides = (),
    steps: int = 200,
    mode: Mode = "resync",
    dtype: str = "float64",
    tolerance: float | None = None,
    watcher: Watcher | None = None,
) -> Verification:
    """Run both engines in lock-step and compare them at every stage of every step.

    They run on `data`, a pair `(X, y)`, if given; else on the recipe's data if at hand; else on random inputs of the
    declared shape. The result says which. `mode` is `resync` (each step tested by itself: the proof) or `free` (shows
    drift). `tolerance` is relative, by default 1e-9 in float64 and 1e-4 in float32. The initial state `dirac` makes
    numbers exactly equal, so that rounding would decide which of them a max pooling takes: some noise is added to it
    for both engines.

    Raises `RecipeError`, `UnknownNameError`, `DataError`, or `UserError` for an argument out of range.
    """
    _check_arguments(steps, mode, dtype, tolerance)
    recipe = load_recipe(load_recipe(recipe, overrides), {"training.dtype": dtype, "training.autocast": "none"})
    watch = watching(watcher)
    size = recipe.training.batch_size
    recipe, dataset, origin = found_data(recipe, watch, RANDOM_BATCHES * (32 if size == "full" else size), data)
    train = dataset.train
    check_memory(recipe, COMPARED, train, side_by_side=True)
    batches = Batches(recipe, train, steps)
    initial = initial_state(recipe.model, train)
    start = beside(initial) if isinstance(recipe.initial, Dirac) else initial
    first, second = (build_engine(name, recipe) for name in COMPARED)
    decided_by_rounding = list[Ties]()

    causes = list[str]()

    def name_cause(parting: Parting) -> None:
        from twofold.proof.check.steps import explain

        why = explain(recipe, first, parting, allowed, second)
        if why is not None:
            causes.append(f"{(first if why[0] == 'first' else second).name} engine: {why[1].sentence}")

    def find_ties(batch: Batch, a: Step, b: Step) -> None:
        x = floats(batch, np.dtype(dtype)) if batch.radius is None else None
        decided_by_rounding.extend(ties(recipe.network, x, a.outputs, b.outputs))

    allowed = tolerance or TOLERANCES[dtype]
    watch(Started("verify", steps))
    with few_threads(recipe, len(train)):
        verdict = compare(
            first, second, start, batches, allowed, mode, lambda step: watch(Progressed(step)), find_ties, name_cause
        )
    projections = check_gradients(first, initial, next(iter(batches))) if dtype == "float64" else []
    divergence = verdict.first_divergence
    decided = tuple(decided_by_rounding) if divergence and divergence.stage == "gradient" else ()
    cause = causes[0] if causes and not decided else ""
    return Verification(recipe.name, mode, dtype, origin, verdict, tuple(projections), decided, cause)


def _check_arguments(steps: int, mode: str, dtype: str, tolerance: float | None) -> None:
    if (whole(steps) or 0) < 1:
        raise UserError(f"`steps` must be a whole number of at least 1; got {steps}")
    if mode not in get_args(Mode):
        raise UserError(f"`mode` must be `resync` or `free`; got `{mode}`")
    if dtype not in list(TOLERANCES):
        raise UserError(f"`dtype` must be `float64` or `float32`; got `{dtype}`")
    if tolerance is not None and not (isinstance(tolerance, Real) and tolerance > 0):
        raise UserError(f"`tolerance` must be greater than 0; got {tolerance}")
