"""Commands as a user runs them: what they print, their status, and what wrong calls get."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import twofold
from apart import Apart
from twofold.recipe import titles

pytestmark = pytest.mark.usefixtures("undrawn")

Command = Callable[..., "object"]
SHORT = ["--set", "training.epochs=2", "--set", "data.samples=100"]
TWOFOLD = [sys.executable, "-m", "twofold"]


def test_list(command) -> None:
    done = command("list")
    assert done.status == 0
    for name in titles():
        assert name in done.out
    assert json.loads(command("list", "--json").out) == [{"name": n, "title": t} for n, t in titles().items()]


def test_show_needs_no_data(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TWOFOLD_DATA", raising=False)
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    out = command("show", "mnist-mlp").out
    for text in ('kind = "cross_entropy"', "1.weight (64, 784)", "50,890", "d 3.weight (10, 64)", "(N, 1, 28, 28)"):
        assert text in out


def test_show_as_json(command) -> None:
    shown = json.loads(command("show", "moons", "--set", "optimizer.lr=0.5", "--json").out)
    assert shown["recipe"]["optimizer"]["lr"] == 0.5
    assert shown["parameters"] == 102
    assert shown["layers"][0] == {
        "name": "0", "kind": "dense", "input": [2], "output": [20],
        "parameters": {"0.weight": [20, 2], "0.bias": [20]}, "count": 60,
        "gradients": {"output": [20], "input": [2], "weight": [20, 2], "bias": [20]},
    }  # fmt: skip


@pytest.mark.drawn
def test_run_writes_a_run_and_its_report(command, in_tmp: Path) -> None:
    done = command("run", "moons", *SHORT)
    assert done.status == 0
    assert "report: runs/moons-1/report.html" in done.out
    for word in ("numpy", "torch", "accuracy", "seconds"):
        assert word in done.out
    assert (in_tmp / "runs" / "moons-1" / "report.html").stat().st_size > 10_000
    assert twofold.open_run("runs/moons-1").status == "finished"


def test_run_as_json_prints_one_object_and_nothing_else(command, in_tmp: Path) -> None:
    done = command("run", "moons", *SHORT, "--json", "--out", "here")
    assert done.err == ""
    result = json.loads(done.out)
    assert (result["run"], result["recipe"]) == ("here", "moons")
    assert set(result["engines"]) == {"numpy", "torch"}
    keys = {"train_accuracy", "validation_accuracy", "test_accuracy", "train_loss", "test_loss", "seconds", "steps"}
    assert keys <= set(result["engines"]["numpy"])
    assert result["engines"]["numpy"]["validation_accuracy"] is None


@pytest.mark.parametrize(
    ("choice", "engines"), [("numpy", ["numpy"]), ("torch", ["torch"]), ("both", ["numpy", "torch"])]
)
def test_engines_are_chosen(command, in_tmp: Path, choice: str, engines: list[str]) -> None:
    settings = ["--set", 'training.engines=["torch"]', *SHORT]
    result = json.loads(command("run", "moons", *settings, "--engine", choice, "--json").out)
    assert list(result["engines"]) == engines


def test_quiet_says_nothing(command, in_tmp: Path) -> None:
    done = command("run", "moons", *SHORT, "--engine", "numpy", "--quiet")
    assert (done.status, done.out, done.err) == (0, "", "")


def test_progress_goes_to_standard_error(command, in_tmp: Path) -> None:
    done = command("run", "moons", *SHORT, "--engine", "numpy")
    assert "train loss" in done.err
    assert "train loss" not in done.out


def test_verify_says_what_it_compared(command) -> None:
    done = command("verify", "moons", "--steps", "3")
    assert done.status == 0
    assert "agree over 3 steps at 1e-09, resync, float64, real data" in done.out
    for stage in ("forward", "loss", "gradient", "state", "central differences"):
        assert stage in done.out


def test_verify_names_the_first_divergence(command) -> None:
    done = command("verify", "moons", "--steps", "3", "--mode", "free", "--tolerance", "1e-20", "--json")
    assert done.status == 1
    assert set(json.loads(done.out)["first_divergence"]) == {"step", "stage", "name", "size"}
    done = command("verify", "moons", "--steps", "3", "--tolerance", "1e-20")
    assert done.status == 1
    assert "part at step 1: " in done.out


def test_verify_in_float32(command) -> None:
    assert command("verify", "moons", "--steps", "3", "--dtype", "float32").status == 0


@pytest.mark.drawn
def test_report_is_written_again(command, in_tmp: Path) -> None:
    command("run", "moons", *SHORT, "--out", "here", "--quiet")
    first = (in_tmp / "here" / "report.html").read_bytes()
    (in_tmp / "here" / "report.html").unlink()
    assert command("report", "here").out == "here/report.html\n"
    assert (in_tmp / "here" / "report.html").read_bytes() == first


def test_a_softmax_before_cross_entropy_is_noted(command, in_tmp: Path) -> None:
    layers = 'layers=[{kind="dense", units=2}, {kind="softmax"}]'
    assert "note: `cross_entropy` takes logits" in command("run", "moons", *SHORT, "--set", layers, "--quiet").err


WRONG = {
    "an unknown recipe": (["run", "mons"], "error: no recipe `mons`; did you mean `moons` or `moons-adam`?"),
    "a wrong setting": (
        ["run", "moons", "--set", "optimizer.lr=-1"],
        "error: --set optimizer.lr: `lr` must be greater",
    ),
    "a folder in use": (["run", "moons", "--out", "."], "error: . exists and is not an empty folder"),
    "no run folder": (["report", "none"], "error: no run folder none"),
    "a wrong engine": (["run", "moons", "--engine", "jax"], "Invalid value for '--engine'"),
    "no steps": (["verify", "moons", "--steps", "0"], "Invalid value for '--steps'"),
    "a wrong tolerance": (["verify", "moons", "--tolerance", "0"], "error: `tolerance` must be greater than 0"),
    "an unknown command": (["rum"], "No such command 'rum'"),
    "no argument": (["run"], "Missing argument 'RECIPE|TABLE'"),
}


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_call_gets_a_message_and_status_2(command, in_tmp: Path, words: list[str], message: str) -> None:
    (in_tmp / "something").touch()
    done = command(*words)
    assert done.status == 2
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert [path.name for path in in_tmp.iterdir()] == ["something"]


def test_faults_of_a_file_are_told_at_once_with_their_lines(command, in_tmp: Path) -> None:
    Path("f.toml").write_text('layers = [{ kind = "dens" }]\n[data]\nsource = "moons"\nnoise = -1\n')
    done = command("run", "f.toml")
    assert done.status == 2
    assert "f.toml:1: unknown layer kind `dens`; did you mean `dense`?" in done.err
    assert "f.toml:4: `noise` must be greater than or equal to 0; got -1" in done.err
    assert [path.name for path in in_tmp.iterdir()] == ["f.toml"]


def test_divergence_is_status_1_with_what_to_try(command, in_tmp: Path) -> None:
    done = command("run", "moons", *SHORT, "--set", "optimizer.lr=1e20", "--json")
    assert done.status == 1
    assert done.out == ""
    assert "Try --set optimizer.lr=0.01" in done.err
    assert twofold.open_run("runs/moons-1").status == "failed"
    assert command("report", "runs/moons-1").status == 0


@pytest.mark.drawn
def test_a_csv_of_ones_own_in_one_command(command, in_tmp: Path) -> None:
    rows = "".join(f"{i % 7},{i % 3},{'abc'[i % 3]}\n" for i in range(60))
    Path("own.csv").write_text("u,v,class\n" + rows)
    Path("own.toml").write_text(
        'layers = [{ kind = "dense", units = 3 }]\n[data]\nsource = "csv"\npath = "own.csv"\nlabel = "class"\n'
    )
    result = json.loads(
        command("run", "own.toml", "--set", "training.epochs=20", "--set", "optimizer.lr=0.5", "--json").out
    )
    assert result["engines"]["numpy"]["test_accuracy"] > 0.5
    assert twofold.open_run(result["run"]).record.data.classes == ("a", "b", "c")


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["verify", "-h"], ["show", "-h"], ["report", "-h"]])
def test_help_has_an_example(command, words: list[str]) -> None:
    done = command(*words)
    assert done.status == 0
    assert "twofold " in done.out
    assert len(words) == 1 or "Example" in done.out


def test_version(command) -> None:
    assert command("--version").out == "twofold 0.1.0\n"


def _modules(*code: str) -> set[str]:
    script = "; ".join([*code, "import sys", "print(*sys.modules)"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "sklearn", "matplotlib", "pandas", "numpy", "datasets"}


@pytest.mark.parametrize("code", [
    "import twofold",
    "import sys; sys.argv = ['twofold', '--help']; from twofold.cli import main; import contextlib\n"
    "with contextlib.suppress(SystemExit): main()\nprint()",
])  # fmt: skip
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    assert not HEAVY & _modules(code + "\npass")


def test_the_numpy_engine_runs_without_torch() -> None:
    code = (
        "import twofold, tempfile; twofold.run('moons', engines=['numpy'], overrides={'training.epochs': 1}, "
        "out=tempfile.mkdtemp())"
    )
    assert "torch" not in _modules(code)


def test_ctrl_c_leaves_a_run_that_says_interrupted(in_tmp: Path) -> None:
    words = [*TWOFOLD, "run", "moons", "--engine", "numpy", "--set", "training.epochs=1000000", "--out", "here"]
    # What runs in the background of a shell ignores Ctrl-C, and so would its children.
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, preexec_fn=hearing)
    _wait_for(in_tmp / "here" / "history.csv", lines=20)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "error: interrupted; what was recorded until then is in here" in err
    assert "Traceback" not in err
    run = twofold.open_run("here")
    assert run.status == "interrupted"
    assert len(run.history) >= 18


def test_sigterm_leaves_a_run_that_says_interrupted_and_how_to_go_on(command, in_tmp: Path) -> None:
    """As `timeout` sends it, twice; then again to the command that goes on, without a checkpoint from the beginning."""
    history = in_tmp / "here" / "history.csv"
    train = ["run", "moons", "--engine", "numpy", "--set", "training.epochs=1000000", "--out", "here"]
    for words in (train, ["resume", "here"]):
        if history.is_file():
            history.write_text("")  # so that what is waited for is of the second command
        process = subprocess.Popen([*TWOFOLD, *words], stderr=subprocess.PIPE, text=True)
        try:
            _wait_for(history, lines=5)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
        said = " ".join(err.split())
        assert process.returncode == 143, err
        assert "error: interrupted; what was recorded until then is in here; `twofold resume here` goes on" in said
        assert "Traceback" not in err
        assert twofold.open_run("here").status == "interrupted"
    assert command("report", "here").status == 0


def test_sigterm_is_given_back(command, in_tmp: Path) -> None:
    """To whoever had it: a command takes it while it trains, the library never."""
    ours = signal.getsignal(signal.SIGTERM)
    assert command("run", "moons", *SHORT, "--engine", "numpy", "--quiet").status == 0
    assert signal.getsignal(signal.SIGTERM) is ours
    code = "import signal, twofold, twofold.cli.main; assert signal.getsignal(15) is signal.SIG_DFL"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_killed_run_is_not_taken_for_whole(command, in_tmp: Path) -> None:
    words = [*TWOFOLD, "run", "moons", "--engine", "numpy", "--set", "training.epochs=1000000", "--out", "here", "-q"]
    process = subprocess.Popen(words)
    _wait_for(in_tmp / "here" / "history.csv", lines=5)
    process.kill()
    process.wait(timeout=60)
    done = command("report", "here")
    assert done.status == 2
    assert "here is half-written: its run has not ended, or was killed" in done.err


def _wait_for(path: Path, lines: int) -> None:
    for _ in range(600):
        if path.is_file() and len(path.read_text().splitlines()) >= lines:
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not get {lines} lines in a minute")


def test_a_closed_pipe_is_no_fault(in_tmp: Path) -> None:
    script = f"{' '.join(TWOFOLD)} show mnist-mlp | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"})
    assert done.stderr == ""
    assert done.stdout.startswith("title")


@pytest.mark.usefixtures("in_tmp")
def test_a_narrow_terminal_cuts_no_number(apart: Apart, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    done = apart("run", "moons", *SHORT, "--engine", "numpy")
    assert done.status == 0, done.err
    row = next(line for line in done.out.splitlines() if line.startswith(" numpy"))
    assert "…" not in done.out.replace("–", "")
    assert len(row.split()) == 9


def test_a_full_disk_behind_the_output_is_no_traceback() -> None:
    script = f"{' '.join(TWOFOLD)} show moons > /dev/full"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_without_the_signs_shows_others() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*TWOFOLD, "show", "moons"], capture_output=True, text=True, check=True, env=environment)
    assert "0.weight (20, 2)" in done.stdout
