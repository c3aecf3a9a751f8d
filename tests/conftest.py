"""What several test files share: small fast recipes, a run that is made once, the command line in process."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import jaxtyping
import numpy as np
import pytest

import twofold
from apart import Apart, composed, placeholder, standing_by
from twofold.cli import main
from twofold.data.images import PUBLISHED
from twofold.data.sources import at_hand
from twofold.handin import printing
from twofold.recipe.data import Cifar10, Mnist
from twofold.study.executors import local
from twofold.study.executors.seam import Foreign

if TYPE_CHECKING:
    from playwright.sync_api import Browser

TRAINED = """
import sys
from pathlib import Path
tests, folder = sys.argv[1:]
sys.path.insert(0, tests)
from trained import digits, flowers, palindromes, photos
for made in (flowers, photos, palindromes, digits):
    print(made.__name__, made(Path(folder)).path)
"""
SHORT = {"training.epochs": 2, "data.samples": 100}
P, R = ParamSpec("P"), TypeVar("R")


def pytest_collection_finish() -> None:
    """Modules and tests stay to the end: what looks for garbage passes them over, which saves time."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process, as `main` would be run."""

    def call(*words: str | Path) -> Outcome:
        monkeypatch.setattr("sys.argv", ["twofold", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        return Outcome(int(exit_.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def apart() -> Iterator[Apart]:
    """Run a command line in a process of its own that has imported what it needs, without the checks of shapes."""
    with standing_by() as process:
        yield process


@pytest.fixture(scope="session")
def moons_run(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> Iterator[twofold.Run]:
    """A finished run of both engines, to be read and not to be written to."""
    folder = tmp_path_factory.mktemp("runs") / "moons"
    run = apart.run("moons", overrides=SHORT | {"data.validation": 0.1}, out=folder)
    with only_read(folder):
        yield run


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory: pytest.TempPathFactory, apart: Apart) -> Iterator[dict[str, twofold.Run]]:
    """Finished runs of a table, of images, of palindromes and of digits, to be read and not to be written to."""
    folder = tmp_path_factory.mktemp("trained")
    done = apart.python(TRAINED, Path(__file__).parent, folder)
    assert done.status == 0, done.err
    with only_read(folder):
        yield {name: twofold.open_run(path) for name, path in map(str.split, done.out.splitlines())}


@contextmanager
def only_read(folder: Path) -> Iterator[None]:
    """Fails where a test has written to the folder: what the others find there would depend on the order of tests."""
    before = _contents(folder)
    yield
    after = _contents(folder)
    assert after == before, {path for path in {*before, *after} if before.get(path) != after.get(path)}


def _contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a window; without one installed, its tests are skipped."""
    path = printing.browser()
    if path is None:
        pytest.skip(f"no browser: none of {', '.join(printing.BROWSERS)} is installed")
    from playwright.sync_api import sync_playwright  # tests without a browser do without

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def idle_workers() -> Iterator[list[Foreign]]:
    """Processes of studies that have nothing to do."""
    idle = list[Foreign]()
    yield idle
    for pool in idle:
        pool.shutdown(wait=False, kill_workers=True)


@pytest.fixture
def warm_workers(idle_workers: list[Foreign], monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies whose processes stay for the next one, since to start them takes longer than to train.

    They have the environment of the test that started them.
    """
    start = local._pool

    def close(self: local.Local) -> None:
        idle_workers.extend(self._pools)
        self._pools = []

    monkeypatch.setattr(local, "_pool", lambda: idle_workers.pop() if idle_workers else start())
    monkeypatch.setattr(local.Local, "close", close)


@pytest.fixture
def undrawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without their drawings, which take most of a page's time: for tests of words and numbers.

    A test that is marked `drawn` has whole pages, whatever its file says.
    """
    if not request.node.get_closest_marker("drawn"):
        monkeypatch.setattr("twofold.report.drawing.inline_svg", placeholder)


@pytest.fixture
def unrendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are composed, whatever they show, and neither measured nor written."""
    monkeypatch.setattr("twofold.report.drawing.inline_svg", composed)


@pytest.fixture
def in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _checking(typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
    """`jaxtyping.jaxtyped`, once for all arguments of the same shapes, and not for functions within functions.

    The same shapes come at every step of a training. Functions within functions are made for every batch of a new
    shape, and to wrap one takes a millisecond; their arguments are arrays of no stated shape.
    """

    def wrapped(made: Callable[..., object]) -> Callable[..., object]:
        if "<locals>" in made.__qualname__:
            return made
        checked = CHECKED(made, typechecker=typechecker)
        return once_a_shape(made, checked) if isinstance(made, FunctionType) else checked

    return wrapped


def once_a_shape(plain: Callable[P, R], checked: Callable[P, R]) -> Callable[P, R]:
    """`checked` until it has passed for arguments of these shapes, then `plain`."""
    passed = set[object]()

    @wraps(plain)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        shapes = shape_of(args), shape_of(kwargs)
        if shapes in passed:
            return plain(*args, **kwargs)
        result = checked(*args, **kwargs)
        passed.add(shapes)
        return result

    return call


def shape_of(value: object) -> object:
    """What a check of shapes looks at: of arrays type and shape, also within tuples, lists and dictionaries."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.shape
    if isinstance(value, tuple | list):
        return type(value), *map(shape_of, value)
    if isinstance(value, dict):
        return tuple((name, shape_of(held)) for name, held in value.items())
    return type(value)


CHECKED = jaxtyping.jaxtyped
jaxtyping.jaxtyped = _checking  # before the NumPy engine is imported, which asks for it by this name


def pytest_collection_modifyitems(items: list[Any]) -> None:
    """Tests on real published images are skipped, and say so, where the images are not at hand."""
    for name, spec in {"mnist": Mnist(), "cifar10": Cifar10()}.items():
        if at_hand(spec):
            continue
        folder = f"hub/{PUBLISHED[name].hub}"
        skip = pytest.mark.skip(reason=f"{name} is not at hand: set TWOFOLD_DATA to a folder that holds {folder}")
        for item in items:
            if item.get_closest_marker(name):
                item.add_marker(skip)


os.environ.setdefault("COLUMNS", "80")
os.environ.setdefault("TWOFOLD_CACHE", str(Path(tempfile.gettempdir()) / "twofold-tests"))
# Read when torch is imported. On a busy machine, threads wait for each other longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")
