"""Accuracy and loss against the length of training, both engines in one picture each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from twofold.analysis import Curve, GapCurve
from twofold.report.drawing import BLUE, GREEN, GREY, INK, PURPLE, VERMILLION, Key, Panel, Picture
from twofold.report.text import ENGINES, SPLITS, decimal

LOOKS = {"train": (BLUE, "-"), "validation": (GREEN, (0, (4, 1.5))), "test": (VERMILLION, (0, (1.2, 1.2)))}
"""Colour and dash of a split: either is enough to tell it."""
PALE: dict[str, Any] = {"alpha": 0.3, "linewidth": 5.0, "solid_capstyle": "butt"}
THIN: dict[str, Any] = {"linewidth": 1.3}
TWO_DECADES = 100
MOST_POINTS = 1000
SIZE = (4.4, 3.0)


def curves_picture(curves: Sequence[Curve], unit: str, caption: str) -> Picture:
    """Accuracy, then loss. The first engine is a thick pale line, the other a thin one upon it."""
    panels = []
    for quantity in ("accuracy", "loss"):
        label = f"{quantity.capitalize()} against {unit}, {_who(curves)}"
        panels.append(Panel(label, *SIZE, lambda figure, q=quantity: _draw(figure.subplots(), curves, unit, q)))
    return Picture("curves", tuple(panels), caption, _legend(curves))


def gap_picture(gaps: Sequence[GapCurve], unit: str, caption: str) -> Picture:
    """Training accuracy minus the held-out one. The first engine is a thick pale line, the other a thin one upon it."""
    looks = [PALE, THIN] if len(gaps) > 1 else [THIN]

    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=GREY, linewidth=0.8)
        for gap, look in zip(gaps, looks, strict=True):
            some = thinned(gap)
            axes.plot(gap.x[some], gap.gap[some], color=PURPLE, **look)
        axes.set(xlabel=unit, ylabel=f"training − {SPLITS[gaps[0].split]}", xlim=(0, max(gap.x[-1] for gap in gaps)))
        plain_ticks(axes)

    who = " and ".join(ENGINES[gap.engine] for gap in gaps)
    panel = Panel(f"Training accuracy minus {SPLITS[gaps[0].split]} accuracy against {unit}, {who}", 5.6, 2.3, draw)
    names = [f"{ENGINES[gap.engine]} ({how})" for gap, how in zip(gaps, ("wide, pale", "thin"), strict=False)]
    signs = zip(names, looks, strict=True) if len(gaps) > 1 else ()
    legend = tuple(Key(name, look | {"color": PURPLE}) for name, look in signs)
    return Picture("gap", (panel,), caption, legend, narrow=True)


def logarithmic(curves: Sequence[Curve]) -> bool:
    """Whether the loss spans more than two decades."""
    loss = np.concatenate([curve.loss for curve in curves])
    loss = loss[np.isfinite(loss)]
    return bool(loss.size) and loss.min() > 0 and loss.max() / loss.min() > TWO_DECADES


def thinned(curve: Curve | GapCurve) -> slice:
    """Every k-th evaluation, so that no more than `MOST_POINTS` are drawn."""
    return slice(None, None, -(-len(curve.x) // MOST_POINTS))


def _draw(axes: Axes, curves: Sequence[Curve], unit: str, quantity: str) -> None:
    engines = _engines(curves)
    for curve in sorted(curves, key=lambda curve: engines.index(curve.engine)):
        colour, dash = LOOKS[curve.split]
        pale = len(engines) > 1 and curve.engine == engines[0]
        some = thinned(curve)
        y = np.where(np.isfinite(values := getattr(curve, quantity)), values, np.nan)
        look = PALE if pale else THIN | {"linestyle": dash}
        axes.plot(curve.x[some], y[some], color=colour, **look)
    finish_axes(axes, unit, quantity, max(curve.x[-1] for curve in curves), logarithmic(curves))


def plain_ticks(axes: Axes) -> None:
    """Numbers along x as `10,000`."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def finish_axes(axes: Axes, unit: str, quantity: str, end: float, logged: bool) -> None:
    """Names and limits of an accuracy's or a loss's axes; whether a loss is drawn by its logarithm."""
    axes.set(xlabel=unit, ylabel=quantity, xlim=(0, end))
    plain_ticks(axes)
    if quantity == "loss" and logged:
        log_scale(axes)
    elif quantity == "loss":
        low, high = axes.get_ylim()
        axes.set_ylim(bottom=0 if low < high / 2 else low)
    else:
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0.0), min(high, 1.02))


def log_scale(axes: Axes) -> None:
    """Plain decimals at the ticks; within few decades 2 and 5 are labelled too."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    few = math.log10(high / low) < 3.5
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: decimal(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _legend(curves: Sequence[Curve]) -> tuple[Key, ...]:
    engines = _engines(curves)
    splits = [split for split in LOOKS if any(curve.split == split for curve in curves)]
    entries = {SPLITS[s]: {"color": LOOKS[s][0], "linestyle": LOOKS[s][1], "linewidth": 1.6} for s in splits}
    if len(engines) > 1:
        entries[f"{ENGINES[engines[0]]} (wide, pale)"] = PALE | {"color": INK}
        entries[f"{ENGINES[engines[1]]} (thin)"] = THIN | {"color": INK}
    return tuple(Key(name, look) for name, look in entries.items())


def _engines(curves: Sequence[Curve]) -> list[str]:
    return list(dict.fromkeys(curve.engine for curve in curves))


def _who(curves: Sequence[Curve]) -> str:
    return " and ".join(ENGINES[engine] for engine in _engines(curves))
