"""The walk: one batch through the network and back, one row an operation, both engines' numbers side by side."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twofold.analysis.operation import Operation, Operations, shape
from twofold.analysis.steps import loss_step, operations
from twofold.analysis.window import Window, window_of
from twofold.api import Overrides, Passage, Watcher, pass_through
from twofold.arrays import Array, gap
from twofold.engine import Trace
from twofold.recipe import Node, Recipe
from twofold.recipe.layers import Conv2d
from twofold.runs import Run

FEW = 4
"""Numbers of an array that are shown."""

Place = tuple[int | slice, ...]
"""Where in an array."""


@dataclass(frozen=True)
class Numbers:
    """A few numbers of an array, among them a large one, and what is to be said of all of it; by engine."""

    name: str
    """What they are and where: `y[16, 12, 10:14]`."""
    few: Mapping[str, tuple[float, ...]]
    norm: Mapping[str, float]
    """The root of the sum of the squares of the whole batch's numbers."""
    gap: float
    """The relative distance of the engines' arrays, `twofold.arrays.gap`; 0 for the same bits."""


@dataclass(frozen=True)
class Row:
    """An operation of a layer, or one step of time of a recurrent layer."""

    layer: str
    """The layer's name; `loss` for the loss."""
    kind: str
    equation: str
    shapes: str
    multiply_adds: int
    """Of its matrix product; work element by element counts none. What every step of time does is counted there."""
    numbers: Numbers | None
    """Of what it ends in; `None` where only the next row ends in something that a layer hands on."""
    step: int | None = None
    """The step of time, from 1."""


@dataclass(frozen=True)
class LayerFacts:
    """What a layer holds."""

    name: str
    kind: str
    parameters: int
    held: Mapping[str, int]
    """Bytes that each engine keeps for the way back, beyond what an earlier layer keeps. NumPy's are those of the
    arrays in its caches, PyTorch's those that autograd saves."""


@dataclass(frozen=True)
class Walk:
    """One batch through the network and back. The numbers shown are those of one sample, gradients of parameters apart,
    which are the batch's."""

    passage: Passage
    layers: Sequence[LayerFacts]
    forward: Sequence[Row]
    backward: Sequence[Row]
    windows: Sequence[Window]
    """One pixel of each convolution."""

    @property
    def parameters(self) -> int:
        """Of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def held(self) -> dict[str, int]:
        """Bytes kept for the way back, by engine."""
        return {engine: sum(layer.held[engine] for layer in self.layers) for engine in self.passage.traces}

    @property
    def gap(self) -> float:
        """The largest of any array; NaN where one is."""
        return float(np.max([row.numbers.gap for row in (*self.forward, *self.backward) if row.numbers]))

    def to_json(self) -> dict[str, Any]:
        """Plain values: what `twofold walk --json` prints. NaN and infinity are `None`."""
        passage = self.passage
        return {
            "recipe": passage.recipe.name,
            "run": passage.run or None,
            "weights": passage.weights,
            "data": passage.data,
            "split": passage.split,
            "sample": passage.sample,
            "class": int(passage.batch.target[passage.place]),
            "batch": {"first": passage.first, "samples": len(passage.batch.target)},
            "dtype": passage.recipe.training.dtype,
            "layers": [
                {"name": each.name, "kind": each.kind, "parameters": each.parameters, "held": dict(each.held)}
                for each in self.layers
            ],
            "forward": [_row_json(row) for row in self.forward],
            "backward": [_row_json(row) for row in self.backward],
            "windows": [_window_json(window) for window in self.windows],
            "totals": {
                "parameters": self.parameters,
                "multiply_adds": {
                    way: sum(row.multiply_adds for row in getattr(self, way)) for way in ("forward", "backward")
                },
                "held": self.held,
                "gap": _plain(self.gap),
            },
        }

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("layer", "operation", "shapes", "norm", "gap"))
        return f"<table><tr>{head}</tr>{''.join(map(_row_html, (*self.forward, *self.backward)))}</table>"


def walk(
    source: str | Path | Recipe | Run,
    *,
    sample: int = 0,
    batch: int | None = None,
    overrides: Overrides = (),
    watcher: Watcher | None = None,
) -> Walk:
    """Take the batch that holds the held-out sample number `sample` through both engines, forward and back.

    Of a recipe with its initial weights, of a run with those that its first engine trained; both engines hold the same.
    A batch holds `batch` samples; left out, as many as the recipe trains on, 32 at most, and of a run those in its
    folder. See `twofold.api.pass_through` for what is raised.
    """
    passage = pass_through(source, sample=sample, batch=batch, overrides=overrides, watcher=watcher)
    n = len(passage.batch.target)
    places = _places(passage)
    layers, backward = list[LayerFacts](), list[list[Row]]()
    x = _shown("x", {engine: passage.batch.x for engine in passage.traces}, places[""], passage.place)
    forward = [Row("", "input", "x", shape(n, passage.recipe.network.input_shape), 0, x)]
    before = ""
    for node, forth, back, _ in operations(passage.recipe.network, n):
        held = {engine: trace.held[node.name] for engine, trace in passage.traces.items()}
        layers.append(LayerFacts(node.name, node.kind, node.count or 0, held))
        forward += _rows(passage, node, forth, places[node.name], False)
        backward.append(list(_rows(passage, node, back, places[before], True, before)))
        before = node.name
    ahead, last = _loss_rows(passage, before, places[before])
    back = [row for rows in (last, *reversed(backward)) for row in rows]
    return Walk(passage, layers, [*forward, *ahead], back, list(_windows(passage)))


def _rows(passage: Passage, node: Node, found: Operations, place: Place, back: bool, before: str = "") -> Iterator[Row]:
    """The operations of a layer one way; the steps of time follow the last operation that each of them does."""
    timed = [index for index, operation in enumerate(found) if operation.timed]
    for index, each in enumerate(found):
        numbers = _numbers(passage, node.name, each.gives, place, before)
        yield Row(node.name, node.kind, each.equation, each.shapes, 0 if each.timed else each.multiply_adds, numbers)
        if timed and index == timed[-1]:
            yield from _steps(passage, node, [found[i] for i in timed], back)


def _numbers(passage: Passage, layer: str, gives: str, place: Place, before: str) -> Numbers | None:
    """Of what an operation ends in: y and dx the sample's, a parameter's gradient the batch's."""
    if not gives:
        return None
    if gives in ("y", "dx"):
        arrays = {e: trace.outputs[layer] if gives == "y" else trace.signals[before] for e, trace in _each(passage)}
        return _shown(gives, arrays, place, passage.place)
    arrays = {engine: trace.gradients[f"{layer}.{gives}"] for engine, trace in _each(passage)}
    return _shown(f"d {layer}.{gives}", arrays, _largest(arrays["numpy"]))


def _each(passage: Passage) -> Iterator[tuple[str, Trace]]:
    yield from passage.traces.items()


def _steps(passage: Passage, node: Node, each: Sequence[Operation], back: bool) -> Iterator[Row]:
    """One row a step of time: on the way back from the last, which no product with W_hh has made."""
    through = {engine: trace.through_time[node.name] for engine, trace in _each(passage)}
    work = sum(operation.multiply_adds for operation in each)
    steps, n, units = through["numpy"].h.shape
    letter, place = "dh" if back else "h", _largest(through["numpy"].h[-1][passage.place])
    for t in range(steps, 0, -1) if back else range(1, steps + 1):
        arrays = {engine: (found.gradient if back else found.h)[t - 1] for engine, found in through.items()}
        done = 0 if back and t == steps else work
        numbers = _shown(f"{letter}({t})", arrays, place, passage.place)
        yield Row(node.name, node.kind, f"{letter}({t})", f"({n}, {units})", done, numbers, t)


def _loss_rows(passage: Passage, last: str, place: Place) -> tuple[list[Row], list[Row]]:
    found = loss_step(passage.recipe, len(passage.batch.target))
    losses = {engine: np.array(trace.loss) for engine, trace in _each(passage)}
    signals = {engine: trace.signals[last] for engine, trace in _each(passage)}
    ends = (_shown("L", losses, ()), _shown("dy", signals, place, passage.place))
    ways = [
        [
            Row("loss", found.kind, equation, shapes, 0, ends[way] if index == len(lines) - 1 else None)
            for index, (equation, shapes) in enumerate(lines)
        ]
        for way, lines in enumerate((found.forward, found.backward))
    ]
    return ways[0], ways[1]


def _shown(name: str, arrays: Mapping[str, Array], place: Place, sample: int | None = None) -> Numbers:
    """A few numbers of the sample, or of all; norm and gap are of all."""
    first, *others = arrays.values()
    norms = {engine: float(np.linalg.norm(array.astype(np.float64))) for engine, array in arrays.items()}
    parts = {engine: array if sample is None else array[sample] for engine, array in arrays.items()}
    few = {engine: tuple(map(float, np.atleast_1d(part[place]))) for engine, part in parts.items()}
    where = ", ".join(f"{axis.start}:{axis.stop}" if isinstance(axis, slice) else str(axis) for axis in place)
    return Numbers(f"{name}[{where}]" if place else name, few, norms, max(gap(first, other) for other in others))


def _places(passage: Passage) -> dict[str, Place]:
    """Where the numbers of each layer's y are taken, by its name, those of x under none: around the sample's largest.

    A layer that leaves the shape as it is shows the places of its input: what it does can be read off.
    """
    place = _largest(passage.batch.x[passage.place])
    places = {"": place}
    for node in passage.recipe.network.nodes:
        if node.input_shape != node.output_shape:
            place = _largest(passage.traces["numpy"].outputs[node.name][passage.place])
        places[node.name] = place
    return places


def _largest(array: Array) -> Place:
    """`FEW` numbers beside each other, among them the largest in size."""
    *axes, last = map(int, np.unravel_index(np.abs(array).argmax(), array.shape))
    start = max(0, min(last - FEW // 2, array.shape[-1] - FEW))
    return (*axes, slice(start, min(start + FEW, array.shape[-1])))


def _windows(passage: Passage) -> Iterator[Window]:
    x = passage.batch.x
    for node in passage.recipe.network.nodes:
        outputs = {engine: trace.outputs[node.name][passage.place] for engine, trace in _each(passage)}
        if isinstance(node.spec, Conv2d):
            yield window_of(node, x[passage.place], passage.parameters, outputs)
        x = passage.traces["numpy"].outputs[node.name]


def _row_html(row: Row) -> str:
    cells = [f"{row.layer} {row.kind}", row.equation, row.shapes]
    if row.numbers:
        cells += [f"{next(iter(row.numbers.norm.values())):.4g}", f"{row.numbers.gap:.0e}"]
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"


def _row_json(row: Row) -> dict[str, Any]:
    numbers = row.numbers
    return {
        "layer": row.layer,
        "kind": row.kind,
        "equation": row.equation,
        "shapes": row.shapes,
        "multiply_adds": row.multiply_adds,
        "step": row.step,
        "gives": numbers and numbers.name,
        "numbers": numbers and {engine: [*map(_plain, few)] for engine, few in numbers.few.items()},
        "norm": numbers and {engine: _plain(norm) for engine, norm in numbers.norm.items()},
        "gap": numbers and _plain(numbers.gap),
    }


def _window_json(window: Window) -> dict[str, Any]:
    return {
        "layer": window.layer,
        "channel": window.channel,
        "place": window.place,
        "input_channel": window.shown,
        "input_channels": window.inputs,
        "corner": window.corner,
        "window": window.window.tolist(),
        "inside": window.inside.tolist(),
        "kernel": window.kernel.tolist(),
        "part": window.part,
        "rest": window.rest,
        "bias": window.bias,
        "sum": window.total,
        "outputs": dict(window.outputs),
        "gap": _plain(window.gap),
    }


def _plain(value: float) -> float | None:
    """JSON has no word for NaN."""
    return value if np.isfinite(value) else None
