"""Losses, optimizers, clipping and schedules of a user over scenes."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, MutableMapping
from typing import Any

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import UnusableError, array, arrays_in, is_tensor, shape_of, torch
from twofold.proof.check.inside.call import BindingError, call, signature
from twofold.proof.check.inside.functions import Job
from twofold.proof.check.inside.objects import BACKWARDS, FORWARDS, _method  # pyright: ignore[reportPrivateUsage]

PREDICTIONS = (
    "x z logits outputs output scores out pred preds predictions prediction ypred yhat inputs input logit o score "
    "probs a yp predicted p h net"
)
TARGETS = "y target targets labels label t ytrue truth onehot tgt gt true yt ys actual expected classes d"
LOSS_SETTINGS = {"reduction": "reduction", "label_smoothing": "labelsmoothing smoothing eps epsilon ls"}


STEPS = ("step", "update", "apply", "apply_gradients", "__call__", "optimize", "update_params", "minimize")
RATED = ("get_lr", "lr", "rate", "__call__", "learning_rate", "get", "value", "at", "lr_at", "get_rate", "schedule")
HELD = ("lr", "current_lr", "rate", "learning_rate")
MOMENTS = n.words(
    "m v velocity s sq buf vel cache r gsq mt vt h avg expavg expavgsq squareavg momentumbuffer vdw sdw g2"
)


class Losses:
    """A loss: a function that gives value and gradient, or a class with `forward(x, y)` and `backward(x, y)`."""

    def __init__(self, thing: Any, job: Job, form: str, back: Any = None) -> None:
        self.thing, self.job, self.form, self.given_back = thing, job, form, back

    def play(self, scene: Any) -> dict[str, np.ndarray]:
        """Value and gradient."""
        z, target = scene.arrays["outputs"], scene.arrays["target"].astype(int)
        wanted = target if self.form == "classes" else np.eye(z.shape[1])[target]
        library = torch()
        values: dict[str, Any] = {"outputs": z.copy(), "target": wanted.copy()}
        if self.job.get("torch") and library is not None:
            values = {"outputs": library.tensor(z).requires_grad_(True), "target": library.tensor(wanted)}
        names = {"outputs": PREDICTIONS, "target": TARGETS, **LOSS_SETTINGS}
        values |= {k: v for k, v in self.job.settings.items() if k in LOSS_SETTINGS}
        forward, backward = self._methods()
        order = ["outputs", "target"]
        result = call(forward, values, names, order, self.job.declared)
        members = arrays_in(result)
        value = members[0]
        if is_tensor(value) and value.requires_grad and backward is None:
            if value.ndim:
                raise UnusableError(f"the loss has shape {tuple(value.shape)}, where a single number is expected")
            value.backward()
            return {"loss": _number(value), "dz": array(values["outputs"].grad, "the gradient")}
        if len(members) > 1 and backward is None and shape_of(members[1]):
            return {"loss": _number(value), "dz": array(members[1], "the gradient")}
        if backward is None:
            return {"loss": _number(value)}
        roles = {**values, "cache": members[1] if len(members) == 2 else tuple(members[1:]), "dy": 1.0, "loss": value}
        roles = {k: v for k, v in roles.items() if v is not None and not (k == "cache" and len(members) == 1)}
        names |= {"cache": n.CACHE, "dy": n.GRADIENT, "loss": "loss"}
        order = ["cache"] if len(members) > 1 else order
        back = arrays_in(call(backward, roles, names, [*order, "outputs", "target"], self.job.declared))
        return {"loss": _number(value), "dz": array(back[0], "the gradient")}

    def _methods(self) -> tuple[Any, Any]:
        thing = self.thing
        library = torch()
        if library is not None and isinstance(thing, type) and issubclass(thing, library.autograd.Function):
            return thing.apply, None
        if isinstance(thing, type):
            if not hasattr(self, "object"):
                values = {k: v for k, v in self.job.settings.items() if k in LOSS_SETTINGS}
                self.object = call(thing, values, LOSS_SETTINGS, [], self.job.declared)
            thing = self.object
        if library is not None and isinstance(thing, library.nn.Module):
            return thing, None
        if inspect.isroutine(thing):
            return thing, self.given_back
        return _method(thing, FORWARDS), _method(thing, BACKWARDS)


def _number(value: Any) -> np.ndarray:
    number = array(value, "the loss")
    return number.reshape(()) if number.size == 1 else number


RATES = "lr learningrate eta alpha stepsize rate initiallr baselr lr0 maxlr l eta0 initlr peaklr initiallearningrate"
OPTIMIZER_SETTINGS = {
    "lr": RATES,
    "momentum": "momentum mu beta gamma m rho mom",
    "nesterov": "nesterov",
    "weight_decay": "weightdecay wd decay lambda lam l2 reg regstrength lmbda lambd",
    "betas": "betas",
    "beta1": "beta1 b1 betaone",
    "beta2": "beta2 b2 betatwo",
    "eps": "eps epsilon e",
    "alpha": "alpha rho decayrate beta decay gamma smoothing",
    "max_norm": "maxnorm clip clipnorm c threshold gradclip maxgradnorm clipvalue norm limit maxlength maxn",
}
UPDATED = {
    "p": "p w param parameter theta x weight weights wt params parameters",
    "g": "g dw grad gradient dtheta dx grads gradients dp dparams gw",
    "state": "state config cache optimstate memory s st moments optstate buf buffers v velocity states",
    "k": "k t step iteration it stepnumber n i timestep nstep count",
}


def optimizer_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """An optimizer's settings by role."""
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if v is not None}
    if "betas" in values:
        values |= {"beta1": values["betas"][0], "beta2": values["betas"][1]}
    return values


class Optimizers:
    """An optimizer over steps: a function of one step, a class with `step`, or a `torch.optim.Optimizer`."""

    def __init__(self, thing: Any, job: Job, form: str) -> None:
        self.thing, self.job, self.form = thing, job, form
        self.p: dict[str, np.ndarray] = {}
        self.state: dict[str, Any] = {}
        self.object: Any = None

    def play(self, scene: Any) -> dict[str, np.ndarray]:
        """The parameters after the step."""
        for name, value in scene.arrays.items():
            if name.startswith("p."):
                self.p.setdefault(name[2:], value.copy())
        grads = {name[2:]: value.copy() for name, value in scene.arrays.items() if name.startswith("g.")}
        if inspect.isroutine(self.thing):
            self._by_function(grads, scene)
        elif self._is_torch():
            self._by_torch(grads, scene)
        else:
            self._by_object(grads, scene)
        return {name: array(value, name).copy() for name, value in self.p.items()}

    def _values(self, scene: Any) -> dict[str, Any]:
        values = optimizer_values(self.job.settings)
        values["lr"] = scene.facts["lr"]
        return values

    def _is_torch(self) -> bool:
        library = torch()
        kind = self.thing if isinstance(self.thing, type) else type(self.thing)
        return library is not None and issubclass(kind, library.optim.Optimizer)

    def _by_function(self, grads: dict[str, np.ndarray], scene: Any) -> None:
        values, names = self._values(scene), {**OPTIMIZER_SETTINGS, **UPDATED}
        values["k"] = scene.facts["k"]
        order = ["p", "g", "state", "lr", "k"]
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
            given = {**values, "p": self.p[name], "g": grads[name], "state": state}
            state_of = self._numbered_state(given, name)
            result = call(self.thing, {**given, **state_of}, names, order, self.job.declared)
            self._take(result, name, state_of)

    def _numbered_state(self, given: dict[str, Any], name: str) -> dict[str, Any]:
        """Moments that go in and come out as arrays of their own: `m`, `v`, `velocity`."""
        parameters = [n.plain(p.name) for p in signature(self.thing) or []]
        arrays_wanted = [p for p in parameters if p in MOMENTS]
        if not arrays_wanted or self.form == "table":
            self.moments: list[str] = []
            return {}
        self.moments = arrays_wanted
        memory = self.state.setdefault(f"{name} moments", {key: np.zeros_like(given["p"]) for key in arrays_wanted})
        by_name = {p.name: n.plain(p.name) for p in signature(self.thing) or []}
        self.job["arguments"] = {
            **(self.job.declared or {}),
            **{k: f"moment {v}" for k, v in by_name.items() if v in memory},
        }
        return {f"moment {key}": value for key, value in memory.items()}

    def _take(self, result: Any, name: str, state_of: dict[str, Any]) -> None:
        """What an update gave: the new parameter, or nothing where it changed in place; then its state."""
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

    def _by_object(self, grads: dict[str, np.ndarray], scene: Any) -> None:
        names = {**OPTIMIZER_SETTINGS, **UPDATED}
        if self.object is None:
            values = {**self._values(scene), "p": self._handed()}
            self.object = self.thing
            if isinstance(self.thing, type):
                self.object = call(self.thing, values, names, self._constructor_order(), self.job.declared)
        self._set_rate(scene.facts["lr"])
        method = _method(
            self.object,
            ("step", "update", "apply", "apply_gradients", "__call__", "optimize", "update_params", "minimize"),
        )
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
        given = list(grads.values()) if self.form == "lists" else grads
        values = {"p": handed, "g": given, "lr": scene.facts["lr"], "k": scene.facts["k"]}
        if len(required) == 1:
            values.pop("p")
        result = call(method, values, names, ["p", "g", "lr", "k"], self.job.declared)
        self._after(handed, result)

    def _one(self, method: Any, key: str, grads: dict[str, Any], scene: Any, names: dict[str, str], count: int) -> None:
        values = {"p": self.p[key], "g": grads[key], "lr": scene.facts["lr"], "k": scene.facts["k"], "key": key}
        names = {**names, "key": "key name id pid param_id paramname index"}
        order = ["key", "p", "g"] if count == 3 else ["p", "g"]
        result = call(method, values, names, order, self.job.declared)
        if result is not None:
            self.p[key] = array(arrays_in(result)[0], "the new parameter").astype(float)

    def _constructor_order(self) -> list[str]:
        return ["p", "lr"] if self.form in ("objects", "lists", "whole") else ["lr"]

    def _handed(self) -> Any:
        if self.form == "lists":
            return list(self.p.values())
        if self.form == "objects":
            if not hasattr(self, "holders"):
                self.holders = [Parameter(value) for value in self.p.values()]
            return self.holders
        return self.p

    def _fill_objects(self, grads: dict[str, np.ndarray]) -> None:
        for holder, gradient in zip(self.holders, grads.values(), strict=True):
            holder.grad = holder.g = gradient

    def _after(self, handed: Any, result: Any) -> None:
        tables = [m for m in arrays_in(result) if isinstance(m, Mapping)]
        if tables and set(tables[0]) >= set(self.p):
            self.p = {name: array(tables[0][name], name).astype(float) for name in self.p}
        elif self.form == "lists":
            values = handed
            if isinstance(result, list | tuple) and len(result) == len(self.p):
                values = result
            self.p = dict(zip(self.p, values, strict=True))
        elif self.form == "objects":
            self.p = {name: holder.data for name, holder in zip(self.p, self.holders, strict=True)}

    def _set_rate(self, lr: float) -> None:
        for name in ("lr", "learning_rate", "eta", "alpha", "step_size", "_lr", "rate"):
            if isinstance(getattr(self.object, name, None), float | int) and name in vars(self.object):
                if name == "alpha" and self.job.kind == "rmsprop":
                    continue
                setattr(self.object, name, lr)
                return
        self.job["constant_rate"] = True

    def _by_torch(self, grads: dict[str, np.ndarray], scene: Any) -> None:
        library = torch()
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


class Parameter:
    """A parameter as an object: `data`, `value`, and `grad`."""

    def __init__(self, value: np.ndarray) -> None:
        self.data = value
        self.grad: Any = None
        self.g: Any = None

    @property
    def value(self) -> np.ndarray:
        """The numbers."""
        return self.data

    @value.setter
    def value(self, value: np.ndarray) -> None:
        self.data = value


class Clippings:
    """Clipping of gradients: handed over as a dictionary, a list, or one vector, changed in place or given back."""

    def __init__(self, thing: Any, job: Job, form: str) -> None:
        self.thing, self.job, self.form = thing, job, form

    def play(self, scene: Any) -> dict[str, np.ndarray]:
        """The gradients after clipping."""
        grads = {name[2:]: value.copy() for name, value in scene.arrays.items() if name.startswith("g.")}
        library = torch()
        handed: Any = dict(grads)
        if self.form == "list":
            handed = list(grads.values())
        elif self.form == "objects":
            handed = [Parameter(np.zeros_like(g)) for g in grads.values()]
            for holder, gradient in zip(handed, grads.values(), strict=True):
                holder.grad = gradient
        elif self.form == "torch":
            handed = [library.nn.Parameter(library.zeros(*g.shape, dtype=library.float64)) for g in grads.values()]
            for leaf, gradient in zip(handed, grads.values(), strict=True):
                leaf.grad = library.tensor(gradient)
        elif self.form == "vector":
            handed = np.concatenate([g.ravel() for g in grads.values()])
            self.sizes = {name: g.shape for name, g in grads.items()}
        elif self.form == "torch list":
            handed = [library.tensor(g) for g in grads.values()]
        function = self.thing
        values = {"g": handed, "max_norm": scene.facts["max_norm"]}
        names = {"g": f"{UPDATED['g']} params parameters model ps", "max_norm": OPTIMIZER_SETTINGS["max_norm"]}
        if isinstance(function, type):
            function = call(function, values, names, ["max_norm"], self.job.declared)
        if not inspect.isroutine(function):
            function = _method(function, ("clip", "__call__", "apply", "forward", "step"))
        result = call(function, values, names, ["g", "max_norm"], self.job.declared)
        return self._read(handed, result, list(grads))

    def _read(self, handed: Any, result: Any, names: list[str]) -> dict[str, np.ndarray]:
        if self.form == "vector":
            return self._parts(arrays_in(result)[0] if result is not None else handed)
        if self.form in ("objects", "torch"):
            values: Any = [holder.grad for holder in handed]
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

    def _parts(self, vector: Any) -> dict[str, np.ndarray]:
        """One vector of all gradients, in its parts."""
        flat = array(vector, "what the clipping gave")
        ends = np.cumsum([int(np.prod(shape)) for shape in self.sizes.values()])
        parts = np.split(flat, ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(self.sizes.items(), parts, strict=True)}


COUNTED = {
    "k": "k step t epoch it iteration i n currentstep stepnum nstep curstep currentepoch stepcount globalstep e iter",
    "lr": RATES,
    "steps": "steps total totalsteps nsteps numsteps maxsteps maxiter totalepochs epochs numepochs T length trainsteps "
    "niter maxepochs totaliterations nepochs tmax",
    "step_size": "stepsize size period every interval dropevery drop_every stepsz",
    "gamma": "gamma decay factor decayrate drop dropfactor rate",
    "t_max": "tmax T totalsteps steps total period tmaxsteps maxsteps totalepochs",
    "eta_min": "etamin minlr lrmin low lowest floor min_eta final end finallr lr_end",
    "start_factor": "startfactor start s0 startf initialfactor",
    "end_factor": "endfactor end finalfactor endf e",
    "total_iters": "totaliters iters warmup warmupsteps total steps niters numiters totalsteps",
    "pct_start": "pctstart pct warmupfraction warmfrac",
    "div_factor": "divfactor div",
    "final_div_factor": "finaldivfactor finaldiv finald",
    "anneal_strategy": "annealstrategy strategy anneal mode",
}


class Schedules:
    """A schedule: a function of the step, or a class with one; asked at every step."""

    def __init__(self, thing: Any, job: Job, form: str) -> None:
        self.thing, self.job, self.form = thing, job, form

    def play(self, scene: Any) -> dict[str, np.ndarray]:
        """The rate at every step."""
        settings = {k: v for k, v in self.job.settings.items() if v is not None and k != "unit"}
        values = {**settings, "lr": scene.facts["lr"], "steps": scene.facts["steps"]}
        if self.job.kind == "cosine":
            values.setdefault("t_max", scene.facts["steps"])
        if self.job.kind == "linear":
            values.setdefault("total_iters", scene.facts["steps"])
        names = {role: COUNTED[role] for role in COUNTED if role in values or role == "k"}
        order = ["lr", "k"] if self.form == "rate first" else ["k", "lr"]
        order += [name for name in COUNTED if name in values and name not in ("k", "lr", "steps")] + ["steps"]
        function, steps = self.thing, scene.arrays["k"].astype(int).tolist()
        if isinstance(function, type):
            function = call(function, values, names, [r for r in order if r != "k"], self.job.declared)
        if not inspect.isroutine(function):
            return {"rate": self._by_object(function, steps, names, values)}
        first = call(function, {**values, "k": steps[0]}, names, order, self.job.declared)
        if callable(first):
            return {"rate": np.array([float(array(first(k), "the rate")) for k in steps])}
        rates = [call(function, {**values, "k": k}, names, order, self.job.declared) for k in steps]
        return {"rate": np.array([float(array(rate, "the rate")) for rate in rates])}

    def _by_object(
        self, thing: Any, steps: list[int], names: Mapping[str, str], values: Mapping[str, Any]
    ) -> np.ndarray:
        method = _method(
            thing,
            (
                "get_lr",
                "lr",
                "rate",
                "__call__",
                "learning_rate",
                "get",
                "value",
                "at",
                "lr_at",
                "get_rate",
                "schedule",
            ),
        )
        if method is not None and [p for p in signature(method) or [] if p.default is p.empty]:
            return np.array([float(call(method, {**values, "k": k}, names, ["k"], self.job.declared)) for k in steps])
        rates, advance = [], _method(thing, ("step", "advance", "next", "update"))
        for _ in steps:
            held = next((getattr(thing, a) for a in HELD if isinstance(getattr(thing, a, None), float)), None)
            rates.append(float(array(method() if callable(method) else held, "the rate")))
            given = advance() if callable(advance) else None
            if method is None and held is None and given is not None:
                rates[-1] = float(array(given, "the rate"))
        return np.array(rates)


def fresh(thing: Any) -> Any:
    """An instance's own copy, so that one sequence of scenes does not see another's state."""
    return thing if isinstance(thing, type) or inspect.isroutine(thing) else copy.deepcopy(thing)
