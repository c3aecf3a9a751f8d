"""A user's schedule, asked for its rate at every step."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import numpy as np

from twofold.proof.check.inside.arrays import array, shape_of, torch
from twofold.proof.check.inside.call import BindingError, call, signature
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.members import method_of
from twofold.proof.check.inside.rules import RATES
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs

RATED = ("get_lr", "lr", "rate", "__call__", "learning_rate", "get", "value", "at", "lr_at", "get_rate", "schedule")
"""Methods of a schedule that may give its rate."""


HELD = ("lr", "current_lr", "rate", "learning_rate")
"""Attributes that may hold it."""


COUNTED = {
    "k": "k step t epoch it iteration i n currentstep stepnum nstep curstep currentepoch stepcount globalstep e iter",
    "lr": RATES,
    "step_size": "stepsize size period every interval dropevery drop_every stepsz epochsdrop",
    "gamma": "gamma decay factor decayrate drop dropfactor rate",
    "t_max": "tmax T totalsteps steps total period tmaxsteps maxsteps totalepochs",
    "eta_min": "etamin minlr lrmin low lowest floor min_eta final end finallr lr_end",
    "start_factor": "startfactor start s0 startf initialfactor",
    "end_factor": "endfactor end finalfactor endf e",
    "total_iters": "totaliters iters warmup warmupsteps total steps niters numiters totalsteps",
    "steps": "steps total totalsteps nsteps numsteps maxsteps maxiter totalepochs epochs numepochs T length trainsteps "
    "niter maxepochs totaliterations nepochs tmax",
    "pct_start": "pctstart pct warmupfraction warmfrac",
    "div_factor": "divfactor div",
    "final_div_factor": "finaldivfactor finaldiv finald",
    "anneal_strategy": "annealstrategy strategy anneal mode",
    "optimizer": "optimizer optim opt optimiser",
    "last_epoch": "lastepoch laststep",
}
"""Names of a schedule's arguments, by role."""
NOT_IN_ORDER = ("k", "lr", "steps", "optimizer", "last_epoch")
ADVANCES = ("step", "advance", "next", "update")
"""Methods that move a schedule on by one step."""


class Schedules:
    """Plays a schedule: a function of the step, a class with one, or a scheduler that sets an optimizer's rate."""

    partial: Tensors

    def __init__(self, thing: Theirs, job: Job, form: str) -> None:
        self.thing, self.job, self.form = thing, job, form

    def play(self, scene: InsideScene) -> Tensors:
        """The rate at every step."""
        settings = {k: v for k, v in self.job.settings.items() if v is not None and k != "unit"}
        values = {**settings, "lr": scene.facts["lr"], "steps": scene.facts["steps"]}
        if self.job.kind == "cosine":
            values.setdefault("t_max", scene.facts["steps"])
        if self.job.kind == "linear":
            values.setdefault("total_iters", scene.facts["steps"])
        values |= {"optimizer": self._optimizer(scene), "last_epoch": -1}
        names = {role: COUNTED[role] for role in COUNTED if role in values or role == "k"}
        order = ["lr", "k"] if self.form == "rate first" else ["k", "lr"]
        order += [name for name in COUNTED if name in values and name not in NOT_IN_ORDER] + ["steps"]
        function, steps = self.thing, scene.arrays["k"].astype(int).tolist()
        if isinstance(function, type):
            function = call(function, values, names, [r for r in order if r != "k"], self.job.declared)
        if not inspect.isroutine(function) and self._moves(function, values["optimizer"]):
            return {"rate": self._on_its_optimizer(function, steps, values["optimizer"])}
        if not inspect.isroutine(function):
            return {"rate": self._by_object(function, steps, names, values)}
        first = call(function, {**values, "k": steps[0]}, names, order, self.job.declared)
        if self._moves(first, values["optimizer"]):
            return {"rate": self._on_its_optimizer(first, steps, values["optimizer"])}
        if callable(first):
            return {"rate": np.array([float(array(first(k), "the rate")) for k in steps])}
        if inspect.isgenerator(first):
            return {"rate": np.array([float(array(rate, "the rate")) for _, rate in zip(steps, first, strict=False)])}
        if shape_of(first) is not None and np.size(first) == len(steps) > 1:
            return {"rate": array(first, "the rates").reshape(-1)}
        rates = [call(function, {**values, "k": k}, names, order, self.job.declared) for k in steps]
        return {"rate": np.array([float(array(rate, "the rate")) for rate in rates])}

    def _optimizer(self, scene: InsideScene) -> Theirs:
        """An optimizer for a scheduler of PyTorch's kind, which sets its rate."""
        library = torch()
        if library is None or not self.job.get("torch"):
            return Rated(scene.facts["lr"])
        return library.optim.SGD([library.nn.Parameter(library.zeros(1))], lr=scene.facts["lr"])

    def _moves(self, thing: object, optimizer: object) -> bool:
        """Whether a thing holds the optimizer, and so may set its rate."""
        return any(value is optimizer for value in getattr(thing, "__dict__", {}).values())

    def _on_its_optimizer(self, thing: Theirs, steps: list[int], optimizer: Theirs) -> np.ndarray:
        """The optimizer's rate before each step of the schedule."""
        advance, rates = method_of(thing, ADVANCES), list[float]()
        if advance is None:
            raise BindingError("the schedule holds an optimizer, but has no `step`")
        for _ in steps:
            rates.append(float(array(_rate_of(optimizer), "the rate")))
            if not isinstance(optimizer, Rated):
                optimizer.step()
            advance()
        return np.array(rates)

    def _by_object(
        self, thing: Theirs, steps: list[int], names: Mapping[str, str], values: Mapping[str, Theirs]
    ) -> np.ndarray:
        method = method_of(thing, RATED)
        advance = method_of(thing, ADVANCES)
        if method is not None and [p for p in signature(method) or [] if p.default is p.empty]:
            return np.array([float(call(method, {**values, "k": k}, names, ["k"], self.job.declared)) for k in steps])
        if method is None and advance is None and not any(isinstance(getattr(thing, a, None), float) for a in HELD):
            raise BindingError(
                f"`{type(thing).__name__}` has no way to a rate: a method `get_lr` or `step`, an attribute `lr`"
            )
        rates = []
        for _ in steps:
            held = next((getattr(thing, a) for a in HELD if isinstance(getattr(thing, a, None), float)), None)
            asked = method() if callable(method) else held
            advanced = advance() if callable(advance) else None
            rate = advanced if asked is None or (method is None and advanced is not None) else asked
            rates.append(float(array(rate, "the rate")))
        return np.array(rates)


class Rated:
    """An optimizer as a scheduler sees it: `lr`, and `param_groups` as PyTorch has them."""

    def __init__(self, lr: float) -> None:
        self.lr = self.learning_rate = lr
        self.param_groups = [{"lr": lr, "initial_lr": lr, "params": []}]
        self.defaults = {"lr": lr}
        self.start = lr


def _rate_of(optimizer: Theirs) -> float:
    if isinstance(optimizer, Rated):
        now = (optimizer.lr, optimizer.learning_rate, optimizer.param_groups[0]["lr"])
        return next((rate for rate in now if rate != optimizer.start), optimizer.start)
    return optimizer.param_groups[0]["lr"]
