"""A recurrent layer given as functions of one step of time, forward and back; the loop is ours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from twofold.proof.check.inside import names as n
from twofold.proof.check.inside.arrays import (
    UnusableError,
    array,
    arrays_in,
    is_tensor,
    loaded_torch,
    read_states,
    to_states,
)
from twofold.proof.check.inside.call import call
from twofold.proof.check.inside.functions import Functions
from twofold.proof.check.inside.scene import InsideScene
from twofold.proof.check.inside.theirs import Tensors, Theirs, Values


class StepFunctions(Functions):
    """Plays a recurrent cell given as functions of one step of time, forward and back; the loop is ours."""

    def play(self, scene: InsideScene) -> Tensors:
        """Step by step forward, and back through time."""
        values, x = self.values(scene), scene.arrays["x"]
        leaves: Values = {}
        values = self._as_tensors(values, leaves)
        inputs, order = values["x"], [*self.order(values)]
        if self.job.kind == "lstm":
            order.insert(order.index("h0") + 1, "c0")
        h, c, states, caches = values["h0"], values["c0"], list[Theirs](), list[Theirs]()
        for t in range(x.shape[1]):
            now = {**values, "x": inputs[:, t], "h0": h, "c0": c}
            result = call(self.forward, now, self.names, order, self.job.declared)
            h, c, cache = self._step_outputs(result, c)
            states.append(h)
            caches.append(cache)
        every = len(scene.shapes["y"]) == 3
        if is_tensor(h):
            whole = loaded_torch().stack(states, 1)
            y = whole if every else read_states(whole, self.job.settings)
            tensors = {"y": array(y, "y")}
            self.every = False
            return tensors | (
                self._autograd(y, leaves, scene) if "dy" in scene.arrays and self.backward is None else {}
            )
        whole = np.stack([array(s, "h") for s in states], 1)
        tensors = {"y": whole if every else read_states(whole, self.job.settings)}
        if self.backward is None or "dy" not in scene.arrays:
            return tensors
        return tensors | self._through_time(values, caches, scene, every)

    def _step_outputs(self, result: object, c: Theirs) -> tuple[Theirs, Theirs, Theirs]:
        members = arrays_in(result)
        if len(members) == 2 and isinstance(members[0], tuple | list):
            members = [*members[0], members[1]]
        if self.job.kind == "lstm" and len(members) > 1:
            return members[0], members[1], members[2] if len(members) == 3 else tuple(members[2:])
        return members[0], c, members[1] if len(members) == 2 else tuple(members[1:])

    def _through_time(self, values: Values, caches: list[Theirs], scene: InsideScene, every: bool) -> Tensors:
        dy, count = scene.arrays["dy"], len(caches)
        dy = dy if every else to_states(dy, count, self.job.settings)
        total: dict[str, np.ndarray] = {}
        dx = np.zeros(scene.arrays["x"].shape)
        dh, dc = np.zeros(np.shape(values["h0"])), np.zeros(np.shape(values["h0"]))
        for t in reversed(range(count)):
            dh = dh + dy[:, t]
            roles = {**values, "dy": dh, "c0": dc, "cache": caches[t]}
            order = ["dy", *(["c0"] if self.job.kind == "lstm" else []), "cache"]
            names = {**self.names, "c0": f"{n.MEMORY} dc dnextc dcnext dcell dnc"}
            result = call(self.backward, roles, names, order, self.job.declared)  # pyright: ignore[reportArgumentType]
            step_x, dh, dc, grads = self._step_back(result, scene, dc)
            dx[:, t] = step_x
            for name, gradient in grads.items():
                total[name] = total.get(name, 0) + gradient
        return {"dx": dx, **total}

    def _step_back(
        self, result: Theirs, scene: InsideScene, dc: np.ndarray
    ) -> tuple[Theirs, Theirs, Theirs, dict[str, np.ndarray]]:
        members = list(arrays_in(result))
        if isinstance(members[-1], Mapping):
            members = [*members[:-1], *members[-1].values()]
        if len(members) < 3:
            raise UnusableError("a step's `backward` must give dx, dh(t−1) and the gradients of the parameters")
        lstm = self.job.kind == "lstm"
        dx, dh, rest = members[0], members[1], members[3:] if lstm else members[2:]
        wanted = {name: self.layout.weight(scene.arrays[name]).shape for name in scene.parameters}
        one_bias = not self._names_both()
        names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        grads = {}
        for name, value in zip(names, rest, strict=False):
            grads[scene.gradient(name)] = self.layout.weight_back(array(value, name))
        if one_bias and scene.gradient("bias_ih") in grads and "bias_hh" in wanted:
            grads[scene.gradient("bias_hh")] = grads[scene.gradient("bias_ih")]
        return array(dx, "dx"), array(dh, "dh"), array(members[2], "dc") if lstm else dc, grads
