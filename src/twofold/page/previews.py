"""What an upload holds, and the recipe that takes it: columns and their kinds, classes, the shape of a sample."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from twofold.data.csv_file import rows_of, separated
from twofold.data.names import number_of
from twofold.errors import DataError, UserError
from twofold.page.uploads import Folder
from twofold.recipe.files import dump_table
from twofold.recipe.tables import Csv
from twofold.recipe.toml import TomlError, parse_toml

LOOKED_AT = 2000
"""Rows whose cells tell what a column is."""
SHOWN = 6
MOST_COLUMNS = 200
MOST_CLASSES = 40
LARGEST_SIDE = 64


def table_preview(path: Path) -> dict[str, Any]:
    """The first rows, each column's kind, and the column that is probably the class. Raises `DataError`."""
    spec = separated(Csv(path=str(path), label="?"), ())
    rows = [cells for _, cells in islice(rows_of(spec), LOOKED_AT + 1)]
    if len(rows) < 3:
        raise DataError("a table has a row of names and two rows below it at least")
    header, body = rows[0], rows[1:]
    if len(header) > MOST_COLUMNS:
        raise DataError(f"the page takes at most {MOST_COLUMNS} columns; the table has {len(header)}")
    columns = [_column(name, [row[i] for row in body if i < len(row)]) for i, name in enumerate(header)]
    fit = [column["name"] for column in columns if 2 <= column["different"] <= MOST_CLASSES]
    words = [column["name"] for column in columns if column["name"] in fit and column["kind"] == "text"]
    label = (words or fit or [header[-1]])[-1]
    return {
        "path": str(path),
        "delimiter": spec.delimiter,
        "columns": columns,
        "rows": [row[:MOST_COLUMNS] for row in body[:SHOWN]],
        "label": label,
    }


def _column(name: str, cells: list[str]) -> dict[str, Any]:
    """A column is of numbers where every cell is one."""
    numbers = all(number_of(cell) is not None for cell in cells)
    return {"name": name, "kind": "number" if numbers else "text", "different": len(set(cells))}


def images_preview(folder: Folder) -> dict[str, Any]:
    """Classes and counts, and the size that is taken of the images: that of the first, 64 pixels at most."""
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


def taken(toml: str, data: dict[str, Any], classes: int) -> str:
    """The recipe with these data, and with a network that fits them where its own does not.

    Its layers stay where they take such samples; the last one then gives a number for each class.
    """
    try:
        raw = parse_toml(toml, "recipe.toml")
    except TomlError:
        raw = {}
    layers = raw.get("layers")
    images = data["source"] == "images"
    if not isinstance(layers, list) or not layers or not _takes(layers, images):
        raw["layers"] = _convolutional(classes) if images else _dense(classes)
    else:
        last = next((layer for layer in reversed(layers) if "units" in layer), None)
        if last is not None:
            last["units"] = classes
    raw["data"] = data
    raw.pop("augmentation", None)
    return dump_table(raw)


def _takes(layers: list[dict[str, Any]], images: bool) -> bool:
    first = layers[0].get("kind")
    return first in ("conv2d", "flatten") if images else first in ("dense", "batch_norm", "layer_norm")


def _dense(classes: int) -> list[dict[str, Any]]:
    return [{"kind": "dense", "units": 20}, {"kind": "relu"}, {"kind": "dense", "units": classes}]


def _convolutional(classes: int) -> list[dict[str, Any]]:
    convolution = {"kind": "conv2d", "channels": 8, "kernel": 3, "padding": 1}
    return [
        convolution,
        {"kind": "relu"},
        {"kind": "max_pool2d", "kernel": 2},
        {"kind": "flatten"},
        {"kind": "dense", "units": classes},
    ]
