"""What the first layer looks for: its kernels, or its templates, as small images side by side."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import FigureBase

from twofold.analysis import FirstWeights, first_weights
from twofold.arrays import Array
from twofold.report.drawing import Panel, Picture
from twofold.report.text import ENGINES, decimal, plural
from twofold.runs import Run

MOST = 64
COLUMNS = 8
SIGNED = "cividis"
"""From dark blue over grey to light yellow: the sign is seen in a grey print too, and by colour-blind eyes."""
CELL = 0.62
"""Inches from one image to the next."""


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure, of the first engine's weights; none where the first layer does not look at whole images."""
    by_engine = {engine: weights for engine in run.engines if (weights := first_weights(run, engine)) is not None}
    if not by_engine:
        return []
    return [weights_picture(next(iter(by_engine.values())), weights_caption(by_engine))]


def weights_picture(first: FirstWeights, caption: str) -> Picture:
    """Weights of one channel on one scale symmetric about 0; of three in colour, each image on a scale of its own."""
    shown = first.images[:MOST]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    colour = shown.shape[1] == 3
    what = "kernels" if first.convolution else "templates"
    height = CELL * rows * max(0.3, shown.shape[2] / shown.shape[3]) + (0.1 if colour else 0.62)
    panel = Panel(
        f"{len(shown)} {what} of the first layer",
        max(CELL * columns + 0.2, 2.6),
        height,
        lambda figure: _draw_colour(figure, shown, columns) if colour else _draw(figure, shown[:, 0], columns),
    )
    return Picture("first-weights", (panel,), caption, narrow=True)


def weights_caption(by_engine: Mapping[str, FirstWeights]) -> str:
    """What a kernel or a template is, how it is drawn, and how far those of two engines are apart."""
    (engine, first), *others = by_engine.items()
    units, channels, height, width = first.images.shape
    kind = "kernel" if first.convolution else "row"
    which = f"The {plural(units, kind)}" if units <= MOST else f"The first {MOST} of {units:,} {kind}s"
    sizes = (units, channels, height, width) if first.convolution else (units, channels * height * width)
    text = (
        f"{which} of the first {'convolution' if first.convolution else 'weight matrix'} `{first.name}` "
        f"({' × '.join(f'{size:,}' for size in sizes)}) after training in {ENGINES[engine]}, each drawn as "
        f"{height} × {width} pixels: what "
    )
    text += "an output channel looks for in its window. " if first.convolution else "a hidden unit looks for. "
    text += _colour_text(first) if channels == 3 else _scale_text(first)
    for other, weights in others:
        apart = decimal(float(np.abs(weights.images - first.images).max()), 2)
        text += f" {ENGINES[other]}’s weights differ from these by at most {apart}."
    return text


def _scale_text(first: FirstWeights) -> str:
    what = "channel" if first.convolution else "unit"
    largest = decimal(float(np.abs(first.images).max()))
    return (
        f"Ink on a yellow, light pixel excites the {what}, on a blue, dark one inhibits it; the largest weight has "
        f"size {largest}."
    )


def _colour_text(first: FirstWeights) -> str:
    largest = np.abs(first.images).max(axis=(1, 2, 3))
    low, high = decimal(float(largest.min())), decimal(float(largest.max()))
    return (
        "The weights of the red, the green and the blue channel are drawn as these colours: mid grey is 0, and each is "
        f"scaled by its own largest weight, of either sign, {low if low == high else f'between {low} and {high}'}."
    )


def _draw(figure: FigureBase, weights: Array, columns: int) -> None:
    limit = float(np.abs(weights).max()) or 1.0
    axes = figure.subplots()
    mosaic = _mosaic(weights, columns, np.nan)
    image = axes.imshow(mosaic, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="none")
    axes.set_axis_off()
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.6, aspect=40, pad=0.04)
    bar.set_ticks([-limit, 0.0, limit], labels=[f"−{decimal(limit)}", "0", f"+{decimal(limit)}"])
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.set_label("weight")


def _draw_colour(figure: FigureBase, weights: Array, columns: int) -> None:
    """Grey is 0; the largest weight of an image, of either sign, has full colour."""
    limits = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    coloured = 0.5 + 0.5 * weights / np.where(limits > 0, limits, 1)
    opaque = np.concatenate([coloured, np.ones_like(coloured[:, :1])], axis=1).transpose(0, 2, 3, 1)
    axes = figure.subplots()
    axes.imshow(_mosaic(opaque, columns, 0.0), interpolation="none")
    axes.set_axis_off()


def _mosaic(images: Array, columns: int, blank: float) -> Array:
    """The images side by side in one, a pixel or more apart; `blank`, which is drawn as nothing, fills the rest."""
    count, height, width, *depth = images.shape
    rows, gap = -(-count // columns), max(1, width // 12)
    mosaic = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *depth), blank)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        mosaic[top : top + height, left : left + width] = image
    return mosaic
