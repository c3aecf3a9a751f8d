"""The study folder: a plain folder that can be copied anywhere and opened.

    study.toml               the study, with every default written out
    points/ID.json           one file a point that finished or failed, written whole
    points/ID.log            what a worker said of a point that failed
    results.csv              one row a point: appended while the study runs, in the grid's order when it has ended
    report.html              made from the rest, and made again by `twofold report`

A study that was stopped goes on from the points that are there; without its file a point is trained again. The
coordinator alone writes here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import product
from pathlib import Path

from twofold.errors import StudyError
from twofold.foreign import MOST_RECIPE, read_foreign
from twofold.runs import HOLDER, LOCK, sweep, write_whole
from twofold.runs import locked as lock_folder
from twofold.runs.names import STUDY
from twofold.runs.whole import TEMPORARY
from twofold.study.files import dump, loads
from twofold.study.grid import Planned
from twofold.study.kept import POINTS, Kept, make_sub_folders, point_files, read_point
from twofold.study.spec import Study, shown

RESULTS, REPORT = "results.csv", "report.html"


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
    """The points of the study whose files are whole, in the grid's order, without their evaluations to save memory."""
    points: dict[str, Kept] = {}
    versions: dict[str, dict[str, str]] = {}
    for path in point_files(folder):
        point = read_point(path)
        if point is not None:
            shared = versions.setdefault(shown(point.versions), point.versions)
            points[_key(point.values, point.seed)] = _light(point, shared)
    grid = (_key(values, seed) for values in product(*(axis.values for axis in study.axes)) for seed in study.seeds)
    return [points[key] for key in grid if key in points]


def _light(point: Kept, versions: dict[str, str]) -> Kept:
    flow = {name: value for name, value in (point.flow or {}).items() if isinstance(value, float)} or None
    return point.model_copy(update={"history": {}, "flow": flow, "versions": versions})


def locked(folder: Path) -> AbstractContextManager[None]:
    """Hold the folder for this process while the context lasts. The lock ends with the process, however it ends."""
    return lock_folder(folder, "runs this study", StudyError)


def make_folder(out: str | Path | None, name: str) -> Path:
    """The study's folder, made where it is missing. Raises `StudyError` for a folder that holds something else."""
    folder = Path("studies") / name if out is None else Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / STUDY).is_file() and any(map(_foreign, folder.iterdir())):
            raise StudyError(f"{folder} is not empty and holds no study; choose another --out")
    except FileExistsError as error:
        raise StudyError(f"{error.filename} is a file and no folder; choose another --out") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StudyError(f"cannot make the study folder {folder}: {reason}; choose another --out") from error
    return folder


def _foreign(path: Path) -> bool:
    """Whether a file beside no study is somebody else's: a process that was killed early leaves its lock, or a half."""
    return path.name not in (LOCK, HOLDER) and not path.match(TEMPORARY)


def sweep_points(folder: Path) -> None:
    """Take away what killed processes left half-written in a study's folder and its points."""
    for inner in {path.parent for path in point_files(folder, ".tmp")} | {folder, folder / POINTS}:
        sweep(inner)


def claim(
    folder: Path, study: Study, planned: Sequence[Planned], present: Callable[[Kept], None]
) -> tuple[set[str], list[str]]:
    """Write the study into its folder, and find the points that are there; each is told to `present`.

    Returns the names of these points, and the names of damaged files, which are removed. Raises `StudyError` where the
    folder belongs to another study: a folder's points are all of one grid.
    """
    expected = {_key(point.values, point.seed): point.id for point in planned}
    names = {point.id for point in planned}
    damaged = list[Path]()
    present_names = set[str]()
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
            present_names.add(point.id)
            present(point)
    sweep_points(folder)
    for path in [*damaged, *point_files(folder, ".started")]:  # an earlier version's markers
        path.unlink()
    write_whole(folder / STUDY, dump(study).encode())  # the first of the folder: it says whose all else is
    make_sub_folders(folder, len(planned))
    return present_names, [path.name for path in damaged]


def _same_grid(a: Study, b: Study) -> bool:
    return [(axis.field, axis.values) for axis in a.axes] == [(axis.field, axis.values) for axis in b.axes] and (
        a.seeds == b.seeds
    )


def _difference(there: Study, here: Study) -> str:
    """The first difference between the study that is there and this one, in words."""
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


def _key(values: Sequence[object], seed: int) -> str:
    return f"{shown(list(values))} {seed}"
