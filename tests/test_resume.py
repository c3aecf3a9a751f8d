"""Exact resume: whatever the moment at which a run is killed, it ends with the bytes of the run that was not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kills
import twofold
from cases import assert_bits, dense, recipe
from records import beginning
from twofold.arrays import Array
from twofold.engine import Batch
from twofold.runs import RunWriter, locked, newest, read_record
from twofold.runs.whole import seal
from twofold.setup.building import build_engine, initial_state
from twofold.setup.events import Evaluated

# Where a batch lies


def placed(a: Array, offset: int) -> Array:
    """The same numbers, so many bytes behind a multiple of 64."""
    memory = np.empty(a.nbytes + 128, np.uint8)
    start = -memory.ctypes.data % 64 + offset
    there = memory[start : start + a.nbytes].view(a.dtype).reshape(a.shape)
    there[...] = a
    return there


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_where_a_batch_lies_in_memory_changes_no_bit(engine: str) -> None:
    """A run that goes on gathers its batches elsewhere. PyTorch's products begin at whatever is aligned."""
    for samples, units, seed in [(5, 11, 0), (29, 7, 1), (31, 13, 2), (37, 17, 3)]:
        built = recipe([dense(units), dense(3)], inputs=53, training={"seed": seed, "dtype": "float32"})
        x = np.random.default_rng(seed).standard_normal((samples, 53), dtype=np.float32)
        states = []
        for offset in (0, 4, 16, 40):
            trained = build_engine(engine, built)
            trained.load(initial_state(built.model))
            trained.step(Batch(placed(x, offset), np.arange(samples) % 2, 0.1, {}, 0))
            states.append(trained.state().arrays() | {"logits": trained.predict(placed(x, offset))})
        for state in states[1:]:
            assert_bits(states[0], state)


# Killed and gone on with


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """The run that nobody killed, of each engine, and what its checkpoints held."""
    folder, found = tmp_path_factory.mktemp("references"), dict[str, tuple[Path, Path]]()
    for engine in ("numpy", "torch", "both"):
        found[engine] = folder / engine, folder / f"{engine}.log"
        assert (
            kills.apart(lambda paths=found[engine], engine=engine: kills.train(kills.everything(engine), *paths)) == 0
        )
    return found


KILLED = [("numpy", step) for step in (1, 7, 8, 25, 26, 42, 59)] + [
    ("torch", 8),
    ("torch", 31),
    ("both", 3),
    ("both", 20),
]


@pytest.mark.filterwarnings("ignore:.*was not finished")
@pytest.mark.parametrize(("engine", "step"), KILLED)
def test_a_killed_run_ends_with_the_same_bytes(engine: str, step: int, tmp_path: Path, references) -> None:
    """`make torture` kills after every step. Of two engines the second is killed."""
    run, log, built = tmp_path / "run", tmp_path / "log", kills.everything(engine)

    def dies() -> None:
        kills.dies_after(built.training.engines[-1], step)
        kills.train(built, run, log)

    assert kills.apart(dies) == -9
    with pytest.raises(twofold.RunFolderError, match="`twofold resume"):
        twofold.open_run(run)
    assert kills.apart(lambda: kills.go_on(run, log)) == 0
    assert kills.same(run, log, *references[engine])
    assert twofold.open_run(run).status == "finished"
    assert not list(run.glob(".*"))


def killed(folder: Path, step: int = 45) -> Path:
    """The folder of a run that was killed, with checkpoints."""
    built = kills.everything()

    def dies() -> None:
        kills.dies_after("numpy", step)
        kills.train(built, folder, folder.with_suffix(".log"))

    assert kills.apart(dies) == -9
    return folder


def _turned(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path, str], None], str]] = {
    "a turned bit in the arrays": (lambda f, n: _turned(f / f"{n}.safetensors", -9), "is not what the run wrote"),
    "cut arrays": (lambda f, n: os.truncate(f / f"{n}.safetensors", 100), "is not what the run wrote"),
    "no arrays": (lambda f, n: (f / f"{n}.safetensors").unlink(), "is missing"),
    "a turned bit in the manifest": (lambda f, n: _turned(f / f"{n}.json", 40), "its checksum differs"),
    "a cut manifest": (lambda f, n: os.truncate(f / f"{n}.json", 500), "its checksum differs"),
    "no manifest": (lambda f, n: (f / f"{n}.json").unlink(), "was not finished"),
}


@pytest.mark.filterwarnings("ignore:.*was not finished")
@pytest.mark.parametrize(("damage", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_refused_and_the_one_before_taken(
    damage: Callable[[Path, str], None], said: str, tmp_path: Path, references
) -> None:
    run = killed(tmp_path / "run")
    older, newer = sorted(path.stem for path in (run / "checkpoints").glob("*.json"))[-2:]
    damage(run / "checkpoints", newer)
    with pytest.warns(UserWarning, match=rf"checkpoint {newer} .*{said}.*goes on from checkpoint {older}"):
        twofold.resume(run)
    assert kills.traces(run) == kills.traces(references["numpy"][0])


def test_what_a_killed_process_left_half_written_is_swept(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path, twofold.load_recipe("moons"), beginning())
    writer.checkpoint("numpy", {}, {"a": np.zeros(2)})
    writer.finish("interrupted")
    left = tmp_path / "checkpoints" / ".000002.safetensors.1.tmp"
    left.touch()
    since, _ = newest(tmp_path, seal(tmp_path / "recipe.toml"))
    again = RunWriter.again(tmp_path, read_record(tmp_path), since)
    assert not left.exists()
    again.finish("interrupted")


def test_an_earlier_checkpoint_that_cannot_be_removed_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, references
) -> None:
    """As where the folder becomes read-only between the writing of one and the removing of another."""

    remove, kept = Path.unlink, list[str]()

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name != "checkpoints":
            return remove(path, missing_ok)
        kept.append(path.name)
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        twofold.run(kills.everything("numpy"), out=tmp_path / "run", checkpoint_every=7)
    assert "000001.json" in kept
    assert kills.traces(tmp_path / "run") == kills.traces(references["numpy"][0])


@pytest.mark.filterwarnings("ignore:.*was not finished")
def test_a_history_that_was_cut_is_found(tmp_path: Path, references) -> None:
    run = killed(tmp_path / "run")
    os.truncate(run / "history.csv", 120)
    with pytest.warns(UserWarning, match=r"history\.csv does not begin with what the run wrote.*begins anew"):
        twofold.resume(run)
    assert kills.traces(run) == kills.traces(references["numpy"][0])


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command, references) -> None:
    run = killed(tmp_path / "run")
    record = json.loads((run / "record.json").read_text())
    done = command("run", "moons", "--out", run)
    assert done.status == 2
    assert f"is not an empty folder; choose another --out, or `twofold resume {run}` to go on with its run" in done.err
    with locked(run), pytest.raises(twofold.RunFolderError, match=rf"in use: process {os.getpid()} on .*, since 20"):
        twofold.resume(run)
    with monkeypatch.context() as patch:
        patch.setattr("twofold.data.Dataset.fingerprint", "0" * 64)
        with pytest.raises(twofold.RunFolderError, match="was begun with other data: their fingerprint was"):
            twofold.resume(run)
    (run / "record.json").write_text(json.dumps(record | {"failure": {"message": "the loss became nan"}}))
    done = command("resume", run)
    assert done.status == 2
    assert "its training diverged, and would again" in done.err
    (run / "record.json").write_text(json.dumps(record))
    _turned(run / "recipe.toml", 5)
    with pytest.raises(twofold.RunFolderError, match=r"recipe\.toml is not what the run wrote"):
        twofold.resume(run)
    finished = references["numpy"][0]
    assert "is finished: there is nothing to go on with" in command("resume", finished).out
    assert command("resume", tmp_path).status == 2


def test_interrupted_and_gone_on_with(tmp_path: Path) -> None:
    def presses(event: object) -> None:
        if isinstance(event, Evaluated) and event.row.step == 24:
            raise KeyboardInterrupt

    built, run = kills.everything(), tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        twofold.run(built, out=run, checkpoint_every=7, watcher=presses)
    assert twofold.open_run(run).status == "interrupted"
    done = twofold.resume(run)
    assert done.record.resumed[0].step == 21
    twofold.run(built, out=tmp_path / "plain")
    assert kills.traces(run) == kills.traces(tmp_path / "plain")


@pytest.mark.filterwarnings("ignore:.*was not finished")  # the one that was being written at the death
def test_a_run_that_is_killed_again_still_says_when_it_went_on(tmp_path: Path) -> None:
    run = killed(tmp_path / "run", 20)

    def dies() -> None:
        kills.dies_after("numpy", 30)
        kills.go_on(run, tmp_path / "log")

    assert kills.apart(dies) == -9
    (first,) = read_record(run).resumed
    again = twofold.resume(run).record.resumed
    assert again[0] == first
    assert [entry.engine for entry in again] == ["numpy", "numpy"]
    assert 0 < first.step < again[1].step


@pytest.mark.parametrize("every", [0, -7, 2.5, 7.0, "7", True])
def test_a_checkpoint_every_no_step(every: Any) -> None:
    rule = f"`checkpoint_every` is a number of steps, at least 1; got {every!r}"
    with pytest.raises(twofold.UserError, match=f"^{re.escape(rule)}$"):
        twofold.run("moons", checkpoint_every=every)
