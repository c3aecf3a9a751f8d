"""Twofold in a process of its own that is started once: commands without the checks of shapes that the tests switch on.

Under them the NumPy engine takes longer, and a new process takes seconds to import what a command needs. The process
that stands by has imported all of it; each command runs in a copy of it, with its own working folder, environment and
output, and ends as its process does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from twofold.runs import Run, open_run

if TYPE_CHECKING:
    from twofold.report.drawing import Draw

RUN = """
import json, sys, twofold
recipe, out, options = sys.argv[1:]
twofold.run(recipe, out=out, **json.loads(options))
"""
SOURCE = Path(__file__).parents[1] / "src"


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str


class Apart:
    """A process that stands by, and runs one command line after another."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])}
        self.process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __call__(self, *words: object, drawn: bool = False) -> Ended:
        """Run `twofold WORDS` in this process's working folder and environment.

        Unless the pages are to be looked at (`drawn`), figures are composed and not rendered: to measure and write them
        takes most of the time of a page.
        """
        return self._ask("", words, drawn)

    def python(self, code: str, *words: object) -> Ended:
        """Run a program, which finds the words in `sys.argv`; its figures are composed and not rendered."""
        return self._ask(code, words, drawn=False)

    def run(self, recipe: str | Path, *, out: Path, **options: object) -> Run:
        """As `twofold.run`, of options that JSON can say."""
        done = self.python(RUN, recipe, out, json.dumps(options))
        assert done.status == 0, done.err
        return open_run(out)

    def _ask(self, code: str, words: tuple[object, ...], drawn: bool) -> Ended:
        with tempfile.TemporaryDirectory() as folder:
            order = {
                "code": code,
                "words": [*map(str, words)],
                "drawn": drawn,
                "cwd": os.getcwd(),
                "env": dict(os.environ),
                "folder": folder,
            }
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            print(json.dumps(order), file=self.process.stdin, flush=True)
            status = int(self.process.stdout.readline())
            return Ended(status, *((Path(folder) / name).read_text("utf-8") for name in ("out", "err")))

    def close(self) -> None:
        self.process.communicate()


@contextmanager
def standing_by() -> Iterator[Apart]:
    apart = Apart()
    try:
        yield apart
    finally:
        apart.close()


def _serve() -> None:
    """Read a command, run it in a copy of this process, say with which status it ended."""
    import matplotlib.figure  # noqa: F401
    import torch  # noqa: F401

    import twofold
    import twofold.cli
    import twofold.report

    _ = twofold.run, twofold.verify, twofold.write_report
    for line in sys.stdin:
        order = json.loads(line)
        if not (process := os.fork()):
            _run(order)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


def _run(order: dict) -> None:
    """The command, as `main` would be run; this process ends with it."""
    from twofold.cli import main
    from twofold.report import drawing

    if not order["drawn"]:
        drawing.inline_svg = composed
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(order["folder"]) / name, os.O_WRONLY | os.O_CREAT), number)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    sys.argv = ["-c" if order["code"] else "twofold", *order["words"]]
    status = 1
    try:
        exec(order["code"], {"__name__": "__main__"}) if order["code"] else main()
        status = 0
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def composed(label: str, width: float, height: float, draw: Draw, placed: bool = False) -> Markup:
    """In place of a drawing: everything is put into its figure, nothing is measured or written."""
    from matplotlib.figure import Figure

    from twofold.report.drawing import styled

    with styled({}):
        draw(Figure(figsize=(width, height), layout=None if placed else "constrained"))
    return placeholder(label)


def placeholder(label: str, *_: object) -> Markup:
    """What stands in a page in place of a drawing."""
    return Markup('<svg role="img" aria-label="{}"></svg>').format(label)


if __name__ == "__main__":
    _serve()
