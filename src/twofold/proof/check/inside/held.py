"""The places where a user's object holds its parameters: whole arrays by name or shape, or pieces of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import Layout, array, is_tensor, loaded_torch, shape_of
from twofold.proof.check.inside.call import BindingError
from twofold.proof.check.inside.gates import Piece, Sizes, pieces
from twofold.proof.check.inside.job import BUFFERS, Job
from twofold.proof.check.inside.members import Slot, slots
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs

NOT_HELD = n.words("grads x cache out")


def is_gradient(key: str) -> bool:
    """Whether a name is that of a gradient, or of a value that a pass keeps."""
    short = n.plain(key)
    return short.startswith(("d", "grad")) or short.endswith(("grad", "gradient")) or short in ("x", "cache", "out")


def sizes_of(scene: InsideScene) -> Sizes:
    """Inputs and units of a recurrent layer."""
    return Sizes(scene.arrays["weight_ih"].shape[1], scene.arrays["weight_hh"].shape[1])


class Held:
    """The places of an object's parameters."""

    def __init__(self, job: Job, layout: Layout) -> None:
        self.job, self.layout = job, layout
        self.where: dict[str, list[Slot]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.single: list[Slot] | None = None
        """The one bias of a recurrent object, where PyTorch has two."""
        self.pieces: dict[str, Piece] = {}
        self.places: dict[str, Slot] = {}
        self.given: Tensors = {}

    def find(self, holder: object, scene: InsideScene) -> None:
        """Find the parameters on an object: by name, else by shape, else gate by gate. Raises `BindingError`."""
        if self.pieces or (self.where and all(name in self.where for name in scene.parameters)):
            return
        candidates = [slot for slot in slots(holder) if n.plain(slot.name) not in NOT_HELD]
        if self.job.kind in n.RECURRENT and self._in_pieces(candidates, scene):
            return
        wanted = [*scene.parameters, *(b for b in BUFFERS if b in scene.arrays)]
        taken = set[int]()
        for name in wanted:
            if name not in self.where:
                self._place(name, wanted, [s for s in candidates if id(s.value) not in taken], holder, scene)
            if name in self.where:
                taken.add(id(self.where[name][0].value))
        self._one_bias(candidates, wanted, holder, scene)
        missing = [name for name in scene.parameters if name not in self.where]
        if missing:
            self._refuse(missing, candidates, scene)

    def _place(
        self, name: str, wanted: Sequence[str], candidates: Sequence[Slot], holder: object, scene: InsideScene
    ) -> None:
        fitting = [s for s in candidates if self._fits(s.value, scene.arrays[name])]
        declared = [s for s in fitting if self.job.declared.get(s.name) == name]
        named = declared or [s for s in fitting if self.role(s.name, wanted) == name]
        of_a_recurrent_bias = name.startswith("bias_") and self.job.kind in n.RECURRENT
        if not named and (name in BUFFERS or of_a_recurrent_bias):
            return
        chosen = named or [s for s in fitting if not is_gradient(s.name)]
        if chosen:
            value = chosen[0].value
            self.where[name] = [s for s in slots(holder) if s.value is value]
            self.shapes[name] = tuple(value.shape)

    def role(self, name: str, wanted: Sequence[str]) -> str | None:
        """The parameter that a slot's name stands for."""
        return n.parameter_role(self.job.kind, name, wanted) or n.parameter_role(
            self.job.kind, name.rpartition(".")[2], wanted
        )

    def _one_bias(self, candidates: Sequence[Slot], wanted: Sequence[str], holder: object, scene: InsideScene) -> None:
        """Find the single bias of a recurrent object where PyTorch has two; it gets their sum."""
        self.single = None
        if self.job.kind not in n.RECURRENT or "bias_ih" not in wanted:
            return
        have = [name for name in ("bias_ih", "bias_hh") if name in self.where]
        if len(have) == 2:
            return
        fitting = [s for s in candidates if self._fits(s.value, scene.arrays["bias_ih"])]
        fitting = [s for s in fitting if not is_gradient(s.name)] or fitting
        if fitting:
            value = self.where.get(have[0]) if have else None
            self.single = value or [s for s in slots(holder) if s.value is fitting[0].value]
            self.where["bias_ih"] = self.where["bias_hh"] = self.single
            self.shapes["bias_ih"] = self.shapes["bias_hh"] = tuple(fitting[0].value.shape)

    def _in_pieces(self, candidates: Sequence[Slot], scene: InsideScene) -> bool:
        """Whether the object holds a matrix for each gate, or one over [x, h]; their places are then known."""
        sizes = sizes_of(scene)
        if any(tuple(s.value.shape) in (a.shape, a.T.shape) for s in candidates for a in self._weights(scene)):
            return False
        table = {s.name: s for s in candidates if not is_gradient(s.name)}
        shapes = {name: tuple(s.value.shape) for name, s in table.items()}
        whole = pieces(shapes, self.job.kind, sizes, "bias_ih" in scene.parameters, self.layout.joined)
        if whole:
            self.pieces = whole
            self.places = {name: table[name] for name in whole}
        return bool(whole)

    def _weights(self, scene: InsideScene) -> list[np.ndarray]:
        return [scene.arrays["weight_ih"]] if self.job.kind == "rnn" else [
            scene.arrays[name] for name in ("weight_ih", "weight_hh")
        ]  # fmt: skip

    def _refuse(self, missing: Sequence[str], candidates: Sequence[Slot], scene: InsideScene) -> None:
        held = ", ".join(f"`{s.name}` {tuple(s.value.shape)}" for s in candidates) or "no array"
        shapes = ", ".join(f"`{name}` {tuple(scene.arrays[name].shape)}" for name in missing)
        raise BindingError(
            f"cannot find {shapes} on the object; it holds {held}. Say where with an adapter: "
            f'`Adapter({missing[0]}="NAME")`, or `--adapt NAME={missing[0]}`.'
        )

    def _fits(self, value: Theirs, ours: np.ndarray) -> bool:
        """Whether an array has the shape that ours has in the layout; a vector may have axes of length 1."""
        theirs = tuple(value.shape)
        laid = self.layout.weight(ours).shape
        return theirs == laid or (ours.ndim == 1 and theirs in ((1, len(ours)), (len(ours), 1))) or (
            ours.ndim == 1 and int(np.prod(theirs)) == len(ours) and (len(theirs) == 4 or not theirs)
        )  # fmt: skip

    def one_bias(self) -> bool:
        """Whether one bias stands where PyTorch has two."""
        return self.single is not None or any(p.parameters == ("bias_ih", "bias_hh") for p in self.pieces.values())

    def ours(self, scene: InsideScene) -> Tensors:
        """The scene's parameters; a GRU with one bias is played with b_hh = 0."""
        held = {name: scene.arrays[name] for name in scene.parameters}
        if self.job.kind == "gru" and self.one_bias():
            held["bias_hh"] = np.zeros_like(held["bias_hh"])
        return held

    def set(self, scene: InsideScene) -> None:
        """Set the object's parameters to the scene's."""
        held = self.ours(scene)
        for name, piece in self.pieces.items():
            _put(self.places[name], piece.value(held))
        for name in [*scene.parameters, *(b for b in BUFFERS if b in scene.arrays)]:
            if name not in self.where:
                continue
            ours: np.ndarray = held[name] if name in held else scene.arrays[name]
            if self.single is not None and name in ("bias_ih", "bias_hh"):
                ours = held["bias_ih"] + held["bias_hh"]
            value = self.layout.weight(ours).reshape(self.shapes[name]).copy()
            self.given[name] = value.copy()
            for slot in self.where[name]:
                _put(slot, value)

    def moved(self, name: str, rate: float) -> Theirs:
        """The gradient of a parameter that `backward` itself updates: its change over the rate; `None` if unchanged."""
        if name not in self.given or not rate:
            return None
        slot = self.where[name][0]
        step = self.given[name] - array(slot.container[slot.key], name)
        return step / rate if step.any() else None

    def buffers(self, scene: InsideScene) -> Tensors:
        """Running statistics as they are now."""
        now = {
            b: self.where[b][0].container[self.where[b][0].key]
            for b in BUFFERS
            if b in scene.arrays and b in self.where
        }
        return {name: array(value, name).reshape(-1) for name, value in now.items()}


def _put(slot: Slot, value: np.ndarray) -> None:
    held = slot.container[slot.key]
    if is_tensor(held):
        tensor = loaded_torch().tensor(value)
        slot.container[slot.key] = tensor.requires_grad_(True) if held.requires_grad else tensor
        return
    slot.container[slot.key] = value.copy() if shape_of(value) is not None else value
