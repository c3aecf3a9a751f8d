"""Runs that are killed, starved, damaged and raced for, in full: what survives.

    python benchmarks/survival.py [ROW ...]

Each run is a fork of one warmed-up process with one thread. Exits with status 1 where anything failed. With names, the
first words of a row, only these rows are measured anew.
"""

from __future__ import annotations

import os
import sys

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from timing import DOCS, publish, table, written

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import signalled  # pyright: ignore[reportMissingImports]
import surviving as s  # pyright: ignore[reportMissingImports]

SAME = "the same bytes"
TOLD = "told with path and bytes; the last checkpoint whole; goes on to the same bytes"
STEPS = (16, 20, 27, 45)
FILES = ("record.json", "recipe.toml", "history.csv", s.NEWEST, s.NEWEST.replace("json", "safetensors"))

RUNS, STUDIES = 50, 10
"""Histories of each kind of signals: at moments drawn from start-up to after the report."""
ENDED = "the documented status, no traceback; then gone on with to "

Row = tuple[str, Callable[[], Iterator[str | None]], str]


def rows(room: Path) -> list[Row]:
    """What happens, its cases, and what is asked of them."""
    twin = cache(lambda engine: s.Twin(room, engine))
    one = lambda: twin("numpy")  # noqa: E731
    killed: list[Row] = []
    for engine, every in (("numpy", 1), ("torch", 3)):
        mine = lambda engine=engine: twin(engine)  # noqa: E731
        killed += [
            (f"killed after every step, {engine}", lambda mine=mine: s.at_steps(mine(), range(1, 61)), SAME),
            (f"killed, and again while it goes on, {engine}", lambda mine=mine: s.twice(mine(), range(3, 54, 4)), SAME),
            (
                f"killed before and after calls that change a folder, {engine}",
                lambda mine=mine, every=every: s.at_calls(mine(), every),
                SAME,
            ),
        ]
    signals: list[Row] = []
    for kind in signalled.KINDS:
        signals += [
            (
                f"runs sent {kind} at random moments",
                lambda kind=kind: signalled.of_runs(room, kind, RUNS, seed=len(kind)),
                ENDED + SAME,
            ),
            (
                f"studies sent {kind} at random moments",
                lambda kind=kind: signalled.of_studies(room, kind, STUDIES, seed=len(kind)),
                ENDED + "the same numbers",
            ),
        ]
    return [
        *killed,
        *signals,
        (
            "killed at random moments while saving",
            lambda: s.saving(room, 200),
            "readable; nothing temporary left after the next start",
        ),
        (
            "newest checkpoint cut at every offset, a bit turned in every byte",
            lambda: s.damaged(room),
            "refused, said, the one before taken",
        ),
        ("file size limit", lambda: s.file_limit(one(), STEPS, (0, 100, 4000, 20_000)), TOLD),
        ("small disk full", lambda: s.disk_full(one(), STEPS, (0, 8192, 32_768)), TOLD),
        ("folder read-only", lambda: s.read_only(one(), STEPS), TOLD),
        (
            "file without permission",
            lambda: s.no_permission(one(), FILES),
            f"refused, or the one before taken; then {SAME}",
        ),
        (
            "several processes on one run folder",
            lambda: s.raced(one(), 20),
            "refused, the first named; goes on when that is killed",
        ),
        ("other hash seeds and folders", lambda: s.reproduced(room, "both", ("0", "1", "12345")), SAME),
    ]


def main() -> int:
    page, measured = DOCS / "survival.md", dict[str, list[str]]()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        s.warm(room)
        for title, cases, asked in rows(room):
            if sys.argv[1:] and not title.startswith(tuple(sys.argv[1:])):
                continue
            started, found = time.perf_counter(), list(cases())
            faults = [fault for fault in found if fault]
            print(f"{title}: {len(found)}, {len(faults)} failed, {time.perf_counter() - started:.0f} s", flush=True)
            for fault in dict.fromkeys(faults[:5]):
                print(f"    {fault}", flush=True)
            measured[title] = [title, str(len(found)), str(len(found) - len(faults)), asked]
    before = {row[0]: row for row in written(page)} if sys.argv[1:] else {}
    text = (
        "A run of 60 steps with everything on: shuffle, dropout, augmentation, batch norm, averaged weights, clipping, "
        f"a schedule, early stopping, the best weights kept; a checkpoint every {s.EVERY} steps.\nThe same bytes: "
        "SHA-256 of every file but `record.json`, `times.csv` and the report, which say when or where; and of what "
        "each checkpoint held.\n\n"
    )
    columns = ["what happens", "cases", "survived", "what is asked"]
    publish("survival", "What runs survive", text + table(columns, list((before | measured).values())))
    return any(row[1] != row[2] for row in measured.values())


if __name__ == "__main__":
    sys.exit(main())
