"""The walk in the page: one batch through the network and back, as rows of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twofold.probe.kept import walk_of
from twofold.probe.walk import Line as WalkLine
from twofold.probe.walk import Walk
from twofold.probe.window import Window
from twofold.report.text import ENGINES, SPLITS, SUPERSCRIPTS, decimal, joined, plural
from twofold.runs import Run

MOST_STEPS = 12
"""Steps of time that are shown for a layer."""
WIDEST_KERNEL = 7
"""Columns of the widest kernel that is shown number by number; of a wider one only the sum is."""


@dataclass(frozen=True)
class Line:
    """An operation; `layer`, `kind` and `parameters` are empty but for the first operation of a layer."""

    layer: str
    kind: str
    parameters: str
    equation: str
    shapes: str
    work: str
    size: str
    """Forward: the bytes kept for the way back. Backward: the norm of the gradient."""
    name: str
    few: list[tuple[str, str]]
    """Title and numbers of each engine."""
    gap: str


@dataclass(frozen=True)
class Pixel:
    """A pixel of a convolution: what it is, its sum written out, the numbers under the window and the kernel's."""

    layer: str
    name: str
    looked_at: str
    terms: str
    outputs: str
    grid: list[tuple[list[str], list[str]]]


@dataclass(frozen=True)
class Chapter:
    """What the template draws."""

    lead: str
    forward: list[Line]
    backward: list[Line]
    pixels: list[Pixel]
    left_out: str
    totals: str


def chapter(run: Run) -> Chapter | None:
    """The walk of a run; `None` where the folder keeps no samples, or too few for a step of training."""
    walk = walk_of(run)
    if walk is None:
        return None
    forward, left_out = walk.lines("forward", MOST_STEPS)
    backward, _ = walk.lines("backward", MOST_STEPS)
    return Chapter(
        _lead(walk, run.record.data.classes),
        [_cells(line) for line in forward],
        [_cells(line) for line in backward],
        [_pixel(window) for window in walk.windows],
        f"{plural(left_out, 'step')} of time are left out each way." if left_out else "",
        _totals(walk),
    )


def _lead(walk: Walk, classes: Sequence[str]) -> str:
    about = walk.about
    where = " and in ".join(ENGINES[engine] for engine in walk.engines)
    return (
        f"A batch of the {SPLITS[about.split]} samples {about.first} to {about.last} (N = {about.samples}) goes "
        f"forward and back as in training, without the update, in {where} with the weights that "
        f"{ENGINES[about.weights]} trained. Numbers of x, y and h and of their gradients are those of sample "
        f"{about.sample}, {_answer(about.target, classes)}; norms and gradients of parameters are the whole batch’s."
    )


def _answer(target: int | tuple[float, ...], classes: Sequence[str]) -> str:
    """`of class setosa`, or `of target −0.31`; `–` stands for a step without an answer."""
    if isinstance(target, int):
        return f"of class {classes[target]}"
    return f"of target {', '.join('–' if math.isnan(number) else decimal(number, 3) for number in target)}"


def _cells(line: WalkLine) -> Line:
    """A row of the table as texts."""
    row, layer, numbers = line.row, line.layer, line.row.numbers
    size = "" if line.size is None else f"{line.size:,}" if layer else decimal(line.size, 4)
    return Line(
        layer=row.layer if line.begins else "",
        kind=row.kind if line.begins else "",
        parameters=plural(layer.parameters, "parameter") if layer and layer.parameters else "",
        equation=row.equation,
        shapes=row.shapes,
        work=f"{row.multiply_adds:,}" if row.multiply_adds else "",
        size=size,
        name=numbers.name if numbers else "",
        few=[(ENGINES[engine], _few(few)) for engine, few in numbers.few.items()] if numbers else [],
        gap="" if numbers is None or numbers.gap is None else bound(numbers.gap),
    )


def _few(numbers: Sequence[float]) -> str:
    return "\u2002".join(_signed(number) for number in numbers)


def _signed(number: float, digits: int = 3) -> str:
    return decimal(number + 0.0, digits).replace("-", "−")


def bound(gap: float) -> str:
    """The power of ten that a gap stays below, `< 10⁻⁶`: its digits are rounding, which differs between machines."""
    if not gap:
        return "0"
    if not math.isfinite(gap):
        return "none of numbers"
    exponent = str(math.floor(math.log10(gap)) + 1)
    return f"< 10{exponent.translate(SUPERSCRIPTS)}"


def _pixel(window: Window) -> Pixel:
    (i, j), (row, column), others = window.place, window.corner, window.inputs - 1
    height, width = window.kernel.shape
    terms = [f"{_signed(window.part, 6)} (these {height} × {width} products)"]
    terms += [f"{_signed(window.rest, 6)} ({plural(others, 'other channel')})"] if others else []
    terms += [f"{_signed(window.bias, 6)} (bias)"]
    grid = [
        ([_signed(value) if here else "·" for value, here in zip(values, inside, strict=True)], [*map(_signed, kernel)])
        for values, inside, kernel in zip(window.window, window.inside, window.kernel, strict=True)
    ]
    outputs = joined([f"{ENGINES[engine]} {_signed(y, 6)}" for engine, y in window.outputs.items()])
    return Pixel(
        layer=window.layer,
        name=f"y[{window.channel}, {i}, {j}]",
        looked_at=f"x[{window.shown}] from row {row}, column {column}".replace("-", "−"),
        terms=f"{' + '.join(terms)} = {_signed(window.total, 6)}",
        outputs=f"{outputs}; gap {bound(window.gap)}",
        grid=grid if width <= WIDEST_KERNEL else [],
    )


def _totals(walk: Walk) -> str:
    work = walk.multiply_adds
    held = " and ".join(f"{ENGINES[engine]} {count:,}" for engine, count in walk.held.items())
    text = (
        f"In all {plural(walk.parameters, 'parameter')}, {work['forward']:,} multiply-adds forward and "
        f"{work['backward']:,} back, those of the products alone; bytes kept for the way back: {held}."
    )
    if walk.gap is None:
        return f"{text} The numbers are in {walk.about.dtype}."
    same = "agree bit for bit" if not walk.gap else f"differ by {bound(walk.gap)} of their size"
    return f"{text} The arrays of the two {same}, in {walk.about.dtype}.{_ties(walk)}"


def _ties(walk: Walk) -> str:
    """A sentence on why dx differs in a few places; empty where it does not."""
    where = joined([str(tie) for tie in walk.ties])
    return (
        f" In {where} the largest number stands there more than once but for rounding, and each engine sends the "
        f"gradient to another of them: dx differs there, by {bound(walk.moved_gap)}. Both are right, and no "
        "parameter’s gradient is another for it."
        if where
        else ""
    )
