"""Published images through Hugging Face `datasets`: the Hub, or a local folder of the same layout."""

from __future__ import annotations

import glob
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twofold.arrays import Array
from twofold.data.published import Labelled, Progress, Published, checked_labels
from twofold.errors import DataError, MissingExtraError

if TYPE_CHECKING:
    import datasets

AT_ONCE = 1000
"""Encoded images held in memory at a time."""
JPEG = b"\xff\xd8"
"""The first bytes of a JPEG file."""


class _Address(NamedTuple):
    """Where `load_dataset` finds a set: a name on the Hub, or a format and its files by split."""

    path: str
    files: Mapping[str, Sequence[str]] | None = None


def read_hub(
    published: Published, split: str, folder: Path | None, looked: tuple[Path, ...], progress: Progress
) -> Labelled:
    """A whole split, decoded, from `folder`, or from the Hub if it is `None`; `looked`: folders without a copy."""
    table = _open(published, split, folder, looked)
    place = f"{folder or published.hub}, {split}"
    size, wanted = len(table), published.sizes[split]
    if size != wanted:
        raise DataError(f"{published.name}: the {split} set must hold {wanted} images; it holds {size}")
    images, jpeg = np.empty((size, *published.shape), np.uint8), False
    for start in range(0, size, AT_ONCE):
        progress(f"decoding {published.title}, {split}", start, size)
        for offset, cell in enumerate(table[start : start + AT_ONCE][published.column]):
            images[start + offset] = _image(cell, published, f"{place}: image {start + offset}")
            jpeg = jpeg or cell["bytes"].startswith(JPEG)
    progress(f"decoding {published.title}, {split}", size, size)
    remedy = f"Remove the copy and fetch {published.hub} again."
    labels = checked_labels(_labels(table, place, remedy), published, place, "image", remedy)
    return Labelled(images, labels, jpeg)


def _image(cell: Mapping[str, bytes], published: Published, place: str) -> Array:
    """One image from its own bytes: a path beside them is never followed."""
    import PIL.Image

    channels, height, width = published.shape
    mode = "L" if channels == 1 else "RGB"
    try:
        with PIL.Image.open(io.BytesIO(cell["bytes"]), formats=["PNG", "JPEG"]) as image:
            if image.size == (width, height) and image.mode == mode:
                return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)
            got = f"{image.width}x{image.height} of mode {image.mode}"
    except Exception as error:  # on damaged bytes, decoders raise whatever they stumble over
        raise DataError(f"{place} cannot be decoded: {error or type(error).__name__}") from error
    raise DataError(f"{place} must be {width}x{height} pixels of mode {mode}; got {got}")


def _labels(table: datasets.Dataset, place: str, remedy: str) -> Array:
    labels = np.asarray(table["label"][:])
    if labels.dtype.kind not in "iu":
        raise DataError(f"{place}: every label must be a whole number. {remedy}")
    return labels


def _open(published: Published, split: str, folder: Path | None, looked: tuple[Path, ...]) -> datasets.Dataset:
    """The rows of a split, images still encoded."""
    try:
        import datasets
        import PIL.Image  # noqa: F401  (the decoder)
    except ImportError as error:
        raise MissingExtraError(str(error.name), "images", f"the source `{published.name}`") from error
    datasets.disable_progress_bars()
    address = _address(published, split, folder)
    try:
        table = datasets.load_dataset(address.path, data_files=address.files, split=split)
        encoded = datasets.Image(decode=False)
        return table.select_columns([published.column, "label"]).cast_column(published.column, encoded)
    except Exception as error:  # the library lets through whatever its network layers raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(_unreachable(published, folder, looked, reason)) from error


def _address(published: Published, split: str, folder: Path | None) -> _Address:
    """The address that `load_dataset` is given; of a local folder only its Parquet files, never a script in it."""
    if folder is None:
        return _Address(published.hub)
    files = sorted(glob.escape(str(file)) for file in folder.rglob(f"{split}-*.parquet"))
    if not files:
        raise DataError(f"{folder}: no file {split}-*.parquet; the folder must hold what is on the Hub under its name.")
    return _Address("parquet", {split: files})


def _unreachable(published: Published, folder: Path | None, looked: tuple[Path, ...], reason: str) -> str:
    if folder:
        return f"{published.name} cannot be loaded from {folder}: {reason}"
    places = "\n".join(f"    {place}" for place in looked) or "    nowhere: TWOFOLD_DATA is not set"
    return (
        f"{published.name} cannot be loaded from the Hugging Face Hub ({published.hub}): {reason}\n"
        f"  A local copy was looked for in\n{places}\n"
        f"  Set TWOFOLD_DATA to a folder that holds hub/{published.hub}, or data.root to a folder that torchvision "
        "left, or try again when the Hub can be reached."
    )
