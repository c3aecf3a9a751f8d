"""What an object of a user's class holds and can do: its arrays, and its methods under the usual names."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, MutableMapping
from typing import Any

from twofold.proof.check.inside.arrays import arrays_in, shape_of

LISTS = ("params", "parameters", "weights", "theta")


def slots(holder: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every array that an object holds: (container, key, value); dictionaries and lists one level deep."""
    table = getattr(holder, "__dict__", {})
    for key, value in list(table.items()):
        if isinstance(value, MutableMapping):
            yield from ((value, k, v) for k, v in list(value.items()) if shape_of(v) is not None)
        elif isinstance(value, list) and key in LISTS:
            yield from ((value, i, v) for i, v in enumerate(value) if shape_of(v) is not None)
        elif shape_of(value) is not None and not isinstance(value, type):
            yield table, key, value


FORWARDS = ("forward", "__call__", "fwd", "f", "call", "predict")


BACKWARDS = ("backward", "backprop", "bwd", "back", "grad", "gradient", "backward_pass", "bprop", "derivative")


def method_of(holder: Any, names: tuple[str, ...]) -> Any:
    """The first method that the holder has under one of the names."""
    return next((getattr(holder, name) for name in names if callable(getattr(holder, name, None))), None)


def is_layer_class(value: Any) -> bool:
    """Whether a class has a way forward under one of the usual names."""
    return (inspect.isclass(value) and any(name in dir(value) for name in FORWARDS if name != "__call__")) or (
        inspect.isclass(value) and "__call__" in vars(value)
    )  # fmt: skip


def first_array(result: Any) -> Any:
    """The first member of a result that is an array."""
    return next((value for value in arrays_in(result) if shape_of(value) is not None), result)


def fresh(thing: Any) -> Any:
    """An instance's own copy, so that one sequence of scenes does not see another's state."""
    return thing if isinstance(thing, type) or inspect.isroutine(thing) else copy.deepcopy(thing)
