"""The example of CONTRIBUTING.md is true: applied to a copy of the project, it makes a layer that all tables accept."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
TABLES = (
    "test_layers.py",
    "test_kinds.py",
    "test_cases.py",
    "test_derivations.py",
    "test_analysis.py",
    "test_lockstep.py",
)
CHOSEN = "softsign or every_kind or every_question or holds_every_layer or no_kind_of_layer or index_names"


def changes() -> list[tuple[str, str]]:
    """Each file, and a change to it."""
    found, file = [], ""
    for match in re.finditer(r"^`([\w/.]+)`$|^(`{3,})diff\n(.*?)^\2$", PAGE, re.DOTALL | re.MULTILINE):
        file = match[1] or file
        found += [(file, match[3])] if match[3] else []
    return found


def applied(text: str, change: str) -> str:
    """`text` with the lines behind a minus replaced by those behind a plus, at the one place where they stand."""
    lines = change.splitlines()
    old, new = ("\n".join(line[1:] for line in lines if not line.startswith(sign)) for sign in "+-")
    assert text.count(old) == 1, f"stands {text.count(old)} times:\n{old}"
    return text.replace(old, new)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    for part in ("src", "tests", "docs"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for file, change in changes():
        path = folder / file
        path.write_text(applied(path.read_text("utf-8"), change), "utf-8")
    return folder


def ran(folder: Path, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_new_layer_passes_every_table(copy: Path) -> None:
    said = ran(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", CHOSEN, *(f"tests/{t}" for t in TABLES))
    assert int(re.search(r"(\d+) passed", said)[1]) > 40, said  # pyright: ignore[reportOptionalSubscript]


def test_the_commands_behind_it_know_it(copy: Path) -> None:
    ran(copy, "docs/make_recipes.py")
    assert '### `kind = "softsign"`' in (copy / "docs" / "recipes.md").read_text("utf-8")
    assert "2 softsign" in ran(copy, "-m", "twofold", "show", "digits", "--set", "layers.2.kind=softsign")


def test_the_changed_files_are_formatted_and_linted(copy: Path) -> None:
    """What the example adds would pass the checks that it asks for."""
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.exists():
        pytest.skip("ruff is not installed")
    files = sorted({file for file, _ in changes() if file.endswith(".py")})
    for check in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *check, *files], cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_files_that_the_page_names_exist() -> None:
    for name in re.findall(r"`((?:recipe|numpy_engine|torch_engine|engine|data|cli)/\w*\.?\w*|\w+\.py)`", PAGE):
        assert (ROOT / "src" / "twofold" / name).exists(), name
    for name in re.findall(r"`(tests/\w+\.py)`", PAGE):
        assert (ROOT / name).exists(), name
