"""What was compared between an adopted network and the original, and how far apart the two were: facts."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from twofold.arrays import Array, gap
from twofold.plain import Plain, finite

STAGES = ("forward", "loss", "gradient", "state")


@dataclass(frozen=True)
class Gap:
    """One comparison that exceeded its tolerance: where, and by how much."""

    stage: str
    name: str
    step: int | None
    """The training step from 1; `None` for the evaluation."""
    size: float
    tolerance: float

    def __str__(self) -> str:
        when = "in evaluation" if self.step is None else f"at training step {self.step}"
        return f"{self.stage} of {self.name} {when}: relative gap {self.size:.1e}, {self.tolerance:g} allowed"


@dataclass(frozen=True)
class Proof:
    """The largest relative gap of each stage, how many comparisons stand behind it, and the first one that failed."""

    witness: str
    """What computed the original's numbers: `PyTorch 2.13.0, float64`."""
    steps: int
    """Training steps taken beside the original; 0 where the original cannot train."""
    comparisons: int
    largest: Mapping[str, float]
    """By stage: forward, loss, gradient, state; only the stages that were compared."""
    tolerances: Mapping[str, float]
    first_failure: Gap | None
    notes: tuple[str, ...] = ()
    """What the proof does not cover, one sentence each."""

    @property
    def passed(self) -> bool:
        """Whether no comparison exceeded its tolerance."""
        return self.first_failure is None

    def to_json(self) -> dict[str, Plain]:
        """Plain values; a gap that is NaN or infinite is `None`, since JSON has no word for it."""
        failure = self.first_failure
        return {
            "passed": self.passed,
            "witness": self.witness,
            "steps": self.steps,
            "comparisons": self.comparisons,
            "largest": {stage: finite(size) for stage, size in self.largest.items()},
            "tolerances": dict(self.tolerances),
            "first_failure": failure and str(failure),
            "notes": list(self.notes),
        }

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{stage}</td><td>{size:.1e}</td></tr>" for stage, size in self.largest.items())
        head = "the same as the original" if self.passed else html.escape(str(self.first_failure))
        return f"<b>{head}</b>, by {html.escape(self.witness)}, {self.steps} steps<table>{rows}</table>"


@final
class Ledger:
    """Collects comparisons until they are a `Proof`."""

    def __init__(self, tolerances: Mapping[str, float]) -> None:
        self.tolerances = dict(tolerances)
        self.largest: dict[str, float] = {}
        self.comparisons = 0
        self.first_failure: Gap | None = None

    def compare(self, stage: str, name: str, ours: Array, theirs: Array | None, step: int | None = None) -> None:
        """Compare a tensor of both sides; the original's may have more or fewer axes of size 1, and `None` fails."""
        size = math.inf if theirs is None else gap_of_same_form(ours, theirs)
        self.comparisons += 1
        self.largest[stage] = float(np.maximum(self.largest.get(stage, 0.0), size))  # which keeps NaN
        if self.first_failure is None and not size <= self.tolerances[stage]:
            self.first_failure = Gap(stage, name, step, size, self.tolerances[stage])

    def proof(self, witness: str, steps: int = 0, notes: tuple[str, ...] = ()) -> Proof:
        """The proof from the comparisons so far."""
        return Proof(witness, steps, self.comparisons, self.largest, self.tolerances, self.first_failure, notes)


def gap_of_same_form(ours: Array, theirs: Array) -> float:
    """The relative gap where the shapes are the same but for axes of size 1; infinite where they are not."""
    if without_ones(ours.shape) != without_ones(theirs.shape):
        return math.inf
    return gap(ours, theirs.reshape(ours.shape))


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes of a shape that are not 1."""
    return tuple(size for size in shape if size != 1)
