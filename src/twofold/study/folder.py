"""The study folder: a plain folder that can be copied anywhere and opened.

    study.toml               the study, with every default written out
    points/ID.json           one file a point that finished or failed, written whole
    points/ID.log            what a worker said of a point that failed
    results.csv              one row a point: appended while the study runs, in the grid's order when it has ended
    report.html              made from the rest, and made again by `twofold report`

A study that was stopped goes on from the points that are there; without its file a point is trained again. A study of
more than a thousand points sorts their files into sub-folders, `points/ab/ab….json`; a file is found in either
place. The coordinator alone writes here.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from itertools import product
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from twofold.errors import StudyError
from twofold.foreign import MOST_RECIPE, read_foreign
from twofold.plain import Parsed
from twofold.runs import HOLDER, LOCK, now, sweep, sync_folder, write_burst, write_whole
from twofold.runs import locked as lock_folder
from twofold.runs.history import HistoryRow
from twofold.study.files import dump, loads
from twofold.study.grid import Planned
from twofold.study.spec import Study, shown
from twofold.train.points import Point

FORMAT = 1
MOST_IN_A_FOLDER = 1000
"""Points whose files stand side by side; more are sorted into sub-folders by the first two characters."""
BURST = 8
"""Points that arrive together from which on they are not brought to the disk one by one."""
WRITERS = 8
"""Threads that write the files of a burst."""
STUDY, POINTS, RESULTS, REPORT = "study.toml", "points", "results.csv", "report.html"


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


def write_points(folder: Path, points: Sequence[Kept]) -> None:
    """The files of points, each whole or not at all.

    What comes one by one has taken its time and is brought to the disk. Points that come in a burst are trained again
    in no time, should a power cut take the last of them: of those only the folder is, once.
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
    """What there is to read of a point that failed."""
    write_whole(_place_of(folder, f"{name}.log"), text.encode())


def _place_of(folder: Path, name: str) -> Path:
    """Where a file of a point is written: in a sub-folder where there are such."""
    inner = folder / POINTS / name[:2]
    return (inner if inner.is_dir() else folder / POINTS) / name


def make_sub_folders(folder: Path, points: int) -> None:
    """For the files of a study of many points: a folder of a hundred thousand is slow on many systems."""
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


def read_study(folder: Path) -> Study:
    """The study of a folder. Raises `StudyError` where there is none."""
    path = folder / STUDY
    try:
        return loads(read_foreign(path, MOST_RECIPE).decode(), str(path))
    except FileNotFoundError:
        raise StudyError(f"{folder} is no study folder: it holds no {STUDY}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(f"cannot read {path}: {error}") from error


def read_points(folder: Path, study: Study) -> list[Kept]:
    """Every whole point of the study, in the grid's order, without its evaluations: those stay in its file."""
    places: dict[str, Kept] = {}
    versions: dict[str, dict[str, str]] = {}
    for path in point_files(folder):
        point = read_point(path)
        if point is not None:
            shared = versions.setdefault(shown(point.versions), point.versions)
            places[_key(point.values, point.seed)] = _light(point, shared)
    grid = (_key(values, seed) for values in product(*(axis.values for axis in study.axes)) for seed in study.seeds)
    return [places[key] for key in grid if key in places]


def _light(point: Kept, versions: dict[str, str]) -> Kept:
    flow = {name: value for name, value in (point.flow or {}).items() if isinstance(value, float)} or None
    return point.model_copy(update={"history": {}, "flow": flow, "versions": versions})


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


def claim(
    folder: Path, study: Study, planned: Sequence[Planned], present: Callable[[Kept], None]
) -> tuple[set[str], list[str]]:
    """Write the study into its folder; the points that are there, each told to `present`, and the damaged ones' names.

    What is damaged is taken away. Raises `StudyError` where the folder belongs to another study: a folder's points are
    all of one grid.
    """
    make_sub_folders(folder, len(planned))
    expected = {_key(point.values, point.seed): point.id for point in planned}
    names, damaged, there = {point.id for point in planned}, list[Path](), set[str]()
    known = read_study(folder) if (folder / STUDY).is_file() else study
    same_grid = _same_grid(known, study)
    for path in sorted(point_files(folder)):
        point = read_point(path)
        if point is None:
            damaged += [path] if path.stem in names else []
        elif expected.get(_key(point.values, point.seed)) != point.id or not same_grid:
            raise StudyError(
                f"{folder} belongs to another study: {_difference(known, study)}. "
                "Choose another --out, or remove the folder."
            )
        else:
            there.add(point.id)
            present(point)
    sweep(folder)
    for inner in {path.parent for path in point_files(folder, ".tmp")} | {folder / POINTS}:
        sweep(inner)
    for path in [*damaged, *point_files(folder, ".started")]:  # an earlier version's markers
        path.unlink()
    write_whole(folder / STUDY, dump(study).encode())
    return there, [path.name for path in damaged]


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


def _place(planned: Planned, engine: str) -> dict[str, Parsed]:
    return {
        "id": planned.id,
        "values": list(planned.values),
        "seed": planned.seed,
        "trial": planned.trial,
        "engine": engine,
        "data": planned.data,
    }


def _key(values: Sequence[object], seed: int) -> str:
    return f"{shown(list(values))} {seed}"


def _plain(value: Parsed) -> Parsed:
    """As JSON has it: lists, tables, and numbers that are finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
