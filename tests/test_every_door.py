"""Every reader, command and output of text, found in the source: one that no table here knows fails a test.

`READ` says how each parameter of a command that names a file is tried on hostile ones; `OPENS` where a file is opened
past `foreign.py`, and why it may; `PRINTS` and `MARKUP` where text goes out past the terminal and the templates.
"""

from __future__ import annotations

import ast
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import twofold
from test_boundaries import NASTY
from twofold.cli.main import app

SOURCE = Path(twofold.__file__).parent
HOSTILE, NEW, RUN = "HOSTILE", "NEW", "RUN"
"""In the words of a command: the hostile file, a name that is free, a sound run."""

# Commands ---------------------------------------------------------------------------------------------------

Words = tuple[str, ...]
READ: dict[tuple[str, str], tuple[Words, ...]] = {
    ("adopt", "source"): (("HOSTILE.onnx",), ("HOSTILE.keras",), ("HOSTILE.py:net", "--shape", "2")),
    ("check", "things"): (("HOSTILE.py", "--like", "relu"),),
    ("check", "task"): (("--task", "HOSTILE.toml", "."),),
    ("columns", "table"): (("HOSTILE.csv",), ("HOSTILE.parquet",), ("HOSTILE.csv.gz",)),
    ("eject", "source"): (("HOSTILE.toml", "--out", NEW), (HOSTILE, "--out", NEW)),
    ("evaluate", "run"): ((HOSTILE,),),
    ("evaluate", "data"): ((f"{RUN} flowers", "--data", "HOSTILE.csv"), (f"{RUN} photos", "--data", HOSTILE)),
    ("export", "source"): (("HOSTILE.toml", NEW, "--to", "npz"), (HOSTILE, NEW, "--to", "onnx")),
    ("handin", "file"): (("HOSTILE.toml", "--no-pdf"),),
    ("page", "source"): (("HOSTILE.toml", "--no-open"),),
    ("predict", "run"): ((HOSTILE, "0.5,1.2"),),
    ("predict", "samples"): (
        (f"{RUN} digits", "HOSTILE.png"),
        (f"{RUN} photos", "HOSTILE.jpg"),
        (f"{RUN} flowers", "HOSTILE.csv"),
    ),
    ("report", "runs"): ((HOSTILE,), (f"{RUN} flowers", HOSTILE)),
    ("resume", "run"): ((HOSTILE,),),
    ("run", "recipe"): (("HOSTILE.toml",), ("HOSTILE.csv", "--label", "y"), ("HOSTILE.parquet", "--label", "y")),
    ("show", "recipe"): (("HOSTILE.toml",),),
    ("study", "source"): (("HOSTILE.toml",),),
    ("verify", "recipe"): (("HOSTILE.toml",),),
    ("walk", "source"): (("HOSTILE.toml",), (HOSTILE,)),
    ("weights", "run"): ((HOSTILE,),),
    ("weights", "source"): ((f"{RUN} flowers", "--from", HOSTILE, "--out", NEW),),
}
NO_FILE_IS_READ = {
    "adopt": {"out", "weights", "shape", "data"},  # `data` is a recipe, read as that of `run`
    "check": {"like", "settings", "adapt", "template", "csv", "pages"},
    "columns": {"label", "settings"},
    "eject": {"out"},
    "export": {"path"},
    "handin": {"out"},
    "page": {"settings"},
    "predict": {"table", "show"},
    "report": {"out", "figures", "author"},
    "run": {"settings", "label", "out"},
    "show": {"settings"},
    "study": {"axes", "seeds", "settings", "metric", "out", "on"},
    "verify": {"settings"},
    "walk": {"settings", "number"},
    "weights": {"npz", "out"},
}
"""Parameters that take a text or a path, and name no file that is read."""


FEW = ("nothing", "a pipe", "a device without end", "random bytes")
"""Tried on every form in which a parameter names a file; on its first form all of `NASTY` are."""


def _named() -> Iterator[tuple[str, str]]:
    """Every parameter of every command that takes a text or a path."""
    for info in app.registered_commands:
        assert info.callback is not None
        name = info.name or info.callback.__name__
        for param, hint in get_type_hints(info.callback).items():
            if {str, Path} & {hint, *get_args(hint), *(inner for part in get_args(hint) for inner in get_args(part))}:
                yield name, param


def test_every_parameter_that_may_name_a_file_is_tried() -> None:
    known = {(name, param) for name, params in NO_FILE_IS_READ.items() for param in params}
    assert set(READ) | known == set(_named())
    assert not set(READ) & known


@pytest.mark.parametrize(("name", "param"), READ)
def test_a_command_refuses_what_is_no_file_of_its_kind(
    command: Any, trained_runs: dict[str, twofold.Run], in_tmp: Path, name: str, param: str
) -> None:
    """Nothing is written, and what is said is short, and an error."""
    for words in READ[name, param]:
        for nasty, write in NASTY.items():
            if nasty == "a sparse file of 20 GB" and any(".csv" in word for word in words):
                continue  # measured from its bytes, which takes its time
            if words is not READ[name, param][0] and nasty not in FEW:
                continue
            if (name, nasty) == ("page", "a folder"):
                continue  # of runs, which are shown
            room = in_tmp / "room"
            room.mkdir()
            _tried(command, trained_runs, room, (name, *words), write)
            shutil.rmtree(room)


def _tried(
    command: Any, runs: dict[str, twofold.Run], room: Path, words: Words, write: Callable[[Path], object]
) -> None:
    hostile = next(word for word in words if word.startswith(HOSTILE))
    path = room / hostile.partition(":")[0]
    write(path)
    before = sorted(room.rglob("*"))

    def meant(word: str) -> str:
        if word.startswith(f"{RUN} "):
            return str(runs[word.split()[1]].path)
        return str(room / word) if word.startswith((HOSTILE, NEW)) else word

    done = command(*map(meant, words))
    told = f"{words} on {write}: status {done.status}: {done.err[-2000:]}"
    assert done.status in (1, 2), told
    assert "error: " in done.err or (words[0] == "check" and "could not be checked" in done.out), told
    assert "Traceback" not in done.err, told
    assert len(done.err) < 1 << 16, told
    assert sorted(room.rglob("*")) == before, told


# Readers ----------------------------------------------------------------------------------------------------

OPENING = {
    "open", "read_text", "read_bytes", "fromfile", "read_csv", "read_excel", "read_parquet", "read_feather", "ZipFile",
    "memmap", "safe_open", "load_file", "loadtxt", "genfromtxt",
}  # fmt: skip
"""What opens a file by its name, whoever's it is."""
LOADING = {"np.load", "json.load", "tomllib.load", "onnx.load", "torch.load", "pickle.load", "h5py.File"}
COMES_WITH = "comes with the package"
OURS = "Twofold wrote it, in a folder that is locked or sealed"
CHECKED = "a regular file of a stated size, checked just before"
FROM_BYTES = "bytes that came through the door"
OPENS: dict[str, tuple[int, str]] = {
    "builtin.py": (1, COMES_WITH),
    "cli/main.py": (1, "the null device, to be written to"),
    "cli/page.py": (1, "an address, in a browser"),
    "data/columns/opening.py": (1, "to be written to"),
    "data/columns/reading.py": (1, FROM_BYTES),
    "data/columns/text_table.py": (1, FROM_BYTES),
    "data/pictures.py": (1, FROM_BYTES),
    "data/hub.py": (1, FROM_BYTES),
    "data/images.py": (3, "the cache, without pickles; what is damaged is made anew"),
    "data/sources.py": (2, "scikit-learn's own file"),
    "data/text.py": (2, "the text that comes with the package; a function of its own that is called so"),
    "data/torchvision.py": (3, CHECKED),
    "exchange/adopted.py": (1, OURS),
    "exchange/inside.py": (1, "in the process of a user's code, which may read what it likes"),
    "exchange/keras/reading.py": (3, FROM_BYTES),
    "exchange/onnx/reading.py": (2, CHECKED),
    "exchange/script.py": (1, "what a process of its own printed, of a stated size"),
    "foreign.py": (1, "the door"),
    "handin/archive.py": (5, OURS),
    "handin/code.py": (1, COMES_WITH),
    "handin/trainings.py": (1, OURS),
    "interrupts.py": (1, "a pipe of this process"),
    "memory.py": (4, "the kernel's own"),
    "page/previews.py": (1, "an upload, stored under a name of ours, of a stated size"),
    "page/server.py": (2, COMES_WITH),
    "page/teaching.py": (1, COMES_WITH),
    "page/uploads.py": (2, "an upload, read member by member within limits"),
    "proof/check/checking.py": (1, OURS),
    "proof/check/inside/__main__.py": (1, "in the process of a user's code"),
    "proof/check/inside/engine.py": (1, "in the process of a user's code"),
    "proof/check/inside/play.py": (1, "in the process of a user's code"),
    "proof/check/remote.py": (1, "to be written to"),
    "proof/check/sandbox.py": (6, "to be written to; of what was printed the first characters"),
    "proof/check/task.py": (1, COMES_WITH),
    "report/derivations.py": (1, COMES_WITH),
    "report/exported.py": (1, OURS),
    "report/microscope.py": (1, COMES_WITH),
    "report/notebook.py": (1, COMES_WITH),
    "report/search.py": (1, OURS),
    "runs/columns.py": (1, "sealed by the record"),
    "runs/lines.py": (1, "to be written to"),
    "runs/npz.py": (2, FROM_BYTES),
    "runs/run.py": (3, "sealed by the record"),
    "runs/whole.py": (3, "to be written to, or a folder to be synchronised"),
    "setup/versions.py": (1, COMES_WITH),
    "study/search/folder.py": (2, OURS),
    "study/table.py": (1, "to be written to"),
}
"""How often each file opens another past the door, and why it may."""


@cache
def _calls() -> list[tuple[str, str, str]]:
    """Every call of the package: its file, the name that is called, and in full."""
    calls = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                full = ast.unparse(node.func)
                calls.append((path.relative_to(SOURCE).as_posix(), full.rpartition(".")[2], full))
    return calls


def test_whatever_opens_a_file_past_the_door_says_why() -> None:
    opens = Counter(file for file, name, full in _calls() if name in OPENING or full in LOADING)
    assert opens == {file: count for file, (count, _) in OPENS.items()}


def test_a_text_is_parsed_as_toml_in_one_place() -> None:
    """Elsewhere depth and length of a key would not be looked at."""
    parsing = {file for file, _, full in _calls() if full in ("tomllib.loads", "tomli.loads")}
    assert parsing == {"recipe/toml.py", "recipe/overrides.py", "builtin.py", "page/teaching.py"}


# Outputs of text --------------------------------------------------------------------------------------------

PRINTS: dict[str, tuple[int, str]] = {
    "cli/check.py": (2, "a template of ours, a grade in a form of its own"),
    "cli/main.py": (1, "the version"),
    "cli/output.py": (3, "JSON; complaints, made printable"),
    "interrupts.py": (1, "a text of ours, in a handler of signals"),
    "proof/check/remote.py": (1, "JSON, to the process of a user's code"),
    "proof/check/sandbox.py": (1, "to the process of a user's code"),
    "report/beside.py": (1, "to the process that waits for it"),
}
"""Where text goes out past `cli/terminal.py`."""
MARKUP: dict[str, int] = {
    "handin/document.py": 2,
    "report/derivations.py": 1,
    "report/drawing.py": 2,
    "report/halves.py": 1,
    "report/microscope.py": 4,
    "report/template.py": 5,
}
"""Text that is declared to be markup; all other is escaped."""


def test_text_goes_out_through_the_terminal() -> None:
    prints = Counter(
        file
        for file, name, full in _calls()
        if full in ("print", "typer.echo", "click.echo", "os.write", "sys.stdout.write", "sys.stderr.write")
    )
    assert prints == {file: count for file, (count, _) in PRINTS.items()}
    consoles = {file for file, _, full in _calls() if full in ("Console", "rich.console.Console", "rich.print")}
    assert consoles <= {"cli/terminal.py"}


def test_text_goes_into_pages_escaped() -> None:
    assert Counter(file for file, name, _ in _calls() if name == "Markup") == MARKUP
    (environment,) = [file for file, name, _ in _calls() if name == "Environment"]
    assert "autoescape=True" in (SOURCE / environment).read_text("utf-8")
    for template in SOURCE.rglob("*.jinja"):
        text = template.read_text("utf-8")
        assert "safe" not in {word.strip("|() }") for word in text.split()}, template.name
        assert "autoescape" not in text, template.name
