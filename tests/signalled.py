"""Commands that are sent signals at random moments, start-up and report included, and what becomes of what they wrote.

Each history is a fork of this process that runs the command line, is sent signals once or twice, and then is gone
on with as the documents say. benchmarks/survival.py counts them.
"""

from __future__ import annotations

import csv
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import kills
from surviving import Failures
from twofold.cli import main
from twofold.recipe import dump, load_recipe
from twofold.runs import open_run
from twofold.runs.names import RECORD

LONGEST = 120.0
"""Seconds after which a command hangs."""
PROMPT = 30.0
"""Seconds within which it ends after its signal, on a machine that is busy: the documents say two."""
Words = Sequence[str | Path]


class Kind(NamedTuple):
    """Signals that come from a moment on, each so many seconds after the one before, and the status documented."""

    signals: Sequence[tuple[float, signal.Signals]]
    status: int = 0


KINDS: dict[str, Kind] = {
    "SIGTERM": Kind([(0, signal.SIGTERM)], 143),
    "SIGINT twice": Kind([(0, signal.SIGINT), (0.02, signal.SIGINT)], 130),
    "SIGHUP": Kind([(0, signal.SIGHUP)], 129),
    "SIGQUIT": Kind([(0, signal.SIGQUIT)], -signal.SIGQUIT),
    "SIGSTOP, SIGCONT": Kind([(0, signal.SIGSTOP), (0.15, signal.SIGCONT)]),
    "SIGSTOP, SIGTERM, SIGCONT": Kind([(0, signal.SIGSTOP), (0.05, signal.SIGTERM), (0.1, signal.SIGCONT)], 143),
}


def told(words: Words, kind: Kind | None = None, after: float = 0.0) -> tuple[int, str]:
    """Exit status and output of a command that is sent signals, the first `after` seconds from its beginning."""
    with tempfile.TemporaryFile("w+") as said:
        with kills.quiet_fork() as child:
            if not child:
                _command(words, said.fileno())
        time.sleep(after)
        for wait, number in kind.signals if kind else ():
            time.sleep(wait)
            with suppress(ProcessLookupError):
                os.kill(child, number)
        status = _ended(child, PROMPT if kind and kind.status else LONGEST)
        said.seek(0)
        return status, said.read()


def _command(words: Words, output: int) -> None:
    """In the fork: the command line as a shell starts it."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ["COLUMNS"] = "4000"
    sys.argv = ["twofold", *map(str, words)]
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(int(end.code or 0))


def _ended(child: int, within: float) -> int:
    """Its exit status; a process that does not end is killed, and has that of SIGKILL."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def history(kind: Kind, folder: Path, chance: random.Random, lasts: float, words: Callable[[], Words]) -> str | None:
    """A command is sent signals once or twice, then goes on undisturbed; its fault, or `None`."""
    shutil.rmtree(folder, ignore_errors=True)
    for _ in range(chance.randint(1, 2)):
        after = chance.uniform(0, lasts)
        status, text = told(words(), kind, after)
        if fault := _told_wrong(status, text, kind):
            return f"{fault} after {after:.2f} s: {text[-500:]}"
    status, text = told(words())
    return f"at last status {status}: {text[-500:]}" if status or "Traceback" in text else None


def _told_wrong(status: int, text: str, kind: Kind) -> str | None:
    """A command that has ended before its signal came has status 0; one that could not begin left nothing."""
    if "Traceback" in text:
        return "a traceback"
    return None if status in (0, kind.status) else f"status {status}"


def _undisturbed(words: Words, twin: Path) -> float:
    """Seconds of the command that nobody disturbs, which writes what every history is compared with."""
    shutil.rmtree(twin, ignore_errors=True)
    began = time.monotonic()
    status, text = told((*words, twin))
    assert status == 0, text
    return time.monotonic() - began


def of_runs(room: Path, kind: str, times: int, seed: int = 0) -> Failures:
    """Runs with a checkpoint every 20 of 300 steps; goes on by `resume` once there is a record."""
    file, twin, folder = room / "signalled.toml", room / "signalled-twin", room / "signalled"
    file.write_text(dump(load_recipe("moons", {"training.epochs": 15, "training.engines": ["numpy"]})))
    begins = ("run", file, "--checkpoint-every", "20", "--quiet", "--out")
    lasts, chance = _undisturbed(begins, twin), random.Random(seed)

    def words() -> Words:
        return ("resume", folder, "--quiet") if (folder / RECORD).is_file() else (*begins, folder)

    for _ in range(times):
        fault = history(KINDS[kind], folder, chance, lasts, words)
        if fault is None and kills.traces(folder) != kills.traces(twin):
            fault = "other bytes"
        if fault is None and (open_run(folder).status != "finished" or not (folder / "report.html").is_file()):
            fault = "not finished"
        yield fault


def of_studies(room: Path, kind: str, times: int, seed: int = 0) -> Failures:
    """Studies of four points; the same command goes on."""
    file, twin, folder = room / "signalled-study.toml", room / "study-twin", room / "study"
    file.write_text(
        'recipe = "moons"\nseeds = 2\n[set]\n"training.epochs" = 3\n"data.samples" = 200\n'
        '[[axes]]\nfield = "optimizer.lr"\nvalues = [0.01, 0.1]\n'
    )
    words = ("study", file, "--jobs", "1", "--quiet", "--out")
    lasts, chance = _undisturbed(words, twin), random.Random(seed)
    for _ in range(times):
        fault = history(KINDS[kind], folder, chance, lasts, lambda: (*words, folder))
        yield fault or (None if _numbers(folder) == _numbers(twin) else "other numbers")


def _numbers(folder: Path) -> list[list[str]]:
    """The table of a study without what says how long it took."""
    with (folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [[value for name, value in row.items() if "seconds" not in name] for row in rows]
