"""From the parameters of an estimator, or a recipe, and the shape of its samples to the recipe that is trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TypeAlias

from twofold.recipe import Recipe, load_recipe
from twofold.recipe.losses import LossSpec

AnyRecipe: TypeAlias = "Recipe | str | PathLike[str]"
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")


@dataclass(frozen=True)
class Settings:
    """The network and the training that the parameters of an estimator ask for."""

    hidden: Sequence[int]
    activation: str
    optimizer: str
    lr: float
    weight_decay: float
    epochs: int
    batch_size: int
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int


@dataclass(frozen=True)
class Asked:
    """What is known of the samples, and how they are trained on."""

    features: int
    names: tuple[str, ...]
    """Names of the features, where they were the columns of a frame."""
    classes: tuple[str, ...]
    targets: tuple[str, ...]
    """Names of the numbers or labels to predict; empty where there are classes."""
    engine: str
    dtype: str
    seed: int
    device: str


def recipe_of(settings: Settings, asked: Asked, loss: LossSpec) -> Recipe:
    """The recipe of a network of dense layers."""
    outputs = len(asked.classes) or len(asked.targets)
    layers = [
        layer
        for units in settings.hidden
        for layer in ({"kind": "dense", "units": units}, {"kind": settings.activation})
    ]
    # Evaluations cost time: without early stopping there is only one before and one after training.
    training = {
        "epochs": settings.epochs,
        "batch_size": settings.batch_size,
        "evaluate_every": 1 if settings.early_stopping else settings.epochs,
        "seed": asked.seed,
        "engines": [asked.engine],
        "dtype": asked.dtype,
        "device": asked.device,
    }
    if settings.early_stopping:
        training |= {"keep": "best", "patience": settings.n_iter_no_change}
    validation = settings.validation_fraction if settings.early_stopping else 0.0
    values = {
        "name": "estimator",
        "data": _data(asked, (asked.features,), validation),
        "layers": [*layers, {"kind": "dense", "units": outputs}],
        "loss": loss,
        "optimizer": {"kind": settings.optimizer, "lr": settings.lr, "weight_decay": settings.weight_decay},
        "training": training,
    }
    return Recipe(**values)


def loaded(recipe: AnyRecipe) -> Recipe:
    """The recipe that an estimator was given: itself, or the one of that name or file."""
    return load_recipe(recipe if isinstance(recipe, Recipe) else str(recipe))


def recipe_like(recipe: AnyRecipe, asked: Asked, loss: LossSpec | None, epochs: int | None = None) -> Recipe:
    """A recipe with other data: its network, loss, optimizer and training for these samples.

    Where its network takes samples of another shape with as many numbers, images for instance, they get that shape.
    `loss` takes the place of its own. With `epochs` it trains as many, to their end, and holds nothing out. Raises
    `RecipeError` where its network does not fit.
    """
    base = loaded(recipe)
    shape = tuple(size or 0 for size in base.data.sample_shape)
    if not shape or math.prod(shape) != asked.features:
        shape = (asked.features,)
    table = base.model_dump(mode="json", exclude_none=True)
    training = table["training"] | {"engines": [asked.engine], "dtype": asked.dtype}
    training |= {"seed": asked.seed, "device": asked.device}
    validation = base.data.validation
    if epochs is not None:
        training |= {"epochs": epochs, "steps": None, "evaluate_every": epochs, "evaluate_unit": None}
        training |= {"keep": "last", "patience": None}
        validation = 0.0
    changed = {"data": _data(asked, shape, validation), "training": training}
    if loss is not None:
        changed["loss"] = loss
    return Recipe(**table | changed)


def _data(asked: Asked, shape: tuple[int, ...], validation: float) -> dict[str, object]:
    data: dict[str, object] = {"source": "arrays", "shape": list(shape), "test": 0.0, "validation": validation}
    data |= {"seed": asked.seed % 2**32, "features": list(asked.names) if asked.names and len(shape) == 1 else None}
    if asked.classes:
        return data | {"classes": len(asked.classes), "names": list(asked.classes)}
    return data | {"numbers": list(asked.targets)}
