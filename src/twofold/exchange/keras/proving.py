"""The proof of an adopted Keras file: Keras's own layers, built anew from checked settings, beside the NumPy engine.

Keras is imported here alone. It runs in float64: the settings' types are replaced, and the weights are read by Keras's
own reader, so that both the conversion and our reading of the file are proved.
"""

from __future__ import annotations

import contextlib
import copy
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array
from twofold.engine import Batch
from twofold.errors import AdoptError, MissingExtraError
from twofold.exchange.adopted import loaded_engine
from twofold.exchange.chain import Chain, weights_of
from twofold.exchange.keras.call import Reading
from twofold.exchange.keras.reading import KerasFile
from twofold.exchange.proof import STAGES, Ledger, Proof
from twofold.numpy_engine import NumpyEngine
from twofold.plain import Parsed
from twofold.recipe import Model
from twofold.recipe.network import kind_of
from twofold.recipe.optimizers import Sgd
from twofold.setup.building import state_of
from twofold.streams import stream

if TYPE_CHECKING:
    from keras import KerasTensor, Variable

TOLERANCE = 1e-9
SINGLE = 1e-4
"""The tolerance where Keras cannot be made to compute in float64."""
STEPS = 20
LR = 0.05


def keras_module() -> ModuleType:
    """Keras, on PyTorch where the user names no backend. Raises `MissingExtraError` where it is not installed."""
    named = "KERAS_BACKEND" in os.environ
    os.environ.setdefault("KERAS_BACKEND", "torch")
    try:
        import keras
    except ImportError as error:
        raise MissingExtraError("keras", "keras", "Adopting a Keras file") from error
    finally:
        if not named:  # Keras reads it while it is imported
            del os.environ["KERAS_BACKEND"]
    return keras


def _retyped(value: Parsed, without_dropout: bool) -> Parsed:
    """Settings with every floating-point type replaced by float64, and every share of dropout 0 if asked for."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "DTypePolicy":
            return "float64"
        new = {key: _retyped(item, without_dropout) for key, item in value.items()}
        if isinstance(value.get("dtype"), str) and value["dtype"].startswith("float"):
            new["dtype"] = "float64"
        if without_dropout and value.get("class_name") == "Dropout":
            new["config"]["rate"] = 0.0
        return new
    return [_retyped(item, without_dropout) for item in value] if isinstance(value, list) else value


class Witness:
    """The file's model as Keras builds it, in float64."""

    def __init__(self, file: KerasFile, keras: ModuleType, double: bool) -> None:
        self.keras, self.tolerance = keras, TOLERANCE if double else SINGLE
        config = _retyped(copy.deepcopy(dict(file.config)), without_dropout=True)
        config.pop("compile_config", None)
        try:
            with _quiet():
                self.model = self.keras.saving.deserialize_keras_object(config, safe_mode=True)
                with tempfile.TemporaryDirectory() as folder:
                    weights = Path(folder) / "model.weights.h5"
                    weights.write_bytes(file.weights)
                    self.model.load_weights(weights)
        except Exception as error:  # whatever Keras raises for settings that it does not take
            raise AdoptError(f"Keras cannot build it: {_reason(error)}") from error
        self.layers = [self.model.get_layer(layer.name) for layer in file.layers if layer.kind != "InputLayer"]

    @property
    def name(self) -> str:
        """The witness in words, as `Keras 3.15.1 on torch, float64`."""
        bits = "float64" if self.tolerance == TOLERANCE else "in part float32"
        return f"Keras {self.keras.__version__} on {self.keras.backend.backend()}, {bits}"

    def outputs(self, x: Array, training: bool = False) -> list[KerasTensor]:
        """What every layer gives, one after another."""
        y, outputs = self.keras.ops.convert_to_tensor(x), []
        for layer in self.layers:
            takes = "training" in getattr(layer, "_call_signature_parameters", ()) or layer._call_has_training_arg
            try:
                y = layer(y, training=training) if takes else layer(y)
            except Exception as error:  # whatever Keras and its backend raise for settings and sizes
                raise AdoptError(f"Keras cannot run it: {_reason(error)}", layer=layer.name,
                                 operator=type(layer).__name__) from error  # fmt: skip
            outputs.append(y)
        return outputs

    def plain(self, tensor: KerasTensor | Variable) -> Array:
        """A tensor of Keras's backend as an array."""
        return np.asarray(self.keras.ops.convert_to_numpy(tensor))

    def arrays(self, number: int) -> list[Array]:
        """A layer's arrays, in the order of the file."""
        return [self.plain(variable) for variable in self._variables(number)]

    def _variables(self, number: int) -> list[Variable]:
        layer = self.layers[number]
        return list(getattr(layer, "cell", layer).weights)

    def gradients(self, y: KerasTensor, target: Array, loss: str, soft: bool) -> tuple[Array, list[list[Array | None]]]:
        """The loss, and its gradient with respect to every layer's arrays; on PyTorch's backend only.

        `y` are the outputs, (N, classes); `soft` says that they are probabilities.
        """
        ops, n = self.keras.ops, len(target)
        for number in range(len(self.layers)):
            for variable in self._variables(number):
                variable.value.grad = None
        onehot = ops.convert_to_tensor(np.eye(y.shape[-1])[target])
        if loss == "cross_entropy":
            logs = ops.log(y) if soft else ops.log_softmax(y, axis=-1)
            value = -ops.sum(onehot * logs) / n
        else:
            value = ops.mean((y - onehot) ** 2)
        value.backward()
        gradients = [
            [None if v.value.grad is None else self.plain(v.value.grad) for v in self._variables(number)]
            for number in range(len(self.layers))
        ]
        return self.plain(value), gradients

    def descend(self, gradients: list[list[Array | None]]) -> None:
        """One step of plain gradient descent."""
        for number, of_layer in enumerate(gradients):
            for variable, gradient in zip(self._variables(number), of_layer, strict=True):
                if gradient is not None:
                    variable.assign(self.plain(variable) - LR * gradient)


def _reason(error: Exception) -> str:
    """Keras's message in short: the first line that does not only name the call, without a terminal's colours."""
    lines = [re.sub(r"\x1b\[\d*m", "", line).strip() for line in str(error).splitlines()]
    telling = [line for line in lines if line and not line.startswith("Exception encountered when calling")]
    return telling[0][:200].rstrip(". ") if telling else type(error).__name__


@contextlib.contextmanager
def in_double(keras: ModuleType) -> Iterator[bool]:
    """Set aside the table by which Keras makes 32 bits of float64; yields whether float64 then stays float64."""
    from keras.src.backend.common import dtypes

    table = getattr(dtypes, "BIT64_TO_BIT32_DTYPE", None)
    if not isinstance(table, dict) or "float64" not in table:
        yield False
        return
    held = table.pop("float64")
    caches = [f for f in vars(dtypes).values() if hasattr(f, "cache_clear")]
    try:
        for cached in caches:
            cached.cache_clear()
        yield str(keras.backend.result_type("float64", "float64")) == "float64"
    finally:
        table["float64"] = held
        for cached in caches:
            cached.cache_clear()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


NOTES = {
    "dropout": "Dropout was proved in evaluation alone: Keras draws its own masks.",
    "batch_norm": "In training Keras's moving variance takes the biased variance of the batch, ours the unbiased one.",
    "recurrent": "Keras's loop has one bias where ours has two: in a training the two move it twice as fast.",
    "backend": "Keras ran on another backend than PyTorch: loss and gradients were not compared.",
}


def prove(file: KerasFile, witness: Witness, reading: Reading, model: Model, x: Array) -> Proof:
    """The proof: forward, then loss, gradients and the step in 20 training steps, each begun from Keras's state."""
    ledger = Ledger(dict.fromkeys(STAGES, witness.tolerance))
    engine, chain = loaded_engine(model, weights_of(reading.chain.links)), reading.chain
    _forward(ledger, witness, reading, engine.outputs(chain.x), witness.outputs(x), None)
    kinds = {kind_of(spec) for spec in model.layers}
    notes = [NOTES[kind] for kind in ("dropout", "batch_norm") if kind in kinds]
    notes += [NOTES["recurrent"]] if _has_single_bias(file) else []
    if witness.keras.backend.backend() != "torch":
        return ledger.proof(witness.name, 0, (*notes, NOTES["backend"]))
    trained = model.model_copy(update={"layers": tuple(s for s in model.layers if kind_of(s) != "dropout")})
    places = [i for i, spec in enumerate(model.layers) if kind_of(spec) != "dropout"]
    pair = _Pair(ledger, witness, reading, Model.model_validate(trained.model_dump()), places)
    with np.errstate(all="ignore"):
        for step in range(STEPS):
            pair.step(_batch(x, model, step), step, not _has_single_bias(file))
    return ledger.proof(witness.name, STEPS, tuple(notes))


def _has_single_bias(file: KerasFile) -> bool:
    """Whether a loop of Keras has one bias where ours has two."""
    return any(layer.kind in ("SimpleRNN", "LSTM") and len(layer.arrays) == 3 for layer in file.layers)


def _forward(
    ledger: Ledger, witness: Witness, reading: Reading, ours: list[Array], theirs: list[KerasTensor], step: int | None
) -> None:
    """Compare the end of the chain; the layers before it were compared while they were read."""
    y = witness.plain(theirs[-1])
    if reading.end:
        z = ours[-1] - ours[-1].max(axis=-1, keepdims=True)
        logs = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
        ours = [*ours[:-1], np.exp(logs) if reading.end == "softmax" else logs]
    ledger.compare("forward", reading.chain.links[-1].label, ours[-1], y, step)


def _batch(x: Array, model: Model, step: int) -> tuple[Array, Array]:
    rng = stream(0, "adopt", step)
    target = rng.integers(model.network.classes, size=len(x))
    if kind_of(model.layers[0]) == "embedding":
        return rng.integers(getattr(model.layers[0], "num_embeddings", 2), size=x.shape).astype(x.dtype), target
    return rng.standard_normal(x.shape), target


class _Pair:
    """Keras's model and the NumPy engine, the second loaded with the first's state before each step."""

    def __init__(self, ledger: Ledger, witness: Witness, reading: Reading, model: Model, places: list[int]) -> None:
        self.ledger, self.witness, self.reading, self.model, self.places = ledger, witness, reading, model, places
        self.engine: NumpyEngine = loaded_engine(model, self._ours(lambda n: witness.arrays(n)), Sgd(lr=LR))

    def _ours(self, arrays: Callable[[int], list[Array]]) -> dict[str, Array]:
        """Our tensors, by their names in the network without dropout, made from `arrays`: those of Keras's layer n."""
        return {
            f"{self.places.index(index)}.{name}": array
            for index, (number, tensors) in self.reading.loops.items()
            for name, array in tensors(arrays(number)).items()
        }

    def step(self, batch: tuple[Array, Array], step: int, state: bool) -> None:
        """Take one step with both and compare every stage; the state after it only with `state`."""
        (x, target), witness, kind = batch, self.witness, self.model.loss.kind
        self.engine.load(state_of(self._ours(lambda n: witness.arrays(n)), self.model.network))
        ours = self.engine.step(Batch(_entered(x, self.reading.chain), target, LR, {}, step))
        theirs = witness.outputs(x, training=True)
        _forward(self.ledger, witness, self.reading, list(ours.outputs.values()), theirs, step + 1)
        value, gradients = witness.gradients(theirs[-1], target, kind, self.reading.end == "softmax")
        self.ledger.compare("loss", kind, np.asarray(ours.loss), value, step + 1)
        filled = [
            [np.zeros_like(a) if g is None else g for a, g in zip(witness.arrays(n), of, strict=True)]
            for n, of in enumerate(gradients)
        ]
        keras_gradients = self._ours(lambda n: filled[n])
        for name, gradient in ours.gradients.items():
            if state or not name.endswith("bias_hh"):
                self.ledger.compare("gradient", name, gradient, keras_gradients[name], step + 1)
        witness.descend(gradients)
        if state:
            after = self._ours(lambda n: witness.arrays(n))
            for name, parameter in self.engine.state().parameters.items():
                self.ledger.compare("state", name, parameter, after[name], step + 1)


def _entered(x: Array, chain: Chain) -> Array:
    """A sample as our first layer takes it."""
    same = x.shape[1:] == chain.x.shape[1:]
    return x.astype(float) if same else x.transpose(0, 3, 1, 2).astype(float)
