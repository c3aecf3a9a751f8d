"""The walk: one batch through the network and back, one row an operation, both engines' numbers side by side."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twofold.probe.passage import Passage, pass_through
from twofold.probe.rows import Row, each_trace, layer_rows, loss_rows, places_of, shown
from twofold.probe.steps import operations
from twofold.probe.window import Window, window_of
from twofold.proof.ties import Ties, ties
from twofold.recipe import Recipe
from twofold.recipe.operation import dimensions
from twofold.recipe.windows import Conv2d
from twofold.runs import Run
from twofold.setup.building import Overrides, Watcher


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
    ties: Sequence[Ties] = ()
    """Max poolings that send the gradient to another element in each engine."""

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
        """The largest of any array; NaN where one is. Where ties part the engines, without the dx that they reach."""
        moved = {id(row) for row in self._moved}
        rows = [row for row in (*self.forward, *self.backward) if id(row) not in moved]
        return float(np.max([row.numbers.gap for row in rows if row.numbers]))

    @property
    def moved_gap(self) -> float:
        """The largest of the dx that ties reach; 0 where there are none."""
        return float(np.max([0.0, *(row.numbers.gap for row in self._moved if row.numbers)]))

    @property
    def _moved(self) -> list[Row]:
        """The rows of dx of the last pooling with ties, and of the layers before it."""
        names = [layer.name for layer in self.layers]
        reached = names[: names.index(self.ties[-1].layer) + 1] if self.ties else []
        return [
            row for row in self.backward if row.layer in reached and row.numbers and row.numbers.name.startswith("dx")
        ]

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
                "moved_gap": _plain(self.moved_gap),
            },
            "ties": [each._asdict() for each in self.ties],
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
    folder. See `twofold.probe.passage.pass_through` for what is raised.
    """
    passage = pass_through(source, sample=sample, batch=batch, overrides=overrides, watcher=watcher)
    n = len(passage.batch.target)
    places = places_of(passage)
    layers, backward = list[LayerFacts](), list[list[Row]]()
    x = shown("x", dict.fromkeys(passage.traces, passage.batch.x), places[""], passage.place)
    forward = [Row("", "input", "x", dimensions(n, passage.recipe.network.input_shape), 0, x)]
    before = ""
    for node, forth, back, _ in operations(passage.recipe.network, n):
        held = {engine: trace.held[node.name] for engine, trace in passage.traces.items()}
        layers.append(LayerFacts(node.name, node.kind, node.count or 0, held))
        forward += layer_rows(passage, node, forth, places[node.name], False)
        backward.append(list(layer_rows(passage, node, back, places[before], True, before)))
        before = node.name
    ahead, last = loss_rows(passage, before, places[before])
    back = [row for rows in (last, *reversed(backward)) for row in rows]
    first, second = (trace.outputs for trace in passage.traces.values())
    parted = ties(passage.recipe.network, passage.batch.x, first, second)
    return Walk(passage, layers, [*forward, *ahead], back, list(_windows(passage)), parted)


def _windows(passage: Passage) -> Iterator[Window]:
    x = passage.batch.x
    for node in passage.recipe.network.nodes:
        outputs = {engine: trace.outputs[node.name][passage.place] for engine, trace in each_trace(passage)}
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
