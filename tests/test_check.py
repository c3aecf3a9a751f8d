"""The check of a user's code: right ones are right however they are written, wrong ones are caught and named."""

from __future__ import annotations

import functools
import json
import math
import os
import re
import runpy
import subprocess
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from faults import FAULTS, batches_of
from torture import short_form
from twofold.errors import UserError
from twofold.proof.check import formats
from twofold.proof.check.checking import CheckReport, check, check_file
from twofold.proof.check.engines import check_engine_file
from twofold.proof.check.grading import grade, grade_all
from twofold.proof.check.judging import power
from twofold.proof.check.pages import page_names, write_pages
from twofold.proof.check.request import Adapter, Request
from twofold.proof.check.sandbox import Limits
from twofold.proof.check.steps import explain, sentence
from twofold.proof.check.subject import subjects
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
    "ends by a signal without a name": ("import os\nos.kill(os.getpid(), 40)\n", "the process crashed (signal 40)", 1),
}


SCENES = '{"plan": "", "errors": {}, "untold": [%s], "fits": 1, "constant_rate": 0, "one_bias": 0, "autograd": 0, '
SCENES += '"derivative": 0, "scenes": %d}'
LEFT_BEHIND = {
    "no items": '{"items": []}',
    "other keys": '{"plans": []}',
    "no plans": '{"items": [{"plans": []}]}',
    "too many scenes": '{"items": [{"plans": [' + SCENES % ("", 10**12) + "]}]}",
    "training untold": '{"items": [{"plans": [' + SCENES % ('"a batch"', 1) + "]}]}",
    "no JSON": "{",
    "deep": "[" * 10**5,
}


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_a_result_that_the_code_wrote_itself_is_a_finding_of_its_own(name: str, mine: Any) -> None:
    path = mine(
        "import os\nfrom safetensors.numpy import save_file\nsave_file({}, '../result.safetensors')\n"
        f"open('../result.json', 'w').write({LEFT_BEHIND[name]!r})\nos._exit(0)\n"
    )
    report = check(f"{path}:Dense", "dense")
    assert (report.summary, report.exit_status) == ("what the process left cannot be read", 1)


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


@pytest.mark.parametrize(
    ("like", "settings", "told"),
    [
        ("relu", {"shape": (0,)}, r"`shape` must hold whole numbers from 1, .*; got \(0,\)"),
        ("relu", {"shape": (4, 0)}, r"`shape` must hold whole numbers from 1, .*; got \(4, 0\)"),
        ("relu", {"shape": (-2, 3)}, r"`shape` must hold .*; got \(-2, 3\)"),
        ("relu", {"shape": 5}, r"`shape` must hold .*: \(5,\), .*; got 5"),
        ("relu", {"shape": "ab"}, r"`shape` must hold .*; got 'ab'"),
        ("relu", {"shape": (2.5,)}, r"`shape` must hold .*; got \(2.5,\)"),
        ("max_norm", {"max_nrom": 1}, r"`max_norm`: unknown setting `max_nrom`; did you mean `max_norm`\?"),
        ("max_norm", {"max_norm": "a"}, "`max_norm`: `max_norm` must be a number greater than 0; got 'a'"),
        ("clip", {"c": -1.0}, "`clip`: `c` must be a number greater than 0; got -1.0"),
        ("max_norm", {"max_norm": float("inf")}, "must be a number greater than 0; got inf"),
        ("cosine", {"lr": "a"}, "`cosine`: `lr` must be a number greater than 0; got 'a'"),
    ],
)
def test_a_shape_or_setting_without_sense_is_refused(like: str, settings: Any, told: str) -> None:
    with pytest.raises(UserError, match=told):
        check(lambda x: x, like, **settings)


def test_an_object_of_this_process_is_played_in_a_copy_of_it() -> None:
    place = list[int]()

    def relu(x: Any) -> Any:
        place.append(os.getpid())
        return np.maximum(x, 0)

    report = check((relu, lambda dout, x: dout * (x >= 0)), like="relu")
    assert report.fault.name == "relu-at-zero"
    assert report.first.tensor == "dx"
    assert place == []


def test_what_an_object_of_this_process_prints_is_in_its_report() -> None:
    def relu(x: Any) -> Any:
        print("∂ of", x.shape)
        return np.maximum(x, 0)

    assert "∂ of" in check(relu, like="relu").printed


def test_an_object_of_this_process_is_limited_in_memory() -> None:
    def relu(x: Any) -> Any:
        return np.maximum(x, 0) + np.empty(1 << 33, np.uint8)[:1] * 0

    assert "Unable to allocate 8.00 GiB" in check(relu, like="relu").summary


def test_what_an_object_of_this_process_started_ends_with_it(tmp_path: Path) -> None:
    def relu(x: Any) -> Any:
        sleeper = subprocess.Popen(["sleep", "60"])
        (tmp_path / "pid").write_text(str(sleeper.pid))
        while True:
            pass

    assert "did not end within" in check(relu, like="relu", seconds=2).summary
    status, end = Path("/proc", (tmp_path / "pid").read_text(), "stat"), time.monotonic() + 10
    while status.exists() and status.read_text().split()[2] != "Z":
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_relative_entry_of_the_path_of_modules_leads_where_it_does_here(
    mine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "helper.py").write_text("from numpy import maximum\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["lib", os.environ.get("PYTHONPATH", "")]))
    path = mine("import helper\n\n\ndef relu(x):\n    return helper.maximum(x, 0)\n")
    assert check(f"{path}:relu", "relu").ok


def test_how_many_mistakes_show_does_not_depend_on_what_was_checked_before() -> None:
    """The scenes of one kind and name differ with the shape of a sample, or by the masks that a dropout drew."""
    flat, images = (subjects("layer_norm", {}, shape=shape)[0] for shape in ((5,), (4, 5, 3)))
    before = power(images)
    powers = [(shown.visible, shown.known) for shown in (power(flat), power(images), before)]
    assert powers == [(64, 66), (65, 66), (65, 66)]


def test_single_precision_is_compared_within_its_envelope() -> None:
    report = check(f"{GOOD}:Float32Linear", "dense", float32=True)
    assert report.ok
    assert all(found.control > 100 * found.tolerance for found in report.gaps)


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_compiles(kind: str) -> None:
    compile(template_of(kind), kind, "exec")


CELLS = {"rnn": nn.RNNCell, "lstm": nn.LSTMCell, "gru": nn.GRUCell}
LAYERS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
OUTPUTS = ("last", "mean", "every")


class RnnOfZeros(nn.Module):
    """Its first state is a tensor of its own, of PyTorch's default type."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.cell = nn.RNNCell(inputs, units)

    def forward(self, x: Any) -> Any:
        h = torch.zeros(len(x), self.cell.hidden_size)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return h


class OptionalState(nn.Module):
    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(inputs, units)

    def forward(self, x: Any, h: Any = None, c: Any = None) -> Any:
        return self.cell(x, None if h is None else (h, c))


def rnn_step(x: Any, h_prev: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    h = np.tanh(x @ w_ih.T + b_ih + h_prev @ w_hh.T + b_hh)
    return h, (x, h_prev, h, w_ih, w_hh)


def rnn_step_back(dh: Any, cache: Any) -> Any:
    x, before, h, w_ih, w_hh = cache
    ds = dh * (1 - h * h)
    return ds @ w_ih, ds @ w_hh, ds.T @ x, ds.T @ before, ds.sum(0), ds.sum(0)


def optional_step(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, h_prev: Any = None) -> Any:
    return np.tanh(x @ w_ih.T + b_ih + b_hh + (0 if h_prev is None else h_prev @ w_hh.T))


def tensor_step(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    return torch.tanh(x @ w_ih.T + b_ih + h @ w_hh.T + b_hh)


def time_first(x: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    states = [np.zeros((x.shape[1], 4))]
    for now in x:
        states.append(np.tanh(now @ w_ih.T + b_ih + states[-1] @ w_hh.T + b_hh))
    return np.stack(states[1:])


class HoldsNumpy:
    def __init__(self) -> None:
        self.np = np

    def forward(self, x: Any) -> Any:
        self.x = x
        return self.np.maximum(x, 0)

    def backward(self, dout: Any) -> Any:
        return dout * (self.x > 0)


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    def decorated(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return decorated


RIGHT: dict[str, tuple[Any, dict[str, Any]]] = {
    **{f"{kind}, {o}": (layer, {"kind": kind, "output": o}) for kind, layer in LAYERS.items() for o in OUTPUTS},
    **{f"{kind} cell, {o}": (cell, {"kind": kind, "output": o}) for kind, cell in CELLS.items() for o in OUTPUTS},
    "an instance with time first": (nn.LSTM(3, 4), {"kind": "lstm"}),
    "an instance of a cell": (nn.GRUCell(3, 4), {"kind": "gru"}),
    "a layer with time first from a function": (lambda nin, nout: nn.GRU(nin, nout), {"kind": "gru"}),
    "states with time first": (time_first, {"kind": "rnn"}),
    "a cell whose state may be left out": (OptionalState, {"kind": "lstm", "output": "mean"}),
    "a step whose state may be left out": (optional_step, {"kind": "rnn"}),
    **{f"a step, {o}": ((rnn_step, rnn_step_back), {"kind": "rnn", "output": o}) for o in OUTPUTS},
    **{f"a step of tensors, {o}": (tensor_step, {"kind": "rnn", "output": o}) for o in OUTPUTS},
    "a first state of its own": (RnnOfZeros, {"kind": "rnn"}),
    "one row": (nn.Embedding, {"kind": "embedding", "num_embeddings": 1, "units": 3}),
    "two rows": (nn.Embedding, {"kind": "embedding", "num_embeddings": 2, "units": 3}),
    "holds a module": (HoldsNumpy(), {"kind": "relu"}),
    "a function of NumPy": (np.tanh, {"kind": "tanh"}),
    "a function in C": (torch.relu, {"kind": "relu"}),
    "a function in C with settings": (torch.conv2d, {"kind": "conv2d", "stride": 2, "padding": 1}),
    "a part of a function": (functools.partial(np.maximum, 0), {"kind": "relu"}),
    "a function behind another": (unwrapped(lambda x: np.maximum(x, 0)), {"kind": "relu"}),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_objects_are_right(name: str) -> None:
    thing, like = RIGHT[name]
    report = check(thing, like, seconds=60)
    assert report.ok, str(report)


@pytest.mark.parametrize(
    ("thing", "like"),
    [
        (nn.Linear, "dense"), (nn.Linear(5, 3), "dense"), (nn.LazyLinear, "dense"), (nn.BatchNorm2d, "batch_norm"),
        (nn.Embedding, "embedding"), (nn.GRU, "gru"), (nn.LSTMCell, "lstm"), (RnnOfZeros, "rnn"), (nn.ReLU, "relu"),
    ],
)  # fmt: skip
def test_a_module_in_single_precision_takes_inputs_in_it(thing: Any, like: str) -> None:
    report = check(thing, like, float32=True, seconds=60)
    assert report.ok, str(report)


class Nothing: ...


class Locked:
    def __init__(self) -> None:
        import threading

        self.lock = threading.Lock()

    def step(self, params: Any, grads: Any) -> None: ...


@pytest.mark.parametrize(
    ("thing", "like", "told"),
    [
        ((), "relu", "`tuple` has no way forward"),
        (None, "relu", "the object is None"),
        ({"forward": 3}, "relu", "`dict` has no way forward"),
        (Nothing, "cross_entropy", "`Nothing` has no way to a loss"),
        (Nothing(), "cross_entropy", "`Nothing` has no way to a loss"),
        (Nothing, "max_norm", "`Nothing` has no way to clip"),
        (Nothing(), "cosine", "`Nothing` has no way to a rate"),
        (Locked(), "sgd", "cannot be copied (TypeError: cannot pickle"),
        (torch.softmax, "softmax", "`softmax` does not tell the names of its arguments"),
    ],
)
def test_what_cannot_be_played_is_not_called_wrong(thing: Any, like: str, told: str) -> None:
    report = check(thing, like)
    assert (report.exit_status, told in report.summary) == (2, True), report.summary


@pytest.mark.parametrize("name", ["numpy", "torch", "copy"])
def test_a_file_called_like_a_library_does_not_take_its_place(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text(
        "import numpy as np\n\n\ndef relu(x):\n    return np.maximum(x, 0), x\n\n\n"
        "def relu_backward(dout, x):\n    return dout * (x > 0)\n"
    )
    assert check(f"{tmp_path / name}.py:relu", "relu").ok
    tensors = "import torch\n\n\ndef relu(x):\n    return torch.clamp(x, min=0)\n"
    (tmp_path / "mine.py").write_text(tensors)
    assert check(f"{tmp_path / 'mine.py'}:relu", "relu", seconds=60).ok


@pytest.mark.parametrize("seconds", [math.inf, math.nan, 0, -1, 1e300])
def test_a_limit_that_no_system_can_set_is_refused(seconds: float, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`seconds` must be greater than 0 and at most 1,000,000; got"):
        check(f"{GOOD}:Softmax", "softmax", seconds=seconds)
    (tmp_path / "task.toml").write_text(f"seconds = {'1e300' if seconds == 1e300 else seconds}\n{TASK}")
    with pytest.raises(UserError, match="`seconds`"):
        load_task(str(tmp_path / "task.toml"))


def conv(x: Any, w: Any, b: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], (2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, w) + b[:, None, None]


def conv_turned(axes: tuple[int, ...]) -> Callable[..., Any]:
    return lambda x, w, b: conv(x, w, b).transpose(axes)


def group_norm_over(axes: tuple[int, ...]) -> Callable[..., Any]:
    def forward(x: Any, gamma: Any, beta: Any) -> Any:
        groups = x.reshape(len(x), 2, -1, *x.shape[2:])
        spread = groups - groups.mean(axes, keepdims=True)
        x_hat = (spread / np.sqrt(groups.var(axes, keepdims=True) + 1e-5)).reshape(x.shape)
        return x_hat * gamma[:, None, None] + beta[:, None, None]

    return forward


def gelu_without_half(x: Any) -> Any:
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(
    ("thing", "like", "names"),
    [
        (conv_turned((0, 2, 3, 1)), {"kind": "conv2d"}, ["relation-transposed"]),
        (conv_turned((0, 1, 3, 2)), {"kind": "conv2d"}, ["relation-transposed"]),
        (conv_turned((3, 2, 1, 0)), {"kind": "conv2d"}, ["relation-transposed"]),
        (group_norm_over((0, 2, 3, 4)), {"kind": "group_norm"}, ["group_norm-over-the-batch"]),
        (group_norm_over((0, 1, 2, 3, 4)), {"kind": "group_norm"}, ["batch_norm-over-everything"]),
        (gelu_without_half, {"kind": "gelu", "approximate": "tanh"}, ["gelu-tanh-no-half"]),
    ],
)
def test_one_mistake_is_told_once_and_by_its_own_name(thing: Any, like: dict[str, Any], names: list[str]) -> None:
    assert [fault.name for fault in check(thing, like).faults] == names


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


def test_folders_that_are_not_there_are_told_before_any_is_graded(submissions: list[Path], tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(TASK)
    watched = list[Any]()
    with pytest.raises(UserError, match=r"no folder .*/aad, .*/grace"):
        grade_all([submissions[0], tmp_path / "aad", tmp_path / "grace"], load_task(str(tmp_path / "task.toml")), 2,
                  watched.append)  # fmt: skip
    assert watched == []


def test_a_folder_named_by_dots_has_its_own_name(
    submissions: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "task.toml").write_text(TASK.replace("layers.py", "none.py"))
    task = load_task(str(tmp_path / "task.toml"))
    monkeypatch.chdir(submissions[0])
    assert [grade(Path(name), task).student for name in (".", "../ada", "../ada/.")] == ["ada"] * 3


def test_every_student_has_a_page_of_their_own() -> None:
    assert page_names(["a", "a-3", "a", "A", "class", "Class-5", ".."]) == [
        "a.html", "a-3.html", "a-4.html", "A-5.html", "class-5.html", "Class-5-6.html", "student.html",
    ]  # fmt: skip


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
    lstm = TASK.replace('{ kind = "softmax" }', '"lstm"\ngates = "%s"')
    for text, told in (
        (lstm % "abcd", r"item 2 \(`Softmax`\): `gates` must name each gate of `lstm` once"),
        (TASK + 'gates = "ifog"\n', r"item 2 \(`Softmax`\): `gates` is for an lstm or a gru; `softmax` has none"),
        (TASK + "shape = [0]\n", r"item 2 \(`Softmax`\): `shape` must hold whole numbers from 1"),
    ):
        (tmp_path / "task.toml").write_text(text)
        with pytest.raises(UserError, match=told):
            load_task(str(tmp_path / "task.toml"))
    (tmp_path / "task.toml").write_text(lstm % "ifog")
    assert load_task(str(tmp_path / "task.toml")).item[1].gates == "ifog"
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


class Without(Mine):
    def without(self, step):
        return {}

    def step(self, batch):
        from types import SimpleNamespace

        step = self.inner.step(batch)
        parts = {name: getattr(step, name) for name in ("outputs", "loss", "gradients", "state")}
        return SimpleNamespace(**(parts | self.without(step)))


class NoOutput(Without):
    def without(self, step):
        return {"outputs": {name: y for name, y in step.outputs.items() if name != "0"}}


class NoOutputs(Without):
    def without(self, step):
        return {"outputs": {}}


class NoGradient(Without):
    def without(self, step):
        return {"gradients": {name: g for name, g in step.gradients.items() if name != "0.weight"}}


class PartsAndFails(Mine):
    def changed(self, batch):
        return batch._replace(lr=batch.lr * 0.5) if batch.step == 1 else batch if batch.step < 3 else 1 / 0


class Babbles(Mine):
    def changed(self, batch):
        import os, sys

        os.write(int(sys.argv[2]), b"x" * 16 if batch.step else b"\\2" + b"\\0" * 7 + b"\\1" + b"\\0" * 7 + b"[]}")
        return batch
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
    "NoOutput": (False, "step 1 parts: forward, `0.output`: no known mistake, gap inf"),
    "NoOutputs": (False, "step 1 parts: forward, `0.output`: no known mistake, gap inf"),
    "NoGradient": (False, "step 1 parts: gradient, `0.weight`: no known mistake, gap inf"),
    "PartsAndFails": (
        False,
        "it fails at step 4: ZeroDivisionError: division by zero (mine.py, line 80: return batch._replace(lr=batch.lr "
        "* 0.5) if batch.step == 1 else batch if batch.step < 3 else 1 / 0); before that step 1 agrees, step 2 parts: "
        "state, `0.weight`: The step is half as long",
    ),
    "Babbles": (False, "it fails at step 1: what its process sent cannot be read"),
}


@pytest.mark.parametrize("name", ENGINES_TOLD)
def test_an_engine_of_a_file_is_stepped_in_a_process_of_its_own(name: str, mine: Any) -> None:
    ok, told = ENGINES_TOLD[name]
    seconds = 4 if name == "Loops" else 60  # the start counts too, which on a busy machine takes its time
    report = check_engine_file(mine(ENGINES), name, "moons", steps=6, seconds=seconds)
    assert report.ok == ok
    assert report.summary.startswith(told)
    assert report.to_json()["agrees"] == ok
    json.dumps(report.to_json(), allow_nan=False)
    assert ok == ("engines agree" in report._repr_html_())


@pytest.mark.parametrize(
    ("end", "told"),
    [("os._exit(3)", "ended by itself with status 3"), ("os.kill(os.getpid(), 40)", "crashed (signal 40)"),
     ("os.read(os.pipe()[0], 1)", "did not answer within 2 seconds")],
)  # fmt: skip
def test_an_engine_that_ends_before_its_first_step_is_told_and_leaves_no_process(
    end: str, told: str, mine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[subprocess.Popen[bytes]]()
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1])
    with pytest.raises(UserError, match=re.escape(told)):
        check_engine_file(mine(f"import os\n{end}\n"), "Mine", "moons", steps=2, seconds=2 if "pipe" in end else 60)
    assert [process.returncode is None for process in started] == [False]


def test_an_engine_of_this_process_takes_its_steps_and_nothing_else() -> None:
    fault = FAULTS["one stale momentum"]
    engine = build_engine("numpy", fault.recipe)
    assert check(engine, like=fault.recipe, steps=3).verdict.steps == 3
    for options, told in (
        ({"steps": 3, "nonsense": 1, "float32": True}, "leave out `float32`, `nonsense`"),
        ({"seconds": 5, "shape": (3,)}, "leave out `shape`, `seconds`"),
        ({"steps": 0}, "`steps` must be a whole number from 1; got 0"),
    ):
        with pytest.raises(UserError, match=told):
            check(engine, like=fault.recipe, **options)
    with pytest.raises(UserError, match="`NumpyEngine` is a class; give what it builds"):
        check(type(engine), like="moons")


def test_an_optimizer_with_the_members_of_an_engine_is_one_where_like_says_so() -> None:
    class Descent:
        def __init__(self, lr: float) -> None:
            self.lr = lr

        def load(self, state: Any) -> None: ...
        def state(self) -> None: ...
        def step(self, params: Any, grads: Any) -> Any:
            return {name: p - self.lr * grads[name] for name, p in params.items()}

    assert check(Descent, like="sgd").ok


def test_what_is_no_engine_is_told(mine: Any) -> None:
    with pytest.raises(UserError, match="this one lacks `step`"):
        check_engine_file(mine(ENGINES), "Half", "moons", steps=2, seconds=20)
    with pytest.raises(UserError, match="did you mean `Half`"):
        check_engine_file(mine(ENGINES), "Hal", "moons", steps=2, seconds=20)
