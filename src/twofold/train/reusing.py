"""Looking for a finished run of the same recipe, data and code to take in place of another training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from twofold.engines import libraries
from twofold.errors import TwofoldError
from twofold.plain import Parsed
from twofold.recipe import Recipe
from twofold.runs import Run, open_run, peek_recipe
from twofold.setup.versions import code, versions

NEAR = 3
"""Differences up to which a run counts as near: the user is then told why it was not taken."""


class Found(NamedTuple):
    """The run that fits, or the reason why the nearest one does not."""

    run: Run | None
    reason: str = ""


def find_run(recipe: Recipe, fingerprint: str, out: str | Path | None) -> Found:
    """The latest finished run of the recipe, on data of the fingerprint, by the code and the libraries of today.

    It is looked for in `out` where that is given, else in every folder in `runs`. A run with more engines than the
    recipe asks for serves as well; titles and names do not count.
    """
    folders = [Path(out)] if out is not None else sorted(Path("runs").glob("*/"), key=_age, reverse=True)
    near: list[tuple[int, str]] = []
    for folder in folders:
        reasons = list(_differences(folder, recipe, fingerprint))
        if not reasons:
            return Found(replace(open_run(folder), reused=True))
        near.append((len(reasons), f"{folder} is not taken: {'; '.join(reasons)}"))
    count, reason = min(near, key=lambda item: item[0], default=(NEAR + 1, ""))
    return Found(None, reason if count <= NEAR else "")


def _age(folder: Path) -> float:
    return folder.stat().st_mtime


def _differences(folder: Path, recipe: Recipe, fingerprint: str) -> Iterator[str]:
    """A phrase for each difference of a folder from the wanted run; a folder without a recipe counts as far off."""
    other = peek_recipe(folder)
    if other is None:
        yield from ["it holds no recipe"] * (NEAR + 1)
        return
    changed = _changed(recipe, other)
    yield from changed
    if len(changed) > NEAR:
        return
    try:
        run = open_run(folder)
    except TwofoldError as error:
        yield str(error).removeprefix(f"{folder} ").removeprefix(f"{folder}: ")
        return
    if run.record.imported:
        yield "its weights were loaded, not trained"
    if run.status != "finished":
        yield f"it is {run.status}"
    if missing := [engine for engine in recipe.training.engines if engine not in run.engines]:
        yield f"it holds no weights of {', '.join(missing)}"
    if run.record.data.fingerprint != fingerprint:
        yield "its data were others"
    circumstances = run.record.circumstances
    if circumstances.code != code():
        yield "Twofold's code has changed since"
    today = versions(*recipe.training.engines)
    for library in libraries():  # whose version may change the last bit of a result
        then = circumstances.versions.get(library)
        if library in today and then != today[library]:
            yield f"{library} was {then}, is {today[library]}"


def _changed(recipe: Recipe, other: Recipe) -> list[str]:
    """The keys in which two recipes differ, with both values; titles, names and engines aside."""
    wanted, theirs = (
        _flat(settings.model_dump(mode="json", exclude={"title", "name"})) for settings in (recipe, other)
    )
    keys = [key for key in {**wanted, **theirs} if wanted.get(key) != theirs.get(key) and key != "training.engines"]
    return [f"its {key} is {_text(theirs.get(key))}, not {_text(wanted.get(key))}" for key in keys]


def _text(value: Parsed) -> str:
    return "not set" if value is None else str(value)


def _flat(table: Parsed, path: str = "") -> dict[str, Parsed]:
    """The values of nested tables and lists by their paths: `layers.0.units`."""
    if isinstance(table, Mapping):
        items = [(str(key), value) for key, value in table.items()]
    elif isinstance(table, list) and any(isinstance(item, Mapping) for item in table):
        items = [(str(index), value) for index, value in enumerate(table)]
    else:
        return {path: table}
    return {
        key: setting for name, value in items for key, setting in _flat(value, f"{path}.{name}".lstrip(".")).items()
    }
