"""The default recipe for a table and the column to answer: network and training are chosen by what the table holds."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import tomli_w

from twofold.data import Dataset
from twofold.data.sources import completed
from twofold.errors import UserError
from twofold.plain import Parsed
from twofold.recipe import Recipe, load_recipe, loads
from twofold.recipe.columns import Category, Table, stated
from twofold.recipe.overrides import Overrides
from twofold.recipe.source import Task
from twofold.setup.building import known_of_columns
from twofold.setup.events import Noted, Watcher, telling, watching

if TYPE_CHECKING:
    from twofold.data.columns.frame import Frame

ENDINGS = (".csv", ".tsv", ".tab", ".txt", ".data", ".parquet", ".feather", ".arrow", ".gz", ".bz2", ".xz")
"""The endings of a table's file, which tell it from a recipe."""
VALIDATION = 0.15
"""The share of the rows that is held out to decide when training stops."""


def is_table(name: str) -> bool:
    """Whether the word names a table and no recipe."""
    return name.lower().endswith(ENDINGS)


def table_recipe(
    path: str | Path,
    label: str | None,
    overrides: Overrides = (),
    watcher: Watcher | None = None,
) -> tuple[Recipe, Dataset]:
    """The default recipe for a file, and its samples, which were read to find it.

    `label` is the column to answer; `overrides` sets single keys: those of `data` say how the table is read.

    Raises `UserError` without a label, `DataError` for what the table cannot be.
    """
    from twofold.data.columns.table import read_frames, table_dataset  # which import pandas

    watch = watching(watcher)
    settings = _settings_by_key(overrides)
    if label is None and "data.label" not in settings:
        raise UserError(f"which column of {path} is to be answered? Name it: --label COLUMN. {_columns_hint(path)}")
    spec = table_spec(path, label, settings)
    frame, test = read_frames(spec, telling(watch))
    spec = with_embedded(spec.asked(spec.task or asked_of(spec, frame, settings.get("loss.kind"))), frame)
    dataset = completed(spec, table_dataset(spec, frame, test))
    for note in dataset.notes:
        watch(Noted(note))
    if dataset.columns and (embedded := dataset.columns.embedded):
        named = ", ".join(f"`{name}` ({codes - 1:,} levels)" for name, codes in embedded.items())
        watch(Noted(f"{path}: embedded, a vector a level: {named}"))
    rest = {key: value for key, value in settings.items() if key.split(".")[0] != "data"}
    return load_recipe(default_recipe(spec, dataset, _codes(dataset, frame), _name(path)), rest), dataset


def with_embedded(spec: Table, frame: Frame) -> Table:
    """The spec with every column embedded that holds many levels and whose kind it does not say."""
    from twofold.data.columns.embedded import PROPOSED, is_wide
    from twofold.data.columns.kinds import inferred
    from twofold.data.columns.plan import roles

    if spec.sequential:
        return spec
    chosen = [name for name in frame.names if spec.features is None or name in spec.features]
    free = [name for name in chosen if name not in roles(spec) and stated(spec.columns, name) is None]
    cells = {name: frame.columns[name] for name in free}
    wide = [name for name in free if is_wide(cells[name]) and inferred(name, cells[name]).spec == Category()]
    return spec.model_copy(update={"columns": {**spec.columns, **dict.fromkeys(wide, PROPOSED)}})


def _codes(dataset: Dataset, frame: Frame) -> list[int]:
    """Rows of the tables of embedded columns: enough for whatever part of the file is trained on."""
    from twofold.data.columns.embedded import codes_of

    assert dataset.columns is not None
    assert dataset.origin is not None
    kinds = dataset.origin.kinds
    return [
        codes_of(frame.columns[name], spec)
        for name in dataset.columns.embedded
        if isinstance(spec := kinds[name], Category)
    ]


def asked_of(spec: Table, frame: Frame, loss: object) -> Task:
    """The task of a table: by the loss if one is set, else by what the labels look like."""
    from twofold.data.columns.labels import kind_of_label

    kinds = [kind_of_label(frame.columns[name]) for name in spec.labels]
    if loss == "binary_cross_entropy" or (len(kinds) > 1 and set(kinds) == {"classes"} and loss is None):
        return "multi_label"
    if loss is not None:
        return "classification" if loss == "cross_entropy" else "regression"
    return "classification" if kinds == ["classes"] else "regression"


LOSSES = {"classification": "cross_entropy", "regression": "mean_squared", "multi_label": "binary_cross_entropy"}


def table_spec(path: str | Path, label: str | None, overrides: Overrides = ()) -> Table:
    """How a file without a recipe is read: the defaults, changed by what `overrides` sets of `data`."""
    start: dict[str, Parsed] = {
        "data.validation": VALIDATION,
        "data.source": "table",
        "data.path": os.path.abspath(os.path.expanduser(path)),
        "data.label": label or "label",
    }
    named = {key: value for key, value in _settings_by_key(overrides).items() if key.split(".")[0] == "data"}
    label = named.get("data.label", label)
    spec = load_recipe(_bare(path, label, named.get("data.classes")), {**start, **named}).data
    assert isinstance(spec, Table)
    return spec


def _settings_by_key(overrides: Overrides) -> dict[str, Parsed]:
    from twofold.recipe.overrides import assignment, toml_value

    if isinstance(overrides, Mapping):
        return dict(overrides)
    return {key: toml_value(value) for key, value in map(assignment, overrides)}


def _columns_hint(path: str | Path) -> str:
    return f"`twofold columns {quote(str(path))}` lists them."


def _name(path: str | Path) -> str:
    stem = re.sub(r"[^\w-]+", "-", Path(path).name.split(".")[0]).strip("-_")
    return stem[:60] or "table"


def _bare(path: str | Path, label: object, classes: object) -> Recipe:
    """A recipe to which the settings of a table's data are applied: it has as many outputs as they ask for."""
    several = isinstance(label, list | tuple)
    outputs = len(label) if several else classes if isinstance(classes, int) else 2
    loss = "mean_squared" if several else "cross_entropy"
    data = {"source": "moons"} if not several else {"source": "csv", "path": "-", "label": list(label)}
    raw = {"data": data, "layers": [{"kind": "dense", "units": outputs}], "loss": {"kind": loss}}
    return loads(tomli_w.dumps(raw), str(path))


def default_recipe(spec: Table, dataset: Dataset, codes: Sequence[int] = (), name: str = "table") -> Recipe:
    """A recipe whose network and training suit a table of so many rows and columns.

    Two hidden layers of rectifiers under AdamW; a part of the training rows is held out to stop by. `codes`: the number
    of codes of each embedded column.
    """
    known = {key.removeprefix("data."): value for key, value in known_of_columns(dataset).items()}
    data = {**spec.model_dump(mode="json", exclude_none=True, exclude={"task"}), **known}
    outputs = len(dataset.classes) or len(dataset.targets)
    loss = {"kind": LOSSES[spec.task or "classification"]}
    raw = {"data": data, "loss": loss, **network(outputs, codes), **training(len(dataset.train))}
    return loads(tomli_w.dumps(raw), f"{name}.toml")


def network(outputs: int, codes: Sequence[int] = ()) -> dict[str, Parsed]:
    """Vectors for embedded columns of so many codes, two hidden layers of rectifiers, a number a class or target."""
    from twofold.data.columns.embedded import first_layer

    embedding = [first_layer(codes)] if codes else []
    hidden = [{"kind": "dense", "units": 64}, {"kind": "relu"}] * 2
    return {"layers": [*embedding, *hidden, {"kind": "dense", "units": outputs}]}


def training(rows: int) -> dict[str, Parsed]:
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
