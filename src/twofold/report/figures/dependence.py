"""Partial dependence on a table's most important columns: the mean answer when a column holds one value in all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from twofold.arrays import Array
from twofold.report.axes import THIN, plain_ticks
from twofold.report.drawing import COLOURS, DASHES, Key, Look, Panel, Picture, printable
from twofold.report.text import ENGINES, SPLITS, joined
from twofold.runs import Run

if TYPE_CHECKING:
    from twofold.runs.table import Dependence

MOST_LINES = 6
"""Classes, labels or numbers that are drawn at most, the first ones."""
ACROSS, WIDTH, HEIGHT = 3, 3.1, 2.2
"""Columns of the table that are drawn side by side, and width and height of each in inches."""


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure, the most important columns side by side, all of one height; none where there are none."""
    facts, data = run.table, run.record.data
    if facts is None or not facts.dependence:
        return []
    curves, names = facts.dependence, data.classes or data.targets
    if any(len(curve.answers[0]) != len(names) for curve in curves):
        return []
    two = data.task == "classification" and len(names) == 2
    numbers = data.task == "regression"
    places = [1] if two else [0] if numbers else list(range(len(names)))[:MOST_LINES]
    quantity = names[0] if numbers else "probability"
    what = f"mean {names[0]}" if numbers else f"probability of class {names[1]}" if two else "mean probability"
    rows = -(-len(curves) // ACROSS)

    def draw(figure: FigureBase) -> None:
        panels = figure.subplots(rows, min(ACROSS, len(curves)), squeeze=False, sharey=True)
        for axes, curve in zip(panels.flat, curves, strict=False):
            _draw(axes, curve, places)
        for axes in panels.flat[len(curves) :]:
            axes.set_visible(False)
        for axes in panels[:, 0]:
            axes.set_ylabel(printable(quantity, 0, 20))

    label = f"Mean answer against {joined([curve.column for curve in curves])}"
    panel = Panel(label, WIDTH * min(ACROSS, len(curves)), HEIGHT * rows, draw)
    which = f" The first {len(places)} of {len(names)}." if len(places) < len(names) and not two else ""
    caption = (
        f"Partial dependence in {ENGINES[facts.engine]}: the {what} over {SPLITS[facts.split]} rows when all of them "
        "hold the same value of one column, a number from its 2.5th to its 97.5th per cent, and otherwise what they "
        f"hold. The most important columns, all to one scale.{which} Where columns go together such rows may never "
        "occur."
    )
    legend = tuple(Key(names[place], _look(number)) for number, place in enumerate(places)) if len(places) > 1 else ()
    return [Picture("dependence", (panel,), caption, legend, narrow=len(curves) < ACROSS)]


def _look(number: int) -> Look:
    return THIN | {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}


def _draw(axes: Axes, curve: Dependence, places: list[int]) -> None:
    answers = np.array(curve.answers)
    axes.set_title(printable(curve.column, 0, 30), fontsize=8.5, fontweight="bold")
    if curve.at is None:
        _levels(axes, curve, answers, places)
        return
    at = np.array(curve.at)
    for number, place in enumerate(places):
        axes.plot(at, answers[:, place], **_look(number), marker="." if len(at) < 10 else "", markersize=5)
    if curve.dates:
        ends = np.linspace(at[0], at[-1], 3).astype("datetime64[s]")
        axes.set_xticks(ends.astype(np.int64), [str(moment.astype("datetime64[D]")) for moment in ends])
    else:
        axes.locator_params(axis="x", nbins=5)
        plain_ticks(axes)


def _levels(axes: Axes, curve: Dependence, answers: Array, places: list[int]) -> None:
    for number, place in enumerate(places):
        axes.plot(answers[:, place], "o", color=COLOURS[number % len(COLOURS)], markersize=4.5)
    names = [printable(name, at + 1, 12) for at, name in enumerate(curve.levels)]
    short = max(map(len, names)) * len(names) < 30
    axes.set_xticks(range(len(names)), names, rotation=0 if short else 45, ha="center" if short else "right")
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.grid(axis="x", visible=False)
