"""What happens to runs: killed, killed twice, starved, damaged, raced for. Each case yields its fault, or `None`.

tests/test_survival.py looks at a few of each, benchmarks/survival.py at all: the arguments say how many. Each run is a
fork of this process.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

import kills
import starved
from records import beginning
from twofold.arrays import Array
from twofold.cli import progress, views
from twofold.recipe import dump, load_recipe
from twofold.report import write_report
from twofold.runs import RECIPE, RunWriter, arrays_of, locked, newest, open_run, read_record, sweep
from twofold.runs.names import RECORD
from twofold.runs.whole import seal
from twofold.setup.building import build_engine, initial_state
from twofold.train.running import resume, run

assert progress, views  # imported before the forks

EVERY = 7
"""Steps from one checkpoint to the next, of 60."""
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
    engine.load(initial_state(recipe.model))
    engine.predict(np.zeros((2, 1, 8, 8), np.float32))


WHOLE = "checkpoints/*.json"
"""What a checkpoint has once it is whole."""


def _last_whole(folder: Path) -> str:
    """The number of the newest checkpoint that is whole, as its files are named."""
    return max(folder.glob(WHOLE)).stem


def _wait(happened: Callable[[], bool]) -> None:
    """Until something has happened; for a minute at most, which is enough on any machine."""
    end = time.monotonic() + 60
    while not happened() and time.monotonic() < end:
        time.sleep(0.01)


class Twin:
    """The run of an engine that nobody disturbed, and others of the same recipe, which are compared with it."""

    def __init__(self, room: Path, engine: str) -> None:
        self.room, self.engine, self.recipe = room, engine, kills.everything(engine)
        self.folder, self.log = room / f"twin-{engine}", room / f"twin-{engine}.log"
        self.tried, self._log = room / f"try-{engine}", room / f"try-{engine}.log"
        self.file = room / f"{engine}.toml"
        self.file.write_text(dump(self.recipe))
        assert kills.apart(lambda: kills.train(self.recipe, self.folder, self.log, EVERY)) == 0

    def clear(self) -> None:
        """Nothing was tried."""
        shutil.rmtree(self.tried, ignore_errors=True)
        self._log.unlink(missing_ok=True)

    def begin(self, *planted: Callable[[], object]) -> int:
        """The exit status of a run after what is planted."""
        return kills.apart(
            lambda: ([each() for each in planted], kills.train(self.recipe, self.tried, self._log, EVERY))
        )

    def go_on(self, *planted: Callable[[], object]) -> int:
        """And of its resumption."""
        return kills.apart(lambda: ([each() for each in planted], kills.go_on(self.tried, self._log)))

    def killed(self, step: int) -> bool:
        """Whether a new run was killed after a step."""
        self.clear()
        return self.begin(lambda: kills.dies_after(self.engine, step)) == -signal.SIGKILL

    def fault(self, *planted: Callable[[], object]) -> str | None:
        """Of the run that goes on to its end: what of it is not as it should be."""
        if ended := self.go_on(*planted):
            return f"resume ended with {ended}"
        if not kills.same(self.tried, self._log, self.folder, self.log):
            return "other bytes"
        left = [str(path.relative_to(self.tried)) for path in self.tried.rglob(".*")]
        return f"left {left}" if left else None


# Killed


def at_steps(twin: Twin, steps: Iterable[int]) -> Failures:
    """Right after a step."""
    for step in steps:
        yield twin.fault() if twin.killed(step) else f"not killed after {step}"


def twice(twin: Twin, steps: Iterable[int]) -> Failures:
    """After a step, and again five steps later while the run goes on."""
    for step in steps:
        again = twin.killed(step) and twin.go_on(lambda step=step: kills.dies_after(twin.engine, step + 5))
        yield twin.fault() if again == -signal.SIGKILL else f"not killed twice after {step}"


def at_calls(twin: Twin, every: int) -> Failures:
    """Before and after calls that change a folder; until a run outlives its calls."""
    for after in (False, True):
        for call in itertools.count(0, every):
            twin.clear()
            if twin.begin(lambda call=call, after=after: kills.dies_at(call, after)) != -signal.SIGKILL:
                break
            if (twin.tried / RECORD).is_file():
                yield twin.fault()
            else:  # nothing was trained, nor is there a run yet
                ended = twin.begin()
                yield f"beginning again ended with {ended}" if ended else None


def saving(room: Path, times: int) -> Failures:
    """A process that only saves is killed at a random moment; the next one begins in the same folder."""
    folder, chance, last = room / "saves", random.Random(0), 0
    folder.mkdir()
    RunWriter(folder, kills.everything(), beginning(1)).finish("interrupted")
    for _kill in range(times):
        with kills.quiet_fork() as child:
            if not child:
                _saves(folder)
        _wait(lambda: any(folder.glob(WHOLE)))  # the first process has the time it takes
        time.sleep(chance.uniform(0.02, 0.25))
        os.kill(child, signal.SIGKILL)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        since, said = newest(folder, seal(folder / RECIPE))
        number = since.facts["taken"] if since else 0
        if ended != -signal.SIGKILL:
            yield "a temporary file was left after the next start" if ended == 3 else f"ended with {ended}"
        elif any("refused" in line for line in said) or number < last:
            yield f"unreadable: {said}, {number} after {last}"
        elif since and not np.array_equal(arrays_of(folder, since)["state"], _numbers(number)):
            yield "other numbers"
        else:
            yield None
        last = number
    if not last:
        yield "nothing was ever saved"


def _saves(folder: Path) -> None:
    """Until it is killed. Ends with 3 where its start leaves a temporary file."""
    sealed = seal(folder / RECIPE)
    with locked(folder):
        sweep(folder)
        since, _ = newest(folder, sealed)
        writer = RunWriter.again(folder, read_record(folder), since)
        if any(folder.rglob("*.tmp")):
            os._exit(3)
        for number in itertools.count(since.facts["taken"] + 1 if since else 1):
            writer.checkpoint("numpy", {"taken": number}, {"state": _numbers(number)})


def _numbers(number: int) -> Array:
    return np.full(50_000 + number % 7, number, np.float32)


# Damaged


def damaged(room: Path) -> Failures:
    """Every cut and every byte with a turned bit, of both files of the newest checkpoint."""
    folder = room / "damaged"
    folder.mkdir()
    writer = RunWriter(folder, kills.everything(), beginning())
    for taken in (1, 2):
        writer.checkpoint("numpy", {"taken": taken}, {"weight": np.arange(12, dtype=np.float32)})
    writer.finish("interrupted")
    sealed = seal(folder / RECIPE)
    for kind in ("safetensors", "json"):
        path = folder / "checkpoints" / f"000002.{kind}"
        sound = path.read_bytes()
        cut = (sound[:at] for at in range(len(sound)))
        turned = (sound[:at] + bytes([sound[at] ^ 1 << at % 8]) + sound[at + 1 :] for at in range(len(sound)))
        for content in (*cut, *turned):
            path.write_bytes(content)
            found, said = newest(folder, sealed)
            refused = len(said) == 1 and said[0].startswith("checkpoint 000002 is refused: ")
            yield None if found and found.number == 1 and refused else f"{kind}: took {found}, said {said}"
        path.write_bytes(sound)


# Starved


def starving(twin: Twin, step: int, happens: Callable[[], object], mended: Callable[[], object]) -> str | None:
    """A run to which that happens right after a step: it says so, what was saved stays, and it goes on when mended."""
    twin.clear()
    twin.tried.mkdir()
    before = twin.room / "before"
    before.write_text("")

    def at_the_step() -> None:
        kept = _last_whole(twin.tried)  # not what is being written
        before.write_text(kept)
        starved.hand_over(twin.tried)
        starved.becomes_nobody()
        happens()

    words = ("run", twin.file, "--out", twin.tried, "--checkpoint-every", str(EVERY), "--quiet")
    done, text = starved.told(*words, first=lambda: kills.after(twin.engine, step, at_the_step))
    kept = before.read_text()
    if not kept:
        return f"ended before that, with {done}: {text}"
    mended()
    if done <= 0 or "Traceback" in text or str(twin.tried) not in text or "bytes" not in text:
        return f"status {done}: {text}"
    sha = hashlib.sha256((twin.tried / "checkpoints" / f"{kept}.safetensors").read_bytes()).hexdigest()
    if sha not in (twin.tried / "checkpoints" / f"{kept}.json").read_text():
        return f"checkpoint {kept} is not what it was"
    return twin.fault()


def file_limit(twin: Twin, steps: Iterable[int], sizes: Iterable[int]) -> Failures:
    """A limit to the size of a file, from nothing to nearly a checkpoint. It ends with the process."""
    for step, size in itertools.product(steps, sizes):
        yield starving(twin, step, lambda size=size: starved.limits_files(size), lambda: None)


def disk_full(twin: Twin, steps: Iterable[int], free: Iterable[int]) -> Failures:
    """A file system of its own, filled up while the run lasts but for so many bytes. Asks for the right to mount."""
    plain, there = twin.tried, twin.room / "small"
    there.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", there], check=True, capture_output=True)
    twin.tried, filler = there / plain.name, there / "filler"
    try:
        for step, left in itertools.product(steps, free):
            yield starving(twin, step, lambda left=left: starved.fills(filler, left), lambda: filler.unlink())
    finally:
        twin.tried = plain
        subprocess.run(["umount", "-l", there], check=True)


def read_only(twin: Twin, steps: Iterable[int]) -> Failures:
    """The folder of the checkpoints, or that of the run too."""
    for step, names in itertools.product(steps, (["checkpoints"], [".", "checkpoints"])):
        folders = [twin.tried / name for name in names]
        yield starving(
            twin,
            step,
            lambda folders=folders: [folder.chmod(0o555) for folder in folders],
            lambda folders=folders: [folder.chmod(0o755) for folder in folders],
        )


NEWEST = "checkpoints/NEWEST.json"
"""Stands for the newest checkpoint that was whole when a run was killed."""


def no_permission(twin: Twin, names: Iterable[str]) -> Failures:
    """A file of a killed run may not be read or written: resume refuses or falls back, and takes nothing away."""
    for pattern in names:
        twin.killed(40)
        name = pattern.replace("NEWEST", _last_whole(twin.tried))
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


# Raced for, and made again


def raced(twin: Twin, processes: int) -> Failures:
    """One process stands in the middle of a run; others come."""
    twin.clear()
    standing = twin.room / "standing"
    standing.unlink(missing_ok=True)
    with kills.quiet_fork() as holder:
        if not holder:
            twin_stands = lambda: (standing.touch(), signal.pause())  # noqa: E731
            kills.after(twin.engine, 20, twin_stands)
            kills.train(twin.recipe, twin.tried, twin.tried.with_suffix(".log"), EVERY)
    _wait(standing.exists)
    for number in range(processes):
        words = ("resume", twin.tried) if number % 2 else ("run", twin.file, "--out", twin.tried)
        done, text = starved.told(*words)
        yield None if done == 2 and f"process {holder} on " in text else f"status {done}: {text}"
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    yield twin.fault()


def reproduced(room: Path, engine: str, seeds: Iterable[str]) -> Failures:
    """Processes of their own, each with another hash seed, in a folder of its own, from a copy of the recipe."""
    found = list[dict[str, str]]()
    for seed in seeds:
        here = room / f"seed-{seed}" / ("deep/" * len(seed))
        here.mkdir(parents=True)
        (here / "all.toml").write_text(dump(kills.everything(engine)))
        words = [sys.executable, "-m", "twofold", "run", "all.toml", "--out", "run", "--quiet"]
        surroundings = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(words, cwd=here, env=surroundings, capture_output=True, text=True)
        found.append(kills.traces(here / "run") if done.returncode == 0 else {})
        yield (
            done.stderr or "nothing was written" if not found[-1] else None if found[-1] == found[0] else "other bytes"
        )
