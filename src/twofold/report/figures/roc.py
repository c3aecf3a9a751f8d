"""The ROC curve of a table's classes: what share of a class is found, at what share of false alarms."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import FigureBase

from twofold.analysis.answers import Judged, Roc, roc_curves, table_answers
from twofold.report.axes import THIN
from twofold.report.drawing import COLOURS, DASHES, GREY, Key, Look, Panel, Picture, printable
from twofold.report.text import ENGINES, SPLITS, joined, of_data, plural
from twofold.runs import Run

MOST = 6
"""Classes that are drawn, those with the smallest areas."""


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure: one curve for two classes, else one for each class against the rest. None for numbers to predict."""
    judged, task = table_answers(run), run.record.data.task
    curves = [] if judged is None or task == "regression" else roc_curves(judged, task)
    if judged is None or not curves:
        return []
    chosen = sorted(curves, key=lambda curve: curve.area)[:MOST]
    chosen = [curve for curve in curves if curve in chosen]

    def draw(figure: FigureBase) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        for number, curve in enumerate(chosen):
            axes.step(curve.false_positives, curve.true_positives, where="post", **_look(number))
        axes.set(xlabel="share of the others taken for it", ylabel="share of it that is found", aspect="equal")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))

    panel = Panel(f"ROC curve of {joined([printable(c.name, i) for i, c in enumerate(chosen)])}", 3.6, 3.6, draw)
    legend = tuple(Key(f"{curve.name}, {curve.area:.3f}", _look(i)) for i, curve in enumerate(chosen))
    caption = roc_caption(run, judged, curves, chosen)
    return [Picture("roc", (panel,), caption, legend if len(chosen) > 1 else (), narrow=True)]


def _look(number: int) -> Look:
    return THIN | {"color": COLOURS[number % len(COLOURS)], "linestyle": DASHES[number % len(DASHES)]}


def roc_caption(run: Run, judged: Judged, curves: Sequence[Roc], chosen: Sequence[Roc]) -> str:
    """What it shows, and the area with its interval."""
    rows = f"{plural(len(judged.target), SPLITS[run.record.data.held_out] + ' row')}{of_data(run)}"
    begin = f"ROC curve of {ENGINES[judged.engine]} over {rows}: each threshold of the probability finds "
    begin += "a share of a class, and takes a share of the others for it; on the grey line it tells nothing."
    if len(curves) == 1:
        metric = ((run.metrics or {}).get("engines") or {}).get(judged.engine, {}).get("roc_auc") or {}
        low, high = metric.get("low"), metric.get("high")
        interval = (
            "" if low is None or high is None else f", 95 % of bootstrap samples between {low:.3f} and {high:.3f}"
        )
        return f"{begin} The area under that of {curves[0].name} is {curves[0].area:.3f}{interval}."
    which = f"The {len(chosen)} of {len(curves)} with the smallest areas" if len(chosen) < len(curves) else "Each"
    lowest = min(curves, key=lambda curve: curve.area)
    return f"{begin} {which} against the rest, with its area; the smallest is that of {lowest.name}, {lowest.area:.3f}."
