"""The engines of a recipe, as tests want them: without a choice of threads, and with parts of one's own."""

from __future__ import annotations

from typing import Any

from twofold.numpy_engine import NumpyEngine
from twofold.recipe import Recipe
from twofold.torch_engine import TorchEngine


def numpy_engine(recipe: Recipe, **parts: Any) -> NumpyEngine:
    return NumpyEngine(recipe.model, recipe.optimizer, recipe.training, **parts)


def torch_engine(recipe: Recipe) -> TorchEngine:
    return TorchEngine(recipe.model, recipe.optimizer, recipe.training)
