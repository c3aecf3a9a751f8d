"""A user's loss: a function, or a class with a backward."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import UnusableError, array, arrays_in, is_tensor, shape_of, torch
from twofold.proof.check.inside.call import BindingError, call, signature
from twofold.proof.check.inside.job import Job
from twofold.proof.check.inside.members import BACKWARDS, FORWARDS, method_of
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Function, Tensors, Theirs, Values

PREDICTIONS = (
    "x z logits outputs output scores out pred preds predictions prediction ypred yhat inputs input logit o score "
    "probs a yp predicted p h net"
)


TARGETS = "y target targets labels label t ytrue truth onehot tgt gt true yt ys actual expected classes d"


VALUES = ("loss", "compute", "calculate", "value", "compute_loss", "cost")
LOSS_SETTINGS = {
    "reduction": "reduction",
    "delta": "delta beta d threshold",
    "label_smoothing": "labelsmoothing smoothing eps epsilon ls",
}


class Losses:
    """Plays a loss: a function that gives value and gradient, or a class with `forward(x, y)` and `backward(x, y)`."""

    partial: Tensors

    def __init__(self, thing: Theirs, job: Job, form: str, back: Theirs = None) -> None:
        self.thing, self.job, self.form, self.given_back = thing, job, form, back

    def play(self, scene: InsideScene) -> Tensors:
        """Value and gradient."""
        z, target = scene.arrays["outputs"], scene.arrays["target"]
        wanted = np.eye(z.shape[1])[target.astype(int)] if self.form == "onehot" else target
        library = torch()
        values: Values = {"outputs": z.copy(), "target": wanted.copy()}
        if self.job.get("torch") and library is not None:
            values = {"outputs": library.tensor(z).requires_grad_(True), "target": library.tensor(wanted)}
        forward, backward = self._methods()
        names = {**_sides(forward), **LOSS_SETTINGS}
        values |= {k: v for k, v in self.job.settings.items() if k in LOSS_SETTINGS}
        order = ["outputs", "target"]
        result = call(forward, values, names, order, self.job.declared)
        members = _ordered(result)
        value = members[0]
        calculate = getattr(getattr(self, "object", None), "calculate", None)  # takes the mean over samples
        if shape_of(value) == (len(z),) and callable(calculate):
            members = _ordered(call(calculate, values, names, order, self.job.declared))
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
        if self._left("output") is not None:
            roles |= {"dvalues": self._left("output")}
            names |= {"dvalues": "dvalues"}
        back = arrays_in(call(backward, roles, names, [*order, "outputs", "target"], self.job.declared))
        gradient = back[0] if back[0] is not None else self._left_gradient(values["outputs"])
        return {"loss": _number(value), "dz": array(gradient, "the gradient")}

    def _left(self, name: str) -> Theirs:
        """The array that the object keeps under a name; `None` if there is none."""
        value = getattr(getattr(self, "object", None), name, None)
        return value if shape_of(value) else None

    def _left_gradient(self, outputs: object) -> Theirs:
        """The gradient that `backward` leaves: `dinputs` on the object, or `g` on the outputs that it was given."""
        held = getattr(getattr(self, "object", None), "__dict__", {})
        left = next((v for k, v in held.items() if n.names_input_gradient(k) and shape_of(v)), None)
        return left if left is not None else getattr(outputs, "g", None)

    def _methods(self) -> tuple[Function, Function | None]:
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
        forward = method_of(thing, (*FORWARDS, *VALUES))
        if forward is None:
            raise BindingError(f"`{type(thing).__name__}` has no way to a loss: a method `forward`, `loss` or the like")
        return forward, method_of(thing, BACKWARDS)


def _ordered(result: object) -> list[Theirs]:
    """The members of a result, value first; those of a dictionary are known by their keys."""
    if not isinstance(result, Mapping):
        return arrays_in(result)
    keys = {n.plain(str(key)): key for key in result}
    value = next((keys[k] for k in ("loss", "value", "l", "cost") if k in keys), next(iter(result)))
    return [result[value], *(held for key, held in result.items() if key != value)]


def _sides(function: Function) -> dict[str, str]:
    """Names of the prediction and of the target; `y` is the target, but beside a `t` the prediction."""
    arguments = {n.plain(parameter.name) for parameter in signature(function) or []}
    others = n.words(TARGETS) - {"y"}
    if "y" in arguments and arguments & others and not arguments & n.words(PREDICTIONS):
        return {"outputs": f"{PREDICTIONS} y", "target": " ".join(sorted(others))}
    return {"outputs": PREDICTIONS, "target": TARGETS}


def _number(value: object) -> np.ndarray:
    number = array(value, "the loss")
    return number.reshape(()) if number.size == 1 else number
