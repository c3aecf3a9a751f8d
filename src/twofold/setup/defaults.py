"""A recipe for a table of which nothing is said but the column to answer: network and training by what it holds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from twofold.data import Dataset, load_data
from twofold.errors import UserError
from twofold.recipe import Recipe, load_recipe, loads
from twofold.recipe.columns import Table
from twofold.setup.building import known_of_columns
from twofold.setup.events import Noted, Watcher, telling, watching

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data", ".parquet", ".feather", ".arrow", ".gz", ".bz2", ".xz")
"""What a table's file is called, where it is no recipe's."""
VALIDATION = 0.15
"""The share of the rows that a training is stopped by."""
_PLACEHOLDER = '\n[[layers]]\nkind = "dense"\nunits = 2\n'


def is_table(name: str) -> bool:
    """Whether the word names a table and no recipe."""
    return name.lower().endswith(ENDINGS)


def table_recipe(
    path: str | Path,
    label: str | None,
    overrides: Mapping[str, Any] | Iterable[str] = (),
    watcher: Watcher | None = None,
) -> tuple[Recipe, Dataset]:
    """The default recipe for a file, and its samples, which were read to find it.

    `label` is the column to answer; `overrides` sets single keys: those of `data` say how the table is read.

    Raises `UserError` without a label, `DataError` for what the table cannot be.
    """
    watch = watching(watcher)
    settings = _apart(overrides)
    if label is None and "data.label" not in settings:
        raise UserError(f"which column of {path} is to be answered? Name it: --label COLUMN. {_columns_hint(path)}")
    spec = table_spec(path, label, settings)
    dataset = load_data(spec, telling(watch))
    for note in dataset.notes:
        watch(Noted(note))
    rest = {key: value for key, value in settings.items() if key.split(".")[0] != "data"}
    return load_recipe(default_recipe(spec, dataset, _name(path)), rest), dataset


def table_spec(path: str | Path, label: str | None, overrides: Mapping[str, Any] | Iterable[str] = ()) -> Table:
    """How a file is read whose recipe says nothing but what `overrides` sets of its data."""
    start: dict[str, Any] = {
        "data.validation": VALIDATION,
        "data.source": "table",
        "data.path": os.path.abspath(os.path.expanduser(path)),
        "data.label": label or "label",
    }
    named = {key: value for key, value in _apart(overrides).items() if key.split(".")[0] == "data"}
    spec = load_recipe(_bare(path), {**start, **named}).data
    assert isinstance(spec, Table)
    return spec


def _apart(overrides: Mapping[str, Any] | Iterable[str]) -> dict[str, Any]:
    from twofold.recipe.files import assignment, toml_value

    if isinstance(overrides, Mapping):
        return dict(overrides)
    return {key: toml_value(value) for key, value in map(assignment, overrides)}


def _columns_hint(path: str | Path) -> str:
    return f"`twofold columns {path}` lists them."


def _name(path: str | Path) -> str:
    stem = re.sub(r"[^\w-]+", "-", Path(path).name.split(".")[0]).strip("-_")
    return stem[:60] or "table"


def _bare(path: str | Path) -> Recipe:
    """A recipe to which the settings of a table's data are applied."""
    return loads(f'[data]\nsource = "moons"\n{_PLACEHOLDER}', str(path))


def default_recipe(spec: Table, dataset: Dataset, name: str = "table") -> Recipe:
    """A recipe whose network and training suit a table of so many rows and columns.

    Two hidden layers of rectifiers under AdamW; a part of the training rows is held out to stop by.
    """
    known = {key.removeprefix("data."): value for key, value in known_of_columns(dataset).items()}
    data = {**spec.model_dump(mode="json", exclude_none=True), **known}
    rows = len(dataset.train)
    raw = {"data": data, **network(len(dataset.classes)), **training(rows)}
    return loads(tomli_w.dumps(raw), f"{name}.toml")


def network(outputs: int) -> dict[str, Any]:
    """Two hidden layers of rectifiers, and a number for each class or target."""
    hidden = [{"kind": "dense", "units": 64}, {"kind": "relu"}] * 2
    return {"layers": [*hidden, {"kind": "dense", "units": outputs}]}


def training(rows: int) -> dict[str, Any]:
    """Optimizer and length for so many training rows."""
    return {
        "optimizer": {"kind": "adamw", "lr": 0.002},
        "training": {
            "epochs": max(10, min(200, 400_000 // rows)),
            "batch_size": 32 if rows < 5000 else 128,
            "keep": "best",
            "patience": 20,
        },
    }
