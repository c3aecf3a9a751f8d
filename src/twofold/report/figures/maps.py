"""What each layer makes of one image, row by row, down to the classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from twofold.arrays import Array
from twofold.probe.maps import MOST_CHANNELS, FeatureMaps, LayerMaps, feature_maps
from twofold.recipe import Node, Shape, shape_text
from twofold.report.drawing import Note, Panel, Picture, printable
from twofold.report.images import class_bars, draw_image, grey_scale
from twofold.report.text import ENGINES, SPLITS, decimal, folder_name, of_data, plural
from twofold.runs import Run

PLACES = 8
"""Maps side by side."""
WIDTH = 5.6
GAP = 0.06
NUMBER = 0.15
"""Inches over a map, for the number of its channel."""
CELL = (WIDTH - GAP * (PLACES - 1)) / PLACES
MOST_NAMES = 20


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure, of the held-out image number `image`; none without convolutions over images."""
    maps = feature_maps(run, image)
    if maps is None:
        return []
    classes = run.record.data.classes
    caption = maps_caption(maps, classes, run.record.data.held_out, of_data(run))
    caption += f" `twofold report {folder_name(run)} --image N` shows image N."
    return [maps_picture(maps, run.recipe.network.nodes, classes, grey_scale(run), caption)]


def maps_picture(maps: FeatureMaps, nodes: Sequence[Node], classes: Sequence[str], grey: str, caption: str) -> Picture:
    """The image, the layers, and the classes if any: a row each, with the shape and what its shades stand for."""
    which = f"image {maps.index}"
    shape = maps.image.shape
    notes = (Note(shape_text(shape, batch=False)),)
    first = _strip(
        f"The input, {which}", shape, 1, lambda axes, _: draw_image(axes, maps.image, grey), "`input`", notes
    )
    layers = [_layer(layer, which) for layer in maps.layers]
    bars = () if maps.true is None else (_classes(maps, maps.true, nodes[-1], classes),)
    return Picture("maps", (first, *layers, *bars), caption, form="rows")


def maps_caption(maps: FeatureMaps, classes: Sequence[str], split: str, of: str = "") -> str:
    """Which image, which channels, how they are shaded, and what comes out."""
    kind = "" if maps.true is None else f" of class {classes[maps.true]},"
    text = (
        f"Image {maps.index} of the {SPLITS[split]} images{of}, counted from 0,{kind} on its way through "
        f"the network that {ENGINES[maps.engine]} trained. Each row is the output of a layer, with the "
        "number of the channel over each map. Each row is shaded on a scale of its own, from black for its smallest "
        "value to white for its largest; both stand beside it."
    )
    if any((layer.node.output_shape[0] or 0) > len(layer.channels) for layer in maps.layers):
        text += (
            f" Of a convolution with more than {MOST_CHANNELS} channels those {MOST_CHANNELS} are shown whose maps "
            "have the largest variance (after the activation, where one follows); the layers up to the next "
            "convolution show the same ones."
        )
    if maps.left_out:
        text += f" {plural(maps.left_out, 'layer')} with maps {'is' if maps.left_out == 1 else 'are'} left out."
    if maps.true is None:
        return text
    best = int(maps.outputs.argmax())
    answer = "rightly" if best == maps.true else "wrongly"
    text += f" The network {answer} answers {classes[best]} with {maps.measure} {maps.outputs[best]:.3f}"
    return text + ("." if best == maps.true else f"; {classes[maps.true]} gets {maps.outputs[maps.true]:.3f}.")


def _title(node: Node) -> str:
    return f"{node.name} `{node.kind}`"


def _layer(layer: LayerMaps, which: str) -> Panel:
    node, maps = layer.node, layer.maps
    low, high = float(maps.min()), float(maps.max())

    def draw(axes: Axes, place: int) -> None:
        axes.imshow(maps[place], cmap="gray", vmin=low, vmax=high, interpolation="none", aspect="auto")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(True)
        axes.set_title(str(layer.channels[place]), fontsize=6.5, pad=2)

    label = f"{len(maps)} maps of layer {node.name}, {node.kind}, for {which}"
    scale = f"{decimal(low)} to {decimal(high)}".replace("-", "−")
    notes = (Note(shape_text(node.output_shape, batch=False)), Note(scale))
    return _strip(label, maps.shape, len(maps), draw, _title(node), notes)


def _strip(
    label: str, shape: Shape, count: int, draw: Callable[[Axes, int], None], title: str, notes: tuple[Note, ...]
) -> Panel:
    """A panel of `count` pictures of this shape, (…, height, width), side by side at the same places in every row."""
    tall = CELL * min(max((shape[-2] or 1) / (shape[-1] or 1), 0.25), 2.0)
    height = tall + NUMBER + 0.02

    def place(figure: FigureBase) -> None:
        for index in range(count):
            left = index * (CELL + GAP) + 0.01
            draw(figure.add_axes((left / WIDTH, 0.02 / height, (CELL - 0.02) / WIDTH, tall / height)), index)

    return Panel(label, WIDTH, height, place, title, notes, placed=True)


def _classes(maps: FeatureMaps, true: int, last: Node, classes: Sequence[str]) -> Panel:
    """The row of what the last layer gives to each class."""
    measure = f"{maps.measure} of each class"
    notes = (Note(shape_text(last.output_shape, batch=False)), Note(measure))
    label = f"The {measure} for image {maps.index}"
    return Panel(label, WIDTH, 1.3, lambda f: _bars(f, maps.outputs, true, classes), _title(last), notes)


def _bars(figure: FigureBase, outputs: Array, true: int, classes: Sequence[str]) -> None:
    axes = figure.subplots()
    x = class_bars(axes, outputs, true)
    named = len(classes) <= MOST_NAMES
    names = [printable(name, c) for c, name in enumerate(classes)] if named else []
    long = any(len(name) > 6 for name in names)
    axes.set_xticks(x if named else [], names, rotation=30 if long else 0, ha="right" if long else "center")
    axes.tick_params(length=0, pad=2)
