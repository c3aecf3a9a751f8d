"""Weights out of a run and in again; an .npz file is checked before memory is taken for what it claims."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import twofold
from twofold.arrays import Array
from twofold.recipe import load_recipe
from twofold.runs.npz import read_npz

pytestmark = pytest.mark.usefixtures("undrawn")

Runs = dict[str, twofold.Run]
SHAPES = {"W1": (20, 2), "b1": (20,), "W2": (2, 20), "b2": (2,)}
PYTORCH = {"W1": "0.weight", "b1": "0.bias", "W2": "2.weight", "b2": "2.bias"}


@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_there_and_back(command, moons_run: twofold.Run, in_tmp: Path, engine: str) -> None:
    assert command("weights", moons_run.path, "--npz", "w.npz", "--engine", engine).status == 0
    with np.load("w.npz", allow_pickle=False) as arrays:
        assert {name: arrays[name].shape for name in arrays.files} == SHAPES
        for short, name in PYTORCH.items():
            np.testing.assert_array_equal(arrays[short], moons_run.weights(engine)[name])
    done = command("weights", moons_run.path, "--from", "w.npz", "--out", "again")
    assert done.status == 0
    assert "report: again/report.html" in done.out
    assert "got its weights from the file w.npz, in NumPy and PyTorch. Nothing was trained." in Path(
        "again/report.html"
    ).read_text("utf-8")
    made = twofold.open_run("again")
    for other in ("numpy", "torch"):
        for name, array in moons_run.weights(engine).items():
            np.testing.assert_array_equal(made.weights(other)[name], array)
        for key in ("train_accuracy", "validation_accuracy", "test_accuracy"):
            assert made.engines[other][key] == moons_run.engines[engine][key]
    assert twofold.evaluate(made).agrees is True
    assert made.record.imported.file == "w.npz"
    np.testing.assert_array_equal(made.evidence["numpy.before"], moons_run.evidence["numpy.before"])


@pytest.mark.parametrize("name", ["flowers", "photos", "palindromes", "digits"])
def test_of_every_network(trained_runs: Runs, in_tmp: Path, name: str) -> None:
    run = trained_runs[name]
    engine = next(iter(run.engines))
    arrays = twofold.export_weights(run, "w.npz")
    assert set(arrays) == ({"W1", "b1", "W2", "b2"} if name in ("flowers", "digits") else set(run.weights(engine)))
    made = twofold.import_weights(run, "w.npz", out="made")
    assert made.engines[engine]["test_accuracy"] == run.engines[engine]["test_accuracy"]
    assert twofold.write_report(made).is_file()


def test_running_statistics_go_along(in_tmp: Path) -> None:
    layers = [{"kind": "dense", "units": 4}, {"kind": "batch_norm"}, {"kind": "relu"}, {"kind": "dense", "units": 2}]
    settings = {"layers": layers, "training.epochs": 1, "data.samples": 60}
    run = twofold.run("moons", overrides=settings, out="run", engines="numpy")
    assert {"1.running_mean", "1.running_var"} <= twofold.export_weights(run, "w.npz").keys()
    made = twofold.import_weights(run, "w.npz", out="made", engines=["torch"])
    assert made.engines["torch"]["test_loss"] == pytest.approx(run.engines["numpy"]["test_loss"], abs=1e-6)


def test_a_students_own_weights_in_float64_and_pytorchs_names(moons_run: twofold.Run, in_tmp: Path) -> None:
    weights = {name: array.astype(np.float64) for name, array in moons_run.weights("numpy").items()}
    np.savez_compressed("own.npz", allow_pickle=False, **weights)
    made = twofold.import_weights(moons_run, "own.npz", out="made", engines="numpy")
    assert made.engines["numpy"]["test_loss"] == moons_run.engines["numpy"]["test_loss"]
    assert made.weights("numpy")["0.weight"].dtype == np.float32


def test_in_the_order_of_columns(tmp_path: Path) -> None:
    array = np.arange(6.0).reshape(2, 3)
    np.savez(tmp_path / "w.npz", a=np.asfortranarray(array))
    np.testing.assert_array_equal(read_npz(tmp_path / "w.npz", {"a": (2, 3)}, "float64")["a"], array)


def test_the_weights_are_listed(command, moons_run: twofold.Run, in_tmp: Path) -> None:
    done = command("weights", moons_run.path)
    for text in ("weights of the numpy engine", "W1", "(20, 2)", "float32", "b2"):
        assert text in done.out
    found = json.loads(command("weights", moons_run.path, "--engine", "torch", "--json").out)
    assert found["engine"] == "torch"
    assert found["tensors"]["W2"] == {"shape": [2, 20], "dtype": "float32"}
    assert list(in_tmp.iterdir()) == []


def test_no_file_is_written_over(command, moons_run: twofold.Run, in_tmp: Path) -> None:
    Path("w.npz").write_text("mine")
    done = command("weights", moons_run.path, "--npz", "w.npz")
    assert (done.status, done.err) == (2, "error: w.npz exists; choose another name\n")
    assert Path("w.npz").read_text() == "mine"


def _whole() -> dict[str, Array]:
    return {name: np.zeros(shape, np.float32) for name, shape in SHAPES.items()}


def _saved(**changes: Array | None) -> Callable[[Path], None]:
    arrays = {name: array for name, array in (_whole() | changes).items() if array is not None}
    return lambda path: np.savez(path, allow_pickle=True, **arrays)


def _member(name: str, content: bytes, **options: int) -> Callable[[Path], None]:
    """A whole file but for one member."""

    def write(path: Path) -> None:
        _saved(**{name: None})(path)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr(f"{name}.npy", content, **options)

    return write


def _header(shape: str, dtype: str = "<f4") -> bytes:
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()


def _npy(array: Array) -> bytes:
    np.save(content := io.BytesIO(), array)
    return content.getvalue()


def _twice(path: Path) -> None:
    _saved()(path)
    with zipfile.ZipFile(path, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("b2.npy", _npy(np.zeros(2, np.float32)))


def _turned(path: Path) -> None:
    _saved(b2=np.full(2, 0.625, np.float32))(path)
    content = path.read_bytes()
    path.write_bytes(content.replace(np.full(2, 0.625, np.float32).tobytes(), bytes(8)))


FAULTY: dict[str, tuple[Callable[[Path], None], str]] = {
    "no zip file": (lambda path: path.write_text("W1"), "cannot read w.npz as .npz: it is damaged, or was not"),
    "an empty file": (lambda path: path.write_bytes(b""), "cannot read w.npz as .npz: it is damaged, or was not"),
    "a cut file": (lambda path: (_saved()(path), path.write_bytes(path.read_bytes()[:-30])), "cannot read w.npz as"),  # pyright: ignore[reportAssignmentType]
    "no file": (lambda path: None, "no file w.npz"),
    "a folder": (lambda path: path.mkdir(), "w.npz is no file"),
    "a tensor missing": (_saved(b2=None), "weights are of another network: `b2` is missing; its shape is (2,)"),
    "a tensor more": (
        _saved(W3=np.zeros(3)),
        "weights are of another network: the recipe's has no `W3`, which is (3,) in the file; did you mean `W",
    ),
    "another kind": (
        lambda path: np.savez(path, **{"0.weight_ih": np.zeros((8, 1)), "0.weight_hh": np.zeros((8, 8))}),
        "the recipe's has no `0.weight_ih`, which is (8, 1) in the file; did you mean `0.weight`, (20, 2)?",
    ),
    "no array among them": (
        _member("readme", b"hello, hello"),
        "has no `readme`; known: `W1` (20, 2), `b1` (20,), `W2` (2, 20), `b2` (2,)\n",
    ),
    "another width": (_saved(W1=np.zeros((30, 2))), "of another network: `W1` is (30, 2), the recipe's is (20, 2)"),
    "the transpose": (_saved(W1=np.zeros((2, 20))), "`W1` is (2, 20), the recipe's is (20, 2); W is (out, in)"),
    "another rank": (_saved(b1=np.zeros((20, 1))), "`b1` is (20, 1), the recipe's is (20,)"),
    "whole numbers": (_saved(b2=np.zeros(2, int)), "`b2` must hold numbers of float16, float32 or float64; got int64"),
    "complex numbers": (_saved(b2=np.zeros(2, complex)), "`b2` must hold numbers of float16, float32 or float64; got"),
    "texts": (_saved(b2=np.array(["a", "b"])), "`b2` must hold numbers of float16, float32 or float64; got <U1"),
    "objects": (_saved(b2=np.array([1, None])), "`b2` must hold numbers of float16, float32 or float64; got object"),
    "NaN": (_saved(W2=np.full((2, 20), np.nan)), "every element of `W2` must be finite; got nan at (0, 0)"),
    "infinity": (_saved(b2=np.array([0, -np.inf])), "every element of `b2` must be finite; got -inf at (1,)"),
    "too large": (_saved(b2=np.array([0, 1e300])), "every element of `b2` must be small enough for float32"),
    "without end as weights": (_saved(b1=np.full(20, 3e38), W2=np.full((2, 20), 3e38)), "the loss of the train set is"),
    "a name twice": (_twice, "`b2` stands 2 times"),
    "a turned bit": (_turned, "`b2` cannot be read: Bad CRC-32"),
    "a path": (_member("b2", b""), "`b2` cannot be read"),
    "a name that climbs": (lambda path: np.savez(path, **{"../b2": np.zeros(2)}), "the recipe's has no `../b2`"),
    "no array": (_member("b2", b"hello, hello"), "`b2` cannot be read"),
    "a version of its own": (_member("b2", b"\x93NUMPY\x09\x00" + bytes(100)), "`b2` cannot be read"),
    "code in the header": (_member("b2", _header("__import__('os').abort()")), "`b2` cannot be read"),
    "a type that is no Python": (_member("b2", _header("(2,)", "(,f4,f4")), "w.npz: `b2` cannot be read: its header"),
    "a shape beyond all memory": (_member("b2", _header("(999999999999,)")), "`b2` is (999999999999,), the recipe's"),
    "a negative shape": (_member("b2", _header("(-2,)")), "`b2` is (-2,), the recipe's is (2,)"),
    "too few numbers": (_member("b2", _header("(2,)") + bytes(4)), "`b2` is cut or too long: 4 bytes for (2,)"),
    "too many numbers": (_member("b2", _header("(2,)") + bytes(12)), "`b2` is cut or too long: 12 bytes for (2,)"),
    "a bomb": (
        _member("b2", _header("(2,)") + bytes(1 << 28), compress_type=zipfile.ZIP_DEFLATED), "`b2` is cut or too long"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("write", "message"), FAULTY.values(), ids=FAULTY)
def test_faulty_weights_are_refused_and_nothing_is_written(
    command, moons_run: twofold.Run, in_tmp: Path, write: Callable[[Path], None], message: str
) -> None:
    write(Path("w.npz"))
    before = sorted(in_tmp.rglob("*"))
    done = command("weights", moons_run.path, "--from", "w.npz", "--out", "made", "--engine", "numpy", "--json")
    assert done.status == 2
    assert message in done.err
    assert done.err.count("error: ") == 1
    assert done.out == ""
    assert sorted(in_tmp.rglob("*")) == before


def test_weights_of_another_kind_of_network_are_told_by_their_shapes(
    command, moons_run: twofold.Run, trained_runs: Runs, in_tmp: Path
) -> None:
    twofold.export_weights(moons_run, "w.npz")
    run = trained_runs["palindromes"]
    done = command("weights", run.path, "--from", "w.npz", "--out", "made")
    known = ", ".join(f"`{name}` {shape}" for name, shape in list(run.recipe.network.parameters.items())[:2])
    assert done.status == 2
    assert f"the recipe's has no `W1`, which is (20, 2) in the file; known: {known}" in done.err


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    FAULTY["a bomb"][0](tmp_path / "w.npz")
    tracemalloc.start()
    with pytest.raises(twofold.WeightsError, match="cut or too long"):
        read_npz(tmp_path / "w.npz", SHAPES, "float32")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


CALLS: dict[str, tuple[list[str], str]] = {
    "both": (["--npz", "a.npz", "--from", "b.npz"], "choose --npz or --from, not both"),
    "an --out without --from": (["--out", "a"], "--out names the folder of a new run: it wants --from FILE"),
}


@pytest.mark.parametrize(("words", "message"), CALLS.values(), ids=CALLS)
def test_a_wrong_call(command, moons_run: twofold.Run, in_tmp: Path, words: list[str], message: str) -> None:
    done = command("weights", moons_run.path, *words)
    assert (done.status, done.err) == (2, f"error: {message}\n")
    assert list(in_tmp.iterdir()) == []


def test_the_models_answer_alike_and_are_what_they_seem(moons_run: twofold.Run) -> None:
    import torch

    x = twofold.predict(moons_run, ["0.5,1.2", "-1,0.3"]).inputs
    module, model = twofold.load_model(moons_run, "torch"), twofold.load_model(moons_run.path, "numpy")
    assert isinstance(module, torch.nn.Module)
    assert not module.training
    with torch.no_grad():
        logits = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(model(x), logits, atol=1e-5)
    np.testing.assert_array_equal(model.predict(x), logits.argmax(axis=1))
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)
    np.testing.assert_array_equal(model.outputs(x)["2"], model(x))
    assert list(model.state_dict()) == list(module.state_dict()) == list(load_recipe("moons").network.parameters)
    assert repr(model) == (
        "NumpyModel(\n"
        "  (0): dense (N, 2) → (N, 20), weight (20, 2), bias (20,)\n"
        "  (1): relu (N, 20) → (N, 20)\n"
        "  (2): dense (N, 20) → (N, 2), weight (2, 20), bias (2,)\n"
        ")"
    )


def test_the_module_is_trained_on_saved_and_loaded(moons_run: twofold.Run, tmp_path: Path) -> None:
    import torch

    module = twofold.load_model(moons_run)
    torch.save(module.state_dict(), tmp_path / "w.pt")
    before = torch.cat([parameter.detach().flatten().clone() for parameter in module.parameters()])
    x, y = torch.from_numpy(moons_run.evidence["preview"]), torch.tensor([0, 1, 0, 1, 0])
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    torch.nn.functional.cross_entropy(module.train()(x), y).backward()
    optimizer.step()
    assert not torch.equal(before, torch.cat([parameter.flatten() for parameter in module.parameters()]))
    module.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True))
    assert torch.equal(before, torch.cat([parameter.flatten() for parameter in module.parameters()]))
    changed = moons_run.weights("torch")
    for name, tensor in module.state_dict().items():
        np.testing.assert_array_equal(changed[name], tensor.numpy())


def test_a_model_says_what_it_takes(moons_run: twofold.Run, trained_runs: Runs) -> None:
    model = twofold.load_model(moons_run, "numpy")
    for x in (np.zeros((3, 5)), np.zeros(2), np.array([["a", "b"]])):
        with pytest.raises(twofold.UserError, match=r"takes numbers of the shape \(N, 2\); got"):
            model(x)
    with pytest.raises(twofold.RunFolderError, match="no weights of `torch`, only of `numpy`"):
        twofold.load_model(trained_runs["digits"])
    with pytest.raises(twofold.UserError, match="an engine is `numpy` or `torch`; got `jax`"):
        twofold.load_model(moons_run, "jax")  # pyright: ignore[reportArgumentType, reportCallIssue]
