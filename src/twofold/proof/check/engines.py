"""A user's whole engine in lock-step with ours over a real training: where they part first, and why."""

from __future__ import annotations

import html
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from twofold.data import Batches
from twofold.engine import Engine
from twofold.errors import UserError
from twofold.plain import Plain
from twofold.proof.check.remote import EngineFailedError, RemoteEngine
from twofold.proof.check.report import Named
from twofold.proof.check.sandbox import Limits
from twofold.proof.check.steps import explain, sentence
from twofold.proof.lockstep import Divergence, Parting, Verdict, compare
from twofold.proof.verify import RANDOM_BATCHES, TOLERANCES
from twofold.recipe import Recipe, load_recipe
from twofold.setup.building import build_engine, initial_state
from twofold.setup.events import warn_of_notes
from twofold.setup.samples import found_data

MEMBERS = ("load", "state", "step")


@dataclass(frozen=True)
class EngineReport:
    """How far a user's engine and ours agree over a training."""

    recipe: str
    data: str
    verdict: Verdict
    fault: Named | None = None
    failure: str = ""
    """How the user's code failed, with the place in its file; empty if it came to the end."""

    @property
    def ok(self) -> bool:
        """Whether no gap of any stage was above the tolerance, over all steps."""
        return self.verdict.agrees and not self.failure

    @property
    def exit_status(self) -> int:
        """0 right, 1 wrong."""
        return 0 if self.ok else 1

    @property
    def summary(self) -> str:
        """A sentence: `step 1 agrees, step 2 parts: ...`, and why."""
        first = self.verdict.first_divergence
        if self.failure:
            failure = f"it fails at step {self.verdict.steps + 1}: {self.failure}"
            return failure if first is None else f"{failure}; before that {sentence(first, self.fault)}"
        if first is None:
            return f"agrees over {self.verdict.steps} steps at {self.verdict.tolerance:g}"
        return sentence(first, self.fault)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        return self.summary

    def to_json(self) -> dict[str, Plain]:
        """Plain values; an engine that failed does not agree, whatever its steps before."""
        fault = self.fault and self.fault.to_json()
        return {
            **self.verdict.to_json(),
            "agrees": self.ok,
            "recipe": self.recipe,
            "data": self.data,
            "fault": fault,
            "failure": self.failure,
            "ok": self.ok,
            "summary": self.summary,
        }

    def _repr_html_(self) -> str:
        table = "" if self.failure else self.verdict._repr_html_()
        return f"<b>{html.escape(self.summary)}</b>{table}"


def check_engine(engine: Engine, recipe: str | Path | Recipe, *, steps: int = 50) -> EngineReport:
    """Train a user's engine beside the NumPy engine over the recipe's training, in float64, re-synchronised each step.

    The engine has `load(state)`, `state()` and `step(batch)` as in `twofold.engine.Engine`; it gets a copy of each
    batch, so that it cannot change ours.

    Raises `UserError` for an engine that lacks one of the three, for a class, and for `steps` below 1.
    """
    if inspect.isclass(engine):
        name = cast(type, engine).__name__
        raise UserError(f"an engine is an object, and `{name}` is a class; give what it builds from a recipe")
    if not isinstance(steps, int) or steps < 1:
        raise UserError(f"`steps` must be a whole number from 1; got {steps!r}")
    missing = [name for name in MEMBERS if not callable(getattr(engine, name, None))]
    if missing:
        raise UserError(f"an engine has {', '.join(f'`{name}`' for name in MEMBERS)}; this one lacks `{missing[0]}`")
    return _compared(engine, in_double(recipe), steps)


def in_double(recipe: str | Path | Recipe) -> Recipe:
    """The recipe in float64, without autocast."""
    return load_recipe(recipe, {"training.dtype": "float64", "training.autocast": "none"})


def check_engine_file(file: Path, name: str, recipe: str | Path, steps: int, seconds: float) -> EngineReport:
    """As `check_engine`, for an object of a file, in a process of its own: an engine, or what builds one from a recipe.

    Raises `UserError` where the file does not import or the object is no engine.
    """
    plain = in_double(recipe)
    with RemoteEngine(file, name, plain, Limits(seconds)) as engine:
        return _compared(engine, plain, steps)


def _compared(engine: Engine | RemoteEngine, recipe: Recipe, steps: int) -> EngineReport:
    size = recipe.training.batch_size
    recipe, dataset, data = found_data(recipe, warn_of_notes, RANDOM_BATCHES * (32 if size == "full" else size))
    ours = build_engine("numpy", recipe)
    tolerance = TOLERANCES["float64"]
    faults, divergences = list[Named](), list[Divergence]()

    def name_fault(parting: Parting) -> None:
        divergences.append(parting.divergence)
        why = explain(recipe, ours, parting, tolerance, second)
        faults.extend([why[1]] if why else [])

    start, taken = initial_state(recipe.model, dataset.train), [0]
    batches, second = Batches(recipe, dataset.train, steps), cast(Engine, engine)
    try:
        verdict = compare(ours, second, start, batches, tolerance, "resync", watch=lambda step: taken.append(step),
                          explain=name_fault)  # fmt: skip
    except EngineFailedError as error:
        verdict = Verdict(taken[-1], tolerance, {}, divergences[0] if divergences else None)
        return EngineReport(recipe.name, data, verdict, faults[0] if faults else None, str(error))
    return EngineReport(recipe.name, data, verdict, faults[0] if faults else None)
