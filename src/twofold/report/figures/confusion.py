"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap

from twofold.analysis import Confusion, Mistake, confusion
from twofold.arrays import Array
from twofold.report.drawing import BLUE, INK, VERMILLION, Panel, Picture, printable
from twofold.report.text import ENGINES, SPLITS, of_data, plural
from twofold.runs import Run

MOST_NUMBERS = 20
"""Classes up to which the cells are large enough for a number."""
LINES = "#d0d0d0"
RIGHT = LinearSegmentedColormap.from_list("right", ["#ffffff", BLUE])
WRONG = LinearSegmentedColormap.from_list("wrong", ["#ffffff", VERMILLION])


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One matrix for engines that predict the same, else one for each engine."""
    split, of = run.record.data.held_out, of_data(run)
    return [matrix_picture(matrix, confusion_caption(matrix, split, of)) for matrix in confusion(run)]


def matrix_picture(confusion: Confusion, caption: str) -> Picture:
    """Right answers on the diagonal in one colour, confusions in another with a scale of their own."""
    who = " and ".join(ENGINES[engine] for engine in confusion.engines)
    size = min(1.2 + 0.42 * len(confusion.classes), 5.4)
    label = f"Confusion matrix of {who} in per cent, rows true classes, columns predicted ones"
    panel = Panel(label, size + 0.4, size, lambda figure: _draw(figure.subplots(), confusion))
    return Picture(f"confusion-{'-'.join(confusion.engines)}", (panel,), caption, narrow=True)


def confusion_caption(confusion: Confusion, split: str, of: str = "") -> str:
    """How to read the matrix, and its worst confusions."""
    who = ENGINES[confusion.engines[0]]
    if len(confusion.engines) > 1:
        who = "both engines, which predict the same class for every sample"
    total = plural(int(confusion.counts.sum()), f"{SPLITS[split]} sample")
    text = (
        f"Confusion matrix of {who}: {total}{of}, in per cent of each true class (rows). On the diagonal, "
        "in blue, the right answers; beside it, in orange, the confusions, the darker the more frequent. "
    )
    return text + worst_sentence(confusion.worst(), confusion.wrong)


def worst_sentence(worst: Sequence[Mistake], wrong: int) -> str:
    """The worst confusions by name."""
    if not worst:
        return "No sample is confused."
    first, *rest = [
        f"{mistake.true} is taken for {mistake.taken} in {mistake.percent:.1f} % of its samples "
        f"({mistake.count:,} of {mistake.samples:,})"
        for mistake in worst
    ]
    begin = "The one confusion: " if wrong == 1 else "Worst: "
    return begin + "; ".join([first, *rest]) + "."


def _draw(axes: Axes, confusion: Confusion) -> None:
    percent = np.nan_to_num(confusion.percent)
    classes = len(confusion.classes)
    diagonal = np.eye(classes, dtype=bool)
    worst = percent[~diagonal].max(initial=0.0) or 1.0
    colours = np.where(diagonal[..., None], RIGHT(percent / 100), WRONG(np.sqrt(percent / worst) * 0.75))
    axes.imshow(colours, interpolation="none")
    axes.grid(False)
    axes.spines[:].set(visible=True, color=LINES)
    axes.set(xlabel="predicted class", ylabel="true class")
    if classes > MOST_NUMBERS:
        axes.set(xlabel="number of the predicted class", ylabel="number of the true class")
        return
    for edge in np.arange(0.5, classes - 1):
        axes.axhline(edge, color=LINES, linewidth=0.6)
        axes.axvline(edge, color=LINES, linewidth=0.6)
    names = [printable(name, index) for index, name in enumerate(confusion.classes)]
    long = max(len(name) for name in names) > 3
    axes.set_xticks(range(classes), names, rotation=45 if long else 0, ha="right" if long else "center")
    axes.set_yticks(range(classes), names)
    axes.tick_params(length=0)
    for i, j in zip(*np.nonzero(confusion.counts), strict=True):
        dark = diagonal[i, j] and percent[i, j] > 65
        axes.text(
            j,
            i,
            _percent(percent[i, j]),
            ha="center",
            va="center",
            fontsize=8,
            color="white" if dark else INK,
        )
    _samples(axes, confusion)


def _samples(axes: Axes, confusion: Confusion) -> None:
    """Write at each row how many samples it stands for."""
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(confusion.classes)), [f"{count:,}" for count in confusion.samples])
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    right.set_ylabel("samples", rotation=270, labelpad=4, va="bottom")


def _percent(value: Array) -> str:
    return "100" if value == 100 else f"{value:.1f}"
