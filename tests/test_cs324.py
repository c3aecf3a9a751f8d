"""examples/cs324: the assignment's files, classes and flags, each script run with the assignment's flags."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import twofold
from test_images import _modern, _py_files, place  # noqa: F401  (a fixture)

FOLDER = Path(__file__).parents[1] / "examples" / "cs324"
README = (FOLDER / "README.md").read_text("utf-8")
FILES = sorted(path.stem for path in FOLDER.glob("*.py"))
SCRIPTS = ("pytorch_train_mlp", "cnn_train", "train")


@pytest.fixture
def cs324(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder's modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(FOLDER)
    yield
    for name in FILES:
        sys.modules.pop(name, None)


def imported(name: str) -> ModuleType:
    return import_module(name)


TINY_RUNS: dict[str, tuple[str, str, list[str], int]] = {
    "mlp": (
        "pytorch_train_mlp",
        "--dnn_hidden_units 20 --learning_rate 1e-2 --max_steps 4 --eval_freq 2 --batch_size 400 --optimizer SGD",
        ["0.weight (20, 2)", "2.weight (2, 20)"], 8,
    ),
    "mlp, two hidden layers, step by step": (
        "pytorch_train_mlp",
        "--dnn_hidden_units 8,4 --max_steps 4 --eval_freq 2 --unit step --batch_size full --data circles",
        ["0.weight (8, 2)", "2.weight (4, 8)", "4.weight (2, 4)"], 4,
    ),
    "mlp, no hidden layer": (
        "pytorch_train_mlp", "--dnn_hidden_units= --max_steps 4 --eval_freq 2 --unit step --data blobs",
        ["0.weight (3, 2)"], 4,
    ),
    "rnn": (
        "train",
        "--input_length 4 --input_dim 1 --num_classes 10 --num_hidden 16 --batch_size 32 --learning_rate 1e-3 "
        "--max_steps 4 --eval_freq 2 --max_norm 10 --optimizer RMSprop",
        ["0.weight_hh (16, 16)", "0.weight_ih (16, 1)", "1.weight (10, 16)"], 4,
    ),
    "rnn, one-hot": (
        "train", "--input_length 9 --input_dim 10 --num_hidden 8 --max_steps 4 --eval_freq 2",
        ["0.weight_hh (8, 8)", "0.weight_ih (8, 10)", "1.weight (10, 8)"], 4,
    ),
}  # fmt: skip


@pytest.mark.usefixtures("cs324", "in_tmp")
@pytest.mark.parametrize(("script", "flags", "weights", "steps"), TINY_RUNS.values(), ids=TINY_RUNS)
def test_a_script_trains_both_engines_and_writes_the_report(
    script: str, flags: str, weights: list[str], steps: int, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(script).main([*flags.split(), "--out", "run"])
    run = twofold.open_run("run")
    assert list(run.engines) == ["numpy", "torch"]
    kept = [f"{name} {array.shape}" for name, array in run.weights("numpy").items() if "weight" in name]
    assert sorted(kept) == weights
    assert run.engines["numpy"]["steps"] == steps
    out = capsys.readouterr().out
    line = r"^step ([\d,]+), epoch [\d.]+: loss [\d.]+, accuracy: train [\d.]+, test [\d.]+$"
    rows = re.findall(line, out, re.MULTILINE)
    assert rows == [str(step) for step in (0, steps // 2, steps)] * 2
    assert f"NumPy: accuracy: train {run.engines['numpy']['train_accuracy']:.4f}" in out
    assert out.endswith("report: run/report.html\n")
    assert run.report.is_file()


@pytest.mark.usefixtures("cs324", "place")
@pytest.mark.parametrize(("script", "flags"), [
    ("cnn_train", "--learning_rate 1e-4 --max_steps 2 --eval_freq 1 --batch_size 3 --optimizer ADAM"),
    ("pytorch_train_mlp", "--data cifar10 --max_steps 1 --eval_freq 1 --dnn_hidden_units 4"),
])  # fmt: skip
def test_cifar10_from_the_folder_that_torchvision_left(
    script: str, flags: str, in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = in_tmp / "data_dir"
    _py_files(root / "cifar-10-batches-py", _modern(2))
    imported(script).main([*flags.split(), "--data_dir", str(root), "--out", "run"])
    run = twofold.open_run("run")
    assert run.record["data"]["samples"] == {"train": 10, "test": 4}
    assert run.status == "finished"
    assert "PyTorch: accuracy: train " in capsys.readouterr().out


WRONG = {
    "--learning_rate -1": "--learning_rate: `lr` must be greater than 0; got -1.0",
    "--learning_rate fast": "argument --learning_rate: invalid float value: 'fast'",
    "--max_steps 0": "--max_steps: `epochs` must be greater than 0; got 0",
    "--eval_freq 0 --unit step": "--eval_freq: `evaluate_every` must be greater than 0; got 0",
    "--batch_size 0": '--batch_size: `batch_size` must be greater than 0 or "full"; got 0',
    "--batch_size all": "argument --batch_size: must be a whole number or `full`; got `all`",
    "--optimizer momentum": "argument --optimizer: invalid choice: 'momentum' (choose from",
    "--dnn_hidden_units 20,0": "--dnn_hidden_units: `units` must be greater than 0; got 0",
    "--dnn_hidden_units 20;9": "argument --dnn_hidden_units: must be whole numbers with commas between",
    "--data_dir data": "--data_dir: `moons` is drawn, not read; the folder belongs to --data cifar10",
    "--data cifar10 --data_dir nowhere": "--data_dir: no files of CIFAR-10 as torchvision leaves them",
    "--hidden 3": "unrecognized arguments: --hidden 3",
}
WRONG_RNN = {
    "--input_length 0": "argument --input_length: must be a whole number from 1 to 999; got `0`",
    "--input_dim 3": "argument --input_dim: invalid choice: 3 (choose from",
    "--num_hidden 0": "--num_hidden: `units` must be greater than 0; got 0",
    "--num_classes 9": "--num_classes: the last layer must give 10 numbers, one for each class; it gives 9",
    "--max_norm 0": "--max_norm: `max_norm` must be greater than 0; got 0.0",
}


@pytest.mark.usefixtures("cs324")
@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [("pytorch_train_mlp", *row) for row in WRONG.items()] + [("train", *row) for row in WRONG_RNN.items()],
)
def test_a_wrong_flag_is_named_and_nothing_is_written(
    script: str, flags: str, message: str, in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        imported(script).main(flags.split())
    assert exit_.value.code == 2
    assert f"{script}.py: error: {message}" in capsys.readouterr().err
    assert not list(in_tmp.iterdir())


@pytest.mark.usefixtures("cs324", "in_tmp")
def test_a_loss_that_is_not_finite_is_told_in_flags() -> None:
    with pytest.raises(SystemExit, match=r"Try --learning_rate=0\.01: with it the loss fell") as exit_:
        imported("pytorch_train_mlp").main(["--learning_rate", "1e30", "--max_steps", "3", "--engine", "numpy"])
    assert str(exit_.value).startswith("pytorch_train_mlp.py: error: numpy engine: the loss became nan at step 2")


@pytest.mark.usefixtures("cs324")
def test_the_classes_are_modules_with_the_assignments_signatures() -> None:
    mlp = imported("pytorch_mlp").MLP(3072, [100, 50], 10)
    assert mlp(torch.zeros(2, 3072)).shape == (2, 10)
    cnn = imported("cnn_model").CNN(3, 10)
    assert cnn(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    rnn = imported("vanilla_rnn").VanillaRNN(4, 1, 16, 10)
    assert rnn(torch.zeros(2, 4)).shape == rnn(torch.zeros(2, 4, 1)).shape == (2, 10)
    for model in (mlp, cnn, rnn):
        assert isinstance(model, nn.Module)
        assert not any(isinstance(part, nn.RNNBase) for part in model.modules())
    widths = [layer.out_channels for layer in cnn if isinstance(layer, nn.Conv2d)]
    assert widths == [64, 128, 256, 256, 512, 512, 512, 512]


@pytest.mark.usefixtures("cs324")
def test_the_recurrent_class_is_the_equation() -> None:
    rnn = imported("vanilla_rnn").VanillaRNN(5, 1, 8, 10, seed=2)
    held = rnn.state_dict()
    x, h = torch.rand(3, 5), torch.zeros(3, 8)
    for t in range(5):
        bias = held["0.bias_ih"] + held["0.bias_hh"]
        h = torch.tanh(x[:, t : t + 1] @ held["0.weight_ih"].T + h @ held["0.weight_hh"].T + bias)
    torch.testing.assert_close(rnn(x), h @ held["1.weight"].T + held["1.bias"])


@pytest.mark.usefixtures("cs324")
def test_a_loop_of_ones_own_learns_with_class_and_data_set() -> None:
    dataset = imported("dataset")
    data = dataset.PalindromeDataset(3, 256)
    model = imported("vanilla_rnn").VanillaRNN(2, 1, 32, 10)
    rule, losses = torch.optim.RMSprop(model.parameters(), 1e-3), []
    for _ in range(12):
        for x, y in DataLoader(data, batch_size=128):
            loss = nn.functional.cross_entropy(model(x), y)
            rule.zero_grad()
            loss.backward()
            rule.step()
            losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.usefixtures("cs324")
@pytest.mark.parametrize("length", [2, 5, 20])
def test_a_palindrome_reads_alike_from_both_ends(length: int) -> None:
    digits = imported("dataset").generate_palindrome(length)
    assert digits.shape == (length,)
    np.testing.assert_array_equal(digits, digits[::-1])
    assert set(digits) <= set(range(10))


@pytest.mark.usefixtures("cs324", "in_tmp")
def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, {})
    assert "(0): Linear(in_features=2, out_features=20, bias=True)" in capsys.readouterr().out


@pytest.mark.usefixtures("cs324")
def test_the_readme_has_every_file_and_flag_and_its_commands_are_understood() -> None:
    parsers = {script: imported(script).PARSER for script in SCRIPTS}
    flags = {flag for parser in parsers.values() for flag in parser._option_string_actions if flag.startswith("--")}
    assert flags - {"--help"} == set(re.findall(r"^\| `(--\w+)", README, re.MULTILINE))
    assert set(FILES) - {"script"} == set(re.findall(r"^\| `(\w+)\.py`", README, re.MULTILINE))
    (commands,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in commands.splitlines():
        script, *words = line.removeprefix("python ").split()
        module = imported(script.removesuffix(".py"))
        assert module.recipe(module.PARSER.parse_args(words)).training.batch_size in (32, 128)


def test_a_script_runs_by_itself(tmp_path: Path) -> None:
    words = ["--input_length", "4", "--max_steps", "2", "--eval_freq", "1", "--engine", "numpy", "--out", "run"]
    done = subprocess.run(
        [sys.executable, FOLDER / "train.py", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert (tmp_path / "run" / "report.html").is_file()
