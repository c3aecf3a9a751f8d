"""What a study keeps of its points, a file each: `points/ID.json`, and `points/ID.log` of one that failed.

A study of more than a thousand points sorts these files into sub-folders, `points/ab/ab….json`; a file is found in
either place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from twofold.foreign import read_foreign
from twofold.plain import Parsed, finite
from twofold.runs import now, sync_folder, write_burst, write_whole
from twofold.runs.history import HistoryRow
from twofold.study.grid import Planned
from twofold.train.points import Point

FORMAT = 1
POINTS = "points"
MOST_IN_A_FOLDER = 1000
"""Points whose files stand side by side; more are sorted into sub-folders by the first two characters."""
BURST = 8
"""Points that arrive together up to which each file is brought to the disk by itself."""
WRITERS = 8
"""Threads that write the files of a burst."""


class Kept(BaseModel):
    """What a point's file holds."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    format: Literal[1] = FORMAT
    id: str
    values: list[Parsed]
    seed: int
    trial: int | None = None
    """The number of the trial of a search that proposed it, from 0."""
    engine: str
    status: Literal["ok", "failed", "pruned"]
    failure: str = ""
    """Why there are no scores."""
    scores: dict[str, float | None] = {}
    seconds: float = 0.0
    steps: int = 0
    requeued: int = 0
    """How often a batch system had begun it before."""
    note: str = ""
    """What else may have changed the last digits."""
    flow: dict[str, object] | None = None
    """What a training told of its gradients through time."""
    history: dict[str, list[Parsed]] = {}
    """Every evaluation: by the name of a column, the list of its values."""
    versions: dict[str, str] = {}
    data: str = ""
    """What published data are called in full."""
    finished: str = ""


def kept(planned: Planned, engine: str, point: Point, versions: Mapping[str, str]) -> Kept:
    """What is kept of a training. Numbers that are not finite become `None`: JSON has none."""
    rows = [row._asdict() for row in point.history]
    return Kept(
        **_place(planned, engine),
        status="failed" if point.failure else "pruned" if point.pruned else "ok",
        failure=point.failure,
        scores=_plain(point.scores),
        seconds=float(point.seconds),
        steps=int(point.steps),
        flow=None if point.flow is None else _plain(point.flow),
        history={name: [_plain(row[name]) for row in rows] for name in HistoryRow._fields} if rows else {},
        versions=dict(versions),
        note=point.note,
        finished=now(),
    )


def kept_failure(planned: Planned, engine: str, failure: str) -> Kept:
    """What is kept of a point that could not be trained."""
    return Kept(**_place(planned, engine), status="failed", failure=failure, finished=now())


def _place(planned: Planned, engine: str) -> dict[str, Parsed]:
    """The fields that say which point it is."""
    return {
        "id": planned.id,
        "values": list(planned.values),
        "seed": planned.seed,
        "trial": planned.trial,
        "engine": engine,
        "data": planned.data,
    }


def _plain(value: Parsed) -> Parsed:
    """As JSON has it: lists, tables, and numbers that are finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return finite(value) if isinstance(value, float) else value


def write_points(folder: Path, points: Sequence[Kept]) -> None:
    """Write the files of points, each whole or not at all.

    Up to BURST points have taken their time, and each file is brought to the disk. More of them at once were trained
    fast, and would be again should a power cut take some: only their folder is brought to the disk, once.
    """
    if not points:
        return
    files = [(_place_of(folder, f"{point.id}.json"), point.model_dump_json().encode()) for point in points]
    # Making a file waits for the disk's journal: several threads wait at a time.
    if len(files) <= BURST:
        list(_writers().map(write_whole, *zip(*files, strict=True)))
        return
    list(_writers().map(write_burst, (files[start::WRITERS] for start in range(WRITERS))))
    sync_folder(folder / POINTS)


@cache
def _writers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WRITERS)


if hasattr(os, "register_at_fork"):  # a forked process has the pool, and none of its threads
    os.register_at_fork(after_in_child=_writers.cache_clear)


def write_log(folder: Path, name: str, text: str) -> None:
    """Write the log of a point that failed."""
    write_whole(_place_of(folder, f"{name}.log"), text.encode())


def _place_of(folder: Path, name: str) -> Path:
    """Where a file of a point is written: in a sub-folder where there are any."""
    inner = folder / POINTS / name[:2]
    return (inner if inner.is_dir() else folder / POINTS) / name


def make_sub_folders(folder: Path, points: int) -> None:
    """Make the folder of the points, with sub-folders for a study of many: one of a hundred thousand files is slow."""
    (folder / POINTS).mkdir(exist_ok=True)
    if points > MOST_IN_A_FOLDER:
        for number in range(256):
            (folder / POINTS / f"{number:02x}").mkdir(exist_ok=True)


def point_files(folder: Path, ending: str = ".json") -> Iterator[Path]:
    """The files of the points, wherever they stand."""
    for pattern in (f"*{ending}", f"[0-9a-f][0-9a-f]/*{ending}"):
        yield from (folder / POINTS).glob(pattern)


def point_file(folder: Path, name: str) -> Path:
    """The file of a point that is there, or where it would be."""
    flat = folder / POINTS / f"{name}.json"
    return flat if flat.is_file() else _place_of(folder, flat.name)


def read_point(path: Path) -> Kept | None:
    """A point, or `None` where its file is damaged. Raises `FileNotFoundError` where there is none."""
    try:
        point = Kept.model_validate_json(read_foreign(path))
    except ValidationError:
        return None
    return point if point.id == path.stem else None
