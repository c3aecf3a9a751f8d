"""Which columns of a table the answers rest on: how much worse they are when a column's cells are shuffled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import FigureBase

from twofold.report.drawing import BLUE, GREY, Panel, Picture, printable
from twofold.report.text import ENGINES, SPLITS, decimal, joined, of_data, plural
from twofold.runs import Run

if TYPE_CHECKING:
    from twofold.runs.table import Importance, TableFacts

MOST = 20
"""Columns that are drawn at most, the most important ones."""
NAMED = 3
"""Columns that the caption names."""


def pictures(run: Run, image: int | None = None) -> list[Picture]:
    """One figure; none where the samples are no table, or the folder is an older one."""
    facts = run.table
    if facts is None or not facts.importance:
        return []
    shown = facts.importance[:MOST]
    panel = Panel(
        "Permutation importance of the columns, with 95 % intervals",
        5.6,
        0.7 + 0.23 * len(shown),
        lambda figure: _draw(figure, shown, _measure(run)),
    )
    return [Picture("importance", (panel,), importance_caption(run, facts, len(shown)), narrow=True)]


def _measure(run: Run) -> str:
    if run.record.data.task == "regression":
        return "R² that is lost"
    logarithmic = run.recipe.loss.takes_logits or run.record.data.task == "multi_label"
    return "rise of the log loss" if logarithmic else "accuracy that is lost"


def importance_caption(run: Run, facts: TableFacts, shown: int) -> str:
    """How it was measured, and what matters."""
    count, data = len(facts.importance), run.record.data
    which = f" The {shown} most important of {len(facts.columns):,}." if shown < len(facts.columns) else ""
    certain = [fact for fact in facts.importance if fact.low > 0]
    named = joined([f"{fact.column} ({decimal(fact.value, 2)})" for fact in certain[:NAMED]])
    if not certain:
        verdict = "No column’s interval is above 0: what the network answers rests on none of them for certain."
    elif len(certain) == count:
        verdict = f"All intervals are above 0; most matters {named}." if count > 1 else f"What matters is {named}."
    else:
        who = f"{'is' if len(certain) == 1 else 'are'} {len(certain)} of {count} columns"
        verdict = f"With the whole interval above 0 {who}: "
        verdict += f"{'first of all ' if len(certain) > NAMED else ''}{named}."
    warning = "" if facts.split != "train" else " These rows were trained on: what is known by heart counts, too."
    return (
        f"Permutation importance in {ENGINES[facts.engine]}: the {_measure(run)} when the cells of one column are "
        f"shuffled among {facts.rows:,} {SPLITS[data.held_out]} rows{of_data(run)}, the mean of "
        f"{plural(facts.repeats, 'shuffling')} with its 95 % interval, over rows and shufflings.{which} {verdict} "
        f"Columns that tell the same share what they matter.{warning}"
    )


def _draw(figure: FigureBase, shown: Sequence[Importance], measure: str) -> None:
    axes = figure.subplots()
    places = np.arange(len(shown))[::-1]
    axes.axvline(0, color=GREY, linewidth=0.8)
    for place, fact in zip(places, shown, strict=True):
        colour = BLUE if fact.low > 0 else GREY
        axes.plot([fact.low, fact.high], [place, place], color=colour, linewidth=1.6, solid_capstyle="butt")
        axes.plot([fact.value], [place], "o", color=colour, markersize=4.5)
    axes.set_yticks(places, [printable(fact.column, at + 1, 26) for at, fact in enumerate(shown)])
    axes.set(xlabel=measure, ylim=(-0.7, len(shown) - 0.3))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
