"""Engines, their initial states, and data."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from twofold.arrays import Array, Arrays
from twofold.data import Dataset, Split, load_data
from twofold.data.handed import hand_over
from twofold.data.sources import completed
from twofold.engine import Engine, State
from twofold.engine.initial import initial_buffers, initial_parameters
from twofold.engine.shards import ALONE, Group, ShardedEngine
from twofold.engines import ENGINES, builder, unknown_engine
from twofold.errors import DataError, UserError, WeightsError
from twofold.memory import keep_large_blocks
from twofold.recipe import Model, Network, Recipe, load_recipe
from twofold.recipe.columns import Table
from twofold.recipe.data import Csv, Images
from twofold.recipe.network import recurrent_nodes
from twofold.recipe.text import CharacterText
from twofold.recipe.training import FromFile
from twofold.recipe.windows import Conv2d
from twofold.runs import Run, seal
from twofold.runs.tensors import read_tensors
from twofold.setup.codes import check_codes
from twofold.setup.events import Noted, Watcher, telling, warn_of_notes

SIZES = ("units", "channels")
"""The keys that say how many numbers a layer gives."""

WHITENING_NUMBERS = 1 << 24
"""Numbers of the training images that filters are fitted to: of CIFAR-10 5,461 images, millions of patches."""

LARGE_BATCH = 1 << 21
"""Numbers in a layer's output above which the C library is asked to keep freed memory."""

PLAIN = {"autocast": "none", "convolution": "direct", "compile": False}
"""Settings of `training` for an engine that another is compared with: no shorter way to the same numbers, up to
rounding."""


def build_engine(name: str, recipe: Recipe, *, fast: bool = False, group: Group = ALONE) -> Engine:
    """An engine for the recipe's network; its parameters are 0 until a state is loaded.

    It takes the plain way to each number, so that others can be compared with it; with `fast` the shorter ways that the
    recipe's training asks for, which round differently. With `training.shards` it takes its batches in shards, through
    `group`.

    Raises `UserError` for a name that is not in the table of engines.
    """
    if name not in ENGINES:
        raise UserError(unknown_engine(name))
    batch = recipe.training.batch_size
    training = recipe.training if fast else recipe.training.model_copy(update=PLAIN)
    if batch == "full" or recurrent_nodes(recipe.network) or batch * recipe.network.largest > LARGE_BATCH:
        keep_large_blocks()
    built = builder(name)(recipe.model, recipe.optimizer, training)
    return ShardedEngine(built, training.shards, group) if training.shards else built


def training_engine(name: str, recipe: Recipe, group: Group = ALONE) -> Engine:
    """An engine that is about to be trained, by the ways that the recipe asks for."""
    return build_engine(name, recipe, fast=True, group=group)


def initial_state(model: Model, train: Split | None = None) -> State:
    """The state in which both engines start.

    A first layer that begins as the whitening of images looks at some of `train`.

    Raises `UserError` where it finds none, and `WeightsError` for a file of weights that is not the network's.
    """
    if isinstance(model.initial, FromFile):
        return _state_from_file(model.initial, model.network)
    first = model.layers[0]
    images = _whitening_images(train) if train is not None and isinstance(first, Conv2d) and first.whitens else None
    return State(initial_parameters(model, images), buffers=initial_buffers(model))


def _state_from_file(initial: FromFile, network: Network) -> State:
    """Weights that were trained elsewhere, in whichever floating-point type the file has."""
    path = Path(initial.path)
    weights = {name: array.astype(np.float64) for name, array in read_tensors(path).items()}
    if initial.sha256 and seal(path).sha256 != initial.sha256:
        raise WeightsError(
            f"{path} is not the file that the recipe names: its checksum is another. Adopt the model again, or leave "
            "initial.sha256 out."
        )
    shapes = {**network.parameters, **network.buffers}
    for name in sorted(shapes.keys() | weights.keys()):
        held = weights[name].shape if name in weights else None
        if held != shapes.get(name):
            raise WeightsError(
                f"{path}: these weights are of another network: `{name}` is {held or 'missing'}, the recipe's is "
                f"{shapes.get(name, 'missing')}"
            )
    return state_of(weights, network)


def _whitening_images(train: Split) -> Array:
    """As many samples as hold `WHITENING_NUMBERS`, taken evenly from all: a folder's images may lie class by class."""
    count = min(len(train), max(1, WHITENING_NUMBERS // math.prod(train.x.shape[1:])))
    return train[np.arange(count) * len(train) // count].floats()


def restore(run: Run, engine: str, device: str = "auto") -> Engine:
    """An engine with the trained weights of a run, for predictions: on whatever device there is here.

    It computes as the run was trained, so that it answers as the run's evaluations did, but without waiting for a
    compiler.
    """
    settings = {"training.device": device, "training.ema": 0.0, "training.compile": False}
    recipe = load_recipe(run.recipe, settings)
    built = build_engine(engine, recipe, fast=True)
    built.load(state_of(run.weights(engine), recipe.network))
    return built


def state_of(weights: Arrays, network: Network) -> State:
    """The state with a run's weights, in which parameters and running statistics are apart."""
    buffers = {name: array for name, array in weights.items() if name in network.buffers}
    return State({name: array for name, array in weights.items() if name not in buffers}, buffers=buffers)


def prepare(recipe: Recipe, watch: Watcher = warn_of_notes, data: object = None) -> tuple[Recipe, Dataset]:
    """Load the data, and fill in what only they know: the features of a CSV file, the classes of it or of a folder.

    A pair `(X, y)` handed over as `data` takes the place of the recipe's source; a data set is taken as it is.
    """
    if isinstance(data, Dataset):  # read already, to find a recipe for it
        return resolved(recipe, data), data
    if data is not None and isinstance(recipe.data, Table):
        return _handed_table(recipe, recipe.data, data, watch)
    if data is not None:
        recipe, dataset = hand_over(recipe, data)
        check_codes(recipe, dataset)
        return with_class_weights(recipe, dataset), dataset
    dataset = load_data(recipe.samples, telling(watch))
    for note in dataset.notes:
        watch(Noted(note))
    return resolved(recipe, dataset), dataset


def _handed_table(recipe: Recipe, spec: Table, data: object, watch: Watcher) -> tuple[Recipe, Dataset]:
    """A table in memory in the place of the recipe's file."""
    from twofold.data.columns.table import handed_over  # which imports pandas

    in_memory = spec.model_copy(update={"path": None, "test_path": None})
    recipe = recipe.model_copy(update={"data": in_memory})
    asked = in_memory.asked(recipe.task)
    dataset = completed(asked, handed_over(asked, data))
    for note in dataset.notes:
        watch(Noted(note))
    return resolved(recipe, dataset), dataset


def resolved(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with what only its data know. Raises `DataError` where they do not fit its first or last layer."""
    check_codes(recipe, dataset)
    recipe = with_class_weights(recipe, dataset)
    if isinstance(recipe.data, CharacterText):
        _check_characters(recipe, recipe.data, dataset)
        return load_recipe(recipe, {"data.alphabet": dataset.alphabet})
    if not isinstance(recipe.data, Csv | Images | Table):
        return recipe
    if isinstance(recipe.data, Table) and dataset.targets:
        return load_recipe(recipe, known_of_columns(dataset))
    if dataset.targets:
        return load_recipe(recipe, {"data.features": list(dataset.features)})
    _check_classes(recipe, recipe.data, dataset)
    if isinstance(recipe.data, Table):
        return load_recipe(recipe, known_of_columns(dataset))
    features = {"data.features": list(dataset.features)} if dataset.features else {}
    return load_recipe(recipe, {**features, "data.classes": len(dataset.classes)})


def with_class_weights(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with the numbers of balanced class weights: samples / (classes × samples of the class)."""
    if getattr(recipe.loss, "class_weight", None) != "balanced":
        return recipe
    # A class that no training sample has weighs as one that a single sample has.
    counts = np.bincount(dataset.train.answers, dataset.train.weights, minlength=len(dataset.classes))
    weights = counts.sum() / (len(counts) * np.where(counts > 0, counts, 1))
    return recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"class_weight": tuple(weights.tolist())})})


def known_of_columns(dataset: Dataset) -> dict[str, object]:
    """What a recipe keeps of a table: the kind of each column, the features, how many numbers and classes there are."""
    assert dataset.columns is not None
    assert dataset.origin is not None
    kinds = {name: spec.model_dump(mode="json", exclude_none=True) for name, spec in dataset.origin.kinds.items()}
    counted = {"data.classes": len(dataset.classes)} if dataset.classes else {}
    return {
        "data.columns": kinds,
        "data.features": list(dataset.columns.names),
        **({"data.width": len(dataset.features)} if dataset.features else {}),
        **({"data.longest": dataset.train.x.shape[1]} if dataset.sequences else {}),
        **counted,
    }


def _resized(recipe: Recipe, outputs: int) -> str:
    """A sentence: what to set so that the last layer gives `outputs` numbers. Empty where no layer has a size."""
    sized = [(i, key) for i, layer in enumerate(recipe.layers) for key in SIZES if hasattr(layer, key)]
    return f" Set its {sized[-1][1]}: --set layers.{'.'.join(map(str, sized[-1]))}={outputs}" if sized else ""


def _check_characters(recipe: Recipe, data: CharacterText, dataset: Dataset) -> None:
    """Raises `DataError` unless the last layer gives a number for each character of the training text."""
    if recipe.network.classes != (size := len(dataset.alphabet)):
        raise DataError(
            f"{data.path or 'the text'}: the training part holds {size} different characters; the last layer gives "
            f"{recipe.network.classes} numbers.{_resized(recipe, size)}"
        )


def _check_classes(recipe: Recipe, data: Csv | Images | Table, dataset: Dataset) -> None:
    """Raises `DataError` unless the last layer gives a number for each class that the file or folder holds."""
    outputs, held = recipe.network.classes, dataset.classes
    if outputs != len(held):
        names = ", ".join(f"`{name}`" for name in held[:10]) + (", ..." if len(held) > 10 else "")
        remedy = _resized(recipe, len(held))
        holder = f"column `{data.labels[0]}`" if isinstance(data, Csv | Table) else "`train`"
        raise DataError(
            f"{data.path}: {holder} holds {len(held)} classes ({names}); "
            f"the last layer gives {outputs} numbers.{remedy}"
        )
