"""The figures of a run's report, one file each: what it shows, its caption, its drawing.

A figure is a module here with a function `pictures`, which gives what there is to draw of a run, and a place in
`SECTIONS`. The page, `--figures` and the list in docs/figures.md are written from that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType

from twofold.report.classes import ClassTable, class_table_of
from twofold.report.drawing import Picture
from twofold.report.figures import (
    calibration,
    confusion,
    curves,
    dependence,
    first_predictions,
    first_weights,
    gap,
    importance,
    maps,
    most_wrong,
    points,
    residuals,
    roc,
    signals,
    through_time,
    units,
)
from twofold.report.plain import PlainTable
from twofold.report.table_facts import calibration_table, columns_table, worst_table
from twofold.runs import Run


@dataclass(frozen=True)
class Section:
    """A heading of the page, and the modules of the figures under it."""

    heading: str
    figures: tuple[ModuleType, ...]
    without: str = ""
    """What is said where there is nothing to draw; where it is empty the section is left out."""
    table: Callable[[Run], ClassTable | None] | None = None
    """A table before the figures."""
    plain: tuple[Callable[[Run], PlainTable | None], ...] = ()
    """Tables of text after the figures; a section without figures may have them."""
    plainer: Callable[[Sequence[Picture], ClassTable | None], str] | None = None
    """Gives a plainer heading where `heading` would promise more than there is, else an empty text."""


@dataclass(frozen=True)
class FilledSection:
    """A section of a run's page."""

    heading: str
    pictures: list[Picture]
    text: str = ""
    table: ClassTable | None = None
    plain: list[PlainTable] = field(default_factory=list)


SECTIONS = (
    Section(
        "Course of training",
        (curves, gap),
        without="Training ended before a second evaluation: there is no curve to draw.",
    ),
    Section("The columns of the table", (), plain=(columns_table,)),
    Section("Which columns matter, and how", (importance, dependence)),
    Section("Probabilities", (roc, calibration), plain=(calibration_table,)),
    Section("Predicted and true", (residuals,)),
    Section("Rows that are answered worst", (), plain=(worst_table,)),
    Section("Gradients, updates and units", (signals, units)),
    Section(
        "Points and decision boundary",
        (points,),
        plainer=lambda pictures, _: "" if pictures[0].panels[0].title else "Points",
    ),
    Section("What the first layer looks for", (first_weights,)),
    Section("The gradient through time", (through_time,)),
    Section("One image, layer by layer", (maps,)),
    Section("First predictions, before and after training", (first_predictions,)),
    Section("Most confidently wrong", (most_wrong,)),
    Section(
        "Classes and confusions",
        (confusion,),
        table=class_table_of,
        plainer=lambda _, table: "" if table else "Confusions",
    ),
)
"""The sections of a run's page, in order."""


def filled_sections(run: Run, image: int | None = None) -> list[FilledSection]:
    """What there is to show of a run, section by section. `image` is the held-out image that is shown layer by layer.

    Raises `UserError` for an image that cannot be had.
    """
    filled = list[FilledSection]()
    for section in SECTIONS:
        pictures = [picture for figure in section.figures for picture in figure.pictures(run, image)]
        plain = [table for make in section.plain if (table := make(run)) is not None]
        if not pictures and not plain:
            if section.without:
                filled.append(FilledSection(section.heading, [], section.without))
            continue
        table = section.table(run) if section.table else None
        heading = (section.plainer(pictures, table) if section.plainer else "") or section.heading
        filled.append(FilledSection(heading, pictures, table=table, plain=plain))
    return filled
