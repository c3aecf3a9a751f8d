"""The curves of several runs in one picture, told apart by colour and by dash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from twofold.analysis import Curve, GapCurve, gap_curves
from twofold.analysis.comparison import same_task
from twofold.report.axes import PALE, SIZE, THIN, finish_axes, logarithmic, plain_ticks, thinned
from twofold.report.drawing import COLOURS, DASHES, GREY, INK, Key, Look, Panel, Picture
from twofold.report.text import ENGINES, SPLITS, joined, quality_words, seen
from twofold.runs import Run


def curves_caption(runs: Sequence[Run], splits: Sequence[str], against: str) -> str:
    """What the curves show."""
    where = joined([SPLITS[split] for split in splits])
    word = quality_words(runs)
    text = f"{word[0].upper()}{word[1:]} and loss on the {where} samples, run by run. {against}"
    if len(splits) == 1:
        text += " The runs hold out samples of different kinds, whose curves are not drawn in one picture."
    if not same_task(runs):
        text += " The tasks are not the same: only the courses can be compared, not the heights."
    elif len({(run.recipe.loss.kind) for run in runs}) > 1:
        text += " The losses are not of one kind: their heights cannot be compared."
    return text


def gap_caption(runs: Sequence[Run], splits: Sequence[str]) -> str:
    """What the gap is."""
    what, word = " or ".join(dict.fromkeys(map(seen, runs))), quality_words(runs)
    return (
        f"Training {word} minus {SPLITS[splits[-1]]} {word}: above 0 the network does better on what {what}, and "
        "the higher, the more it over-fits."
    )


def curves_picture(
    curves_of_runs: Sequence[Sequence[Curve]],
    names: Sequence[str],
    splits: Sequence[str],
    unit: str,
    caption: str,
    quality: str = "accuracy",
) -> Picture:
    """Accuracy, or R², and loss, each on the training samples and on those held out: four panels, or two."""
    panels = tuple(
        _panel(curves_of_runs, split, quantity, unit, len(names)) for quantity in (quality, "loss") for split in splits
    )
    return Picture("curves", panels, caption, _legend(curves_of_runs, names))


def gap_picture(
    curves_of_runs: Sequence[Sequence[Curve]],
    names: Sequence[str],
    unit: str,
    caption: str,
    quality: str = "accuracy",
) -> Picture | None:
    """Training accuracy, or R², minus the held-out one.

    `None` where a run has too few evaluations, or the splits differ.
    """
    gaps = [gap_curves(curves) for curves in curves_of_runs]
    if not all(gaps) or len({gap.split for gaps_of_run in gaps for gap in gaps_of_run}) > 1:
        return None
    split = gaps[0][0].split

    def draw(figure: FigureBase) -> None:
        axes: Axes = figure.subplots()
        axes.axhline(0, color=GREY, linewidth=0.8)
        for run, gaps_of_run in enumerate(gaps):
            for gap in gaps_of_run:
                step_slice = thinned(gap)
                axes.plot(gap.x[step_slice], gap.gap[step_slice], **_look(run, gap, gaps_of_run))
        end = max(gap.x[-1] for gaps_of_run in gaps for gap in gaps_of_run)
        axes.set(xlabel=unit, ylabel=f"training − {SPLITS[split]}", xlim=(0, end))
        plain_ticks(axes)

    panel = Panel(f"Training {quality} minus {SPLITS[split]} {quality} against {unit}, run by run", 5.6, 2.6, draw)
    return Picture("gap", (panel,), caption, _legend(curves_of_runs, names), narrow=True)


def _panel(curves_of_runs: Sequence[Sequence[Curve]], split: str, quantity: str, unit: str, runs: int) -> Panel:
    drawn = [[curve for curve in curves if curve.split == split] for curves in curves_of_runs]

    def draw(figure: FigureBase) -> None:
        axes: Axes = figure.subplots()
        for run, curves in enumerate(drawn):
            for curve in curves:
                step_slice = thinned(curve)
                values = curve.loss if quantity == "loss" else curve.quality
                axes.plot(
                    curve.x[step_slice],
                    np.where(np.isfinite(values), values, np.nan)[step_slice],
                    **_look(run, curve, curves),
                )
        every = [curve for curves in drawn for curve in curves]
        finish_axes(axes, unit, quantity, max(curve.x[-1] for curve in every), logarithmic(every))

    title = f"{SPLITS[split].capitalize()} {quantity}"
    return Panel(f"{title} against {unit}, {runs} runs", *SIZE, draw, title)


def _look(run: int, curve: Curve | GapCurve, beside: Sequence[Curve | GapCurve]) -> Look:
    """The look of a line: of two engines the first is thick and pale, the other thin upon it, alike in every run."""
    pale = len(beside) > 1 and curve.engine == _in_order(beside)[0]
    return {"color": COLOURS[run], **(PALE if pale else THIN | {"linestyle": DASHES[run]})}


def _in_order(curves: Iterable[Curve | GapCurve]) -> list[str]:
    """The engines of some curves, NumPy first, whichever a run trained first."""
    present = {curve.engine for curve in curves}
    return [engine for engine in ENGINES if engine in present]


def _legend(curves_of_runs: Sequence[Sequence[Curve]], names: Sequence[str]) -> tuple[Key, ...]:
    keys = [
        Key(name, {"color": COLOURS[run], "linestyle": DASHES[run], "linewidth": 1.6}, 0.5)
        for run, name in enumerate(names)
    ]
    engines = max(map(_in_order, curves_of_runs), key=len)
    if len(engines) > 1:
        keys.append(Key(f"{ENGINES[engines[0]]} (wide, pale)", PALE | {"color": INK}))
        keys.append(Key(f"{ENGINES[engines[1]]} (thin)", THIN | {"color": INK}))
    return tuple(keys)
