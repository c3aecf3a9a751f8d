"""A study's metric along one of its axes: means with intervals, and every seed as a dot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from twofold.arrays import Array
from twofold.report.axes import TWO_DECADES, log_scale
from twofold.report.drawing import COLOURS, DASHES, MARKER, Key, Panel, printable, writable
from twofold.report.text import decimal
from twofold.study import Axis, Series, cell
from twofold.study.grid import Value

SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Markers of the series: colour or shape, either is enough to tell a series; a line has its dash as well."""
MOST_SERIES = len(SHAPES)
MOST_DOTS = 3000
MOST_TICKS = 12
ROOM = 0.07
"""The least distance of two ticks, as a share of the axis."""
SPREAD = 0.5
"""The width over which the series at one category stand."""
ASIDE = 0.05
"""How far from a bar the dots of its seeds stand."""
ALONE, BESIDE = (6.4, 3.4), (4.6, 3.2)
"""Width and height in inches of a panel that stands alone, and of one beside others."""


def along_panel(
    label: str, axis: Axis | None, series: Sequence[Series], metric: str, alone: bool = True, title: str = ""
) -> Panel:
    """The metric against the values of an axis; `None`: there is no axis, only seeds."""
    size = ALONE if alone else BESIDE
    return Panel(label, *size, lambda figure: _draw(figure, axis, series, metric), title)


def legend(series: Sequence[Series], by: Axis | None, axis: Axis | None) -> tuple[Key, ...]:
    """Sign and name of each series along an axis; none where there is only one."""
    if by is None or len(series) < 2:
        return ()
    keys = []
    for index, line_of_values in enumerate(series):
        look = {"color": COLOURS[index], "marker": SHAPES[index], "markersize": 4.5, "linestyle": ""}
        line = (
            {"linestyle": DASHES[index], "linewidth": 1.3, "markevery": [1]} if _is_line(axis, line_of_values) else {}
        )
        keys.append(Key(series_name(by, index, line_of_values.value), look | line, 0.5 if line else MARKER))
    return tuple(keys)


def _is_line(axis: Axis | None, series: Series) -> bool:
    """Whether a series is drawn as a line: along numbers, not categories."""
    return axis is not None and axis.numeric and len(series.x) > 1


def series_name(by: Axis, index: int, value: Value) -> str:
    """`noise 0.1`; where every value is a text, the text alone."""
    text = tick(value, index)
    return text if all(isinstance(setting_value, str) for setting_value in by.values) else f"{axis_words(by)} {text}"


def value_words(value: Value) -> str:
    """A value of an axis as a table shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return decimal(value, 6) if isinstance(value, float) else str(value)


def tick(value: Value, index: int = 0) -> str:
    """A value of an axis as the label of a tick, cut to 28 characters; its number where the font cannot write it."""
    return printable(value_words(value), index, 28)


def logarithmic(values: Sequence[float]) -> bool:
    """Whether numbers over more than a decade stand more evenly by their ratios than by their differences."""
    low, high = min(values), max(values)
    if low <= 0 or high < 9.9 * low:
        return False
    x = np.sort(np.asarray(values, np.float64))
    return len(x) < 3 or _unevenness(np.diff(np.log(x))) <= _unevenness(np.diff(x))


def bounded(metric: str) -> bool:
    """Whether the metric is a share, from 0 to 1. R² is none: a network worse than the mean has one below 0."""
    return metric.endswith("accuracy")


def axis_words(axis: Axis) -> str:
    """What a drawing calls an axis: its label, or the field where the font cannot write that."""
    return axis.name if writable(axis.name) else axis.field


def dotted(series: Sequence[Series]) -> bool:
    """Whether every seed is drawn as a dot: not where there would be more than MOST_DOTS."""
    return sum(len(dots) for line_of_values in series for dots in line_of_values.dots) <= MOST_DOTS


def _unevenness(gaps: Array) -> float:
    """The standard deviation of gaps over their mean: 0 where all are the same."""
    return float(np.std(gaps) / np.mean(gaps))


def _draw(figure: FigureBase, axis: Axis | None, series: Sequence[Series], metric: str) -> None:
    axes: Axes = figure.subplots()
    numeric = axis is not None and axis.numeric
    place = _number if numeric else _category(axis, len(series))
    values = [value for line_of_values in series for dots in line_of_values.dots for value in dots]
    share = metric.endswith(("accuracy", "r2"))
    logged = not share and min(values) > 0 and max(values) > TWO_DECADES * min(values)
    floor = 0.0 if bounded(metric) else min(values) / 2 if logged else None
    for index, line_of_values in enumerate(series):
        x = np.array([place(value, index) for value in line_of_values.x], np.float64)
        joined = _is_line(axis, line_of_values)
        _draw_series(axes, line_of_values, x, index, joined, floor)
        if dotted(series):
            _dots(axes, line_of_values, x if joined else x + ASIDE, COLOURS[index])
    axes.set(xlabel=axis_words(axis) if axis else "", ylabel=metric.replace("_", " ").replace("train ", "training "))
    _x_ticks(axes, axis)
    if logged:
        log_scale(axes)
    elif bounded(metric):
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, -0.02), min(high, 1.02))


def _draw_series(axes: Axes, series: Series, x: Array, index: int, joined: bool, floor: float | None) -> None:
    """Draw a series: a line with a shaded interval where `joined`, else points with bars.

    The low end of an interval is drawn at `floor` where it is not above 0; a floor of 0 is that of shares, which end
    at 1.
    """
    colour, shape = COLOURS[index], SHAPES[index]
    mean, low, high = np.array(series.intervals, np.float64).T
    low, high = np.where(np.isnan(low), mean, low), np.where(np.isnan(high), mean, high)
    if floor is not None:
        low = np.where(low > 0, low, floor)
    if floor == 0:
        high = np.minimum(high, 1)
    if joined:
        order = np.argsort(x)
        axes.fill_between(x[order], low[order], high[order], color=colour, alpha=0.16, linewidth=0)
        axes.plot(
            x[order], mean[order], color=colour, marker=shape, markersize=4.5, linewidth=1.3, linestyle=DASHES[index]
        )
    else:
        bar = np.array([mean - low, high - mean])
        axes.errorbar(x, mean, bar, color=colour, marker=shape, markersize=5, linestyle="", capsize=4, elinewidth=1.3)


def _dots(axes: Axes, series: Series, x: Array, colour: str) -> None:
    """Draw every seed of a series as a dot."""
    at = np.repeat(x, [len(seed_dots) for seed_dots in series.dots])
    axes.plot(at, np.concatenate(series.dots), "o", color=colour, markersize=3.6, alpha=0.5, markeredgewidth=0)


def _number(value: Value, index: int) -> float:
    return float(value)


def _category(axis: Axis | None, count: int) -> Callable[[Value, int], float]:
    """Where a category's value is drawn; `count` series at one category stand side by side."""
    places: dict[object, int] = {cell(value): place for place, value in enumerate(axis.values)} if axis else {None: 0}
    step = SPREAD / max(count, 1)
    return lambda value, index: places[cell(value)] + (index - (count - 1) / 2) * step


def _x_ticks(axes: Axes, axis: Axis | None) -> None:
    if axis is None:
        axes.set(xticks=[], xlim=(-0.6, 0.6))
        return
    if not axis.numeric:
        labels = [tick(value, index) for index, value in enumerate(axis.values)]
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.6, len(labels) - 0.4)
        if sum(map(len, labels)) > 60:
            axes.tick_params(axis="x", labelrotation=30)
            for text in axes.get_xticklabels():
                text.set_horizontalalignment("right")
        return
    logged = logarithmic(axis.values)
    if logged:
        axes.set_xscale("log")
    ticks = _apart(sorted(map(float, axis.values)), logged)
    if logged or len(axis.values) <= MOST_TICKS:
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_major_formatter(FixedFormatter([value_words(value) for value in ticks]))
        axes.xaxis.set_minor_locator(NullLocator())


def _apart(values: Sequence[float], logged: bool) -> list[float]:
    """The values whose labels do not overlap, from the first on."""
    places = np.log(values) if logged else np.asarray(values)
    room = ROOM * (places[-1] - places[0])
    chosen = [0]
    for index in range(1, len(values)):
        if places[index] - places[chosen[-1]] >= room:
            chosen.append(index)
    return [values[index] for index in chosen]
