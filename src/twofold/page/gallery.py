"""The folder of runs: which there are, their reports, and several side by side."""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import final

from twofold.errors import RunFolderError, TwofoldError, UserError
from twofold.foreign import MOST_TEXT, read_foreign
from twofold.runs import REPORT
from twofold.runs.names import RECORD
from twofold.runs.reading import read_record

MOST_RUNS = 500
MOST_COMPARED = 8
MOST_KEPT = 8
"""Comparisons that are kept until the page ends."""


@final
class Gallery:
    """The runs of a folder. Only a run that is listed can be opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._compared = dict[str, bytes]()
        self._drawing: ProcessPoolExecutor | None = None

    def listed(self) -> list[dict[str, object]]:
        """The runs, the newest first."""
        if not self.folder.is_dir():
            return []
        with os.scandir(self.folder) as entries:
            listed = [
                (entry.stat(follow_symlinks=False).st_mtime, entry.name)
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and _is_file(Path(entry.path) / RECORD)
            ]
        return [_facts(self.folder / name) for _, name in sorted(listed, reverse=True)[:MOST_RUNS]]

    def next_folder(self, name: str) -> Path:
        """The next free `NAME-N`."""
        number = 1
        while (self.folder / f"{name}-{number}").exists():
            number += 1
        return self.folder / f"{name}-{number}"

    def run(self, name: str) -> Path:
        """The folder of a run that is listed. Raises `UserError` for any other name."""
        folder = self.folder / name
        plain = bool(name) and name not in (".", "..") and not set(name) & {"/", "\\", "\0"}
        if not plain or folder.is_symlink() or not _is_file(folder / RECORD):
            raise UserError(f"no run `{name[:200]}` in this folder")
        return folder

    async def report(self, name: str) -> bytes:
        """The report of a run as HTML; drawn, and not stored, where the folder has none."""
        folder = self.run(name)
        if not _is_file(folder / REPORT):
            if (folder / REPORT).is_symlink():
                raise UserError(f"the report of `{name}` is a link and no file")
            return await self._drawn([folder])
        return await asyncio.to_thread(read_foreign, folder / REPORT, MOST_TEXT)

    async def compare(self, names: list[str]) -> str:
        """Draw runs side by side; gives the token by which `compared` returns the page. Raises `UserError`."""
        if not 2 <= len(names) <= MOST_COMPARED:
            raise UserError(f"tick 2 to {MOST_COMPARED} runs to compare them; got {len(names)}")
        page = await self._drawn([self.run(name) for name in names])
        number = secrets.token_urlsafe(9)
        self._compared = dict([*self._compared.items()][-MOST_KEPT + 1 :]) | {number: page}
        return number

    def compared(self, number: str) -> bytes:
        """A page of runs side by side. Raises `UserError` where it is not kept any more."""
        if number not in self._compared:
            raise UserError("this comparison is kept no longer; compare the runs again")
        return self._compared[number]

    async def _drawn(self, folders: list[Path]) -> bytes:
        """The page of these runs, drawn in a process of its own: the events of a training must not wait for figures."""
        if self._drawing is None:
            self._drawing = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        loop = asyncio.get_running_loop()
        try:
            page, fault = await loop.run_in_executor(self._drawing, drawn, [str(folder) for folder in folders])
        except BrokenProcessPool:
            self._drawing = None
            raise RunFolderError("the process that draws reports ended; was there enough memory?") from None
        if fault:
            raise RunFolderError(fault)
        return page

    def close(self) -> None:
        """End the process that draws."""
        if self._drawing:
            self._drawing.shutdown(wait=False, cancel_futures=True)


def drawn(folders: list[str]) -> tuple[bytes, str]:
    """The page of a run, or of several side by side; or why there is none."""
    from twofold.report.exported import rendered

    try:
        return rendered(folders[0] if len(folders) == 1 else folders).html.encode(), ""
    except (TwofoldError, OSError) as error:
        return b"", str(error)


def _is_file(path: Path) -> bool:
    """Whether this is a regular file itself, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def _facts(folder: Path) -> dict[str, object]:
    """What the list shows of one run."""
    try:
        record = read_record(folder)
    except (TwofoldError, OSError) as error:
        return {"name": folder.name, "status": "damaged", "title": str(error)[:300], "engines": {}}
    engines = {
        name: {"test": result.test_accuracy, "train": result.train_accuracy, "seconds": result.seconds}
        for name, result in record.engines.items()
    }
    facts = {"name": folder.name, "status": record.status, "title": record.title or record.recipe, "engines": engines}
    return {**facts, "started": record.started, "report": _is_file(folder / REPORT)}
