"""`twofold study` as a user runs it: what it prints, what it leaves, and how it goes on after it was stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from torture import short_form
from twofold.study import titles

pytestmark = pytest.mark.usefixtures("undrawn", "warm_workers")

TWOFOLD = [sys.executable, "-m", "twofold"]
AXES = ["--axis", "optimizer.lr=0.01,0.1", "--axis", "data.noise=0.1,0.2"]
SHORT = ["--seeds", "2", "--set", "training.epochs=2", "--set", "data.samples=100"]


def test_list_has_the_studies(command) -> None:
    out = command("list").out
    for name, title in titles().items():
        assert name in out
        assert title.partition(":")[0] in out


def test_a_study_writes_table_and_report(command, in_tmp: Path) -> None:
    done = command("study", "moons", *AXES, *SHORT)
    assert done.status == 0, done.err
    for words in (
        "moons against optimizer.lr, data.noise",
        "points: 8 points",
        "table: studies/moons/results.csv",
        "report: studies/moons/report.html",
        "test accuracy",
        "±",
    ):
        assert words in done.out
    assert "8/8" in done.err
    table = pd.read_csv("studies/moons/results.csv")
    assert len(table) == 8
    assert len(table.drop_duplicates(["optimizer.lr", "data.noise", "seed"])) == 8
    assert set(table["steps"]) == {6}


def test_json_is_one_object_and_nothing_else(command, in_tmp: Path) -> None:
    words = ["study", "moons", *AXES, *SHORT, "--engine", "torch", "--metric", "train_loss", "--out", "here", "--json"]
    done = command(*words)
    assert (done.status, done.err) == (0, "")
    value = json.loads(done.out)
    assert (value["study"], value["points"], value["finished"], value["failed"]) == ("here", 8, 8, 0)
    assert (value["engine"], value["metric"], value["report"]) == ("torch", "train_loss", "here/report.html")
    keys = {"optimizer.lr", "data.noise", "seeds", "failed", "mean", "low", "high", "lowest", "highest", "seconds"}
    assert set(value["results"][0]) == keys
    assert len(value["results"]) == 4
    for result in value["results"]:
        assert result["low"] <= result["mean"] <= result["high"]
    point = json.loads(next(Path("here/points").iterdir()).read_text())
    assert point["versions"]["torch"]
    assert command(*words).out == done.out
    assert command(*words[:-1], "--quiet").out == ""


def test_a_file_of_ones_own_may_be_changed_on_the_command_line(command, in_tmp: Path) -> None:
    Path("recipes").mkdir()
    Path("recipes/own.toml").write_text(
        'layers = [{ kind = "dense", units = 2 }]\n[data]\nsource = "blobs"\ncenters = 2\n'
    )
    Path("recipes/depth.toml").write_text(
        'title = "Own"\nseeds = 3\nset.training.epochs = 9\n'
        '[[axes]]\nfield = "recipe"\nvalues = ["own.toml", "moons"]\n'
        '[[axes]]\nfield = "optimizer.lr"\nvalues = [0.1]\n'
    )
    words = [
        "--seeds",
        "4,5",
        "--set",
        "training.epochs=1",
        "--axis",
        "optimizer.lr=0.2,0.3",
        "--axis",
        "data.samples=40",
    ]
    done = command("study", "recipes/depth.toml", *words)
    assert done.status == 0, done.err
    table = pd.read_csv("studies/depth/results.csv")
    assert list(table.columns[:4]) == ["recipe", "optimizer.lr", "data.samples", "seed"]
    assert list(table["recipe"].unique()) == ["own.toml", "moons"]
    assert set(table["seed"]) == {4, 5}
    assert set(table["optimizer.lr"]) == {0.2, 0.3}
    assert set(table["steps"]) == {1}


def test_points_that_fail_are_told_and_all_of_them_are_status_1(command, in_tmp: Path) -> None:
    some = command("study", "moons", "--axis", "optimizer.lr=0.1,1e20", *SHORT)
    assert some.status == 0
    assert "points: 4 points, 2 failed" in some.out
    assert "2 failed" in some.err
    assert "the loss became" in Path("studies/moons/results.csv").read_text()
    every = command("study", "moons", "--axis", "optimizer.lr=1e20", *SHORT, "--out", "none")
    assert every.status == 1
    assert Path("none/report.html").is_file()


def test_the_report_is_written_again_from_the_folder(command, in_tmp: Path) -> None:
    command("study", "moons", *AXES, *SHORT, "--quiet")
    page = Path("studies/moons/report.html")
    first = page.read_bytes()
    page.unlink()
    assert command("report", "studies/moons").out == "studies/moons/report.html\n"
    assert page.read_bytes() == first


def test_another_study_in_the_folder_is_status_2(command, in_tmp: Path) -> None:
    command("study", "moons", "--axis", "optimizer.lr=0.1", *SHORT, "--quiet")
    done = command("study", "moons", "--axis", "optimizer.lr=0.2", *SHORT, "--quiet")
    assert done.status == 2
    assert "error: studies/moons belongs to another study: its axis `optimizer.lr` takes [0.1], here [0.2]" in done.err


def test_help_has_an_example_that_runs(command, in_tmp: Path) -> None:
    out = command("study", "--help").out
    assert "Example:" in out
    for option in ("--axis", "--seeds", "--set", "--out", "--jobs", "--json"):
        assert option in out


# Stopped

NOISES = ",".join(f"0.{i}" for i in range(1, 7))
LONG = [*TWOFOLD, "study", "moons", "--axis", f"data.noise={NOISES}", "--jobs", "2", "--out", "here", "--quiet"]
LONG += ["--set", "training.epochs=100", "--set", "training.evaluate_every=50"]


def _wait(until: Callable[[], bool], what: str) -> None:
    for _ in range(3000):
        if until():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within a minute")


def _points(folder: Path) -> list[Path]:
    return sorted(folder.glob("points/[0-9a-f]*.json"))


def _workers(study: int) -> list[int]:
    """The processes that train for the study that runs in this process."""
    found = list[int]()
    for child in _children(study):
        with suppress(FileNotFoundError):  # it may end meanwhile
            if "popen_loky" in Path(f"/proc/{child}/cmdline").read_text():
                found.append(child)
    return found


def _deaf(pid: int) -> bool:
    """Whether a process and what it begins cannot hear Ctrl-C, which a terminal sends to every process of its group."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool((int(status["SigBlk"], 16) | int(status["SigIgn"], 16)) >> signal.SIGINT - 1 & 1)


def _children(pid: int) -> list[int]:
    """The idle workers too, and what counts their resources."""
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def _gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has asked for its status yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_killed_study_goes_on_where_it_was(in_tmp: Path) -> None:
    """Each point is there exactly once, and those that were there are not touched."""
    folder = in_tmp / "here"
    process = subprocess.Popen(LONG, stderr=subprocess.DEVNULL)
    _wait(lambda: len(_points(folder)) >= 2, "two points")
    workers = _workers(process.pid)
    process.kill()
    process.wait(timeout=60)
    _wait(lambda: all(map(_gone, workers)), "the end of the workers")
    kept = {path: path.stat().st_mtime_ns for path in _points(folder)}
    assert 2 <= len(kept) < 6
    subprocess.run(LONG, check=True)
    assert len(_points(folder)) == 6
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    table = pd.read_csv(folder / "results.csv")
    assert list(table["data.noise"]) == [float(noise) for noise in NOISES.split(",")]
    assert set(table["status"]) == {"ok"}
    assert sorted(table["id"]) == [path.stem for path in _points(folder)]
    assert not list(folder.glob("points/*.started"))
    assert not list(folder.glob("points/.*"))


@pytest.mark.torture
def test_a_worker_that_is_killed_is_told_and_its_point_run_again(in_tmp: Path) -> None:
    folder = in_tmp / "here"
    process = subprocess.Popen(LONG, stderr=subprocess.PIPE, text=True)
    _wait(lambda: bool(_workers(process.pid)), "a worker")
    os.kill(_workers(process.pid)[0], signal.SIGKILL)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "note: a worker process died; " in err.replace("\n", " ")
    assert "Traceback" not in err
    table = pd.read_csv(folder / "results.csv")
    assert list(table["data.noise"]) == [float(noise) for noise in NOISES.split(",")]
    assert set(table["status"]) == {"ok"}


ENDLESS = ["study", "moons", "--axis", "training.epochs=1,2,3,1000000", "--jobs", "2", "--out", "here"]


@pytest.mark.torture
def test_a_killed_study_leaves_no_process_behind(in_tmp: Path) -> None:
    folder = in_tmp / "here"
    process = subprocess.Popen([*TWOFOLD, *ENDLESS], stderr=subprocess.DEVNULL)
    _wait(lambda: len(_points(folder)) == 3 and bool(_workers(process.pid)), "three points")
    workers = _workers(process.pid)
    process.kill()
    process.wait(timeout=60)
    _wait(lambda: all(map(_gone, workers)), "the end of the worker")
    assert len(_points(folder)) == 3


@pytest.mark.parametrize("heard", short_form(["by the process", "by its whole group"], {"by its whole group"}))
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(in_tmp: Path, heard: str) -> None:
    folder = in_tmp / "here"
    # What runs in the background of a shell ignores Ctrl-C, and so would its children.
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(
        [*TWOFOLD, *ENDLESS], stderr=subprocess.PIPE, text=True, preexec_fn=hearing, start_new_session=True
    )
    _wait(lambda: len(_points(folder)) == 3 and bool(_workers(process.pid)), "three points")
    workers = _workers(process.pid)
    assert not _deaf(process.pid)
    assert all(map(_deaf, _children(process.pid)))
    if heard == "by its whole group":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "error: interrupted; 3 of 4 points are kept in here. The same command goes on:" in err
    assert "twofold study moons --axis training.epochs=1,2,3,1000000 --jobs 2 --out here" in err
    assert "Traceback" not in err
    assert len(pd.read_csv(folder / "results.csv")) == 3
    _wait(lambda: all(map(_gone, workers)), "the end of the workers")


def test_sigterm_keeps_what_is_finished_and_says_how_to_go_on(in_tmp: Path) -> None:
    folder = in_tmp / "here"
    process = subprocess.Popen([*TWOFOLD, *ENDLESS], stderr=subprocess.PIPE, text=True)
    _wait(lambda: len(_points(folder)) == 3 and bool(_workers(process.pid)), "three points")
    workers = _workers(process.pid)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "error: interrupted; 3 of 4 points are kept in here. The same command goes on:" in err
    assert "Traceback" not in err
    _wait(lambda: all(map(_gone, workers)), "the end of the workers")


def test_a_second_process_is_refused(command, in_tmp: Path) -> None:
    process = subprocess.Popen(LONG, stderr=subprocess.DEVNULL)
    try:
        _wait(lambda: bool(_workers(process.pid)), "a worker")
        done = command(*LONG[3:])
        assert done.status == 2
        assert f"error: here is in use: process {process.pid} on {socket.gethostname()}, since 20" in done.err
        assert ", runs this study. Wait until it has ended, or choose another --out." in done.err
    finally:
        process.kill()
        process.wait(timeout=60)
