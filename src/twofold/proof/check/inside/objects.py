"""A layer given as a class in the style of an assignment: `forward(x)`, `backward(dout)`, with parameters on it."""

from __future__ import annotations

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import (
    Layout,
    UnusableError,
    array,
    as_tensors,
    gradients,
    is_tensor,
    shape_of,
    without_ones,
)
from twofold.proof.check.inside.built import construct
from twofold.proof.check.inside.call import BindingError, bound, call, signature
from twofold.proof.check.inside.functions import Functions
from twofold.proof.check.inside.gates import assembled, joined
from twofold.proof.check.inside.held import Held
from twofold.proof.check.inside.job import BUNDLES, Job
from twofold.proof.check.inside.left import before, changed, named_gradient, unnamed_gradient
from twofold.proof.check.inside.members import BACKWARDS, FORWARDS, Slot, method_of, slots
from twofold.proof.check.inside.rules import RATES
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs, Values

RESULTS = ("output", "outputs", "out", "y", "a", "z", "A", "Z", "result", "activation")
"""Attributes in which a `forward` that returns nothing leaves its result."""
SLOPES = ("gradient", "grad", "derivative", "prime")
"""Methods that may give f'(x), to be multiplied by dy."""
KNOWS_MODE = ("training", "is_training", "train_mode", "is_train", "mode", "eval", "train")


class Objects(Functions):
    """Plays an object of the user's class through scenes."""

    partial: Tensors

    def __init__(self, build: Theirs, job: Job, layout: Layout, ready: bool = False) -> None:
        self.build, self.job, self.layout, self.ready = build, job, layout, ready
        self.object: Theirs = build if ready else None
        self.held = Held(job, layout)
        self.whole = self.derivative = False
        self.names = {"x": n.INPUT, "training": n.MODE, "mask": "mask m", "h0": n.STATE, "bundle": BUNDLES,
                      "dy": n.GRADIENT}  # fmt: skip

    @property
    def ambiguous(self) -> bool:
        """Whether the arrays' shapes leave more than one way of reading the object."""
        return joined(self.held.pieces)

    @property
    def one_bias(self) -> bool:
        """Whether a recurrent object has one bias, where PyTorch has two."""
        return self.held.one_bias()

    def play(self, scene: InsideScene) -> Tensors:
        """Set the parameters, go forward and back, read the gradients."""
        if self.object is None:
            self.object = construct(self.build, self.job, scene, self.layout)
        self.forward, self.backward = method_of(self.object, FORWARDS), method_of(self.object, BACKWARDS)
        if self.forward is None:
            known = ", ".join(f"`{name}`" for name in FORWARDS[:4])
            raise BindingError(f"`{type(self.object).__name__}` has no way forward: a method {known} or the like")
        self._find(scene)
        self.held.set(scene)
        self._set_mode(scene.training)
        values = self._arguments(scene)
        self.x = values["x"]
        result = call(self.forward, values, self.names, ["x", "training", "mask", "h0"], self.job.declared)
        if result is None:
            table = getattr(self.object, "__dict__", {})
            result = next((table[name] for name in RESULTS if shape_of(table.get(name)) is not None), None)
        y, cache = self._outputs(result, scene)
        tensors = {"y": self._read_y(y, scene)} | self.held.buffers(scene)
        self.partial = tensors
        if "dy" not in scene.arrays or self.backward is None:
            return tensors
        return tensors | self._back(values, y, cache, scene)

    def _find(self, scene: InsideScene) -> None:
        """Find the parameters; an object that makes them in its first pass is given a pass before."""
        try:
            self.held.find(self.object, scene)
        except BindingError:
            earlier = {slot.name for slot in slots(self.object)}
            try:
                call(self.forward, self._arguments(scene), self.names, ["x", "training"], self.job.declared)
            except Exception:
                earlier = {slot.name for slot in slots(self.object)}
            if {slot.name for slot in slots(self.object)} == earlier:
                raise
            self.held.find(self.object, scene)

    def _back(self, values: Values, y: Theirs, cache: Theirs, scene: InsideScene) -> Tensors:
        self._zero()
        dy = as_tensors({"dy": self._given_dy(scene)})["dy"] if self.job.get("torch") else self._given_dy(scene)
        roles = {"dy": dy, "cache": cache, "x": values["x"], "y": y}
        names = {"dy": n.GRADIENT, "cache": n.CACHE, "x": n.INPUT, "y": n.OUTPUT, "lr": RATES}
        roles |= {"lr": 1.0} if self._takes_rate() else {}
        earlier = before(self.object)
        order = ["dy", "cache" if cache is not None else "x"]
        if self._takes_dy_alone():
            roles = {"dy": dy}
        if is_tensor(y):  # read as `self.out.g`
            y.g = dy
        args, kwargs = bound(self.backward, roles, names, order, self.job.declared)
        back = self.backward(*args, **kwargs)
        taken = [*args, *kwargs.values()]
        if not scene.parameters and taken and not any(value is dy for value in taken) and shape_of(back) is not None:
            self.derivative, back = True, array(back, "the derivative") * array(dy, "dy")
        return self._read(back, scene, changed(self.object, self.held, earlier))

    def _takes_rate(self) -> bool:
        """Whether `backward` updates the parameters itself, with a rate among its arguments."""
        return any(n.plain(p.name) in n.words(RATES) for p in signature(self.backward) or [])

    def _takes_dy_alone(self) -> bool:
        """Whether `backward` takes one array, which is then dy whatever it is called; `gradient(x)` may be f'(x)."""
        required = [p for p in signature(self.backward) or [] if p.default is p.empty]
        if len(required) != 1 or required[0].name in self.job.declared:
            return False
        slope = getattr(self.backward, "__name__", "") in SLOPES
        return not slope and n.plain(required[0].name) not in n.words(n.CACHE)

    def _arguments(self, scene: InsideScene) -> Values:
        values: Values = {"x": self.layout.data(scene.arrays["x"]).copy(), "training": scene.training}
        if self.job.kind == "embedding":
            values["x"] = values["x"].astype(int)
        for parameter in signature(self.forward) or []:
            if n.plain(parameter.name) == "mode" and isinstance(parameter.default, str):
                values["training"] = parameter.default if scene.training else "test"
        if "mask" in scene.arrays:
            values["mask"] = scene.arrays["mask"]
        if self.job.kind in n.RECURRENT:
            values["h0"] = np.zeros((len(scene.arrays["x"]), scene.arrays["weight_hh"].shape[-1]))
        return as_tensors(values) if self.job.get("torch") else values

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
        """Whether the object can be told that a pass is for evaluation."""
        if any(hasattr(self.object, name) for name in KNOWS_MODE):
            return True
        return any(n.plain(p.name) in n.words(n.MODE) for p in signature(self.forward) or [])

    def _zero(self) -> None:
        for name in ("zero_grad", "zero_grads", "zero_gradients", "reset_grads", "clear_grads"):
            method = getattr(self.object, name, None)
            if callable(method) and not [p for p in signature(method) or [] if p.default is p.empty]:
                method()
                return

    def _read(self, back: object, scene: InsideScene, left: list[Slot]) -> Tensors:
        """dx and the gradients, from the result of `backward` and from what it left on the object."""
        if self.held.pieces:
            return self._read_pieces(back, scene, left)
        wanted = {name: self.held.shapes[name] for name in scene.parameters}
        if self.held.single is not None:
            wanted = {("bias" if k == "bias_ih" else k): v for k, v in wanted.items() if k != "bias_hh"}
        x_shape = self.layout.data(scene.arrays["x"]).shape
        order = [r for r in ("weight", "weight_ih", "weight_hh", "bias", "bias_ih", "bias_hh") if r in wanted]
        dx, grads = (None, {}) if back is None else gradients(back, self.job.kind, wanted, x_shape, order)
        grads = {name: value for name, value in grads.items() if value is not None}
        for name in wanted:
            if name not in grads:
                places = self.held.where.get(name) or self.held.where.get("bias_ih", [])
                value = named_gradient(self.object, places, self.job.kind, name, wanted)
                value = unnamed_gradient(wanted[name], left) if value is None else value
                value = self.held.moved(name, self._rate()) if value is None else value
                if value is not None:
                    grads[name] = value
        if "bias" in grads and self.held.single is not None:
            bias = grads.pop("bias")
            grads |= {"bias_ih": bias, "bias_hh": bias}
        tensors = self._dx(dx)
        for name in scene.parameters:
            if name in grads:
                value = array(grads[name], f"the gradient of {name}")
                tensors[scene.gradient(name)] = self._our_shape(value, name, scene)
        return tensors

    def _rate(self) -> float:
        """The rate by which `backward` updates the parameters itself; 0 if it seems not to."""
        held = (getattr(self.object, name, None) for name in ("lr", "learning_rate", "eta", "alpha"))
        return 1.0 if self._takes_rate() else next((r for r in held if isinstance(r, float) and r), 0.0)

    def _dx(self, dx: object) -> Tensors:
        if dx is None:
            table = getattr(self.object, "__dict__", {})
            dx = next((v for k, v in table.items() if n.names_input_gradient(k) and shape_of(v) is not None), None)
            dx = getattr(self.x, "g", None) if dx is None else dx
        return {} if dx is None else {"dx": self.layout.data_back(array(dx, "dx"))}

    def _read_pieces(self, back: object, scene: InsideScene, left: list[Slot]) -> Tensors:
        """dx and the gradients of an object in pieces, assembled from those of the gates."""
        by_piece: dict[str, np.ndarray] = {}
        tables = [member for member in (back if isinstance(back, tuple | list) else [back]) if isinstance(member, dict)]
        for name, slot in self.held.places.items():
            value = next((t[k] for t in tables for k in _keys(name) if k in t), None)
            if value is None:
                value = named_gradient(self.object, [slot], self.job.kind, name, {})
            if value is not None:
                by_piece[name] = array(value, f"the gradient of {name}")
                if by_piece[name].size != int(np.prod(self.held.pieces[name].shape)):
                    raise UnusableError(f"the gradient of `{name}` has shape {by_piece[name].shape}")
        single = [m for m in (back if isinstance(back, tuple | list) else [back]) if shape_of(m) is not None]
        tensors = self._dx(single[0] if single else None)
        ours = {name: scene.arrays[name] for name in scene.parameters}
        return tensors | {scene.gradient(n): g for n, g in assembled(by_piece, self.held.pieces, ours).items()}

    def _our_shape(self, value: np.ndarray, name: str, scene: InsideScene) -> np.ndarray:
        """A gradient in our layout; that of a bias kept as (1, out) may have this shape, too."""
        shape, ours = self.held.shapes[name], scene.arrays[name]
        if ours.ndim == 1 and value.size == ours.size and (value.ndim == 4 or value.size == 1):
            return without_ones(value, ours.shape)
        if len(shape) != value.ndim or (
            value.ndim in (2, 4) and "bias" not in name and value.size and (shape.count(1) < len(shape) - 1)
        ):
            return self.layout.weight_back(value)
        if value.shape == shape and 1 in value.shape and value.ndim > 1:
            return value.reshape(-1)
        return self.layout.weight_back(value)


def _keys(name: str) -> list[str]:
    return [name, *(form.format(name) for form in ("d{}", "grad_{}", "{}_grad", "d_{}"))]
