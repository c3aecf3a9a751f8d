"""Gradients and updates over training, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twofold.analysis import SignalCurve, signal_curves
from twofold.analysis.rules.rates import RATIO
from twofold.report.axes import PALE, THIN, log_scale
from twofold.report.drawing import (
    BLACK,
    BLUE,
    DASHES,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    Key,
    Look,
    Panel,
    Picture,
)
from twofold.report.text import ENGINES, decimal, joined
from twofold.runs import Run
from twofold.runs.history import MOST_MOMENTS

LAYERS = (
    (BLUE, "o"),
    (VERMILLION, "s"),
    (GREEN, "^"),
    (PURPLE, "D"),
    (ORANGE, "v"),
    (SKY, "P"),
    (BLACK, "X"),
)
"""Colour and marker of a line, beside its dashes: either is enough to tell it. Wide lines have no markers."""
MARKS = 8
"""Markers on a line, about."""
SIZE = (4.4, 3.0)
BAND = 3.0
"""The rule of thumb is a size, not a number: the band goes from a third of it to three times it."""
Line = tuple[str, str]
"""The layer and the part of it that a line shows."""
Scale = Literal["shares", "norms", "updates"]
"""`shares` run from 0 to 1; `norms` are logarithmic; so are `updates`, over weights, with the band behind them."""


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure, of gradients and updates; none of a run that recorded no signals."""
    picture = _steps(run)
    return [picture] if picture else []


def _steps(run: Run) -> Picture | None:
    gradients, ratios = signal_curves(run, "gradient"), signal_curves(run, "ratio")
    if not gradients or not ratios:
        return None
    panels = (
        signal_panel("Norm of the gradient", "‖∂L/∂W‖", gradients, scale="norms", title="Gradient"),
        signal_panel(
            "Update over weight",
            "‖ΔW‖ / ‖W‖",
            ratios,
            gradients,
            scale="updates",
            title="Update over weight",
        ),
    )
    caption = (
        "Left, the norm of the loss’s gradient with respect to each layer’s weight, of one batch a moment, before "
        "any clipping; right, the size of what the step changed over that of the weight"
        f"{moments_text(gradients)}; logarithmic. The grey band is the rule of thumb, about {decimal(RATIO)} "
        f"(Karpathy, CS231n): above it steps are coarse, far below it little is learned.{left_out_text(gradients)}"
    )
    return Picture("signals", panels, caption, signal_legend(gradients))


def signal_panel(
    label: str,
    y: str,
    curves: Sequence[SignalCurve],
    named: Sequence[SignalCurve] = (),
    *,
    scale: Scale = "shares",
    title: str = "",
) -> Panel:
    """The curves of one quantity against the step; `named` are the curves in the legend, where panels share one."""
    lines = _lines(named or curves)

    def whole(figure: FigureBase) -> None:
        axes = figure.subplots()
        _draw(axes, curves, lines, scale)
        axes.set(xlabel="step", ylabel=y)

    who = " and ".join(ENGINES[engine] for engine in _engines(curves))
    return Panel(f"{label} against step, {who}", *SIZE, whole, title)


def _draw(axes: Axes, curves: Sequence[SignalCurve], lines: Sequence[Line], scale: Scale) -> None:
    engines, logarithmic = _engines(curves), scale != "shares"
    if scale == "updates":
        axes.axhspan(RATIO / BAND, RATIO * BAND, color=GREY, alpha=0.25, linewidth=0)
    for curve in sorted(curves, key=lambda curve: engines.index(curve.engine)):
        if (curve.layer, curve.part) not in lines:
            continue
        place = lines.index((curve.layer, curve.part))
        colour, marker = LAYERS[place]
        values = np.where(np.isfinite(curve.value) & ((curve.value > 0) | (not logarithmic)), curve.value, np.nan)
        marks: Look = {"marker": marker, "markersize": 4, "markevery": max(1, len(values) // MARKS)}
        pale = len(engines) > 1 and curve.engine == engines[0]
        axes.plot(curve.step, values, color=colour, **(PALE if pale else THIN | marks), linestyle=DASHES[place])
    drawn = [np.asarray(line.get_ydata(), np.float64) for line in axes.get_lines()]
    if logarithmic and any(np.isfinite(values).any() for values in drawn):
        log_scale(axes)
    elif not logarithmic:
        axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _lines(curves: Sequence[SignalCurve]) -> list[Line]:
    """Layer and part of each line; where there are more than colours, of the first, the last and some between."""
    every = list(dict.fromkeys((curve.layer, curve.part) for curve in curves))
    if len(every) <= len(LAYERS):
        return every
    return [every[round(i * (len(every) - 1) / (len(LAYERS) - 1))] for i in range(len(LAYERS))]


def signal_legend(curves: Sequence[SignalCurve]) -> tuple[Key, ...]:
    """A sign for each line that is drawn, and for each of two engines."""
    kinds = {(curve.layer, curve.part): curve.kind for curve in curves}
    looks: dict[str, Look] = {
        _name(line, kinds[line]): {
            "color": colour,
            "marker": marker,
            "markersize": 4,
            "linewidth": 1.6,
            "linestyle": dashes,
            "markevery": [1],
        }
        for line, (colour, marker), dashes in zip(_lines(curves), LAYERS, DASHES, strict=False)
    }
    engines = _engines(curves)
    if len(engines) > 1:
        looks[f"{ENGINES[engines[0]]} (wide, pale)"] = PALE | {"color": INK}
        looks[f"{ENGINES[engines[1]]} (thin)"] = THIN | {"color": INK}
    return tuple(Key(text, look) for text, look in looks.items())


def _name(line: Line, kind: str) -> str:
    """`0.weight dense`, `1 relu`, `0.f lstm`."""
    layer, part = line
    return f"{layer if part in ('output', 'h') else '.'.join(line)} {kind}"


def moments_text(curves: Sequence[SignalCurve]) -> str:
    """How many moments the curves have, to be added to a sentence."""
    longest = max(len(curve.step) for curve in curves)
    return f", at {longest:,} moments" + (
        ", spread evenly over the evaluations" if longest >= MOST_MOMENTS // 2 else ""
    )


def left_out_text(curves: Sequence[SignalCurve]) -> str:
    """Which lines are drawn where there are more than colours; else nothing."""
    every, drawn = dict.fromkeys((curve.layer, curve.part) for curve in curves), _lines(curves)
    if len(every) == len(drawn):
        return ""
    return f" Of {len(every)} lines {len(drawn)} are drawn: {joined([layer for layer, _ in drawn])}."


def _engines(curves: Sequence[SignalCurve]) -> list[str]:
    return list(dict.fromkeys(curve.engine for curve in curves))
