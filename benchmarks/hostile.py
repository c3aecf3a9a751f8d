"""Malformed and damaged files in full, of weights and at every other door: what is refused, how fast, and what is read.

    python benchmarks/hostile.py [MUTATIONS | doors]

Damaged files go through the reader alone, and one in ten lies in a run folder as well, which is then opened. Exits with
status 1 where a malformed kind is read, a damaged file is read as anything but its own bytes, or a run folder with a
damaged file is opened.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

from timing import DOCS, table

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from doors import inputs, table_of, tried
from safetensors.numpy import load

import twofold
from malformed import MALFORMED  # pyright: ignore[reportMissingImports]
from mutations import EXPECTED, SOUND, mutated  # pyright: ignore[reportMissingImports]
from twofold.errors import RunFolderError, WeightsError
from twofold.runs import open_run
from twofold.runs.tensors import Expected, read_tensors
from twofold.runs.whole import seal

PAGE = DOCS / "hostile.md"
DOORS = "## Every door"
"""The section that `doors` alone measures anew."""
MUTATIONS = 100_000
IN_A_FOLDER = 10
"""One mutation in so many lies in a run folder too."""


def refused(path: Path, content: bytes, expected: Expected | None = None) -> bool:
    path.write_bytes(content)
    try:
        read_tensors(path, expected)
    except WeightsError:
        return True
    return False


def library_takes(content: bytes) -> bool:
    try:
        load(content)
    except Exception:  # whatever it raises, it refuses
        return False
    return True


def kinds(path: Path) -> tuple[str, int]:
    """A row for each kind, and how many were read."""
    rows, wrong = [], 0
    for name, (content, _) in MALFORMED.items():
        started = time.process_time()
        ours = refused(path, content)
        seconds = time.process_time() - started
        tracemalloc.start()
        refused(path, content)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        wrong += not ours
        theirs = "**read**" if library_takes(content) else "refused"
        rows.append([name, "refused" if ours else "**read**", f"{seconds * 1e3:.1f}", f"{most >> 10}", theirs])
    return table(["kind", "Twofold", "ms of processor", "peak, KiB", "safetensors"], rows), wrong


def mutations(path: Path, count: int) -> tuple[str, int]:
    """How many damaged files are refused; those that are read must hold the file's own numbers."""
    read, wrong, slowest = 0, 0, 0.0
    for seed in range(count):
        content, sound = mutated(seed)
        path.write_bytes(content)
        started = time.process_time()
        try:
            found = read_tensors(path, EXPECTED)
        except WeightsError:
            found = None
        slowest = max(slowest, time.process_time() - started)
        if found is not None:
            read += 1
            wrong += not sound(found)
    text = (
        f"{count:,} random mutations: {count - read:,} refused, all by one exception; {read:,} read. Of those read, "
        f"{wrong} differ from the sound file in anything but numbers of the data, which only a checksum can see: a run "
        f"folder has one. Slowest: {slowest * 1e3:.1f} ms of processor."
    )
    return text, wrong


def in_a_folder(folder: Path, count: int) -> tuple[str, int]:
    """How many run folders with a damaged file are refused, by the checksum in their record."""
    twofold.run("moons", overrides={"training.epochs": 1, "data.samples": 50}, engines="numpy", out=folder)
    path, file = folder / "record.json", folder / "numpy.safetensors"
    file.write_bytes(SOUND)
    record = json.loads(path.read_text("utf-8"))
    record["files"][file.name] = seal(file).model_dump()
    path.write_text(json.dumps(record), "utf-8")
    open_run(folder)  # sound as it is: what is refused below is refused for its damage
    damaged, opened, slowest = 0, 0, 0.0
    for seed in range(count):
        if (content := mutated(seed)[0]) == SOUND:
            continue
        damaged += 1
        file.write_bytes(content)
        started = time.process_time()
        try:
            open_run(folder)
            opened += 1
        except RunFolderError:
            slowest = max(slowest, time.process_time() - started)
    text = (
        f"The first {count:,} in a run folder: {damaged:,} differ from the sound file, and {damaged - opened:,} "
        f"of these folders are refused when opened, by the checksum. Slowest: {slowest * 1e3:.1f} ms of processor."
    )
    return text, opened


def every_door() -> tuple[str, list[str]]:
    """The section of the page, and the inputs that ended as nothing may."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = [tried(one, Path(folder)) for one in inputs(Path(folder))]
    rows, wrong = table_of(outcomes)
    text = (
        f"{len(outcomes)} inputs, each read once: what is no file of its kind, and sound files with one to three "
        f"random changes. {len(wrong)} ended otherwise than read, or refused by an exception of Twofold’s own with "
        "less than 64 KB of text and nothing written beside it."
    )
    lines = table(["input", "tried", "read", "refused", "wrong", "slowest, s"], rows)
    return f"{DOORS}\n\n{text}\n\n{lines}\n", wrong


def main() -> int:
    if sys.argv[1:] == ["doors"]:
        section, wrong_doors = every_door()
        PAGE.write_text(PAGE.read_text("utf-8").partition(DOORS)[0].rstrip() + f"\n\n{section}", "utf-8")
        print(section, *wrong_doors, sep="\n")
        return bool(wrong_doors)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else MUTATIONS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        rows, read = kinds(path)
        text, wrong = mutations(path, count)
        folders, opened = in_a_folder(Path(folder) / "run", count // IN_A_FOLDER)
    taken = sum(library_takes(content) for content, _ in MALFORMED.values())
    section, wrong_doors = every_door()
    PAGE.write_text(
        "# Malformed files\n\nWritten by `python benchmarks/hostile.py`.\n\n"
        f"{len(MALFORMED)} kinds of malformed file of weights: Twofold reads {read} of them, the library's own reader "
        f"{taken}. The peak is of memory that Python allocates, the file's own bytes included.\n\n{text}\n\n"
        f"{folders}\n\n{rows}\n\n{section}",
        "utf-8",
    )
    print(text, folders, *wrong_doors, sep="\n")
    return bool(read or wrong or opened or wrong_doors)


if __name__ == "__main__":
    sys.exit(main())
