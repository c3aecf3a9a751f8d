"""The check of a user's code: right ones are right however they are written, wrong ones are caught and named."""

from __future__ import annotations

import json
import os
import re
import runpy
import tomllib
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faults import FAULTS, batches_of
from torture import short_form
from twofold.errors import UserError
from twofold.proof.check import formats
from twofold.proof.check.checking import CheckReport, check, check_file
from twofold.proof.check.engines import check_engine_file
from twofold.proof.check.grading import grade, grade_all
from twofold.proof.check.pages import write_pages
from twofold.proof.check.request import Adapter, Request
from twofold.proof.check.sandbox import Limits
from twofold.proof.check.steps import explain, sentence
from twofold.proof.check.task import load_task
from twofold.proof.check.templates import template_of
from twofold.proof.lockstep import compare
from twofold.proof.mistakes import KINDS
from twofold.setup.building import build_engine, initial_state

HERE = Path(__file__).parent


def cases(corpus: str) -> list[dict[str, Any]]:
    return tomllib.loads((HERE / corpus / "cases.toml").read_text("utf-8"))["case"]


@cache
def reports(corpus: str, file: str) -> dict[str, CheckReport]:
    """Every case of a file, in one process of its own."""
    chosen = [case for case in cases(corpus) if case["file"] == file]
    requests = [Request(case["object"], case["object"], case["like"]) for case in chosen]
    answers = check_file(HERE / corpus / file, requests, Limits(120))
    return {f"{case['object']} {case['like']}": answer for case, answer in zip(chosen, answers, strict=True)}


def files(corpus: str) -> list[str]:
    return list(dict.fromkeys(case["file"] for case in cases(corpus)))


LONG = {
    "books.py", "books_torch.py", "books_torch2.py", "lectures_torch.py", "modules.py", "styles.py", "styles_torch.py",
    "tables.py",
}  # fmt: skip
"""Right files that take seconds; every kind that they write is written by another right file too."""


@pytest.mark.parametrize("file", short_form(files("right"), set(files("right")) - LONG))
def test_right_code_is_not_accused(file: str) -> None:
    accused = {name: str(report) for name, report in reports("right", file).items() if not report.ok}
    assert accused == {}


@pytest.mark.parametrize("file", files("wrong"))
def test_wrong_code_is_caught_at_its_first_tensor_and_named(file: str) -> None:
    by_name = reports("wrong", file)
    missed = defaultdict(list)
    for case in (case for case in cases("wrong") if case["file"] == file):
        report = by_name[f"{case['object']} {case['like']}"]
        if report.ok or report.first is None or report.first.tensor != case["first"]:
            missed["caught"].append(case["object"])
        if report.fault is None or not re.search(case["name"], report.fault.name):
            missed["named"].append((case["object"], report.fault and report.fault.name))
    assert dict(missed) == {}


GOOD = HERE / "right" / "classes.py"


@pytest.fixture
def mine(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "mine.py"
        path.write_text(text, "utf-8")
        return path

    return write


BAD = {
    "does not import": ("import numpy as np\n\nx = 1 +\n", "mine.py does not import: SyntaxError", 2),
    "fails on import": ("import numpy as np\nnp.nothing\n", "(mine.py, line 2: np.nothing)", 2),
    "exits": ("import sys\nsys.exit(3)\n", "SystemExit: 3 (mine.py, line 2: sys.exit(3))", 2),
    "is not there": ("class Densee:\n    def forward(self, x): return x\n", "did you mean `Densee`?", 2),
    "has no parameters": (
        "class Dense:\n    def forward(self, x): return x\n    def backward(self, d): return d\n",
        "cannot find `weight` (3, 5)",
        2,
    ),
    "raises": (
        "import numpy as np\nclass Dense:\n"
        "    def __init__(self, a, b): self.W, self.b = np.zeros((b, a)), np.zeros(b)\n"
        "    def forward(self, x): return x @ self.W\n    def backward(self, d): return d\n",
        "it fails in a batch: ValueError",
        1,
    ),
    "never ends": ("class Dense:\n    def __init__(self, a, b):\n        while True: pass\n", "did not end within", 1),
    "prints a flood": (
        "import numpy as np\nclass Dense:\n"
        "    def __init__(self, a, b): self.W, self.b = np.zeros((b, a)), np.zeros(b)\n"
        "    def forward(self, x):\n        print('spam' * 100000)\n        return None\n",
        "None, where an array is expected",
        1,
    ),
    "crashes": (
        "import os, signal\nclass Dense:\n    def __init__(self, a, b): os.kill(os.getpid(), signal.SIGSEGV)\n",
        "the process crashed (SIGSEGV)",
        1,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_code_is_a_finding_with_its_place_and_never_a_traceback_of_ours(name: str, mine: Any) -> None:
    text, told, status = BAD[name]
    report = check(f"{mine(text)}:Dense", "dense", seconds=4)
    assert told in f"{report.summary} {report.errors}"
    assert report.exit_status == status
    assert len(report.printed) < 10_000
    json.dumps(report.to_json(), allow_nan=False)


def test_gates_in_another_order_are_right_where_an_adapter_says_so(mine: Any) -> None:
    text = (
        "import numpy as np\n\n\ndef lstm_step(x, h, c, W_ih, W_hh, b_ih, b_hh):\n"
        "    z = x @ W_ih.T + b_ih + h @ W_hh.T + b_hh\n"
        "    *gates, g = np.split(z, 4, 1)\n    i, f, o = (1 / (1 + np.exp(-gate)) for gate in gates)\n"
        "    c = f * c + i * np.tanh(g)\n    return o * np.tanh(c), c\n"
    )
    path = f"{mine(text)}:lstm_step"
    assert check(path, "lstm").fault.name == "lstm-gates-ifog"
    assert check(path, "lstm", adapter=Adapter(gates="ifog")).ok
    with pytest.raises(UserError, match="each gate of `lstm` once"):
        check(path, "lstm", adapter=Adapter(gates="ifoo"))


def test_a_loss_that_is_infinite_at_large_logits_alone_is_right_and_noted() -> None:
    def loss(scores: Any, y: Any) -> Any:
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = p / p.sum(axis=1, keepdims=True)
        slope = p.copy()
        slope[np.arange(len(y)), y] -= 1
        return -np.log(p[np.arange(len(y)), y]).mean(), slope / len(y)

    report = check(loss, like="cross_entropy")
    assert report.ok
    assert any("rounds to 0" in note for note in report.notes)


def test_an_unknown_kind_or_setting_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"unknown kind `dens`; did you mean `dense`\?"):
        check(str(GOOD), "dens")
    with pytest.raises(UserError, match=r"unknown setting `unit`; did you mean `units`\?"):
        check(str(GOOD), "dense", unit=3)
    with pytest.raises(UserError, match="no file"):
        check("nowhere.py:Dense", "dense")


def test_an_object_of_this_process_is_played_in_a_copy_of_it() -> None:
    place = list[int]()

    def relu(x: Any) -> Any:
        place.append(os.getpid())
        return np.maximum(x, 0)

    report = check((relu, lambda dout, x: dout * (x >= 0)), like="relu")
    assert report.fault.name == "relu-at-zero"
    assert report.first.tensor == "dx"
    assert place == []


def test_single_precision_is_compared_within_its_envelope() -> None:
    report = check(f"{GOOD}:Float32Linear", "dense", float32=True)
    assert report.ok
    assert all(found.control > 100 * found.tolerance for found in report.gaps)


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_compiles(kind: str) -> None:
    compile(template_of(kind), kind, "exec")


TASK = """
title = "One"
[[item]]
name = "Linear"
file = "layers.py"
object = "LinearModule"
like = { kind = "dense", units = 3 }
points = 3
[[item]]
name = "Softmax"
file = "layers.py"
object = "Softmax"
like = { kind = "softmax" }
hidden = true
points = 2
"""


@pytest.fixture
def submissions(tmp_path: Path) -> list[Path]:
    text = GOOD.read_text("utf-8")
    texts = {
        "ada": text,
        "=grace<b>": text.replace("dout.sum(axis=0, keepdims=True)", "dout.mean(axis=0, keepdims=True)"),
    }
    for name, source in texts.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "layers.py").write_text(
            source.replace("class Softmax", "class Soft" if "<" in name else "class Softmax")
        )
    return [tmp_path / name for name in texts]


def test_a_class_is_graded(submissions: list[Path], tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(TASK)
    task = load_task(str(tmp_path / "task.toml"))
    grades = grade_all(submissions, task, jobs=2)
    assert [grade.score for grade in grades] == [5, 0]
    assert grades[0].exit_status == 0
    rows = formats.grades_csv(grades).splitlines()
    assert rows[2].startswith("'=grace<b>,0,5")
    page = write_pages(tmp_path / "pages", grades, task)
    assert "averaged over the batch" in page.read_text("utf-8")
    student = next(p for p in (tmp_path / "pages").iterdir() if "grace" in p.name).read_text("utf-8")
    assert "<b>grace" not in student
    assert "hidden: not passed" in student
    assert "Soft" not in student.replace("Softmax", "")  # nothing of a hidden item but its name and points
    for write in (formats.gradescope, formats.junit, formats.as_json):
        assert "did you mean" not in write(grades[1])


def test_a_format_that_engines_have_not_is_refused_before_anything_runs(command, in_tmp: Path) -> None:
    Path("mine.py").write_text("raise SystemExit('it ran')\n")
    done = command("check", "mine.py:Engine", "--like", "moons", "--format", "junit")
    assert (done.status, done.err) == (2, "error: a whole engine is told as text or json; got `--format junit`\n")


def test_grades_of_a_folder_whose_name_is_no_utf_8(command, tmp_path: Path) -> None:
    student = Path(os.fsdecode(os.fsencode(tmp_path) + b"/ad\xff"))
    student.mkdir()
    (tmp_path / "task.toml").write_text(TASK)
    done = command("check", student, "--task", tmp_path / "task.toml", "--csv", tmp_path / "g.csv",
                   "--pages", tmp_path / "pages", "--format", "junit")  # fmt: skip
    assert "Traceback" not in done.err, done.err
    assert "ad\\udcff" in (tmp_path / "g.csv").read_text("utf-8")


def test_a_wrong_task_is_told(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(TASK.replace("points = 3", "point = 3"))
    with pytest.raises(UserError, match=r"line 3, item 1, `point`"):
        load_task(str(tmp_path / "task.toml"))
    with pytest.raises(UserError, match="no task `cs324`; did you mean `cs324-mlp`"):
        load_task("cs324")


def test_the_assignment_s_own_modules_pass_their_task() -> None:
    assert grade(HERE.parent / "examples" / "cs324", load_task("cs324-mlp")).score == 10


def test_an_engine_is_told_where_it_parts_and_why() -> None:
    fault = FAULTS["one stale momentum"]
    report = check_engine_of(fault)
    assert report.startswith(
        "steps 1 to 2 agree, step 3 parts: state, `2.bias`: The velocity of the step before is used"
    )


def check_engine_of(fault: Any) -> str:
    ours, theirs = build_engine("numpy", fault.recipe), fault.plant(fault.recipe)
    found = list[Any]()

    def look(parting: Any) -> None:
        found.append(sentence(parting.divergence, explain(fault.recipe, ours, parting, 1e-9, theirs)[1]))

    compare(ours, theirs, initial_state(fault.recipe.model), batches_of(fault.recipe), 1e-9, explain=look)
    return found[0]


def test_the_notebook_that_breaks_a_layer_runs(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(HERE.parent / "notebooks" / "breaking_a_layer.py"))
    assert "averaged over the batch" in capsys.readouterr().out


def test_the_programs_of_the_page_on_checking_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    page = (HERE.parent / "docs" / "checking.md").read_text("utf-8")
    programs = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(programs) >= 3
    (tmp_path / "program.py").write_text("\n".join(programs), "utf-8")  # each goes on where the one before ends
    runpy.run_path(str(tmp_path / "program.py"))
    shown = capsys.readouterr().out
    assert "False dx" in shown
    assert "relu-at-zero" in shown
    assert "agrees over 50 steps at 1e-09" in shown


ENGINES = """
from twofold.numpy_engine import NumpyEngine


class Mine:
    def __init__(self, recipe):
        self.inner = NumpyEngine(recipe.model, recipe.optimizer, recipe.training)

    def load(self, state):
        self.inner.load(state)

    def state(self):
        return self.inner.state()

    def step(self, batch):
        return self.inner.step(self.changed(batch))

    def changed(self, batch):
        return batch


class Late(Mine):
    def changed(self, batch):
        return batch._replace(lr=batch.lr * 0.5) if batch.step == 3 else batch


class Fails(Mine):
    def changed(self, batch):
        print("x" * 10**6)
        return batch if batch.step < 2 else 1 / 0


class Loops(Mine):
    def changed(self, batch):
        while True:
            pass


class Ends(Mine):
    def changed(self, batch):
        import os

        os._exit(3)


class Half:
    def load(self, state): ...
    def state(self): ...
"""
ENGINES_TOLD = {
    "Mine": (True, "agrees over 6 steps at 1e-09"),
    "Late": (False, "steps 1 to 3 agree, step 4 parts: state, `0.weight`: The step is half as long"),
    "Fails": (False, "it fails at step 3: ZeroDivisionError: division by zero (mine.py, line 30: "),
    "Loops": (
        False,
        (
            "it fails at step 1: the code did not answer within 4 seconds",
            "it fails at step 1: the code took more than 4 seconds of the processor",
        ),
    ),
    "Ends": (False, "it fails at step 1: its process ended by itself with status 3"),
}


@pytest.mark.parametrize("name", ENGINES_TOLD)
def test_an_engine_of_a_file_is_stepped_in_a_process_of_its_own(name: str, mine: Any) -> None:
    ok, told = ENGINES_TOLD[name]
    seconds = 4 if name == "Loops" else 60  # the start counts too, which on a busy machine takes its time
    report = check_engine_file(mine(ENGINES), name, "moons", steps=6, seconds=seconds)
    assert report.ok == ok
    assert report.summary.startswith(told)
    json.dumps(report.to_json(), allow_nan=False)


def test_what_is_no_engine_is_told(mine: Any) -> None:
    with pytest.raises(UserError, match="this one lacks `step`"):
        check_engine_file(mine(ENGINES), "Half", "moons", steps=2, seconds=20)
    with pytest.raises(UserError, match="did you mean `Half`"):
        check_engine_file(mine(ENGINES), "Hal", "moons", steps=2, seconds=20)
