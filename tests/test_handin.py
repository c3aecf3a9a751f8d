"""`twofold handin`: one document for a whole assignment, from its file to the ZIP that is handed in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import twofold
from apart import Apart
from twofold.arrays import digest
from twofold.errors import UserError
from twofold.handin.document import markdown
from twofold.handin.making import HandedIn
from twofold.handin.printing import browser
from twofold.handin.spec import load_handin
from twofold.handin.starting import write_start

CONV = """
title = "A small convolution"
layers = [
    { kind = "conv2d", channels = 4, kernel = 3, padding = 1 }, { kind = "relu" },
    { kind = "max_pool2d", kernel = 2 }, { kind = "flatten" }, { kind = "dense", units = 10 },
]
[data]
source = "digits"
[training]
steps = 8
batch_size = 16
evaluate_every = 4
"""
STUDY = """
title = "Accuracy against length"
recipe = "palindrome"
seeds = 2
[[axes]]
field = "data.length"
values = [4, 6]
label = "length"
"""
FILE = """
course = "Deep Learning & more"
[student]
name = "Wei <b>Zhang</b>"
number = "s12345"

[[part]]
title = "Perceptrons"
recipes = ["moons", "circles"]
set = { training.epochs = 4, training.evaluate_every = 1 }
[part.text]
introduction = "*By hand* <script>alert(1)</script> [out](javascript:alert(1)) [page](https://example.org)"
conclusion = "conclusion.md"

[[part]]
title = "Convolution"
recipes = ["conv.toml"]

[[part]]
title = "Recurrence"
recipes = ["palindrome"]
studies = ["lengths.toml"]
set = { "training.steps" = 20, "training.evaluate_every" = 10 }
"""
FIRST_PART = FILE.split('[[part]]\ntitle = "Convolution"')[0].replace('"moons", "circles"', '"moons"')
SMALL = f"""{FIRST_PART}[[part]]
title = "Recurrence"
studies = ["lengths.toml"]
set = {{ "training.steps" = 20, "training.evaluate_every" = 10 }}
"""
"""A run and a study: what the whole file does with its parts, with one run in place of four."""
MEMBERS = (
    "README.md",
    "handin.toml",
    "conclusion.md",
    "report.html",
    "code/modules.py",
    "code/cnn_model.py",
    "code/vanilla_rnn.py",
    "code/train.py",
    "notebooks/part1.ipynb",
    "notebooks/part2.ipynb",
    "notebooks/part3.ipynb",
    "recipes/part1-moons.toml",
    "recipes/part2-conv.toml",
    "results/part1-moons/record.json",
    "results/part1-circles/numpy.safetensors",
    "results/part3-lengths/results.csv",
    "scripts/part1-moons/train_numpy.py",
    "scripts/part3-palindrome/train_torch.py",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> Path:
    """A hand-in's files, made once: the document in `handin/`."""
    folder = tmp_path_factory.mktemp("assignment")
    for name, text in {"me.toml": FILE, "conv.toml": CONV, "lengths.toml": STUDY}.items():
        (folder / name).write_text(text, "utf-8")
    (folder / "conclusion.md").write_text("## What I learned\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", "utf-8")
    done = apart("handin", folder / "me.toml", "--json", drawn=True)
    assert done.status == 0, done.err
    (folder / "answer.json").write_text(done.out, "utf-8")
    return folder


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "handin" / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def unpacked(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(folder / "handin" / "s12345_assignment2.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(target)
    return target / "s12345_assignment2"


def test_the_archive_holds_report_notebooks_code_recipes_and_results(folder: Path, unpacked: Path) -> None:
    missing = [name for name in MEMBERS if not (unpacked / name).is_file()]
    assert not missing
    answer = json.loads((folder / "answer.json").read_text("utf-8"))
    assert Path(answer["archive"]).name == "s12345_assignment2.zip"
    if browser():
        assert (unpacked / "report.pdf").read_bytes()[:5] == b"%PDF-"
        assert Path(answer["pdf"]).is_file()


def test_the_parts_stand_in_the_assignments_order(page: str) -> None:
    parts = re.findall(r"<h1>(Part .*?)</h1>", page)
    assert parts == ["Part I. Perceptrons", "Part II. Convolution", "Part III. Recurrence"]
    sections = re.findall(r'id="part-(\w+)-(\w+)"', page)
    per_part = [name for part, name in sections if part == "I"]
    assert per_part == ["structure", "procedure", "results", "analysis", "conclusion"]
    for words in ("Accuracy against length", "Two moons", "The walk, forward", "One pixel of each convolution"):
        assert words in page


def test_numbers_of_figures_and_tables_go_through_the_document(page: str) -> None:
    for what in ("Figure", "Table"):
        numbers = [int(number) for number in re.findall(rf"<b>{what} (\d+)\.</b>", page)]
        assert numbers == list(range(1, len(numbers) + 1))
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(ids)


def test_runs_of_one_task_are_compared_and_others_are_not(page: str) -> None:
    assert "The network is that of “Two moons" in page
    assert "Their accuracies and losses are not measures of the same thing" not in page


def test_a_students_text_is_markdown_and_nothing_else(page: str) -> None:
    assert "<em>By hand</em>" in page
    assert "<script" not in page
    assert "javascript:" not in re.sub(r"\[out\]\(javascript:alert\(1\)\)", "", page)
    assert "Wei &lt;b&gt;Zhang&lt;/b&gt;" in page
    assert "<h5>What I learned</h5>" in page
    assert "<td>1</td>" in page


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# Heading", "<h5>Heading</h5>"),
        ("`code` and **bold**", "<code>code</code> and <strong>bold</strong>"),
        ("<img src=x onerror=alert(1)>", "&lt;img"),
        ("![picture](https://example.org/a.png)", "<a href"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ("   \n", ""),
    ],
)
def test_markdown(text: str, html: str) -> None:
    assert html in markdown(text)
    assert "<img" not in markdown(text)


def test_code_and_scripts_run_without_twofold(unpacked: Path, tmp_path: Path) -> None:
    """In the unpacked folder, where no `twofold` can be imported."""
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "twofold.py").write_text("raise ImportError('no Twofold here')\n", "utf-8")
    commands = [
        ("code", ["train.py", "--max_steps", "6", "--eval_freq", "3", "--input_length", "4"], "step 6"),
        ("code", ["pytorch_train_mlp.py", "--max_steps", "2", "--eval_freq", "1"], "accuracy"),
        ("scripts/part1-moons", ["train_numpy.py"], "the same run, to the last bit"),
    ]
    environment = os.environ | {"PYTHONPATH": str(blocked), "OMP_NUM_THREADS": "1"}
    for place, command, words in commands:
        done = subprocess.run(
            [sys.executable, *command], cwd=unpacked / place, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert words in done.stdout


def test_the_packed_runs_and_recipes_are_whole(unpacked: Path) -> None:
    run = twofold.open_run(unpacked / "results" / "part2-conv")
    assert run.status == "finished"
    assert twofold.load_recipe(unpacked / "recipes" / "part1-moons.toml").training.epochs == 4
    assert len(twofold.open_study(unpacked / "results" / "part3-lengths").points) == 4


def test_notebooks_are_valid_filled_and_conclude_from_the_numbers(unpacked: Path) -> None:
    import nbformat

    run = twofold.open_run(unpacked / "results" / "part1-moons")
    notebook = nbformat.read(unpacked / "notebooks" / "part1.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# Part I. Perceptrons")
    filled = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(filled) > 5
    held_out = run.record.data.samples["test"]
    right = round(run.engines["numpy"]["test_accuracy"] * held_out)
    assert f"{right:,} of {held_out:,}" in notebook.cells[-1].source
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    done = subprocess.run([sys.executable, "-c", code], cwd=unpacked / "notebooks", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Handed(NamedTuple):
    """What came of a hand-in that was stopped, went on, and was asked for once more where no browser is."""

    folder: Path
    notes: list[str]
    """What was said when it went on."""
    before: dict[str, bytes]
    """The files then."""
    notes_again: list[str]
    again: HandedIn


@pytest.fixture(scope="module")
def handed(tmp_path_factory: pytest.TempPathFactory) -> Handed:
    folder = tmp_path_factory.mktemp("small")
    for name, text in {"me.toml": SMALL, "lengths.toml": STUDY, "conclusion.md": "## What I learned\n"}.items():
        (folder / name).write_text(text, "utf-8")

    def stop(event: object) -> None:
        if type(event).__name__ == "Evaluated" and event.row.step > 50:  # pyright: ignore[reportAttributeAccessIssue]
            raise KeyboardInterrupt

    def called(**options: bool) -> tuple[list[str], HandedIn]:
        notes = list[str]()
        files = twofold.hand_in(
            folder / "me.toml", watcher=lambda event: notes.append(getattr(event, "text", "")), **options
        )
        return notes, files

    with pytest.raises(KeyboardInterrupt):
        twofold.hand_in(folder / "me.toml", pdf=False, watcher=stop)
    notes, files = called(pdf=False)
    before = {path.name: path.read_bytes() for path in (files.report, files.archive)}
    with pytest.MonkeyPatch.context() as bare:
        bare.setattr("twofold.handin.printing.browser", lambda: None)
        return Handed(folder, notes, before, *called())


def test_a_run_that_was_stopped_goes_on(folder: Path, handed: Handed) -> None:
    assert any(note.startswith("going on with") for note in handed.notes)
    whole, gone_on = (place / "handin/runs/part1-moons/numpy.safetensors" for place in (folder, handed.folder))
    assert whole.read_bytes() == gone_on.read_bytes()


def test_a_second_call_trains_nothing_and_writes_the_same_bytes(handed: Handed) -> None:
    assert sum("is taken as it is" in note for note in handed.notes_again) == 1
    assert {name: (handed.again.report.parent / name).read_bytes() for name in handed.before} == handed.before


def test_without_a_browser_the_report_is_there_and_the_pdf_is_said_to_be_missing(handed: Handed) -> None:
    assert handed.again.pdf is None
    assert any(note.startswith("no PDF: no Chromium is installed here") for note in handed.notes_again)
    assert handed.again.report.is_file()


def test_a_run_of_another_recipe_is_not_taken(handed: Handed, tmp_path: Path) -> None:
    copy = tmp_path / "other"
    shutil.copytree(handed.folder, copy)
    (copy / "me.toml").write_text(SMALL.replace("training.epochs = 4", "training.epochs = 5"), "utf-8")
    with pytest.raises(twofold.RunFolderError, match=r"part1-moons was trained by another recipe .* remove it"):
        twofold.hand_in(copy / "me.toml", pdf=False)


FAULTS = {
    "no student": ('[[part]]\ntitle = "a"\nruns = ["x"]', "`student` is missing"),
    "no parts": ('[student]\nname = "a"\nnumber = "1"', "`part` is missing"),
    "an empty part": (FILE.split("[[part]]")[0] + '[[part]]\ntitle = "a"', "part I names no `recipes`"),
    "an unknown key": (FILE.replace("course =", "curse ="), "me.toml:2: unknown key `curse`; did you mean `course`?"),
    "an unknown section": (
        FILE.replace("conclusion =", "conclusions ="),
        "unknown section `conclusions`; did you mean",
    ),
    "a number that is no file's name": (FILE.replace('"s12345"', '"../../etc"'), "is part of a file's name"),
    "a text that is not there": (FILE.replace("conclusion.md", "missing.md"), "cannot read the text"),
    "an empty name": (FILE.replace('"Wei <b>Zhang</b>"', '""'), "`name` must not be empty"),
    "more parts than numerals": (
        FILE.split("[[part]]")[0] + '[[part]]\ntitle = "a"\nruns = ["x"]\n' * 11,
        "`part` must hold at most 9 parts; got 11",
    ),
    "a long name": (FILE.replace("Wei <b>", "W" * 250), "`name` must have at most 200 characters; got 259"),
    "a line that ends as no line of TOML": (
        FILE.replace('"Deep Learning & more"', '"Deep\u2028Learning"').replace("conclusion =", "conclusions ="),
        'conclusions = "conclusion.md"\n',
    ),
    "no TOML": ("[student\n", "me.toml:1"),
}


@pytest.mark.parametrize(("text", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_at_its_line_before_anything_is_trained(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "me.toml").write_text(text, "utf-8")
    with pytest.raises(UserError) as refused:
        load_handin(tmp_path / "me.toml")
    assert message in str(refused.value)


WRONG_PARTS = {
    "a recipe that is not there": ('recipes = ["moons", "circles"]', 'recipes = ["mons"]', "part I: no recipe `mons`"),
    "a run that is not there": ('recipes = ["moons", "circles"]', 'runs = ["runs/none"]', "part I: no run folder"),
    "one name twice": ('"moons", "circles"', '"moons", "moons"', "would both be called part1-moons"),
    "code that the assignment has not": ('title = "Convolution"', 'title = "C"\ncode = ["cnn.py"]', "no file `cnn.py`"),
    "a key that recipes have not": ("training.epochs = 4", "training.epoch = 4", "part I:"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG_PARTS.values(), ids=WRONG_PARTS)
def test_a_part_is_checked_before_anything_is_trained(
    command, folder: Path, old: str, new: str, message: str, tmp_path: Path
) -> None:
    for name in ("conv.toml", "lengths.toml", "conclusion.md"):
        shutil.copy(folder / name, tmp_path)
    (tmp_path / "me.toml").write_text(FILE.replace(old, new, 1), "utf-8")
    done = command("handin", tmp_path / "me.toml")
    assert done.status == 2
    assert message in done.err
    assert not (tmp_path / "handin" / "runs").exists()


ALONE = """
[student]
name = "A"
number = "1"
[[part]]
title = "Perceptrons"
recipes = ["moons"]
set = { training.epochs = 1, training.engines = ["numpy"] }
"""


@pytest.mark.usefixtures("undrawn")
def test_scripts_are_those_of_the_run_that_is_packed(tmp_path: Path) -> None:
    """Also where its folder was removed and trained anew, and where a process left half of them."""
    (tmp_path / "me.toml").write_text(ALONE, "utf-8")
    folder = tmp_path / "handin"
    scripts, run = folder / "scripts" / "part1-moons", folder / "runs" / "part1-moons"

    def hand_in() -> dict[str, str]:
        done = twofold.hand_in(tmp_path / "me.toml", pdf=False, watcher=lambda _: None)
        assert sorted(path.name for path in scripts.parent.iterdir()) == ["part1-moons"]
        with zipfile.ZipFile(done.archive) as archive:
            packed = json.loads(archive.read("1_assignment2/scripts/part1-moons/expected.json"))
        weights = twofold.open_run(run).weights("numpy")
        assert packed["weights_sha256"] == {"numpy": digest(weights)}
        return packed["weights_sha256"]

    first, made = hand_in(), (scripts / "data.py").stat().st_mtime_ns
    assert hand_in() == first
    assert (scripts / "data.py").stat().st_mtime_ns == made
    (scripts / "expected.json").unlink()
    assert hand_in() == first
    (tmp_path / "me.toml").write_text(ALONE.replace("epochs = 1", "epochs = 2"), "utf-8")
    shutil.rmtree(run)
    assert hand_in() != first


def test_a_file_whose_name_is_no_utf_8_is_written_and_read(command, in_tmp: Path) -> None:
    path = Path(os.fsdecode(b"my \xff.toml"))
    done = command("handin", path, "--init")
    assert (done.status, done.err) == (0, "")
    assert "then `twofold handin 'my \\xff.toml'`" in done.out
    assert len(load_handin(path).handin.part) == 3


def test_init_writes_a_file_that_is_whole_and_never_writes_over_one(tmp_path: Path) -> None:
    path = write_start(tmp_path / "student.toml")
    source = load_handin(path)
    assert [part.title for part in source.handin.part] == [
        "Multilayer perceptrons, by hand and in PyTorch", "A convolutional network on CIFAR-10",
        "A recurrent network on palindromes",
    ]  # fmt: skip
    with pytest.raises(UserError, match="is there already"):
        write_start(path)
    with pytest.raises(UserError, match=r"ends in \.toml"):
        write_start(tmp_path / "student.txt")
