"""What an upload holds, and the recipe that takes it: columns and their kinds, classes, the shape of a sample."""

from __future__ import annotations

from pathlib import Path
from typing import TypeGuard

from twofold.data.columns.looking import look
from twofold.errors import DataError, UserError
from twofold.page.uploads import Folder
from twofold.plain import Parsed
from twofold.recipe.files import dump_table
from twofold.recipe.toml import TomlError, parse_toml
from twofold.setup.defaults import table_spec

SHOWN = ("name", "kind", "missing", "distinct", "range", "examples", "warnings")
FEWEST_ROWS = 3
MOST_TEXT = 120
MOST_NAME = 300
"""Characters of a column's name; what is longer is cut, and no such column can be chosen."""
MOST_COLUMNS = 200
MOST_CLASSES = 40
LARGEST_SIDE = 64


def table_preview(path: Path) -> dict[str, object]:
    """What each column is taken for and holds, and the column that is probably the class. Raises `DataError`."""
    facts = look(table_spec(path, None), None)
    if len(facts.columns) > MOST_COLUMNS:
        raise DataError(f"the page takes at most {MOST_COLUMNS} columns; the table has {len(facts.columns)}")
    if facts.rows < FEWEST_ROWS or len(facts.columns) < 2:
        raise DataError(f"a table has {FEWEST_ROWS} rows below its names, and two columns, at least")
    columns = [{key: _short(getattr(column, key)) for key in SHOWN} for column in facts.columns]
    few = [column for column in facts.columns if 2 <= column.distinct <= MOST_CLASSES]
    words = [column for column in few if column.kind in ("category", "boolean", "text")]
    label = (words or few or facts.columns)[-1].name
    return {"path": str(path), "rows": facts.rows, "columns": columns, "label": label, "notes": list(facts.notes)[:5]}


def _short(value: Parsed) -> object:
    """A text cut where it is longer than a name may be, or the first three of a tuple; other values as they are."""
    if isinstance(value, tuple):
        return [_short(part) for part in value[:3]]
    return value[:MOST_TEXT] if isinstance(value, str) and len(value) > MOST_NAME else value


def images_preview(folder: Folder) -> dict[str, object]:
    """Classes and counts, and the size to which images are scaled: that of the first one, at most 64 pixels a side."""
    facts = folder.facts()
    first = next(path for path in sorted(folder.path.rglob("*")) if path.is_file())
    width, height, channels = _measured(first)
    shrink = max(1.0, max(width, height) / LARGEST_SIDE)
    size = [max(1, round(height / shrink)), max(1, round(width / shrink))]
    return {**facts, "path": str(folder.path), "size": size, "channels": channels}


def _measured(path: Path) -> tuple[int, int, int]:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        from twofold.errors import MissingExtraError

        raise MissingExtraError(str(error.name), "images", "a folder of images") from error
    try:
        with Image.open(path) as image:
            return image.width, image.height, 1 if image.mode in ("1", "L", "I;16", "LA") else 3
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise UserError(f"the first image cannot be read: {str(error)[:200]}") from error


def taken(toml: str, data: dict[str, Parsed], classes: int) -> str:
    """The recipe with these data, and with a network that fits them where its own does not.

    Its layers stay where they take such samples, and the last of them with `units` gets one unit per class. With
    `classes` 1 a number is predicted, by one output under the mean squared error.
    """
    try:
        raw = parse_toml(toml, "recipe.toml")
    except TomlError:
        raw = {}
    layers = raw.get("layers")
    images = data["source"] == "images"
    if not _are_tables(layers) or not _takes(layers, images):
        raw["layers"] = _convolutional(classes) if images else _dense(classes)
    else:
        last = next((layer for layer in reversed(layers) if "units" in layer), None)
        if last is not None:
            last["units"] = classes
    raw["data"] = data
    if classes == 1:
        raw["loss"] = {"kind": "mean_squared"}
    else:
        raw.pop("loss", None)
    raw.pop("augmentation", None)
    return dump_table(raw)


def _are_tables(layers: Parsed) -> TypeGuard[list[dict[str, Parsed]]]:
    return isinstance(layers, list) and bool(layers) and all(isinstance(layer, dict) for layer in layers)


def _takes(layers: list[dict[str, Parsed]], images: bool) -> bool:
    first = layers[0].get("kind")
    return first in ("conv2d", "flatten") if images else first in ("dense", "batch_norm", "layer_norm")


def _dense(classes: int) -> list[dict[str, object]]:
    return [{"kind": "dense", "units": 20}, {"kind": "relu"}, {"kind": "dense", "units": classes}]


def _convolutional(classes: int) -> list[dict[str, object]]:
    convolution = {"kind": "conv2d", "channels": 8, "kernel": 3, "padding": 1}
    return [
        convolution,
        {"kind": "relu"},
        {"kind": "max_pool2d", "kernel": 2},
        {"kind": "flatten"},
        {"kind": "dense", "units": classes},
    ]
