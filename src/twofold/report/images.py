"""Images with what was answered for them: the first ones before and after training, and those surely wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from twofold.analysis import Preview, WrongImage, WrongImages
from twofold.arrays import Array
from twofold.report.drawing import BLUE, GREY, INK, VERMILLION, Note, Panel, Picture, printable
from twofold.report.text import ENGINES, joined
from twofold.runs import Run

MOST_LABELS = 10
WRONG_INCHES = 1.2


def grey_scale(run: Run) -> str:
    """How images of one channel are drawn: those of digits hold ink, photographs hold light."""
    return "gray" if run.record.data.source == "images" else "gray_r"


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


def previews_picture(preview: Preview, classes: Sequence[str], grey: str, caption: str) -> Picture:
    """The first images, each with the probability of every class before and after training."""
    places = range(len(preview.images))
    return Picture("first-predictions", tuple(_card(preview, i, classes, grey) for i in places), caption, form="cards")


def _card(preview: Preview, index: int, classes: Sequence[str], grey: str) -> Panel:
    image, true = preview.images[index], int(preview.target[index])
    before, after = preview.before[index], preview.after[index]
    label = f"Image {index} of class {classes[true]}, with the {preview.measure} of each class"

    def draw(figure: FigureBase) -> None:
        top, bottom = figure.subplots(2, 1, height_ratios=[2.2, 1])
        draw_image(top, image, grey)
        _bars(bottom, before, after, true, classes)

    answers = (_answer(when, values, true, classes) for when, values in {"before": before, "after": after}.items())
    return Panel(label, 1.9, 2.75, draw, notes=(Note("class", classes[true]), *answers))


def _answer(when: str, outputs: Array, true: int, classes: Sequence[str]) -> Note:
    """The class with the largest output."""
    best = int(outputs.argmax())
    return Note(when, classes[best], f"{outputs[best]:.3f}", best == true)


def wrong_picture(wrong: WrongImages, classes: Sequence[str], grey: str, caption: str) -> Picture:
    """The images most confidently wrong, each with the two classes in question."""
    who = joined([ENGINES[engine] for engine in wrong.engines])
    panels = tuple(_wrong_card(each, who, classes, grey) for each in wrong.images)
    return Picture(f"most-wrong-{'-'.join(wrong.engines)}", panels, caption, form="small")


def _wrong_card(each: WrongImage, who: str, classes: Sequence[str], grey: str) -> Panel:
    true, taken = classes[each.true], classes[each.taken]
    notes = (
        Note("", true, f"{each.value_true:.3f}", True),
        Note("", taken, f"{each.value_taken:.3f}", False),
        Note("number", "", f"{each.index:,}"),
    )
    label = f"Image {each.index} of class {true}, taken for {taken} in {who}"
    return Panel(label, WRONG_INCHES, WRONG_INCHES, lambda f: draw_image(f.subplots(), each.image, grey), notes=notes)


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
