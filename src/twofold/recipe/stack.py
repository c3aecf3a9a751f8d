"""A network from layers alone, for samples of a given shape, without data or a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import Field, ValidationError

from twofold.errors import Fault, RecipeError, UserError
from twofold.plain import native, sizes
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
    shape = plain_shape(shape)
    raw = {"layers": [native(_table(layer)) for layer in layers]}
    try:
        stack = _Stack.model_validate(raw)
    except ValidationError as error:
        faults = [Fault(".".join(map(str, path)), rule, remedy) for path, rule, remedy in explain(error, raw)]
        raise RecipeError(faults) from error
    nodes, _, refused = walk(shape, stack.layers)
    if refused:
        raise RecipeError([Fault(f"layers.{fault.layer}", fault.rule, fault.remedy) for fault in refused])
    return Network(tuple(nodes))


def plain_shape(shape: object) -> tuple[int, ...]:
    """The shape of a sample, without the batch, as plain numbers. Raises `UserError` for anything else."""
    plain = sizes(shape)
    if min(plain, default=0) < 1:
        raise UserError(f"`shape` must hold whole numbers of at least 1, those of one sample; got {shape!r}")
    return plain


def _table(layer: LayerSpec | Mapping[str, object]) -> Mapping[str, object]:
    return {"kind": kind_of(layer), **dict(layer)} if isinstance(layer, LayerSpec) else layer
