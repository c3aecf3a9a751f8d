"""The gradient on its way back through time: its norm at each step, and what W_hh and tanh do to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator

from twofold.analysis import TimeFlow, time_flows
from twofold.report.axes import PALE, THIN, log_scale
from twofold.report.drawing import BLUE, GREEN, INK, PURPLE, VERMILLION, Key, Look, Panel, Picture
from twofold.report.text import ENGINES, decimal
from twofold.runs import Run
from twofold.runs.history import SATURATED

FEWEST = 3
"""Fewest moments of training that are drawn as a course, and steps of time that need no markers."""
SIZE = (4.4, 2.7)
BEFORE, AFTER = "before training", "after training"
COLOURS = {BEFORE: BLUE, AFTER: VERMILLION}
RADIUS, SINGULAR = "spectral radius of W_hh", "largest singular value of W_hh"
DASHES: Look = {BEFORE: (0, (4, 1.5)), AFTER: "-", RADIUS: (0, (4, 1.5)), SINGULAR: "-"}
"""Dashes of the lines: colour or dashes, either is enough to tell them."""
Draw = Callable[[Axes, TimeFlow, Look], None]


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """A figure for each recurrent layer, both engines in it."""
    flows = time_flows(run)
    layers = dict.fromkeys(flow.layer for flow in flows)
    return [flow_picture([flow for flow in flows if flow.layer == layer]) for layer in layers]


def flow_picture(flows: Sequence[TimeFlow]) -> Picture:
    """One layer, of one engine or two: the first is a thick pale line, the other a thin one upon it."""
    panels: list[tuple[str, str, str, Draw]] = [("Gradient of h(t)", "step t", "‖∂L/∂h(t)‖", _gradient)]
    if flows[0].has_saturation:
        panels.append(("Saturated units", "step t", f"share with |h(t)| > {SATURATED:g}", _saturated))
    course = all(len(flow.step) >= FEWEST for flow in flows)
    if course:
        panels.append(("What reaches the first step", "training step", "‖∂L/∂h(1)‖ / ‖∂L/∂h(T)‖", _carried))
        panels.append(("The matrix W_hh", "training step", "largest of the gates", _matrix))
    drawn = tuple(_panel(title, x, y, draw, flows) for title, x, y, draw in panels)
    name = f"through-time-{flows[0].layer}"
    return Picture(name, drawn, flow_caption(flows), _legend(flows, course), narrow=len(drawn) == 1)


def _panel(title: str, x: str, y: str, draw: Draw, flows: Sequence[TimeFlow]) -> Panel:
    looks = [PALE, THIN] if len(flows) > 1 else [THIN]

    def whole(figure: FigureBase) -> None:
        axes = figure.subplots()
        for flow, look in zip(flows, looks, strict=True):
            draw(axes, flow, look)
        axes.set(xlabel=x, ylabel=y)
        positive = [line.get_ydata() for line in axes.get_lines()]
        if y.startswith("‖") and any(np.any(np.asarray(values) > 0) for values in positive):
            log_scale(axes)

    who = " and ".join(ENGINES[flow.engine] for flow in flows)
    return Panel(f"{title}, layer {flows[0].layer}, {who}", *SIZE, whole, title)


def _gradient(axes: Axes, flow: TimeFlow, look: Look) -> None:
    _by_time(axes, np.where(flow.gradient > 0, flow.gradient, np.nan), flow.after, look)


def _saturated(axes: Axes, flow: TimeFlow, look: Look) -> None:
    _by_time(axes, flow.saturated, flow.after, look)
    axes.set_ylim(-0.02, 1.02)


def _by_time(axes: Axes, values: np.ndarray, after: int, look: Look) -> None:
    t = np.arange(1, values.shape[1] + 1)
    marker = {"marker": "o", "markersize": 3} if len(t) < FEWEST else {}
    for moment, (name, colour) in zip((0, after), COLOURS.items(), strict=True):
        axes.plot(t, values[moment], color=colour, **_dashed(look, name), **marker)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _carried(axes: Axes, flow: TimeFlow, look: Look) -> None:
    carried = flow.carried
    axes.plot(flow.step, np.where(carried > 0, carried, np.nan), color=PURPLE, **look)


def _matrix(axes: Axes, flow: TimeFlow, look: Look) -> None:
    axes.plot(flow.step, flow.singular.max(axis=-1), color=GREEN, **_dashed(look, SINGULAR))
    axes.plot(flow.step, flow.radius.max(axis=-1), color=INK, **_dashed(look, RADIUS))


def _dashed(look: Look, name: str) -> Look:
    """A thin line with its dash; the wide pale one has none."""
    return look if look is PALE else look | {"linestyle": DASHES[name]}


def _legend(flows: Sequence[TimeFlow], course: bool) -> tuple[Key, ...]:
    names = dict(COLOURS) | ({RADIUS: INK, SINGULAR: GREEN} if course else {})
    looks: dict[str, Look] = {
        name: {"color": colour, "linewidth": 1.6, "linestyle": DASHES[name]} for name, colour in names.items()
    }
    if len(flows) > 1:
        looks[f"{ENGINES[flows[0].engine]} (wide, pale)"] = PALE | {"color": INK}
        looks[f"{ENGINES[flows[1].engine]} (thin)"] = THIN | {"color": INK}
    return tuple(Key(name, look) for name, look in looks.items())


WHENCE = {
    False: "the loss is at step {}, on the right.",
    True: "the next layer reads every step, so that at each of them a gradient arrives from there as well.",
}


def flow_caption(flows: Sequence[TimeFlow]) -> str:
    """How to read the figure, and in a sentence for each moment what the numbers show."""
    first, steps = flows[0], flows[0].gradient.shape[1]
    text = (
        f"Layer {first.layer} (`{first.kind}`): the norm of the loss’s gradient with respect to the hidden state after "
        f"each of the {steps} steps, over the first samples that training accuracy is measured on; "
        f"{WHENCE[first.every].format(steps)}"
    )
    text = " ".join([text, _sentence(first, 0, "Before"), _sentence(first, first.after, "After")])
    if len(flows) > 1:
        text += (
            f" These are {ENGINES[first.engine]}’s numbers; {ENGINES[flows[1].engine]}’s norms differ from them by at "
        )
        text += f"most {_apart(flows)} of their size."
    return text


def _sentence(flow: TimeFlow, moment: int, when: str) -> str:
    gradient, verdict = flow.gradient[moment], flow.verdict(moment)
    if verdict == "does not arrive":
        return f"{when} training no gradient reaches the last step."
    first, last, factor = (decimal(float(value)) for value in (gradient[0], gradient[-1], flow.factor(moment)))
    text = (
        f"{when} training it goes from {last} at step {len(gradient)} to {first} at step 1"
        + ("" if flow.every else f", a factor of {factor} a step: the gradient {verdict}")
        + f". {_matrices(flow, moment)}"
    )
    if flow.has_saturation:
        text += f"; {flow.saturated[moment].mean():.0%} of the units are saturated"
    return text + "."


def _matrices(flow: TimeFlow, moment: int) -> str:
    pairs = [
        (decimal(float(r)), decimal(float(s))) for r, s in zip(flow.radius[moment], flow.singular[moment], strict=True)
    ]
    if len(pairs) == 1:
        return f"W_hh has spectral radius {pairs[0][0]} and largest singular value {pairs[0][1]}"
    sizes = ", ".join(f"{gate} {r} and {s}" for gate, (r, s) in zip(flow.gates, pairs, strict=True))
    return f"Spectral radius and largest singular value of W_hh, gate by gate: {sizes}"


def _apart(flows: Sequence[TimeFlow]) -> str:
    """The relative distance of the engines' norms, before and after training."""
    a, b = (flow.gradient[[0, flow.after]] for flow in flows[:2])
    with np.errstate(divide="ignore", invalid="ignore"):
        gaps = np.abs(a - b) / np.maximum(np.abs(a), np.abs(b))
    return decimal(float(np.nanmax(gaps, initial=0.0)), 2)
