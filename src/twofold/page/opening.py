"""What a page opens with: a recipe, the recipe of a run, a link, or a folder of runs.

A link holds a whole recipe: its text, deflated, in base64url, behind `#recipe=`. No server ever sees it.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from twofold.builtin import builtin_texts
from twofold.errors import UserError
from twofold.foreign import MOST_RECIPE, read_foreign
from twofold.page.desk import Opening
from twofold.page.recipe_state import paths_of
from twofold.page.teaching import lessons
from twofold.recipe import dump, load_recipe
from twofold.recipe.files import checked
from twofold.recipe.toml import TomlError, parse_toml
from twofold.runs import RECIPE
from twofold.runs.names import RECORD

FIRST = "moons"
"""The recipe that a page shows first where none is named."""
MARK = "#recipe="


def opening_of(source: str | None, settings: Iterable[str], runs: Path) -> Opening:
    """The opening that the argument of `twofold page` asks for; without an argument, the lessons.

    Raises what `load_recipe` raises for a recipe with faults, and `UserError` for a link that holds no recipe, or
    settings without a recipe to change.
    """
    settings = tuple(settings)
    if source is None and not settings:
        return replace(_of_recipe(FIRST, (), runs), tab="lessons")
    if source is None:
        return _of_recipe(FIRST, settings, runs)
    if source in lessons() and source not in builtin_texts("recipe"):
        return _set(Opening(lessons()[source].toml, source, runs), settings)
    if source.startswith(("http://", "https://", MARK)):
        return _set(Opening(recipe_of_link(source), "recipe", runs), settings)
    path = Path(source)
    if source not in builtin_texts("recipe") and path.is_dir():
        if not (path / RECORD).is_file():
            if settings:
                raise UserError(f"--set changes a recipe; {source} is a folder of runs")
            return replace(_of_recipe(FIRST, (), path), tab="runs")
        return _of_recipe(str(path / RECIPE), settings, path.resolve().parent)
    return _of_recipe(source, settings, runs)


def _of_recipe(name: str, settings: tuple[str, ...], runs: Path) -> Opening:
    recipe = load_recipe(name, settings)
    if name in builtin_texts("recipe"):
        opening = Opening(builtin_texts("recipe")[name], name, runs)
    else:
        path = Path(name)
        text = read_foreign(path, MOST_RECIPE).decode("utf-8-sig")
        opening = Opening(text, recipe.name, runs, folder=path.resolve().parent)
    return replace(_set(opening, settings), files=paths_of(recipe))


def _set(opening: Opening, settings: tuple[str, ...]) -> Opening:
    """The opening with `--set` applied to its recipe, whose text is written anew; unchanged without settings."""
    if not settings:
        return opening
    try:
        raw = parse_toml(opening.toml, "recipe.toml")
    except TomlError as error:
        raise UserError(str(error)) from error
    recipe, _ = checked(raw, opening.name, opening.folder)
    if recipe is None:
        raise UserError("--set changes a recipe without faults; this one has some: open it without --set")
    return replace(opening, toml=dump(load_recipe(recipe, settings)))


def recipe_of_link(link: str) -> str:
    """The text of the recipe in a link. Raises `UserError` where there is none, or it is damaged."""
    _, mark, packed = link.partition(MARK)
    packed = packed.partition("&")[0]
    if not mark:
        raise UserError(f"the link holds no recipe: one ends in {MARK}...; got {link[:200]}")
    try:
        unpacking = zlib.decompressobj(-15)
        content = unpacking.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)), MOST_RECIPE)
        if unpacking.unconsumed_tail or not unpacking.eof:
            raise UserError("the recipe in the link is cut off, or too large")
        return content.decode()
    except (binascii.Error, zlib.error, ValueError) as error:
        raise UserError(f"the recipe in the link is damaged: {error}") from error


def link_of_recipe(toml: str) -> str:
    """The end of a link that holds this text: `#recipe=...`."""
    packing = zlib.compressobj(9, wbits=-15)
    packed = packing.compress(toml.encode()) + packing.flush()
    return MARK + base64.urlsafe_b64encode(packed).decode().rstrip("=")
