"""What a machine can withhold from a run: room on the disk, permission to write. Planted in a fork of this process.

Of root the file system asks no permission: the fork becomes nobody.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import kills
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
            with suppress(FileNotFoundError):  # a temporary file, renamed meanwhile
                os.chown(path, NOBODY, NOBODY)
        for above in folder.parents:
            if above.stat().st_uid == 0 and str(above).startswith(("/tmp/", "/dev/shm/")):
                above.chmod(above.stat().st_mode | 0o055)


def limits_files(size: int) -> None:
    """No file of this process grows beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def fills(filler: Path, free: int) -> None:
    """The file system that a file lies on, but for so many bytes."""
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            file.truncate(max(0, file.tell() - free))


def told(*words: str | Path, first: Callable[[], object] = lambda: None) -> tuple[int, str]:
    """Exit status of the command line in a fork, after what is done first, and what it says.

    It speaks through a pipe, which no limit to files holds up, and which must hold all of it: 64 KiB.
    """
    reading, writing = os.pipe()

    def work() -> None:
        sys.stdout = sys.stderr = os.fdopen(writing, "w", buffering=1)
        os.environ["COLUMNS"] = "4000"
        sys.argv = ["twofold", *map(str, words)]
        try:
            first()
            main()
        except SystemExit as end:
            sys.stdout.flush()
            os._exit(int(end.code or 0))

    done = kills.apart(work)
    os.close(writing)
    with open(reading) as said:
        return done, said.read()


def checkpoints(folder: Path) -> dict[str, bytes]:
    """The bytes of each that is there."""
    return {path.name: path.read_bytes() for path in (folder / "checkpoints").glob("[0-9]*")}
