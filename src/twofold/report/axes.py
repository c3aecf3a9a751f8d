"""Axes that several figures share: the length of training along x, accuracies and losses along y."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from twofold.analysis import Curve, GapCurve
from twofold.report.drawing import Look
from twofold.report.text import decimal

PALE: Look = {"alpha": 0.3, "linewidth": 5.0, "solid_capstyle": "butt"}
THIN: Look = {"linewidth": 1.3}
"""The lines of two engines in one drawing: the first wide and pale, the second thin upon it."""
TWO_DECADES = 100
MOST_POINTS = 1000
R2_FLOOR = -1.0
"""Below it R² is not drawn: before training it may be anything."""
SIZE = (4.4, 3.0)


def logarithmic(curves: Sequence[Curve]) -> bool:
    """Whether the loss spans more than two decades."""
    loss = np.concatenate([curve.loss for curve in curves])
    loss = loss[np.isfinite(loss)]
    return bool(loss.size) and loss.min() > 0 and loss.max() / loss.min() > TWO_DECADES


def thinned(curve: Curve | GapCurve) -> slice:
    """Every k-th evaluation, so that no more than `MOST_POINTS` are drawn."""
    return slice(None, None, -(-len(curve.x) // MOST_POINTS))


def plain_ticks(axes: Axes) -> None:
    """Write the numbers along x as `10,000`."""
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}".replace("-", "−")))


def finish_axes(axes: Axes, unit: str, quantity: str, end: float, logged: bool) -> None:
    """Set names and limits of the axes of an accuracy, of R² or of a loss; `logged`: a loss by its logarithm."""
    axes.set(xlabel=unit, ylabel=quantity, xlim=(0, end))
    plain_ticks(axes)
    if quantity == "loss" and logged:
        log_scale(axes)
    elif quantity == "loss":
        low, high = axes.get_ylim()
        axes.set_ylim(bottom=0 if low < high / 2 else low)
    else:
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, 0.0 if quantity == "accuracy" else R2_FLOOR), min(high, 1.02))


def log_scale(axes: Axes) -> None:
    """Make y logarithmic with plain decimals at the ticks; within few decades 2 and 5 are labelled too."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    few = math.log10(high / low) < 3.5
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: decimal(value)))
    axes.yaxis.set_minor_formatter(NullFormatter())
