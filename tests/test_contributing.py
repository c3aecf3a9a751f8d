"""The examples of CONTRIBUTING.md are true: applied to a copy of the project, each makes what its tables accept.

Each example touches no more files than its kind of thing may, pages that a program writes among them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^### (.*?)\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE))
MOST_FILES = {
    "An activation": 6,
    "A layer with a weight": 8,
    "An optimizer": 6,
    "A loss": 6,
    "A source of data": 5,
    "A figure": 3,
    "A finding": 2,
    "A command": 4,
}
WRITTEN = {
    "docs/make_recipes.py": "docs/recipes.md",
    "docs/make_figures.py": "docs/figures.md",
    "docs/make_analysis.py": "docs/analysis.md",
}
"""Pages by the program that writes them."""
TABLES = (
    "layers", "kinds", "cases", "losses", "optimizers", "derivations", "lockstep", "microscope", "analysis", "data",
    "docs", "help",
)  # fmt: skip
CHOSEN = (
    "softsign", "rms_norm", "adagrad", "hinge", "spirals", "equations",
    "every_kind", "every_question", "holds_every_layer", "no_kind_of_layer", "index_names",
    "page_on_the_analysis", "list_of_figures",
    "reference_of_recipes", "rooms_of_the_design", "every_command_of_the_tool",
)  # fmt: skip


def changes(section: str) -> list[tuple[str, str]]:
    """The files that an example names, each with a change to it."""
    pairs, file = list[tuple[str, str]](), ""
    for match in re.finditer(r"^`([\w/.]+)`$|^(`{3,})diff\n(.*?)^\2$", SECTIONS[section], re.DOTALL | re.MULTILINE):
        file = match[1] or file
        pairs += [(file, match[3])] if match[3] else []
    return pairs


def touched(section: str) -> set[str]:
    """Every file that an example changes, makes, or has a program write."""
    written = {page for program, page in WRITTEN.items() if f"python {program}" in SECTIONS[section]}
    return {file for file, _ in changes(section)} | written


def applied(text: str, change: str) -> str:
    """`text` with the lines behind a minus replaced by those behind a plus, at the one place where they stand."""
    lines = change.splitlines()
    old, new = ("\n".join(line[1:] for line in lines if not line.startswith(sign)) for sign in "+-")
    assert text.count(old) == 1, f"stands {text.count(old)} times:\n{old}"
    return text.replace(old, new)


def apply(folder: Path, file: str, change: str) -> None:
    path = folder / file
    if path.exists():
        path.write_text(applied(path.read_text("utf-8"), change), "utf-8")
    else:
        assert all(line.startswith("+") for line in change.splitlines()), f"{file} does not exist"
        path.write_text("\n".join(line[1:] for line in change.splitlines()) + "\n", "utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with all examples in it, and its pages written again."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("src", "tests", "docs"):
        shutil.copytree(ROOT / part, folder / part)  # with what Python has compiled
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, folder)
    for section in MOST_FILES:
        for file, change in changes(section):
            apply(folder, file, change)
    ran(folder, "-c", f"import runpy\nfor program in {[*WRITTEN]}:\n    runpy.run_path(program, run_name='__main__')")
    return folder


def ran(folder: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return done.stdout


def test_there_is_one_example_of_each_kind() -> None:
    assert SECTIONS.keys() == MOST_FILES.keys()
    stated = {anchor: int(files) for files, anchor in re.findall(r"\| (\d+) \| \[[^]]*\]\(#([\w-]+)\)", PAGE)}
    assert stated == {section.lower().replace(" ", "-"): len(touched(section)) for section in SECTIONS}


@pytest.mark.parametrize("section", MOST_FILES)
def test_an_example_touches_few_files(section: str) -> None:
    assert 0 < len(touched(section)) <= MOST_FILES[section], touched(section)


def test_no_other_file_is_changed(copy: Path) -> None:
    """What the examples name is all that they change, whatever the programs behind them write."""
    changed = {
        str(path.relative_to(copy))
        for path in copy.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
        if not (ROOT / path.relative_to(copy)).exists()
        or path.read_bytes() != (ROOT / path.relative_to(copy)).read_bytes()
    }
    assert changed == set().union(*map(touched, SECTIONS))


def test_what_is_new_passes_every_table(copy: Path) -> None:
    """In one process: what is named after an example, and the tests that no kind is forgotten."""
    files = [f"tests/test_{table}.py" for table in TABLES]
    told = ran(copy, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-k", " or ".join(CHOSEN), *files)
    passed = [line for line in told.splitlines() if line.startswith("PASSED")]
    for name in ("softsign", "rms_norm", "adagrad", "hinge", "spirals", "twofold equations"):
        assert any(name in line for line in passed), name
    assert len(passed) > 150, told


TRIED = """
import io, json, sys
from contextlib import redirect_stdout
import numpy as np
import twofold
from twofold.analysis.curves import Curve
from twofold.analysis.rules import STATEMENTS
from twofold.analysis.rules.turning import spiking
from twofold.cli import main
from twofold.report.figures import filled_sections
tried = {"title": STATEMENTS["spiked"].title, "after": []}
x = np.arange(4.0)
for loss in ([4.0, 3.0, 9.5, 2.0], [4.0, 3.0, 8.5, 2.0]):
    curve = Curve("numpy", "train", x, np.array(loss), x)
    tried["after"].append([finding.numbers["after"] for finding in spiking(curve, "step")])
for kind in ("cosine", "constant"):
    settings = {"training.steps": 20, "training.evaluate_every": 5, "schedule.kind": kind}
    run = twofold.run("moons", overrides=settings, engines="numpy", out=f"{sys.argv[1]}/{kind}")
    pictures = [picture for section in filled_sections(run) for picture in section.pictures]
    tried[kind] = [picture.caption for picture in pictures if picture.name == "rate"]
for words in (["show", "digits", "--set", "layers.2.kind=softsign"], ["equations"]):
    sys.argv = ["twofold", *words]
    with redirect_stdout(io.StringIO()) as out:
        try:
            main()
        except SystemExit as ended:
            assert not ended.code
    tried[words[0]] = out.getvalue()
print(json.dumps(tried))
"""


@pytest.fixture(scope="module")
def tried(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the new finding, figure, kinds and command do, in one process."""
    return json.loads(ran(copy, "-c", TRIED, str(tmp_path_factory.mktemp("tried"))).splitlines()[-1])


def test_a_finding_is_decided_by_its_rule(copy: Path, tried: dict[str, Any]) -> None:
    assert (tried["after"], tried["title"]) == ([[9.5], []], "Spike")
    assert "## Spikes" in (copy / "docs" / "analysis.md").read_text("utf-8")


def test_a_figure_is_drawn_where_it_has_something_to_show(tried: dict[str, Any]) -> None:
    (caption,) = tried["cosine"]
    assert caption.startswith("Learning rate against step: 0.01 at the start, at most 0.01, ")
    assert tried["constant"] == []


def test_the_commands_behind_them_know_them(copy: Path, tried: dict[str, Any]) -> None:
    reference = (copy / "docs" / "recipes.md").read_text("utf-8")
    for key in ('kind = "softsign"', 'kind = "rms_norm"', 'kind = "adagrad"', 'kind = "hinge"', 'source = "spirals"'):
        assert f"### `{key}`" in reference
    assert "2 softsign" in tried["show"]
    assert "rms_norm          y = γ x / √(mean(x²) + ε)" in tried["equations"]


def test_the_changed_files_are_formatted_and_linted(copy: Path) -> None:
    """What the examples add would pass the checks that this page asks for."""
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    files = sorted({file for section in SECTIONS for file, _ in changes(section) if file.endswith(".py")})
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *check, *files], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_files_that_the_page_names_exist() -> None:
    rooms = "recipe|engine|numpy_engine|torch_engine|data|cli"
    made = {file for section in SECTIONS for file, _ in changes(section)}
    for name in re.findall(rf"`((?:{rooms})/\w*\.?\w*|\w+\.py)`", PAGE):
        assert (ROOT / "src" / "twofold" / name).exists(), name
    for name in re.findall(r"`((?:tests|src|docs)/[\w/]+\.\w+)`", PAGE):
        assert (ROOT / name).exists() or name in made, name
