"""A user's optimizer, played step by step."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, MutableMapping

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import array, arrays_in, loaded_torch, shape_of, torch
from twofold.proof.check.inside.call import BindingError, call, signature
from twofold.proof.check.inside.holders import HoldingLayer, Parameter
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.members import method_of
from twofold.proof.check.inside.rules import MOMENTS, OPTIMIZER_SETTINGS, RATES, UPDATED, optimizer_values
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs, Values

STEPS = (
    "step",
    "update",
    "apply",
    "apply_gradients",
    "__call__",
    "optimize",
    "update_params",
    "minimize",
    "update_param",
    "update_parameter",
    "update_parameters",
    "update_weights",
    "step_param",
)
"""Methods of an optimizer that may take its step."""


class Optimizers:
    """Plays an optimizer: a function of one step, a class with `step`, or a `torch.optim.Optimizer`."""

    partial: Tensors

    def __init__(self, thing: Theirs, job: Job, form: str) -> None:
        self.thing, self.job, self.form = thing, job, form
        self.p: dict[str, np.ndarray] = {}
        self.state: Values = {}
        self.object: Theirs = None

    def play(self, scene: InsideScene) -> Tensors:
        """The parameters after the step."""
        for name, value in scene.arrays.items():
            if name.startswith("p."):
                self.p.setdefault(name[2:], value.copy())
        grads = {name[2:]: value.copy() for name, value in scene.arrays.items() if name.startswith("g.")}
        if inspect.isroutine(self.thing) and self._makes_one():
            self.thing = call(self.thing, self._values(scene), OPTIMIZER_SETTINGS, ["lr"], self.job.declared)
            rated = inspect.isroutine(self.thing) and self._names(self.thing) & n.words(RATES)
            self.job["constant_rate"] = inspect.isroutine(self.thing) and not rated
        if inspect.isroutine(self.thing):
            self._by_function(grads, scene)
        elif self._is_torch():
            self._by_torch(grads, scene)
        else:
            self._by_object(grads, scene)
        return {name: array(value, name).copy() for name, value in self.p.items()}

    def _values(self, scene: InsideScene) -> Values:
        values = optimizer_values(self.job.settings)
        values["lr"] = scene.facts["lr"]
        return values

    def _names(self, function: Theirs) -> set[str]:
        return {n.plain(parameter.name) for parameter in signature(function) or []}

    def _makes_one(self) -> bool:
        """Whether a function makes an optimizer: it takes settings, no gradient."""
        named = self._names(self.thing)
        return bool(named) and named <= {w for text in OPTIMIZER_SETTINGS.values() for w in n.words(text)}

    def _is_torch(self) -> bool:
        library = torch()
        kind = self.thing if isinstance(self.thing, type) else type(self.thing)
        return library is not None and issubclass(kind, library.optim.Optimizer)

    def _by_function(self, grads: dict[str, np.ndarray], scene: InsideScene) -> None:
        values, names = self._values(scene), {**OPTIMIZER_SETTINGS, **UPDATED}
        values |= {"k": scene.facts["k"], "hyper": dict(values)}
        order = ["p", "g", "state", "lr", "k"]
        if self.form == "tensors":  # they hold their gradients
            handed = self._handed()
            for leaf, gradient in zip(handed, grads.values(), strict=True):
                leaf.grad = loaded_torch().tensor(gradient)
            self._after(handed, call(self.thing, {**values, "p": handed}, names, ["p", "lr"], self.job.declared))
            return
        if self.form == "whole":
            values |= {"p": self.p, "g": grads, "state": self.state}
            result = call(self.thing, values, names, order, self.job.declared)
            members = arrays_in(result)
            tables = [m for m in members if isinstance(m, Mapping)]
            if tables and set(tables[0]) >= set(self.p):
                self.p = {name: array(tables[0][name], name) for name in self.p}
            self.state = dict(next((m for m in tables[1:]), self.state))
            return
        for name in self.p:
            state = self.state.setdefault(name, {"learning_rate": values["lr"], **values})
            if isinstance(state, MutableMapping):
                state["learning_rate"] = values["lr"]
                state["lr"] = values["lr"]
            handed = {**values, "p": self.p[name], "g": grads[name], "state": state}
            state_of = self._numbered_state(handed, name)
            result = call(self.thing, {**handed, **state_of}, names, order, self.job.declared)
            self._take(result, name, state_of)

    def _numbered_state(self, values: Values, name: str) -> Values:
        """Moments that go in and come out as arrays of their own: `m`, `v`, `velocity`."""
        parameters = [n.plain(p.name) for p in signature(self.thing) or []]
        arrays_wanted = [p for p in parameters if p in MOMENTS]
        if not arrays_wanted or self.form == "table":
            self.moments: list[str] = []
            return {}
        self.moments = arrays_wanted
        memory = self.state.setdefault(f"{name} moments", {key: np.zeros_like(values["p"]) for key in arrays_wanted})
        by_name = {p.name: n.plain(p.name) for p in signature(self.thing) or []}
        self.job["arguments"] = {
            **(self.job.declared or {}),
            **{k: f"moment {v}" for k, v in by_name.items() if v in memory},
        }
        return {f"moment {key}": value for key, value in memory.items()}

    def _take(self, result: object, name: str, state_of: Values) -> None:
        """Take over an update's result: the new parameter, or nothing if it changed in place; then its state."""
        if result is None:
            return
        members = arrays_in(result)
        self.p[name] = array(members[0], "the new parameter").astype(float)
        rest = members[1:]
        if state_of and rest:
            flat = [m for member in rest for m in arrays_in(member)]
            for key, value in zip(self.moments, [f for f in flat if shape_of(f) is not None], strict=False):
                self.state[f"{name} moments"][key] = value
        elif rest and rest[0] is not None:
            self.state[name] = rest[0]

    def _by_object(self, grads: dict[str, np.ndarray], scene: InsideScene) -> None:
        names = {**OPTIMIZER_SETTINGS, **UPDATED}
        if self.form == "own":
            self._each_by_its_own(grads, scene)
            return
        if self.object is None:
            self.object = self._made({**self._values(scene), "p": self._handed()})
        self._set_rate(scene.facts["lr"])
        if self.form == "layer":
            self._on_a_layer(grads)
            return
        method = method_of(self.object, STEPS)
        if method is None:
            raise BindingError("the optimizer has no `step` or `update`")
        required = [p for p in signature(method) or [] if p.default is p.empty]
        if self.form == "apart":
            for key in self.p:
                self._one(method, key, grads, scene, names, len(required))
            return
        handed = self._handed()
        if self.form == "objects":
            self._fill_objects(grads)
        if self.form == "tensors":
            for leaf, gradient in zip(handed, grads.values(), strict=True):
                leaf.grad = loaded_torch().tensor(gradient)
        gradients: Theirs = list(grads.values()) if self.form == "lists" else grads
        if self.form == "pairs":
            if len(required) != 1:
                raise BindingError("no method that takes one list of pairs")
            first = n.plain(required[0].name).startswith("grad")
            gradients = [(grads[name], self.p[name]) if first else (self.p[name], grads[name]) for name in self.p]
        values = {"p": handed, "g": gradients, "lr": scene.facts["lr"], "k": scene.facts["k"]}
        if len(required) == 1:
            values.pop("p")
        result = call(method, values, names, ["p", "g", "lr", "k"], self.job.declared)
        self._after(handed, result)

    def _made(self, values: Values) -> Theirs:
        if not isinstance(self.thing, type):
            return self.thing
        names = {**OPTIMIZER_SETTINGS, **UPDATED}
        return call(self.thing, values, names, self._constructor_order(), self.job.declared)

    def _each_by_its_own(self, grads: dict[str, np.ndarray], scene: InsideScene) -> None:
        """Take a step with an optimizer object for each parameter, which keeps the moments of one array."""
        for key in self.p:
            self.object = self.state.get(key) or self._made(self._values(scene))
            self.state[key] = self.object
            self._set_rate(scene.facts["lr"])
            method = method_of(self.object, STEPS)
            if method is None:
                raise BindingError("the optimizer has no `step` or `update`")
            self._one(method, key, grads, scene, {**OPTIMIZER_SETTINGS, **UPDATED}, 2)

    def _on_a_layer(self, grads: dict[str, np.ndarray]) -> None:
        """Take a step on a layer that holds parameters and gradients, with the methods that go before and after it."""
        self.layer = getattr(self, "layer", None) or HoldingLayer()
        self.layer.fill(self.p, grads)
        method = method_of(self.object, STEPS)
        if method is None or len([p for p in signature(method) or [] if p.default is p.empty]) != 1:
            raise BindingError("no method that takes one layer")
        for name in ("pre_update_params", "pre_update", "before_step"):
            getattr(self.object, name, lambda: None)()
        method(self.layer)
        for name in ("post_update_params", "post_update", "after_step"):
            getattr(self.object, name, lambda: None)()
        self.p = self.layer.now(self.p)

    def _one(
        self, method: Theirs, key: str, grads: Values, scene: InsideScene, names: dict[str, str], count: int
    ) -> None:
        values = {"p": self.p[key], "g": grads[key], "lr": scene.facts["lr"], "k": scene.facts["k"], "key": key}
        names = {**names, "key": "key name id pid param_id paramname index"}
        order = ["key", "p", "g"] if count == 3 else ["p", "g"]
        result = call(method, values, names, order, self.job.declared)
        if result is not None:
            self.p[key] = array(arrays_in(result)[0], "the new parameter").astype(float)

    def _constructor_order(self) -> list[str]:
        return ["p", "lr"] if self.form in ("objects", "lists", "whole", "tensors") else ["lr"]

    def _handed(self) -> Theirs:
        if self.form == "lists":
            return list(self.p.values())
        if self.form == "tensors":
            if not hasattr(self, "leaves"):
                library = loaded_torch()
                self.leaves = {name: library.nn.Parameter(library.tensor(value)) for name, value in self.p.items()}
            return list(self.leaves.values())
        if self.form == "objects":
            if not hasattr(self, "holders"):
                self.holders = [Parameter(value) for value in self.p.values()]
            return self.holders
        return self.p

    def _fill_objects(self, grads: dict[str, np.ndarray]) -> None:
        for holder, gradient in zip(self.holders, grads.values(), strict=True):
            holder.grad = holder.g = gradient

    def _after(self, handed: Theirs, result: object) -> None:
        tables = [m for m in arrays_in(result) if isinstance(m, Mapping)]
        if tables and set(tables[0]) >= set(self.p):
            self.p = {name: array(tables[0][name], name).astype(float) for name in self.p}
        elif self.form == "lists":
            values = handed
            if isinstance(result, list | tuple) and len(result) == len(self.p):
                values = result
            self.p = dict(zip(self.p, values, strict=True))
        elif self.form == "tensors":
            self.p = {name: array(leaf, name).copy() for name, leaf in self.leaves.items()}
        elif self.form == "objects":
            self.p = {name: holder.data for name, holder in zip(self.p, self.holders, strict=True)}

    def _set_rate(self, lr: float) -> None:
        for name in ("lr", "learning_rate", "eta", "alpha", "step_size", "_lr", "rate"):
            if isinstance(getattr(self.object, name, None), float | int) and name in vars(self.object):
                if name == "alpha" and self.job.kind == "rmsprop":
                    continue
                setattr(self.object, name, lr)
                if hasattr(self.object, "current_learning_rate"):
                    self.object.current_learning_rate = lr
                return
        self.job["constant_rate"] = True

    def _by_torch(self, grads: dict[str, np.ndarray], scene: InsideScene) -> None:
        library = loaded_torch()
        if self.object is None:
            self.leaves = {name: library.nn.Parameter(library.tensor(value)) for name, value in self.p.items()}
            values = {**self._values(scene), "p": list(self.leaves.values())}
            self.object = call(self.thing, values, {**OPTIMIZER_SETTINGS, **UPDATED}, ["p", "lr"], self.job.declared)
        for group in self.object.param_groups:
            group["lr"] = scene.facts["lr"]
        for name, leaf in self.leaves.items():
            leaf.grad = library.tensor(grads[name])
        self.object.step()
        self.p = {name: array(leaf, name).copy() for name, leaf in self.leaves.items()}
