"""What each layer makes of one image, row by row, down to the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure

from twofold.analysis import FeatureMaps, LayerMaps
from twofold.recipe import Node, shape_text
from twofold.report.drawing import GREY, picture, printable
from twofold.report.images import class_bars, draw_image
from twofold.report.text import decimal

PLACES = 8
"""Maps side by side."""
WIDTH = 5.6
GAP = 0.06
NUMBER = 0.14
"""Inches above a map, for the number of its channel."""
MOST_BARS = 40
"""With more classes than these the most probable ones are drawn."""


@dataclass(frozen=True)
class MapRow:
    """A layer: its name and kind, the shape of its output, the range of its scale, its maps."""

    name: str
    kind: str
    shape: str
    scale: str
    svg: Markup


def map_rows(found: FeatureMaps, nodes: Sequence[Node], classes: Sequence[str], grey: str) -> list[MapRow]:
    """The image, the layers, and the classes."""
    which = f"image {found.index}"
    shape = shape_text(found.image.shape, batch=False)
    rows = [MapRow("", "input", shape, "", _strip(f"The input, {which}", found.image.shape[1:], 1, _input(found, grey)))]
    rows += [_layer(layer, which) for layer in found.layers]
    last = nodes[-1]
    bars = picture(f"The {found.measure} of each class for {which}", WIDTH, 1.25, lambda f: _bars(f, found, classes))
    rows.append(MapRow(last.name, last.kind, shape_text(last.output_shape, batch=False), f"{found.measure} a class", bars))
    return rows


def _layer(layer: LayerMaps, which: str) -> MapRow:
    low, high = float(layer.maps.min()), float(layer.maps.max())
    node, (count, *plane) = layer.node, layer.maps.shape

    def draw(figure: Figure, place: int, box: tuple[float, float, float, float]) -> None:
        axes = figure.add_axes(box)
        axes.imshow(layer.maps[place], cmap="gray", vmin=low, vmax=high, interpolation="none", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(True)
        axes.set_title(str(layer.channels[place]), fontsize=6.5, color=GREY, pad=1.5)

    svg = _strip(f"{count} maps of layer {node.name}, {node.kind}, for {which}", (plane[0], plane[1]), count, draw)
    scale = f"{decimal(low)} to {decimal(high)}".replace("-", "−")
    return MapRow(node.name, node.kind, shape_text(node.output_shape, batch=False), scale, svg)
