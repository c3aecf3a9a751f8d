"""The first held-out images, with what was answered for them before and after training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from twofold.analysis import Preview, previews
from twofold.arrays import Array
from twofold.report.drawing import INK, Look, Note, Panel, Picture, printable
from twofold.report.images import class_bars, draw_image, grey_scale
from twofold.report.text import ENGINES, SPLITS, decimal, of_data
from twofold.runs import Run

MOST_LABELS = 10


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure, of the first engine's answers; how far the other's differ is said in words. None without images."""
    by_engine = previews(run)
    if not by_engine:
        return []
    data = run.record.data
    caption = cards_caption(by_engine, SPLITS[data.held_out], of_data(run))
    return [previews_picture(by_engine[0], data.classes, grey_scale(run), caption)]


def previews_picture(preview: Preview, classes: Sequence[str], grey: str, caption: str) -> Picture:
    """The first images, each with the probability of every class before and after training."""
    places = range(len(preview.images))
    return Picture("first-predictions", tuple(_card(preview, i, classes, grey) for i in places), caption, form="cards")


def cards_caption(previews: Sequence[Preview], split: str, of: str = "") -> str:
    """What the bars are, and how far the engines' values are apart."""
    first, *others = previews
    count = len(first.images)
    which = f"The first {count} {split} images{of}" if count > 1 else f"The first {split} image{of}"
    text = (
        f"{which}, with the {first.measure} that "
        f"{ENGINES[first.engine]} gives to each class: outlined before any training, filled after it "
        "(the true class in blue, the others in orange)."
    )
    for other in others:
        apart = float(np.abs(other.after - first.after).max())
        text += f" {ENGINES[other.engine]}’s values after training differ by at most {decimal(apart, 2)}."
    return text


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
    """A note on what was answered: the class with the largest output, and whether it is right."""
    best = int(outputs.argmax())
    return Note(when, classes[best], f"{outputs[best]:.3f}", best == true)


def _bars(axes: Axes, before: Array, after: Array, true: int, classes: Sequence[str]) -> None:
    x = class_bars(axes, after, true)
    outline: Look = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.7}
    axes.bar(x, before, width=0.85, **outline)
    axes.set_ylim(min(0.0, float(min(before.min(), after.min()))), max(1.0, float(after.max())))
    few = len(classes) <= MOST_LABELS and all(len(name) <= 2 for name in classes)
    axes.set_xticks(x if few else [], [printable(name, c) for c, name in enumerate(classes)] if few else [])
    axes.tick_params(length=0, pad=2)
