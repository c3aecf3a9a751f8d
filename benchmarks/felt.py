"""How long a command takes until it is done, whole processes: side by side with the plain scripts that do the same.

    python benchmarks/felt.py [ROUNDS]

Every command and every script of benchmarks/peers/ runs in a process of its own, one after another, seven times in
turn; the libraries have one thread each. A script loads the same data, trains the same network for as many steps and
scores it; a command besides evaluates after every epoch, records signals, seals its folder and writes the report.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from timing import publish, ratio, seconds, table, take_turns

PEERS = Path(__file__).parent / "peers"
ROUNDS = 7
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
REPORT = "report"


@dataclass(frozen=True)
class Goal:
    """What a command may take at most: times its peer's time, or seconds."""

    command: str
    most: float
    peer: str = ""


GOALS = (
    Goal("run digits --engine numpy", 1.5, "sklearn_digits"),
    Goal("run digits --engine torch", 1.1, "torch_digits"),
    Goal("run digits", 1.3, "torch_digits"),
    Goal("verify moons --steps 200", 0.9, "verify_moons"),
    Goal(REPORT, 2.0),
    Goal("list", 0.4),
    Goal("show moons", 0.4),
    Goal("--help", 0.4),
)


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "digits"
        _call(_twofold("run", "digits", "--quiet", "--out", str(run)), folder)
        contestants = {goal.command: _timed(_words(goal.command, run), folder) for goal in GOALS}
        contestants |= {
            goal.peer: _timed([sys.executable, str(PEERS / f"{goal.peer}.py")], folder) for goal in GOALS if goal.peer
        }
        figures = take_turns(contestants, rounds)
    rows = [_row(goal, figures) for goal in GOALS]
    text = (
        f"Whole processes, from the command to its end, median of {rounds}, in turn in one run, the libraries with one "
        "thread each; a ratio is the\nmedian over the rounds. The peers are the plain scripts of "
        "[benchmarks/peers/](../../benchmarks/peers/): `verify` beside one that takes the same\nsteps in NumPy by hand "
        "and in PyTorch and compares outputs, loss, gradients and parameters. A command that trains writes its report "
        "as well.\n\n"
    )
    publish("felt", "How long a command takes", text + table(["command", "s", "peer", "s", "ratio", "at most"], rows))
    sys.exit(1 if any(row[-1].endswith("missed") for row in rows) else 0)


def _words(command: str, run: Path) -> list[str]:
    return _twofold("report", str(run)) if command == REPORT else _twofold(*command.split())


def _twofold(*words: str) -> list[str]:
    return [sys.executable, "-m", "twofold", *words]


def _timed(words: list[str], folder: str) -> Callable[[], float]:
    return lambda: seconds(lambda: _call(words, folder))


def _call(words: list[str], folder: str) -> None:
    """As where it is installed: what was imported once is compiled, of Twofold as of the libraries."""
    environment = os.environ | ONE_THREAD | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{folder}/compiled"}
    subprocess.run(words, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _row(goal: Goal, figures: dict[str, list[float]]) -> list[str]:
    took = median(figures[goal.command])
    name = "`twofold report RUN` of `digits`" if goal.command == REPORT else f"`twofold {goal.command}`"
    if not goal.peer:
        missed = ", missed" if took > goal.most else ""
        return [name, f"{took:.2f}", "–", "–", "–", f"{goal.most:g} s{missed}"]
    times = ratio(figures, goal.command, goal.peer)
    missed = ", missed" if times > goal.most else ""
    return [
        name,
        f"{took:.2f}",
        goal.peer,
        f"{median(figures[goal.peer]):.2f}",
        f"{times:.2f}",
        f"{goal.most:g}{missed}",
    ]


if __name__ == "__main__":
    main()
