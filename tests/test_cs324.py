"""examples/cs324: the assignment's files, classes and flags; each class held against the engine, each script run."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import twofold
from apart import Apart
from test_images import _modern, _py_files, place  # noqa: F401  (a fixture)

FOLDER = Path(__file__).parents[1] / "examples" / "cs324"
README = (FOLDER / "README.md").read_text("utf-8")
FILES = sorted(path.stem for path in FOLDER.glob("*.py"))
SCRIPTS = ("pytorch_train_mlp", "cnn_train", "train")
WITH_TWOFOLD = {"with_twofold", "proof", "prove_mlp", "prove_cnn", "prove_rnn"}
"""The files that need the library; all others need NumPy and PyTorch alone."""
RECIPES = {"pytorch_train_mlp": "mlp_recipe", "cnn_train": "cnn_recipe", "train": "rnn_recipe"}


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


RUN = """
import sys
from importlib import import_module
folder, script, *words = sys.argv[1:]
sys.path.insert(0, folder)
import_module(script).main(words)
"""


@pytest.mark.usefixtures("in_tmp")
@pytest.mark.parametrize(("script", "flags", "weights", "steps"), TINY_RUNS.values(), ids=TINY_RUNS)
def test_a_script_trains_both_engines_and_writes_the_report(
    script: str, flags: str, weights: list[str], steps: int, apart: Apart
) -> None:
    done = apart.python(RUN, FOLDER, script, *flags.split(), "--out", "run")
    assert done.status == 0, done.err
    run = twofold.open_run("run")
    assert list(run.engines) == ["numpy", "torch"]
    kept = [f"{name} {array.shape}" for name, array in run.weights("numpy").items() if "weight" in name]
    assert sorted(kept) == weights
    assert run.engines["numpy"]["steps"] == steps
    line = r"^step ([\d,]+), epoch [\d.]+: loss [\d.]+, accuracy: train [\d.]+, test [\d.]+$"
    rows = re.findall(line, done.out, re.MULTILINE)
    assert rows == [str(step) for step in (0, steps // 2, steps)] * 2
    assert f"NumPy: accuracy: train {run.engines['numpy']['train_accuracy']:.4f}" in done.out
    assert done.out.endswith("report: run/report.html\n")
    assert run.report.is_file()


@pytest.mark.usefixtures("cs324", "place", "unrendered")
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
    assert run.record.data.samples == {"train": 10, "test": 4}
    assert run.status == "finished"
    assert "PyTorch: accuracy: train " in capsys.readouterr().out


WRONG = {
    "--learning_rate -1": "argument --learning_rate: must be greater than 0; got -1",
    "--learning_rate fast": "argument --learning_rate: invalid float value: 'fast'",
    "--max_steps 0": "argument --max_steps: must be greater than 0; got 0",
    "--max_steps 1.5": "argument --max_steps: invalid int value: '1.5'",
    "--eval_freq 0 --unit step": "argument --eval_freq: must be greater than 0; got 0",
    "--eval_samples 0": "argument --eval_samples: must be greater than 0; got 0",
    "--batch_size 0": 'argument --batch_size: must be greater than 0 or "full"; got 0',
    "--batch_size all": "argument --batch_size: must be a whole number or `full`; got `all`",
    "--optimizer momentum": "argument --optimizer: invalid choice: 'momentum' (choose from",
    "--optimizer adam --engine numpy": "--optimizer adam: the network by hand has sgd; use --engine torch, or --out",
    "--dnn_hidden_units 20,0": "argument --dnn_hidden_units: every layer must have at least one unit; got `20,0`",
    "--dnn_hidden_units 20;9": "argument --dnn_hidden_units: must be whole numbers with commas between",
    "--data_dir data": "--data_dir: `moons` is drawn, not read; the folder belongs to --data cifar10",
    "--data cifar10 --data_dir nowhere": "--data_dir: no data_batch_1 in nowhere: --data_dir is the folder that holds",
    "--data cifar10 --data_dir nowhere --out run": "--data_dir: no files of CIFAR-10 as torchvision leaves them",
    "--hidden 3": "unrecognized arguments: --hidden 3",
}
WRONG_RNN = {
    "--input_length 0": "argument --input_length: must be a whole number from 1 to 999; got `0`",
    "--input_dim 3": "argument --input_dim: invalid choice: 3 (choose from",
    "--num_hidden 0": "argument --num_hidden: must be greater than 0; got 0",
    "--num_classes 9": "--num_classes: there are 10 digits to tell apart; got 9",
    "--batch_size full": "--batch_size full: palindromes are drawn without end; give a number",
    "--max_norm 0": "argument --max_norm: must be greater than 0; got 0",
    "--engine numpy": "--engine numpy: the network by hand is Twofold's; name a folder with --out",
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
    words = ["--learning_rate", "1e30", "--max_steps", "3", "--engine", "numpy"]
    with pytest.raises(SystemExit, match=r"Try --learning_rate=0\.01: with it the loss fell") as exit_:
        imported("pytorch_train_mlp").main([*words, "--out", "run"])
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
    rnn = imported("vanilla_rnn").VanillaRNN(5, 1, 8, 10)
    assert set(dict(rnn.named_parameters())) == {"W_hx", "W_hh", "W_ph", "b_h", "b_o"}
    x, h = torch.rand(3, 5), torch.zeros(3, 8)
    for t in range(5):
        h = torch.tanh(x[:, t : t + 1] @ rnn.W_hx.T + h @ rnn.W_hh.T + rnn.b_h)
    torch.testing.assert_close(rnn(x), h @ rnn.W_ph.T + rnn.b_o)


@pytest.mark.usefixtures("cs324")
def test_the_fully_connected_networks_are_the_engine_over_50_steps() -> None:
    proof, prove_mlp = imported("proof"), imported("prove_mlp")
    for gaps in (prove_mlp.torch_gaps(), prove_mlp.numpy_gaps()):
        assert len(gaps) == 5 + 1 + 2 * 6
        assert max(gaps.values()) <= proof.TOLERANCE


@pytest.mark.usefixtures("cs324")
def test_the_recurrent_network_is_the_engine_over_50_steps() -> None:
    gaps = imported("prove_rnn").gaps()
    assert list(gaps)[:3] == ["output of layer h(T)", "output of layer o", "loss"]
    assert len(gaps) == 2 + 1 + 2 * 5
    assert max(gaps.values()) <= imported("proof").TOLERANCE


@pytest.mark.usefixtures("cs324")
def test_the_convolutional_network_is_the_engine() -> None:
    """One step; `prove_cnn.py` takes all 50, in `make torture`."""
    gaps = imported("prove_cnn").gaps(steps=1)
    assert len(gaps) == 23 + 1 + 2 * 18
    assert max(gaps.values()) <= imported("proof").TOLERANCE


@pytest.mark.usefixtures("cs324")
def test_a_proof_tells_what_parts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A bias whose gradient is the mean over the batch in place of the sum."""
    proof, prove_mlp, modules = imported("proof"), imported("prove_mlp"), imported("modules")
    right = modules.Linear.backward

    def wrong(layer: Any, dout: np.ndarray) -> np.ndarray:
        dx = right(layer, dout)
        layer.grads["bias"] = dout.mean(axis=0)
        return dx

    monkeypatch.setattr(modules.Linear, "backward", wrong)
    with pytest.raises(SystemExit, match="they part by more than 1e-09"):
        proof.report("mlp_numpy.py", prove_mlp.numpy_gaps())
    assert re.search(r"gradient of 0\.bias +\S+   <- parts", capsys.readouterr().out)


@pytest.mark.usefixtures("cs324")
@pytest.mark.parametrize("name", ["moons", "circles", "blobs", "classification"])
def test_points_are_those_of_scikit_learn(name: str) -> None:
    from sklearn.datasets import make_blobs, make_circles, make_classification, make_moons
    from sklearn.model_selection import train_test_split

    plane = {"n_features": 2, "n_informative": 2, "n_redundant": 0, "n_clusters_per_class": 1}
    x, y = {
        "moons": lambda: make_moons(1000, noise=0.1, random_state=42),
        "circles": lambda: make_circles(1000, noise=0.1, random_state=42),
        "blobs": lambda: make_blobs(1000, random_state=42)[:2],
        "classification": lambda: make_classification(1000, random_state=42, **plane),
    }[name]()
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=42)
    for ours, theirs in zip(imported("points").load(name), (x_train, y_train, x_test, y_test), strict=True):
        np.testing.assert_array_equal(ours, theirs)


OWN_TRAININGS = {
    "mlp": ("pytorch_train_mlp", "--max_steps 4 --eval_freq 2 --batch_size 400", ["0", "4", "8"] * 2),
    "mlp, adam": ("pytorch_train_mlp", "--max_steps 2 --eval_freq 1 --unit step --optimizer Adam", ["0", "1", "2"]),
    "rnn": ("train", "--input_length 4 --num_hidden 16 --batch_size 32 --max_steps 4 --eval_freq 2", ["0", "2", "4"]),
    "rnn, one-hot": ("train", "--input_length 1 --input_dim 10 --max_steps 2 --eval_freq 1", ["0", "1", "2"]),
}


@pytest.mark.usefixtures("cs324", "in_tmp")
@pytest.mark.parametrize(("script", "flags", "steps"), OWN_TRAININGS.values(), ids=OWN_TRAININGS)
def test_a_script_trains_by_itself(
    script: str, flags: str, steps: list[str], in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(script).main(flags.split())
    out = capsys.readouterr().out
    line = r"^step ([\d,]+): loss [\d.]+, accuracy: train [\d.]+, test [\d.]+$"
    assert re.findall(line, out, re.MULTILINE) == steps
    assert not list(in_tmp.iterdir())


@pytest.mark.usefixtures("cs324")
def test_both_networks_of_part_1_learn_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    imported("pytorch_train_mlp").main(["--max_steps", "20", "--eval_freq", "10", "--learning_rate", "0.1"])
    by_hand, by_pytorch = capsys.readouterr().out.split("PyTorch\n")
    rows = [re.findall(r"^step .*$", part, re.MULTILINE) for part in (by_hand, by_pytorch)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


@pytest.mark.usefixtures("cs324")
def test_the_convolutional_network_trains_on_the_folder_that_torchvision_left(
    in_tmp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _py_files(in_tmp / "data" / "cifar-10-batches-py", _modern(2))
    imported("cnn_train").main(["--max_steps", "2", "--eval_freq", "1", "--batch_size", "3", "--eval_samples", "4"])
    assert len(re.findall(r"^step \d: loss", capsys.readouterr().out, re.MULTILINE)) == 3


@pytest.mark.usefixtures("cs324")
def test_a_pickle_that_holds_anything_but_arrays_is_refused(in_tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = in_tmp / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "data_batch_1").write_bytes(pickle.dumps(subprocess.run))
    with pytest.raises(SystemExit):
        imported("cnn_train").main(["--data_dir", str(in_tmp)])
    assert "it holds subprocess.run, which is no array" in capsys.readouterr().err


def test_no_file_of_the_assignment_needs_the_library() -> None:
    for name in set(FILES) - WITH_TWOFOLD:
        imports = re.findall(r"^\s*(?:import|from) (\w+)", (FOLDER / f"{name}.py").read_text("utf-8"), re.MULTILINE)
        assert "twofold" not in imports, name
        known = {*sys.stdlib_module_names, *FILES, "numpy", "torch"}
        assert set(imports) <= known, name


WITHOUT = """
import sys
from importlib import import_module
sys.modules["twofold"] = None
folder, *scripts = sys.argv[1:]
sys.path.insert(0, folder)
for script in scripts:
    try:
        import_module(script).main(["--max_steps", "1", "--out", "run"])
    except SystemExit as ended:
        print(script, ended.code)
"""


def test_a_script_without_the_library_says_what_out_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, FOLDER, *SCRIPTS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ends = done.stdout.splitlines()
    assert len(ends) == len(SCRIPTS)
    for script, end in zip(SCRIPTS, ends, strict=True):
        assert end.startswith(f"{script} ")
        assert "--out trains with Twofold, which is not installed" in end


PALINDROMES = {
    "endless": ({}, None),
    "so many": ({"total_len": 50}, 50),
    "held out": ({"train": False}, 200),
    "all that are left": ({"replacement": False}, 800),
    "some of them": ({"replacement": False, "total_len": 30}, 30),
}


@pytest.mark.usefixtures("cs324")
@pytest.mark.parametrize(("settings", "length"), PALINDROMES.values(), ids=PALINDROMES)
def test_a_data_set_of_palindromes(settings: dict[str, Any], length: int | None) -> None:
    dataset = imported("dataset").PalindromeDataset(5, **settings)
    assert len(dataset) == (sys.maxsize if length is None else length)
    items = [(*dataset[index][0].astype(int), dataset[index][1]) for index in range(min(len(dataset), 800))]
    assert all(item == item[::-1] and set(item) <= set(range(10)) for item in items)
    if "replacement" in settings or "train" in settings:
        assert len(set(items)) == len(items)
    hidden = {tuple(half) for half in imported("dataset").PalindromeDataset(5, train=False)._halves}
    assert settings.get("train", True) == all(item[:3] not in hidden for item in items)
    assert dataset[3][0].tolist() == imported("dataset").PalindromeDataset(5, **settings)[3][0].tolist()


WRONG_PALINDROMES = {
    "`seq_length` must be at least 2": {"seq_length": 1},
    "`total_len` must be at least 1; got 0": {"seq_length": 5, "total_len": 0},
    "there are 200 different palindromes of 5 digits to give; got total_len=201": {
        "seq_length": 5, "total_len": 201, "train": False,
    },
    "there are 800 different palindromes of 5 digits to give; got total_len=801": {
        "seq_length": 5, "total_len": 801, "replacement": False,
    },
    "`total_len` must say how many of": {"seq_length": 20, "replacement": False},
}  # fmt: skip


@pytest.mark.usefixtures("cs324")
@pytest.mark.parametrize(("message", "settings"), WRONG_PALINDROMES.items())
def test_a_wrong_data_set_of_palindromes(message: str, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        imported("dataset").PalindromeDataset(**settings)


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
    commands, _ = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in commands.splitlines():
        script, *words = line.removeprefix("python ").split()
        module = imported(name := script.removesuffix(".py"))
        recipe = getattr(imported("with_twofold"), RECIPES[name])
        assert recipe(module.PARSER.parse_args(words)).training.batch_size in (32, 128)


def test_a_script_runs_by_itself(tmp_path: Path) -> None:
    words = ["--input_length", "4", "--max_steps", "2", "--eval_freq", "1", "--engine", "numpy", "--out", "run"]
    done = subprocess.run(
        [sys.executable, FOLDER / "train.py", *words], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert (tmp_path / "run" / "report.html").is_file()
