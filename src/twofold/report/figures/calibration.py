"""The calibration curve of a table's probabilities: whether seven in ten are so where it says 0.7."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import FigureBase

from twofold.analysis.answers import Bin, calibration_bins, judged_probabilities, table_answers
from twofold.arrays import Array
from twofold.report.drawing import BLUE, GREY, SOFT, Panel, Picture
from twofold.report.text import ENGINES, SPLITS, decimal, of_data, plural
from twofold.runs import Run


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure; with more than two classes it is about the class that is answered. None for numbers to predict."""
    judged, task = table_answers(run), run.record.data.task
    if judged is None or task == "regression":
        return []
    p, right, what = judged_probabilities(judged, task)
    bins = calibration_bins(p, right)
    label = f"Calibration of the probability of {what}"
    panel = Panel(label, 3.6, 4.2, lambda figure: _draw(figure, bins, p, what))
    error = sum(bin_.count * abs(bin_.probability - bin_.share) for bin_ in bins) / len(p)
    caption = (
        f"Calibration of {ENGINES[judged.engine]}: of the answers to "
        f"{plural(len(judged.target), SPLITS[run.record.data.held_out] + ' row')}{of_data(run)} in bins by the "
        f"probability of {what}, the share of which it is so, with its 95 % interval; on the grey line probabilities "
        f"are as they say. Below, how often each is given. The mean distance from the line, over all answers, "
        f"is {decimal(error, 3)}."
    )
    return [Picture("calibration", (panel,), caption, narrow=True)]


def _draw(figure: FigureBase, bins: list[Bin], p: Array, what: str) -> None:
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    above.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
    x, share = (np.array([getattr(bin_, name) for bin_ in bins]) for name in ("probability", "share"))
    ends = np.array([[bin_.share - bin_.low, bin_.high - bin_.share] for bin_ in bins]).T
    above.errorbar(x, share, np.maximum(ends, 0), fmt="o", color=BLUE, markersize=4, elinewidth=1.0, capsize=2)
    top = max(max(bin_.end, bin_.high) for bin_ in bins)
    top = 1.0 if top > 0.5 else 1.05 * top
    above.set(ylabel="share that is so", ylim=(-0.02 * top, 1.02 * top), xlim=(-0.02 * top, 1.02 * top))
    below.hist(p, np.linspace(0, top, 41), color=SOFT)
    below.set(xlabel=f"probability of {what}", ylabel="answers")
    below.locator_params(axis="y", nbins=3)
