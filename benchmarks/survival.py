"""Runs that are killed, starved, damaged and raced for, in full: what survives.

    python benchmarks/survival.py [TEST ...]

Each run is a fork of one warmed-up process with one thread. Exits with status 1 where anything failed. With names, the
first words of a row, only these rows are measured anew.
"""

from __future__ import annotations

import hashlib
import os
import sys

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import random
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from timing import DOCS, publish, table, written

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import kills  # pyright: ignore[reportMissingImports]
import starved  # pyright: ignore[reportMissingImports]
from twofold.api import resume, run
from twofold.api.building import build_engine, initial_state
from twofold.cli import progress, views
from twofold.recipe import dump, load_recipe
from twofold.report import write_report
from twofold.runs import RECIPE, RunWriter, arrays_of, locked, newest, open_run, sweep
from twofold.runs.whole import seal

ENGINES = ("numpy", "torch")
STEPS, EVERY = 60, 7
SAVES, PROCESSES, SEEDS = 200, 20, ("0", "1", "12345")
Failures = Iterator[str | None]
"""Of each case its fault, or `None`."""


def warm(room: Path) -> None:
    """What a run imports, imported once. A backward pass of PyTorch would start threads, which no fork survives."""
    run(kills.everything(), out=room / "warm", checkpoint_every=EVERY)
    write_report(open_run(room / "warm"))
    (room / "warm.toml").write_text(dump(kills.everything()))
    load_recipe(room / "warm.toml")
    assert (
        kills.apart(
            lambda: (kills.dies_after("numpy", 40), kills.train(kills.everything(), room / "cold", room / "cold.log"))
        )
        == -9
    )
    resume(room / "cold")  # nobody, whom a fork may become, cannot read root's libraries
    recipe = kills.everything("torch")
    engine = build_engine("torch", recipe)
    engine.load(initial_state(recipe))
    engine.predict(np.zeros((2, 1, 8, 8), np.float32))


class Twin:
    """The run of an engine that nobody disturbed, and others of the same recipe compared with it."""

    made: ClassVar[dict[str, Twin]] = {}

    def __init__(self, room: Path, engine: str) -> None:
        self.recipe, self.engine = kills.everything(engine), engine
        self.folder, self.log, self.tried = room / f"twin-{engine}", room / f"twin-{engine}.log", room / f"try-{engine}"
        self.file = room / f"{engine}.toml"
        self.file.write_text(dump(self.recipe))
        assert kills.apart(lambda: kills.train(self.recipe, self.folder, self.log)) == 0

    @classmethod
    def of(cls, room: Path, engine: str) -> Twin:
        if engine not in cls.made:
            cls.made[engine] = cls(room, engine)
        return cls.made[engine]

    def begin(self, *planted: Callable[[], object]) -> int:
        """A run into an empty folder, after what is planted."""
        shutil.rmtree(self.tried, ignore_errors=True)
        self._log.unlink(missing_ok=True)
        return kills.apart(lambda: ([each() for each in planted], kills.train(self.recipe, self.tried, self._log)))

    def go_on(self, *planted: Callable[[], object]) -> int:
        return kills.apart(lambda: ([each() for each in planted], kills.go_on(self.tried, self._log)))

    def fault(self) -> str | None:
        """Of the run that went on to its end: what of it is not as it should be."""
        if (ended := self.go_on()) != 0:
            return f"resume ended with {ended}"
        if not kills.same(self.tried, self._log, self.folder, self.log):
            return "other bytes"
        left = [str(path.relative_to(self.tried)) for path in self.tried.rglob("*.tmp")]
        return f"left {left}" if left else None

    @property
    def _log(self) -> Path:
        return self.tried.with_suffix(".log")


def every_step(room: Path, engine: str) -> Failures:
    twin = Twin.of(room, engine)
    for step in range(1, STEPS + 1):
        killed = twin.begin(lambda step=step: kills.dies_after(engine, step))
        yield "not killed" if killed != -9 else twin.fault()


def twice(room: Path, engine: str) -> Failures:
    twin = Twin.of(room, engine)
    for step in range(3, STEPS - 6, 4):
        twin.begin(lambda step=step: kills.dies_after(engine, step))
        killed = twin.go_on(lambda step=step: kills.dies_after(engine, step + 5))
        yield "not killed twice" if killed != -9 else twin.fault()


def every_call(room: Path, engine: str) -> Failures:
    """Before and after each call that changes a folder; until a run outlives its calls."""
    twin = Twin.of(room, engine)
    for after in (False, True):
        call = 0
        while twin.begin(lambda call=call, after=after: kills.dies_at(call, after)) == -9:
            call += 1 if engine == "numpy" else 3
            if (twin.tried / "record.json").is_file():
                yield twin.fault()
            else:  # nothing was trained, nor is there a run yet
                again = kills.apart(lambda: kills.train(twin.recipe, twin.tried, twin._log))
                yield f"beginning again ended with {again}" if again else None


def saves(room: Path, _: str) -> Failures:
    """A process that only saves is killed at a random moment; the next one begins in the same folder."""
    folder, recipe, chance = room / "saves", kills.everything(), random.Random(0)
    folder.mkdir()
    facts: dict[str, Any] = {"checkpoint_every": 1}
    RunWriter(folder, recipe, facts)
    sealed = seal(folder / RECIPE)

    def arrays(number: int) -> dict[str, Any]:
        return {"state": np.full(50_000 + number % 7, number, np.float32)}

    def loop() -> None:
        with locked(folder):
            sweep(folder)
            since, _ = newest(folder, sealed)
            writer = RunWriter.again(folder, {**facts, "files": {RECIPE: sealed}}, since)
            if any(folder.rglob("*.tmp")):
                os._exit(3)
            number = since.facts["taken"] if since else 0
            while True:
                number += 1
                writer.checkpoint("numpy", {"taken": number}, arrays(number))

    last = 0
    for _kill in range(SAVES):
        child = os.fork()
        if not child:
            try:
                loop()
            finally:
                os._exit(1)
        time.sleep(chance.uniform(0.02, 0.25))
        os.kill(child, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        since, said = newest(folder, sealed)
        number = since.facts["taken"] if since else 0
        if ended != -9:
            yield "a temporary file was left after the next start" if ended == 3 else f"ended with {ended}"
        elif any("refused" in line for line in said) or number < last:
            yield f"unreadable: {said}, {number} after {last}"
        elif since and not np.array_equal(arrays_of(folder, since)["state"], arrays(number)["state"]):
            yield "other numbers"
        else:
            yield None
        last = number
    if not last:
        yield "nothing was ever saved"


def damaged(room: Path, _: str) -> Failures:
    """Every cut and every byte with a turned bit, of both files of the newest checkpoint."""
    folder, recipe = room / "damaged", kills.everything()
    folder.mkdir()
    writer = RunWriter(folder, recipe, {})
    for taken in (1, 2):
        writer.checkpoint("numpy", {"taken": taken}, {"weight": np.arange(12, dtype=np.float32)})
    writer.checkpoints.wait()
    sealed = seal(folder / RECIPE)
    for kind in ("safetensors", "json"):
        path = folder / "checkpoints" / f"000002.{kind}"
        sound = path.read_bytes()
        cut = (sound[:at] for at in range(len(sound)))
        turned = (sound[:at] + bytes([sound[at] ^ 1 << at % 8]) + sound[at + 1 :] for at in range(len(sound)))
        for content in (*cut, *turned):
            path.write_bytes(content)
            found, said = newest(folder, sealed)
            right = (
                found and found.number == 1 and len(said) == 1 and said[0].startswith("checkpoint 000002 is refused: ")
            )
            yield None if right else f"{kind}: took {found and found.number}, said {said}"
        path.write_bytes(sound)


def starving(
    twin: Twin, happens: Callable[[], object], mended: Callable[[], object], step: int, needs: str
) -> str | None:
    """A run to which that happens right after a step; what was saved stays, and it goes on when that is mended."""
    shutil.rmtree(twin.tried, ignore_errors=True)
    twin.tried.mkdir()
    before = twin.tried.with_suffix(".before")
    shutil.rmtree(before, ignore_errors=True)

    def at_the_step() -> None:
        kept = sorted((twin.tried / "checkpoints").glob("*.json"))[-1].stem  # not what is being written
        before.write_text(kept)
        starved.hand_over(twin.tried)
        starved.becomes_nobody()
        happens()

    before.touch()
    words = ("run", twin.file, "--out", twin.tried, "--checkpoint-every", str(EVERY), "--quiet")
    done, text = starved.told(*words, first=lambda: kills.after(twin.engine, step, at_the_step))
    kept = before.read_text()
    if not kept:
        return f"ended before that, with {done}: {text}"
    mended()
    if done in (0, -9) or "Traceback" in text or str(twin.tried) not in text or needs not in text:
        return f"status {done}: {text}"
    twin_bytes = hashlib.sha256((twin.tried / "checkpoints" / f"{kept}.safetensors").read_bytes()).hexdigest()
    if twin_bytes not in (twin.tried / "checkpoints" / f"{kept}.json").read_text():
        return f"checkpoint {kept} is not what it was"
    twin._log.unlink(missing_ok=True)
    return twin.fault()


def disk_full(room: Path, engine: str) -> Failures:
    """A limit to the size of a file, from nothing to nearly a checkpoint; resource limits end with the process."""
    twin = Twin.of(room, engine)
    for step in (16, 20, 27, 45):
        for size in (0, 100, 4000, 20_000):
            yield starving(twin, lambda size=size: starved.limits_files(size), lambda: None, step, "bytes")


def tmpfs_full(room: Path, engine: str) -> Failures:
    """A file system of its own, filled up while the run lasts but for so many bytes."""
    twin = Twin.of(room, engine)
    plain, there = twin.tried, room / "small"
    there.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", there], check=True, capture_output=True)
    twin.tried, filler = there / plain.name, there / "filler"

    def fill(free: int) -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                file.truncate(max(0, file.tell() - free))

    try:
        for step in (16, 27, 45):
            for free in (0, 8192, 32_768):
                yield starving(
                    twin, lambda free=free: fill(free), lambda: filler.unlink(missing_ok=True), step, "bytes"
                )
    finally:
        twin.tried = plain
        subprocess.run(["umount", "-l", there], check=True)


def read_only(room: Path, engine: str) -> Failures:
    twin = Twin.of(room, engine)

    def close(*folders: Path) -> None:
        [folder.chmod(0o555) for folder in folders]

    places = {"checkpoints": [twin.tried / "checkpoints"], "both": [twin.tried, twin.tried / "checkpoints"]}
    for step in (16, 27, 45):
        for folders in places.values():
            opened = lambda folders=folders: [folder.chmod(0o755) for folder in folders]  # noqa: E731
            yield starving(twin, lambda folders=folders: close(*folders), opened, step, "bytes")


def no_permission(room: Path, engine: str) -> Failures:
    """A file of a killed run may not be read or written: resume refuses or falls back, and takes nothing away."""
    twin = Twin.of(room, engine)
    for name in (
        "record.json",
        "recipe.toml",
        "history.csv",
        "checkpoints/000005.json",
        "checkpoints/000005.safetensors",
    ):
        twin.begin(lambda: kills.dies_after(engine, 40))
        starved.hand_over(twin.tried)
        before = starved.checkpoints(twin.tried)
        (twin.tried / name).chmod(0)
        done, text = starved.told("resume", twin.tried, "--quiet", first=starved.becomes_nobody)
        falls_back = name.startswith("checkpoints")
        if "Traceback" in text or Path(name).name not in text or done != (0 if falls_back else 2):
            yield f"{name}: status {done}: {text}"
        elif falls_back:
            yield None if kills.traces(twin.tried) == kills.traces(twin.folder) else f"{name}: other bytes"
        elif starved.checkpoints(twin.tried) != before:
            yield f"{name}: checkpoints were changed"
        else:
            (twin.tried / name).chmod(0o644)
            yield twin.fault()


def raced(room: Path, engine: str) -> Failures:
    """One process stands in the middle of a run; others come."""
    twin = Twin.of(room, engine)
    shutil.rmtree(twin.tried, ignore_errors=True)
    mark = room / "standing"
    mark.unlink(missing_ok=True)
    holder = os.fork()
    if not holder:
        kills.after(engine, 20, lambda: (mark.touch(), signal.pause()))
        try:
            kills.train(twin.recipe, twin.tried, twin._log)
        finally:
            os._exit(1)
    while not mark.exists() and not os.waitpid(holder, os.WNOHANG)[0]:
        time.sleep(0.01)
    for number in range(PROCESSES):
        words = ("resume", twin.tried) if number % 2 else ("run", twin.file, "--out", twin.tried)
        done, text = starved.told(*words)
        yield None if done == 2 and f"process {holder} on " in text else f"status {done}: {text}"
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    yield twin.fault()


def reproducible(room: Path, _: str) -> Failures:
    """Processes of their own, each with another hash seed, in a folder of its own, from a copy of the recipe."""
    found = set[tuple[tuple[str, str], ...]]()
    for seed in SEEDS:
        here = room / f"seed-{seed}" / ("deep/" * len(seed))
        here.mkdir(parents=True)
        (here / "all.toml").write_text(dump(kills.everything("both")))
        words = [sys.executable, "-m", "twofold", "run", "all.toml", "--out", "run", "--quiet"]
        done = subprocess.run(
            words, cwd=here, env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True
        )
        traces = kills.traces(here / "run") if done.returncode == 0 else {}
        found.add(tuple(sorted(traces.items())))
        yield done.stderr or None if not traces else None if len(found) == 1 else "other bytes"


TESTS: dict[str, tuple[Callable[[Path, str], Failures], str]] = {
    "killed after every step": (every_step, "the same bytes"),
    "killed, and killed again going on": (twice, "the same bytes"),
    "killed before and after calls that change a folder": (every_call, "the same bytes"),
    "killed at random moments while saving": (saves, "readable; nothing left after the next start"),
    "newest checkpoint cut at every offset, a bit turned in every byte": (
        damaged,
        "refused, said, the one before taken",
    ),
    "file size limit": (disk_full, "told with path and bytes; the last checkpoint whole; goes on to the same bytes"),
    "small disk full": (tmpfs_full, "told with path and bytes; the last checkpoint whole; goes on to the same bytes"),
    "folder read-only": (read_only, "told with path and bytes; the last checkpoint whole; goes on to the same bytes"),
    "file without permission": (no_permission, "refused, or the one before taken; then the same bytes"),
    "several processes on one run folder": (raced, "refused, the first named; goes on when that is killed"),
    "other hash seeds and folders": (reproducible, "the same bytes"),
}
BOTH = (every_step, twice, every_call)


assert progress, views  # imported before the forks


def main() -> int:
    page = DOCS / "survival.md"
    rows = dict[str, list[str]]()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        warm(room)
        for title, (test, wanted) in TESTS.items():
            for engine in ENGINES if test in BOTH else ENGINES[:1]:
                title_here = f"{title}, {engine}" if test in BOTH else title
                if sys.argv[1:] and not title_here.startswith(tuple(sys.argv[1:])):
                    continue
                started, found = time.perf_counter(), list(test(room, engine))
                faults = [fault for fault in found if fault]
                print(
                    f"{title_here}: {len(found)}, {len(faults)} failed",
                    f"{time.perf_counter() - started:.0f} s",
                    flush=True,
                )
                print(*dict.fromkeys(faults[:5]), sep="\n", end="\n" if faults else "", flush=True)
                rows[title_here] = [title_here, str(len(found)), str(len(found) - len(faults)), wanted]
                _write({row[0]: row for row in written(page)} | rows if sys.argv[1:] else rows)
    return any(row[1] != row[2] for row in rows.values())


def _write(rows: dict[str, list[str]]) -> None:
    text = (
        f"A run of {STEPS} steps with everything on: shuffle, dropout, augmentation, batch norm, averaged weights, "
        "clipping, a schedule, early stopping, the best weights kept; a checkpoint every "
        f"{EVERY} steps.\nThe same bytes: SHA-256 of every file but `record.json`, `times.csv` and the report, which "
        "say when or where; and of what each checkpoint held.\n\n"
    )
    publish(
        "survival",
        "What runs survive",
        text + table(["what happens", "cases", "survived", "what is asked"], list(rows.values())),
    )


if __name__ == "__main__":
    sys.exit(main())
