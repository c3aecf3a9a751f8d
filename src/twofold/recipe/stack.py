"""A network from layers alone, for samples of a given shape, without data or a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from twofold.errors import Fault, RecipeError, UserError
from twofold.plain import native, whole
from twofold.recipe.base import Part
from twofold.recipe.faults import explain
from twofold.recipe.layer import LayerSpec
from twofold.recipe.layers import Layer
from twofold.recipe.network import Network, kind_of, walk


class _Stack(Part):
    layers: Annotated[tuple[Layer, ...], Field(strict=False, min_length=1)]


def stacked(layers: Iterable[LayerSpec | Mapping[str, object]], shape: Sequence[int]) -> Network:
    """The layers with every shape resolved, for samples of `shape`, without the batch.

    A layer is what a recipe holds, or a table such as `{"kind": "dense", "units": 20}`. Raises `RecipeError` with every
    fault of the layers, and `UserError` for a shape with anything but whole numbers of at least 1.
    """
    if not all(not isinstance(size, bool) and (whole(size) or 0) > 0 for size in shape):
        raise UserError(f"`shape` must hold whole numbers of at least 1, those of one sample; got {tuple(shape)}")
    raw = {"layers": [native(_table(layer)) for layer in layers]}
    try:
        stack = _Stack.model_validate(raw)
    except ValidationError as error:
        faults = [Fault(".".join(map(str, path)), rule, remedy) for path, rule, remedy in explain(error, raw)]
        raise RecipeError(faults) from error
    nodes, _, refused = walk(tuple(map(int, shape)), stack.layers)
    if refused:
        raise RecipeError([Fault(f"layers.{fault.layer}", fault.rule, fault.remedy) for fault in refused])
    return Network(tuple(nodes))


def _table(layer: LayerSpec | Mapping[str, object]) -> Mapping[str, object]:
    return {"kind": kind_of(layer), **dict(layer)} if isinstance(layer, LayerSpec) else layer
