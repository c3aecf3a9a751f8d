"""What a tracker is told of a run: numbers by step, settings, results, figures."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from twofold.errors import UserError
from twofold.foreign import read_foreign
from twofold.recipe import dump
from twofold.runs import Run

NOT_SCALARS = ("engine", "step")
MOST_FIGURE = 64 << 20
PNG_BEGIN, PNG_END = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\0\0\0\0IEND\xaeB`\x82"


def engines_of(run: Run) -> list[str]:
    """The engines in the run's history, in its order."""
    return list(dict.fromkeys(str(engine) for engine in run.history["engine"]))


def started(run: Run) -> float:
    """When the run began, in seconds since 1970."""
    return datetime.fromisoformat(str(run.record.started)).timestamp()


def ended(run: Run) -> float:
    """When the run ended, in seconds since 1970."""
    return datetime.fromisoformat(str(run.record.finished)).timestamp()


def scalars(run: Run, engine: str) -> Iterator[tuple[int, str, float]]:
    """Step, name and value of every number of an engine's history that was measured."""
    history = run.history
    rows = history.loc[history["engine"] == engine]
    for row in rows.to_dict("records"):
        for name, value in row.items():
            if name not in NOT_SCALARS and isinstance(value, int | float) and not math.isnan(value):
                yield int(row["step"]), str(name), float(value)


def settings(run: Run) -> dict[str, str]:
    """Every setting of the recipe by its dotted key, as JSON writes it: `layers.0.units`, `training.epochs`."""
    return dict(_flat("", json.loads(run.recipe.model_dump_json())))


def _flat(head: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(f"{head}.{key}" if head else str(key), item)
    elif isinstance(value, list) and value and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value):
            yield from _flat(f"{head}.{number}", item)
    else:
        yield head, value if isinstance(value, str) else json.dumps(value)


def results(run: Run, engine: str) -> dict[str, float]:
    """The numbers with which an engine ended; none where it did not."""
    held = dict(run.engines.get(engine, {}))
    return {name: float(v) for name, v in held.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def results_table(run: Run, engine: str) -> str:
    """The results of an engine as a table in Markdown; without rows where it did not end."""
    rows = [f"| {name} | {value} |" for name, value in dict(run.engines.get(engine, {})).items()]
    return "\n".join(["| result | value |", "| --- | --- |", *rows])


def recipe_text(run: Run) -> str:
    """The recipe as a block of code in Markdown."""
    return f"```toml\n{dump(run.recipe)}```"


def identity(run: Run, engine: str) -> str:
    """32 hexadecimal digits that name the run in a store: the same whenever it is exported."""
    text = f"{run.recipe.name} {engine} {run.record.started} {dump(run.recipe)}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def figures_in(folder: str | Path | None) -> dict[str, bytes]:
    """The PNG files of a folder as `twofold report --figures` writes it, by name. Raises `UserError` for no folder."""
    if folder is None:
        return {}
    if not Path(folder).is_dir():
        raise UserError(f"`figures` must be a folder as `twofold report RUN --figures FOLDER` writes it; got {folder}")
    return {file.stem: _png(file) for file in sorted(Path(folder).glob("*.png"))}


def _png(file: Path) -> bytes:
    """The bytes of a PNG file, which begins with its signature and its size and ends with its last chunk."""
    try:
        content = read_foreign(file, MOST_FIGURE)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}") from error
    if not (content.startswith(PNG_BEGIN) and content.endswith(PNG_END)):
        raise UserError(f"{file} is no whole PNG file; write the figures anew: `twofold report RUN --figures FOLDER`")
    return content
