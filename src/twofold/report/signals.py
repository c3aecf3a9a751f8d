"""Gradients, updates and sleeping units over training, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, MaxNLocator

from twofold.analysis import SignalCurve, signal_curves
from twofold.analysis.rules.rates import RATIO
from twofold.report.curves import PALE, THIN, log_scale
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
    Panel,
    Picture,
)
from twofold.report.text import ENGINES, decimal, joined
from twofold.runs import Run
from twofold.train.gradient_flow import SATURATED
from twofold.train.signals import MOST_MOMENTS, PROBE

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
"""So many markers on a line."""
SIZE = (4.4, 3.0)
BAND = 3.0
"""The rule of thumb is a size, not a number: the band goes from a third of it to three times it."""
Line = tuple[str, str]


def signal_pictures(run: Run) -> list[Picture]:
    """Gradients and updates, and units: those that the run has recorded."""
    return [each for each in (_steps(run), _units(run)) if each]


def _steps(run: Run) -> Picture | None:
    gradients, ratios = signal_curves(run, "gradient"), signal_curves(run, "ratio")
    if not gradients or not ratios:
        return None
    panels = (
        _panel("Norm of the gradient", "‖∂L/∂W‖", gradients, logarithmic=True, title="Gradient"),
        _panel(
            "Update over weight",
            "‖ΔW‖ / ‖W‖",
            ratios,
            gradients,
            logarithmic=True,
            band=True,
            title="Update over weight",
        ),
    )
    caption = (
        "Left, the norm of the loss’s gradient with respect to each layer’s weight, of one batch a moment, before "
        "any clipping; right, the size of what the step changed over that of the weight"
        f"{_moments(gradients)}; logarithmic. The grey band is the rule of thumb, about {decimal(RATIO)} (Karpathy, "
        f"CS231n): above it steps are coarse, far below it little is learned.{_left_out(gradients)}"
    )
    return Picture("signals", panels, caption, _legend(gradients))


def _units(run: Run) -> Picture | None:
    dead, saturated = signal_curves(run, "dead"), signal_curves(run, "saturated")
    if not dead:
        return None
    count = min(PROBE, run.record.data.samples["train"])
    samples = f"{count:,} training samples"
    if run.recipe.data.endless:
        samples = f"{count:,} samples of those that training accuracy is measured on"
    panels = [
        _panel("Units that pass no gradient for any sample", "share of the layer’s units", dead, title="Dead units")
    ]
    if saturated:
        title = "Saturated outputs"
        panels.append(_panel("Outputs that are saturated", "share of the outputs", saturated, dead, title=title))
    caption = (
        f"Over the first {samples}, in evaluation mode: the share of units that pass no gradient "
        "for any of them, a ReLU by being 0, others by being saturated throughout"
    )
    if saturated:
        caption += (
            f"; and the share of outputs with |tanh| or |2σ − 1| above {SATURATED:g}, where the slope is below a tenth"
        )
    caption += f"{_moments(dead)}.{_left_out(dead)}"
    return Picture("units", tuple(panels), caption, _legend(dead), narrow=len(panels) == 1)


def _panel(
    label: str,
    y: str,
    found: Sequence[SignalCurve],
    named: Sequence[SignalCurve] = (),
    *,
    logarithmic: bool = False,
    band: bool = False,
    title: str = "",
) -> Panel:
    lines = _lines(named or found)

    def whole(figure: FigureBase) -> None:
        axes = figure.subplots()
        _draw(axes, found, lines, logarithmic, band)
        axes.set(xlabel="step", ylabel=y)

    who = " and ".join(ENGINES[engine] for engine in _engines(found))
    return Panel(f"{label} against step, {who}", *SIZE, whole, title)


def _draw(axes: Axes, found: Sequence[SignalCurve], lines: Sequence[Line], logarithmic: bool, band: bool) -> None:
    engines = _engines(found)
    if band:
        axes.axhspan(RATIO / BAND, RATIO * BAND, color=GREY, alpha=0.25, linewidth=0)
    for course in sorted(found, key=lambda course: engines.index(course.engine)):
        if (course.layer, course.part) not in lines:
            continue
        place = lines.index((course.layer, course.part))
        colour, marker = LAYERS[place]
        values = np.where(np.isfinite(course.value) & ((course.value > 0) | (not logarithmic)), course.value, np.nan)
        marks: dict[str, Any] = {"marker": marker, "markersize": 4, "markevery": max(1, len(values) // MARKS)}
        pale = len(engines) > 1 and course.engine == engines[0]
        axes.plot(
            course.step, values, color=colour, **((PALE if pale else THIN | marks) | {"linestyle": DASHES[place]})
        )
    drawn = [np.asarray(line.get_ydata(), np.float64) for line in axes.get_lines()]
    if logarithmic and any(np.isfinite(values).any() for values in drawn):
        log_scale(axes)
    elif not logarithmic:
        axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))


def _lines(found: Sequence[SignalCurve]) -> list[Line]:
    """Layer and part of each line; of more than there are colours the first, the last and some between."""
    every = list(dict.fromkeys((course.layer, course.part) for course in found))
    if len(every) <= len(LAYERS):
        return every
    return [every[round(i * (len(every) - 1) / (len(LAYERS) - 1))] for i in range(len(LAYERS))]


def _legend(found: Sequence[SignalCurve]) -> tuple[Key, ...]:
    kinds = {(course.layer, course.part): course.kind for course in found}
    looks: dict[str, dict[str, Any]] = {
        _name(line, kinds[line]): {
            "color": colour,
            "marker": marker,
            "markersize": 4,
            "linewidth": 1.6,
            "linestyle": dashes,
            "markevery": [1],
        }
        for line, (colour, marker), dashes in zip(_lines(found), LAYERS, DASHES, strict=False)
    }
    engines = _engines(found)
    if len(engines) > 1:
        looks[f"{ENGINES[engines[0]]} (wide, pale)"] = PALE | {"color": INK}
        looks[f"{ENGINES[engines[1]]} (thin)"] = THIN | {"color": INK}
    return tuple(Key(text, look) for text, look in looks.items())


def _name(line: Line, kind: str) -> str:
    """`0.weight dense`, `1 relu`, `0.f lstm`."""
    layer, part = line
    return f"{layer if part in ('output', 'h') else '.'.join(line)} {kind}"


def _moments(found: Sequence[SignalCurve]) -> str:
    longest = max(len(course.step) for course in found)
    return f", at {longest:,} moments" + (
        ", spread evenly over the evaluations" if longest >= MOST_MOMENTS // 2 else ""
    )


def _left_out(found: Sequence[SignalCurve]) -> str:
    every, drawn = dict.fromkeys((course.layer, course.part) for course in found), _lines(found)
    if len(every) == len(drawn):
        return ""
    return f" Of {len(every)} lines {len(drawn)} are drawn: {joined([layer for layer, _ in drawn])}."


def _engines(found: Sequence[SignalCurve]) -> list[str]:
    return list(dict.fromkeys(course.engine for course in found))
