"""Adopt a Keras file: read, convert layer by layer beside Keras, prove."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from twofold.arrays import Array
from twofold.errors import AdoptError
from twofold.exchange.adopted import Adopted, Wanted, adopted
from twofold.exchange.chain import Chain
from twofold.exchange.keras.call import Call, Converter, Reading
from twofold.exchange.keras.converters import CONVERTERS, NEAREST
from twofold.exchange.keras.proving import Witness, in_double, keras_module, prove
from twofold.exchange.keras.reading import KerasFile, KerasLayer, read_keras
from twofold.exchange.samples import numbers_of
from twofold.streams import stream

SAMPLES = 8


def adopt_keras(
    path: Path,
    wanted: Wanted,
    *,
    shape: tuple[int, ...] | None = None,
    sample: ArrayLike | None = None,
    converters: Mapping[str, Converter] = CONVERTERS,
) -> Adopted:
    """The recipe, weights and proof of a file; see `twofold.adopt`."""
    file = read_keras(path)
    for layer in file.layers:
        if layer.kind != "InputLayer":
            _check_layer(layer, converters)
    x, keras = _sample(file, shape, sample), keras_module()
    dtype = "float64" if "'float64'" in repr(file.config) else "float32"
    with in_double(keras) as double:
        witness = Witness(file, keras, double)
        reading = converted(file, witness, x, converters)
        _check_end(reading.chain)
        named = wanted.named(path.stem)
        return adopted(reading.chain, named, lambda model: prove(file, witness, reading, model, x), dtype)


def _check_layer(layer: KerasLayer, converters: Mapping[str, Converter]) -> None:
    """Raises `AdoptError` for a layer of an unknown class, and for one whose arrays are not all trained."""

    def refuse(reason: str, nearest: str) -> None:
        raise AdoptError(reason, layer=layer.name, operator=layer.kind, nearest=nearest)

    if layer.kind not in converters:
        known = f"Files are adopted of: {', '.join(converters)}"
        refuse("no layer of a recipe expresses it", NEAREST.get(layer.kind, known))
    if layer.arrays and not layer.config.get("trainable", True):
        refuse("it is frozen (trainable is False); Twofold trains every layer", "Set trainable to True, and save it")
    if layer.config.get("lora_rank"):
        refuse("it trains a change of low rank beside its weights", "Save the model without enable_lora")


def converted(file: KerasFile, witness: Witness, x: Array, converters: Mapping[str, Converter] = CONVERTERS) -> Reading:
    """The layers of the file, each compared with Keras's numbers on the sample."""
    layers = [layer for layer in file.layers if layer.kind != "InputLayer"]
    last_first = x.ndim == 4 and _channels_last(layers)
    reading = Reading(Chain(x.transpose(0, 3, 1, 2) if last_first else x, witness.tolerance), last_first)
    outputs, before = [witness.plain(y) for y in witness.outputs(x)], x
    for number, (layer, y) in enumerate(zip(layers, outputs, strict=True)):
        last = all(other.kind == "Dropout" for other in layers[number + 1 :])
        call = Call(layer, number, before, y, reading, last)
        try:
            converters[layer.kind](call)
        except (KeyError, ValueError, TypeError) as error:  # settings that are missing or of another kind
            raise AdoptError(
                f"its settings are not those of such a layer: {error!r:.200}", layer=layer.name, operator=layer.kind
            ) from error
        before = y
    return reading


def _channels_last(layers: list[KerasLayer]) -> bool:
    return next(
        (layer.config["data_format"] != "channels_first" for layer in layers if "data_format" in layer.config), True
    )


def _sample(file: KerasFile, shape: tuple[int, ...] | None, sample: ArrayLike | None) -> Array:
    """A batch as the model takes it: the user's, or random numbers of the shape that the file or the user says."""
    if sample is not None:
        return numbers_of(sample).astype(np.float64)
    entry = next((layer.config for layer in file.layers if layer.kind == "InputLayer"), {})
    sizes = shape or tuple((entry.get("batch_shape") or (None,))[1:])
    if not sizes or any(not isinstance(size, int) or size < 1 for size in sizes):
        sizes_text = f"({', '.join('?' if size is None else str(size) for size in sizes)})"
        raise AdoptError(
            f"the file leaves the shape of a sample open: {sizes_text}", nearest="Give it: `--shape 28,28,1`"
        )
    rng = stream(0, "adopt sample")
    embedding = next((layer for layer in file.layers if layer.kind != "InputLayer"), None)
    if embedding is not None and embedding.kind == "Embedding":
        return rng.integers(int(embedding.config["input_dim"]), size=(SAMPLES, *sizes)).astype(np.float64)
    return rng.standard_normal((SAMPLES, *sizes))


def _check_end(chain: Chain) -> None:
    if not any(link.tensors for link in chain.links):
        raise AdoptError("it holds no weights")
    last = chain.links[-1]
    if len(chain.shape) != 1 or chain.shape[0] < 2:
        raise AdoptError(
            f"it gives {chain.shape}; a network here gives one number a class, and at least two",
            layer=last.label,
            operator=last.operator,
            nearest="The nearest for two classes is a last layer of two units",
        )
