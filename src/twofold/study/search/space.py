"""From a proposal to a recipe: which parameters a search has, and what they set."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from twofold.recipe import Recipe, load_recipe
from twofold.study.search.spec import Block, Dimension, Search

Suggest = Callable[[str, Dimension], object]
"""Gives a value for the parameter of this name, within its dimension."""


def names(search: Search) -> list[str]:
    """Every parameter that a trial may have, in the order in which they are proposed: the columns of the table."""
    listed = list(search.space)
    for index, block in enumerate(search.blocks):
        listed.append(_count_name(index))
        for copy in range(int(block.count.high or 0)):
            listed += [name for name, _ in _block_dimensions(index, copy, block)]
    return listed


def propose(search: Search, suggest: Suggest) -> dict[str, object]:
    """The values of a trial; those of a layer that is not there are not asked for."""
    values = {name: suggest(name, dimension) for name, dimension in search.space.items()}
    for index, block in enumerate(search.blocks):
        values[_count_name(index)] = count = suggest(_count_name(index), block.count)
        assert isinstance(count, int)  # as a range of whole numbers gives it
        for copy in range(count):
            for name, dimension in _block_dimensions(index, copy, block):
                values[name] = suggest(name, dimension)
    return values


def recipe_of(base: Recipe, search: Search, values: Mapping[str, object]) -> Recipe:
    """The base with the values of a trial set. Raises `RecipeError` where they do not fit together."""
    recipe = load_recipe(base, {name: values[name] for name in search.space})
    if not search.blocks:
        return recipe
    layers: list[object] = [layer.model_dump(mode="json") for layer in recipe.layers]
    # From the last place on, so that an insertion moves none of those before it; at one place the last block first.
    for index, block in sorted(enumerate(search.blocks), key=lambda item: (item[1].at, item[0]), reverse=True):
        count = values[_count_name(index)]
        assert isinstance(count, int)
        filled = [layer for copy in range(count) for layer in _filled_layers(index, copy, block, values)]
        layers[block.at : block.at] = filled
    return load_recipe(recipe, {"layers": layers})


def middle(search: Search) -> dict[str, object]:
    """Values that are within every dimension: to see whether the search makes a recipe at all."""
    return propose(search, lambda name, dimension: _middle(dimension))


def extremes(search: Search) -> Iterator[dict[str, object]]:
    """The middle, with one dimension of the space at each of its ends, or at each of its choices."""
    plain = middle(search)
    for name, dimension in search.space.items():
        ends = dimension.choices if dimension.choices is not None else (dimension.low, dimension.high)
        for end in ends:
            yield {**plain, name: end}


def text_of(values: Mapping[str, object]) -> str:
    """The values of a trial as a text: `optimizer.lr = 0.1, layers.0.units = 12`."""
    return ", ".join(f"{name} = {json.dumps(value, default=str)}" for name, value in values.items())


def _middle(dimension: Dimension) -> object:
    if dimension.choices is not None:
        return dimension.choices[0]
    assert dimension.low is not None
    assert dimension.high is not None
    low, high = dimension.low, dimension.high
    value = (low * high) ** 0.5 if dimension.log else (low + high) / 2
    return round(value) if dimension.whole else value


def _count_name(index: int) -> str:
    return f"blocks.{index}.count"


def _block_dimensions(index: int, copy: int, block: Block) -> Iterator[tuple[str, Dimension]]:
    """The parameters of one copy of a block."""
    for place, layer in enumerate(block.layers):
        for key, value in layer.items():
            if isinstance(value, Dimension):
                yield f"blocks.{index}.{copy}.layers.{place}.{key}", value


def _filled_layers(index: int, copy: int, block: Block, values: Mapping[str, object]) -> Iterator[dict[str, object]]:
    for place, layer in enumerate(block.layers):
        names = {key: f"blocks.{index}.{copy}.layers.{place}.{key}" for key in layer}
        yield {key: values[names[key]] if isinstance(value, Dimension) else value for key, value in layer.items()}
