"""A user's folder of images, with a folder for each class. Every faulty file is named."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from twofold.data.cells import MOST_FAULTS
from twofold.data.dataset import Dataset, images
from twofold.data.pictures import decoded, guarded, image_rule, used_bits
from twofold.data.published import Labelled, Progress
from twofold.data.room import check_room
from twofold.data.splits import hold_out
from twofold.errors import DataError, MissingExtraError, did_you_mean
from twofold.recipe.base import pair
from twofold.recipe.data import Images
from twofold.streams import stream

COPIES = 3
"""Copies of every image at once: as decoded, shuffled, split."""

VALIDATION = ("validation", "val", "valid")
"""The names that the folder of validation images may have."""
LEFT_BY_SYSTEMS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "icon", "@eadir", "$recycle.bin"}
"""Files that Windows, macOS and network drives leave, in lower case; names that begin with a point are hidden
anyway."""

Classes = dict[str, list[Path]]
"""The files of each class, by its name."""


def load_images(spec: Images, progress: Progress) -> Dataset:
    """The data set of a folder of images, resized and split. Raises `DataError` with up to ten faulty files.

    Files are taken class by class, in the order of their names. The first frame counts, the camera's orientation is
    honoured, transparency is dropped where colours are left without it. Resizing is Pillow's bilinear filter, whose
    support grows with the factor by which an image shrinks, so that nothing aliases.
    """
    try:
        import PIL.Image  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(str(error.name), "images", "the source `images`") from error
    parts, notes = _listed(spec)
    classes = tuple(parts["train"])
    if spec.classes is not None and spec.classes != len(classes):
        raise DataError(f"{spec.path}: `train` holds {len(classes)} classes; `data.classes` says {spec.classes}.")
    bits = spec.bits or used_bits(_all_files(parts), progress)
    if bits and not spec.bits:
        notes += (f"{spec.path}: its images use {bits} of their 16 bits a pixel; set `data.bits` if that is wrong",)
    arrays = _decoded(spec, parts, bits, progress)
    rest = spec.model_copy(update={"validation": 0.0}) if "validation" in parts else spec
    try:
        dataset = hold_out(
            arrays["train"].images, arrays["train"].labels, classes, rest, 0.0 if "test" in parts else spec.test
        )
    except DataError as error:
        raise DataError(f"{spec.path}: {error}") from None
    held_out = {part: images(*arrays[part][:2]) for part in ("validation", "test") if part in parts}
    return replace(dataset, **held_out, notes=notes, bits=bits)


def raise_listed(faults: Sequence[str]) -> None:
    """Raises `DataError` with the first of the faults, and how many more there are; nothing where there is none."""
    if faults:
        more = [f"and {len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        raise DataError("\n".join([*faults[:MOST_FAULTS], *more]))


def _listed(spec: Images) -> tuple[dict[str, Classes], tuple[str, ...]]:
    """The files of `train` and, if they exist, of `validation` and `test`, by class; and notes on the layout."""
    base = Path(spec.path)
    if not os.path.isdir(base):
        raise DataError(f"no folder {spec.path}; a relative `data.path` starts at the folder of the recipe's file.")
    faults: list[str] = []
    places, notes = _places(spec, base)
    parts = {part: _classes(place, faults) for part, place in places.items()}
    train = list(parts["train"])
    if len(train) < 2:
        names = f"one class only, `{train[0]}`" if train else "no folder of a class"
        faults.append(f"{places['train']}: holds {names}; a classifier needs at least two.")
    if "test" in parts and not parts["test"]:
        faults.append(f"{base / 'test'}: holds no folder of a class; fill it, or remove it to hold out a share.")
    for part in ("validation", "test"):
        for name in parts.get(part, {}):
            if name not in train:
                rule = f"`train` has no class of that name; {did_you_mean(name, train)}"
                faults.append(f"{places[part] / name}: {rule}")
    raise_listed(faults)
    return parts, notes


def _places(spec: Images, base: Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The folder of each part, and notes; without a folder `train` all images are one part, to be split."""
    if not os.path.isdir(base / "train"):
        holds = [name for name in visible(os.listdir(base)) if os.path.isdir(base / name)]
        classes = [name for name in holds if name not in (*VALIDATION, "test")]
        if len(classes) < 2 or len(classes) < len(holds) or not all(_holds_files(base / name) for name in classes):
            raise DataError(
                f"{base}: no folder `train`; the layout is train/CLASS/FILE, one folder a class, and test/CLASS/FILE "
                "where there are images to test on."
            )
        return {"train": base}, (f"{base}: no folder `train`; its {len(classes)} folders are classes, and are split",)
    places = {"train": base / "train"}
    validation = [base / name for name in VALIDATION if os.path.isdir(base / name)]
    if len(validation) > 1:
        both = " and ".join(f"`{place.name}`" for place in validation)
        raise DataError(f"{base}: holds {both}; images to validate on lie in one of them.")
    notes = list[str]()
    if validation:
        places["validation"] = validation[0]
        notes.append(f"{validation[0]}: the images to validate on")
        if spec.validation:
            notes[-1] += f"; `data.validation = {spec.validation}` holds out no others"
    if os.path.lexists(base / "test"):
        places["test"] = base / "test"
    return places, tuple(notes)


def _holds_files(folder: Path) -> bool:
    return any(os.path.isfile(folder / name) for name in visible(os.listdir(folder)))


def visible(names: Iterable[str]) -> list[str]:
    """Names in order, without what systems leave in folders and hide from their users."""
    return sorted(name for name in names if not name.startswith(".") and name.lower() not in LEFT_BY_SYSTEMS)


def _entries(folder: Path, faults: list[str]) -> list[Path]:
    """The entries of a folder by name, without hidden ones; adds to `faults` if it cannot be read."""
    try:
        return [folder / name for name in visible(os.listdir(folder))]
    except OSError as error:
        faults.append(f"{folder}: cannot be read: {error.strerror}")
        return []


def _classes(folder: Path, faults: list[str]) -> Classes:
    classes: Classes = {}
    for entry in _entries(folder, faults):
        if not os.path.isdir(entry):
            faults.append(f"{entry}: lies directly in `{folder.name}`; put it into the folder of its class.")
            continue
        if not entry.name.isprintable():
            faults.append(f"{str(entry)!a}: the name of a class must be printable text; rename the folder.")
        classes[entry.name] = files = _entries(entry, faults)
        faults += [
            f"{file}: is no file; images lie directly in the folder of their class."
            for file in files
            if not os.path.isfile(file)
        ]
        if not files:
            faults.append(f"{entry}: holds no image; add some, or remove the folder.")
    return classes


def _all_files(parts: dict[str, Classes]) -> list[Path]:
    return [file for classes in parts.values() for files in classes.values() for file in files]


def _decoded(spec: Images, parts: dict[str, Classes], bits: int | None, progress: Progress) -> dict[str, Labelled]:
    """The images of each part as bytes, with the number of each one's class in `train`."""
    numbers = {name: number for number, name in enumerate(parts["train"])}
    shape = (spec.channels, *pair(spec.size))
    arrays: dict[str, Labelled] = {}
    faults: list[str] = []
    count = len(_all_files(parts))
    height, width = pair(spec.size)
    image_bytes = COPIES * spec.channels * height * width
    remedy = f"Set data.size lower, or take fewer: one takes about {image_bytes} bytes."
    check_room(f"{spec.path}: {count} images of {height} x {width} pixels", count * image_bytes, remedy)
    with guarded():
        for part, classes in parts.items():
            files = [(file, numbers[name]) for name, files in classes.items() for file in files]
            x = np.empty((len(files), *shape), np.uint8)
            for at, (file, _) in enumerate(files):
                if at % 100 == 0:
                    progress(f"decoding {part}", at, len(files))
                try:
                    x[at] = decoded(file, shape, bits)
                except Exception as error:  # on damaged files, decoders raise whatever they stumble over
                    faults.append(f"{file}: {image_rule(error)}")
            progress(f"decoding {part}", len(files), len(files))
            # Files lie class by class: shuffled once, the first few are samples of them all.
            order = stream(spec.seed, f"files of {part}").permutation(len(files))
            arrays[part] = Labelled(x[order], np.array([number for _, number in files], np.int64)[order])
    raise_listed(faults)
    return arrays
