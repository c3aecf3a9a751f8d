"""The run folder: what is in it, and that a half-written or damaged one is never taken for whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from twofold.recipe import load_recipe
from twofold.runs import Beginning, RunWriter, create_run_folder, write_whole
from twofold.runs.history import HistoryRow
from twofold.runs.lines import Lines
from twofold.setup.building import restore


@pytest.fixture
def copy(moons_run: twofold.Run, tmp_path: Path) -> Path:
    """A run folder that may be damaged."""
    return Path(shutil.copytree(moons_run.path, tmp_path / "copy"))


def test_a_run_folder_holds_what_it_says(moons_run: twofold.Run) -> None:
    names = {
        "recipe.toml",
        "history.csv",
        "times.csv",
        "signals.csv",
        "numpy.safetensors",
        "torch.safetensors",
        "evidence.safetensors",
    }
    assert set(moons_run.record.files) == names
    assert {file.name for file in moons_run.path.iterdir()} == names | {"record.json"}
    assert moons_run.status == "finished"
    assert moons_run.recipe == load_recipe("moons", {"training.epochs": 2, "data.samples": 100, "data.validation": 0.1})


def test_a_copied_run_opens_anywhere(moons_run: twofold.Run, copy: Path) -> None:
    opened = twofold.open_run(copy)
    assert opened.engines == moons_run.engines
    for name, array in moons_run.weights("torch").items():
        np.testing.assert_array_equal(opened.weights("torch")[name], array)


def test_the_record_says_what_a_figure_was_measured_with(moons_run: twofold.Run) -> None:
    circumstances, data = moons_run.record.circumstances, moons_run.record.data
    assert set(circumstances.versions) == {"python", "twofold", "numpy", "scikit-learn", "torch"}
    assert circumstances.devices["numpy"] == "cpu"
    assert data.samples == {"train": 70, "validation": 10, "test": 20}
    assert len(data.fingerprint) == 64


def test_the_history_has_a_row_for_each_evaluation(moons_run: twofold.Run) -> None:
    history = moons_run.history
    assert history.groupby("engine")["step"].apply(list).to_dict() == {"numpy": [0, 6], "torch": [0, 6]}
    last = history[history["engine"] == "numpy"].iloc[-1]
    for key in ("train_loss", "validation_accuracy", "test_accuracy"):
        assert last[key] == moons_run.engines["numpy"][key]


def test_weights_have_pytorchs_names_and_predict_alike(moons_run: twofold.Run) -> None:
    shapes = {"0.weight": (20, 2), "0.bias": (20,), "2.weight": (2, 20), "2.bias": (2,)}
    for engine in ("numpy", "torch"):
        assert {name: array.shape for name, array in moons_run.weights(engine).items()} == shapes
    x = moons_run.evidence["preview"]
    after = restore(moons_run, "numpy").predict(x)
    np.testing.assert_array_equal(after, moons_run.evidence["numpy.after"])
    np.testing.assert_allclose(restore(moons_run, "torch").predict(x), after, atol=1e-5)


def _unlink(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _cut(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-1])


def _turn(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

    return damage


def _edit(**values: Any) -> Callable[[Path], None]:
    """Set keys of the record; one that is set to `None` is taken out."""

    def damage(folder: Path) -> None:
        record = json.loads((folder / "record.json").read_text()) | values
        text = json.dumps({key: value for key, value in record.items() if value is not None})
        (folder / "record.json").write_text(text)

    return damage


DAMAGES = {
    "no record": (_unlink("record.json"), "is no run folder: it holds no record.json"),
    "a cut record": (_cut("record.json"), "record.json cannot be read"),
    "a record of another kind": (
        lambda folder: (folder / "record.json").write_text("[]"),
        "names no format; this version reads format 2",
    ),
    "a newer record": (
        _edit(format=3),
        "was written by a newer version of Twofold: its format is 3, this version reads 2; upgrade",
    ),
    "an older record": (
        _edit(format=1),
        "was written by an older version of Twofold: its format is 1, this version reads 2; run its",
    ),
    "no list of files": (_edit(files=None), "record.json is damaged: files: Field required"),
    "an empty list of files": (_edit(files={}), "record.json is damaged: Value error, it lists no recipe.toml"),
    "a file of another folder": (_edit(files={"../x": {"bytes": 1, "sha256": ""}}), "record.json is damaged: files"),
    "no results": (_edit(engines=None), "record.json is damaged: engines: Field required"),
    "a result without scores": (_edit(engines={"numpy": {}}), "record.json is damaged: engines.numpy.train_loss"),
    "no facts of the data": (_edit(data={}), "record.json is damaged: data.source"),
    "no circumstances": (_edit(circumstances=None), "record.json is damaged: circumstances"),
    "no date": (_edit(finished="x"), "record.json is damaged: finished"),
    "an unknown status": (_edit(status="bogus"), "record.json is damaged: status"),
    "still running": (_edit(status="running"), "is half-written: its run has not ended, or was killed"),
    "no weights": (_unlink("numpy.safetensors"), "numpy.safetensors is missing"),
    "cut weights": (_cut("torch.safetensors"), "torch.safetensors is not what the run wrote"),
    "a turned bit": (_turn("evidence.safetensors"), "evidence.safetensors is not what the run wrote"),
    "an edited history": (_turn("history.csv"), "history.csv is not what the run wrote"),
    "an edited recipe": (_turn("recipe.toml"), "recipe.toml is not what the run wrote"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_run_is_refused(copy: Path, damage: Callable[[Path], None], message: str) -> None:
    damage(copy)
    with pytest.raises(twofold.RunFolderError, match=message.replace(".", r"\.")):
        twofold.open_run(copy)


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(twofold.RunFolderError, match="no run folder"):
        twofold.open_run(tmp_path / "none")


def test_a_run_that_is_being_written_is_not_whole(tmp_path: Path, moons_run: twofold.Run) -> None:
    record = moons_run.record
    writer = RunWriter(tmp_path, load_recipe("moons"), Beginning(data=record.data, circumstances=record.circumstances))
    with pytest.raises(twofold.RunFolderError, match="half-written"):
        twofold.open_run(tmp_path)
    writer.finish("interrupted")
    assert twofold.open_run(tmp_path).status == "interrupted"


@pytest.mark.skipif(os.name != "posix", reason="limits the size of a file")
def test_a_line_that_does_not_fit_on_the_disk_leaves_no_half(tmp_path: Path, moons_run: twofold.Run) -> None:
    import resource

    record = moons_run.record
    writer = RunWriter(tmp_path, load_recipe("moons"), Beginning(data=record.data, circumstances=record.circumstances))
    row = HistoryRow(10, 0.5, 0.1, 1.0, 0.25, 0.75, 0.25, 0.75, 0.25, 0.75)._asdict()
    writer.add_row("numpy", row)
    whole = (tmp_path / "history.csv").read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 9, hard))
        with pytest.raises(twofold.RunFolderError, match=r"cannot write .*history\.csv \(\d+ bytes more\)"):
            writer.add_row("numpy", row)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    writer.finish("failed")
    assert (tmp_path / "history.csv").read_bytes() == whole
    assert len(twofold.open_run(tmp_path).evaluations) == 1


def test_every_growing_file_is_closed_where_one_fails(
    tmp_path: Path, moons_run: twofold.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, synced = moons_run.record, list[str]()
    writer = RunWriter(tmp_path, load_recipe("moons"), Beginning(data=record.data, circumstances=record.circumstances))

    def sync(lines: Lines) -> None:
        synced.append(lines.path.name)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Lines, "sync", sync)
    with pytest.raises(OSError, match="No space"):
        writer.close()
    assert sorted(synced) == ["history.csv", "signals.csv", "times.csv"]


def test_numbered_folders_and_folders_in_use(in_tmp: Path) -> None:
    assert [create_run_folder(None, "moons") for _ in range(2)] == [Path("runs/moons-1"), Path("runs/moons-2")]
    (in_tmp / "full").mkdir()
    (in_tmp / "full" / "x").touch()
    (in_tmp / "file").touch()
    for taken in ("full", "file"):
        with pytest.raises(twofold.RunFolderError, match=f"{taken} exists and is not an empty folder"):
            create_run_folder(taken, "moons")
    for name in ("recipe.toml", ".recipe.toml.123.tmp"):
        (in_tmp / name[-4:]).mkdir()
        (in_tmp / name[-4:] / name).touch()
        with pytest.raises(twofold.RunFolderError, match="is not an empty folder"):
            create_run_folder(name[-4:], "moons")  # the user's own
        (in_tmp / name[-4:] / ".lock").touch()
        assert create_run_folder(name[-4:], "moons").is_dir()  # of a run that was killed before it had a record
    assert create_run_folder("new/deep", "moons").is_dir()
    with pytest.raises(twofold.RunFolderError, match="cannot make the run folder file/x: Not a directory"):
        create_run_folder("file/x", "moons")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "record.json"
    write_whole(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        twofold.RunFolderError, match=r"cannot write .*record\.json \(3 bytes\): No space left on device"
    ):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


def test_a_run_shows_itself_in_a_notebook(moons_run: twofold.Run) -> None:
    page = moons_run._repr_html_()
    assert page.count("<tr>") == 2
    assert f"{moons_run.engines['numpy']['test_accuracy']:.4f}" in page
    assert "numpy" in repr(moons_run)
    assert "finished" in repr(moons_run)


def test_a_full_disk_ends_in_a_message_and_a_failed_run(tmp_path: Path) -> None:
    """In a process of its own, with a limit on the size of a file."""
    script = (
        "import resource, signal, sys, twofold\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "try: twofold.run('moons', engines='numpy', overrides={'training.epochs': 300, 'training.evaluate_every': 1}, "
        "out=sys.argv[1])\n"
        "except twofold.RunFolderError as error: print(error)\n"
    )
    folder = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"cannot write {folder}/")
    assert "File too large" in done.stdout
    assert twofold.open_run(folder).status == "failed"
