"""Images and bars of classes, as several figures draw them."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from twofold.arrays import Array
from twofold.report.drawing import BLUE, GREY, VERMILLION
from twofold.runs import Run


def grey_scale(run: Run) -> str:
    """How images of one channel are drawn: those of digits hold ink, photographs hold light."""
    return "gray" if run.record.data.source == "images" else "gray_r"


def draw_image(axes: Axes, image: Array, grey: str) -> None:
    """Draw an image (channels, height, width): bytes from 0 to 255, other numbers from their least to their largest."""
    low, high = (0, 255) if image.dtype == np.uint8 else (float(image.min()), float(image.max()))
    if len(image) == 1:
        axes.imshow(image[0], cmap=grey, vmin=low, vmax=high, interpolation="none")
    else:
        axes.imshow((image.transpose(1, 2, 0) - low) / ((high - low) or 1), interpolation="none")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(True)


def class_bars(axes: Axes, values: Array, true: int) -> Array:
    """Draw a bar for each class, the true one in blue, the others in orange; returns the places of the bars."""
    x = np.arange(len(values))
    axes.bar(x, values, width=0.85, color=[BLUE if c == true else VERMILLION for c in x])
    axes.set_ylim(min(0.0, float(values.min())), max(1.0, float(values.max())))
    axes.set_yticks([0, 1])
    axes.grid(False)
    axes.spines["left"].set_color(GREY)
    return x
