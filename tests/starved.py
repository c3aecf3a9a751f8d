"""What a machine can withhold from a run: room on the disk, permission to write. Planted in a fork of this process.

Of root the file system asks no permission: the fork becomes nobody.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kills
from twofold.api.building import Silent
from twofold.cli import main

NOBODY = 65534


def becomes_nobody() -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def hand_over(folder: Path) -> None:
    """To nobody, with all that is in it, and open every folder on the way: of root's alone it could not be written."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        for above in folder.parents:
            if above.stat().st_uid == 0 and str(above).startswith(("/tmp/", "/dev/shm/")):
                above.chmod(above.stat().st_mode | 0o055)


def limits_files(size: int) -> None:
    """No file of this process grows beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def when(step: int, happens: Callable[[], object]) -> None:
    """Plant something right after a step of any training of this process."""
    stepped = Silent.stepped

    def planted(self: Any, count: int, *others: Any) -> None:
        stepped(self, count, *others)
        if count == step:
            happens()

    Silent.stepped = planted


def command(said: Path, *words: str | Path) -> Callable[[], None]:
    """The command line in a fork, with what it says in a file. Call it with `status`."""

    def work() -> None:
        with said.open("wb") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.environ["COLUMNS"] = "4000"
        sys.argv = ["twofold", *map(str, words)]
        main()

    return work


def status(work: Callable[[], object], *first: Callable[[], object]) -> int:
    """The exit status of work in a fork, after what is done first."""

    def all_of_it() -> None:
        try:
            for each in (*first, work):
                each()
        except SystemExit as end:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(int(end.code or 0))

    return kills.apart(all_of_it)


def checkpoints(folder: Path) -> dict[str, bytes]:
    """The bytes of each that is there."""
    return {path.name: path.read_bytes() for path in (folder / "checkpoints").glob("[0-9]*")}
