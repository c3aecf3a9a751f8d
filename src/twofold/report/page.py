"""From a run folder to `report.html`: one file that opens anywhere, without script or network."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from shlex import quote
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from twofold.analysis import (
    boundary,
    confusion,
    counted,
    curves,
    layer_steps,
    loss_step,
    points,
    previews,
    templates,
)
from twofold.recipe import dump, shape_text
from twofold.report import sentences, tables
from twofold.report.curves import curves_picture
from twofold.report.drawing import Picture, printable
from twofold.report.images import MOST_TEMPLATES, Card, cards, templates_picture
from twofold.report.matrix import matrix_picture
from twofold.report.plane import MOST_POINTS, plane_picture
from twofold.report.text import SPLITS, moment
from twofold.runs import REPORT, Run, open_run, write_whole


def write_report(run: Run | str | Path) -> Path:
    """Write `report.html` from the run folder alone, and return its path.

    The same folder gives the same bytes. A run that failed or was interrupted is reported as far as it came.

    Raises `RunFolderError` for a folder that is missing, half-written or damaged, or cannot be written to.
    """
    run = run if isinstance(run, Run) else open_run(run)
    write_whole(run.path / REPORT, render(run).encode())
    return run.path / REPORT


def render(run: Run) -> str:
    """The page as text."""
    # PackageLoader finds the template in a wheel and in a zip as well.
    environment = Environment(
        loader=PackageLoader("twofold.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["code"] = code
    environment.globals["shape_text"] = shape_text
    environment.globals["SPLITS"] = SPLITS
    numbers = {f"{what}_number": count(1).__next__ for what in ("section", "figure", "table")}
    return environment.get_template("page.html.jinja").render(**_facts(run), **_figures(run), **numbers)


def code(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _facts(run: Run) -> dict[str, Any]:
    recipe, found = run.recipe, curves(run)
    return {
        "title": run.record["title"] or run.name,
        "name": run.name,
        "status": run.status,
        "failure": run.record.get("failure", {}).get("message", ""),
        "when": moment(run.record["finished"]),
        "version": run.record["circumstances"]["versions"]["twofold"],
        "lead": sentences.lead(run),
        "results": tables.result_rows(run),
        "not_begun": tables.not_begun(run),
        "splits": tables.score_splits(run),
        "findings": sentences.results_sentences(run, found),
        "settings": tables.settings(recipe),
        "notes": recipe.notes,
        "toml": dump(recipe),
        "network": recipe.network,
        "steps": layer_steps(recipe.network),
        "loss": loss_step(recipe),
        "circumstances": tables.circumstances(run),
        "folder": quote(run.path.resolve().name),
    }


def _figures(run: Run) -> dict[str, Any]:
    return {
        "curves": _curves(run),
        "plane": _plane(run),
        "matrices": _matrices(run),
        "templates": _templates(run),
        **_cards(run),
    }


def _curves(run: Run) -> Picture | None:
    found = curves(run)
    return curves_picture(found, counted(run), sentences.curves_caption(run, found)) if found else None


def _plane(run: Run) -> Picture | None:
    splits = points(run)
    if not splits:
        return None
    boundaries = [boundary(run, engine) for engine in run.engines]
    data = run.record["data"]
    standard = "" if run.recipe.data.standardize == "none" else " (standardized)"
    x, y = (printable(name, i, 30) + standard for i, name in enumerate(data["features"] or ("x₁", "x₂")))
    counts = {split: len(samples) for split, samples in splits.items()}
    caption = sentences.plane_caption(run, boundaries, counts, MOST_POINTS)
    return plane_picture(splits, boundaries, data["classes"], (x, y), caption)


def _matrices(run: Run) -> list[Picture]:
    found = confusion(run)
    split = run.record["data"]["held_out"]
    return [matrix_picture(each, sentences.confusion_caption(each, split)) for each in found]


def _templates(run: Run) -> Picture | None:
    found = {engine: each for engine in run.engines if (each := templates(run, engine)) is not None}
    if not found:
        return None
    name = next(name for name in run.recipe.network.parameters if name.endswith(".weight"))
    caption = sentences.templates_caption(found, name, MOST_TEMPLATES)
    return templates_picture(next(iter(found.values())), caption)


def _cards(run: Run) -> dict[str, Any]:
    """Of the first engine; how far the other's differ is said in words."""
    found = previews(run)
    if not found:
        return {"cards": list[Card](), "cards_caption": ""}
    classes = run.record["data"]["classes"]
    split = SPLITS[run.record["data"]["held_out"]]
    return {"cards": cards(found[0], classes), "cards_caption": sentences.cards_caption(found, split)}
