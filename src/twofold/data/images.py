"""Images through Hugging Face `datasets`: decoded once into arrays, kept in the user's cache folder.

From `TWOFOLD_DATA/hub/OWNER/NAME` where that folder is, else from the Hub: the same loader for both.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from twofold.arrays import Array
from twofold.data.dataset import Dataset, Split
from twofold.errors import DataError, MissingExtraError
from twofold.recipe.data import Mnist

Progress = Callable[[str, int, int], None]
"""Called with what is done, how much of it, and how much there is."""

HUB_NAME = "ylecun/mnist"
SIZES = {"train": 60_000, "test": 10_000}


def load_mnist(spec: Mnist, progress: Progress) -> Dataset:
    """The published split; the last `validation` images of the training set are held out."""
    arrays = {split: _decoded(split, progress) for split in SIZES}
    x, y = arrays["train"]
    held = round(spec.validation * len(y)) if isinstance(spec.validation, float) else spec.validation
    left = len(y) - held
    if left < 1 or (spec.samples or 1) > left:
        raise DataError(
            f"mnist has {len(y)} training images; validation = {spec.validation} leaves {max(left, 0)}, "
            f"samples asks for {spec.samples or 1}"
        )
    train, validation = slice(spec.samples or left), slice(left, len(y))
    return Dataset(
        Split(_scaled(x[train]), y[train]),
        Split(_scaled(x[validation]), y[validation]),
        Split(_scaled(arrays["test"][0]), arrays["test"][1]),
        tuple(str(digit) for digit in range(10)),
    )


def mnist_at_hand() -> bool:
    """Whether the images can be had without a download."""
    return local_folder() is not None or all(_cache(split).is_file() for split in SIZES)


def local_folder() -> Path | None:
    """`TWOFOLD_DATA/hub/ylecun/mnist`, where it is."""
    root = os.environ.get("TWOFOLD_DATA")
    folder = Path(root) / "hub" / HUB_NAME if root else None
    return folder if folder and folder.is_dir() else None


def cache_folder() -> Path:
    """`TWOFOLD_CACHE`, else the user's cache folder of the platform."""
    return Path(os.environ.get("TWOFOLD_CACHE") or platformdirs.user_cache_path("twofold"))


def _scaled(images: Array) -> Array:
    """From bytes (samples, 28, 28) to values from 0 to 1 (samples, 1, 28, 28)."""
    return np.divide(images[:, None], np.float32(255), dtype=np.float32)


def _decoded(split: str, progress: Progress) -> tuple[Array, Array]:
    """Images as bytes and labels, from the cache or decoded into it."""
    path = _cache(split)
    if path.is_file() and (arrays := _read_cache(path, split)) is not None:
        return arrays
    images, labels = _decode(split, progress)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, images=images, labels=labels)
        temporary.replace(path)
    except OSError as error:
        raise DataError(
            f"cannot keep the decoded images in {path.parent}: {error.strerror}; "
            "set TWOFOLD_CACHE to a folder that can be written."
        ) from error
    return images, labels


def _read_cache(path: Path, split: str) -> tuple[Array, Array] | None:
    """`None` where the file is damaged: it is then made anew."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = images.shape == (SIZES[split], 28, 28) and labels.shape == (SIZES[split],)
    return (images, labels.astype(np.int64)) if whole else None


def _cache(split: str) -> Path:
    """One file a split and a source: other local files give another name."""
    folder = local_folder()
    files = sorted(folder.rglob("*.parquet")) if folder else []
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    source = hashlib.sha256(repr(facts).encode()).hexdigest()[:12] if files else "hub"
    return cache_folder() / f"mnist-{split}-{source}.npz"


def _decode(split: str, progress: Progress) -> tuple[Array, Array]:
    table = _open(split)
    size = len(table)
    if size != SIZES[split]:
        raise DataError(f"mnist: the {split} set must hold {SIZES[split]} images; it holds {size}")
    images = np.empty((size, 28, 28), np.uint8)
    for start in range(0, size, 1000):
        progress(f"decoding MNIST, {split}", start, size)
        for offset, image in enumerate(table[start : start + 1000]["image"]):
            images[start + offset] = np.asarray(image)
    progress(f"decoding MNIST, {split}", size, size)
    return images, np.asarray(table["label"], np.int64)


def _open(split: str) -> Any:
    try:
        import datasets
        import PIL.Image  # noqa: F401  (the decoder that `datasets` asks for too late)
    except ImportError as error:
        raise MissingExtraError(str(error.name), "images", "the source `mnist`") from error
    folder = local_folder()
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(str(folder) if folder else HUB_NAME, split=split)
    except Exception as error:  # the library lets through whatever its network layers raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        where = str(folder) if folder else f"the Hugging Face Hub ({HUB_NAME})"
        raise DataError(
            f"mnist cannot be loaded from {where}: {reason}\n  Set TWOFOLD_DATA to a folder that holds hub/{HUB_NAME}, "
            "or try again when the Hub can be reached."
        ) from error
