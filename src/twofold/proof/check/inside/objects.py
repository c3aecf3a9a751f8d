"""A layer brought as a class in the style of an assignment: `forward(x)`, `backward(dout)`, parameters on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import Layout, array, gradients, shape_of
from twofold.proof.check.inside.built import construct
from twofold.proof.check.inside.call import BindingError, call, signature
from twofold.proof.check.inside.functions import Functions
from twofold.proof.check.inside.job import BUFFERS, BUNDLES, Job
from twofold.proof.check.inside.members import BACKWARDS, FORWARDS, method_of, slots


class Objects(Functions):
    """An object of the user's class over scenes."""

    def __init__(self, build: Any, job: Job, layout: Layout, ready: bool = False) -> None:
        self.build, self.job, self.layout, self.ready = build, job, layout, ready
        self.object: Any = build if ready else None
        self.where: dict[str, list[tuple[Any, str]]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}

    def play(self, scene: Any) -> dict[str, np.ndarray]:
        """Set the parameters, go forward and back, read the gradients."""
        if self.object is None:
            self.object = construct(self.build, self.job, scene, self.layout)
        self._find(scene)
        self._set(scene)
        self._set_mode(scene.training)
        self.forward, self.backward = method_of(self.object, FORWARDS), method_of(self.object, BACKWARDS)
        self.names = {
            "x": n.INPUT,
            "training": n.MODE,
            "mask": "mask m",
            "h0": n.STATE,
            "bundle": BUNDLES,
            "dy": n.GRADIENT,
        }
        self.whole = False
        values = self._arguments(scene)
        result = call(self.forward, values, self.names, ["x", "training", "mask", "h0"], self.job.declared)
        y, cache = self._outputs(result, scene)
        tensors = {"y": self._read_y(y, scene)}
        tensors |= self._buffers(scene)
        self.partial = tensors
        if "dy" not in scene.arrays or self.backward is None:
            return tensors
        self._zero()
        roles = {"dy": self._given_dy(scene), "cache": cache, "x": values["x"], "y": y}
        names = {"dy": n.GRADIENT, "cache": n.CACHE, "x": n.INPUT, "y": n.OUTPUT}
        back = call(self.backward, roles, names, ["dy", "cache" if cache is not None else "x"], self.job.declared)
        return tensors | self._read(back, scene)

    def _arguments(self, scene: Any) -> dict[str, Any]:
        values: dict[str, Any] = {"x": self.layout.data(scene.arrays["x"]).copy(), "training": scene.training}
        if self.job.kind == "embedding":
            values["x"] = values["x"].astype(int)
        parameters = signature(self.forward) or []
        for parameter in parameters:
            if n.plain(parameter.name) == "mode" and isinstance(parameter.default, str):
                values["training"] = parameter.default if scene.training else "test"
        if "mask" in scene.arrays:
            values["mask"] = scene.arrays["mask"]
        if self.job.kind in n.RECURRENT:
            values["h0"] = np.zeros((len(scene.arrays["x"]), scene.arrays["weight_hh"].shape[-1]))
        return values

    def _find(self, scene: Any) -> None:
        """Where the object holds each parameter: by name, else by the only shape that fits."""
        if self.where and all(name in self.where for name in scene.parameters):
            return
        wanted = [*scene.parameters, *(b for b in BUFFERS if b in scene.arrays)]
        found = [entry for entry in slots(self.object) if n.plain(str(entry[1])) not in n.words("grads x cache out")]
        for name in wanted:
            if name in self.where:
                continue
            fitting = [e for e in found if self._fits(e[2], scene.arrays[name], name)]
            declared = [e for e in fitting if self.job.declared.get(str(e[1])) == name]
            named = declared or [e for e in fitting if self._role(str(e[1]), wanted) == name]
            if not named and name.startswith("bias_") and self.job.kind in n.RECURRENT:
                continue
            chosen = named or [e for e in fitting if not self._is_gradient(str(e[1]), wanted)]
            if chosen:
                value = chosen[0][2]
                self.where[name] = [(c, k) for c, k, v in slots(self.object) if v is value]
                self.shapes[name] = tuple(value.shape)
        self._one_bias(found, wanted, scene)
        missing = [name for name in scene.parameters if name not in self.where]
        if missing:
            held = ", ".join(f"`{k}` {tuple(v.shape)}" for _, k, v in found) or "no array"
            shapes = ", ".join(f"`{name}` {tuple(scene.arrays[name].shape)}" for name in missing)
            raise BindingError(
                f"cannot find {shapes} on the object; it holds {held}. Say where with an adapter: "
                f'`Adapter({missing[0]}="NAME")`, or `--adapt NAME={missing[0]}`.'
            )

    def _one_bias(self, found: list[Any], wanted: list[str], scene: Any) -> None:
        """A recurrent object with one bias where PyTorch has two: it gets their sum."""
        self.single = None
        if self.job.kind not in n.RECURRENT or "bias_ih" not in wanted:
            return
        have = [name for name in ("bias_ih", "bias_hh") if name in self.where]
        if len(have) == 2:
            return
        fitting = [e for e in found if self._fits(e[2], scene.arrays["bias_ih"], "bias_ih")]
        fitting = [e for e in fitting if not self._is_gradient(str(e[1]), ["weight_ih", "bias_ih", "bias"])] or fitting
        if fitting:
            value = self.where.get(have[0]) if have else None
            self.single = value or [(c, k) for c, k, v in slots(self.object) if v is fitting[0][2]]
            self.where["bias_ih"] = self.where["bias_hh"] = self.single
            self.shapes["bias_ih"] = self.shapes["bias_hh"] = tuple(fitting[0][2].shape)

    def _role(self, key: str, wanted: list[str]) -> str | None:
        return n.parameter_role(self.job.kind, key, wanted)

    def _is_gradient(self, key: str, wanted: list[str]) -> bool:
        short = n.plain(key)
        return short.startswith(("d", "grad")) or short.endswith(("grad", "gradient")) or short in ("x", "cache", "out")

    def _fits(self, value: Any, ours: np.ndarray, name: str) -> bool:
        theirs = tuple(value.shape)
        laid = self.layout.weight(ours).shape
        return theirs == laid or (ours.ndim == 1 and theirs in ((1, len(ours)), (len(ours), 1))) or (
            ours.ndim == 1 and int(np.prod(theirs)) == len(ours) and len(theirs) == 4
        )  # fmt: skip

    def _set(self, scene: Any) -> None:
        for name in [*scene.parameters, *(b for b in BUFFERS if b in scene.arrays)]:
            if name not in self.where:
                continue
            ours = scene.arrays[name]
            if self.single is not None and name in ("bias_ih", "bias_hh"):
                ours = scene.arrays["bias_ih"] + scene.arrays["bias_hh"]
            value = self.layout.weight(ours).reshape(self.shapes[name]).copy()
            for container, key in self.where[name]:
                container[key] = value

    def _set_mode(self, training: bool) -> None:
        if not training and callable(getattr(self.object, "eval", None)):
            self.object.eval()
        elif training and callable(getattr(self.object, "train", None)) and not signature(self.object.train):
            self.object.train()
        for name in ("training", "is_training", "train_mode", "is_train"):
            if isinstance(getattr(self.object, name, None), bool):
                setattr(self.object, name, training)
        if isinstance(getattr(self.object, "train", None), bool):
            self.object.train = training
        mode = getattr(self.object, "mode", None)
        if isinstance(mode, str):
            self.object.mode = mode if training == (mode in ("train", "training")) else "train" if training else "test"

    def knows_mode(self) -> bool:
        """Whether it can be told that a pass is one of evaluation."""
        holder = self.object
        if any(
            hasattr(holder, name)
            for name in ("training", "is_training", "train_mode", "is_train", "mode", "eval", "train")
        ):
            return True
        return any(n.plain(p.name) in n.words(n.MODE) for p in signature(self.forward) or [])

    def _zero(self) -> None:
        for name in ("zero_grad", "zero_grads", "zero_gradients", "reset_grads", "clear_grads"):
            method = getattr(self.object, name, None)
            if callable(method) and not [p for p in signature(method) or [] if p.default is p.empty]:
                method()
                return

    def _buffers(self, scene: Any) -> dict[str, np.ndarray]:
        found = {}
        for name in BUFFERS:
            if name in scene.arrays and name in self.where:
                container, key = self.where[name][0]
                found[name] = array(container[key], name).reshape(-1)
        return found

    def _read(self, back: Any, scene: Any) -> dict[str, np.ndarray]:
        """dx and the gradients, from what `backward` gave and from what it left on the object."""
        wanted = {name: self.shapes[name] for name in scene.parameters}
        if self.single is not None:
            wanted = {("bias" if k == "bias_ih" else k): v for k, v in wanted.items() if k != "bias_hh"}
        x_shape = self.layout.data(scene.arrays["x"]).shape
        order = [r for r in ("weight", "weight_ih", "weight_hh", "bias", "bias_ih", "bias_hh") if r in wanted]
        dx, grads = (None, {}) if back is None else gradients(back, self.job.kind, wanted, x_shape, order)
        grads = {name: value for name, value in grads.items() if value is not None}
        for name in wanted:
            if name not in grads:
                held = self._gradient_on_object(name, wanted)
                if held is not None:
                    grads[name] = held
        if dx is None:
            table = getattr(self.object, "__dict__", {})
            dx = next((v for k, v in table.items() if n.names_input_gradient(k) and shape_of(v) is not None), None)
        if "bias" in grads and self.single is not None:
            bias = grads.pop("bias")
            grads |= {"bias_ih": bias, "bias_hh": bias}
        tensors = {} if dx is None else {"dx": self.layout.data_back(array(dx, "dx"))}
        for name in scene.parameters:
            if name in grads:
                value = array(grads[name], f"the gradient of {name}")
                tensors[scene.gradient(name)] = self._our_shape(value, name)
        return tensors

    def _our_shape(self, value: np.ndarray, name: str) -> np.ndarray:
        """In our layout; a bias that the object keeps as (1, out) may have such a gradient."""
        if len(self.shapes[name]) != value.ndim or (
            value.ndim in (2, 4)
            and "bias" not in name
            and value.size
            and (self.shapes[name].count(1) < len(self.shapes[name]) - 1)
        ):
            return self.layout.weight_back(value)
        if value.shape == self.shapes[name] and 1 in value.shape and value.ndim > 1:
            return value.reshape(-1)
        return self.layout.weight_back(value)

    def _gradient_on_object(self, name: str, wanted: Mapping[str, Any]) -> Any:
        table = getattr(self.object, "__dict__", {})
        keys = [key for _, key in self.where.get(name, [])] or [key for _, key in self.where.get("bias_ih", [])]
        for holder_name, holder in list(table.items()):
            if isinstance(holder, Mapping) and (
                "grad" in n.plain(holder_name) or n.plain(holder_name) in ("g", "d", "dparams")
            ):
                value = next((holder[key] for key in keys if key in holder), None)
                if value is None:
                    value = next(
                        (v for k, v in holder.items() if n.gradient_role(self.job.kind, str(k), wanted) == name), None
                    )
                if value is not None:
                    return value
            if isinstance(holder, list | tuple) and n.plain(holder_name) in ("grads", "gradients"):
                return holder[list(wanted).index(name)]
        for key in keys:
            for form in (
                f"d{key}",
                f"grad_{key}",
                f"{key}_grad",
                f"d_{key}",
                f"grad{key}",
                f"{key}grad",
                f"{key}_gradient",
                f"dL_d{key}",
                f"dl_d{key}",
            ):
                if shape_of(table.get(form)) is not None:
                    return table[form]
        for key, value in table.items():
            held = (
                shape_of(value) is not None and self._is_gradient(key, []) and n.plain(key) not in ("x", "cache", "out")
            )
            if held and n.gradient_role(self.job.kind, key, wanted) == name:
                return value
        return None
