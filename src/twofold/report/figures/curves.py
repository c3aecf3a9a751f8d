"""Accuracy and loss against the length of training, both engines in one picture each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from twofold.analysis import Curve, counted, curves, distance
from twofold.report.axes import PALE, SIZE, THIN, finish_axes, logarithmic, thinned
from twofold.report.drawing import BLUE, GREEN, INK, VERMILLION, Key, Panel, Picture
from twofold.report.text import ENGINES, SPLITS, decimal, joined, of_data, quality_word
from twofold.runs import Run

LOOKS = {"train": (BLUE, "-"), "validation": (GREEN, (0, (4, 1.5))), "test": (VERMILLION, (0, (1.2, 1.2)))}
"""Colour and dashes of each split: either is enough to tell it."""


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure; none where training ended before a second evaluation."""
    drawn = curves(run)
    return [curves_picture(drawn, counted(run), curves_caption(run, drawn), quality_word(run))] if drawn else []


def curves_picture(curves: Sequence[Curve], unit: str, caption: str, quality: str = "accuracy") -> Picture:
    """Accuracy or R², then loss. The first engine is a thick pale line, the other a thin one upon it."""
    panels = []
    for quantity in (quality, "loss"):
        label = f"{quantity[0].upper()}{quantity[1:]} against {unit}, {_who(curves)}"
        panels.append(Panel(label, *SIZE, lambda figure, q=quantity: _draw(figure.subplots(), curves, unit, q)))
    return Picture("curves", tuple(panels), caption, _legend(curves))


def curves_caption(run: Run, curves: Sequence[Curve]) -> str:
    """What the curves show, and how far those of the engines are apart."""
    unit = counted(run)
    scale = ", the loss on a logarithmic scale" if logarithmic(curves) else ""
    splits = joined([SPLITS[s] for s in SPLITS if any(curve.split == s for curve in curves)])
    longest = max(curves, key=lambda curve: len(curve.x))
    word = quality_word(run)
    text = f"{word[0].upper()}{word[1:]} and loss on the {splits} samples{of_data(run)} against {unit}{scale}; "
    text += f"{len(longest.x):,} evaluations"
    every = thinned(longest).step or 1
    text += f", every {every}th drawn." if every > 1 else "."
    if apart := distance(curves):
        text += (
            " The curves of the two engines are never further apart than "
            f"{decimal(apart.loss, 2)} in loss and {decimal(apart.quality, 2)} in {word}."
        )
    return text


def _draw(axes: Axes, curves: Sequence[Curve], unit: str, quantity: str) -> None:
    engines = _engines(curves)
    for curve in sorted(curves, key=lambda curve: engines.index(curve.engine)):
        colour, dash = LOOKS[curve.split]
        pale = len(engines) > 1 and curve.engine == engines[0]
        step_slice = thinned(curve)
        y = np.where(np.isfinite(values := curve.loss if quantity == "loss" else curve.quality), values, np.nan)
        look = PALE if pale else THIN | {"linestyle": dash}
        axes.plot(curve.x[step_slice], y[step_slice], color=colour, **look)
    finish_axes(axes, unit, quantity, max(curve.x[-1] for curve in curves), logarithmic(curves))


def _who(curves: Sequence[Curve]) -> str:
    return " and ".join(ENGINES[engine] for engine in _engines(curves))


def _engines(curves: Sequence[Curve]) -> list[str]:
    return list(dict.fromkeys(curve.engine for curve in curves))


def _legend(curves: Sequence[Curve]) -> tuple[Key, ...]:
    engines = _engines(curves)
    splits = [split for split in LOOKS if any(curve.split == split for curve in curves)]
    entries = {SPLITS[s]: {"color": LOOKS[s][0], "linestyle": LOOKS[s][1], "linewidth": 1.6} for s in splits}
    if len(engines) > 1:
        entries[f"{ENGINES[engines[0]]} (wide, pale)"] = PALE | {"color": INK}
        entries[f"{ENGINES[engines[1]]} (thin)"] = THIN | {"color": INK}
    return tuple(Key(name, look) for name, look in entries.items())
