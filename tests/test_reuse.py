"""A finished run is taken in place of another training, and only where it is the same one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import twofold
from twofold.train import circumstances, reusing

pytestmark = pytest.mark.usefixtures("undrawn")

SHORT = ["--set", "training.epochs=2", "--set", "data.samples=100", "--engine", "numpy"]


@pytest.fixture
def kept(moons_run: twofold.Run, in_tmp: Path) -> twofold.Run:
    """A copy of a run of both engines, in `runs`."""
    return twofold.open_run(shutil.copytree(moons_run.path, "runs/moons-1"))


SAME: dict[str, Any] = {"training.epochs": 2, "data.samples": 100, "data.validation": 0.1}


@pytest.mark.parametrize("engines", [None, "numpy", ["torch", "numpy"]])
def test_the_same_run_is_taken(kept: twofold.Run, in_tmp: Path, engines: Any) -> None:
    found = twofold.run("moons", overrides=SAME | {"title": "Another"}, engines=engines, reuse=True)
    assert found.reused
    assert found.path == Path("runs/moons-1")
    assert found.engines == kept.engines
    assert [path.name for path in Path("runs").iterdir()] == ["moons-1"]


def _record(**changes: Any) -> Any:
    def change() -> None:
        path = Path("runs/moons-1/record.json")
        record = json.loads(path.read_text())
        for key, value in changes.items():
            record[key] = record[key] | value if isinstance(value, dict) and key in record else value
        path.write_text(json.dumps(record))

    return change


OTHERS: dict[str, tuple[dict[str, Any], Any, str]] = {
    "another rate": ({"optimizer.lr": 0.2}, _record(), "its optimizer.lr is 0.01, not 0.2"),
    "another layer": ({"layers.0.units": 7}, _record(), "its layers.0.units is 20, not 7"),
    "another seed": ({"training.seed": 7}, _record(), "its training.seed is 0, not 7"),
    "other code": ({}, _record(circumstances={"code": "0"}), "Twofold's code has changed since"),
    "an older Twofold": ({}, _record(circumstances={"code": None}), "Twofold's code has changed since"),
    "another library": ({}, _record(circumstances={"versions": {"numpy": "1.0"}}), "numpy was 1.0, is "),
    "other data": ({}, _record(data={"fingerprint": "0"}), "its data were others"),
    "a file missing": ({}, lambda: Path("runs/moons-1/torch.safetensors").unlink(), "torch.safetensors is missing"),
    "interrupted": ({}, _record(status="interrupted"), "it is interrupted"),
    "loaded weights": ({}, _record(imported={"file": "w.npz", "sha256": "0"}), "its weights were loaded, not trained"),
    "damaged": ({}, lambda: Path("runs/moons-1/history.csv").write_text(""), "history.csv is not what the run wrote"),
    "half-written": ({}, _record(status="running"), "is half-written"),
    "quite another recipe": (
        {"optimizer.lr": 0.2, "training.seed": 7, "data.noise": 0.3, "layers.0.units": 7}, _record(), ""
    ),
}  # fmt: skip


@pytest.mark.parametrize(("settings", "change", "reason"), OTHERS.values(), ids=OTHERS)
def test_another_run_is_not_and_the_reason_is_said(
    kept: twofold.Run, in_tmp: Path, settings: dict[str, Any], change: Any, reason: str
) -> None:
    change()
    said: list[str] = []

    class Listener:
        """As earlier versions wanted it: an object with methods."""

        def note(self, text: str) -> None:
            said.append(text)

    made = twofold.run("moons", overrides=SAME | settings, engines="numpy", reuse=True, watcher=Listener())
    assert not made.reused
    assert made.path == Path("runs/moons-2")
    assert len(said) == bool(reason)
    if reason:
        assert said[0].startswith("runs/moons-1 is not taken: ")
        assert reason in said[0]


def test_a_run_with_fewer_engines_is_not_taken(in_tmp: Path) -> None:
    overrides = {"training.epochs": 1, "data.samples": 50}
    twofold.run("moons", overrides=overrides, engines="numpy")
    with pytest.warns(UserWarning, match="runs/moons-1 is not taken: it holds no weights of torch"):
        assert not twofold.run("moons", overrides=overrides, reuse=True).reused
    assert twofold.run("moons", overrides=overrides, engines="torch", reuse=True).path == Path("runs/moons-2")


def test_a_folder_that_is_named_is_the_only_one_looked_at(command, in_tmp: Path) -> None:
    assert command("run", "moons", *SHORT, "--out", "here", "--reuse", "--quiet").status == 0
    done = command("run", "moons", *SHORT, "--out", "here", "--reuse", "--json")
    assert json.loads(done.out) | {"engines": 0} == {"run": "here", "recipe": "moons", "engines": 0, "reused": True}
    assert json.loads(command("run", "moons", *SHORT, "--reuse", "--json").out)["reused"] is False
    done = command("run", "moons", *SHORT, "--set", "optimizer.lr=0.5", "--out", "here", "--reuse")
    assert done.status == 2
    assert "here exists and is not an empty folder" in done.err


def test_what_is_printed(command, in_tmp: Path) -> None:
    command("run", "moons", *SHORT, "--quiet")
    report = Path("runs/moons-1/report.html").stat().st_mtime_ns
    done = command("run", "moons", *SHORT, "--reuse")
    assert done.status == 0
    assert "note: nothing was trained: runs/moons-1 has the same recipe, data and code" in done.err
    assert "report: runs/moons-1/report.html" in done.out
    assert Path("runs/moons-1/report.html").stat().st_mtime_ns == report
    done = command("run", "moons", *SHORT, "--set", "training.seed=3", "--reuse")
    assert "note: runs/moons-1 is not taken: its training.seed is 0, not 3" in done.err


def test_the_code_is_that_of_the_rooms_that_compute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from twofold.setup import versions

    def code_of(folder: Path) -> str:
        monkeypatch.setattr(versions, "__file__", str(folder / "setup" / "versions.py"))
        return versions.code.__wrapped__()

    for name in ("train.py", "report/page.py", "numpy_engine/dense.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a")
    first = code_of(tmp_path)
    (tmp_path / "report/page.py").write_text("b")
    assert code_of(tmp_path) == first
    (tmp_path / "numpy_engine/dense.py").write_text("b")
    assert code_of(tmp_path) != first
    assert len(first) == 64
    assert reusing.code() == circumstances.code()
