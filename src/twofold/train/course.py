"""A training between two steps, as a value: with the batches it is all that it takes to go on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from twofold.engine import State
from twofold.recipe import Recipe
from twofold.runs.history import HistoryRow


@dataclass(frozen=True)
class Validation:
    """What the validation samples decide; by default nothing."""

    keep_best: bool = False
    """The engine is left with the weights of the evaluation with the best accuracy; of equals, the lowest loss."""
    patience: int | None = None
    """Training stops after so many evaluations in a row without a lower loss."""


NOTHING_DECIDED = Validation()
"""Validation samples decide nothing."""


def validation_of(recipe: Recipe) -> Validation:
    """What the recipe lets the validation samples decide."""
    return Validation(recipe.training.keep == "best", recipe.training.patience)


class Mark(NamedTuple):
    """A state to go back to, and how many steps it had taken."""

    taken: int
    state: State
    gradient: tuple[str, float] | None = None
    """The largest gradient of the last step: its parameter, and its size."""


class Best(NamedTuple):
    """The evaluation with the best accuracy on the validation samples, of equals that with the lowest loss."""

    row: HistoryRow
    state: State


@dataclass(frozen=True)
class Course:
    """A training between two steps: it and an engine of the same recipe lead on to the same bytes."""

    mark: Mark
    """The state at this step."""
    row: HistoryRow
    """The last evaluation."""
    seconds: float
    """Training time so far in seconds, without evaluation."""
    lowest: float
    """The lowest validation loss so far; 0 without validation samples."""
    waited: int
    """Evaluations since the lowest validation loss."""
    best: Best | None
    """`None` where the best weights are not kept."""

    @classmethod
    def beginning(cls, row: HistoryRow, state: State, validation: Validation) -> Self:
        """The course at the start, after the evaluation before training."""
        best = Best(row, state) if validation.keep_best else None
        return cls(Mark(0, state), row, 0.0, row.validation_loss or 0.0, 0, best)

    def evaluated(self, row: HistoryRow, state: State) -> Self:
        """The course after an evaluation of `state` that gave `row`."""
        loss, best = row.validation_loss or 0.0, self.best
        if best and _merit(row) > _merit(best.row):
            best = Best(row, state)
        waited = 0 if loss < self.lowest else self.waited + 1
        return replace(self, row=row, lowest=min(loss, self.lowest), waited=waited, best=best)

    def at(self, mark: Mark, seconds: float) -> Self:
        """The course some steps later, at `mark`, after `seconds` of training in all."""
        return replace(self, mark=mark, seconds=seconds)

    def ended(self, validation: Validation) -> bool:
        """Whether too many evaluations have come since the lowest loss."""
        return validation.patience is not None and self.waited >= validation.patience


def _merit(row: HistoryRow) -> tuple[float, float]:
    """The key by which the best weights are chosen: accuracy, or R², on validation, then the lower loss."""
    quality = row.quality("validation")
    assert quality is not None
    assert row.validation_loss is not None
    return quality, -row.validation_loss
