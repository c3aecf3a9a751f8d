"""The figures of a study: its metric along each axis, and what is averaged, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from matplotlib.axes import Axes
from matplotlib.figure import FigureBase

from twofold.errors import UserError
from twofold.recipe import load_recipe
from twofold.report.along import MOST_SERIES, along_panel, bounded, dotted, legend
from twofold.report.drawing import GREY, Panel, Picture, slug
from twofold.report.text import decimal, joined
from twofold.study import CARRIED, VANISHED, Axis, Series, StudyResult, metric_name, series_along

CARRIED_NAMES: dict[str, str] = dict(zip(CARRIED, ("before training", "after training"), strict=True))


def study_pictures(result: StudyResult, on_data: str) -> dict[str, list[Picture]]:
    """`pictures` of the metric and `carried` of the gradient through time, one for each axis with several values."""
    metrics = (_metric(result, axis, on_data) for axis in _drawn(result))
    carried = (_carried(result, axis) for axis in _drawn(result))
    return {
        "pictures": [picture for picture in metrics if picture],
        "carried": [picture for picture in carried if picture],
    }


def _drawn(result: StudyResult) -> list[Axis | None]:
    """The axes that have something to show; without one, the seeds alone. A label that two share gets the field."""
    several = [axis for axis in result.study.varied if len(axis.values) > 1]
    labels = [axis.name for axis in several]
    drawn = [
        axis.model_copy(update={"label": f"{axis.name} ({axis.field})"}) if labels.count(axis.name) > 1 else axis
        for axis in several
    ]
    return [*(drawn or result.study.varied[:1] or [None])]


def _companion(result: StudyResult, axis: Axis | None) -> Axis | None:
    """The axis whose values colours tell apart: one of categories before one of numbers, none with too many values."""
    others = [other for other in _drawn(result) if other is not None and other != axis]
    fit = [other for other in others if len(other.values) <= MOST_SERIES]
    return min(fit, key=lambda other: (other.numeric, len(other.values)), default=None)


def _series(result: StudyResult, axis: Axis | None, by: Axis | None, metric: str) -> list[Series]:
    finished = result.table.query("status == 'ok'")
    return series_along(finished, axis and axis.field, by and by.field, metric, metric in CARRIED)


def _against(axis: Axis | None) -> str:
    return f"against {axis.name}" if axis else "for each seed"


def _name(result: StudyResult, what: str, axis: Axis | None) -> str:
    """`along-optimizer-lr`, `along-seeds`; the second of two labels alike in ASCII letters ends in `-2`."""
    names = list[str]()
    for other in _drawn(result):
        name = slug(other.name) or slug(other.field) if other else "seeds"
        while name in names:
            name += "-2"
        names.append(name)
        if other == axis:
            break
    return f"{what}-{names[-1]}"


def _metric(result: StudyResult, axis: Axis | None, on_data: str) -> Picture | None:
    metric, by = result.study.metric, _companion(result, axis)
    series = _series(result, axis, by, metric)
    if not series:
        return None
    label = f"{metric_name(metric).capitalize()}{on_data} {_against(axis)}"
    caption = _caption(result, axis, by, series, "Means", ", cut at 0 and 1" if bounded(metric) else "")
    panel = along_panel(label, axis, series, metric)
    classes = _classes(result) if metric.endswith("accuracy") else None
    if classes:
        panel = _with_chance(panel, 1 / classes)
        caption += f" The dotted grey line is chance: one of {classes} classes."
    return Picture(_name(result, "along", axis), (panel,), f"{label}. {caption}", legend(series, by, axis), narrow=True)


def _classes(result: StudyResult) -> int | None:
    """How many classes every recipe of the study tells apart; `None` where they differ or a recipe is not at hand."""
    study = result.study
    names = next((axis.values for axis in study.axes if axis.field == "recipe"), (study.recipe,))
    try:
        recipes = [load_recipe(str(name), study.settings) for name in names]
    except UserError:
        return None
    widths = {recipe.network.nodes[-1].output_shape[-1] for recipe in recipes if recipe.task == "classification"}
    return widths.pop() if len(widths) == 1 else None


def _with_chance(panel: Panel, chance: float) -> Panel:
    """The panel with the accuracy of blind guessing as a line, and with limits that show it."""

    def draw(figure: FigureBase) -> None:
        panel.draw(figure)
        axes = cast(list[Axes], figure.axes)[0]
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.3, zorder=0)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, max(chance - 0.05, 0.0)), high)

    return replace(panel, draw=draw)


def _carried(result: StudyResult, axis: Axis | None) -> Picture | None:
    by = _companion(result, axis)
    by_name = {name: series for name in result.carried if (series := _series(result, axis, by, name))}
    if not by_name:
        return None
    alone = len(by_name) == 1
    panels = tuple(
        along_panel(
            f"Gradient carried {(title := CARRIED_NAMES[name])} {_against(axis)}",
            axis,
            series,
            "gradient_carried",
            alone,
            title,
        )
        for name, series in by_name.items()
    )
    series = next(iter(by_name.values()))
    caption = _caption(result, axis, by, series, "Geometric means", " of the logarithms")
    if any((result.table[name] == 0).any() for name in by_name):
        caption += f" A gradient of 0 is drawn at {decimal(VANISHED)}."
    caption += (
        " The gradient carried is the norm of ∂L/∂h at the first step of time over that at the last: 1 where nothing "
        "is lost on the way, near 0 where it vanishes."
    )
    label = f"Gradient carried through time {_against(axis)}"
    return Picture(_name(result, "carried", axis), panels, f"{label}. {caption}", legend(series, by, axis), narrow=True)


def _caption(
    result: StudyResult, axis: Axis | None, by: Axis | None, series: Sequence[Series], means: str, how: str
) -> str:
    """What is drawn, and what is averaged."""
    seeds, clauses = len(result.study.seeds), list[str]()
    if seeds > 1:
        drawn = "shaded" if axis is not None and axis.numeric and len(axis.values) > 1 else "as a bar"
        clauses.append(f"{means} over {seeds} seeds with the 95 % interval (Student’s t{how}) {drawn}")
        clauses.append("every seed is a dot" if dotted(series) else "the seeds are too many to be drawn one by one")
    else:
        clauses.append("One seed a point")
    averaged = [other for other in _drawn(result) if other is not None and other not in (axis, by)]
    names = [f"the {len(other.values)} values of {other.name}" for other in averaged]
    names += [f"the {result.study.tests} folds"] if result.study.tests > 1 else []
    if names:
        clauses.append(f"what is drawn of a seed is its mean over {joined(names)}")
    failed = " Points that failed are left out." if result.failed else ""
    return "; ".join(clauses) + f".{failed}"
