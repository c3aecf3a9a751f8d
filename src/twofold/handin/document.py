"""From the trained parts to one page: cover, parts in the assignment's order, appendix."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from twofold.analysis.comparison import same_task
from twofold.handin.code import part_code
from twofold.handin.spec import TEXTS, Source
from twofold.handin.trainings import TrainedPart
from twofold.report.comparison import MOST, comparison_facts
from twofold.report.drawing import Picture
from twofold.report.page import run_facts
from twofold.report.study import study_facts
from twofold.report.template import Filled, filled
from twofold.report.text import MONTHS, refer, referred
from twofold.runs import Run

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

Facts = dict[str, object]


@dataclass(frozen=True)
class RunPart:
    """A run as the document shows it."""

    name: str
    page: Facts
    """The facts of its page from `twofold.report.page`, its figures under names that are unique in the document."""
    network_of: str
    """The title of an earlier run of the part with the same network, whose tables stand for this one; else empty."""


@dataclass(frozen=True)
class DocumentPart:
    """A part as the template draws it."""

    roman: str
    title: str
    texts: Mapping[str, Markup]
    runs: list[RunPart]
    comparisons: list[Facts]
    """The comparison of each task that several runs share."""
    studies: list[Facts]
    code: list[tuple[str, str]]
    """Files of the assignment and what they hold."""


def page_facts(parts: Sequence[TrainedPart]) -> dict[str, Facts]:
    """What the page of each run and study is filled with, by its name: document and notebooks share its drawings."""
    runs = {name: run_facts(run) for part in parts for name, run in part.runs.items()}
    return runs | {name: study_facts(study) for part in parts for name, study in part.studies.items()}


def render_document(source: Source, parts: Sequence[TrainedPart], facts: Mapping[str, Facts]) -> Filled:
    """The page of the whole document and its figures; `facts` are those of `page_facts`."""
    handin = source.handin
    document: Facts = {
        "handin": handin,
        "date": _date(parts),
        "version": max((run.record.circumstances.version for part in parts for run in part.runs.values()), default=""),
        "parts": [_document_part(source, part, facts) for part in parts],
        "texts": TEXTS,
    }
    return filled("handin.html.jinja", document, "twofold.handin")


def _date(parts: Sequence[TrainedPart]) -> str:
    """The day of the last training: the same folders give the same page."""
    finished = [run.record.finished for part in parts for run in part.runs.values()]
    finished += [point.finished for part in parts for study in part.studies.values() for point in study.points]
    if not finished:
        return ""
    day = date.fromisoformat(max(finished)[:10])
    return f"{day.day} {MONTHS[day.month - 1]} {day.year}"


def _document_part(source: Source, part: TrainedPart, facts: Mapping[str, Facts]) -> DocumentPart:
    return DocumentPart(
        roman=part.roman,
        title=part.part.title,
        texts={section: markdown(source.own_text(part.part, section)) for section in TEXTS},
        runs=_run_parts(part, facts),
        comparisons=[
            _scoped(comparison_facts(runs[:MOST]), f"{part.name}-task{number}")
            for number, runs in enumerate(_by_task(list(part.runs.values())), start=1)
            if len(runs) > 1
        ],
        studies=[_scoped(facts[name], name) for name in part.studies],
        code=part_code(part.index, part.part.code),
    )


def _run_parts(part: TrainedPart, facts: Mapping[str, Facts]) -> list[RunPart]:
    """The runs of a part; one with the network of an earlier run refers to that run's tables."""
    titles_by_network = dict[str, str]()
    run_parts = list[RunPart]()
    for name, run in part.runs.items():
        network = repr(run.recipe.network)
        run_parts.append(RunPart(name, _scoped(facts[name], name), titles_by_network.get(network, "")))
        titles_by_network.setdefault(network, _title(run))
    return run_parts


def _by_task(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs in groups whose accuracies measure the same."""
    groups = list[list[Run]]()
    for run in runs:
        group = next((group for group in groups if same_task([group[0], run])), None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    return groups


def _title(run: Run) -> str:
    return run.record.title or run.name


def _scoped(facts: Facts, scope: str) -> Facts:
    """The facts of a page with its figures under names that no other page of the document has."""
    return {key: _renamed(value, scope) for key, value in facts.items()}


def _renamed(value: object, scope: str) -> object:
    """The value with every figure in it, and every reference to one, under its name in the document."""
    if isinstance(value, Picture):
        return _scoped_picture(value, scope)
    if isinstance(value, str):
        return type(value)(referred(value, lambda name: refer(f"{scope}-{name}"))) if "\ue000" in value else value
    if isinstance(value, list):
        return [_renamed(element, scope) for element in value]
    fields = {
        name: _renamed(getattr(value, name), scope)
        for name in ("pictures", "text", "caption")
        if name in getattr(type(value), "__dataclass_fields__", {})
    }
    return replace(value, **fields) if fields else value  # pyright: ignore[reportArgumentType]


def _scoped_picture(picture: Picture, scope: str) -> Picture:
    panels = tuple(panel.under(f"{scope}: {panel.label}") for panel in picture.panels)
    caption = str(_renamed(picture.caption, scope))
    return replace(picture, name=f"{scope}-{picture.name}", panels=panels, caption=caption)


def markdown(text: str) -> Markup:
    """A student's text as HTML: no HTML of its own passes, links lead to web pages alone, headings stay below ours."""
    return Markup(re.sub(r"<(/?)h[1-6]>", r"<\1h5>", _parser().render(text))) if text.strip() else Markup()


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")


def write_document(source: Source, parts: Sequence[TrainedPart], facts: Mapping[str, Facts], path: Path) -> Filled:
    """Write the page and return it."""
    from twofold.runs import write_whole

    page = render_document(source, parts, facts)
    write_whole(path, page.html.encode())
    return page
