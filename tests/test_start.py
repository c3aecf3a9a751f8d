"""A command imports what it uses and nothing else: imports, and not arithmetic, are what a user waits for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import twofold
from apart import Apart
from twofold.report.beside import ReportWriter

HEAVY = (
    "torch", "torch._dynamo", "sklearn", "scipy", "scipy.stats", "pandas", "matplotlib", "numpy", "datasets",
    "jaxtyping", "asyncio",
    "twofold.numpy_engine", "twofold.torch_engine", "twofold.study", "twofold.data.columns", "twofold.probe.microscope",
    "twofold.report.comparison",
)  # fmt: skip
"""What takes some hundredths of a second or more to import, libraries and parts of Twofold."""
SCRIPT = """
import sys
from twofold.cli import main
sys.argv = ["twofold", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("imported:", *sorted(name for name in {names!r} if name in sys.modules))
"""


def imported(arguments: list[str], folder: Path) -> set[str]:
    """Which of the heavy modules a command has imported when it ends."""
    script = SCRIPT.replace("{names!r}", repr(HEAVY))
    command = [sys.executable, "-c", script, *arguments]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert not ended.returncode, ended.stderr
    return set(ended.stdout.splitlines()[-1].split()[1:])


STEPS = ("--set", "training.epochs=1")
TRAINED = {"twofold.numpy_engine", "twofold.probe.microscope"}
"""A batch of every run goes through NumPy as well, number by number, when it ends."""
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "help": (["--help"], set()),
    "help of a command": (["run", "--help"], set()),
    "version": (["--version"], set()),
    "list": (["list"], set()),
    "list as JSON": (["list", "--json"], set()),
    "show": (["show", "mnist-mlp"], {"numpy"}),
    "run in NumPy": (["run", "digits", "--engine", "numpy", *STEPS], {"numpy", "matplotlib", *TRAINED}),
    "run in PyTorch": (
        ["run", "digits", "--engine", "torch", *STEPS],
        {"numpy", "matplotlib", "torch", "twofold.torch_engine", "asyncio", *TRAINED},
    ),
    "verify": (
        ["verify", "moons", "--steps", "2"],
        {"numpy", "torch", "asyncio", "twofold.numpy_engine", "twofold.torch_engine"},
    ),
}
"""What each command may import of the heavy modules."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> Path:
    """Folders of runs in both engines: `images`, of digits, and `points`, of moons."""
    folder = tmp_path_factory.mktemp("start")
    for name, recipe in {"images": "digits", "points": "moons"}.items():
        apart.run(recipe, overrides={"training.epochs": 2}, out=folder / name)
    return folder


@pytest.mark.parametrize("name", ["images", "points"])
def test_a_report_reads_the_folder_alone_and_two_processes_draw_what_one_draws(name: str, runs: Path) -> None:
    """Neither engine is asked: what the report wants of them was asked when the run ended.

    The command draws in halves where it can; here, beside PyTorch, one process draws everything.
    """
    assert imported(["report", name], runs) <= {"numpy", "matplotlib"}
    drawn = (runs / name / "report.html").read_bytes()
    assert twofold.write_report(runs / name).read_bytes() == drawn


FORKED = """
import os
from twofold.report import halves
from twofold.report.page import render
from twofold.runs import open_run

assert halves.may_fork() == (halves.processors() > 1)
here, drawn = os.getpid(), halves._draw
def ends_early(drawing):
    if os.getpid() != here:
        os._exit(1)
    return drawn(drawing)
halves._draw = ends_early
run = open_run("images")
assert render(run, halves=True).html == render(run).html
"""


def test_what_the_other_process_does_not_bring_back_is_drawn_here(runs: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", FORKED], cwd=runs, capture_output=True, text=True, timeout=120)
    assert not ended.returncode, ended.stderr


def test_a_run_has_its_report_whatever_becomes_of_the_second_process(runs: Path) -> None:
    run = twofold.open_run(runs / "points")
    run.report.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.wait()
    assert ReportWriter(process).write(run).is_file()


def test_the_second_process_ends_with_whoever_started_it(runs: Path) -> None:
    """Nothing comes through its pipe but the end."""
    ended = subprocess.run(
        [sys.executable, "-c", "from twofold.report.beside import wait; wait()"], input="", text=True
    )
    assert ended.returncode == 0


@pytest.mark.parametrize(("arguments", "allowed"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_imports_only_what_it_uses(arguments: list[str], allowed: set[str], tmp_path: Path) -> None:
    assert imported(arguments, tmp_path) <= allowed
