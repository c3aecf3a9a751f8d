"""A `.keras` file as an untrusted one: a zip of a JSON text and an HDF5 file. Nothing in it is run or unpickled.

Of the zip two members are read, by exact name and bounded size; of the HDF5 file data sets of numbers, whose sizes
are checked before memory is taken for them. Links to other files, and layers that hold code (`Lambda`), are refused.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twofold.arrays import Array, all_finite
from twofold.errors import AdoptError, MissingExtraError, UserError
from twofold.foreign import MOST_TEXT, open_foreign
from twofold.plain import Parsed

if TYPE_CHECKING:
    import h5py

MOST_BYTES = 1 << 30
MOST_NUMBERS = 10**8
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
PLAIN_MODULES = ("keras", "keras.layers", "keras.models", "keras.src.models.functional", "keras.src.models.sequential")


@dataclass(frozen=True)
class KerasLayer:
    """A layer of the file: its name, class, settings and arrays in the order in which Keras holds them."""

    name: str
    kind: str
    config: Mapping[str, Parsed]
    arrays: tuple[Array, ...] = ()


@dataclass(frozen=True)
class KerasFile:
    """What a file holds: its layers from the first to the last, and the two members for Keras itself."""

    path: Path
    layers: tuple[KerasLayer, ...]
    config: Mapping[str, Parsed] = field(repr=False)
    weights: bytes = field(repr=False)


def read_keras(path: Path) -> KerasFile:
    """The file's layers. Raises `AdoptError` for what is damaged, oversized, branches, or holds code."""
    try:
        with open_foreign(path, MOST_BYTES) as file, zipfile.ZipFile(file) as packed:
            text, weights = _member(packed, CONFIG, MOST_TEXT), _member(packed, WEIGHTS, MOST_BYTES)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except AdoptError:
        raise
    except Exception as error:  # whatever zipfile and its decompressors raise for a damaged file
        raise AdoptError(f"{path} is damaged or no Keras file: {error}") from error
    try:
        config = json.loads(text)
        layers = _layers(config)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AdoptError(f"its {CONFIG} is damaged: {error!r:.200}") from error
    return KerasFile(path, tuple(_with_arrays(layers, weights)), config, weights)


def _member(packed: zipfile.ZipFile, name: str, most: int) -> bytes:
    try:
        entry = packed.getinfo(name)
    except KeyError as error:
        raise AdoptError(
            f"it has no member {name}", nearest="A Keras 3 file is written by model.save('NAME.keras')"
        ) from error
    if entry.file_size > most:
        raise AdoptError(f"its member {name} holds {entry.file_size:,} bytes; at most {most:,} are read")
    with packed.open(entry) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise AdoptError(f"its member {name} holds more than the {most:,} bytes that are read")
    return content


def _layers(config: Mapping[str, Parsed]) -> list[KerasLayer]:
    """The chain of layers of a sequential or functional model."""
    _check_class(config, "the model")
    if config["class_name"] not in ("Sequential", "Functional", "Model"):
        reason = "a model of a class of its own: its code is not in the file"
        raise AdoptError(reason, operator=str(config["class_name"]), nearest="Save a Sequential or a functional model")
    entries = config["config"]["layers"]
    layers = []
    for entry in entries:
        _check_class(entry, str(entry["config"].get("name", "")))
        layers.append(KerasLayer(str(entry["config"]["name"]), str(entry["class_name"]), entry["config"]))
    if config["class_name"] != "Sequential":
        layers = _chained(entries, {layer.name: layer for layer in layers})
    return layers


def _check_class(entry: Mapping[str, Parsed], name: str) -> None:
    kind = str(entry["class_name"])
    if kind == "Lambda":
        raise AdoptError(
            "it holds code, which is never run here", layer=name, operator=kind, nearest="Use a layer of Keras"
        )
    if entry.get("module") not in PLAIN_MODULES or entry.get("registered_name") not in (None, kind, "Functional"):
        operation = str(entry.get("module")).startswith("keras.src.")
        raise AdoptError(
            "it is an operation on tensors, and no layer"
            if operation
            else f"it is of {entry.get('module') or entry.get('registered_name')}, not of Keras itself",
            layer=name,
            operator=kind,
            nearest="The nearest is a layer of Keras, as `Activation`",
        )


def _chained(entries: Sequence[Parsed], layers: Mapping[str, KerasLayer]) -> list[KerasLayer]:
    """A functional model's layers in order. Raises `AdoptError` where it branches."""
    follows: dict[str, str] = {}
    for entry in entries:
        name, sources = str(entry["config"]["name"]), list(_histories(entry.get("inbound_nodes", [])))
        if len(entry.get("inbound_nodes", [])) > 1:
            raise AdoptError("it is applied twice", layer=name, operator=str(entry["class_name"]),
                             nearest="The nearest is a layer for each place")  # fmt: skip
        if len(sources) > 1:
            joined = " and ".join(f"`{source}`" for source in dict.fromkeys(sources))
            reason = f"it joins {joined}" if len(set(sources)) > 1 else f"it reads {joined} more than once"
            raise AdoptError(reason, layer=name, operator=str(entry["class_name"]),
                             nearest="Twofold's networks are chains, one layer behind the other")  # fmt: skip
        if sources and sources[0] in follows:
            raise AdoptError(f"it is read by `{follows[sources[0]]}` and `{name}`", layer=sources[0], operator="layer",
                             nearest="Twofold's networks are chains, one layer behind the other")  # fmt: skip
        if sources:
            follows[sources[0]] = name
    starts = [name for name in layers if name not in follows.values()]
    if len(starts) != 1:
        raise AdoptError(f"it has {len(starts)} inputs", nearest="Twofold's networks have one")
    chain, name = list[KerasLayer](), starts[0]
    while name and len(chain) < len(layers):
        chain.append(layers[name])
        name = follows.get(name, "")
    if len(chain) != len(layers):
        raise AdoptError("its layers are no chain", nearest="Twofold's networks are chains")
    return chain


def _histories(value: Parsed) -> Iterator[str]:
    """The layers whose outputs a call takes."""
    if isinstance(value, dict):
        history = (
            value.get("config", {}).get("keras_history") if value.get("class_name") == "__keras_tensor__" else None
        )
        if history:
            yield str(history[0])
            return
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _histories(member)


def _snake(kind: str) -> str:
    """A class's name as Keras writes it in files: `BatchNormalization` is `batch_normalization`, `PReLU` `p_re_lu`."""
    text = re.sub(r"\W+", "", kind)
    text = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", text)
    return re.sub("([a-z])([A-Z])", r"\1_\2", text).lower()


def _with_arrays(layers: list[KerasLayer], content: bytes) -> list[KerasLayer]:
    """Each layer with its arrays; Keras counts layers of a class in their order."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError("h5py", "keras", "Reading a Keras file") from error
    counted = Counter[str]()
    filled = []
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            for layer in layers:
                key = _snake(layer.kind)
                place = f"layers/{key}_{counted[key]}" if counted[key] else f"layers/{key}"
                counted[key] += 1
                arrays = [array for part in ("vars", "cell/vars") for array in _arrays(file, f"{place}/{part}")]
                filled.append(KerasLayer(layer.name, layer.kind, layer.config, tuple(arrays)))
    except AdoptError:
        raise
    except Exception as error:  # whatever h5py raises for a damaged file
        raise AdoptError(f"its {WEIGHTS} is damaged: {type(error).__name__}: {str(error)[:200]}") from error
    return filled


def _arrays(file: h5py.File, place: str) -> list[Array]:
    import h5py

    group: h5py.File | h5py.Group = file
    for part in place.split("/"):
        link = group.get(part, getlink=True)
        if link is None:
            return []
        if not isinstance(link, h5py.HardLink):
            raise AdoptError(f"its {WEIGHTS} links to elsewhere", layer=place, operator="HDF5")
        member = group[part]
        if not isinstance(member, h5py.Group):
            raise AdoptError("it is no group of the file", layer=place, operator="HDF5")
        group = member
    return [_array(group, f"{place}/{number}") for number in range(len(group))]


def _array(group: h5py.Group, place: str) -> Array:
    import h5py

    name = place.rpartition("/")[2]
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise AdoptError(f"its {WEIGHTS} links to elsewhere, or lacks a number", layer=place, operator="HDF5")
    data = group[name]
    kind = getattr(data, "dtype", np.dtype(object))
    if not isinstance(data, h5py.Dataset) or kind.kind not in "fiu" or data.external:
        raise AdoptError("it is no data set of numbers within the file", layer=place, operator="HDF5")
    if math.prod(data.shape) > MOST_NUMBERS:
        raise AdoptError(f"it says that it holds {math.prod(data.shape):,} numbers", layer=place, operator="HDF5")
    array = np.asarray(data[()], np.float64)
    if not all_finite(array):
        raise AdoptError("it holds NaN or infinity", layer=place, operator="HDF5")
    return array
