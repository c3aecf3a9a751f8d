"""The course of a training as a checkpoint holds it, plain values and arrays by name; and the course out of these."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, ValidationError

from twofold.arrays import Array, Arrays
from twofold.engine import State
from twofold.errors import RunFolderError
from twofold.plain import Parsed
from twofold.runs.history import HistoryRow
from twofold.train.course import Best, Course, Mark
from twofold.train.gradient_flow import Flow, as_arrays, as_moments

Flows = dict[int, dict[str, Flow]]
"""The gradient flow through each recurrent layer by name, for each step at which it was measured."""


class _Facts(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    taken: int
    updates: int
    seconds: float
    gradient: tuple[str, float] | None
    row: list[float | None]
    lowest: float
    waited: int
    best: list[float | None] | None


def facts_of(course: Course) -> dict[str, Parsed]:
    """The parts of a course that are no arrays, as plain values."""
    mark, best = course.mark, course.best
    return {
        "taken": mark.taken,
        "updates": mark.state.updates,
        "seconds": course.seconds,
        "gradient": mark.gradient,
        "row": list(course.row),
        "lowest": course.lowest,
        "waited": course.waited,
        "best": list(best.row) if best else None,
    }


def arrays_of(course: Course, flows: Flows) -> dict[str, Array]:
    """The arrays of state, best weights and flows, by names as `state/optimizer/exp_avg/0.weight`, `best/...`."""
    arrays = _named("state", course.mark.state) | as_arrays(sorted(flows.items()))
    if course.best:
        weights = course.best.state
        arrays |= _named("best", State(weights.parameters, buffers=weights.buffers, average=weights.average))
    return arrays


def course_of(facts: Mapping[str, Parsed], arrays: Arrays) -> tuple[Course, Flows]:
    """The course, and the flows measured so far. Raises `RunFolderError` where facts or arrays hold none."""
    try:
        values = _Facts.model_validate({**facts, "gradient": facts["gradient"] and tuple(facts["gradient"])})
        mark = Mark(values.taken, _state("state", arrays, values.updates), values.gradient)
        best = None if values.best is None else Best(_row(values.best), _state("best", arrays, 0))
        course = Course(mark, _row(values.row), values.seconds, values.lowest, values.waited, best)
        return course, as_moments(arrays)
    except (ValidationError, KeyError, TypeError, ValueError, IndexError) as error:
        raise RunFolderError(f"a checkpoint does not hold what it takes to go on: {error}") from error


def _row(values: list[float | None]) -> HistoryRow:
    step, *others = values
    return HistoryRow(int(step or 0), *others)  # pyright: ignore[reportArgumentType]


def _named(prefix: str, state: State) -> dict[str, Array]:
    groups = {"parameters": state.parameters, "buffers": state.buffers, "average": state.average}
    groups |= {f"optimizer/{moment}": arrays for moment, arrays in state.optimizer.items()}
    return {f"{prefix}/{group}/{name}": array for group, arrays in groups.items() for name, array in arrays.items()}


def _state(prefix: str, arrays: Arrays, updates: int) -> State:
    groups = dict[str, dict[str, Array]]()
    for path, array in arrays.items():
        group, _, name = path.removeprefix(f"{prefix}/").rpartition("/")
        if path.startswith(f"{prefix}/"):
            groups.setdefault(group, {})[name] = array
    moments = {group.removeprefix("optimizer/"): arrays for group, arrays in groups.items() if "/" in group}
    return State(groups["parameters"], moments, updates, groups.get("buffers", {}), groups.get("average", {}))
