"""Published images: where a local copy is, and a cache of decoded ones."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import numpy as np
import platformdirs

from twofold.data import torchvision
from twofold.data.dataset import Dataset, images
from twofold.data.hub import read_hub
from twofold.data.published import ALL, Labelled, Progress, Published
from twofold.data.splits import held_count
from twofold.errors import DataError
from twofold.recipe.data import PublishedImages

PUBLISHED = {published.name: published for published in ALL}


def load_published(spec: PublishedImages, progress: Progress) -> Dataset:
    """A published set, split as published; the last `validation` images of its training set are held out."""
    published = PUBLISHED[spec.source]
    local = _local(published, spec.root)
    read = local.read if isinstance(local, torchvision.Found) else _Decoded(published, local).read
    parts = {split: read(split, progress) for split in published.sizes}
    x, y, jpeg = parts["train"]
    left = len(y) - held_count("validation", spec.validation, len(y))
    if left < 1 or (spec.samples or 1) > left:
        raise DataError(
            f"{published.name} has {len(y)} training images; validation = {spec.validation} leaves {max(left, 0)}, "
            f"samples asks for {spec.samples or 1}"
        )
    train, validation = slice(spec.samples or left), slice(left, len(y))
    whole = images(x, y)
    test = images(parts["test"].images, parts["test"].labels)
    title = published.title + (" (JPEG copies)" if jpeg else "")
    return Dataset(whole[train], whole[validation], test, published.classes, title=title)


def training_count(spec: PublishedImages) -> int:
    """How many images of a published set are trained on; no image is read."""
    whole = PUBLISHED[spec.source].sizes["train"]
    return spec.samples or whole - held_count("validation", spec.validation, whole)


def published_at_hand(spec: PublishedImages) -> bool:
    """Whether the images can be had without a download; a folder that the recipe names must hold them."""
    if spec.root is not None:
        return True
    published = PUBLISHED[spec.source]
    local = _local(published, None)
    return local is not None or all(os.path.isfile(_cache(published, split, None)) for split in published.sizes)


def cache_folder() -> Path:
    """The folder of cached images: `TWOFOLD_CACHE`, else the platform's cache folder for the user."""
    return Path(os.environ.get("TWOFOLD_CACHE") or platformdirs.user_cache_path("twofold"))


def _local(published: Published, root: str | None) -> torchvision.Found | Path | None:
    """The local copy: torchvision's folder, one of the Hub's layout, or `None`. If `root` is given, only in there."""
    if root is not None:
        if (located := torchvision.find(published, Path(root))) is None:
            places = [Path(root) / place for layout in torchvision.LAYOUTS[published.name] for place in layout.folders]
            looked = "\n".join(f"    {place}" for place in dict.fromkeys(places))
            raise DataError(
                f"data.root: no files of {published.title} as torchvision leaves them; looked in\n{looked}\n"
                "  Name the folder that was torchvision's `root`, or leave data.root out."
            )
        return located
    hub, *folders = _places(published) or (None,)
    if hub and os.path.isdir(hub):
        return hub
    return next((located for folder in folders if folder and (located := torchvision.find(published, folder))), None)


def _places(published: Published) -> tuple[Path, ...]:
    """The folders in which a local copy is looked for: of the Hub's layout, then of torchvision's."""
    data = os.environ.get("TWOFOLD_DATA")
    return (Path(data, "hub", published.hub), Path(data, "torchvision"), Path(data)) if data else ()


class _Decoded:
    """Images that are decoded once and kept in the cache."""

    def __init__(self, published: Published, folder: Path | None) -> None:
        self.published, self.folder = published, folder

    def read(self, split: str, progress: Progress) -> Labelled:
        path = _cache(self.published, split, self.folder)
        if os.path.isfile(path) and (cached := _read_cache(path, self.published, split)) is not None:
            return cached
        images = read_hub(self.published, split, self.folder, _places(self.published), progress)
        _write_cache(path, images)
        return images


def _cache(published: Published, split: str, folder: Path | None) -> Path:
    """The cache's file for a split; its name changes with the local files that it is decoded from."""
    files = sorted(folder.rglob("*.parquet")) if folder else []
    facts = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    source = hashlib.sha256(repr(facts).encode()).hexdigest()[:12] if files else "hub"
    return cache_folder() / f"{published.name}-{split}-{source}.npz"


def _read_cache(path: Path, published: Published, split: str) -> Labelled | None:
    """The images of a cache file; `None` where it is damaged, and to be made anew."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            x, y, jpeg = (arrays[name] for name in Labelled._fields)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    size = published.sizes[split]
    whole = (x.shape, x.dtype, y.shape, y.dtype) == ((size, *published.shape), np.uint8, (size,), np.int64)
    return Labelled(x, y, bool(jpeg)) if whole and y.min() >= 0 and y.max() < len(published.classes) else None


def _write_cache(path: Path, labelled: Labelled) -> None:
    """Write a cache file; it takes its name only when it is whole, and what an interruption leaves is removed."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                np.savez(file, images=labelled.images, labels=labelled.labels, jpeg=np.asarray(labelled.jpeg))
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"cannot keep the decoded images in {path.parent}: {error.strerror}; "
            "set TWOFOLD_CACHE to a folder that can be written."
        ) from error
