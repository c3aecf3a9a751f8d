"""The figures of a search: its trials over time, what mattered, and the metric along each parameter."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from twofold.report.along import logarithmic, value_words
from twofold.report.drawing import BLUE, GREY, INK, MARKER, VERMILLION, Key, Look, Panel, Picture, printable
from twofold.report.text import decimal
from twofold.study.result import metric_name
from twofold.study.search.result import SearchResult
from twofold.study.table import cell

MOST_SLICES = 8
DOT: Look = {"marker": "o", "markersize": 4.0, "linestyle": "", "color": BLUE, "alpha": 0.7}
WINNER: Look = {"marker": "*", "markersize": 9.0, "linestyle": "", "color": VERMILLION}
LINE: Look = {"color": INK, "linewidth": 1.2, "drawstyle": "steps-post"}


def over_time_picture(result: SearchResult) -> Picture | None:
    """The metric of every trial in the order of the trials, and the best so far; `None` for fewer than two."""
    trials = sorted(result.ranked(), key=lambda point: point.trial or 0)
    if len(trials) < 2:
        return None
    numbers = [point.trial or 0 for point in trials]
    scores = [result.score(point) or 0.0 for point in trials]
    better = max if result.search.maximizes else min
    best = [better(scores[: index + 1]) for index in range(len(scores))]

    def draw(figure: FigureBase) -> None:
        axes: Axes = figure.subplots()
        axes.plot(numbers, scores, **DOT)
        axes.plot(numbers, best, **LINE)
        _mark_winner(axes, result, numbers, scores)
        axes.set(xlabel="trial", ylabel=metric_name(result.search.metric))

    name = metric_name(result.search.metric).capitalize()
    caption = f"{name} of each trial in the order in which they were proposed, and the best so far."
    keys = (Key("trial", DOT, MARKER), Key("best so far", LINE))
    return Picture("trials", (Panel(f"{name} of each trial", 6.4, 3.2, draw),), caption, keys, narrow=True)


def importance_picture(result: SearchResult) -> Picture | None:
    """The share of the variance that each parameter explains; `None` for fewer than two parameters."""
    importance = result.found.importance if result.found else {}
    if len(importance) < 2:
        return None
    names = list(importance)[:MOST_SLICES]

    def draw(figure: FigureBase) -> None:
        axes: Axes = figure.subplots()
        axes.barh(
            [printable(name, index, 40) for index, name in enumerate(names)], [importance[name] for name in names]
        )
        axes.invert_yaxis()
        axes.set(xlabel="share of the variance that it explains", xlim=(0, 1))
        axes.grid(axis="y", visible=False)

    metric = metric_name(result.search.metric)
    caption = (
        f"What mattered: the share of the variance of the {metric} that each parameter explains by itself and with "
        "others (functional ANOVA over the trials). It says nothing of values outside the ranges that were searched."
    )
    height = 0.9 + 0.32 * len(names)
    return Picture("importance", (Panel("Importance of each parameter", 6.4, height, draw),), caption, narrow=True)


def slices_picture(result: SearchResult) -> list[Picture]:
    """The metric against each parameter, the others whatever they were."""
    importance = result.found.importance if result.found else {}
    names = [name for point in result.ranked() for name in result.values(point)]
    ordered = sorted(dict.fromkeys(names), key=lambda name: -importance.get(name, 0.0))[:MOST_SLICES]
    metric = metric_name(result.search.metric).capitalize()
    panels = tuple(
        Panel(f"{metric} against {name}", 3.1, 2.5, lambda figure, name=name: _slice(figure, result, name))
        for name in ordered
    )
    if not panels:
        return []
    others = "what the others were differs from dot to dot. The star is the winner."
    caption = f"{metric} of each trial against one parameter at a time; {others}"
    return [Picture("slices", panels, caption, (Key("trial", DOT, MARKER), Key("winner", WINNER, MARKER)))]


def _slice(figure: FigureBase, result: SearchResult, name: str) -> None:
    axes: Axes = figure.subplots()
    points = [point for point in result.ranked() if name in result.values(point)]
    values = [result.values(point)[name] for point in points]
    scores = [result.score(point) or 0.0 for point in points]
    places = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(places) == len(values):
        if logarithmic(places):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=5))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: decimal(value)))
            axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        texts = list(dict.fromkeys(value_words(cell(value)) for value in values))
        places = [float(texts.index(value_words(cell(value)))) for value in values]
        axes.set_xticks(range(len(texts)), [printable(text, index, 12) for index, text in enumerate(texts)])
    axes.plot(places, scores, **DOT)
    winner = result.found.winner if result.found else None
    for place, score, point in zip(places, scores, points, strict=True):
        if point.trial == winner:
            axes.plot([place], [score], **WINNER)
    axes.set(xlabel=printable(name, 0, 40), ylabel=metric_name(result.search.metric))


def _mark_winner(axes: Axes, result: SearchResult, numbers: list[int], scores: list[float]) -> None:
    winner = result.found.winner if result.found else None
    if winner in numbers:
        axes.axvline(winner, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.plot([winner], [scores[numbers.index(winner)]], **WINNER)
