"""A layer given as functions, forward and backward."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import (
    Layout,
    array,
    arrays_in,
    as_tensors,
    gradients,
    is_tensor,
    loaded_torch,
    read_states,
    shape_of,
    to_states,
    torch,
    without_ones,
)
from twofold.proof.check.inside.call import BindingError, bound, call, signature
from twofold.proof.check.inside.job import BUFFERS, BUNDLES, SETTINGS_IN_ORDER, Bundle, Job, Mode, setting_values
from twofold.proof.check.inside.returned import beside, without_state
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.table import Table
from twofold.proof.check.inside.theirs import Function, Tensors, Theirs, Values


class Functions:
    """Plays a layer given as a pair of functions through scenes."""

    def __init__(self, forward: Function, backward: Function | None, job: Job, layout: Layout) -> None:
        self.forward, self.backward, self.job, self.layout = forward, backward, job, layout
        self.names = {
            "params": n.PARAMS, "x": n.INPUT, "dy": n.GRADIENT, "cache": n.CACHE, "training": n.MODE,
            "mask": "mask m keepmask",
            "h0": n.STATE, "c0": n.MEMORY, "y": n.OUTPUT, "bundle": BUNDLES, "mode_object": "mode",
            **n.WEIGHTS[n.family(job.kind)], **n.SETTINGS,
        }  # fmt: skip
        self.whole = self._takes_params()
        self.partial: dict[str, np.ndarray] = {}
        self.tracked = self.autograd = False
        self.derivative = False
        """Whether `backward` takes no dy, and its result was taken for f'(x) and multiplied by dy."""
        if self.whole and not layout.flat_bias:
            raise BindingError("parameters that come as a dictionary have PyTorch's shapes")

    def _takes_params(self) -> bool:
        """Whether the parameters go in as one dictionary."""
        parameters = signature(self.forward)
        if not parameters:
            return False
        if parameters[0].name in self.job.declared:
            return self.job.declared[parameters[0].name] == "params"
        short = n.plain(parameters[0].name)
        if short in ("theta", "p"):
            return len(parameters) > 1
        several = len((self.job.get("scenes") or [{}])[0].get("gradients", ())) > 1
        others = {"theta", "p"} if not (several and len(parameters) == 2) else set[str]()
        return any(n.plain(p.name) in n.words(n.PARAMS) - others for p in parameters)

    def values(self, scene: InsideScene) -> Values:
        """All values that an argument may take in this scene, by role."""
        kind, layout = self.job.kind, self.layout
        params = {name: layout.weight(scene.arrays[name]).copy() for name in scene.parameters}
        buffers = {name: scene.arrays[name].copy() for name in BUFFERS if name in scene.arrays}
        values: Values = {"x": layout.data(scene.arrays["x"]).copy(), **setting_values(self.job.settings)}
        self.buffers = buffers
        if self.whole:
            values["params"] = self.table = Table({**params, **buffers}, self.job, scene, layout)
        values |= {**params, **buffers}
        if kind in n.RECURRENT and "bias_ih" in params and not self._names_both():
            values["bias"] = params["bias_ih"] + (params["bias_hh"] if kind != "gru" else 0)
            del values["bias_ih"], values["bias_hh"]
        if kind == "embedding":
            values["x"] = values["x"].astype(int)
        self.given = Bundle(self.job.settings, scene.training, buffers)
        values |= {"training": self._mode(scene.training), "bundle": self.given}
        if "mask" in scene.arrays:
            values["mask"] = scene.arrays["mask"]
        if kind in n.RECURRENT:
            units = scene.arrays["weight_hh"].shape[-1]
            values |= {"h0": np.zeros((len(scene.arrays["x"]), units)), "c0": np.zeros((len(scene.arrays["x"]), units))}
        return values

    def _names_both(self) -> bool:
        parameters = signature(self.forward) or []
        if self.whole:
            return True
        names = [n.plain(p.name) for p in parameters]
        known = n.WEIGHTS["recurrent"]
        return any(name in n.words(known["bias_hh"]) for name in names) and any(
            name in n.words(known["bias_ih"]) for name in names
        )

    @property
    def one_bias(self) -> bool:
        """Whether a recurrent function takes one bias, where PyTorch has two."""
        return self.job.kind in n.RECURRENT and not self._names_both()

    def _mode(self, training: bool) -> bool | str | Mode:
        for parameter in signature(self.forward) or []:
            if n.plain(parameter.name) == "mode":
                if isinstance(parameter.default, str):
                    other = {"train": "test", "training": "evaluation"}
                    return parameter.default if training else other.get(parameter.default, "eval")
                if isinstance(parameter.default, bool):
                    return training
                return Mode(training, None)
        return training

    def knows_mode(self) -> bool:
        """Whether the function has an argument that tells it that a pass is for evaluation."""
        known = n.words(n.MODE) | n.words(BUNDLES)
        required = [p for p in signature(self.forward) or [] if p.default is p.empty]
        unnamed = self.whole and len(required) > 2 + (self.job.kind == "dropout")
        return unnamed or any(n.plain(name) in known for name in self._argument_names())

    def play(self, scene: InsideScene) -> Tensors:
        """Forward and back; tensors in our layout."""
        values = self.values(scene)
        if "training" in values and isinstance(values["training"], Mode):
            values["training"] = Mode(scene.training, scene.arrays.get("mask"))
        weights = list(self.order(values))
        leaves: Values = {}
        values = self._as_tensors(values, leaves)
        result = call(self.forward, values, self.names, weights, self.job.declared)
        y, cache = self._outputs(result, scene)
        tensors = {"y": self._read_y(y, scene)}
        tensors |= self._running(result, scene)
        self.partial = tensors
        if "dy" not in scene.arrays:
            return tensors
        if self.backward is None:
            self.autograd = is_tensor(y)
            return tensors | (self._autograd(y, leaves, scene) if is_tensor(y) and y.requires_grad else {})
        return tensors | self._back(values, y, cache, scene)

    def order(self, values: Mapping[str, object]) -> list[str]:
        """Roles in the order in which unnamed arguments follow each other."""
        weights = [
            r for r in ("weight", "weight_ih", "weight_hh", "bias", "bias_ih", "bias_hh", *BUFFERS) if r in values
        ]
        settings = SETTINGS_IN_ORDER.get(self.job.kind, [])
        head = ["params", "x"] if self.whole else ["x", *(["h0"] if self.job.kind in n.RECURRENT else []), *weights]
        return [*head, *(["mask"] if self.job.kind == "dropout" else []), *settings, "training"]

    def _as_tensors(self, values: Values, leaves: Values) -> Values:
        """Values as tensors of PyTorch if the code is written for these; those that need gradients go into `leaves`."""
        library = torch()
        if library is None or not self.job.get("torch"):
            return values
        if self.backward is not None:
            held = {"params": self.table.holding(as_tensors(self.table))} if self.whole else {}
            return as_tensors(values) | held
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                tensor = library.tensor(value)
                if tensor.is_floating_point() and name not in BUFFERS and name not in ("h0", "c0", "mask"):
                    tensor.requires_grad_(True)
                    leaves[name] = tensor
                values[name] = tensor
        if "params" in values:
            held = {name: values[name] for name in self.table}
            values["params"] = self.table = self.table.holding(held)
        return values

    def _outputs(self, result: object, scene: InsideScene) -> tuple[Theirs, Theirs]:
        members = arrays_in(result)
        if len(members) == 1:
            return members[0], None
        expected = scene.shapes["y"]
        place = next((i for i, value in enumerate(members) if shape_of(value) == expected), 0)
        rest = members[:place] + members[place + 1 :]
        return members[place], rest[0] if len(rest) == 1 else tuple(rest)

    def _read_y(self, y: object, scene: InsideScene) -> np.ndarray:
        read = self.layout.data_back(array(y, "what `forward` gave"))
        self.every = read.ndim == 3 and self.job.kind in n.RECURRENT and len(scene.shapes["y"]) == 2
        if self.job.kind == "global_avg_pool2d":
            self.laid, read = read.shape, without_ones(read, scene.shapes["y"])
        return read_states(read, self.job.settings) if self.every else read

    def _running(self, result: object, scene: InsideScene) -> Tensors:
        """Running statistics that came back in the bundle, were changed in place, or were given beside y."""
        statistics = {}
        for name in BUFFERS:
            if name in scene.arrays:
                value = self.given.get(name)
                if self.whole and not np.array_equal(array(self.table.now(name), name), scene.arrays[name]):
                    value = self.table.now(name)
                tables = [m for m in arrays_in(result) if isinstance(m, Mapping)]
                other = next(
                    (m[name] for m in tables if name in m), beside(name, result, scene, self._argument_names())
                )
                statistics[name] = array(other if other is not None else value, name).reshape(-1)
        changed = any(not np.array_equal(statistics[name], scene.arrays[name]) for name in statistics)
        bundled = any(name in n.words(BUNDLES) for name in map(n.plain, self._argument_names()))
        self.tracked = self.tracked or bundled or changed
        return statistics if self.tracked else {}

    def _argument_names(self) -> list[str]:
        return [parameter.name for parameter in signature(self.forward) or []]

    def _back(self, values: Values, y: Theirs, cache: Theirs, scene: InsideScene) -> Tensors:
        dy = self._given_dy(scene)
        if self.job.get("torch"):
            dy = as_tensors({"dy": dy})["dy"]
        drawn = "mask" in values and not any(n.plain(p) in n.words(self.names["mask"]) for p in self._argument_names())
        roles = {k: v for k, v in values.items() if k not in ("h0", "c0") and not (drawn and k == "mask")}
        roles |= {"dy": dy, "y": y, "cache": values["x"] if cache is None else cache}
        head = ["params"] if self.whole and self._back_takes_params() else []
        order = [*head, *self._back_order(), *[r for r in self.order(values) if r not in head], "y"]
        names = {**self.names, "bias": self.names.get("bias", "")}
        args, kwargs = bound(self.backward, roles, names, order, self.job.declared)  # pyright: ignore[reportArgumentType]
        result = self.backward(*args, **kwargs)  # pyright: ignore[reportOptionalCall]
        if not scene.parameters and not any(value is dy for value in (*args, *kwargs.values())):
            self.derivative, result = True, array(arrays_in(result)[0], "the derivative") * array(dy, "dy")
        return self.named(result, scene)

    def _back_takes_params(self) -> bool:
        parameters = signature(self.backward) if self.backward else None
        required = [p for p in parameters or [] if p.default is p.empty]
        return any(n.plain(p.name) in n.words(n.PARAMS) for p in required) or len(required) >= 3

    def _back_order(self) -> list[str]:
        """`(cache, dy)` or `(dy, cache)`: what is named settles it; else dy stands first, but after `params`."""
        parameters = [n.plain(p.name) for p in (signature(self.backward) if self.backward else None) or []]
        if self.whole and not (parameters and parameters[0] in n.words(n.GRADIENT)):
            return ["cache", "dy"]
        return ["dy", "cache"]

    def _given_dy(self, scene: InsideScene) -> np.ndarray:
        dy = scene.arrays["dy"]
        if self.every:
            dy = to_states(dy, scene.arrays["x"].shape[1], self.job.settings)
        if self.job.kind == "global_avg_pool2d" and len(self.laid) == 4:
            dy = dy[:, :, None, None]
        return self.layout.data(dy).copy()

    def named(self, result: object, scene: InsideScene) -> Tensors:
        """dx and the parameters' gradients, in our layout, by our names."""
        wanted = {name: self.layout.weight(scene.arrays[name]).shape for name in scene.parameters}
        one_bias = self.job.kind in n.RECURRENT and "bias_ih" in wanted and not self._names_both()
        if one_bias:
            wanted = {("bias" if k == "bias_ih" else k): v for k, v in wanted.items() if k != "bias_hh"}
        x_shape = self.layout.data(scene.arrays["x"]).shape
        order = self._parameter_order(wanted)
        result = without_state(result, self.job.kind, scene, one_bias)
        dx, grads = gradients(result, self.job.kind, wanted, x_shape, order)
        if one_bias and "bias" in grads:
            grads = {
                **{k: v for k, v in grads.items() if k != "bias"},
                "bias_ih": grads["bias"],
                "bias_hh": grads["bias"],
            }
        tensors = {}
        if dx is not None:
            tensors["dx"] = self.layout.data_back(array(dx, "dx"))
        for name in scene.parameters:
            if grads.get(name) is not None:
                value = array(grads[name], f"the gradient of {name}")
                ours = scene.arrays[name].shape
                beside_planes = len(ours) == 1 and (value.ndim == 4 or value.size == 1)
                own = without_ones(value, ours) if beside_planes else self.layout.weight_back(value)
                tensors[scene.gradient(name)] = own
        if self.whole and self.table.pieces:
            tensors |= self.table.gradients(result, scene)
        return tensors

    def _parameter_order(self, wanted: Mapping[str, object]) -> list[str]:
        """The parameters in the order in which `forward` names them, then in the usual order."""
        named = [n.parameter_role(self.job.kind, argument, wanted) for argument in self._argument_names()]
        ordered = [role for role in named if role]
        return [*ordered, *(role for role in self.order(wanted) if role not in ordered and role in wanted)]

    def _autograd(self, y: Theirs, leaves: Values, scene: InsideScene) -> Tensors:
        """Gradients by PyTorch, of a function written for it."""
        library = loaded_torch()
        dy = library.tensor(self._given_dy(scene)).to(y.dtype)
        wanted = {
            name: leaf for name, leaf in leaves.items() if name == "x" or name in scene.parameters or name == "bias"
        }
        derivatives = library.autograd.grad(y, list(wanted.values()), dy, allow_unused=True)
        tensors = {}
        for (name, leaf), gradient in zip(wanted.items(), derivatives, strict=True):
            value = array(library.zeros_like(leaf) if gradient is None else gradient, name)
            if name == "x":
                tensors["dx"] = self.layout.data_back(value)
            elif name == "bias" and "bias_ih" in scene.parameters:
                tensors |= {scene.gradient("bias_ih"): value, scene.gradient("bias_hh"): value}
            else:
                tensors[scene.gradient(name)] = self.layout.weight_back(value)
        return tensors
