"""Images with what was answered for them: the first ones before and after training, and those surely wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twofold.analysis import Preview, WrongImages
from twofold.arrays import Array
from twofold.report.drawing import BLUE, GREY, INK, VERMILLION, picture, printable
from twofold.report.text import ENGINES, joined
from twofold.runs import Run

MOST_LABELS = 10
WRONG_INCHES = 1.2


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


@dataclass(frozen=True)
class WrongCard:
    """One image with its class, and the class that it was taken for."""

    svg: Markup
    index: int
    true: Guess
    taken: Guess


def grey_scale(run: Run) -> str:
    """How images of one channel are drawn: those of digits hold ink, photographs hold light."""
    return "gray" if run.record["data"]["source"] == "images" else "gray_r"


def draw_image(axes: Axes, image: Array, grey: str) -> None:
    """An image (channels, height, width), bytes from 0 to 255, other numbers from their smallest to their largest."""
    low, high = (0, 255) if image.dtype == np.uint8 else (float(image.min()), float(image.max()))
    if len(image) == 1:
        axes.imshow(image[0], cmap=grey, vmin=low, vmax=high, interpolation="none")
    else:
        axes.imshow((image.transpose(1, 2, 0) - low) / ((high - low) or 1), interpolation="none")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(True)


def cards(preview: Preview, classes: Sequence[str], grey: str) -> list[Card]:
    """The first images, each with the probability of every class before and after training."""
    found = []
    for index, image in enumerate(preview.images):
        true, before, after = int(preview.target[index]), preview.before[index], preview.after[index]
        label = f"Image {index} of class {classes[true]}, with the {preview.measure} of each class"

        def draw(figure: Figure, image: Array = image, b: Array = before, a: Array = after, t: int = true) -> None:
            top, bottom = figure.subplots(2, 1, height_ratios=[2.2, 1])
            draw_image(top, image, grey)
            _bars(bottom, b, a, t, classes)

        svg = picture(label, 1.9, 2.75, draw)
        found.append(Card(svg, classes[true], _guess(before, true, classes), _guess(after, true, classes)))
    return found


def wrong_cards(wrong: WrongImages, classes: Sequence[str], grey: str) -> list[WrongCard]:
    """The images most confidently wrong, each with the two classes in question."""
    found, who = [], [ENGINES[engine] for engine in wrong.engines]
    for each in wrong.images:
        true, taken = classes[each.true], classes[each.taken]
        label = f"Image {each.index} of class {true}, taken for {taken} in {joined(who)}"

        def draw(figure: Figure, image: Array = each.image) -> None:
            draw_image(figure.subplots(), image, grey)

        svg = picture(label, WRONG_INCHES, WRONG_INCHES, draw)
        found.append(
            WrongCard(svg, each.index, Guess(true, True, each.value_true), Guess(taken, False, each.value_taken))
        )
    return found


def _guess(outputs: Array, true: int, classes: Sequence[str]) -> Guess:
    best = int(outputs.argmax())
    return Guess(classes[best], best == true, float(outputs[best]))


def class_bars(axes: Axes, values: Array, true: int) -> Array:
    """A bar a class, the true one in blue, the others in orange; the places of the bars."""
    x = np.arange(len(values))
    axes.bar(x, values, width=0.85, color=[BLUE if c == true else VERMILLION for c in x])
    axes.set_ylim(min(0.0, float(values.min())), max(1.0, float(values.max())))
    axes.set_yticks([0, 1])
    axes.grid(False)
    axes.spines["left"].set_color(GREY)
    return x


def _bars(axes: Axes, before: Array, after: Array, true: int, classes: Sequence[str]) -> None:
    x = class_bars(axes, after, true)
    outline: dict[str, Any] = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.7}
    axes.bar(x, before, width=0.85, **outline)
    axes.set_ylim(min(0.0, float(min(before.min(), after.min()))), max(1.0, float(after.max())))
    few = len(classes) <= MOST_LABELS and all(len(name) <= 2 for name in classes)
    axes.set_xticks(x if few else [], [printable(name, c) for c, name in enumerate(classes)] if few else [])
    axes.tick_params(length=0, pad=2)
