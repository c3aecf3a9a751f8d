"""The folder of a search: that of a study, with the recipe that is searched over, and what was found.

    study.toml               the search, with every default written out
    base.toml                the recipe whose keys are searched
    points/ID.json           one file a point: a trial, or a leader with another seed
    results.csv              one row a point, in the order of the trials
    best.toml                the best recipe
    search.json              the winner, its test scores, the importance of each parameter

The proposals are not kept: they follow from the points.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from twofold.errors import StudyError
from twofold.recipe import Recipe, dump
from twofold.runs import write_whole
from twofold.runs.names import STUDY
from twofold.study.files import dump as dump_study
from twofold.study.folder import read_study, sweep_points
from twofold.study.kept import Kept, make_sub_folders, point_files, read_point
from twofold.study.spec import Study

BASE, BEST, FOUND = "base.toml", "best.toml", "search.json"


class Found(BaseModel):
    """What a search that has ended found."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    optuna: str
    """Optuna's version; another may propose other trials."""
    winner: int | None = None
    """The trial that won; `None` where every trial failed."""
    id: str = ""
    """The name of its point."""
    leaders: list[int] = []
    """The trials that were repeated with other seeds, the best first."""
    test: dict[str, float | None] = {}
    """The winner's test scores, computed once, at the end."""
    importance: dict[str, float] = {}
    """The share of the metric's variance that each parameter explains, largest first."""


def claim(folder: Path, study: Study, base: Recipe) -> dict[str, Kept]:
    """Write search and recipe into the folder, and read the points that are there.

    Raises `StudyError` where the folder belongs to another search, or to a study of a grid.
    """
    assert study.search is not None
    text = dump(base)
    if (folder / STUDY).is_file():
        difference = _difference(read_study(folder), study)
        if not difference and (folder / BASE).is_file() and (folder / BASE).read_text("utf-8") != text:
            difference = "its recipe has changed since"
        if difference:
            raise StudyError(
                f"{folder} belongs to another search: {difference}. Choose another --out, or remove the folder."
            )
    sweep_points(folder)
    write_whole(folder / STUDY, dump_study(study).encode())  # the first of the folder: it says whose all else is
    write_whole(folder / BASE, text.encode())
    make_sub_folders(folder, study.search.most)
    points = (read_point(path) for path in point_files(folder))
    return {point.id: point for point in points if point is not None}


def write_found(folder: Path, outcome: Found, best: Recipe | None) -> None:
    """Write what was found, which the report reads, and the best recipe as a file that `twofold run` takes."""
    if best is not None:
        write_whole(folder / BEST, dump(best).encode())
    write_whole(folder / FOUND, json.dumps(outcome.model_dump(), indent=1).encode())


def read_found(folder: Path) -> Found | None:
    """What was found; `None` while the search goes on. Raises `StudyError` where the file is damaged."""
    try:
        return Found.model_validate_json((folder / FOUND).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise StudyError(f"{folder / FOUND} is damaged; give the command of the search again: {error}") from error


def _difference(there: Study, here: Study) -> str:
    """The first key that is another; with more trials it is the same search, which goes on."""
    if there.search is None:
        return "it is a study of a grid"
    assert here.search is not None
    old: dict[str, object] = {**dict(there), **dict(there.search)}
    new: dict[str, object] = {**dict(here), **dict(here.search)}
    for key in ("engine", "seeds", "recipe", "settings", *type(here.search).model_fields):
        if key != "trials" and old[key] != new[key]:
            brief = key in ("space", "blocks", "settings")
            return f"its `{key}` is another" if brief else f"its `{key}` is {old[key]}, here {new[key]}"
    return ""
