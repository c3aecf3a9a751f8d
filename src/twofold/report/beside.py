"""The report written by a second process, which imports matplotlib and gets ready while a run trains."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

    from twofold.runs import Run

PATIENCE = 60.0
"""Seconds that the second process waits for a run. Beside a longer training the imports do not count, and the memory
that it holds does."""
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from twofold.report.beside import wait; wait()"


@final
class ReportWriter:
    """Writes the report of a run, in the second process where there is one and it answers, else in this one."""

    def __init__(self, process: subprocess.Popen[str] | None) -> None:
        self._process = process

    def write(self, run: Run) -> Path:
        """Write the report and return its path. Raises `RunFolderError` where it cannot be written."""
        if self._process is not None:
            with suppress(OSError, ValueError):  # it has ended: its pipe is closed
                answer, _ = self._process.communicate(json.dumps(str(run.path.resolve())))
                if answer.strip() == "written":
                    return run.report
        from twofold.report.page import write_report

        return write_report(run)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def report_writer() -> Iterator[ReportWriter]:
    """A context around a training, with a writer whose second process starts now and ends with the context.

    There is none where it would gain nothing: with one processor, or where matplotlib is imported already.
    """
    if os.name != "posix" or processors() < 2 or "matplotlib" in sys.modules:
        yield ReportWriter(None)
        return
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", START, json.dumps(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # where it fails, this process writes the report and raises the error
        text=True,
        env=os.environ | ONE_THREAD,
        start_new_session=True,  # Ctrl-C is for the training
    )
    try:
        yield ReportWriter(process)
    finally:
        process.kill()
        process.communicate()


def wait() -> None:
    """The second process: get ready, wait for the folder of a run, write its report and say so."""
    from twofold.report.drawing import inline_svg
    from twofold.report.page import TEMPLATES, write_report
    from twofold.report.template import prepare

    def draw(figure: FigureBase) -> None:
        figure.subplots().plot([0, 1])

    inline_svg("ready", 1.0, 1.0, draw)  # by which fonts and back ends are loaded
    prepare(TEMPLATES)
    if select.select([sys.stdin], [], [], PATIENCE)[0] and (folder := sys.stdin.readline()):
        write_report(json.loads(folder), halves=True)
        print("written")
