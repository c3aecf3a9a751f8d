"""The curves of several runs in one picture, told apart by colour and by dash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from twofold.analysis import Curve, GapCurve, gap_curves
from twofold.report.axes import PALE, SIZE, THIN, finish_axes, logarithmic, plain_ticks, thinned
from twofold.report.drawing import COLOURS, DASHES, GREY, INK, Key, Panel, Picture
from twofold.report.text import ENGINES, SPLITS


def curves_picture(
    found: Sequence[Sequence[Curve]], names: Sequence[str], splits: Sequence[str], unit: str, caption: str
) -> Picture:
    """Accuracy and loss, each on the training samples and on those held out: a panel each."""
    panels = tuple(
        _panel(found, split, quantity, unit, len(names)) for quantity in ("accuracy", "loss") for split in splits
    )
    return Picture("curves", panels, caption, _legend(found, names))


def gap_picture(found: Sequence[Sequence[Curve]], names: Sequence[str], unit: str, caption: str) -> Picture | None:
    """Training accuracy minus the held-out one; `None` where a run has too few evaluations, or the splits differ."""
    gaps = [gap_curves(curves) for curves in found]
    if not all(gaps) or len({gap.split for each in gaps for gap in each}) > 1:
        return None
    split = gaps[0][0].split

    def draw(figure: FigureBase) -> None:
        axes: Axes = figure.subplots()
        axes.axhline(0, color=GREY, linewidth=0.8)
        for run, each in enumerate(gaps):
            for gap in each:
                some = thinned(gap)
                axes.plot(gap.x[some], gap.gap[some], **_look(run, gap, each))
        end = max(gap.x[-1] for each in gaps for gap in each)
        axes.set(xlabel=unit, ylabel=f"training − {SPLITS[split]}", xlim=(0, end))
        plain_ticks(axes)

    panel = Panel(f"Training accuracy minus {SPLITS[split]} accuracy against {unit}, run by run", 5.6, 2.6, draw)
    return Picture("gap", (panel,), caption, _legend(found, names), narrow=True)


def _panel(found: Sequence[Sequence[Curve]], split: str, quantity: str, unit: str, runs: int) -> Panel:
    ours = [[curve for curve in each if curve.split == split] for each in found]

    def draw(figure: FigureBase) -> None:
        axes: Axes = figure.subplots()
        for run, each in enumerate(ours):
            for curve in each:
                some = thinned(curve)
                values = getattr(curve, quantity)
                axes.plot(curve.x[some], np.where(np.isfinite(values), values, np.nan)[some], **_look(run, curve, each))
        every = [curve for each in ours for curve in each]
        finish_axes(axes, unit, quantity, max(curve.x[-1] for curve in every), logarithmic(every))

    title = f"{SPLITS[split].capitalize()} {quantity}"
    return Panel(f"{title} against {unit}, {runs} runs", *SIZE, draw, title)


def _look(run: int, curve: Curve | GapCurve, beside: Sequence[Curve | GapCurve]) -> dict[str, Any]:
    """The look of a line: of two engines the first is thick and pale, the other thin upon it."""
    pale = len(beside) > 1 and curve is beside[0]
    return {"color": COLOURS[run], **(PALE if pale else THIN | {"linestyle": DASHES[run]})}


def _legend(found: Sequence[Sequence[Curve]], names: Sequence[str]) -> tuple[Key, ...]:
    keys = [
        Key(name, {"color": COLOURS[run], "linestyle": DASHES[run], "linewidth": 1.6}, 0.5)
        for run, name in enumerate(names)
    ]
    engines = list(dict.fromkeys(curve.engine for each in found for curve in each))
    if any(len({curve.engine for curve in each}) > 1 for each in found):
        keys.append(Key(f"{ENGINES[engines[0]]} (wide, pale)", PALE | {"color": INK}))
        keys.append(Key(f"{ENGINES[engines[1]]} (thin)", THIN | {"color": INK}))
    return tuple(keys)
