"""Runs and verifications from Python: the same result, faults in training, interruption."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twofold
from apart import Apart
from torture import short_form
from twofold.data import load_data
from twofold.engine.threads import few_threads
from twofold.recipe import load_recipe, loads, titles
from twofold.recipe.layer import LayerSpec
from twofold.recipe.recurrent import Recurrent
from twofold.recipe.windows import Conv2d
from watchers import InterruptsTorch

SHORT = {"training.epochs": 3, "data.samples": 100}


def test_both_engines_train_alike(moons_run: twofold.Run) -> None:
    ours, theirs = moons_run.weights("numpy"), moons_run.weights("torch")
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5, err_msg=name)
    numpy, torch = moons_run.engines["numpy"], moons_run.engines["torch"]
    assert numpy["test_accuracy"] == torch["test_accuracy"]
    assert numpy["steps"] == torch["steps"] == 6


DROPOUT = {
    "layers": [
        {"kind": "dense", "units": 16}, {"kind": "tanh"}, {"kind": "dropout", "p": 0.3}, {"kind": "dense", "units": 2},
    ]
}  # fmt: skip


@pytest.mark.parametrize("settings", [{}, DROPOUT, {"training.dtype": "float64"}, {"loss.kind": "mean_squared"}])
def test_the_same_recipe_gives_the_same_bytes(tmp_path: Path, settings: dict[str, Any]) -> None:
    first, second = (twofold.run("moons", overrides=SHORT | settings, out=tmp_path / name) for name in "ab")
    for engine in ("numpy", "torch"):
        for name, array in first.weights(engine).items():
            np.testing.assert_array_equal(array, second.weights(engine)[name], err_msg=name)
    assert first.history.drop(columns="seconds").equals(second.history.drop(columns="seconds"))


def test_a_seed_changes_the_weights_and_not_the_data(tmp_path: Path) -> None:
    first, second = (
        twofold.run("moons", overrides=SHORT | {"training.seed": seed}, engines=["numpy"], out=tmp_path / str(seed))
        for seed in (0, 1)
    )
    assert first.record.data == second.record.data
    assert not np.array_equal(first.weights("numpy")["0.weight"], second.weights("numpy")["0.weight"])


def test_an_engine_alone_trains_as_beside_the_other(tmp_path: Path, moons_run: twofold.Run) -> None:
    alone = twofold.run(moons_run.recipe, engines=["torch"], out=tmp_path / "alone")
    assert list(alone.engines) == ["torch"]
    for name, array in alone.weights("torch").items():
        np.testing.assert_array_equal(array, moons_run.weights("torch")[name], err_msg=name)


@pytest.mark.parametrize(("lr", "loss", "where"), [
    (1e20, "inf", "the loss itself; every layer's output is finite"), (1e30, "nan", "the output of layer 2 (dense)"),
])  # fmt: skip
@pytest.mark.parametrize("engine", ["numpy", "torch"])
def test_a_loss_that_is_not_finite_ends_training_at_its_step(
    tmp_path: Path, engine: str, lr: float, loss: str, where: str
) -> None:
    with pytest.raises(twofold.TrainingDivergedError) as error:
        twofold.run("moons", overrides=SHORT | {"optimizer.lr": lr}, engines=[engine], out=tmp_path / "run")
    message = str(error.value)
    assert (error.value.engine, error.value.step) == (engine, 2)
    assert message.startswith(
        f"{engine} engine: the loss became {loss} at step 2 (epoch 1), with learning rate {lr:g}.\n"
    )
    assert f"First non-finite value: {where}.\n" in message
    assert "Largest gradient before it: 2.weight, with an element of size 0." in message
    assert "Try --set optimizer.lr=0.01: with it the loss fell over the first 50 steps." in message
    run = twofold.open_run(tmp_path / "run")
    assert run.status == "failed"
    assert run.record.failure.step == 2
    assert run.history["step"].tolist() == [0]
    assert not run.engines


def test_the_suggested_rate_is_one_that_learns(tmp_path: Path) -> None:
    with pytest.raises(twofold.TrainingDivergedError, match=r"optimizer\.lr=0\.01") as error:
        twofold.run("moons", overrides=SHORT | {"optimizer.lr": 1e20}, engines=["numpy"], out=tmp_path / "a")
    assert "0.01" in str(error.value)
    run = twofold.run("moons", overrides=SHORT | {"optimizer.lr": 0.01}, engines=["numpy"], out=tmp_path / "b")
    assert run.history["train_loss"].iloc[-1] < run.history["train_loss"].iloc[0]


def test_an_overflow_in_the_last_step_is_no_success(tmp_path: Path) -> None:
    settings = SHORT | {"optimizer.lr": 1e30, "training.steps": 1}
    with pytest.raises(twofold.TrainingDivergedError) as error:
        twofold.run("moons", overrides=settings, engines=["numpy"], out=tmp_path / "run")
    message = str(error.value)
    assert message.startswith("numpy engine: the loss of the train set was nan after step 1 (epoch 1)")
    assert "First non-finite value: the output of layer 2 (dense).\n  Largest gradient before it: 2.weight" in message


def test_a_test_set_that_overflows_is_no_success(tmp_path: Path) -> None:
    """Every value is finite, every loss of training too: only an evaluation can find it, here before training."""
    rows = "".join(f"{i % 5},{i % 2},{'ab'[i % 2]}\n" for i in range(40))
    spec = 'layers=[{kind="dense",units=2}]\n[data]\nsource="csv"\npath="PATH"\nlabel="c"\nstandardize="none"\n'
    (tmp_path / "f.csv").write_text("u,v,c\n" + rows)
    recipe = loads(spec.replace("PATH", str(tmp_path / "f.csv")))
    test = load_data(recipe.data).test.x[0]
    lines = rows.replace(f"{test[0]:.0f},{test[1]:.0f},", "1e19,-1e19,")
    (tmp_path / "f.csv").write_text("u,v,c\n" + lines)
    settings = {"initial.kind": "normal", "initial.std": 1e20}
    message = r"the loss of the \w+ set was (nan|inf) after step \d"
    with pytest.raises(twofold.TrainingDivergedError, match=message) as error:
        twofold.run(recipe, overrides=settings, engines="numpy", out=tmp_path / "run")
    assert "look at the scale of the data" in str(error.value)
    assert twofold.open_run(tmp_path / "run").status == "failed"


RELUS = 'layers=[{kind="dense",units=2},{kind="relu"},{kind="dense",units=20},{kind="relu"},{kind="dense",units=2}]\n'


@pytest.mark.parametrize("initial", ["he", "glorot", "orthogonal", "zeros", "default", "normal"])
def test_biases_of_zero_are_no_wrong_gradients(initial: str) -> None:
    """Dead units leave the next layer's at exactly 0, on the kink, where a difference measures half a slope."""
    recipe = loads(f'{RELUS}[data]\nsource="moons"\n[initial]\nkind="{initial}"\n')
    for seed in range(6):
        assert twofold.verify(recipe, steps=1, overrides={"training.seed": seed}).passed


def test_an_interrupted_run_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as interrupt:
        twofold.run(
            "moons", overrides=SHORT | {"training.evaluate_every": 1}, out=tmp_path / "run", watcher=InterruptsTorch(2)
        )
    folder = tmp_path / "run"
    said = [f"what was recorded until then is in {folder}", f"`twofold resume {folder}` goes on with it"]
    assert interrupt.value.__notes__ == said
    run = twofold.open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert list(run.engines) == ["numpy"]
    assert run.weights("numpy")
    assert run.history["engine"].value_counts().to_dict() == {"numpy": 4, "torch": 2}
    with pytest.raises(twofold.RunFolderError, match=r"holds no torch\.safetensors: the run is interrupted"):
        run.weights("torch")


def test_nothing_is_written_where_the_recipe_is_wrong(in_tmp: Path) -> None:
    for settings in ({"optimizer.lr": -1}, {"layers.2.units": 3}, {"data.samples": 3}):
        with pytest.raises(twofold.UserError):
            twofold.run("moons", overrides=settings)
    with pytest.raises(twofold.RecipeError, match='`engines\\[0\\]` must be "numpy" or "torch"'):
        twofold.run("moons", engines=["jax"])
    assert not list(in_tmp.iterdir())


def test_cuda_is_refused_where_there_is_none(in_tmp: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(twofold.UserError, match="PyTorch finds no CUDA device"):
        twofold.run("moons", overrides={"training.device": "cuda"})
    assert not list(in_tmp.iterdir())


SMALL = [name for name in titles() if (load_recipe(name).network.count or 0) < 500_000]
PAIRS = [(name, mode) for name in titles() for mode in (("resync", "free") if name in SMALL else ("resync",))]
ALIKE = {
    "cifar10-cnn5-sgd", "cifar10-mlp", "cifar10-mlp-100-50", "cifar10-mlp-deep", "cifar10-mlp-dropout-step",
    "cifar10-vgg-bn", "cifar10-vgg-short",
}  # fmt: skip
"""Large recipes of the same kinds of layers, loss and optimizer as others."""
COMPARED_FREELY = {"moons", "moons-adam", "digits", "mnist-lenet", "palindrome", "palindrome-lstm", "text-lstm"}
"""Recipes of which a run without resynchronisation is compared, too."""
SHORT_PAIRS = [
    (name, mode) for name, mode in PAIRS if name not in ALIKE and (mode == "resync" or name in COMPARED_FREELY)
]


VERIFIED = """
import json, sys, twofold
name, steps, mode, settings = sys.argv[1:]
verification = twofold.verify(name, steps=int(steps), mode=mode, overrides=json.loads(settings))
largest = max(verification.verdict.largest.values())
print(json.dumps([verification.agrees, largest, len(verification.projections)]))
"""


def slim(layers: Sequence[LayerSpec]) -> list[dict[str, Any]]:
    """The same layers with an eighth of the channels and units; filters that whiten, and the outputs, are as many."""
    tables = [layer.model_dump(mode="json", exclude_none=True) for layer in layers]
    for table in tables[:-1]:
        for size in ("channels", "units"):
            if size in table and table.get("initial") != "whitening":
                table[size] //= 8
    return tables


@pytest.mark.parametrize(("name", "mode"), short_form(PAIRS, SHORT_PAIRS))
def test_every_built_in_recipe_agrees(name: str, mode: str, apart: Apart) -> None:
    """Short, the large ones narrow; `make torture` takes 50 or 200 steps of each, at the sizes that it states."""
    recipe = load_recipe(name)
    small, convolves = name in SMALL, any(isinstance(layer, Conv2d) for layer in recipe.layers)
    recurs = any(isinstance(layer, Recurrent) for layer in recipe.layers)
    # A batch norm makes -1 and 1 of any two numbers, and a free run then parts within a few steps.
    batch = (4 if mode == "free" else 2) if convolves else 8
    few: dict[str, Any] = {"training.batch_size": batch} if convolves or recurs or not small else {}
    few |= {} if small else {"layers": slim(recipe.layers)}
    done = apart.python(VERIFIED, name, 5 if small else 2, mode, json.dumps(few))
    assert done.status == 0, done.err
    agrees, largest, projections = json.loads(done.out)
    assert agrees
    assert 0 < largest <= 1e-9
    assert projections == len(recipe.network.parameters)


def test_verification_without_data_takes_random_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWOFOLD_DATA", raising=False)
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    found = twofold.verify("mnist-mlp", steps=3)
    assert found.agrees
    assert found.data == "random"
    assert twofold.verify("moons", steps=3).data == "real"


@pytest.mark.torture
def test_a_kink_between_two_points_accuses_no_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apart: Apart
) -> None:
    """One unit in a million turns within a central difference, which then measures two slopes.

    Its short form, one unit placed there, is in `test_gradcheck.py`.
    """
    monkeypatch.delenv("TWOFOLD_DATA", raising=False)
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    done = apart("verify", "mnist-lenet-best", "--steps", 1, "--json")
    assert json.loads(done.out)["central_differences"]["wrong"] == []
    assert done.status == 0


def test_a_verification_as_plain_values() -> None:
    values = twofold.verify("moons", steps=2).to_json()
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert {"agrees", "steps", "tolerance", "largest", "first_divergence"} <= set(values)
    assert set(values["largest"]) == {"forward", "loss", "gradient", "state"}
    assert values["first_divergence"] is None


def test_a_tolerance_below_rounding_is_not_met() -> None:
    found = twofold.verify("moons", steps=20, tolerance=1e-18)
    assert not found.agrees
    assert found.to_json()["first_divergence"]["stage"] in {"forward", "loss", "gradient", "state"}
    assert "part at step" in found._repr_html_()


@pytest.mark.parametrize(("arguments", "message"), [
    ({"steps": 0}, "`steps` must be a whole number of at least 1; got 0"),
    ({"steps": 1.5}, "`steps` must be a whole number of at least 1; got 1.5"),
    ({"mode": "both"}, "`mode` must be `resync` or `free`; got `both`"),
    ({"dtype": "float16"}, "`dtype` must be `float64` or `float32`; got `float16`"),
    ({"tolerance": -1.0}, "`tolerance` must be greater than 0; got -1.0"),
])  # fmt: skip
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(twofold.UserError) as error:
        twofold.verify("moons", **arguments)
    assert str(error.value) == message


REACHED = {"moons": 0.995, "circles": 0.82, "classification": 0.94, "blobs": 0.99, "digits": 0.96}


TRAIN_WHOLE = """
import sys, twofold
folder, name = sys.argv[1:]
epochs = twofold.load_recipe(name).training.epochs
run = twofold.run(name, engines="numpy", out=folder, overrides={"training.evaluate_every": epochs})
print(run.engines["numpy"]["test_accuracy"])
"""


@pytest.mark.parametrize("name", short_form(REACHED, {"moons", "digits"}))
def test_a_recipe_reaches_what_was_reported(name: str, apart: Apart, tmp_path: Path) -> None:
    """A whole training in the NumPy engine; that the torch engine gives the same is the business of the lock-step.

    In a process of its own: here every call of a layer has its shapes checked, ten times as slow.
    """
    done = apart.python(TRAIN_WHOLE, tmp_path / "run", name)
    assert done.status == 0, done.err
    assert float(done.out) >= REACHED[name]


@pytest.mark.parametrize(
    ("name", "samples", "limits"),
    [
        ("moons", 800, {"blas": 1, "openmp": 1}),
        ("moons-adam", 800, {"blas": 1, "openmp": 1}),
        ("mnist-mlp", 50_000, {"blas": 1}),
    ],
)
def test_small_products_get_one_thread(name: str, samples: int, limits: dict[str, int]) -> None:
    from threadpoolctl import threadpool_info

    def threads() -> dict[str, int]:
        return {pool["user_api"]: pool["num_threads"] for pool in threadpool_info()}

    before = threads()
    with few_threads(load_recipe(name), samples):
        assert limits.items() <= threads().items()
    assert threads() == before


def test_large_products_keep_their_threads() -> None:
    assert isinstance(few_threads(load_recipe("mnist-mlp-best"), 50_000), nullcontext)
