"""From a run folder to `report.html`: one file that opens anywhere, without script or network."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

from twofold.analysis import (
    Confusion,
    WrongImages,
    confusion,
    counted,
    curves,
    findings,
    first_weights,
    gap_curves,
    previews,
    time_flows,
    wrong_images,
)
from twofold.probe.boundary import boundary, points
from twofold.probe.kept import asks
from twofold.probe.maps import feature_maps
from twofold.probe.steps import layer_steps, loss_step
from twofold.recipe import dump
from twofold.report import captions, sentences, tables, weights
from twofold.report.classes import class_table
from twofold.report.curves import curves_picture, gap_picture
from twofold.report.drawing import Picture, printable
from twofold.report.findings import sentences as findings_sentences
from twofold.report.images import grey_scale, previews_picture, wrong_picture
from twofold.report.maps import maps_picture
from twofold.report.matrix import matrix_picture
from twofold.report.plane import MOST_POINTS, plane_picture
from twofold.report.signals import signal_pictures
from twofold.report.template import Filled, filled
from twofold.report.text import SPLITS, moment, of_data, seen
from twofold.report.through_time import flow_picture
from twofold.report.walk import chapter
from twofold.runs import REPORT, Run, opened, write_whole


def write_report(run: Run | str | Path, image: int | None = None) -> Path:
    """Write `report.html` from the run folder alone, and return its path.

    The same folder gives the same bytes. A run that failed or was interrupted is reported as far as it came. `image` is
    the place, from 0, of the held-out image that is shown layer by layer, of a network with convolutions; for one that
    the folder does not hold the data are loaded.

    Raises `RunFolderError` for a folder that is missing, half-written or damaged, or cannot be written to, and
    `UserError` for an image that cannot be had.
    """
    run = opened(run)
    write_whole(run.path / REPORT, render(run, image).html.encode())
    return run.path / REPORT


def render(run: Run, image: int | None = None) -> Filled:
    """The page and its figures."""
    figures = _figures(run, image)
    analysed = findings_sentences(findings(run), _names(figures))
    return filled("page.html.jinja", {**_facts(run), **figures, "analysed": analysed, "walk": chapter(run)})


def _facts(run: Run) -> dict[str, Any]:
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
        "trained": run.record.imported is None,
        "findings": sentences.results_sentences(run),
        "settings": tables.settings(recipe),
        "notes": recipe.notes,
        "toml": dump(recipe),
        "network": recipe.network,
        "steps": layer_steps(recipe.network),
        "loss": loss_step(recipe.model),
        "circumstances": tables.circumstances(run),
        "folder": _folder(run),
    }


def _figures(run: Run, image: int | None) -> dict[str, Any]:
    return {
        "curves": _curves(run),
        "gap": _gap(run),
        "signals": signal_pictures(run),
        "plane": _plane(run),
        "weights": _weights(run),
        "flows": _flows(run),
        "maps": (maps := _maps(run, image)),
        "image": image if maps else None,
        "asked": asks(run),
        "first": _first(run),
        "wrong": [_wrong(run, each) for each in wrong_images(run)],
        "classes": class_table(found := confusion(run), run.record.data.held_out, of_data(run)),
        "matrices": [_matrix(run, each) for each in found],
    }


def _curves(run: Run) -> Picture | None:
    found = curves(run)
    return curves_picture(found, counted(run), captions.curves_caption(run, found)) if found else None


def _gap(run: Run) -> Picture | None:
    found, unit = gap_curves(curves(run)), counted(run)
    return gap_picture(found, unit, captions.gap_caption(found, unit, of_data(run), seen(run))) if found else None


def _plane(run: Run) -> Picture | None:
    splits = points(run)
    if not splits:
        return None
    boundaries = [boundary(run, engine) for engine in run.engines]
    data = run.record.data
    standard = "" if run.recipe.data.standardize == "none" else " (standardized)"
    x, y = (printable(name, i, 30) + standard for i, name in enumerate(data.features or ("x₁", "x₂")))
    counts = {split: len(samples) for split, samples in splits.items()}
    caption = captions.plane_caption(run, boundaries, counts, MOST_POINTS)
    return plane_picture(splits, boundaries, data.classes, (x, y), caption)


def _matrix(run: Run, found: Confusion) -> Picture:
    return matrix_picture(found, captions.confusion_caption(found, run.record.data.held_out, of_data(run)))


def _weights(run: Run) -> Picture | None:
    found = {engine: each for engine in run.engines if (each := first_weights(run, engine)) is not None}
    if not found:
        return None
    return weights.weights_picture(next(iter(found.values())), captions.weights_caption(found, weights.MOST))


def _flows(run: Run) -> list[Picture]:
    """A figure for each recurrent layer, both engines in it."""
    found = time_flows(run)
    layers = dict.fromkeys(flow.layer for flow in found)
    return [flow_picture([flow for flow in found if flow.layer == layer]) for layer in layers]


def _first(run: Run) -> Picture | None:
    """Of the first engine; how far the other's differ is said in words."""
    found = previews(run)
    if not found:
        return None
    data = run.record.data
    caption = captions.cards_caption(found, SPLITS[data.held_out], of_data(run))
    return previews_picture(found[0], data.classes, grey_scale(run), caption)


def _wrong(run: Run, each: WrongImages) -> Picture:
    data = run.record.data
    split = data.held_out
    caption = captions.wrong_caption(each, split, data.samples[split], of_data(run))
    return wrong_picture(each, data.classes, grey_scale(run), caption)


def _maps(run: Run, image: int | None) -> Picture | None:
    found = feature_maps(run, image)
    if found is None:
        return None
    data = run.record.data
    caption = captions.maps_caption(found, data.classes, data.held_out, of_data(run))
    caption += f" `twofold report {_folder(run)} --image N` shows image N."
    return maps_picture(found, run.recipe.network.nodes, data.classes, grey_scale(run), caption)


def _names(figures: dict[str, Any]) -> set[str]:
    """The figures that a sentence may refer to."""
    each = [part for value in figures.values() for part in (value if isinstance(value, list) else [value])]
    return {picture.name for picture in each if isinstance(picture, Picture)}


def _folder(run: Run) -> str:
    return quote(run.path.resolve().name)
