"""Two engines side by side, compared at every stage of every step.

Re-synchronised: after each step the second engine is loaded with the state of the first, so that every
comparison tests one step at a point of a real trajectory, without accumulated error. This is the proof.
Free-running: synchronised at the start only; this shows the drift.

Comparing losses or final weights alone is not enough: under Adam a gradient 32 times too large moves the
final weights by less than 1e-5.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from twofold.arrays import Arrays, gap
from twofold.engine import Batch, Engine, State, Step
from twofold.plain import Plain, finite

Mode = Literal["resync", "free"]
STAGES: tuple[str, ...] = ("forward", "loss", "gradient", "state")
"""The stages of a step, in order of computation."""


class Divergence(NamedTuple):
    """The first place where two engines part: step from 1, stage, tensor, relative size of the gap."""

    step: int
    stage: str
    name: str
    size: float


class Parting(NamedTuple):
    """The step at which two engines part, to be explained."""

    before: State
    """The state that both had before the step."""
    batch: Batch
    first: Step
    second: Step
    divergence: Divergence


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison of two engines."""

    steps: int
    tolerance: float
    largest: Mapping[str, float]
    """The largest gap of each stage; NaN where one was NaN."""
    first_divergence: Divergence | None

    @property
    def agrees(self) -> bool:
        """Whether no gap of any stage was above the tolerance."""
        return self.first_divergence is None

    def to_json(self) -> dict[str, Plain]:
        """Plain values; a gap that is NaN or infinite is `None`, since JSON has no word for it."""
        first = self.first_divergence
        return {
            "agrees": self.agrees,
            "steps": self.steps,
            "tolerance": self.tolerance,
            "largest": {stage: finite(size) for stage, size in self.largest.items()},
            "first_divergence": first and {**first._asdict(), "size": finite(first.size)},
        }

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{stage}</td><td>{size:.2e}</td></tr>" for stage, size in self.largest.items())
        first = self.first_divergence
        word = "agree"
        if first is not None:
            name = html.escape(first.name)
            word = f"part at step {first.step}: {first.stage} of <code>{name}</code>, gap {first.size:.2e}"
        head = f"<b>The engines {word}</b> over {self.steps} steps at {self.tolerance:g}"
        return f"{head}<table><tr><th>stage</th><th>largest gap</th></tr>{rows}</table>"


def compare(
    first: Engine,
    second: Engine,
    initial: State,
    batches: Iterable[Batch],
    tolerance: float,
    mode: Mode = "resync",
    watch: Callable[[int], None] = lambda step: None,
    parted: Callable[[Batch, Step, Step], None] = lambda batch, first, second: None,
    explain: Callable[[Parting], None] = lambda parting: None,
) -> Verdict:
    """Run both engines over the batches from one initial state, and measure the gaps between them at every stage.

    `watch` gets every step; `parted` gets the first one that diverges, with its batch, to look for the cause; `explain`
    gets the state before it as well, in mode `resync` only.
    """
    first.load(initial)
    second.load(initial)
    largest = dict.fromkeys(STAGES, 0.0)
    divergence, steps, before = None, 0, initial
    with np.errstate(all="ignore"):  # overflow shows as a gap
        for batch in batches:
            steps += 1
            own = batch._replace(x=batch.x.copy(), target=batch.target.copy())  # what one engine alters the other keeps
            a, b = first.step(batch), second.step(own)
            for stage, name, size in _gaps(a, b):
                largest[stage] = float(np.maximum(largest[stage], size))  # a NaN stays
                if divergence is None and not size <= tolerance:
                    divergence = Divergence(steps, stage, name, size)
            if divergence and divergence.step == steps:
                parted(batch, a, b)
                if mode == "resync":
                    explain(Parting(before, batch, a, b, divergence))
            if mode == "resync":
                before = a.state
                second.load(before)
            watch(steps)
    return Verdict(steps, tolerance, largest, divergence)


def _gaps(a: Step, b: Step) -> Iterator[tuple[str, str, float]]:
    """Every gap of one step as (stage, name, size), in order of computation: a cause comes before its effects."""
    for name, size in _gap_by_name(a.outputs, b.outputs):
        yield "forward", f"{name}.output", size
    yield "loss", "loss", gap(np.asarray(a.loss), np.asarray(b.loss))
    for name, size in reversed(list(_gap_by_name(a.gradients, b.gradients))):
        yield "gradient", name, size
    for name, size in _gap_by_name(a.state.arrays(), b.state.arrays()):
        yield "state", name, size


def _gap_by_name(a: Arrays, b: Arrays) -> Iterator[tuple[str, float]]:
    """The gap of each tensor by name; infinite for one that only one engine has."""
    for name in [*a, *(name for name in b if name not in a)]:
        yield name, gap(a[name], b[name]) if name in a and name in b else math.inf
