"""The walk: one batch through the network and back, a row for each operation, with both engines' numbers."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from twofold.arrays import Array, largest
from twofold.engines import COMPARED
from twofold.plain import Plain
from twofold.probe.rows import Row, each_trace, few_steps, layer_rows, loss_rows, places_of, shown
from twofold.probe.steps import operations
from twofold.probe.window import Window, window_of
from twofold.proof.ties import Ties, ties
from twofold.recipe import Recipe
from twofold.recipe.operation import dimensions
from twofold.recipe.overrides import Overrides
from twofold.recipe.windows import Conv2d
from twofold.runs import Run

if TYPE_CHECKING:
    from twofold.probe.microscope.scope import Number
    from twofold.probe.passage import Passage
    from twofold.setup.events import Watcher


@dataclass(frozen=True)
class LayerFacts:
    """A layer's parameters, and the bytes that it keeps."""

    name: str
    kind: str
    parameters: int
    held: Mapping[str, int]
    """Bytes that each engine keeps for the backward pass, beyond what an earlier layer keeps. NumPy's are those of the
    arrays in its caches, PyTorch's those that autograd saves."""


@dataclass(frozen=True)
class About:
    """The batch that goes through the network, and the weights that it meets."""

    recipe: str
    run: str
    """The run's folder; empty for a recipe, and for a walk that the folder itself keeps."""
    weights: str
    """`initial`, or the engine that trained them."""
    data: str
    """`real`, or `random` where the data are not at hand."""
    split: str
    sample: int
    """The sample whose numbers are shown: its place in the split, from 0."""
    target: int | tuple[float, ...]
    """The sample's class; or its numbers to predict, as the network is trained on them, or its labels. Those of a
    sequence's steps follow each other, NaN for a step without an answer."""
    first: int
    """The place of the batch's first sample in the split."""
    samples: int
    """Samples of the batch."""
    dtype: str

    @property
    def last(self) -> int:
        """The place of the batch's last sample in the split."""
        return self.first + self.samples - 1


@dataclass(frozen=True)
class Line:
    """A row of the table of a walk: what the terminal, the page and a notebook print, each in its way."""

    row: Row
    layer: LayerFacts | None
    """The layer's facts at its first row forward."""
    begins: bool
    """Whether the row is the first of its layer."""
    size: float | None
    """Forward, at a layer's first row, the bytes that NumPy keeps for the backward pass; backward, NumPy's norm."""


@dataclass(frozen=True)
class Walk:
    """One batch through the network and back. Numbers shown are those of one sample, except parameters' gradients,
    which are the batch's."""

    about: About
    layers: Sequence[LayerFacts]
    forward: Sequence[Row]
    backward: Sequence[Row]
    windows: Sequence[Window]
    """One pixel of each convolution, worked out."""
    ties: Sequence[Ties] = ()
    """Max poolings that send the gradient to another element in each engine."""
    traced: Passage | None = field(default=None, repr=False)
    """The arrays; `None` for a walk that a run's folder keeps."""

    @property
    def passage(self) -> Passage:
        """The batch, the weights and every array on the way. A walk that a run's folder keeps has none."""
        if self.traced is None:
            raise AttributeError(
                "this walk was read from a run's folder, which keeps no arrays; `twofold.walk` has them"
            )
        return self.traced

    @property
    def engines(self) -> list[str]:
        """The engines' names."""
        return list(self.layers[0].held)

    @property
    def parameters(self) -> int:
        """The number of parameters of all layers."""
        return sum(layer.parameters for layer in self.layers)

    @property
    def held(self) -> dict[str, int]:
        """Bytes kept for the backward pass, by engine."""
        return {engine: sum(layer.held[engine] for layer in self.layers) for engine in self.engines}

    @property
    def multiply_adds(self) -> dict[str, int]:
        """Multiply-adds of the products, forward and backward."""
        ways = {"forward": self.forward, "backward": self.backward}
        return {way: sum(row.multiply_adds for row in rows) for way, rows in ways.items()}

    @property
    def gap(self) -> float | None:
        """The largest gap of any array; NaN if one is NaN, `None` with one engine.

        If ties part the engines, the dx that they affect are left out.
        """
        moved = {id(row) for row in self._moved}
        return _largest(row for row in (*self.forward, *self.backward) if id(row) not in moved)

    @property
    def moved_gap(self) -> float:
        """The largest gap of the dx that ties affect; 0 without ties."""
        return _largest(self._moved) or 0.0

    @property
    def _moved(self) -> list[Row]:
        """The rows of dx of the last pooling with ties, and of the layers before it."""
        names = [layer.name for layer in self.layers]
        reached = names[: names.index(self.ties[-1].layer) + 1] if self.ties else []
        return [
            row for row in self.backward if row.layer in reached and row.numbers and row.numbers.name.startswith("dx")
        ]

    def lines(self, way: Literal["forward", "backward"], most_steps: int | None = None) -> tuple[list[Line], int]:
        """The table of one way, and how many steps of time are left out where a layer has more than `most_steps`."""
        rows, left_out = (self.forward if way == "forward" else self.backward), 0
        if most_steps is not None:
            rows, left_out = few_steps(rows, most_steps)
        facts, lines = {layer.name: layer for layer in self.layers}, list[Line]()
        for index, row in enumerate(rows):
            begins = index == 0 or rows[index - 1].layer != row.layer
            layer = facts.get(row.layer) if begins and way == "forward" else None
            norm = row.numbers.norm["numpy"] if row.numbers and way == "backward" else None
            lines.append(Line(row, layer, begins, layer.held["numpy"] if layer else norm))
        return lines, left_out

    def number(self, name: str) -> Number:
        """A number as the sum of products that it is, in each engine: `2.weight[3, 5]` is the gradient of that weight,
        `2.y[0, 3]` an output, `2.dx[0, 5]`, `loss.L`.

        Raises `UserError` where there is no such number.
        """
        from twofold.probe.microscope.scope import under

        return under(self.passage).find(name)

    def to_json(self) -> dict[str, Plain]:
        """Plain values: what `twofold walk --json` prints. NaN and infinity are `None`."""
        from twofold.probe.walk_json import walk_json

        return walk_json(self)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in ("layer", "operation", "shapes", "norm", "gap"))
        return f"<table><tr>{head}</tr>{''.join(map(_row_html, (*self.forward, *self.backward)))}</table>"


def _largest(rows: Iterable[Row]) -> float | None:
    gaps = [row.numbers.gap for row in rows if row.numbers and row.numbers.gap is not None]
    return largest(gaps) if gaps else None


def walk(
    source: str | Path | Recipe | Run,
    *,
    sample: int = 0,
    batch: int | None = None,
    data: object = None,
    overrides: Overrides = (),
    watcher: Watcher | None = None,
    engines: Sequence[str] = COMPARED,
) -> Walk:
    """Take the batch that holds the held-out sample number `sample` through the engines, forward and back.

    All engines hold the same weights: for a recipe the initial ones, for a run those that its first engine trained. A
    batch holds `batch` samples; left out, as many as a batch of the recipe, at most 32, or for a run those in its
    folder. `data` is a pair `(X, y)` that takes the place of the recipe's data, or again the pair on which a run was
    trained. See `twofold.probe.passage.pass_through` for what is raised.
    """
    from twofold.probe.passage import Wanted, pass_through

    wanted = Wanted(sample, batch, data)
    passage = pass_through(source, wanted, overrides=overrides, watcher=watcher, engines=engines)
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
    outputs = [trace.outputs for trace in passage.traces.values()]
    parted = ties(passage.recipe.network, passage.batch.x, *outputs) if len(outputs) == 2 else []
    return Walk(_about(passage), layers, [*forward, *ahead], back, list(_windows(passage)), parted, passage)


def _about(passage: Passage) -> About:
    target, recipe = passage.batch.target, passage.recipe
    return About(
        recipe=recipe.name,
        run=passage.run,
        weights=passage.weights,
        data=passage.data,
        split=passage.split,
        sample=passage.sample,
        target=_plain_target(target[passage.place]),
        first=passage.first,
        samples=len(target),
        dtype=recipe.training.dtype,
    )


def _plain_target(target: Array) -> int | tuple[float, ...]:
    """A target as a plain value: a class, or numbers; several steps' targets follow each other."""
    return tuple(map(float, target.reshape(-1))) if target.ndim else int(target)


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
        cells += [
            f"{next(iter(row.numbers.norm.values())):.4g}",
            "" if row.numbers.gap is None else f"{row.numbers.gap:.0e}",
        ]
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
