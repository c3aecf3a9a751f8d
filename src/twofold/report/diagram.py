"""The network as a drawing: a box for each layer that changes the shape or holds parameters, in reading order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from twofold.recipe import Network
from twofold.recipe.base import Shape
from twofold.report.drawing import BLUE, GREY, INK, SOFT, Panel, Picture

A_ROW = 7
"""Boxes side by side at most."""
BOX, GAP, HEIGHT, LINE = 1.02, 0.24, 0.74, 0.36
"""Width of a box, of the room between two, height of a box, and the room between two rows, in inches."""


@dataclass
class Box:
    """A layer, together with the layers after it that keep the shape and hold no parameters."""

    title: str
    shape: str
    count: str = ""
    after: list[str] = field(default_factory=list)


def network_picture(network: Network) -> Picture:
    """The figure of a network's structure."""
    boxes = network_boxes(network)
    rows = -(-len(boxes) // A_ROW)
    across = min(len(boxes), A_ROW)
    width, height = across * (BOX + GAP), rows * (HEIGHT + LINE)

    def draw(figure: FigureBase) -> None:
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(0, height))
        axes.axis("off")
        _draw_boxes(axes, boxes, height)

    panel = Panel("The network, layer by layer", width, height, draw, placed=True)
    caption = (
        "The network. In each box the layer, the shape of its output without the batch, and its parameters; in grey "
        "the layers that follow and keep the shape. Boxes without parameters are grey."
    )
    return Picture("network", (panel,), caption, narrow=True)


def network_boxes(network: Network) -> list[Box]:
    """What is drawn: the input, then layer by layer."""
    boxes = [Box("input", _shape(network.input_shape))]
    for node in network.nodes:
        if not node.parameters and node.input_shape == node.output_shape:
            boxes[-1].after.append(node.kind)
            continue
        count = f"{node.count:,}" if node.parameters and node.count is not None else ""
        boxes.append(Box(f"{node.name} {node.kind}", _shape(node.output_shape), count))
    return boxes


def _shape(shape: Shape) -> str:
    return " × ".join("?" if size is None else f"{size:,}" for size in shape)


def _draw_boxes(axes: Axes, boxes: Sequence[Box], height: float) -> None:
    corners = [
        (index % A_ROW * (BOX + GAP) + GAP / 2, height - index // A_ROW * (HEIGHT + LINE) - HEIGHT - LINE / 3)
        for index in range(len(boxes))
    ]
    for box, (x, y) in zip(boxes, corners, strict=True):
        _draw_box(axes, box, x, y)
    for (x, y), (next_x, next_y) in pairwise(corners):
        middle = y + HEIGHT / 2
        if next_y == y:
            _arrow(axes, [(x + BOX, middle), (next_x, middle)])
        else:
            turn, end = y - LINE / 2, next_x + BOX / 2
            below = x + BOX / 2
            axes.plot([below, below, end, end], [y, turn, turn, turn - 0.01], color=GREY, linewidth=0.9)
            _arrow(axes, [(end, turn), (end, next_y + HEIGHT)])


def _arrow(axes: Axes, ends: Sequence[tuple[float, float]]) -> None:
    arrow = FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=7, color=GREY, linewidth=0.9, shrinkA=0, shrinkB=0)
    axes.add_patch(arrow)


def _draw_box(axes: Axes, box: Box, x: float, y: float) -> None:
    edge = BLUE if box.count else GREY
    fill = "#eaf3f9" if box.count else "#f6f6f3"
    style = "round,pad=0,rounding_size=0.05"
    axes.add_patch(FancyBboxPatch((x, y), BOX, HEIGHT, boxstyle=style, facecolor=fill, edgecolor=edge, linewidth=0.9))
    lines = [(box.title, 7.5, INK), (box.shape, 7.0, INK)]
    lines += [(box.count, 6.5, SOFT)] if box.count else []
    lines += [(", ".join(box.after), 6.5, SOFT)] if box.after else []
    step = HEIGHT / (len(lines) + 1)
    for number, (text, size, colour) in enumerate(lines, start=1):
        axes.text(x + BOX / 2, y + HEIGHT - number * step, text, size=size, color=colour, ha="center", va="center")
