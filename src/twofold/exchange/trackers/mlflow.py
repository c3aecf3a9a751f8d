"""For MLflow: a folder in the layout of its store of files, written without MLflow.

`mlflow ui --backend-store-uri FOLDER` opens it. Each of our engines is a run of MLflow. https://mlflow.org, FileStore.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from twofold.exchange.files import new_folder
from twofold.exchange.trackers.recorded import (
    ended,
    engines_of,
    identity,
    recipe_text,
    results,
    results_table,
    scalars,
    settings,
    started,
)
from twofold.runs import Run
from twofold.runs.part import Status

EXPERIMENT = "0"
ACTIVE, LOCAL = "active", 4
STATUS: dict[Status, int] = {"finished": 3, "failed": 4, "interrupted": 5}
"""MLflow's numbers for how a run ended: FINISHED, FAILED, KILLED."""
FIGURES = "figures"
MOST_NAME = 200
"""Bytes of a parameter's name: a file's name has at most 255."""


def write_mlflow(run: Run, folder: Path, figures: Mapping[str, bytes]) -> None:
    """Write a new folder with an experiment of the recipe's name and a run for each engine."""
    home, began = folder / EXPERIMENT, int(1000 * started(run))
    with new_folder(folder) as filling:
        experiment = filling / EXPERIMENT
        experiment.mkdir()
        _yaml(
            experiment / "meta.yaml",
            {
                "artifact_location": home.resolve().as_uri(),
                "creation_time": began,
                "experiment_id": EXPERIMENT,
                "last_update_time": began,
                "lifecycle_stage": ACTIVE,
                "name": run.recipe.name,
            },
        )
        for engine in engines_of(run):
            place = experiment / identity(run, engine)
            _write_engine(run, engine, place, figures)
            _yaml(place / "meta.yaml", _about(run, home / place.name, engine))


def _about(run: Run, folder: Path, engine: str) -> dict[str, object]:
    """The facts that MLflow's file of a run holds."""
    return {
        "artifact_uri": (folder / "artifacts").resolve().as_uri(),
        "end_time": int(1000 * ended(run)),
        "entry_point_name": "",
        "experiment_id": EXPERIMENT,
        "lifecycle_stage": ACTIVE,
        "run_id": folder.name,
        "run_name": engine,
        "run_uuid": folder.name,
        "source_name": "",
        "source_type": LOCAL,
        "source_version": "",
        "start_time": int(1000 * started(run)),
        "status": STATUS[run.record.status],
        "tags": [],
        "user_id": "",
    }


def _write_engine(run: Run, engine: str, folder: Path, figures: Mapping[str, bytes]) -> None:
    began = int(1000 * started(run))
    for part in ("metrics", "params", "tags", "artifacts"):
        (folder / part).mkdir(parents=True)
    lines: dict[str, list[str]] = defaultdict(list)
    for step, metric, value in scalars(run, engine):
        lines[metric].append(f"{began} {value!r} {step}")
    for metric, value in results(run, engine).items():
        lines[f"results.{metric}"].append(f"{began} {value!r} 0")
    for metric, written in lines.items():
        (folder / "metrics" / metric).write_text("\n".join(written) + "\n", "utf-8")
    for key, value in _file_names(settings(run)).items():
        (folder / "params" / key).write_text(value, "utf-8")
    note = f"{results_table(run, engine)}\n\n{recipe_text(run)}"
    for tag, text in (("mlflow.runName", engine), ("engine", engine), ("mlflow.note.content", note)):
        (folder / "tags" / tag).write_text(text, "utf-8")
    if figures:
        (folder / "artifacts" / FIGURES).mkdir()
    for figure, png in figures.items():
        (folder / "artifacts" / FIGURES / f"{figure}.png").write_bytes(png)


def _file_names(values: Mapping[str, str]) -> dict[str, str]:
    """The values by names that a file and MLflow can have: other signs become `_`; a number parts names that meet."""
    named = dict[str, str]()
    for key, value in values.items():
        plain = re.sub(r"[^\w. -]", "_", key).encode()[:MOST_NAME].decode(errors="ignore")
        name, number = plain, 2
        while name in named:
            name, number = f"{plain}_{number}", number + 1
        named[name] = value
    return named


def _yaml(path: Path, values: Mapping[str, object]) -> None:
    """Write flat YAML: numbers as they are, texts in double quotes, both as in JSON."""
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
