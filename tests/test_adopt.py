"""`twofold adopt` as a user has it: what it returns, what it writes, that every other command takes it."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from typer.testing import CliRunner

import twofold
from twofold.cli.main import app
from twofold.engine import Batch
from twofold.errors import AdoptError, DataError, UserError, WeightsError
from twofold.exchange import files, inside, script
from twofold.exchange.adopted import Wanted
from twofold.exchange.onnx.writing import onnx_model
from twofold.exchange.script import ANSWERS, ORDER, PROOF, RECIPE, REFUSAL, Order
from twofold.exchange.torch.adopting import adopt_module
from twofold.recipe import dump
from twofold.setup.building import build_engine, initial_state

SCRIPT = """
import torch
from torch import nn

print("whatever a script says")
model = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 2))
sample = torch.randn(8, 2)


def build():
    return nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))

"""


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(2, 20), nn.ReLU(), nn.Linear(20, 2))


def model_in(form: str, network: nn.Sequential, folder: Path) -> Any:
    """The network as a module, an ONNX file, a Keras file, or the object of a script that is never run."""
    if form == "onnx":
        weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
        path = folder / "mine.onnx"
        path.write_bytes(onnx_model(twofold.load_recipe("moons"), weights).SerializeToString())
        return path
    if form == "keras":
        os.environ.setdefault("KERAS_BACKEND", "torch")
        keras = pytest.importorskip("keras")
        path = folder / "mine.keras"
        with warnings.catch_warnings(action="ignore"):
            keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)]).save(path)
        return path
    if form == "script":
        (folder / "mine.py").write_text(SCRIPT)
        return f"{folder / 'mine.py'}:model"
    return network


def told(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_what_is_adopted_is_the_module(network: nn.Sequential) -> None:
    adopted = twofold.adopt(network, sample=torch.randn(8, 2))
    assert [type(layer).__name__ for layer in adopted.recipe.layers] == ["Dense", "Relu", "Dense"]
    assert all((adopted.weights[name] == tensor.numpy()).all() for name, tensor in network.state_dict().items())
    assert adopted.origins == ("0 (Linear)", "1 (ReLU)", "2 (Linear)")
    assert adopted.recipe.training.dtype == "float32"
    assert adopted.to_json()["proof"]["passed"]
    assert "the same as the original" in adopted._repr_html_()
    assert twofold.adopt(network.double(), shape=(2,)).recipe.training.dtype == "float64"


def test_the_module_is_left_as_it_was(network: nn.Sequential) -> None:
    module = nn.Sequential(nn.BatchNorm1d(2), network).eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    twofold.adopt(module, sample=np.ones((3, 2)))
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert not module.training
    assert next(module.parameters()).dtype == torch.float32


def test_samples_that_are_none_are_refused(network: nn.Sequential) -> None:
    with pytest.raises(AdoptError, match="`sample` is missing"):
        twofold.adopt(network)
    with pytest.raises(AdoptError, match=r"`sample` must be a batch, \(N, ...\)"):
        twofold.adopt(network, sample=torch.randn(2))
    with pytest.raises(AdoptError, match="`sample` holds NaN or infinity"):
        twofold.adopt(network, sample=torch.full((2, 2), float("nan")))
    with pytest.raises(AdoptError, match="its forward pass cannot be traced"):
        twofold.adopt(network, sample=torch.randn(2, 3))
    poisoned = nn.Sequential(nn.Linear(2, 2))
    with torch.no_grad():
        poisoned[0].bias[0] = float("inf")  # pyright: ignore
    with pytest.raises(AdoptError, match=r"`0` \(Linear\): its bias holds NaN or infinity"):
        twofold.adopt(poisoned, sample=torch.randn(2, 2))


NO_SAMPLES: dict[str, tuple[object, str]] = {
    "empty": (np.zeros((0, 2)), r"must be a batch, \(N, ...\) with N of at least 1; got \(0, 2\)"),
    "one sample": (np.ones(2), r"must be a batch, \(N, ...\)"),
    "NaN": (np.full((2, 2), np.nan), "holds NaN or infinity"),
    "beyond float64": (np.full((2, 2), np.finfo(np.longdouble).max), "holds NaN or infinity"),
    "texts": ([["a", "b"]], "must hold numbers"),
    "a ragged list": ([[1, 2], [3]], "must be a batch of numbers"),
    "complex": (np.ones((2, 2), complex), "must hold numbers"),
    "codes beyond 63 bits": (np.full((2, 2), 2**64 - 1), "must hold numbers; got uint64"),
}


@pytest.mark.parametrize("name", NO_SAMPLES)
@pytest.mark.parametrize("form", ["module", "onnx", "keras"])
def test_a_sample_that_is_none_is_refused_by_every_door(
    name: str, form: str, network: nn.Sequential, tmp_path: Path
) -> None:
    sample, said = NO_SAMPLES[name]
    with pytest.raises(AdoptError, match=f"`sample` {said}"):
        twofold.adopt(model_in(form, network, tmp_path), sample=sample)


SAMPLES: dict[str, Any] = {
    "backwards": np.ones((2, 2))[:, ::-1],
    "big-endian": np.ones((2, 2), ">f4"),
    "longdouble": np.ones((2, 2), np.longdouble),
    "read-only": np.broadcast_to(np.ones(2), (2, 2)),
    "with gradients": torch.ones(2, 2, requires_grad=True),
    "bfloat16": torch.ones(2, 2, dtype=torch.bfloat16),
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("form", ["module", "onnx", "keras"])
def test_numbers_are_taken_however_they_lie(name: str, form: str, network: nn.Sequential, tmp_path: Path) -> None:
    with warnings.catch_warnings(action="error" if form == "module" else "ignore"):
        assert twofold.adopt(model_in(form, network, tmp_path), sample=SAMPLES[name]).proof.passed


@pytest.mark.parametrize("shape", [(-4,), 4, "4", (4.0,), (True,), (), (10**12,)])
@pytest.mark.parametrize("form", ["module", "onnx", "keras", "script"])
def test_a_wrong_shape_is_refused(shape: Any, form: str, network: nn.Sequential, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="`shape` must hold"):
        twofold.adopt(model_in(form, network, tmp_path), shape=shape)


def test_a_shape_of_numpys_numbers_is_one(network: nn.Sequential, tmp_path: Path) -> None:
    adopted = twofold.adopt(model_in("script", network, tmp_path).replace("model", "build"), shape=(np.int64(2),))
    assert adopted.recipe.network.input_shape == (2,)


def test_of_a_save_that_is_interrupted_nothing_stays(
    network: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adopted = twofold.adopt(network, shape=(2,))
    with monkeypatch.context() as patched:
        patched.setattr(files, "write_new", interrupted_at_the_recipe(files.write_new))
        with pytest.raises(KeyboardInterrupt):
            adopted.save(tmp_path / "mine.toml")
    assert not list(tmp_path.iterdir())
    adopted.save(tmp_path / "mine.toml")


def interrupted_at_the_recipe(write: Callable[..., Path]) -> Callable[..., Path]:
    def write_new(path: Path, content: str | bytes) -> Path:
        if path.suffix == ".toml":
            raise KeyboardInterrupt
        return write(path, content)

    return write_new


def test_a_sample_for_a_script_is_refused(network: nn.Sequential, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`sample` is not handed to another process; define `sample` in .*mine.py"):
        twofold.adopt(model_in("script", network, tmp_path), sample=np.ones((2, 2)))


@pytest.mark.parametrize("name", ["A b/c", 3, ".hidden", "a" * 101])
def test_a_name_that_no_folder_can_have_is_refused(name: Any, network: nn.Sequential) -> None:
    with pytest.raises(UserError, match="`name` must be fit for a folder"):
        twofold.adopt(network, shape=(2,), name=name)


def test_a_long_name_of_the_model_is_shortened(network: nn.Sequential) -> None:
    kind = type("Long" * 40, (nn.Module,), {"__init__": nn.Module.__init__, "forward": lambda self, x: self.inner(x)})
    module = kind()
    module.inner = network
    assert twofold.adopt(module, shape=(2,)).recipe.name == "long" * 25


def test_the_recipe_that_is_written_begins_with_the_weights(network: nn.Sequential, tmp_path: Path) -> None:
    adopted = twofold.adopt(network, sample=torch.randn(8, 2), data="moons", name="mine")
    recipe, weights = adopted.save(tmp_path / "mine.toml")
    loaded = twofold.load_recipe(recipe)
    assert loaded.data == twofold.load_recipe("moons").data
    state = initial_state(loaded.model)
    assert all((state.parameters[name] == array).all() for name, array in adopted.weights.items())
    run = twofold.run(recipe, overrides={"training.epochs": 1}, out=tmp_path / "run")
    assert run.status == "finished"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(WeightsError, match="is not the file that the recipe names: its checksum is another"):
        initial_state(loaded.model)
    again = adopted.save(tmp_path / "again.toml", tmp_path / "again.safetensors")[0]
    narrow = twofold.load_recipe(again, {"layers.0.units": 5})
    with pytest.raises(WeightsError, match=r"`0.bias` is \(20,\), the recipe's is \(5,\)"):
        initial_state(narrow.model)
    with pytest.raises(UserError, match=r"mine.toml exists; choose another name"):
        adopted.save(tmp_path / "mine.toml")
    with pytest.raises(UserError, match=r"new.txt must end in .toml; name it new.toml"):
        adopted.save(tmp_path / "new.txt")
    with pytest.raises(UserError, match=r"no folder .*none for new.toml; make it first"):
        adopted.save(tmp_path / "none" / "new.toml", tmp_path / "new.safetensors")
    assert not (tmp_path / "new.safetensors").exists()  # all or nothing


def test_without_data_it_is_verified_on_random_samples_and_not_trained(network: nn.Sequential, tmp_path: Path) -> None:
    recipe, _ = twofold.adopt(network, sample=torch.randn(8, 2), name="mine").save(tmp_path / "mine.toml")
    assert told("verify", recipe, "--steps", 3)[0] == 0
    assert "random inputs" in told("walk", recipe)[1]
    assert told("show", recipe)[0] == 0
    with pytest.raises(DataError, match="this recipe names no data: its samples, 2 numbers each of 2 classes"):
        twofold.run(recipe, out=tmp_path / "run")


def test_its_first_step_is_pytorchs(network: nn.Sequential, tmp_path: Path) -> None:
    recipe, _ = twofold.adopt(network.double(), sample=torch.randn(8, 2), data="moons").save(tmp_path / "mine.toml")
    loaded = twofold.load_recipe(recipe)
    engine = build_engine("numpy", loaded)
    engine.load(initial_state(loaded.model))
    x, target = torch.randn(8, 2, dtype=torch.float64), torch.randint(2, (8,))
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    loss = nn.functional.cross_entropy(network(x), target)
    loss.backward()
    optimizer.step()
    step = engine.step(Batch(x.numpy(), target.numpy(), 0.01, {}, 0))
    assert step.loss == pytest.approx(loss.item(), rel=1e-12)
    for name, parameter in network.named_parameters():
        np.testing.assert_allclose(step.state.parameters[name], parameter.detach().numpy(), rtol=1e-12)


def test_an_object_of_a_python_file_is_adopted_in_a_process_of_its_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(SCRIPT)
    status, output = told("adopt", f"{mine}:model", "--data", "moons", "--out", tmp_path / "a.toml", "--json")
    facts = json.loads(output)
    assert status == 0
    assert facts["proof"]["steps"] == 20
    assert facts["proof"]["largest"]["gradient"] <= 1e-9
    assert [layer["kind"] for layer in facts["layers"]] == ["dense", "relu", "dense"]
    assert twofold.load_recipe(tmp_path / "a.toml").initial.kind == "file"
    with pytest.raises(UserError, match="name the object of the file"):
        twofold.adopt(mine)


Refuse = Callable[..., AdoptError | None]


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Adopts an object of `mine.py` as the other process does, but in this one, where PyTorch is imported already.

    Returns the refusal that it writes, or `None` where it writes a recipe.
    """

    def adopt(attribute: str, shape: tuple[int, ...] | None = (2,), data: str | None = None) -> AdoptError | None:
        recipe = dump(twofold.load_recipe(data)) if data else None
        order = Order(str(tmp_path / "mine.py"), attribute, shape, "mine", None, recipe, str(tmp_path))
        (tmp_path / ORDER).write_text(json.dumps(order._asdict()))
        monkeypatch.setattr("sys.argv", ["inside", str(tmp_path / ORDER)])
        monkeypatch.setattr("sys.path", sys.path.copy())
        monkeypatch.setattr("sys.stdout", sys.stdout)
        monkeypatch.setattr(inside, "_limit", lambda: None)
        inside.main()
        written = tmp_path / REFUSAL
        return AdoptError(**json.loads(written.read_text())) if written.is_file() else None

    return adopt


def test_a_function_that_builds_one_is_called_by_the_other_process(refusal: Refuse, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT.replace("sample =", "unused ="))
    assert refusal("build") is None
    assert twofold.load_recipe(tmp_path / RECIPE).network.parameters["0.weight"] == (3, 2)


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such name": ("net", {}, r"the file has no `net`\. Modules in it: `model`, `five`"),
    "another number of answers": (
        "five",
        {"data": "moons"},
        "(?s)must give 2 numbers, .* it gives 5.*Set the last dense layer",
    ),
    "no shape": ("five", {"shape": None}, "as --shape 1,28,28, or define `sample`, a batch, in the file"),
}


@pytest.mark.parametrize(("attribute", "options", "why"), REFUSED.values(), ids=REFUSED)
def test_an_object_that_does_not_fit_is_refused_by_the_other_process(
    attribute: str, options: dict[str, Any], why: str, refusal: Refuse, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT.replace("sample =", "five = nn.Linear(2, 5)\nunused ="))
    assert re.search(why, str(refusal(attribute, **options)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("import sys\nsys.exit(0)", "ended its process before its module was adopted. Let it only build the model"),
        ("import os\nos._exit(0)", "ended its process before its module was adopted"),
        ("import os\nos._exit(7)", "ended with status 7; it said: nothing"),
        ("def broken(:", "SyntaxError"),
        ("model = 3", "`model` is no torch.nn.Module; its type is int"),
    ],
)
def test_a_python_file_that_fails_says_how(text: str, said: str, tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(text)
    with pytest.raises(AdoptError) as refusal:
        twofold.adopt(f"{mine}:model", shape=(2,))
    assert said in str(refusal.value)


FORGED: dict[str, tuple[Callable[[Path], object], str]] = {
    "no JSON": (lambda out: (out / PROOF).write_text("{"), "proof.json that came back cannot be read: not valid JSON"),
    "nested JSON": (lambda out: (out / PROOF).write_text("[" * 10**5), "proof.json that came back cannot be read"),
    "a text for a number": (
        lambda out: change(out / PROOF, steps="many"),
        "proof.json that came back is not what was asked for",
    ),
    "an endless number": (
        lambda out: change(out / PROOF, comparisons=float("inf")),
        "proof.json that came back is not what was asked for",
    ),
    "a number for a table": (lambda out: change(out / PROOF, largest=3), "proof.json that came back is not what"),
    "a number for names": (lambda out: change(out / PROOF, origins=3), "proof.json that came back is not what"),
    "a name too few": (lambda out: change(out / PROOF, origins=["0"]), "of another number of layers"),
    "a refusal of numbers": (
        lambda out: (out / REFUSAL).write_text('{"reason": 1, "layer": [], "operator": {}, "nearest": 2}'),
        "`[]` ({}): 1. 2",
    ),
    "a pipe for a recipe": (
        lambda out: ((out / RECIPE).unlink(), os.mkfifo(out / RECIPE)),
        "recipe.toml that came back cannot be read",
    ),
    "a recipe without end": (
        lambda out: (out / RECIPE).write_bytes(b"#" * (2 << 20)),
        "recipe.toml that came back cannot be read",
    ),
    "a recipe of other bytes": (
        lambda out: (out / RECIPE).write_bytes(b"\xff"),
        "recipe.toml that came back cannot be read",
    ),
    "no weights": (
        lambda out: save_file({"x": np.ones((1, 2))}, out / ANSWERS),
        "these weights are of another network",
    ),
    "no answers": (
        lambda out: save_file({k: v for k, v in load_file(out / ANSWERS).items() if k != "y"}, out / ANSWERS),
        "answers.safetensors that came back is of another network",
    ),
    "other samples": (
        lambda out: save_file(load_file(out / ANSWERS) | {"x": np.ones((1, 3))}, out / ANSWERS),
        "answers.safetensors that came back is of another network",
    ),
}


def change(path: Path, **facts: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))


@pytest.mark.parametrize("name", FORGED)
def test_what_comes_back_is_read_as_untrusted(
    name: str, network: nn.Sequential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge, said = FORGED[name]

    def answered(order: Order, file: Path) -> None:
        out = Path(order.out)
        adopted = adopt_module(network, np.ones((8, 2)), Wanted())
        weights = {name: tensor.detach().double().numpy() for name, tensor in network.state_dict().items()}
        y = network.double()(torch.ones(1, 2, dtype=torch.float64)).detach().numpy()
        inside._write(adopted, weights, np.ones((1, 2)), y, out)
        forge(out)

    monkeypatch.setattr(script, "_run", answered)
    with pytest.raises(UserError) as refusal:
        twofold.adopt(model_in("script", network, tmp_path), shape=(2,))
    assert said in str(refusal.value)


def test_a_file_of_an_older_keras_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AdoptError, match=r"mine.h5 is of an older form of Keras. Write it anew"):
        twofold.adopt(tmp_path / "mine.h5")


def test_the_command_shows_layers_proof_and_files(network: nn.Sequential, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    parameters = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    file.write_bytes(onnx_model(twofold.load_recipe("moons"), parameters).SerializeToString())
    status, output = told("adopt", file, "--out", tmp_path / "b.toml", "--weights", tmp_path / "w.safetensors")
    assert status == 0
    assert "0 dense" in output
    assert "(Gemm (version 13))" in output
    assert "proved the same in" in output
    assert (tmp_path / "w.safetensors").is_file()
    with pytest.raises(UserError, match=r"--weights names the file beside the recipe"):
        told("adopt", file, "--weights", tmp_path / "v.safetensors")
    with pytest.raises(UserError, match=r"--shape must be whole numbers of at least 1, as 3,32,32; got `a`"):
        told("adopt", file, "--shape", "a")
