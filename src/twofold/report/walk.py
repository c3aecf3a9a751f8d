"""The walk in the page: one batch through the network and back, as rows of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twofold.errors import UserError
from twofold.probe.rows import Row, few_steps
from twofold.probe.walk import Walk, walk
from twofold.probe.window import Window
from twofold.report.text import ENGINES, SPLITS, SUPERSCRIPTS, decimal, joined, plural
from twofold.runs import Run
from twofold.runs.evidence import evidence

MOST_STEPS = 12
"""Steps of time that are shown of a layer."""
WIDEST_KERNEL = 7
"""Numbers side by side: a wider window is told by its sum alone."""


@dataclass(frozen=True)
class Line:
    """An operation; `layer`, `kind` and `parameters` stand at a layer's first alone."""

    layer: str
    kind: str
    parameters: str
    equation: str
    shapes: str
    work: str
    size: str
    """Forward the bytes kept for the way back, backward the norm."""
    name: str
    few: list[tuple[str, str]]
    """Each engine's numbers."""
    gap: str


@dataclass(frozen=True)
class Pixel:
    """A pixel of a convolution: what it is, its sum written out, the numbers under the window and the kernel's."""

    layer: str
    name: str
    seen: str
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
    """`None` where the folder keeps no samples, or where these are too few for a step of training."""
    if "preview" not in evidence(run) or not run.engines:
        return None
    try:
        found = walk(run)
    except UserError:  # a batch norm wants more than one number a channel, and of large images one is kept
        return None
    forward, left_out = few_steps(found.forward, MOST_STEPS)
    backward, _ = few_steps(found.backward, MOST_STEPS)
    steps = f"{plural(left_out, 'step')} of time are left out each way." if left_out else ""
    return Chapter(
        _lead(found, run.record["data"]["classes"]),
        _lines(found, forward, back=False),
        _lines(found, backward, back=True),
        [_pixel(window) for window in found.windows],
        steps,
        _totals(found),
    )


def _lead(found: Walk, classes: Sequence[str]) -> str:
    passage, n = found.passage, len(found.passage.batch.target)
    last = passage.first + n - 1
    return (
        f"A batch of the {SPLITS[passage.split]} samples {passage.first} to {last} (N = {n}) goes forward and back as "
        f"in training, without the update, in NumPy and in PyTorch with the weights that {ENGINES[passage.weights]} "
        f"trained. Numbers of x, y and h and of their gradients are those of sample {passage.sample}, of class "
        f"{classes[int(passage.batch.target[passage.place])]}; norms and gradients of parameters are the whole batch’s."
    )


def _lines(found: Walk, rows: Sequence[Row], *, back: bool) -> list[Line]:
    facts, lines = {layer.name: layer for layer in found.layers}, list[Line]()
    for index, row in enumerate(rows):
        new = index == 0 or rows[index - 1].layer != row.layer
        fact, numbers = facts.get(row.layer), row.numbers
        count = fact.parameters if fact and new and not back else 0
        kept = f"{fact.held['numpy']:,}" if fact and new else ""
        norm = decimal(numbers.norm["numpy"], 4) if numbers else ""
        lines.append(
            Line(
                layer=row.layer if new else "",
                kind=row.kind if new else "",
                parameters=plural(count, "parameter") if count else "",
                equation=row.equation,
                shapes=row.shapes,
                work=f"{row.multiply_adds:,}" if row.multiply_adds else "",
                size=norm if back else kept,
                name=numbers.name if numbers else "",
                few=[(ENGINES[engine], _few(few)) for engine, few in numbers.few.items()] if numbers else [],
                gap=bound(numbers.gap) if numbers else "",
            )
        )
    return lines


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
        ([_signed(value) if here else "·" for value, here in zip(seen, inside, strict=True)], [*map(_signed, kernel)])
        for seen, inside, kernel in zip(window.window, window.inside, window.kernel, strict=True)
    ]
    outputs = joined([f"{ENGINES[engine]} {_signed(y, 6)}" for engine, y in window.outputs.items()])
    return Pixel(
        layer=window.layer,
        name=f"y[{window.channel}, {i}, {j}]",
        seen=f"x[{window.shown}] from row {row}, column {column}".replace("-", "−"),
        terms=f"{' + '.join(terms)} = {_signed(window.total, 6)}",
        outputs=f"{outputs}; gap {bound(window.gap)}",
        grid=grid if width <= WIDEST_KERNEL else [],
    )


def _totals(found: Walk) -> str:
    forward, backward = (sum(row.multiply_adds for row in rows) for rows in (found.forward, found.backward))
    held = " and ".join(f"{ENGINES[engine]} {count:,}" for engine, count in found.held.items())
    same = "agree bit for bit" if not found.gap else f"differ by {bound(found.gap)} of their size"
    return (
        f"In all {plural(found.parameters, 'parameter')}, {forward:,} multiply-adds forward and {backward:,} back, "
        f"those of the products alone; bytes kept for the way back: {held}. The arrays of the two {same}, in "
        f"{found.passage.recipe.training.dtype}.{_ties(found)}"
    )


def _ties(found: Walk) -> str:
    """Why dx differs in a few places, where it does."""
    where = joined([str(tie) for tie in found.ties])
    return (
        f" In {where} the largest number stands there more than once but for rounding, and each engine sends the "
        f"gradient to another of them: dx differs there, by {bound(found.moved_gap)}. Both are right, and no "
        "parameter’s gradient is another for it."
        if where
        else ""
    )
