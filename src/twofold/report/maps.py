"""What each layer makes of one image, row by row, down to the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twofold.analysis import FeatureMaps, LayerMaps
from twofold.recipe import Node, Shape, shape_text
from twofold.report.drawing import picture, printable
from twofold.report.images import class_bars, draw_image
from twofold.report.text import decimal

PLACES = 8
"""Maps side by side."""
WIDTH = 5.6
GAP = 0.06
NUMBER = 0.15
"""Inches over a map, for the number of its channel."""
CELL = (WIDTH - GAP * (PLACES - 1)) / PLACES
MOST_NAMES = 20


@dataclass(frozen=True)
class MapRow:
    """A layer: its name and kind, the shape of its output, what the shades stand for, the maps."""

    name: str
    kind: str
    shape: str
    scale: str
    svg: Markup


def map_rows(found: FeatureMaps, nodes: Sequence[Node], classes: Sequence[str], grey: str) -> list[MapRow]:
    """The image, the layers, and the classes."""
    which = f"image {found.index}"
    last, shape = nodes[-1], found.image.shape
    first = _strip(f"The input, {which}", shape, 1, lambda axes, _: draw_image(axes, found.image, grey))
    bars = picture(f"The {found.measure} of each class for {which}", WIDTH, 1.3, lambda f: _bars(f, found, classes))
    return [
        MapRow("", "input", shape_text(shape, batch=False), "", first),
        *(_layer(layer, which) for layer in found.layers),
        MapRow(
            last.name, last.kind, shape_text(last.output_shape, batch=False), f"{found.measure} of each class", bars
        ),
    ]


def _layer(layer: LayerMaps, which: str) -> MapRow:
    node, maps = layer.node, layer.maps
    low, high = float(maps.min()), float(maps.max())

    def draw(axes: Axes, place: int) -> None:
        axes.imshow(maps[place], cmap="gray", vmin=low, vmax=high, interpolation="none", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(True)
        axes.set_title(str(layer.channels[place]), fontsize=6.5, pad=2)

    svg = _strip(f"{len(maps)} maps of layer {node.name}, {node.kind}, for {which}", maps.shape, len(maps), draw)
    scale = f"{decimal(low)} to {decimal(high)}".replace("-", "−")
    return MapRow(node.name, node.kind, shape_text(node.output_shape, batch=False), scale, svg)


def _strip(label: str, shape: Shape, count: int, draw: Callable[[Axes, int], None]) -> Markup:
    """So many pictures (…, height, width) in a row, in places that are the same in every row."""
    tall = CELL * min(max((shape[-2] or 1) / (shape[-1] or 1), 0.25), 2.0)
    height = tall + NUMBER + 0.02

    def place(figure: Figure) -> None:
        figure.set_layout_engine("none")
        for index in range(count):
            left = index * (CELL + GAP) + 0.01
            draw(figure.add_axes((left / WIDTH, 0.02 / height, (CELL - 0.02) / WIDTH, tall / height)), index)

    return picture(label, WIDTH, height, place)


def _bars(figure: Figure, found: FeatureMaps, classes: Sequence[str]) -> None:
    axes = figure.subplots()
    x = class_bars(axes, found.outputs, found.true)
    named = len(classes) <= MOST_NAMES
    names = [printable(name, c) for c, name in enumerate(classes)] if named else []
    long = any(len(name) > 6 for name in names)
    axes.set_xticks(x if named else [], names, rotation=30 if long else 0, ha="right" if long else "center")
    axes.tick_params(length=0, pad=2)
