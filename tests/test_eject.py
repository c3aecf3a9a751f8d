"""Ejecting: scripts that need no Twofold, and come to the bits of the run."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits
from typer.testing import CliRunner

import twofold
from torture import short_form
from twofold.cli.main import app
from twofold.errors import UserError
from twofold.recipe import titles

SCRIPTS = ("train_numpy.py", "train_torch.py", "data.py", "layers_numpy.py", "windows_numpy.py")
ALLOWED = {
    "train_numpy.py": {"numpy", "data", "layers_numpy", "math", "typing"},
    "layers_numpy.py": {"numpy", "math", "typing", "scipy", "windows_numpy"},
    "windows_numpy.py": {"numpy", "typing"},
    "train_torch.py": {"numpy", "torch", "data"},
    "data.py": {"numpy", "json", "pathlib", "hashlib", "math", "functools", "scipy"},
}
"""SciPy has the error function of GELU and the resampling of images; the standard library is free."""
PLANE = [
    {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
    {"kind": "conv2d", "channels": 5, "kernel": 2, "stride": 2},
    {"kind": "batch_norm"},
    {"kind": "relu"},
    {"kind": "max_pool2d", "kernel": 2},
    {"kind": "dropout", "p": 0.2},
    {"kind": "flatten"},
    {"kind": "dense", "units": 10},
]
SHORT: dict[str, Mapping[str, Any]] = {
    "moons-adam": {"training.epochs": 12, "data.validation": 0.2, "training.patience": 2, "optimizer.lr": 1.0},
    "digits": {
        "layers": PLANE,
        "training.epochs": 2,
        "training.ema": 0.9,
        "training.keep": "best",
        "optimizer.max_norm": 1.0,
        "augmentation.adversarial": 0.5,
    },
    "palindrome": {
        "data.encoding": "index",
        "layers": [
            {"kind": "embed_columns", "num_embeddings": [10, 10], "units": [3, 2]},
            {"kind": "dense", "units": 10},
        ],
        "training.steps": 5,
    },
    "palindrome-lstm": {"training.steps": 2},
    "palindrome-gru": {"training.steps": 2, "training.dtype": "float64"},
    "text-lstm": {
        "data.length": 8,
        "data.validation": 0.1,
        "training.steps": 4,
        "training.evaluate_every": 2,
        "training.keep": "best",
        "training.dtype": "float64",
    },
}
"""The other recipes go through benchmarks/exchange.py."""


def imported(text: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(text)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def without_whitening(name: str) -> twofold.Recipe:
    recipe = twofold.load_recipe(name)
    first = recipe.layers[0]
    return twofold.load_recipe(recipe, {"layers.0.initial": "recipe"}) if getattr(first, "whitens", False) else recipe


@pytest.mark.parametrize("name", titles())
def test_every_builtin_recipe_is_ejected_as_plain_scripts(name: str, tmp_path: Path) -> None:
    folder = twofold.eject(without_whitening(name), tmp_path / "out", samples=False)
    lengths = []
    for script in SCRIPTS:
        if not (folder / script).is_file():
            continue
        text = (folder / script).read_text("utf-8")
        assert imported(text) <= ALLOWED[script], script
        assert "twofold" not in text.lower()
        assert len(text.splitlines()) <= 300, script
        assert max(map(len, text.splitlines())) <= 120, script
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                documented = ast.get_docstring(node) is not None
                body = ast.unparse(ast.Module(node.body[documented:], [])).splitlines()
                assert documented or node.name.startswith("_"), f"{script}: {node.name}"
                lengths.append(len(body))
    assert statistics.median(lengths) <= 8
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F,E9", "--line-length", "120", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", short_form(SHORT, {"digits", "text-lstm"}))
def test_the_scripts_come_to_the_bits_of_the_run(name: str, tmp_path: Path) -> None:
    with threadpool_limits(1):  # as the scripts: a product in parts may round otherwise
        run = twofold.run(name, overrides={**SHORT[name], "training.engines": ["numpy", "torch"]}, out=tmp_path / "run")
    folder = twofold.eject(run, tmp_path / "out")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    for engine in ("numpy", "torch"):
        command = [sys.executable, f"train_{engine}.py"]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.splitlines()[-1] == "the same run, to the last bit", ran.stdout


@pytest.mark.parametrize(
    ("loss", "label", "engines", "validation"),
    [
        pytest.param("mean_squared", ["x2", "x3"], ["numpy"], 0.2, marks=pytest.mark.torture),
        ("mean_absolute", "x2", ["numpy"], 0.0),
        pytest.param("huber", "x2", ["numpy", "torch"], 0.0, marks=pytest.mark.torture),
        ("binary_cross_entropy", ["b0", "b1"], ["numpy", "torch"], 0.2),
    ],
)
def test_the_scripts_of_a_table_come_to_the_bits_of_the_run(
    loss: str, label: str | list[str], engines: list[str], validation: float, tmp_path: Path
) -> None:
    rows = [f"{i % 5},{i % 7 / 3},{i % 11 + i / 9},{i % 13},{i % 2},{i % 3 // 2}\n" for i in range(80)]
    (tmp_path / "rows.csv").write_text("x0,x1,x2,x3,b0,b1\n" + "".join(rows))
    recipe = twofold.Recipe(
        name="rows",
        data={"source": "csv", "path": str(tmp_path / "rows.csv"), "label": label, "features": ["x0", "x1"]}
        | {"validation": validation},
        layers=[
            {"kind": "dense", "units": 5},
            {"kind": "tanh"},
            {"kind": "dense", "units": 2 if isinstance(label, list) else 1},
        ],
        loss={"kind": loss},
        training={"epochs": 4, "batch_size": 16, "engines": engines, **({"keep": "best"} if validation else {})},
    )
    with threadpool_limits(1):
        run = twofold.run(recipe, out=tmp_path / "run")
    folder = twofold.eject(run, tmp_path / "out")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    for engine in engines:
        command = [sys.executable, f"train_{engine}.py"]
        ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.splitlines()[-1] == "the same run, to the last bit", ran.stdout
        quality = run.record.engines[engine].quality("test")
        assert f"{quality:.4f}" in ran.stdout


def loaded(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["moons", "palindrome-lstm"])
def test_both_scripts_agree_step_by_step_in_float64(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = twofold.load_recipe(name, {"training.dtype": "float64"})
    folder = twofold.eject(recipe, tmp_path / "out")
    for module in ("data", "layers_numpy"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    first, _ = loaded(folder, "train_numpy", monkeypatch).train(8)
    second, _ = loaded(folder, "train_torch", monkeypatch).train(8)
    np.testing.assert_allclose(first, second, rtol=1e-9)
    for module in ("data", "layers_numpy"):
        monkeypatch.delitem(sys.modules, module, raising=False)


def test_a_script_that_was_changed_says_that_it_is_another_run(tmp_path: Path) -> None:
    run = twofold.run("moons", overrides={"training.epochs": 1, "training.engines": ["numpy"]}, out=tmp_path / "run")
    folder = twofold.eject(run, tmp_path / "out")
    script = folder / "train_numpy.py"
    script.write_text(script.read_text("utf-8").replace("p -= lr * g", "p -= 1.0001 * lr * g"), "utf-8")
    ran = subprocess.run([sys.executable, "train_numpy.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert "NOT the same run to the last bit" in ran.stdout.splitlines()[-1]


def test_a_folder_of_scripts_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is under another name until it is whole."""

    def full(path: Path, *_: Any) -> None:
        assert path.parent.name.startswith(".out.")
        raise OSError("no space")

    monkeypatch.setattr("twofold.exchange.eject.ejecting.write_new", full)
    with pytest.raises(OSError, match="no space"):
        twofold.eject("moons", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_next_command_can_be_pasted(command, in_tmp: Path) -> None:
    done = command("eject", "moons", "--out", "my scripts")
    assert "next: cd 'my scripts' && python train_numpy.py" in done.out
    done = command("eject", "moons", "--no-samples", "--out", "without them")
    assert "next: twofold eject moons --out 'without them-with-samples' --samples" in done.out


def test_of_a_recipe_the_start_is_expected(tmp_path: Path) -> None:
    recipe = twofold.load_recipe("moons", {"training.epochs": 1})
    folder = twofold.eject(recipe, tmp_path / "out")
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    assert expected["weights_sha256"] == {}
    assert len(expected["losses"]) == 3
    ran = subprocess.run([sys.executable, "train_numpy.py"], cwd=folder, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "the same start as expected"


def test_what_the_scripts_do_not_know_is_refused(tmp_path: Path) -> None:
    best = twofold.load_recipe("digits", {"training.keep": "best"})
    with pytest.raises(UserError, match="the scripts need the samples, which are not at hand or not asked for"):
        twofold.eject(best, tmp_path / "out", samples=False)
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="there exists; choose another name"):
        twofold.eject("moons", tmp_path / "there")


@pytest.mark.parametrize(
    ("name", "overrides", "steps"),
    [
        ("moons", {"training.epochs": 3}, 3 * 25),
        ("cifar10-mlp", {"training.epochs": 2, "training.batch_size": 100}, 2 * 500),
        ("mnist-mlp", {"training.epochs": 2, "training.batch_size": 100, "data.validation": 0.1}, 2 * 540),
        ("mnist-mlp", {"training.epochs": 2, "training.batch_size": "full", "data.samples": 70}, 2),
        ("moons", {"training.epochs": None, "training.steps": 7}, 7),
    ],
)
def test_the_steps_are_true_without_the_samples(
    name: str, overrides: Mapping[str, Any], steps: int, tmp_path: Path
) -> None:
    recipe = twofold.load_recipe(name, overrides)
    folder = twofold.eject(recipe, tmp_path / "out", samples=False)
    assert json.loads((folder / "expected.json").read_text("utf-8"))["steps"] == steps


@pytest.mark.parametrize(
    ("option", "following"),
    [
        ("--samples", "next: cd {out} && python train_numpy.py"),
        ("--no-samples", "next: twofold eject moons --out {out}-with-samples --samples"),
    ],
)
def test_the_command_names_a_next_step_that_works(option: str, following: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = CliRunner().invoke(app, ["eject", "moons", "--out", str(out), option], catch_exceptions=False)
    assert told.stdout.splitlines()[-1] == following.format(out=out)


def test_steps_that_nobody_can_count_are_refused(tmp_path: Path) -> None:
    in_memory = {"source": "arrays", "shape": [2], "classes": 2}
    recipe = twofold.load_recipe("moons", {"data": in_memory, "training.epochs": 3})
    with pytest.raises(UserError, match=r"how many steps `training.epochs` = 3 takes is not known .* set `training"):
        twofold.eject(recipe, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("expected", "losses", "said", "same"),
    [
        ([1.0, 0.5, 0.25], [1.0, 0.5, 0.25], "the same start as expected", True),
        ([1.0, 0.5, 0.25], [1.0, float("nan"), float("nan")], "NOT the start that was expected", False),
        ([1.0, 0.5, 0.25], [float("nan")] * 3, "NOT the start that was expected", False),
        ([1.0, 0.5, 0.25], [1.0, 0.5, 0.26], "NOT the start that was expected", False),
        ([], [1.0, 0.5, 0.25], "nothing compared: the samples were not at hand", False),
    ],
)
def test_a_start_is_the_same_only_where_every_loss_is(
    expected: list[float], losses: list[float], said: str, same: bool, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = twofold.eject(twofold.load_recipe("moons", {"training.steps": 3}), tmp_path / "out", samples=False)
    facts = json.loads((folder / "expected.json").read_text("utf-8"))
    (folder / "expected.json").write_text(json.dumps(facts | {"losses": expected}), "utf-8")
    monkeypatch.delitem(sys.modules, "data", raising=False)
    assert loaded(folder, "data", monkeypatch).compare("numpy", losses, {}) is same
    assert said in capsys.readouterr().out.splitlines()[-1]
