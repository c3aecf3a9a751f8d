"""What the first layer looks for: its kernels, or its templates, as small images side by side."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import FigureBase

from twofold.analysis import FirstWeights
from twofold.arrays import Array
from twofold.report.drawing import Panel, Picture
from twofold.report.text import decimal

MOST = 64
COLUMNS = 8
SIGNED = "cividis"
"""From dark blue over grey to light yellow: the sign is told in grey too, and by colour-blind eyes."""
CELL = 0.62
"""Inches from one image to the next."""


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
    """Side by side with a gap of a pixel or more; `blank`, which is drawn as nothing, fills the rest."""
    count, height, width, *depth = images.shape
    rows, gap = -(-count // columns), max(1, width // 12)
    mosaic = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *depth), blank)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        mosaic[top : top + height, left : left + width] = image
    return mosaic
