"""How two results of a case are compared, and recipes for tests; the tables stand in `twofold.proof.cases`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np

from twofold.arrays import Arrays
from twofold.proof.cases import (
    INITIALS,
    LAYERS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    LayerCase,
    LossCase,
    ScheduleCase,
    normal,
)
from twofold.recipe import Recipe
from twofold.recipe.base import Part

__all__ = [
    "DTYPES",
    "FLATTEN",
    "INITIALS",
    "LAYERS",
    "LOSSES",
    "OPTIMIZERS",
    "RELU",
    "SCHEDULES",
    "SIGMOID",
    "SOFTMAX",
    "TANH",
    "THIRD",
    "LayerCase",
    "LossCase",
    "ScheduleCase",
    "assert_bits",
    "assert_same",
    "dense",
    "kinds",
    "named_by_docstring",
    "normal",
    "recipe",
]

DTYPES = ("float64", "float32")

# Both sides add the same numbers in another order. Elements of the tables are of size 1, sums have fewer
# than 2^6 terms: 2^6 roundings of 1e-16 (float64) or 6e-8 (float32), relative to the largest.
CLOSE = {"float64": {"rtol": 1e-12, "atol": 1e-14}, "float32": {"rtol": 1e-5, "atol": 4e-6}}


def assert_same(ours: Any, theirs: Any, name: str = "") -> None:
    """Equal in shape, in dtype, and in value up to the rounding of that dtype."""
    assert ours.shape == theirs.shape, name
    assert ours.dtype == theirs.dtype, name
    np.testing.assert_allclose(ours, theirs, **CLOSE[str(ours.dtype)], err_msg=name)


def named_by_docstring(spec: Part, module: Any) -> Any:
    """PyTorch's class that the docstring of a recipe's kind names, `torch.nn.ReLU`: the docstring is held to it."""
    (name,) = re.findall(rf"`{module.__name__}\.(\w+)`", type(spec).__doc__ or "")
    return getattr(module, name)


def assert_bits(ours: Arrays, theirs: Arrays) -> None:
    """Equal names in equal order, and bit for bit the same arrays."""
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype, name
        np.testing.assert_array_equal(array, theirs[name], err_msg=name, strict=True)


def kinds(union: Any) -> dict[str, type[Part]]:
    """The models that a recipe's union admits, by their `kind`."""
    members = get_args(get_args(union)[0])
    return {member.model_fields["kind"].default: member for member in members}


def recipe(
    layers: list[dict[str, Any]], *, inputs: int = 3, training: Mapping[str, Any] | None = None, **parts: Any
) -> Recipe:
    """A recipe of vectors of `inputs` numbers, in float64 on the processor, in batches of 8 for 12 steps."""
    features = tuple(f"x{index}" for index in range(inputs))
    data = {"source": "csv", "path": "none.csv", "label": "y", "features": features}
    settings = {"dtype": "float64", "device": "cpu", "batch_size": 8, "steps": 12, **(training or {})}
    return Recipe.model_validate({"data": data, "layers": layers, "training": settings, **parts})


def dense(units: int, **options: Any) -> dict[str, Any]:
    return {"kind": "dense", "units": units, **options}


RELU, TANH, SIGMOID, SOFTMAX, FLATTEN = ({"kind": kind} for kind in ("relu", "tanh", "sigmoid", "softmax", "flatten"))
THIRD = {"kind": "dropout", "p": 0.3}
