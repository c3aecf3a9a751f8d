"""The trainings of a hand-in: what its folder holds already is taken, what was stopped goes on, the rest is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from twofold.errors import RunFolderError, UserError
from twofold.handin.spec import ROMAN, Part, Source, slug
from twofold.recipe import Recipe, dump, load_recipe
from twofold.runs import Run, open_run, read_record
from twofold.runs.names import STUDY
from twofold.setup.events import Noted, Watcher
from twofold.study import StudyResult, open_study
from twofold.study.files import load_study

RUNS, STUDIES, RECIPES = "runs", "studies", "recipes"
"""Folders of a hand-in."""
CHECKPOINT_STEPS = 500
"""Steps from one checkpoint to the next: a hand-in that was stopped goes on from the last one."""


@dataclass(frozen=True)
class TrainedPart:
    """A part with its runs and studies, by names that are unique in the document and fit for folders."""

    index: int
    part: Part
    runs: dict[str, Run]
    studies: dict[str, StudyResult]

    @property
    def roman(self) -> str:
        """The part's number in Roman numerals."""
        return ROMAN[self.index]

    @property
    def name(self) -> str:
        """The part's short name, as `part1`."""
        return f"part{self.index + 1}"


@dataclass(frozen=True)
class _Planned:
    """Everything that a part names, loaded and checked, before anything is trained."""

    index: int
    part: Part
    recipes: dict[str, Recipe]
    runs: dict[str, Run]
    studies: dict[str, str | StudyResult]


def train_parts(source: Source, out: Path, watch: Watcher) -> list[TrainedPart]:
    """Train what the folder `out` does not hold yet, part by part.

    Raises `UserError` before anything is trained where a recipe, a run or a study of any part is wrong.
    """
    planned = [_planned(source, index, part) for index, part in enumerate(source.handin.part)]
    return [_trained(plan, out, watch) for plan in planned]


def _planned(source: Source, index: int, part: Part) -> _Planned:
    _check_names(index, part)
    try:
        recipes = {_unique(index, name): load_recipe(_path(source, name), _flat(part.set)) for name in part.recipes}
        runs = {_unique(index, name): open_run(source.folder / name) for name in part.runs}
        studies = {_unique(index, name): _study(source, part, name) for name in part.studies}
    except UserError as error:
        raise UserError(f"part {ROMAN[index]}: {error}") from error
    return _Planned(index, part, recipes, runs, studies)


def _check_names(index: int, part: Part) -> None:
    """Raises `UserError` where two trainings of a part would share a name."""
    by_name = dict[str, str]()
    for name in (*part.recipes, *part.runs, *part.studies):
        short = _unique(index, name)
        if short in by_name:
            raise UserError(
                f"part {ROMAN[index]}: `{by_name[short]}` and `{name}` would both be called {short}; name each once, "
                "or give one of them another name"
            )
        by_name[short] = name


def _unique(index: int, name: str) -> str:
    path = Path(name)
    return f"part{index + 1}-{slug(path.stem if path.suffix == '.toml' else path.name)}"


def _flat(table: dict[str, object], prefix: str = "") -> dict[str, object]:
    """The table with nested keys joined by dots: TOML reads `a.b = 1` as a table in a table, `"a.b" = 1` as one key."""
    leaves = dict[str, object]()
    for key, value in table.items():
        leaves |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def _path(source: Source, name: str) -> str:
    """A recipe or study by its built-in name, or a file from the folder of the document."""
    return str(source.folder / name) if Path(name).suffix == ".toml" else name


def _study(source: Source, part: Part, name: str) -> str | StudyResult:
    """A finished study's folder, or what is to be trained, checked."""
    folder = source.folder / name
    if (folder / STUDY).is_file():
        return open_study(folder)
    load_study(_path(source, name), overrides=_flat(part.set))
    return _path(source, name)


def _trained(plan: _Planned, out: Path, watch: Watcher) -> TrainedPart:
    from twofold.study.running import run_study

    runs = {name: _run(recipe, out, name, watch) for name, recipe in plan.recipes.items()} | plan.runs
    studies = dict[str, StudyResult]()
    for name, study in plan.studies.items():
        if isinstance(study, StudyResult):
            studies[name] = study
        else:
            folder = out / STUDIES / name
            studies[name] = run_study(study, overrides=_flat(plan.part.set), out=folder, watcher=watch)
    return TrainedPart(plan.index, plan.part, runs, studies)


def _run(recipe: Recipe, out: Path, name: str, watch: Watcher) -> Run:
    """The run of that name: as it is where it has finished, gone on with where it was stopped, else newly trained."""
    from twofold.train.running import resume, run

    folder = out / RUNS / name
    _keep_recipe(recipe, out / RECIPES / f"{name}.toml", folder)
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        return run(recipe, out=folder, checkpoint_every=CHECKPOINT_STEPS, watcher=watch)
    if read_record(folder).status == "finished":
        watch(Noted(f"{folder} is taken as it is"))
        return open_run(folder)
    watch(Noted(f"going on with {folder}"))
    return resume(folder, watcher=watch)


def _keep_recipe(recipe: Recipe, path: Path, folder: Path) -> None:
    """Write the recipe as it was asked for, beside its run. Raises `RunFolderError` where the run is another's."""
    text = dump(recipe)
    if folder.exists() and path.is_file() and path.read_text("utf-8") != text:
        raise RunFolderError(
            f"{folder} was trained by another recipe or with other settings; remove it, and the same command trains "
            "it anew"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
