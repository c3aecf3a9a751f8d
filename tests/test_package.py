"""The package: its public names, and a wheel that works outside the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import twofold

ROOT = Path(__file__).parents[1]


def test_the_public_names_are_exactly_those_exported() -> None:
    assert sorted(twofold.__all__) == twofold.__all__ == dir(twofold)
    for name in twofold.__all__:
        assert getattr(twofold, name).__doc__, name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        twofold.nothing  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the project's own backend, without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=ROOT, capture_output=True, text=True, check=True)
    return folder / done.stdout.split()[-1]


def test_a_wheel_holds_the_recipes_the_studies_the_licence_and_the_types(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for recipe in (ROOT / "src/twofold/recipe/builtin").glob("*.toml"):
        assert f"twofold/recipe/builtin/{recipe.name}" in names
    for study in (ROOT / "src/twofold/study/builtin").glob("*.toml"):
        assert f"twofold/study/builtin/{study.name}" in names
    assert "twofold/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert all(name.startswith(("twofold/", "twofold-")) for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_a_wheel_works_outside_the_repository(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel],
        check=True,
    )
    environment = {**os.environ, "PYTHONPATH": str(target)}

    def python(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert python("-c", "import twofold; print(twofold.__file__)").strip().startswith(str(target))
    assert "digits" in python("-m", "twofold", "list")
    python("-m", "twofold", "run", "digits", "--set", "training.epochs=1", "--out", "run", "--quiet")
    assert (tmp_path / "run" / "report.html").is_file()
