"""Sound files of every kind that Twofold reads, damaged at random, and what is no file at all, at every door.

Each input is read once. It must be read, or refused by an exception of Twofold's own with less than 64 KB of text,
within ten seconds, and nothing may appear beside it. The sound files themselves must be read.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import test_boundaries as doors  # pyright: ignore[reportMissingImports]
import twofold
from twofold.analysis import findings
from twofold.errors import TwofoldError
from twofold.recipe import dump, load_recipe
from twofold.report.sentences import results_sentences
from twofold.runs import open_run
from twofold.runs.reading import as_a_whole
from twofold.runs.whole import seal

SOUND = "a sound file of each kind"
STUDY = "digits-search.toml"
MOST_TEXT = 1 << 16
SECONDS = 10
EACH = 110
"""Damaged files of a kind."""
NOT_TRIED = {("a table", "a sparse file of 20 GB"), ("an .npz", "a zip of nothing")}
"""Files that are what they seem to be: one takes its time, the other holds no array."""


class Input(NamedTuple):
    """One input: its kind, its name, how it comes to be, and what reads it."""

    kind: str
    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    suffix: str = ""


class Outcome(NamedTuple):
    """How it ended: `read`, `refused`, or what must not be."""

    input: Input
    ended: str
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it was read or refused as it should be."""
        return self.ended == "read" or (self.ended == "refused" and self.input.kind != SOUND)


def damaged(content: bytes, seed: int) -> bytes:
    """One to three changes: cut, turned, doubled, left out, or with something in it that readers stumble over."""
    rng, data = random.Random(seed), bytearray(content)
    for _ in range(rng.randint(1, 3)):
        at, length = rng.randrange(len(data) + 1), rng.randint(1, 40)
        match rng.randrange(7):
            case 0:
                del data[at:]
            case 1:
                for place in range(at, min(at + length, len(data))):
                    data[place] = rng.randrange(256)
            case 2:
                data[at:at] = data[at : at + length] * rng.randint(1, 200)
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = rng.choice(STUMBLES)
            case 5:
                digits = [place for place, byte in enumerate(data) if 48 <= byte < 58]
                if digits:
                    place = rng.choice(digits)
                    data[place : place + 1] = rng.choice(NUMBERS)
            case _:
                data[at:at] = rng.choice((b"[", b"{", b'"', b"(", b",", b"\n")) * rng.randint(1, 3000)
        if not data:
            break
    return bytes(data)


STUMBLES = (
    b"\x00",
    b"\x1b[31m",
    b"\x1b]0;x\x07",
    b"\xff\xfe",
    "‮".encode(),
    b"../../etc/passwd",
    b"<script>",
    b"\r\r\n",
)
NUMBERS = (b"9" * 400, b"-1", b"1e999", b"nan", b"0x10", b"9223372036854775808", b"-0", b"")


def inputs(room: Path) -> Iterator[Input]:
    """All of them; `room` holds the sound files."""
    for reader, read in doors.READERS.items():
        suffix = ".toml" if reader in ("a recipe", "a study") else ""
        for nasty, write in doors.NASTY.items():
            if (reader, nasty) not in NOT_TRIED:
                yield Input(f"{reader}: no file of its kind", nasty, write, read, suffix)
    for kind, content in _sound(room).items():
        suffix = ".toml" if kind in ("a recipe", "a study") else ""
        yield Input(SOUND, kind, _writing(content), doors.READERS[kind], suffix)
        for seed in range(EACH):
            yield Input(f"{kind}, damaged", str(seed), _writing(damaged(content, seed)), doors.READERS[kind], suffix)
    yield from _folders(room)


def _writing(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _sound(room: Path) -> dict[str, bytes]:
    table = "a,b,y\n" + "".join(f"{i * 0.37:.2f},{-i},{'no' if i % 3 else 'yes'}\n" for i in range(40))
    np.savez(room / "w.npz", **{"0.weight": np.ones((3, 2), np.float32), "0.bias": np.zeros(3, np.float32)})
    study = (Path(twofold.__file__).parent / "study" / "builtin" / STUDY).read_bytes()
    return {
        "a recipe": dump(load_recipe("digits")).encode(),
        "a study": study,
        "a table": table.encode(),
        "an .npz": (room / "w.npz").read_bytes(),
        "arrays": (_run(room) / "numpy.safetensors").read_bytes(),
    }


def _run(room: Path) -> Path:
    folder = room / "run"
    if not folder.exists():
        short = {"training.epochs": 2, "data.samples": 60}
        twofold.run("moons", overrides=short, engines="numpy", out=folder)
    return folder


def _folders(room: Path) -> Iterator[Input]:
    """Run folders with one file damaged: the record, and every other file sealed anew as if it were sound."""
    run = _run(room)
    for name in sorted(path.name for path in run.iterdir() if path.is_file() and path.suffix != ".html"):
        content = (run / name).read_bytes()
        for seed in range(EACH // 4):
            change = _forging(run, name, damaged(content, seed))
            yield Input("a run folder, one file damaged and sealed", f"{name} {seed}", change, _looked_into)


def _forging(run: Path, name: str, content: bytes) -> Callable[[Path], object]:
    def forge(path: Path) -> None:
        shutil.copytree(run, path)
        (path / name).write_bytes(content)
        if name != "record.json":
            record = json.loads((path / "record.json").read_text("utf-8"))
            record["files"] = {file: seal(path / file) for file in record["files"]}
            (path / "record.json").write_text(json.dumps(record, default=dict), "utf-8")

    return forge


def _looked_into(path: Path) -> object:
    """What a report begins with: record, recipe, tables, evidence, analysis, sentences."""
    with as_a_whole(path):  # as every command does
        run = open_run(path)
        return findings(run), results_sentences(run), run.weights("numpy")


def tried(one: Input, room: Path) -> Outcome:
    """Read it in a folder of its own."""
    folder = room / "door"
    folder.mkdir()
    path, started = folder / f"foreign{one.suffix}", time.perf_counter()
    one.write(path)
    before = sorted(room.iterdir()), sorted(folder.iterdir())
    signal.signal(signal.SIGALRM, _too_slow)
    signal.alarm(SECONDS)
    try:
        one.read(path)
        ended = "read"
    except TwofoldError as error:
        ended = "refused" if 0 < len(str(error)) < MOST_TEXT else f"{len(str(error)):,} characters of text"
    except TimeoutError:
        ended = f"more than {SECONDS} s"
    except Exception as error:  # the point of it all
        ended = f"{type(error).__name__}: {str(error)[:80]}"
    finally:
        signal.alarm(0)
    if (sorted(room.iterdir()), sorted(folder.iterdir())) != before:
        ended = "wrote beside it"
    shutil.rmtree(folder)
    return Outcome(one, ended, time.perf_counter() - started)


def _too_slow(number: int, frame: object) -> None:
    raise TimeoutError


def table_of(outcomes: list[Outcome]) -> tuple[list[list[str]], list[str]]:
    """A row a kind; and a line on each that ended as nothing may."""
    rows = []
    for kind in dict.fromkeys(outcome.input.kind for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.input.kind == kind]
        ended = Counter(outcome.ended if outcome.right else "wrong" for outcome in own)
        slowest = max(outcome.seconds for outcome in own)
        rows.append(
            [kind, *(str(n) for n in (len(own), ended["read"], ended["refused"], ended["wrong"])), f"{slowest:.2f}"]
        )
    wrong = [f"{o.input.kind}, {o.input.name}: {o.ended}" for o in outcomes if not o.right]
    return rows, wrong


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as home:
        outcomes = [tried(one, Path(home)) for one in inputs(Path(home))]
    for line in table_of(outcomes)[1]:
        print(line)
    for row in table_of(outcomes)[0]:
        print(row)
