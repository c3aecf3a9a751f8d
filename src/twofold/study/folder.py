"""The study folder: a plain folder that can be copied anywhere and opened.

    study.toml               the study, with every default written out
    points/ID.json           one file a point that finished or failed, written whole
    points/ID.started        while a process trains the points that it lists
    results.csv              one row a point
    report.html              made from the rest, and made again by `twofold report`

A study that was stopped goes on from the points that are there; without its file a point is trained again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from twofold.errors import StudyError
from twofold.runs import HOLDER, LOCK, now, sweep, write_whole
from twofold.runs import locked as lock_folder
from twofold.runs.history import HistoryRow
from twofold.study.files import dump, loads
from twofold.study.grid import Planned
from twofold.study.spec import Study, shown
from twofold.train.points import Point

FORMAT = 1
STUDY, POINTS, RESULTS, REPORT = "study.toml", "points", "results.csv", "report.html"


class Kept(BaseModel):
    """What a point's file holds."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    format: Literal[1] = FORMAT
    id: str
    values: list[Any]
    seed: int
    engine: str
    status: Literal["ok", "failed"]
    failure: str = ""
    """Why there are no scores."""
    scores: dict[str, float | None] = {}
    seconds: float = 0.0
    steps: int = 0
    flow: dict[str, Any] | None = None
    """What a training told of its gradients through time."""
    history: dict[str, list[Any]] = {}
    """Every evaluation, a list a column."""
    versions: dict[str, str] = {}
    data: str = ""
    """What published data are called in full."""
    finished: str = ""


def kept(planned: Planned, engine: str, point: Point, versions: Mapping[str, str]) -> Kept:
    """What is kept of a training. Numbers that are not finite are left open: JSON has none."""
    rows = [row._asdict() for row in point.history]
    return Kept(
        **_place(planned, engine),
        status="failed" if point.failure else "ok",
        failure=point.failure,
        scores=_plain(point.scores),
        seconds=float(point.seconds),
        steps=int(point.steps),
        flow=None if point.flow is None else _plain(point.flow),
        history={name: [_plain(row[name]) for row in rows] for name in HistoryRow._fields} if rows else {},
        versions=dict(versions),
        finished=now(),
    )


def kept_failure(planned: Planned, engine: str, failure: str) -> Kept:
    """What is kept of a point that could not be trained."""

    return Kept(**_place(planned, engine), status="failed", failure=failure, finished=now())


def write_point(folder: Path, point: Kept) -> None:
    """A point's file, whole or not at all."""
    text = point.model_dump_json(exclude_none=False)
    write_whole(folder / POINTS / f"{point.id}.json", text.encode())


def read_point(folder: Path, name: str) -> Kept | None:
    """A point, or `None` where its file is damaged. Raises `FileNotFoundError` where there is none."""
    try:
        point = Kept.model_validate_json((folder / POINTS / f"{name}.json").read_bytes())
    except ValidationError:
        return None
    return point if point.id == name else None


def finished(folder: Path, name: str) -> bool:
    """Whether a point has its file."""
    return (folder / POINTS / f"{name}.json").is_file()


def read_study(folder: Path) -> Study:
    """The study of a folder. Raises `StudyError` where there is none."""
    path = folder / STUDY
    try:
        return loads(path.read_text("utf-8"), str(path))
    except FileNotFoundError:
        raise StudyError(f"{folder} is no study folder: it holds no {STUDY}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot read {path}: {error}") from error


def read_points(folder: Path, study: Study) -> list[Kept]:
    """Every whole point of the study, in the grid's order."""
    found = (read_point(folder, path.stem) for path in (folder / POINTS).glob("*.json"))
    places = {_key(point.values, point.seed): point for point in found if point is not None}
    grid = (_key(values, seed) for values in product(*(axis.values for axis in study.axes)) for seed in study.seeds)
    return [places[key] for key in grid if key in places]


def locked(folder: Path) -> AbstractContextManager[None]:
    """One process at a time. The lock ends with the process, however it ends."""
    return lock_folder(folder, "runs this study", StudyError)


def make_folder(out: str | Path | None, name: str) -> Path:
    """The folder, new or that of a study. Raises `StudyError` for one that holds something else."""
    folder = Path("studies") / name if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / STUDY).is_file() and any(path.name not in (LOCK, HOLDER) for path in folder.iterdir()):
            raise StudyError(f"{folder} is not empty and holds no study; choose another --out")
    except FileExistsError as error:
        raise StudyError(f"{error.filename} is a file and no folder; choose another --out") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StudyError(f"cannot make the study folder {folder}: {reason}; choose another --out") from error
    return folder


def claim(folder: Path, study: Study, planned: Sequence[Planned]) -> list[str]:
    """Write the study into its folder, and name the damaged points, which are taken away.

    Raises `StudyError` where the folder belongs to another study: a folder's points are all of one grid.
    """
    (folder / POINTS).mkdir(exist_ok=True)
    expected = {_key(point.values, point.seed): point.id for point in planned}
    names, damaged = set(expected.values()), []
    there = read_study(folder) if (folder / STUDY).is_file() else study
    for path in sorted((folder / POINTS).glob("*.json")):
        point = read_point(folder, path.stem)
        if point is None:
            damaged += [path] if path.stem in names else []
        elif expected.get(_key(point.values, point.seed)) != point.id or not _same_grid(there, study):
            raise StudyError(
                f"{folder} belongs to another study: {_difference(there, study)}. "
                "Choose another --out, or remove the folder."
            )
    sweep(folder)
    sweep(folder / POINTS)
    for path in [*damaged, *(folder / POINTS).glob("*.started")]:  # markers of a process that was killed
        path.unlink()
    write_whole(folder / STUDY, dump(study).encode())
    return [path.name for path in damaged]


def _same_grid(a: Study, b: Study) -> bool:
    return [(axis.field, axis.values) for axis in a.axes] == [(axis.field, axis.values) for axis in b.axes] and (
        a.seeds == b.seeds
    )


def _difference(there: Study, here: Study) -> str:
    """What a reader would change to get the study that is there."""
    old, new = ({axis.field: axis.values for axis in study.axes} for study in (there, here))
    for field in [*old, *(field for field in new if field not in old)]:
        if field not in new:
            return f"it has an axis `{field}`, this one has none"
        if field not in old:
            return f"it has no axis `{field}`"
        if old[field] != new[field]:
            return f"its axis `{field}` takes {shown(old[field])}, here {shown(new[field])}"
    for key in ("seeds", "engine", "recipe", "settings"):
        a, b = getattr(there, key), getattr(here, key)
        if a != b:
            name = "set" if key == "settings" else key
            return f"its `{name}` is {shown(a)}, here {shown(b)}"
    return "its axes stand in another order" if list(old) != list(new) else "the recipe has changed since"


def _place(planned: Planned, engine: str) -> dict[str, Any]:
    return {
        "id": planned.id,
        "values": list(planned.values),
        "seed": planned.seed,
        "engine": engine,
        "data": planned.data,
    }


def _key(values: Sequence[Any], seed: int) -> str:
    return f"{shown(list(values))} {seed}"


def _plain(value: Any) -> Any:
    """As JSON has it: lists, tables, and numbers that are finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
