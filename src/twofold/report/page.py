"""From a run folder to `report.html`: one file that opens anywhere, without network."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

from twofold.analysis import findings
from twofold.probe.kept import asks
from twofold.probe.steps import layer_steps, loss_step
from twofold.report import sentences, tables
from twofold.report.derivations import derivations
from twofold.report.diagram import network_picture
from twofold.report.figures import filled_sections
from twofold.report.findings import sentences as findings_sentences
from twofold.report.halves import drawing_beside
from twofold.report.microscope import recorded
from twofold.report.template import Filled, filled, prepare
from twofold.report.text import folder_name, moment, of_data, quality_word
from twofold.report.walk import chapter
from twofold.runs import REPORT, Run, opened, write_whole

TEMPLATES = ("page.html.jinja", "run.html.jinja", "macros.html.jinja", "page.css")
"""The template of the page, and those that it uses."""


def write_report(run: Run | str | Path, image: int | None = None, *, author: str = "", halves: bool = False) -> Path:
    """Write `report.html` from the run folder alone, and return its path.

    The same folder gives the same bytes. A run that failed or was interrupted is reported as far as it came. `image` is
    the place, from 0, of the held-out image that is shown layer by layer, of a network with convolutions; for one that
    the folder does not hold the data are loaded. `author` stands under the title. With `halves` two processes draw at
    once where that is possible: this one and a copy of it.

    Raises `RunFolderError` for a folder that is missing, half-written or damaged, or cannot be written to, and
    `UserError` for an image that cannot be had.
    """
    run = opened(run)
    write_whole(run.path / REPORT, render(run, image, author=author, halves=halves).html.encode())
    return run.path / REPORT


def render(run: Run, image: int | None = None, *, author: str = "", halves: bool = False) -> Filled:
    """The page and its figures, drawn by two processes at once with `halves`."""
    return filled_page(run_facts(run, image, halves=halves), author)


def filled_page(facts: dict[str, object], author: str = "") -> Filled:
    """The page of what `run_facts` tells of a run."""
    return filled(TEMPLATES[0], {"page": facts | {"author": author}})


def run_facts(run: Run, image: int | None = None, *, halves: bool = False) -> dict[str, object]:
    """What the parts of a run's page in `run.html.jinja` are filled with."""
    sections = filled_sections(run, image)
    diagram = network_picture(run.recipe.network)
    pictures = [diagram, *(picture for section in sections for picture in section.pictures)]
    names = {picture.name for picture in pictures}
    with drawing_beside(pictures) if halves else nullcontext():
        if halves:
            prepare(TEMPLATES)
        return {
            **_plain_facts(run),
            "sections": sections,
            "diagram": diagram,
            "analysed": findings_sentences(findings(run), names),
            "walk": chapter(run),
            "microscope": recorded(run),
            "image": image if "maps" in names else None,
            "asked": asks(run),
        }


def _plain_facts(run: Run) -> dict[str, object]:
    recipe = run.recipe
    return {
        "title": run.record.title or run.name,
        "name": run.name,
        "status": run.status,
        "failure": run.record.failure.message if run.record.failure else "",
        "when": moment(run.record.finished),
        "version": run.record.circumstances.version,
        "lead": sentences.lead(run),
        "of_data": of_data(run),
        "results": tables.result_rows(run),
        "not_begun": tables.not_begun(run),
        "splits": tables.score_splits(run),
        "quality": quality_word(run),
        "metrics": tables.metric_table(run),
        "written": tables.written(run),
        "trained": run.record.imported is None,
        "findings": sentences.results_sentences(run),
        "settings": tables.settings(recipe),
        "notes": recipe.notes,
        "toml": tables.listing(recipe),
        "network": recipe.network,
        "steps": layer_steps(recipe.network),
        "derivations": derivations(recipe),
        "loss": loss_step(recipe.model, numbers=recipe.task != "classification"),
        "circumstances": tables.circumstances(run),
        "folder": folder_name(run),
    }
