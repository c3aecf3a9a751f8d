"""The plans: ways in which an object may be meant, tried one after another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import Layout, layouts
from twofold.proof.check.inside.call import BindingError, is_state, signature
from twofold.proof.check.inside.cells import StepFunctions
from twofold.proof.check.inside.clipping import Clippings
from twofold.proof.check.inside.functions import Functions
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.losses import Losses
from twofold.proof.check.inside.members import fresh
from twofold.proof.check.inside.objects import Objects
from twofold.proof.check.inside.optimizers import Optimizers
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.schedules import Schedules
from twofold.proof.check.inside.theirs import Function, Tensors, Theirs
from twofold.proof.check.inside.torch_objects import AutogradFunctions, Modules, is_autograd_function, is_module

FORMS = {"cross_entropy": ("classes", "onehot"), "mean_squared": ("onehot", "classes")}
"""Forms in which a loss may take classes; other losses take their targets as they are."""


class Player(Protocol):
    """Plays the scenes of a thing one after another."""

    partial: Tensors
    """The tensors of the current scene so far: if it fails, these are all."""

    def play(self, scene: InsideScene) -> Tensors:
        """Tensors in our layout, by our names."""
        ...


class Plan(NamedTuple):
    """A way of reading the object: its name, and a function that builds its player."""

    name: str
    build: Callable[[], Player]


class Pair(NamedTuple):
    """Forward and backward as functions."""

    forward: Function
    backward: Function | None


def plans(thing: Theirs, job: Job) -> Iterator[Plan]:
    """The ways of reading a thing, the usual ones first. Raises `BindingError` for `None`, which is no code."""
    kind = job.kind
    if thing is None:
        raise BindingError("the object is None: a function, a class or an object is wanted")
    if job["section"] == "loss":
        pair = thing if isinstance(thing, Pair) else Pair(thing, None)
        orders = FORMS.get(kind, ("numbers",))
        for form in orders:
            yield Plan(form, lambda form=form: Losses(pair.forward, job, form, pair.backward))
    elif kind in ("sgd", "adam", "adamw", "rmsprop"):
        forms = _optimizer_forms(thing) if not job.get("torch") else ("tensors", *_optimizer_forms(thing))
        for form in forms:
            yield Plan(form, lambda form=form: Optimizers(fresh(_alone(thing)), job, form))
    elif kind == "max_norm":
        for form in ("dictionary", "list", "objects", "torch", "torch list", "vector"):
            if not form.startswith("torch") or job.get("torch"):
                yield Plan(form, lambda form=form: Clippings(_alone(thing), job, form))
    elif job["section"] == "schedule":
        yield Plan("step first", lambda: Schedules(fresh(_alone(thing)), job, "step first"))
        yield Plan("rate first", lambda: Schedules(fresh(_alone(thing)), job, "rate first"))
    else:
        yield from _layers(thing, job)


def _optimizer_forms(thing: object) -> tuple[str, ...]:
    alone = _alone(thing)
    if not inspect.isroutine(alone):
        return ("whole", "lists", "apart", "objects", "pairs", "own", "layer")
    parameters = [n.plain(p.name) for p in signature(alone) or []]
    several = any(name in ("params", "grads", "parameters", "gradients") for name in parameters)
    return ("whole", "each", "table") if several else ("each", "table", "whole")


def _alone(thing: object) -> Theirs:
    return thing.forward if isinstance(thing, Pair) else thing


def _layers(thing: Theirs, job: Job) -> Iterator[Plan]:
    for layout in _layouts(job):
        if isinstance(thing, Pair):
            yield from _pairs(thing, job, layout)
        elif is_autograd_function(thing):
            yield Plan(layout.name, lambda layout=layout: AutogradFunctions(thing, job, layout))
        elif is_module(thing):
            yield from _modules(thing, job, layout)
        elif isinstance(thing, type):
            if _like_ours(thing) or _takes_weights(thing, job):
                yield Plan(layout.name, lambda layout=layout: _Ours(thing, job, layout))
            yield Plan(layout.name, lambda layout=layout: Objects(thing, job, layout))
        elif inspect.isroutine(thing) or isinstance(thing, np.ufunc):
            if _makes(thing):
                yield Plan(f"made by a function, {layout.name}", lambda layout=layout: _Made(thing, job, layout))
            yield from _pairs(Pair(thing, None), job, layout)
        else:
            if _like_ours(type(thing)):
                yield Plan(
                    layout.name,
                    lambda layout=layout: Functions(thing.forward, getattr(thing, "backward", None), job, layout),
                )
            yield Plan(layout.name, lambda layout=layout: Objects(fresh(thing), job, layout, ready=True))


def _layouts(job: Job) -> list[Layout]:
    choices = layouts(job.kind)
    transposed = job.get("transposed")
    return [layout for layout in choices if transposed is None or layout.transposed == transposed]


def _modules(thing: Theirs, job: Job, layout: Layout) -> Iterator[Plan]:
    ready = not isinstance(thing, type)
    yield Plan(layout.name, lambda: Modules(_ready(thing), job, layout, ready))
    optional = [p for p in signature(thing.forward) or [] if p.default is not p.empty]
    if job.kind in n.RECURRENT and any(map(is_state, optional)):
        name = f"a step of time, {layout.name}"  # a state that may be left out is taken by cells and by whole layers
        yield Plan(name, lambda: Modules(_ready(thing), job, layout, ready, stepped=True))


def _pairs(pair: Pair, job: Job, layout: Layout) -> Iterator[Plan]:
    states = [p for p in signature(pair.forward) or [] if n.plain(p.name) in n.words(n.STATE)]
    stepped = job.kind in n.RECURRENT and bool(states) and all(n.plain(p.name) != "h0" for p in states)
    required = any(p.default is p.empty for p in states)
    step = Plan(f"a step of time, {layout.name}", lambda: StepFunctions(pair.forward, pair.backward, job, layout))
    whole = Plan(layout.name, lambda: Functions(pair.forward, pair.backward, job, layout))
    yield from ([step, whole] if required else [whole, step]) if stepped else [whole]


def _like_ours(kind: type) -> bool:
    """Whether a class is a layer of Twofold's own form: `forward(params, x, ...)`."""
    forward = getattr(kind, "forward", None)
    parameters = signature(forward) if forward else None
    return bool(parameters) and n.plain(parameters[0].name) in n.words(n.PARAMS)  # pyright: ignore[reportOptionalSubscript]


def _takes_weights(kind: type, job: Job) -> bool:
    """Whether a class is a layer that holds no parameters: `forward(x, w, b)`."""
    known = ("weight", "weight_ih", "weight_hh", "bias")
    parameters = signature(getattr(kind, "forward", None) or kind) or []
    return any(n.parameter_role(job.kind, p.name, known) in ("weight", "weight_ih") for p in parameters)


def _makes(function: Function) -> bool:
    """Whether a function seems to build a layer: it takes no input."""
    parameters = signature(function)
    inputs = n.words(n.INPUT) - {"n"}
    return parameters is not None and not any(n.plain(p.name) in inputs for p in parameters)


def _ready(thing: object) -> Theirs:
    return thing if isinstance(thing, type) else fresh(thing)


class _Within:
    """Plays with a player that is made in the first scene; what is asked of this one is asked of that one."""

    partial: Tensors
    player: Theirs = None

    def __getattr__(self, name: str) -> Theirs:
        return getattr(self.player, name)

    def _played(self, scene: InsideScene) -> Tensors:
        self.player.partial = {}
        try:
            return self.player.play(scene)
        finally:
            self.partial = self.player.partial


class _Ours(_Within):
    """A class whose `forward` and `backward` take parameters as Twofold's layers do."""

    def __init__(self, build: type, job: Job, layout: Layout) -> None:
        self.build, self.job, self.layout = build, job, layout

    def play(self, scene: InsideScene) -> Tensors:
        """Play a scene with the object's methods as a pair of functions."""
        from twofold.proof.check.inside.built import construct

        if self.player is None:
            made = construct(self.build, self.job, scene, self.layout)
            self.player = Functions(made.forward, getattr(made, "backward", None), self.job, self.layout)
        return self._played(scene)


class _Made(_Within):
    """Plays the result of a user's function that builds a module, or an object with `forward`."""

    def __init__(self, function: Theirs, job: Job, layout: Layout) -> None:
        self.function, self.job, self.layout = function, job, layout

    def play(self, scene: InsideScene) -> Tensors:
        """Play a scene with what the function builds."""
        from twofold.proof.check.inside.built import construct

        parameters = [p.name for p in signature(self.function) or []]
        bound_in = any(n.parameter_role(self.job.kind, name, scene.parameters) for name in parameters)
        if self.player is None or bound_in:  # what it builds holds the parameters that it was given
            made = construct(self.function, self.job, scene, self.layout)
            kind = Modules if is_module(made) else Objects
            if isinstance(made, tuple) and len(made) == 2 and all(map(callable, made)):
                self.player = Functions(made[0], made[1], self.job, self.layout)
            else:
                self.player = kind(made, self.job, self.layout, True)
        return self._played(scene)


def paired(thing: object) -> Theirs:
    """A thing that is a pair of functions, a tuple or a dictionary, as a `Pair`; any other thing itself."""
    if isinstance(thing, tuple | list) and len(thing) == 2 and all(callable(member) for member in thing):
        return Pair(thing[0], thing[1])
    if isinstance(thing, Mapping) and callable(thing.get("forward")):
        return Pair(thing["forward"], thing.get("backward"))
    return thing
