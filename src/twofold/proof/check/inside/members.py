"""The arrays of a user's object, and its methods by their usual names."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Iterator, MutableMapping
from typing import NamedTuple

from twofold.proof.check.inside.arrays import shape_of
from twofold.proof.check.inside.call import BindingError, Called, signature
from twofold.proof.check.inside.names import plain
from twofold.proof.check.inside.theirs import Theirs

LISTS = ("params", "parameters", "weights", "theta")
"""Lists whose members are parameters."""


HOLDING = ("data", "value", "val", "values", "array", "tensor")
"""Attributes under which a parameter that is an object holds its array."""


class Slot(NamedTuple):
    """An array that an object holds: its container, the key in it, and a name for readers."""

    container: Theirs
    key: str | int
    value: Theirs
    name: str


def slots(holder: object, deep: bool = True) -> Iterator[Slot]:
    """Every array that an object holds, also in its dictionaries, lists and inner objects, one level deep."""
    table = getattr(holder, "__dict__", {})
    for key, value in list(table.items()):
        if isinstance(value, MutableMapping):
            yield from (Slot(value, k, v, str(k)) for k, v in list(value.items()) if shape_of(v) is not None)
            if deep:
                yield from (slot for k, v in list(value.items()) for slot in _inner(str(k), v))
        elif isinstance(value, list) and key in LISTS:
            yield from (Slot(value, i, v, str(i)) for i, v in enumerate(value) if shape_of(v) is not None)
        elif shape_of(value) is not None and not isinstance(value, type):
            yield Slot(table, key, value, key)
        elif deep:
            yield from _inner(key, value)


def _inner(key: str, value: object) -> Iterator[Slot]:
    """The arrays of an object within an object: a parameter with its `data`, or a layer."""
    if isinstance(value, type) or inspect.isroutine(value) or inspect.ismodule(value) or shape_of(value) is not None:
        return
    for slot in slots(value, deep=False):
        own = slot.key in HOLDING
        if own or not plain(slot.name).startswith("grad"):
            yield slot._replace(name=key if own else f"{key}.{slot.name}")


FORWARDS = ("forward", "__call__", "fwd", "f", "call", "forward_pass", "forward_prop", "forward_propagation", "fprop",
            "activate", "predict")  # fmt: skip


BACKWARDS = ("backward", "backprop", "bwd", "back", "grad", "gradient", "backward_pass", "bprop",
             "backward_prop", "backward_propagation", "backpropagate", "derivative", "prime")  # fmt: skip


def method_of(holder: object, names: tuple[str, ...]) -> Theirs:
    """The first method with one of the names; the object itself if its `__call__` wraps `forward`."""
    own = next((vars(base)["__call__"] for base in type(holder).__mro__ if "__call__" in vars(base)), None)
    if inspect.isfunction(own) and "forward" in names and callable(getattr(holder, "forward", None)):
        kinds = [parameter.kind for parameter in signature(own) or []]
        if kinds and all(kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD) for kind in kinds):
            return Called(holder)
    return next((getattr(holder, name) for name in names if callable(getattr(holder, name, None))), None)


def is_layer_class(value: object) -> bool:
    """Whether a class has a forward method under one of the usual names."""
    return (inspect.isclass(value) and any(name in dir(value) for name in FORWARDS if name != "__call__")) or (
        inspect.isclass(value) and "__call__" in vars(value)
    )  # fmt: skip


def fresh(thing: object) -> Theirs:
    """A copy of an object, so that one sequence of scenes does not see another's state; a class or function itself.

    Modules that it holds are shared. Raises `BindingError` where it cannot be copied.
    """
    if isinstance(thing, type) or inspect.isroutine(thing):
        return thing
    try:
        return copy.deepcopy(thing, {id(module): module for module in list(sys.modules.values())})
    except Exception as error:
        raise BindingError(
            f"a `{type(thing).__name__}` is checked in copies of itself, and this one cannot be copied "
            f"({type(error).__name__}: {str(error)[:200]}): give its class, or a function that makes one"
        ) from error
