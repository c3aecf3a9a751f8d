"""The rows of a walk: each operation of a layer with a few numbers of its result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array, gap, largest
from twofold.engine import Trace, answered
from twofold.probe.steps import LossStep, loss_step
from twofold.recipe import Node, Recipe
from twofold.recipe.operation import Operation, Operations

if TYPE_CHECKING:
    from twofold.probe.passage import Passage

FEW = 3
"""Numbers of an array that are shown."""

Place = tuple[int | slice, ...]
"""A place, or a few neighbouring places, in an array."""


@dataclass(frozen=True)
class Numbers:
    """A few numbers of an array, among them a large one, and norm and gap of the whole array; by engine."""

    name: str
    """The array and the place of the numbers: `y[16, 12, 10:14]`."""
    few: Mapping[str, tuple[float, ...]]
    norm: Mapping[str, float]
    """The root of the sum of the squares of the whole batch's numbers."""
    gap: float | None
    """The relative distance of the engines' arrays, `twofold.arrays.gap`; 0 for equal ones, `None` with one engine."""


@dataclass(frozen=True)
class Row:
    """An operation of a layer, or one step of time of a recurrent layer."""

    layer: str
    """The layer's name; `loss` for the loss."""
    kind: str
    equation: str
    shapes: str
    multiply_adds: int
    """Multiply-adds of its matrix product; element-wise work counts none, and the work of a step of time counts in the
    step's row."""
    numbers: Numbers | None
    """Numbers of its result; `None` for an intermediate result that only the next row uses."""
    step: int | None = None
    """The step of time, from 1."""


def layer_rows(
    passage: Passage, node: Node, operations: Operations, place: Place, back: bool, before: str = ""
) -> Iterator[Row]:
    """Rows for a layer's operations, forward or back; rows for the steps of time follow the last timed operation."""
    timed = [index for index, operation in enumerate(operations) if operation.timed]
    for index, line in enumerate(operations):
        numbers = _numbers(passage, node.name, line.gives, place, before)
        yield Row(node.name, node.kind, line.equation, line.shapes, 0 if line.timed else line.multiply_adds, numbers)
        if timed and index == timed[-1]:
            yield from _steps(passage, node, [operations[i] for i in timed], back)


def _numbers(passage: Passage, layer: str, gives: str, place: Place, before: str) -> Numbers | None:
    """Numbers of an operation's result: of y and dx for the sample, of a parameter's gradient for the batch."""
    if not gives:
        return None
    if gives in ("y", "dx"):
        arrays = {
            e: trace.outputs[layer] if gives == "y" else trace.signals[before] for e, trace in each_trace(passage)
        }
        return shown(gives, arrays, place, passage.place)
    arrays = {engine: trace.gradients[f"{layer}.{gives}"] for engine, trace in each_trace(passage)}
    return shown(f"d {layer}.{gives}", arrays, _around(np.abs(arrays["numpy"])))


def each_trace(passage: Passage) -> Iterator[tuple[str, Trace]]:
    """The engines' names and traces."""
    yield from passage.traces.items()


def _steps(passage: Passage, node: Node, lines: Sequence[Operation], back: bool) -> Iterator[Row]:
    """A row for each step of time, backward from the last, whose dh takes no product with W_hh."""
    through = {engine: trace.through_time[node.name] for engine, trace in each_trace(passage)}
    work = sum(operation.multiply_adds for operation in lines)
    steps, n, units = through["numpy"].h.shape
    letter, place = "dh" if back else "h", _around(through["numpy"].h[-1][passage.place])
    for t in range(steps, 0, -1) if back else range(1, steps + 1):
        arrays = {engine: (layer.gradient if back else layer.h)[t - 1] for engine, layer in through.items()}
        done = 0 if back and t == steps else work
        numbers = shown(f"{letter}({t})", arrays, place, passage.place)
        yield Row(node.name, node.kind, f"{letter}({t})", f"({n}, {units})", done, numbers, t)


def loss_rows(passage: Passage, last: str, place: Place) -> tuple[list[Row], list[Row]]:
    """The rows of the loss, forward and backward; `last` is the last layer."""
    step = step_of_loss(passage.recipe, passage.batch.target)
    losses = {engine: np.array(trace.loss) for engine, trace in each_trace(passage)}
    signals = {engine: trace.signals[last] for engine, trace in each_trace(passage)}
    ends = (shown("L", losses, ()), shown("dy", signals, place, passage.place))
    ways = [
        [
            Row("loss", step.kind, equation, shapes, 0, ends[way] if index == len(lines) - 1 else None)
            for index, (equation, shapes) in enumerate(lines)
        ]
        for way, lines in enumerate((step.forward, step.backward))
    ]
    return ways[0], ways[1]


def shown(name: str, arrays: Mapping[str, Array], place: Place, sample: int | None = None) -> Numbers:
    """Numbers of `arrays` by engine: a few at `place`, of the sample if it is given; norm and gap are of all."""
    first, *others = arrays.values()
    norms = {engine: float(np.linalg.norm(array.astype(np.float64))) for engine, array in arrays.items()}
    parts = {engine: array if sample is None else array[sample] for engine, array in arrays.items()}
    few = {engine: tuple(map(float, np.atleast_1d(part[place]))) for engine, part in parts.items()}
    where = ", ".join(f"{axis.start}:{axis.stop}" if isinstance(axis, slice) else str(axis) for axis in place)
    apart = largest(gap(first, other) for other in others) if others else None
    return Numbers(f"{name}[{where}]" if place else name, few, norms, apart)


def places_of(passage: Passage) -> dict[str, Place]:
    """The place of the numbers shown of each layer's y, by name, of x under "": around the sample's largest number.

    A layer that keeps the shape shows the place of its input, so that its effect can be read off.
    """
    place = _around(passage.batch.x[passage.place])
    places = {"": place}
    for node in passage.recipe.network.nodes:
        if node.input_shape != node.output_shape:
            place = _around(passage.traces["numpy"].outputs[node.name][passage.place])
        places[node.name] = place
    return places


def _around(array: Array) -> Place:
    """The place of `FEW` neighbouring numbers, among them the largest."""
    *axes, last = map(int, np.unravel_index(array.argmax(), array.shape))
    start = max(0, min(last - FEW // 2, array.shape[-1] - FEW))
    return (*axes, slice(start, min(start + FEW, array.shape[-1])))


def few_steps(rows: Sequence[Row], most: int) -> tuple[list[Row], int]:
    """The rows with only some steps of time of layers that have more than `most`, and how many rows are left out.

    Of such a layer about `most` steps stay: a third from the beginning, a third from the end, and a third in between.
    """
    counts = {row.layer: row.step for row in sorted(rows, key=lambda row: row.step or 0) if row.step}
    steps_left = {layer: _few(count, max(1, most // 3)) for layer, count in counts.items() if count > most}
    rows_kept = [row for row in rows if row.step is None or row.step in steps_left.get(row.layer, {row.step})]
    return rows_kept, len(rows) - len(rows_kept)


def _few(count: int, third: int) -> set[int]:
    between = np.linspace(third, count - third + 1, third + 2).round().astype(int)
    return {*range(1, third + 1), *between.tolist(), *range(count - third + 1, count + 1)}


def step_of_loss(recipe: Recipe, target: Array) -> LossStep:
    """The equations of the loss for a batch with these targets: classes or numbers, one a sample or for each step."""
    return loss_step(recipe.model, count_of(target), recipe.task != "classification")


def count_of(target: Array) -> int:
    """The number of answers: one a sample, or one for each step with an answer."""
    each_step = target.ndim == (2 if target.dtype.kind in "iu" else 3)
    return int(answered(target).sum()) if each_step else len(target)
