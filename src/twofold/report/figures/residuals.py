"""Predicted numbers against the true ones, and the distribution of the errors."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import FigureBase

from twofold.analysis.answers import table_answers
from twofold.arrays import Array
from twofold.report.drawing import BLUE, GREY, Draw, Panel, Picture
from twofold.report.text import ENGINES, SPLITS, decimal, of_data, plural
from twofold.runs import Run

MOST_TARGETS = 4
MOST_POINTS = 2000


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure of the first targets, two panels each; none where classes or labels are answered."""
    judged = table_answers(run)
    if judged is None or run.record.data.task != "regression":
        return []
    panels, notes = list[Panel](), list[str]()
    for place, name in enumerate(judged.names[:MOST_TARGETS]):
        true, answer = judged.target[:, place].astype(np.float64), judged.answers[:, place]
        title = f"`{name}`" if len(judged.names) > 1 else ""
        panels.append(_panel(f"Predicted {name} against the true one", title, _scatter(true, answer)))
        panels.append(_panel(f"Errors of {name}", title, _histogram(answer - true)))
        notes.append(_note(name if len(judged.names) > 1 else "", answer - true))
    rows = f"{plural(len(judged.target), SPLITS[run.record.data.held_out] + ' row')}{of_data(run)}"
    which = f" The first {MOST_TARGETS} of {len(judged.names)} numbers." if len(judged.names) > MOST_TARGETS else ""
    caption = (
        f"What {ENGINES[judged.engine]} predicts of {rows} against what is so, on the grey line where it is right, and "
        f"how often it is how far off, predicted minus true.{which} {' '.join(notes)}"
    )
    return [Picture("residuals", tuple(panels), caption)]


def _panel(label: str, title: str, draw: Draw) -> Panel:
    return Panel(label, 3.5, 3.0, draw, title)


def _scatter(true: Array, answer: Array) -> Draw:
    step = -(-len(true) // MOST_POINTS)

    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        ends = [min(true.min(), answer.min()), max(true.max(), answer.max())]
        axes.plot(ends, ends, color=GREY, linewidth=0.8)
        axes.plot(true[::step], answer[::step], ".", color=BLUE, markersize=6, alpha=0.6, markeredgewidth=0)
        axes.set(xlabel="true", ylabel="predicted")

    return draw


def _histogram(errors: Array) -> Draw:
    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.hist(errors, bins=min(30, max(8, int(np.sqrt(len(errors))))), color=BLUE, alpha=0.75)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set(xlabel="predicted − true", ylabel="rows")

    return draw


def _note(name: str, errors: Array) -> str:
    """Mean and spread of the errors, and how far off the middle half and nearly all are."""
    half, most = np.quantile(np.abs(errors), [0.5, 0.95])
    what = f"of {name} " if name else ""
    mean = decimal(float(errors.mean()), 3).replace("-", "−")
    return (
        f"Half of the answers {what}are at most {decimal(float(half), 3)} off, 95 % at most {decimal(float(most), 3)}; "
        f"the mean error is {mean}, the standard deviation {decimal(float(errors.std()), 3)}."
    )
