"""Clipping of gradients by a user's function or object."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import numpy as np

from twofold.proof.check.inside.arrays import array, arrays_in, loaded_torch, shape_of
from twofold.proof.check.inside.call import BindingError, call
from twofold.proof.check.inside.holders import Parameter
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.members import method_of
from twofold.proof.check.inside.rules import OPTIMIZER_SETTINGS, UPDATED
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs


class Clippings:
    """Plays a clipping of gradients, given as a dictionary, list, objects or one vector, and changed or returned."""

    partial: Tensors

    def __init__(self, thing: Theirs, job: Job, form: str) -> None:
        self.thing, self.job, self.form = thing, job, form

    def play(self, scene: InsideScene) -> Tensors:
        """The gradients after clipping."""
        grads = {name[2:]: value.copy() for name, value in scene.arrays.items() if name.startswith("g.")}
        handed: Theirs = dict(grads)
        if self.form == "list":
            handed = list(grads.values())
        elif self.form == "objects":
            handed = [Parameter(np.zeros_like(g)) for g in grads.values()]
            for holder, gradient in zip(handed, grads.values(), strict=True):
                holder.grad = gradient
        elif self.form == "torch":
            library = loaded_torch()
            handed = [library.nn.Parameter(library.zeros(*g.shape, dtype=library.float64)) for g in grads.values()]
            for leaf, gradient in zip(handed, grads.values(), strict=True):
                leaf.grad = library.tensor(gradient)
        elif self.form == "vector":
            handed = np.concatenate([g.ravel() for g in grads.values()])
            self.sizes = {name: g.shape for name, g in grads.items()}
        elif self.form == "torch list":
            handed = [loaded_torch().tensor(g) for g in grads.values()]
        function = self.thing
        values = {"g": handed, "max_norm": scene.facts["max_norm"]}
        names = {"g": f"{UPDATED['g']} params parameters model ps", "max_norm": OPTIMIZER_SETTINGS["max_norm"]}
        if isinstance(function, type):
            function = call(function, values, names, ["max_norm"], self.job.declared)
        if not inspect.isroutine(function):
            method = method_of(function, ("clip", "__call__", "apply", "forward", "step"))
            if method is None:
                raise BindingError(f"`{type(function).__name__}` has no way to clip: a method `clip` or `__call__`")
            function = method
        result = call(function, values, names, ["g", "max_norm"], self.job.declared)
        return self._read(handed, result, list(grads))

    def _read(self, handed: Theirs, result: object, names: list[str]) -> Tensors:
        if self.form == "vector":
            return self._parts(arrays_in(result)[0] if result is not None else handed)
        if self.form in ("objects", "torch"):
            values: Theirs = [holder.grad for holder in handed]
        else:
            members = [result, *arrays_in(result)]
            fitting = [
                m
                for m in members
                if (isinstance(m, Mapping) and set(m) >= set(names))
                or (isinstance(m, list | tuple) and len(m) == len(names) and all(shape_of(v) for v in m))
            ]
            values = fitting[0] if fitting else handed
        if isinstance(values, Mapping):
            values = [values[name] for name in names]
        return {name: array(value, f"the gradient of {name}") for name, value in zip(names, values, strict=True)}

    def _parts(self, vector: object) -> Tensors:
        """The vector of all gradients cut into the single ones, by name."""
        flat = array(vector, "what the clipping gave")
        ends = np.cumsum([int(np.prod(shape)) for shape in self.sizes.values()])
        parts = np.split(flat, ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.sizes.items(), parts, strict=True)}
