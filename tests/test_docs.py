"""The documentation is true: tables, files and code of its pages, and the pages that are written by a program.

`test_pages.py` runs the commands and follows the links.
"""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from sklearn.datasets import load_iris

import twofold
from apart import Apart
from twofold.analysis.rules import RULES, STATEMENTS, THRESHOLDS
from twofold.analysis.rules.units import DEAD
from twofold.exchange.onnx.writing import onnx_model, write_onnx
from twofold.recipe import Recipe
from twofold.report.figures import SECTIONS
from twofold.setup.building import initial_state
from twofold.study import load_study
from twofold.study.grid import plan
from twofold.study.search.running import checked_base
from twofold.study.search.spec import Search
from twofold.study.spec import TOP

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BENCHMARKS = ("felt", "small", "mnist", "images", "images-32", "images-matrix", "recurrent")
COMMANDS = sorted(set(re.findall(r"^\| `(twofold [^`]+)`", README, re.MULTILINE)))


def test_the_reference_of_recipes_is_that_of_the_models() -> None:
    written = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    assert written == runpy.run_path(str(ROOT / "docs" / "make_recipes.py"))["page"](), "python docs/make_recipes.py"


def test_every_module_has_its_place_in_the_rooms_of_the_design() -> None:
    """A line names modules; a folder's lines go on until the next name at the left."""
    source, rooms, room = ROOT / "src" / "twofold", dict[str, set[str]](), ""
    (block,) = re.findall(r"```\nsrc/twofold/\n(.*?)```", (ROOT / "docs" / "design.md").read_text("utf-8"), re.DOTALL)
    for line in block.splitlines():
        name, *words = line.split()
        indented = line.startswith("   ")
        room = room if indented else name if name.endswith("/") else ""
        rooms.setdefault(room, set()).update(words if name == room else [name, *words])
    listed = set(re.findall(r"^- \[`(\w+)`\]", (ROOT / "docs" / "figures.md").read_text("utf-8"), re.MULTILINE))
    rooms["report/"] |= listed  # the page is written from the folder: the rooms name the folder alone
    for path in source.rglob("*.py"):
        if not path.stem.startswith("__"):
            room = "" if path.parent == source else f"{path.relative_to(source).parts[0]}/"
            assert path.stem in rooms.get(room, ()), f"docs/design.md, rooms: {path.relative_to(source)}"


def test_the_list_of_figures_is_that_of_the_report() -> None:
    """Every module of a figure has its place in a section, and its line in the documentation."""
    written = (ROOT / "docs" / "figures.md").read_text("utf-8")
    assert written == runpy.run_path(str(ROOT / "docs" / "make_figures.py"))["page"](), "python docs/make_figures.py"
    listed = {figure.__name__.rpartition(".")[2] for section in SECTIONS for figure in section.figures}
    folder = ROOT / "src" / "twofold" / "report" / "figures"
    assert listed == {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_the_page_on_the_analysis_is_that_of_its_rules() -> None:
    """Every statement under one rule, every threshold of a rule in its words, and none typed into them."""
    made = runpy.run_path(str(ROOT / "docs" / "make_analysis.py"))
    assert (ROOT / "docs" / "analysis.md").read_text("utf-8") == made["page"](), "python docs/make_analysis.py"
    assert len(STATEMENTS) == sum(len(rule.statements) for rule in RULES)
    for rule in RULES:
        words = " ".join([rule.how, rule.source, *(statement.sentence for statement in rule.statements)])
        assert set(re.findall(r"\{([A-Z_]+)[:}]", words)) == set(rule.thresholds), rule.title
        assert all(THRESHOLDS[name] == value for name, value in rule.thresholds.items())
    typed = re.findall(r"\d+\.\d+", " ".join(rule.how for rule in RULES))
    assert typed == ["0.6745"]  # of the normal distribution


def test_healthy_trainings_have_no_fault_and_known_faults_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    page = (ROOT / "docs" / "benchmarks" / "healthy.md").read_text("utf-8")
    made = runpy.run_path(str(ROOT / "benchmarks" / "healthy.py"))
    rows = {cells[0].strip("`"): cells for line in page.splitlines() if (cells := line.strip("| ").split(" | "))[1:]}
    assert len(made["HEALTHY"]) >= 10
    for name in made["HEALTHY"]:
        assert rows[name][-1] == "none"
        assert rows[name][4] == "–" or float(rows[name][4]) < DEAD
    for name, (_, faults) in made["KNOWN"].items():
        assert faults <= set(rows[name][-1].split(", "))


def test_every_command_of_the_tool_is_in_the_readme(command) -> None:
    named = {shlex.split(line)[1] for line in COMMANDS}
    listed = set(re.findall(r"^│ (\w+) ", command("--help").out, re.MULTILINE))
    assert listed
    assert listed <= named


SHORT = {"palindrome": ["training.steps=2"], "text-lstm": ["training.steps=2", "data.stride=64"]}
"""Settings by which a recipe takes a moment, where two epochs take longer."""


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_readme_runs(apart: Apart, moons_run: twofold.Run, in_tmp: Path, line: str) -> None:
    words = shlex.split(line)[1:]
    if words[0] == "page":
        assert _address_of(words).startswith("http://127.0.0.1:")
        return
    if words[0] in {"run", "study"}:
        words += [word for setting in SHORT.get(words[1], ["training.epochs=2"]) for word in ("--set", setting)]
    if words[0] in {"report", "resume", "predict", "evaluate", "weights", "export"}:
        for run in (word for word in words[1:] if word.startswith("runs/")):
            shutil.copytree(moons_run.path, run)
    if words[0] == "adopt":
        recipe = twofold.load_recipe("moons")
        write_onnx(onnx_model(recipe, initial_state(recipe.model).weights()), Path(words[1]))
    if words[0] == "check":
        mine = (ROOT / "tests" / "right" / "classes.py").read_text("utf-8")
        Path("mine.py").write_text(mine.replace("class LinearModule", "class MyDense"), "utf-8")
    if "table.csv" in words:
        load_iris(as_frame=True).frame.rename(columns={"target": "species"}).to_csv("table.csv", index=False)
    done = apart(*words)
    assert done.status == 0, done.err
    if words[0] == "verify":
        assert "agree over 200 steps at 1e-09" in done.out


def _address_of(words: list[str]) -> str:
    """The first line that a server prints, which is then ended: it would answer until somebody does."""
    command = [sys.executable, "-m", "twofold", *words, "--no-open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        server.terminate()
        server.communicate(timeout=30)
    return line


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_of_the_readme_runs(in_tmp: Path, apart: Apart) -> None:
    (code,) = _blocks("python")
    done = apart.python(code)
    assert done.status == 0, done.err
    accuracies, agrees, report = done.out.splitlines()
    ours, theirs = map(float, accuracies.split())
    assert ours == pytest.approx(theirs, abs=1 / 200)
    assert ours > 0.8
    assert agrees == "True"
    assert Path(report).is_file()


def test_the_recipes_of_the_readme_run(apart: Apart, in_tmp: Path) -> None:
    flowers, photos = _blocks("toml")
    Path("flowers.toml").write_text(flowers)
    rows = "".join(f"{i % 7},{i % 3 + i % 2},{'abc'[i % 3]}\n" for i in range(90))
    Path("flowers.csv").write_text("length,width,species\n" + rows)
    assert apart("run", "flowers.toml", "--quiet", "--set", "training.epochs=2").status == 0
    assert "?" in apart("show", "flowers.toml").out
    Path("photos.toml").write_text(photos)
    for index, split in enumerate(["train"] * 12 + ["test"] * 4):
        folder = Path("photos", split, ("cats", "dogs")[index % 2])
        folder.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((40, 30 + index), 60).save(folder / f"{index}.png")
    assert apart("run", "photos.toml", "--quiet", "--set", "training.epochs=2").status == 0


def _studies(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "studies.md").read_text("utf-8"), re.DOTALL)


def test_the_file_of_the_studies_page_is_read_and_its_fault_told_as_it_says(command, in_tmp: Path) -> None:
    study, search = _studies("toml")
    Path("search.toml").write_text(search)
    assert checked_base(load_study("search.toml")).name == "digits"
    Path("rates.toml").write_text(study)
    assert len(plan(load_study("rates.toml"))) == 30
    Path("rates.toml").write_text(study.replace("0.1]", "-0.1]"))
    assert command("study", "rates.toml").err == _studies("text")[0]


def test_the_studies_page_has_every_key_and_score() -> None:
    page = (ROOT / "docs" / "studies.md").read_text("utf-8")
    for key in (*TOP, *Search.model_fields):
        assert f"| `{key}` |" in page


def test_the_python_of_the_studies_page_runs(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = _studies("python")
    exec(code, {})
    assert "optimizer.lr" in capsys.readouterr().out
    assert Path("studies/moons/report.html").is_file()


def test_the_python_of_the_palindromes_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "palindromes.md").read_text("utf-8"), re.DOTALL)
    exec(code, {})
    assert "torch.Size([128, 4])" in capsys.readouterr().out


def test_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"make (\w+)", README)) <= targets


def test_the_reference_has_every_table_of_a_recipe() -> None:
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    for table in Recipe.model_fields.keys() - {"title", "name"}:
        assert f"## `{table}`" in page


SPEEDS = re.findall(r"^\| (.+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", README, re.MULTILINE)


@pytest.mark.parametrize(("what", "mine", "peer", "ratio"), SPEEDS, ids=[row[0] for row in SPEEDS])
def test_speeds_of_the_readme_are_those_of_the_benchmarks(what: str, mine: str, peer: str, ratio: str) -> None:
    """One table has a row with Twofold's figure and the ratio, and the peer's in that row or in the same column."""
    pages = ((ROOT / "docs" / "benchmarks" / f"{name}.md").read_text("utf-8") for name in BENCHMARKS)
    tables = [table.splitlines() for page in pages for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE)]
    for table in tables:
        rows = [[cell.strip() for cell in line.split("|")] for line in table]
        if any({mine, peer, ratio} <= set(row) for row in rows):
            return
        own = [row.index(mine) for row in rows if mine in row and ratio in row]
        if own and any(row[own[0]] == peer for row in rows):
            return
    pytest.fail(f"{what}: no table of docs/benchmarks holds {mine}, {peer} and {ratio} any more")


def test_the_python_of_the_page_on_using_runs(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand from the file and by the engine: the same numbers. Samples in memory: their names and scores."""
    page = (ROOT / "docs" / "using.md").read_text("utf-8")
    weights, in_memory = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(weights, {})
    mine, theirs = (list(map(float, line.strip("[]").split())) for line in capsys.readouterr().out.splitlines())
    assert mine == pytest.approx(theirs, rel=1e-5)
    exec(in_memory, {})
    names, agrees, answer = capsys.readouterr().out.splitlines()
    assert names.startswith("('setosa', 'versicolor', 'virginica') ('sepal length (cm)', ")
    assert (agrees, answer) == ("True", "setosa")
