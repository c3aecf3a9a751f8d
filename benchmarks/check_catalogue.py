"""Parts of the benchmark of `twofold check`: every mistake of the catalogue, and how long a layer and a class take."""

from __future__ import annotations

import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from twofold.proof.check.checking import check
from twofold.proof.check.compared import gaps
from twofold.proof.check.engines import EngineReport
from twofold.proof.check.naming import named_faults
from twofold.proof.check.subject import Subject
from twofold.proof.mistakes import MISTAKES, Mistake

ROOT = Path(__file__).parents[1]


class Tried(NamedTuple):
    """A mistake of the catalogue in a kind: whether it shows on the inputs, and what it is called."""

    mistake: str
    kind: str
    visible: bool
    named: str
    own: bool
    """Whether the name is its own, or that of a relation or mistake with the same numbers."""


def catalogue() -> list[Tried]:
    """Every mistake on the inputs and settings of every kind in which it can be made, until it is seen."""
    made = runpy.run_path(str(ROOT / "docs" / "make_mistakes.py"))
    return [_tried(made, mistake, kind) for mistake in MISTAKES for kind in mistake.kinds]


def _tried(made: dict[str, Any], mistake: Mistake, kind: str) -> Tried:
    for number in range(len(made["choices"](kind))):
        subject: Subject = made["subject"](kind, number)
        expected = list(made["right"](kind, number))
        tolerances = subject.tolerances(expected, single=False)
        yours = subject.run(mistake.apply(subject.making))
        with np.errstate(all="ignore"):
            wrong = [gap.tensor for gap in gaps(yours, expected, subject.names, tolerances) if not gap.ok]
        if not wrong or not any(yours):
            continue
        named = named_faults(subject, yours, expected, tolerances, wrong)
        if named:
            return Tried(mistake.id, kind, True, named[0].name, mistake.id in named[0].name)
        return Tried(mistake.id, kind, True, "", False)
    return Tried(mistake.id, kind, False, "", False)


def catalogue_rows(tried: list[Tried]) -> list[str]:
    """The catalogue in a table: mistakes, pairs of mistake and kind, and what they are called."""
    seen = {t.mistake for t in tried if t.visible}
    named = {t.mistake for t in tried if t.named}
    visible = [t for t in tried if t.visible]
    return [
        f"| mistakes | {len({t.mistake for t in tried})} |",
        f"| seen on the standard inputs of a kind in which they can be made | {len(seen)} |",
        f"| named | {len(named)} |",
        f"| mistakes times the kinds in which they can be made | {len(tried)} |",
        f"| of these seen (some have no effect on a kind: a decay that it does not have) | {len(visible)} |",
        f"| of those seen named | {sum(bool(t.named) for t in visible)} |",
        f"| under their own name | {sum(t.own for t in visible)} |",
        f"| under that of one with the same numbers | {sum(bool(t.named) and not t.own for t in visible)} |",
    ]


def layer_seconds() -> tuple[float, float, float]:
    """Median and largest time of a check in a process that stands, and the largest of a command with its start."""
    alone, whole = [], []
    for kind, name in (("dense", "LinearModule"), ("conv2d", "Conv"), ("batch_norm", "BatchNorm2d"), ("rnn", "RNN")):
        like = {"kind": kind} | ({"channels": 5, "kernel": 3, "stride": 2, "padding": 1} if kind == "conv2d" else {})
        for _ in range(3):
            report = check(f"{ROOT / 'tests' / 'right' / 'classes.py'}:{name}", like)
            assert not isinstance(report, EngineReport)
            assert report.ok
            alone.append(report.seconds)
        settings = [f"{key}={value}" for key, value in like.items() if key != "kind"]
        options = [part for setting in settings for part in ("--set", setting)]
        started = time.perf_counter()
        command = [sys.executable, "-m", "twofold", "check", f"{ROOT / 'tests' / 'right' / 'classes.py'}:{name}"]
        subprocess.run([*command, "--like", kind, *options], check=True, capture_output=True)
        whole.append(time.perf_counter() - started)
    return float(np.median(alone)), max(alone), max(whole)


CLASS, ITEMS = 30, 6
TASK = """title = "A class"
[[item]]
file = "layers.py"
object = "LinearModule"
like = { kind = "dense", units = 3 }
[[item]]
file = "layers.py"
object = "ReLU"
like = { kind = "relu" }
[[item]]
file = "layers.py"
object = "Softmax"
like = { kind = "softmax" }
[[item]]
file = "layers.py"
object = "Conv"
like = { kind = "conv2d", channels = 5, kernel = 3, stride = 2, padding = 1 }
[[item]]
file = "layers.py"
object = "BatchNorm2d"
like = { kind = "batch_norm" }
[[item]]
file = "rules.py"
object = "Adam"
like = { kind = "adam", lr = 0.01 }
"""
SLIPS = (
    ("dout.sum(axis=0, keepdims=True)", "dout.mean(axis=0, keepdims=True)"),
    ("self.mask = x > 0", "self.mask = x >= 0"),
    ("] += dc[:, i, j]", "] = dc[:, i, j]"),
    ('np.einsum("nij,nj->ni", jac, dout)', "dout * self.out * (1 - self.out)"),
)
"""What every second student got wrong."""


def class_seconds() -> float:
    """30 submissions of 6 items, graded two at once by one command."""
    held = {"layers.py": "classes.py", "rules.py": "rules.py"}
    texts = {name: (ROOT / "tests" / "right" / file).read_text("utf-8") for name, file in held.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "task.toml").write_text(TASK, "utf-8")
        for number in range(CLASS):
            student = folder / f"student-{number:02}"
            student.mkdir()
            slips = SLIPS[number % len(SLIPS) :] if number % 2 else ()
            layers = texts["layers.py"]
            for right, wrong in slips:
                assert right in layers, right
                layers = layers.replace(right, wrong)
            (student / "layers.py").write_text(layers, "utf-8")
            (student / "rules.py").write_text(texts["rules.py"], "utf-8")
        started = time.perf_counter()
        students = sorted(str(path) for path in folder.glob("student-*"))
        command = [sys.executable, "-m", "twofold", "check", *students, "--task", str(folder / "task.toml")]
        ended = subprocess.run([*command, "--jobs", "2", "--csv", str(folder / "grades.csv")], capture_output=True)
        assert ended.returncode == 1, ended.stderr
        assert len((folder / "grades.csv").read_text("utf-8").splitlines()) > CLASS
        return time.perf_counter() - started
