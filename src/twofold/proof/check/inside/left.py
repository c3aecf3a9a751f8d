"""The gradients that `backward` leaves on an object: by name, else by what it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import shape_of
from twofold.proof.check.inside.held import Held, is_gradient
from twofold.proof.check.inside.members import Slot, slots
from twofold.proof.check.inside.theirs import Tensors, Theirs

FORMS = ("d{}", "grad_{}", "{}_grad", "d_{}", "grad{}", "{}grad", "{}_gradient", "dL_d{}", "dl_d{}", "g{}", "g_{}",
         "{}_g", "{}_error", "{}_delta", "delta_{}", "_d{}")  # fmt: skip
HOLDERS = ("g", "d", "dparams", "deltas")


def named_gradient(holder: object, keys: Sequence[Slot], kind: str, role: str, wanted: Mapping[str, object]) -> Theirs:
    """The gradient of the parameter in these slots, by its name; `None` if there is none."""
    table = getattr(holder, "__dict__", {})
    names = list(dict.fromkeys(str(slot.key) for slot in keys))
    for slot in keys:  # a parameter as an object or a tensor: its own `grad`
        own = next((value for form in ("g", "grad") if (value := _own(slot, form)) is not None), None)
        if own is not None:
            return own
        if slot.container is not table and isinstance(slot.container, dict):
            value = _of_forms(slot.container, names, ("grad", "g", "gradient", *FORMS))
            if value is not None and value is not slot.value:
                return value
    for name, held in list(table.items()):
        if isinstance(held, Mapping) and ("grad" in n.plain(name) or n.plain(name) in HOLDERS):
            value = next((held[key] for key in [slot.key for slot in keys] if key in held), None)
            if value is None:
                value = next((v for k, v in held.items() if n.gradient_role(kind, str(k), wanted) == role), None)
            if value is not None:
                return value
        listed = isinstance(held, list | tuple) and len(held) == len(wanted) and role in wanted
        if listed and n.plain(name) in ("grads", "gradients"):
            return held[list(wanted).index(role)]
    value = _of_forms(table, names, FORMS)
    if value is not None:
        return value
    for name, held in table.items():
        named = shape_of(held) is not None and is_gradient(name) and n.plain(name) not in ("x", "cache", "out")
        if named and n.gradient_role(kind, name, wanted) == role:
            return held
    return None


def _own(slot: Slot, name: str) -> Theirs:
    """An array that is an attribute of the parameter itself: `self.w.g`; else `None`."""
    value = getattr(slot.container[slot.key], name, None)
    return value if shape_of(value) is not None else None


def _of_forms(table: Mapping[str, Theirs], names: Sequence[str], forms: Sequence[str]) -> Theirs:
    plain = [key.lstrip("_") for key in names]
    for name in dict.fromkeys([*names, *plain]):
        for form in forms:
            value = table.get(form.format(name))
            if shape_of(value) is not None or isinstance(value, float):
                return value
    return None


def before(holder: object) -> Tensors:
    """A copy of the arrays that an object holds before `backward`."""
    return {slot.name: np.array(slot.value, copy=True) for slot in slots(holder) if _numeric(slot.value)}


def _numeric(value: object) -> bool:
    return getattr(value, "dtype", None) is not None and not hasattr(value, "requires_grad")


def changed(holder: object, held: Held, earlier: Mapping[str, np.ndarray]) -> list[Slot]:
    """The arrays that `backward` made or changed, without parameters."""
    parameters = {id(slot.container) for places in held.where.values() for slot in places}
    names = {(id(s.container), s.key) for places in held.where.values() for s in places}
    return [
        slot
        for slot in slots(holder)
        if _numeric(slot.value)
        and (id(slot.container), slot.key) not in names
        and not (id(slot.container) in parameters and slot.name in earlier and slot.container is not vars(holder))
        and not (slot.name in earlier and _alike(earlier[slot.name], slot.value))
    ]


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == np.shape(b) and np.array_equal(a, np.asarray(b), equal_nan=a.dtype.kind == "f")


def unnamed_gradient(shape: tuple[int, ...], left: Sequence[Slot]) -> Theirs:
    """The only array of this shape that `backward` left; `None` if there are none or several."""
    fitting = [slot.value for slot in left if tuple(slot.value.shape) == shape]
    return fitting[0] if len(fitting) == 1 else None
