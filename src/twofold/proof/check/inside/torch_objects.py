"""A layer given as a `torch.nn.Module` or a `torch.autograd.Function`; autograd gives its gradients."""

from __future__ import annotations

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import (
    Layout,
    UnusableError,
    array,
    arrays_in,
    is_tensor,
    loaded_torch,
    read_states,
    to_states,
    torch,
    without_ones,
)
from twofold.proof.check.inside.built import construct
from twofold.proof.check.inside.call import BindingError, Called, call, is_state, signature
from twofold.proof.check.inside.functions import Functions
from twofold.proof.check.inside.gates import Piece, assembled, joined, one_bias, pieces
from twofold.proof.check.inside.held import sizes_of
from twofold.proof.check.inside.job import BUFFERS, Job
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs, Values


class Modules:
    """Plays a module through scenes, in float64 unless float32 is asked for."""

    partial: Tensors

    def __init__(self, build: Theirs, job: Job, layout: Layout, ready: bool = False, stepped: bool = False) -> None:
        self.build, self.job, self.layout, self.stepped = build, job, layout, stepped
        self.module: Theirs = build if ready else None
        self.where: Values = {}
        self.every = False
        self.single = False
        self.pieces: dict[str, Piece] = {}
        self.keys: dict[str, str] = {}
        self.autograd = True
        self.dtype = loaded_torch().float32 if job.get("float32") else loaded_torch().float64

    def _tensor(self, value: np.ndarray) -> Theirs:
        """An input as a tensor of the module's own type: PyTorch multiplies no float64 by float32."""
        return loaded_torch().tensor(value, dtype=self.dtype)

    def play(self, scene: InsideScene) -> Tensors:
        """Set the parameters, go forward, and let autograd go back."""
        library = loaded_torch()
        if self.module is None:
            self.module = construct(self.build, self.job, scene, self.layout)
        library.set_default_dtype(self.dtype)  # of the tensors that its `forward` makes, such as a first state
        self.module.to(self.dtype)
        self.module.train(scene.training)
        self._find(scene)
        self._renew()
        self._fill(scene)
        x = self._tensor(self.layout.data(scene.arrays["x"]))
        x = x.long() if self.job.kind == "embedding" else x.requires_grad_(True)
        self.module.zero_grad(set_to_none=True)
        result = self._forward(x, scene)
        y = self._output(result, scene)
        self._renew()
        tensors = {"y": self._read_y(y, scene)}
        tensors |= {b: array(self.where[b], b).reshape(-1) for b in BUFFERS if b in self.where}
        self.partial = tensors
        if "dy" in scene.arrays:
            tensors = tensors | self._back(y, x, scene)
        return tensors

    def _renew(self) -> None:
        """The buffers that the module holds now: a pass may put others in their place."""
        held = dict(self.module.named_buffers())
        self.where |= {name: held[key] for name, key in self.keys.items() if key in held}

    def _fill(self, scene: InsideScene) -> None:
        library = loaded_torch()
        ours = {name: scene.arrays[name] for name in scene.parameters}
        if self.job.kind == "gru" and self.one_bias:
            ours["bias_hh"] = np.zeros_like(ours["bias_hh"])
        with library.no_grad():
            for name, tensor in self.where.items():
                tensor.copy_(library.tensor(self._value(name, scene, ours)).reshape(tensor.shape))
            held = dict(self.module.named_parameters())
            for name, piece in self.pieces.items():
                held[name].copy_(library.tensor(piece.value(ours)))

    @property
    def ambiguous(self) -> bool:
        """Whether the arrays' shapes leave more than one way of reading the module."""
        return joined(self.pieces)

    @property
    def one_bias(self) -> bool:
        """Whether a recurrent module has one bias, where PyTorch has two."""
        return self.single or one_bias(self.pieces)

    def _forward(self, x: Theirs, scene: InsideScene) -> Theirs:
        values: Values = {"x": x, "training": scene.training}
        if "mask" in scene.arrays:
            values["mask"] = self._tensor(scene.arrays["mask"])
        parameters = [p for p in signature(self.module.forward) or [] if p.default is p.empty]
        if self.job.kind in n.RECURRENT and (self.stepped or len(parameters) > 1):
            return self._step_by_step(x, scene)
        names = {"x": n.INPUT, "training": n.MODE, "mask": "mask m"}
        args = [values["x"]] if len(parameters) <= 1 else None
        if args is not None and len(signature(self.module.forward) or []) <= 1:
            return self.module(*args)
        return call(Called(self.module), values, names, ["x", "mask", "training"], self.job.declared)

    def _step_by_step(self, x: Theirs, scene: InsideScene) -> Theirs:
        """A cell: forward(x, h) or forward(x, (h, c)); the loop over time is ours."""
        units = scene.arrays["weight_hh"].shape[-1]
        h = c = x.new_zeros(len(x), units)
        states = []
        taken = signature(self.module.forward) or []
        pair = sum(p.default is p.empty or is_state(p) for p in taken[1:]) == 1
        for t in range(x.shape[1]):
            if self.job.kind == "lstm" and pair:
                result = self.module(x[:, t], (h, c))
            elif self.job.kind == "lstm":
                result = self.module(x[:, t], h, c)
            else:
                result = self.module(x[:, t], h)
            members = [m for member in arrays_in(result) for m in arrays_in(member)]
            h = members[0]
            c = members[-1] if self.job.kind == "lstm" else c
            states.append(h)
        whole = loaded_torch().stack(states, 1)
        return whole if len(scene.shapes["y"]) == 3 else read_states(whole, self.job.settings)

    def _output(self, result: object, scene: InsideScene) -> Theirs:
        members = [m for member in arrays_in(result) for m in arrays_in(member) if is_tensor(m)]
        expected = scene.shapes["y"]
        fitting = [m for m in members if self.layout.data_back(m.detach().numpy()).shape == expected]
        return fitting[0] if fitting else members[0] if members else result

    def _read_y(self, y: object, scene: InsideScene) -> np.ndarray:
        read = self.layout.data_back(array(y, "what `forward` gave"))
        self.every = read.ndim == 3 and len(scene.shapes["y"]) == 2 and self.job.kind in n.RECURRENT
        if self.job.kind == "global_avg_pool2d":
            return without_ones(read, scene.shapes["y"])
        return read_states(read, self.job.settings) if self.every else read

    def _value(self, name: str, scene: InsideScene, held: dict[str, np.ndarray]) -> np.ndarray:
        ours: np.ndarray = held[name] if name in held else scene.arrays[name]
        if self.single and name == "bias_ih":
            ours = ours + held["bias_hh"]
        return self.layout.weight(ours)

    def _held(self) -> Values:
        held = dict(self.module.named_parameters())
        held |= {name: b for name, b in self.module.named_buffers() if b.is_floating_point()}
        return held

    def _find(self, scene: InsideScene) -> None:
        """Find each parameter: by name, else the first one of its shape."""
        if self.where or self.pieces:
            return
        if any(loaded_torch().nn.parameter.is_lazy(p) for p in self.module.parameters()):
            self._forward(self._tensor(self.layout.data(scene.arrays["x"])), scene)
            self.module.to(self.dtype)
        held = self._held()
        if self.job.kind in n.RECURRENT and self._in_pieces(scene):
            return
        wanted = [*scene.parameters, *(b for b in BUFFERS if b in scene.arrays)]
        free = dict(held)
        for by_name in (True, False):
            for name in [w for w in wanted if w not in self.where]:
                shape = self.layout.weight(scene.arrays[name]).shape
                size = scene.arrays[name].size
                fitting = [
                    k
                    for k, v in free.items()
                    if tuple(v.shape) == shape or (scene.arrays[name].ndim == 1 and v.numel() == size)
                ]
                if by_name:
                    fitting = [k for k in fitting if self._role(k, wanted) == name]
                if not by_name and name in BUFFERS:
                    fitting = []
                if fitting:
                    self.keys[name] = fitting[0]
                    self.where[name] = free.pop(fitting[0])
        missing = [name for name in scene.parameters if name not in self.where]
        if missing == ["bias_hh"] or (missing == ["bias_ih"] and "bias_hh" in self.where):
            self.where["bias_ih"] = self.where.pop("bias_hh", None) if missing == ["bias_ih"] else self.where["bias_ih"]
            self.single, missing = True, []
        if missing:
            names = ", ".join(f"`{k}` {tuple(v.shape)}" for k, v in held.items()) or "no parameter"
            raise BindingError(
                f"cannot find `{missing[0]}` {tuple(scene.arrays[missing[0]].shape)} in the module; it holds {names}. "
                f'Say where with an adapter: `Adapter({missing[0]}="NAME")`, or `--adapt NAME={missing[0]}`.'
            )

    def _in_pieces(self, scene: InsideScene) -> bool:
        """Whether the module holds a matrix for each gate, or one over [x, h]."""
        shapes = {name: tuple(tensor.shape) for name, tensor in self.module.named_parameters()}
        weights = ("weight_ih",) if self.job.kind == "rnn" else ("weight_ih", "weight_hh")
        whole = {s for name in weights for s in (scene.arrays[name].shape, scene.arrays[name].T.shape)}
        if not whole & set(shapes.values()):
            biased = "bias_ih" in scene.parameters
            self.pieces = pieces(shapes, self.job.kind, sizes_of(scene), biased, self.layout.joined) or {}
        return bool(self.pieces)

    def _role(self, key: str, wanted: list[str]) -> str | None:
        declared = self.job.declared.get(key)
        if declared:
            return declared
        parts = key.split(".")
        role = n.parameter_role(self.job.kind, parts[-1], wanted)
        if role or self.job.kind not in n.RECURRENT or len(parts) < 2:
            return role
        holder, leaf = n.plain(parts[-2]), parts[-1]
        hidden = any(word in holder for word in ("hh", "h2h", "hidden", "rec", "wh", "u"))
        return (
            f"{leaf}_{'hh' if hidden and 'i2h' not in holder and 'x2h' not in holder and 'ih' not in holder else 'ih'}"
        )

    def _back(self, y: Theirs, x: Theirs, scene: InsideScene) -> Tensors:
        library = loaded_torch()
        dy = scene.arrays["dy"]
        if self.every:
            dy = to_states(dy, scene.arrays["x"].shape[1], self.job.settings)
        if not y.requires_grad:
            return {"dx": np.zeros(scene.arrays["x"].shape)} if x.is_floating_point() else {}
        behind = library.tensor(self.layout.data(dy)).to(y.dtype)
        if behind.numel() != y.numel():
            raise UnusableError(f"y has shape {tuple(y.shape)}, where {tuple(behind.shape)} is right")
        y.backward(behind.reshape(y.shape))
        tensors: dict[str, np.ndarray] = {}
        if x.is_floating_point():
            gradient = library.zeros_like(x) if x.grad is None else x.grad
            tensors["dx"] = self.layout.data_back(array(gradient, "dx"))
        for name in scene.parameters:
            tensor = self.where.get(name)
            if tensor is None or not tensor.requires_grad:
                if tensor is not None:
                    tensors[scene.gradient(name)] = np.zeros(scene.arrays[name].shape)
                continue
            gradient = array(library.zeros_like(tensor) if tensor.grad is None else tensor.grad, name)
            tensors[scene.gradient(name)] = self._ours(gradient, scene.arrays[name])
        if self.single:
            tensors[scene.gradient("bias_hh")] = tensors[scene.gradient("bias_ih")]
        if self.pieces:
            held = dict(self.module.named_parameters())
            grads = {k: array(library.zeros_like(held[k]) if held[k].grad is None else held[k].grad, k)
                     for k in self.pieces}  # fmt: skip
            ours = {name: scene.arrays[name] for name in scene.parameters}
            tensors |= {scene.gradient(k): g for k, g in assembled(grads, self.pieces, ours).items()}
        return tensors

    def _ours(self, gradient: np.ndarray, ours: np.ndarray) -> np.ndarray:
        return gradient.reshape(-1) if ours.ndim == 1 and gradient.ndim > 1 else self.layout.weight_back(gradient)


class AutogradFunctions(Functions):
    """A `torch.autograd.Function`: `apply` with the arguments of its `forward`."""

    def __init__(self, function: Theirs, job: Job, layout: Layout) -> None:
        self.function = function
        super().__init__(function.forward, None, job, layout)

    def play(self, scene: InsideScene) -> Tensors:
        """Forward by `apply`, back by autograd."""
        parameters = signature(self.function.forward) or []
        values = self.values(scene)
        leaves: Values = {}
        values = self._as_tensors(values, leaves)
        from twofold.proof.check.inside.call import bound

        _, kwargs = bound(self.function.forward, values, self.names, self.order(values), self.job.declared)
        args = [kwargs[p.name] for p in parameters if p.name in kwargs]
        y = self.function.apply(*args)
        y = y[0] if isinstance(y, tuple) else y
        tensors = {"y": self._read_y(y, scene)}
        if "dy" not in scene.arrays:
            return tensors
        return tensors | (self._autograd(y, leaves, scene) if y.requires_grad else {})


def is_module(value: object) -> bool:
    """Whether a class or an object is a `torch.nn.Module`."""
    library = torch()
    if library is None:
        return False
    return issubclass(value, library.nn.Module) if isinstance(value, type) else isinstance(value, library.nn.Module)


def is_autograd_function(value: object) -> bool:
    """Whether a class is a `torch.autograd.Function`."""
    library = torch()
    return library is not None and isinstance(value, type) and issubclass(value, library.autograd.Function)
