"""Keras files: adopted with proof, or refused by the name of the layer; nothing in them is run."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
if not all(map(find_spec, ("keras", "h5py"))):
    pytest.skip("pip install 'twofold[keras]'", allow_module_level=True)

import twofold
from twofold.errors import AdoptError, UserError
from twofold.exchange.adopted import Wanted
from twofold.exchange.keras.adopting import adopt_keras
from twofold.exchange.keras.call import Call
from twofold.exchange.keras.converters import CONVERTERS
from twofold.recipe.network import kind_of


class Late:
    """A module that is imported where a test first uses it, not by every process that collects the tests.

    pytest looks for marks of its own in whatever a test file holds; their names begin with an underscore.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(import_module(self._name), name)


keras, L, h5py = Late("keras"), Late("keras.layers"), Late("h5py")
Layers = list[Any]


def sequential(*layers: Any) -> Any:
    keras.utils.set_random_seed(1)
    model, rng = keras.Sequential(list(layers)), np.random.default_rng(7)
    for layer in model.layers:  # numbers that hide nothing: no zeros for biases, no ones for scales
        drawn = [rng.normal(size=tuple(variable.shape)) for variable in layer.weights]
        layer.set_weights([0.2 + np.abs(array) if array.ndim == 1 else 0.4 * array for array in drawn])
    return model


pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
MODELS: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "conv same": (
        lambda: sequential(
            L.Input((9, 8, 3)),
            L.Conv2D(4, 3, padding="same", activation="relu"),
            L.MaxPooling2D(2),
            L.BatchNormalization(),
            L.Flatten(),
            L.Dropout(0.2),
            L.Dense(5, activation="softmax"),
        ),
        ["conv2d", "relu", "max_pool2d", "batch_norm", "flatten", "dropout", "dense"],
    ),
    "channels first": (
        lambda: sequential(
            L.Input((3, 9, 8)),
            L.Conv2D(4, (3, 5), strides=2, data_format="channels_first"),
            L.Flatten(data_format="channels_first"),
            L.Dense(3),
        ),
        ["conv2d", "flatten", "dense"],
    ),
    "pools": (
        lambda: sequential(
            L.Input((11, 9, 2)),
            L.Conv2D(4, 3, groups=2, dilation_rate=2),
            L.AveragePooling2D(3, strides=1, padding="same"),
            L.LeakyReLU(negative_slope=0.1),
            L.PReLU(shared_axes=[1, 2]),
            L.GlobalAveragePooling2D(),
            L.Dense(2),
        ),
        ["conv2d", "avg_pool2d", "leaky_relu", "prelu", "global_avg_pool2d", "dense"],
    ),
    "mlp": (
        lambda: sequential(
            L.Input((6,)),
            L.Dense(8, activation="gelu"),
            L.LayerNormalization(),
            L.Dense(7, activation="silu"),
            L.ELU(alpha=0.7),
            L.BatchNormalization(momentum=0.9, epsilon=1e-2),
            L.Dense(4, use_bias=False),
            L.Softmax(),
        ),
        ["dense", "gelu", "layer_norm", "dense", "silu", "elu", "batch_norm", "dense"],
    ),
    "batch norm of a flattened image": (
        lambda: sequential(L.Input((4, 3, 2)), L.Flatten(), L.BatchNormalization(), L.Activation("tanh"), L.Dense(3)),
        ["flatten", "batch_norm", "tanh", "dense"],
    ),
    "recurrent": (
        lambda: sequential(L.Input((6,)), L.Embedding(7, 3), L.LSTM(4, return_sequences=True), L.GRU(5), L.Dense(3)),
        ["embedding", "lstm", "gru", "dense"],
    ),
    "groups, and a plane of one pixel": (
        lambda: sequential(
            L.Input((6, 6, 2)),
            L.Conv2D(4, 3),
            L.GroupNormalization(2),
            L.GlobalAveragePooling2D(keepdims=True),
            L.Conv2D(3, 1),
            L.Reshape((-1,)),
        ),
        ["conv2d", "group_norm", "avg_pool2d", "conv2d", "flatten"],
    ),
    "dense at every step": (
        lambda: sequential(L.Input((5, 3)), L.Dense(4, activation="relu"), L.Flatten(), L.Dense(3)),
        ["dense", "relu", "flatten", "dense"],
    ),
    "simple loop": (
        lambda: sequential(
            L.Input((5, 3)), L.SimpleRNN(4, activation="relu", use_bias=False), L.Dense(3, activation="softmax")
        ),
        ["rnn", "dense"],
    ),
}


def saved(model: Any, folder: Path) -> Path:
    path = folder / "model.keras"
    model.save(path)
    return path


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_adopted_with_its_proof(name: str, tmp_path: Path) -> None:
    build, kinds = MODELS[name]
    model = build()
    adopted = twofold.adopt(saved(model, tmp_path))
    assert [kind_of(spec) for spec in adopted.recipe.layers] == kinds
    assert adopted.proof.passed
    assert adopted.proof.steps == 20
    assert max(adopted.proof.largest.values()) < 1e-9
    assert adopted.proof.tolerances["forward"] == 1e-9
    assert adopted.recipe.loss.kind == "cross_entropy"


def test_a_functional_chain_is_adopted_and_a_branch_refused(tmp_path: Path) -> None:
    entry = keras.Input((6,))
    hidden = L.Dense(4, activation="tanh", name="hidden")(entry)
    chain = keras.Model(entry, L.Dense(3, name="end")(hidden))
    assert [kind_of(s) for s in twofold.adopt(saved(chain, tmp_path)).recipe.layers] == ["dense", "tanh", "dense"]
    (tmp_path / "model.keras").unlink()
    other = L.Dense(4, name="other")(entry)
    branched = keras.Model(entry, L.Dense(3, name="end")(L.Add(name="sum")([hidden, other])))
    with pytest.raises(AdoptError, match=r"`(sum|input_layer\w*)`.*(joins|is read by)"):
        twofold.adopt(saved(branched, tmp_path))


def test_momentum_is_the_share_that_is_not_kept(tmp_path: Path) -> None:
    adopted = twofold.adopt(saved(MODELS["mlp"][0](), tmp_path))
    norm: Any = adopted.recipe.layers[6]
    assert (norm.momentum, norm.eps) == (0.1, 0.01)


def with_rank(model: Any) -> Any:
    model.layers[0].enable_lora(2)
    return model


def chained(operation: Callable[[Any], Any], times: int = 1) -> Any:
    """A functional model with an operation between two layers."""
    entry = keras.Input((4,))
    x = L.Dense(4)(entry)
    for _ in range(times):
        x = operation(x)
    return keras.Model(entry, L.Dense(3)(x))


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "same of an even kernel": (
        lambda: sequential(L.Input((8, 8, 1)), L.Conv2D(2, 2, padding="same", name="conv"), L.Flatten(), L.Dense(2)),
        r"`conv` \(Conv2D\): padding 'same' of .* is \(0, 0\) in front and \(1, 1\) behind",
    ),
    "reset before": (
        lambda: sequential(L.Input((5, 3)), L.GRU(4, reset_after=False, name="loop"), L.Dense(2)),
        r"`loop` \(GRU\): its reset gate stands before the product \(reset_after=False\)",
    ),
    "one class": (lambda: sequential(L.Input((4,)), L.Dense(1, activation="sigmoid")), "at least two"),
    "conv along one axis": (
        lambda: sequential(L.Input((9, 2)), L.Conv1D(3, 3, name="c"), L.Flatten(), L.Dense(2)),
        r"`c` \(Conv1D\): no layer of a recipe expresses it. The nearest is `Conv2D`",
    ),
    "an activation": (
        lambda: sequential(L.Input((4,)), L.Dense(3, activation="selu", name="d")),
        r"`d` \(Dense\): its activation is selu. The nearest is `elu`",
    ),
    "scale alone": (
        lambda: sequential(L.Input((4,)), L.BatchNormalization(center=False), L.Dense(2)),
        "only one of scale and shift",
    ),
    "a state that stays": (
        lambda: sequential(L.Input((5, 3), batch_size=2), L.LSTM(4, stateful=True, name="loop"), L.Dense(2)),
        r"`loop` \(LSTM\): Keras cannot run it: If an RNN is stateful",
    ),
    "an axis that its backend does not take": (
        lambda: sequential(L.Input((6, 5)), L.LayerNormalization(axis=1, name="n"), L.Flatten(), L.Dense(2)),
        r"`n` \(LayerNormalization\): ",
    ),
    "frozen": (
        lambda: sequential(L.Input((4,)), L.Dense(3, trainable=False, name="d"), L.Dense(2)),
        r"`d` \(Dense\): it is frozen",
    ),
    "low rank": (lambda: with_rank(sequential(L.Input((4,)), L.Dense(3, name="d"), L.Dense(2))), "of low rank"),
    "a model within": (
        lambda: keras.Sequential([L.Input((4,)), keras.Sequential([L.Dense(3)], name="inner"), L.Dense(2)]),
        r"`inner` \(Sequential\): no layer of a recipe expresses it. Write its layers into the model itself",
    ),
    "an operation on tensors": (lambda: chained(lambda x: 2.0 * x), "it is an operation on tensors, and no layer"),
    "a layer applied twice": (lambda: chained(L.Dense(4, name="d"), 2), r"`d` \(Dense\): it is applied twice"),
    "a layer that masks": (
        lambda: sequential(L.Input((5, 3)), L.Masking(name="m"), L.LSTM(4), L.Dense(2)),
        r"`m` \(Masking\): .* The nearest is sequences of one length",
    ),
    "dropout of probabilities": (
        lambda: sequential(L.Input((4,)), L.Dense(3, activation="softmax"), L.Dropout(0.5, name="drop")),
        r"`drop` \(Dropout\): it drops what the softmax at the model's end gives, .* Leave it out",
    ),
    "backwards": (
        lambda: sequential(L.Input((5, 3)), L.LSTM(4, go_backwards=True), L.Dense(2)),
        "go_backwards is True",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_expressed_is_refused_by_its_layer(name: str, tmp_path: Path) -> None:
    build, told = REFUSED[name]
    with pytest.raises(AdoptError, match=told):
        twofold.adopt(saved(build(), tmp_path))


def changed(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The file with other members."""
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def with_config(edit: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        edit(config)
        members["config.json"] = json.dumps(config).encode()

    return change


def with_weights(edit: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        held = io.BytesIO(members["model.weights.h5"])
        with h5py.File(held, "r+") as file:
            edit(file)
        members["model.weights.h5"] = held.getvalue()

    return change


def link(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/x")


def without_weights(members: dict[str, bytes]) -> None:
    del members["model.weights.h5"]


def nan(file: Any) -> None:
    file["layers/dense/vars/1"][0] = np.nan


def huge(file: Any) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars"].create_dataset("0", shape=(10**6, 10**6), dtype="f4", chunks=(10, 10))


DAMAGED: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "code": (
        with_config(lambda c: c["config"]["layers"][1].update(class_name="Lambda")),
        "it holds code, which is never run",
    ),
    "a class of its own": (
        with_config(lambda c: c["config"]["layers"][1].update(module="mine")),
        "it is of mine, not of Keras itself",
    ),
    "registered": (
        with_config(lambda c: c["config"]["layers"][1].update(registered_name="x>y")),
        "not of Keras itself",
    ),
    "a model of its own": (with_config(lambda c: c.update(class_name="Mine")), "a model of a class of its own"),
    "no text": (lambda m: m.update({"config.json": b"{"}), "its config.json is damaged"),
    "no settings": (with_config(lambda c: c["config"].pop("layers")), "its config.json is damaged"),
    "no weights": (without_weights, "it has no member model.weights.h5"),
    "weights cut": (
        lambda m: m.update({"model.weights.h5": m["model.weights.h5"][:500]}),
        "its model.weights.h5 is damaged",
    ),
    "no units": (with_config(lambda c: c["config"]["layers"][1]["config"].pop("units")), "Keras cannot build it"),
    "a link": (with_weights(link), "links to elsewhere"),
    "NaN": (with_weights(nan), "holds NaN or infinity"),
    "huge": (with_weights(huge), "it says that it holds 1,000,000,000,000 numbers"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_before_anything_is_made_of_it(name: str, tmp_path: Path) -> None:
    change, told = DAMAGED[name]
    path = changed(saved(sequential(L.Input((4,)), L.Dense(3)), tmp_path), change)
    with pytest.raises(AdoptError, match=told):
        twofold.adopt(path)


def test_a_stream_that_is_no_deflate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bent.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("config.json", "{}" * 500)
    content = path.read_bytes()
    at = content.index(b"config.json") + len(b"config.json")
    path.write_bytes(content[:at] + b"\xff" * 6 + content[at + 6 :])
    with pytest.raises(AdoptError, match="is damaged or no Keras file: Error -3 while decompressing"):
        twofold.adopt(path)


def test_settings_that_keras_fills_in_may_be_missing(tmp_path: Path) -> None:
    change = with_config(lambda c: c["config"]["layers"][1]["config"].pop("activation"))
    assert twofold.adopt(changed(saved(sequential(L.Input((4,)), L.Dense(3)), tmp_path), change)).proof.passed


@pytest.mark.parametrize("end", ["softmax", "log_softmax"])
def test_the_activation_at_the_end_belongs_to_cross_entropy(end: str, tmp_path: Path) -> None:
    path = saved(sequential(L.Input((4,)), L.Dense(3, activation=end)), tmp_path)
    adopted = twofold.adopt(path)
    assert adopted.proof.passed
    assert [kind_of(spec) for spec in adopted.recipe.layers] == ["dense"]
    with pytest.raises(AdoptError, match="its last operation is a part of `cross_entropy`, and `loss` is `mean_squ"):
        twofold.adopt(path, loss="mean_squared")


def test_the_environment_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(sequential(L.Input((4,)), L.Dense(3)), tmp_path)
    monkeypatch.delenv("KERAS_BACKEND")
    assert twofold.adopt(path).proof.passed
    assert "KERAS_BACKEND" not in os.environ


def test_no_zip_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        twofold.adopt(tmp_path / "none.keras")
    (tmp_path / "no.keras").write_bytes(b"no zip")
    with pytest.raises(AdoptError, match="damaged or no Keras file"):
        twofold.adopt(tmp_path / "no.keras")


def wrongly(kind: str, turn: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The converters with one that hands over other arrays."""

    class Turned(Call):
        def add(self, spec: Any, tensors: Any = None, shown: bool = True) -> None:
            super().add(spec, tensors and (lambda arrays: turn(tensors(arrays))), shown)

    def convert(call: Call) -> None:
        CONVERTERS[kind](Turned(**vars(call)))

    return {**CONVERTERS, kind: convert}


def one(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda held: {**held, name: change(held[name])}


MISCONVERSIONS = {
    "kernel turned": ("conv same", "Conv2D", one("weight", lambda w: w[:, :, ::-1, ::-1])),
    "kernel's axes swapped": ("conv same", "Conv2D", one("weight", lambda w: w.transpose(0, 1, 3, 2))),
    "bias left out": ("conv same", "Conv2D", one("bias", np.zeros_like)),
    "flatten order": (
        "conv same",
        "Dense",
        one("weight", lambda w: w.reshape(5, 4, 4, 4).transpose(0, 3, 1, 2).reshape(5, 64)),
    ),
    "mean and variance swapped": (
        "mlp",
        "BatchNormalization",
        lambda h: {**h, "running_mean": h["running_var"], "running_var": h["running_mean"]},
    ),
    "scale and shift swapped": ("mlp", "BatchNormalization", lambda h: {**h, "weight": h["bias"], "bias": h["weight"]}),
    "gates i, f, o, g": (
        "recurrent",
        "LSTM",
        lambda h: {n: np.concatenate([np.split(a, 4)[k] for k in (0, 1, 3, 2)]) for n, a in h.items()},
    ),
    "gates z, r, n": (
        "recurrent",
        "GRU",
        lambda h: {n: np.concatenate([np.split(a, 3)[k] for k in (1, 0, 2)]) for n, a in h.items()},
    ),
    "biases swapped": ("recurrent", "GRU", lambda h: {**h, "bias_ih": h["bias_hh"], "bias_hh": h["bias_ih"]}),
    "hidden matrix transposed": ("simple loop", "SimpleRNN", one("weight_hh", lambda w: w.T)),
    "rows reversed": ("recurrent", "Embedding", one("weight", lambda w: w[::-1])),
    "labels reversed": ("mlp", "Dense", one("weight", lambda w: w[::-1])),
}


@pytest.mark.parametrize("name", MISCONVERSIONS)
def test_a_mis_conversion_is_not_accepted(name: str, tmp_path: Path) -> None:
    model, kind, turn = MISCONVERSIONS[name]
    path = saved(MODELS[model][0](), tmp_path)
    with pytest.raises(AdoptError):
        adopt_keras(path, Wanted(), converters=wrongly(kind, turn))
