"""Whatever is not trusted, at every door: readers, commands, and text on its way to a terminal."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from rich.table import Table

import twofold
from twofold.cli.main import app
from twofold.cli.terminal import Terminal
from twofold.data import load_data
from twofold.errors import TwofoldError
from twofold.foreign import read_foreign, read_json
from twofold.printable import printable
from twofold.recipe.data import Csv, Images
from twofold.runs import open_run
from twofold.runs.npz import read_names, read_npz
from twofold.runs.tensors import read_tensors
from twofold.runs.whole import seal
from twofold.study import load_study

pytestmark = pytest.mark.usefixtures("undrawn")

READERS: dict[str, Callable[[Path], Any]] = {
    "a recipe": twofold.load_recipe,
    "a study": load_study,
    "a table": lambda path: load_data(Csv(path=str(path), label="y")),
    "arrays": read_tensors,
    "an .npz": read_names,
    "a folder of images": lambda path: load_data(Images(path=str(path), size=4)),
    "a run": open_run,
}


def _fifo(path: Path) -> None:
    os.mkfifo(path)


NASTY: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a pipe": _fifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "the log of the kernel": lambda path: path.symlink_to("/dev/kmsg"),
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a sparse file of 20 GB": lambda path: os.truncate(_touched(path), 20 << 30),
    "zeros": lambda path: path.write_bytes(bytes(1000)),
    "an empty file": lambda path: path.touch(),
    "random bytes": lambda path: path.write_bytes(np.random.default_rng(1).bytes(2000)),
    "brackets in brackets": lambda path: path.write_text("[" * 100_000),
    "braces in braces": lambda path: path.write_text('{"a":' * 100_000),
    "a zip of nothing": lambda path: path.write_bytes(b"PK\x05\x06" + bytes(18)),
}


def _touched(path: Path) -> Path:
    path.touch()
    return path


@pytest.mark.parametrize("nasty", NASTY)
@pytest.mark.parametrize("reader", READERS)
def test_a_reader_refuses_with_an_error_of_its_own(tmp_path: Path, reader: str, nasty: str) -> None:
    if nasty == "a sparse file of 20 GB" and reader == "a table":
        pytest.skip("a table of 20 GB is measured from its bytes, which takes its time")
    if nasty == "a zip of nothing" and reader == "an .npz":
        pytest.skip("it is a sound file that holds no array")
    path = tmp_path / ("foreign.toml" if reader in ("a recipe", "a study") else "foreign")
    NASTY[nasty](path)
    with pytest.raises(TwofoldError) as error:
        READERS[reader](path)
    assert 0 < len(str(error.value)) < 1 << 16


@pytest.mark.parametrize("nasty", [nasty for nasty in NASTY if nasty not in ("zeros", "an empty file", "nothing")])
def test_a_record_that_is_none_is_refused(moons_run: twofold.Run, tmp_path: Path, nasty: str) -> None:
    folder = shutil.copytree(moons_run.path, tmp_path / "run")
    (folder / "record.json").unlink()
    NASTY[nasty](folder / "record.json")
    with pytest.raises(twofold.RunFolderError):
        open_run(folder)


HEADERS = {
    "an open bracket": "{'descr': '<f4', 'fortran_order': False, 'shape': (2, ",
    "an open string": "{'descr': '<f4",
    "indentation": "  {'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n   x",
    "keys of bytes": "{b'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
    "brackets in brackets": "(" * 9000,
    "a call": "{'descr': exit(), 'fortran_order': False, 'shape': (2,), }",
    "a type that is none": "{'descr': '<q9', 'fortran_order': False, 'shape': (2,), }",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_of_numpy_is_matched_and_never_evaluated(tmp_path: Path, header: str) -> None:
    text = header.encode()
    content = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(8)
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as file:
        file.writestr("W.npy", content)
    with pytest.raises(twofold.WeightsError, match="`W` cannot be read: "):
        read_npz(tmp_path / "w.npz", {"W": (2,)}, "float32")


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED])
def test_a_damaged_member_is_an_error_of_ours(tmp_path: Path, method: int) -> None:
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w", method) as file:
        file.writestr("W.npy", bytes(range(256)) * 20)
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)
    with pytest.raises(twofold.WeightsError):
        read_npz(path, {"W": (2,)}, "float32")


# Forged run folders: every file is sealed anew, and says something else -------------------------------------


def _sealed(folder: Path, **changes: Any) -> None:
    record = json.loads((folder / "record.json").read_text()) | changes
    record["files"] = {name: seal(folder / name) for name in record["files"]}
    (folder / "record.json").write_text(json.dumps(record, default=dict))


FORGED: dict[str, Callable[[Path], object]] = {
    "another network": lambda folder: _replace(folder / "recipe.toml", "units = 20", "units = 21"),
    "a huge network": lambda folder: _replace(folder / "recipe.toml", "units = 20", "units = 900000000"),
    "another source": lambda folder: _replace(folder / "recipe.toml", 'source = "moons"', 'source = "circles"'),
    "no rows of history": lambda folder: (folder / "history.csv").write_text(""),
    "other columns": lambda folder: _replace(folder / "history.csv", "train_loss", "loss"),
    "words in the history": lambda folder: _replace(folder / "history.csv", "0.", "x."),
    "no evidence": lambda folder: (folder / "evidence.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}"),
    "the weights of no layer": lambda folder: (folder / "numpy.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}"),
    "sparse weights": lambda folder: os.truncate(folder / "numpy.safetensors", 1 << 26),
    "words in the signals": lambda folder: _replace(folder / "signals.csv", "weight", "<b>"),
}


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path.name} holds no {old}"
    path.write_text(text.replace(old, new))


WORDS = {
    "report": ("report", "RUN"),
    "evaluate": ("evaluate", "RUN", "--confusion"),
    "predict": ("predict", "RUN", "0.5,1.2"),
    "weights": ("weights", "RUN"),
    "walk": ("walk", "RUN"),
    "resume": ("resume", "RUN"),
}
NOT_OF_A_RUN = {"list", "show", "run", "verify", "study", "check", "adopt", "export", "eject", "page", "app", "serve"}


def test_every_command_that_reads_a_run_is_tried_on_forged_ones() -> None:
    commands: Any = typer.main.get_command(app)
    untried = {
        name
        for name, command in commands.commands.items()
        if name not in WORDS and any("RUN" in str(param.metavar or "").split("|") for param in command.params)
    }
    assert untried <= NOT_OF_A_RUN


OF_WEIGHTS = ("another network", "a huge network", "sparse weights")
TRIED = [("report", forged) for forged in FORGED] + [("resume", "other columns"), ("walk", "another network")]
TRIED += [(name, forged) for name in ("evaluate", "predict", "weights") for forged in OF_WEIGHTS]


@pytest.mark.parametrize(("name", "forged"), TRIED)
def test_a_command_on_a_forged_folder_ends_in_a_message(
    command: Any, moons_run: twofold.Run, tmp_path: Path, name: str, forged: str
) -> None:
    folder = shutil.copytree(moons_run.path, tmp_path / "run")
    FORGED[forged](folder)
    _sealed(folder)
    done = command(*(str(folder) if word == "RUN" else word for word in WORDS[name]))
    assert done.status in (0, 1, 2)
    assert "Traceback" not in done.err
    if done.status == 2:
        assert done.err.startswith("error: ")
        assert len(done.err) < 1 << 16


# Text on its way to a terminal ------------------------------------------------------------------------------

HOSTILE = {
    "an escape sequence": "\x1b[31mred\x1b[0m",
    "a title of the window": "\x1b]0;owned\x07",
    "C1": "\x9b31mred\x9d0;x\x9c",
    "text from the right": "abc\u202egpj.exe",
    "isolates": "\u2066a\u2069",
    "a bell and a backspace": "a\x07\x08b",
    "a byte that is no UTF-8": os.fsdecode(b"caf\xe9"),
    "tags": "a\U000e0041b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_is_shown_and_not_obeyed(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    out = io.StringIO()
    table = Table(text, title=text)
    table.add_row(text)
    Terminal(file=out, force_terminal=False, width=200).print(table, text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", out.getvalue())


@pytest.mark.parametrize("text", ["loss [/b]", "[noise 0.1]", "[red]", ":smile:", "日本 🙂 Ελλάδα", "نص"])
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    out = io.StringIO()
    table = Table(text, title=text)
    table.add_row(text)
    Terminal(file=out, width=100).print(table)
    assert out.getvalue().count(text) == 3
    assert printable(text) == text


def test_commands_print_through_the_terminal_alone() -> None:
    """A console of rich's own, or an echo of a text, is a hole in the wall."""
    cli = Path(twofold.__file__).parent / "cli"
    allowed = {"terminal.py", "output.py"}
    for path in cli.glob("*.py"):
        if path.name not in allowed:
            text = path.read_text()
            assert "rich.console import Console" not in text, path.name
            assert "markup=True" not in text, path.name


def test_files_of_the_kernel_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="a device and no regular file"):
        read_foreign("/dev/null")
    (tmp_path / "deep.json").write_text("[" * 200 + "]" * 200)
    with pytest.raises(ValueError, match="nested deeper than 64 levels"):
        read_json(tmp_path / "deep.json")
