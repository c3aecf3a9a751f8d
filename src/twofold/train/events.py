"""What happens in a training, as values: `twofold.train.loop.training` yields them, one after another.

Evaluated       before training, and at every evaluation
Progressed      a few times a second
LookedClosely   before training, at the first step and at every evaluation, where the plan asks for it
CheckpointDue   every so many steps, where the plan asks for it
Failed, Ended   the last one, with the outcome
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from twofold.arrays import Arrays
from twofold.engine import Step
from twofold.runs.history import HistoryRow
from twofold.setup.events import Evaluated, Progressed
from twofold.train.course import Course


@dataclass(frozen=True)
class Failure:
    """The facts about a loss that became NaN or infinite at `step`, counted from 1; 0 is before training."""

    step: int
    epoch: int
    loss: float
    lr: float
    layer: str | None
    """The first layer with a non-finite output; `None` where only the loss is."""
    gradient: tuple[str, float] | None
    """The largest gradient before the failure, as (parameter, max |g|); `None` at the first step."""
    split: str | None = None
    """The split whose evaluation, after the step, had such a loss; `None` if the step itself had."""


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    steps: int
    """Updates taken."""
    seconds: float
    """Training time in seconds, without evaluations and without pauses."""
    row: HistoryRow
    """The evaluation of the weights that the engine is left with."""
    failure: Failure | None = None


class Moment(NamedTuple):
    """A moment of training that is looked at closely: the first step, and every evaluation with the step before it."""

    taken: int
    """Steps taken."""
    before: Arrays
    """The parameters before the step; before training the initial ones."""
    after: Arrays
    """The parameters after the step."""
    step: Step | None
    """The step's record; `None` before training."""


@dataclass(frozen=True, slots=True)
class LookedClosely:
    """The parameters on both sides of a step, and its record."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class CheckpointDue:
    """A checkpoint is to be written: `course` is all it takes to go on from here."""

    course: Course


@dataclass(frozen=True, slots=True)
class Failed:
    """The loss stopped being finite: the outcome says where. The engine's weights are not to be used."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Ended:
    """Every step was taken, or patience ended; the engine holds the weights that are kept."""

    outcome: Outcome


Event: TypeAlias = Evaluated | Progressed | LookedClosely | CheckpointDue | Failed | Ended
