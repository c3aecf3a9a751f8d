"""What the first layer looks for, and what was predicted for the first images before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from twofold.analysis import Preview
from twofold.arrays import Array
from twofold.report.drawing import BLUE, GREY, INK, VERMILLION, Picture, picture, printable
from twofold.report.text import decimal

MOST_TEMPLATES = 64
COLUMNS = 8
MOST_LABELS = 10


@dataclass(frozen=True)
class Guess:
    """The class with the largest output."""

    name: str
    right: bool
    value: float


@dataclass(frozen=True)
class Card:
    """One image with its predictions."""

    svg: Markup
    true: str
    before: Guess
    after: Guess


def templates_picture(templates: Array, caption: str) -> Picture:
    """The rows of the first weight matrix, each as an image, on one scale that is symmetric about 0."""
    shown = templates[:MOST_TEMPLATES]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    panel = picture(
        f"{len(shown)} templates of the first layer",
        5.6,
        0.9 + 4.6 * rows / columns,
        lambda figure: _draw_templates(figure, shown, columns, rows),
    )
    return Picture((panel,), caption, narrow=True)


def _draw_templates(figure: Figure, templates: Array, columns: int, rows: int) -> None:
    limit = float(np.abs(templates).max()) or 1.0
    axes = figure.subplots()
    image = axes.imshow(_mosaic(templates, columns, rows), cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="none")
    axes.set_axis_off()
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.6, aspect=40, pad=0.04)
    bar.set_ticks([-limit, 0.0, limit], labels=[f"−{decimal(limit)}", "0", f"+{decimal(limit)}"])
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.set_label("weight")


def _mosaic(templates: Array, columns: int, rows: int) -> Array:
    """Side by side with a gap of a pixel or more; NaN, which is drawn as nothing, fills the rest."""
    _, height, width = templates.shape
    gap = max(1, width // 12)
    mosaic = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for index, template in enumerate(templates):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        mosaic[top : top + height, left : left + width] = template
    return mosaic


def cards(preview: Preview, classes: Sequence[str]) -> list[Card]:
    """The first images, each with the probability of every class before and after training."""
    found = []
    for index, image in enumerate(preview.images):
        true, before, after = int(preview.target[index]), preview.before[index], preview.after[index]
        label = f"Image {index + 1} of class {classes[true]}, with the {preview.measure} of each class"
        svg = picture(
            label,
            1.9,
            2.75,
            lambda figure, image=image, b=before, a=after, t=true: _draw_card(figure, image, b, a, t, classes),
        )
        found.append(Card(svg, classes[true], _guess(before, true, classes), _guess(after, true, classes)))
    return found


def _guess(outputs: Array, true: int, classes: Sequence[str]) -> Guess:
    best = int(outputs.argmax())
    return Guess(classes[best], best == true, float(outputs[best]))


def _draw_card(figure: Figure, image: Array, before: Array, after: Array, true: int, classes: Sequence[str]) -> None:
    top, bottom = figure.subplots(2, 1, height_ratios=[2.2, 1])
    top.imshow(image, cmap="gray_r", interpolation="none")
    top.set(xticks=[], yticks=[])
    top.grid(False)
    top.spines[:].set_visible(True)
    x = np.arange(len(after))
    colours = [BLUE if c == true else VERMILLION for c in x]
    bottom.bar(x, after, width=0.85, color=colours)
    bottom.bar(x, before, width=0.85, facecolor="none", edgecolor=INK, linewidth=0.7)
    bottom.set_ylim(min(0.0, float(min(before.min(), after.min()))), max(1.0, float(after.max())))
    bottom.set_yticks([0, 1])
    bottom.grid(False)
    bottom.spines["left"].set_color(GREY)
    few = len(classes) <= MOST_LABELS and all(len(name) <= 2 for name in classes)
    bottom.set_xticks(x if few else [], [printable(name, c) for c, name in enumerate(classes)] if few else [])
    bottom.tick_params(length=0, pad=2)
